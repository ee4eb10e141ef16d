//! Tasks that fork: the child is not a worker, sends nothing to the pool, and exits when it leaves
//! user code.
#![allow(unsafe_code, reason = "tests the behaviour of forks")]

#[path = "../../pool/tests/support/mod.rs"]
mod support;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use manyhands::{Pool, Process};
use serde::{Deserialize, Serialize};
use support::{is_alive, wait_until};

fn main() -> ExitCode {
    manyhands::init();
    support::run(tests![
        a_child_that_returns_sends_no_result_and_takes_no_task,
        a_child_that_panics_exits_with_101_and_the_task_goes_on,
        a_child_exits_with_its_own_status_and_the_task_goes_on,
        both_processes_run_the_rest_of_the_task_once,
        a_child_forked_while_an_argument_or_a_result_is_converted_is_not_a_worker,
        children_of_initializers_and_finalizers_are_not_workers,
        a_child_of_a_process_is_not_that_process,
        a_child_that_stays_ends_with_its_pool,
    ])
}

/// Forks; returns the child's process number, or 0 in the child.
fn fork() -> i32 {
    // SAFETY: the child does only what a single-threaded task may do, which is what this tests.
    unsafe { libc::fork() }
}

/// The exit status of a child.
fn status_of(child: i32) -> i32 {
    let mut status = 0;
    // SAFETY: waits for a child of this process.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFEXITED(status), "ended with {status}");
    libc::WEXITSTATUS(status)
}

fn note(path: &str, line: &str) {
    let mut log = OpenOptions::new().append(true).create(true).open(path).unwrap();
    log.write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().unwrap()
}

/// The path of a file that is removed with this value.
struct Log(tempfile::TempDir);

impl Log {
    fn new() -> Self {
        Log(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> String {
        self.0.path().join("log").display().to_string()
    }

    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> =
            fs::read_to_string(self.path()).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

fn a_child_that_returns_sends_no_result_and_takes_no_task() {
    let log = Log::new();
    let task = |path: &String, number: u64| match fork() {
        0 => "the child's".to_owned(),
        child => {
            assert_eq!(status_of(child), 0);
            note(path, &format!("{number:02}"));
            format!("the task's {number}")
        }
    };
    let expected: Vec<_> = (0..20).map(|number| format!("the task's {number}")).collect();
    let pool = pool(1);
    for chunk in [1, 10] {
        assert_eq!(
            pool.call().chunk_size(chunk).map_with(&log.path(), task, 0..20).unwrap(),
            expected
        );
    }
    let ran: Vec<_> = (0..40).map(|number| format!("{:02}", number / 2)).collect();
    assert_eq!(log.lines(), ran);
}

fn a_child_that_panics_exits_with_101_and_the_task_goes_on() {
    let task = |number: i32| match fork() {
        0 => panic!("of a child, on purpose"),
        child => (number, status_of(child)),
    };
    assert_eq!(pool(1).map(task, 0..4).unwrap(), [(0, 101), (1, 101), (2, 101), (3, 101)]);
}

fn a_child_exits_with_its_own_status_and_the_task_goes_on() {
    let task = |code: i32| match fork() {
        0 => std::process::exit(code),
        child => status_of(child),
    };
    assert_eq!(pool(1).map(task, [7, 0, 255]).unwrap(), [7, 0, 255]);
}

fn both_processes_run_the_rest_of_the_task_once() {
    let log = Log::new();
    let task = |path: &String, number: u64| {
        let child = fork();
        if child == 0 {
            // After the parent, which does not wait and takes its next task.
            std::thread::sleep(Duration::from_millis(1));
        }
        note(path, &format!("{number:02} {}", std::process::id()));
        (number, child)
    };
    let path = log.path();
    let pool = pool(1);
    let results = pool.call().chunk_size(1).map_with(&path, task, 0..12).unwrap();
    assert!(results.iter().map(|(number, _)| *number).eq(0..12));
    assert!(results.iter().all(|(_, child)| *child > 0), "the parent's");
    wait_until("all have run", || log.lines().len() >= 24, || format!("{:?}", log.lines()));
    pool.shutdown();
    let lines = log.lines();
    let count = |number: usize| {
        lines.iter().filter(|line| line.starts_with(&format!("{number:02} "))).count()
    };
    assert!((0..12).all(|number| count(number) == 2), "{lines:?}");
}

/// Forks while it is encoded in a worker, and while it is decoded there.
struct Forks(u32);

/// Forks; the child goes on, and the parent first waits until it has exited.
fn fork_in_worker() {
    if manyhands::worker_index().is_some() {
        match fork() {
            0 => {}
            child => assert_eq!(status_of(child), 0),
        }
    }
}

impl Serialize for Forks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fork_in_worker();
        serializer.serialize_u32(self.0)
    }
}

impl<'de> Deserialize<'de> for Forks {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fork_in_worker();
        u32::deserialize(deserializer).map(Forks)
    }
}

fn a_child_forked_while_an_argument_or_a_result_is_converted_is_not_a_worker() {
    let pool = pool(1);
    let there = pool.map(|x: Forks| x.0, (0..5).map(Forks)).unwrap();
    assert_eq!(there, [0, 1, 2, 3, 4]);
    let back = pool.map(Forks, 0..5).unwrap();
    assert!(back.into_iter().map(|x| x.0).eq(0..5));
    let as_context = pool.map_with(&Forks(7), |context, x: u32| context.0 + x, 0..5).unwrap();
    assert_eq!(as_context, [7, 8, 9, 10, 11]);
}

fn children_of_initializers_and_finalizers_are_not_workers() {
    let log = Log::new();
    static PATH: OnceLock<String> = OnceLock::new();
    let fork_and_note = |path: String| {
        if fork() != 0 {
            note(&path, "initialized");
        }
        PATH.set(path).unwrap();
    };
    let pool = Pool::builder()
        .workers(2)
        .initializer(fork_and_note, log.path())
        .finalizer(|()| match fork() {
            // Only a child that is ended where the finalizer is called exits with 101.
            0 => panic!("of a child, on purpose"),
            child => note(PATH.get().unwrap(), &format!("finalized, {}", status_of(child))),
        })
        .build()
        .unwrap();
    assert!(pool.map(|x: u64| x + 1, 0..100).unwrap().into_iter().eq(1..101));
    pool.shutdown();
    assert_eq!(log.lines(), ["finalized, 101", "finalized, 101", "initialized", "initialized"]);
}

fn a_child_of_a_process_is_not_that_process() {
    let process = Process::spawn(
        |answer: u32| match fork() {
            0 => 0,
            child => answer + status_of(child).cast_unsigned(),
        },
        5,
    );
    assert_eq!(process.unwrap().join().unwrap(), 5);
}

fn a_child_that_stays_ends_with_its_pool() {
    let pool = pool(1);
    let stays = |()| match fork() {
        0 => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        child => child.cast_unsigned(),
    };
    let child = pool.submit(stays, ()).unwrap().wait().unwrap();
    assert!(is_alive(child));
    pool.shutdown();
    wait_until("the child is gone", || !is_alive(child), || format!("{child}"));
}
