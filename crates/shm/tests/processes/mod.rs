//! Shared by the tests with real processes: children that are copies of the test, and a watchdog
//! that ends a hang and prints the stacks of all processes.

#![allow(unsafe_code, reason = "fork, waitpid and kill")]
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::print_stderr, reason = "a watchdog has to bark")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::abort;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The living children, for the watchdog.
static CHILDREN: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// Ends the test program if it is not dropped in time.
pub(crate) struct Watchdog(Arc<Mutex<Option<Instant>>>);

impl Watchdog {
    /// Gives a test two minutes.
    pub(crate) fn watch(test: &'static str) -> Watchdog {
        let since = Arc::new(Mutex::new(Some(Instant::now())));
        let seen = Arc::clone(&since);
        thread::spawn(move || {
            loop {
                thread::park_timeout(Duration::from_millis(200));
                match *seen.lock().unwrap() {
                    None => return,
                    Some(since) if since.elapsed() > Duration::from_secs(120) => break,
                    Some(_) => {}
                }
            }
            eprintln!("{test} hangs");
            let children = CHILDREN.lock().map(|pids| pids.clone()).unwrap_or_default();
            for pid in children.iter().chain([&(std::process::id() as i32)]) {
                print_stacks(*pid);
            }
            for pid in children {
                // SAFETY: a system call without memory.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
            abort();
        });
        Watchdog(since)
    }

    /// Gives the test two more minutes.
    pub(crate) fn extend(&self) {
        *self.0.lock().unwrap() = Some(Instant::now());
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = None;
    }
}

/// Prints what each thread of a process is doing, as far as the kernel knows.
fn print_stacks(pid: i32) {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return };
    for task in tasks.flatten() {
        let read = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        eprintln!(
            "process {pid} thread {} ({}): {} in {}, system call {}{}",
            task.file_name().to_string_lossy(),
            read("comm").trim(),
            read("stat").rsplit(") ").next().unwrap_or_default().get(..1).unwrap_or_default(),
            read("wchan"),
            read("syscall").trim(),
            read("stack"),
        );
    }
}

/// A forked copy of the test, killed and reaped when it is dropped.
pub(crate) struct Child {
    pid: i32,
    reaped: bool,
}

/// The exit status of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Exit(i32),
    Signal(i32),
}

/// Runs `work` in a child, which exits with 0, or with 101 if `work` panics.
pub(crate) fn child(work: impl FnOnce()) -> Child {
    let mut pids = CHILDREN.lock().unwrap();
    // SAFETY: the child runs test code that takes no lock that another thread may hold; the C
    // library keeps its allocator usable in a forked child.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork failed");
    if pid == 0 {
        let code = if catch_unwind(AssertUnwindSafe(work)).is_ok() { 0 } else { 101 };
        // SAFETY: ends the process without touching objects of the parent's threads.
        unsafe { libc::_exit(code) };
    }
    pids.push(pid);
    Child { pid, reaped: false }
}

impl Child {
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    pub(crate) fn kill(&self) {
        // SAFETY: a system call without memory; the child is not reaped, so the number is its own.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
    }

    /// Stops it, wherever it is.
    pub(crate) fn stop(&self) {
        // SAFETY: as in `kill`.
        unsafe { libc::kill(self.pid, libc::SIGSTOP) };
    }

    /// Waits until it exits, and reaps it.
    pub(crate) fn end(mut self) -> End {
        self.reap()
    }

    pub(crate) fn succeeds(self) {
        assert_eq!(self.end(), End::Exit(0));
    }

    fn reap(&mut self) -> End {
        let mut status = 0;
        // SAFETY: `status` is a local variable.
        while unsafe { libc::waitpid(self.pid, &raw mut status, 0) } != self.pid {}
        self.reaped = true;
        CHILDREN.lock().unwrap().retain(|pid| *pid != self.pid);
        if libc::WIFSIGNALED(status) {
            End::Signal(libc::WTERMSIG(status))
        } else {
            End::Exit(libc::WEXITSTATUS(status))
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
            self.reap();
        }
    }
}

/// Waits until `there` returns true; the watchdog ends the test if that never happens.
pub(crate) fn until(mut there: impl FnMut() -> bool) {
    while !there() {
        thread::sleep(Duration::from_millis(1));
    }
}
