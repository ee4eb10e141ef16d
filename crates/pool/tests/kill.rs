//! Deaths at every moment: workers that are single-stepped and killed, workers that are killed
//! at random under load, and a parent that is killed. Nothing hangs, every task ends once, and
//! nothing is left behind.
//!
//! With `MANYHANDS_KILL_EVERY=1` the single-stepped worker is killed after every instruction,
//! not only after a sample.

#![allow(unsafe_code, reason = "ptrace and signals")]
#![allow(clippy::print_stdout, reason = "a parent tells its pids")]

mod runner;
mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use manyhands_pool::{CallOptions, Error, ErrorKind, Pool};
use runner::*;
use support::{Random, children, wait_until};

fn main() -> ExitCode {
    work_if_worker();
    if std::env::args().nth(1).as_deref() == Some("--be-the-parent") {
        be_the_parent();
    }
    support::run(tests![
        a_worker_killed_at_any_instruction_of_a_reply_loses_at_most_that_task,
        two_thousand_deaths_lose_only_running_tasks,
        a_killed_parent_leaves_no_process_and_no_memory,
        one_interrupt_from_the_terminal_ends_everything_quietly,
    ])
}

/// A process that is single-stepped by this thread.
struct Traced(i32);

impl Traced {
    /// Stops a process and begins to trace it.
    fn seize(pid: u32) -> Self {
        let pid = pid as i32;
        for request in [libc::PTRACE_SEIZE, libc::PTRACE_INTERRUPT] {
            // SAFETY: neither request takes memory.
            assert_eq!(unsafe { libc::ptrace(request, pid, 0, 0) }, 0, "ptrace of {pid}");
        }
        let traced = Traced(pid);
        assert!(traced.wait_stop());
        traced
    }

    /// Waits until it stops; returns `false` if it ended instead.
    fn wait_stop(&self) -> bool {
        let mut status = 0;
        // SAFETY: writes the status.
        let waited = unsafe { libc::waitpid(self.0, &raw mut status, libc::__WALL) };
        waited == self.0 && libc::WIFSTOPPED(status)
    }

    /// Runs one instruction.
    fn step(&self) -> bool {
        // SAFETY: the request takes no memory.
        unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, self.0, 0, 0) == 0 && self.wait_stop() }
    }

    fn kill(self) {
        kill(self.0 as u32, libc::SIGKILL);
    }
}

fn kill(pid: u32, signal: i32) -> bool {
    // SAFETY: only sends a signal.
    unsafe { libc::kill(pid as i32, signal) == 0 }
}

/// Runs a worker's task one instruction at a time and kills the worker after `steps` of them.
/// Returns the number of instructions until the task was done.
fn kill_after(pool: &Pool, steps: usize) -> Option<usize> {
    let pid = value(submit(pool, "pid", 0)).unwrap() as u32;
    let traced = Traced::seize(pid);
    let future = submit(pool, "double", 21);
    let mut done_at = None;
    for step in 0..steps {
        if done_at.is_none() && future.is_done() {
            done_at = Some(step);
        }
        // A step that takes this long went into a sleep: no further instruction follows.
        let began = Instant::now();
        if !traced.step() || began.elapsed() > Duration::from_millis(250) {
            break;
        }
    }
    traced.kill();
    match value(future) {
        Ok(result) => assert_eq!(result, 42),
        Err(error) => {
            let death = error.death().unwrap_or_else(|| panic!("after {steps} steps: {error}"));
            assert_eq!(death.worker.pid, pid, "after {steps} steps: {error}");
            assert!(done_at.is_none(), "after {steps} steps a finished task failed: {error}");
        }
    }
    // The pool goes on with another worker.
    assert_ne!(value(submit(pool, "pid", 0)).unwrap() as u32, pid);
    done_at
}

fn a_worker_killed_at_any_instruction_of_a_reply_loses_at_most_that_task() {
    let pool = pool(1);
    // After the reply, the worker notifies the bell and goes to sleep.
    let whole = kill_after(&pool, usize::MAX).expect("the task is done before the worker sleeps");
    let last = whole + whole / 2;
    let every = std::env::var_os("MANYHANDS_KILL_EVERY").is_some();
    let stride = if every { 1 } else { (last / 150).max(1) };
    for steps in (0..last).step_by(stride) {
        kill_after(&pool, steps);
    }
}

/// Stops the killing even if the test fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn two_thousand_deaths_lose_only_running_tasks() {
    const DEATHS: usize = 2_000;
    let pool = pool(4);
    let (stop, deaths) = (AtomicBool::new(false), AtomicUsize::new(0));
    let outcomes = Mutex::new((0, 0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            let mut killed = BTreeSet::new();
            while !stop.load(Ordering::Relaxed) {
                let workers = children();
                std::thread::sleep(Duration::from_micros(random.below(3_000)));
                if workers.is_empty() {
                    continue;
                }
                let pid = workers[random.below(workers.len() as u64) as usize];
                // On a busy machine nearly every one would be hit while it starts, and a pool whose
                // workers all die then gives up, as it should.
                if !has_begun(pid) && random.below(8) != 0 {
                    continue;
                }
                if random.below(4) == 0 {
                    kill(pid, libc::SIGSTOP);
                    std::thread::sleep(Duration::from_micros(random.below(3_000)));
                    kill(pid, libc::SIGCONT);
                } else if kill(pid, libc::SIGKILL) && killed.insert(pid) {
                    deaths.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let _stop = StopOnDrop(&stop);
        let mut random = Random(42);
        while deaths.load(Ordering::Relaxed) < DEATHS {
            let numbers = (0..200).map(|_| random.below(100)).collect::<Vec<_>>();
            for name in ["double", "panic if odd", "exit if odd", "spin"] {
                let options =
                    CallOptions { retries: (numbers[0] % 2) as u32, ..Default::default() };
                let results = map(&pool, name, numbers.iter().copied(), options, true);
                assert_eq!(results.len(), numbers.len());
                for (place, (task, result)) in results.into_iter().enumerate() {
                    assert_eq!(task, place as u64);
                    let number = numbers[place];
                    let mut outcomes = outcomes.lock().unwrap();
                    match result {
                        Ok(result) => {
                            outcomes.0 += 1;
                            assert_eq!(result, if name == "double" { 2 * number } else { number });
                        }
                        Err(error) => {
                            outcomes.1 += 1;
                            assert!(is_a_cause(name, number, &error), "{name} {number}: {error}");
                        }
                    }
                }
            }
            let futures: Vec<_> = (0..20).map(|number| submit(&pool, "double", number)).collect();
            for (number, future) in futures.into_iter().enumerate() {
                match value(future) {
                    Ok(result) => assert_eq!(result, 2 * number as u64),
                    Err(error) => assert!(error.death().is_some(), "{error}"),
                }
            }
        }
    });
    // The pool is fully usable.
    let results = map(&pool, "double", 0..1000, CallOptions::default(), true);
    assert!(results.into_iter().all(|(task, result)| result.unwrap() == 2 * task));
    let (right, lost) = *outcomes.lock().unwrap();
    println!("    {} deaths: {right} tasks done, {lost} failed", deaths.load(Ordering::Relaxed));
}

/// True if a worker is past its start: it has taken the socket that was its standard input.
fn has_begun(pid: u32) -> bool {
    std::fs::read_link(format!("/proc/{pid}/fd/0")).is_ok_and(|to| to == Path::new("/dev/null"))
}

fn is_a_cause(name: &str, number: u64, error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Panicked { .. } => name == "panic if odd" && number % 2 == 1,
        ErrorKind::WorkerDied { death, .. } => match death.exit {
            manyhands_pool::launch::Exit::Code(3) => name == "exit if odd" && number % 2 == 1,
            manyhands_pool::launch::Exit::Signal(9) => true,
            _ => false,
        },
        _ => false,
    }
}

/// Makes a pool with busy, idle and stopped workers and a large segment, prints the pids of all of
/// them, and waits to be killed.
fn be_the_parent() -> ! {
    // A test run in the background of a script starts with this signal ignored.
    // SAFETY: the default disposition runs no code of ours.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    let pool = pool(3);
    let handle = words(32 << 20);
    let pids = [(); 3].map(|()| {
        let future = submit_with(&pool, "child", with_handle(0, &handle), CallOptions::default());
        std::mem::forget(future);
    });
    std::hint::black_box(pids);
    wait_until("every worker has a family", || children().len() == 3, String::new);
    let workers = children();
    let grandchildren = || workers.iter().flat_map(|pid| below(*pid)).collect::<Vec<_>>();
    wait_until("all are there", || grandchildren().len() == 9, || format!("{:?}", grandchildren()));
    kill(workers[2], libc::SIGSTOP);
    let all: Vec<String> =
        workers.iter().chain(&grandchildren()).map(ToString::to_string).collect();
    println!("{}", all.join(" "));
    loop {
        std::thread::park();
    }
}

/// The living descendants of a process.
fn below(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let children: Vec<u32> = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| {
            list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
        })
        .collect();
    let deeper: Vec<u32> = children.iter().flat_map(|pid| below(*pid)).collect();
    [children, deeper].concat()
}

fn shared_memory_in_use() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = meminfo.lines().find_map(|line| line.strip_prefix("Shmem:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Starts a process that has a pool, in a process group of its own; returns it and the pids of its
/// workers and their descendants.
fn start_a_parent() -> (Child, Vec<u32>) {
    let mut parent = Command::new("/proc/self/exe")
        .arg("--be-the-parent")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pids: Vec<u32> = line.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 12, "{line:?}");
    (parent, pids)
}

/// Waits at most a second until a process, its descendants and its shared memory are gone.
fn assert_all_gone(parent: &mut Child, pids: &[u32], memory_before: u64) {
    let killed = Instant::now();
    parent.wait().unwrap();
    let left =
        || -> Vec<u32> { pids.iter().copied().filter(|pid| support::is_alive(*pid)).collect() };
    let gone = || left().is_empty() && shared_memory_in_use() < memory_before + HALF;
    wait_until("all are gone", gone, || format!("{:?}", left()));
    // This is not about speed: a process that has not noticed by then waits for something else.
    assert!(killed.elapsed() < Duration::from_secs(1), "it took {:?}", killed.elapsed());
}

/// Half of the memory that the parent shares.
const HALF: u64 = 128 << 20;

fn a_killed_parent_leaves_no_process_and_no_memory() {
    let before = shared_memory_in_use();
    let (mut parent, pids) = start_a_parent();
    assert!(shared_memory_in_use() > before + HALF);
    parent.kill().unwrap();
    assert_all_gone(&mut parent, &pids, before);
}

fn one_interrupt_from_the_terminal_ends_everything_quietly() {
    let before = shared_memory_in_use();
    let (mut parent, pids) = start_a_parent();
    // A terminal sends the signal to the whole foreground group, to which the workers do not
    // belong.
    // SAFETY: only sends a signal.
    assert_eq!(unsafe { libc::kill(-parent.id().cast_signed(), libc::SIGINT) }, 0);
    let mut stderr = parent.stderr.take().unwrap();
    assert_all_gone(&mut parent, &pids, before);
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}
