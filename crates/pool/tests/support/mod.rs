//! A test harness for a library that starts its own executable again. Tests run one after
//! another in one process, each under a watchdog, and each must leave nothing behind.
//!
//! The output looks like that of the standard harness. A filter and `--list` work as there.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test program reports")]
#![allow(unreachable_pub, reason = "it is a module of each test binary")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A test and its name.
pub type Test = (&'static str, fn());

/// Names tests after their functions.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name as fn())),*] };
}

/// Long enough for a slow machine; only a hang comes near it.
const WATCHDOG: Duration = Duration::from_secs(300);
/// Limit for the run that kills after every instruction.
const PATIENT_WATCHDOG: Duration = Duration::from_secs(3 * 60 * 60);

/// Runs the tests whose names contain the first argument that is not an option.
pub fn run(tests: &[Test]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let chosen: Vec<_> = tests
        .iter()
        .filter(|(name, _)| {
            filter.is_none_or(|filter| if exact { name == filter } else { name.contains(filter) })
        })
        .collect();
    println!("\nrunning {} tests", chosen.len());
    let started = Instant::now();
    let mut failed = Vec::new();
    for (name, test) in &chosen {
        let before = Left::now();
        let done = watch(name);
        let passed = panic::catch_unwind(AssertUnwindSafe(|| {
            test();
            before.assert_nothing_more();
        }));
        drop(done);
        println!("test {name} ... {}", if passed.is_ok() { "ok" } else { "FAILED" });
        if passed.is_err() {
            failed.push(*name);
        }
    }
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; \
         finished in {:.2}s\n",
        chosen.len() - failed.len(),
        failed.len(),
        tests.len() - chosen.len(),
        started.elapsed().as_secs_f64()
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends the program and prints all stacks unless the sender is dropped in time.
fn watch(name: &'static str) -> mpsc::Sender<()> {
    let (done, waiting) = mpsc::channel::<()>();
    let patient = std::env::var_os("MANYHANDS_KILL_EVERY").is_some();
    let limit = if patient { PATIENT_WATCHDOG } else { WATCHDOG };
    thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || {
            if waiting.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("test {name} hangs after {limit:?}:");
                print_stacks();
                std::process::abort();
            }
        })
        .expect("a thread for the watchdog");
    done
}

/// Prints where this process, its threads and its children are.
fn print_stacks() {
    for pid in [vec![std::process::id()], children()].concat() {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for task in tasks.flatten() {
            let read = |file: &str| {
                fs::read_to_string(task.path().join(file)).unwrap_or_else(|e| e.to_string())
            };
            eprintln!(
                "-- process {pid}, thread {:?}: {}, in {}, system call {}\n{}",
                task.file_name(),
                read("comm").trim(),
                read("wchan"),
                read("syscall").trim(),
                read("stack")
            );
        }
        let gdb = std::process::Command::new("gdb")
            .args(["-p", &pid.to_string(), "-batch", "-ex", "thread apply all bt 24"])
            .output();
        if let Ok(gdb) = gdb {
            eprintln!("{}", String::from_utf8_lossy(&gdb.stdout));
        }
    }
}

/// The children of this process, dead ones included.
pub fn children() -> Vec<u32> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc").flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| {
            list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}

/// True if a process exists and is not a zombie.
pub fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').expect("a name")..].starts_with(") Z"))
}

/// The resources of a process that a test could leave behind.
struct Left {
    children: BTreeSet<u32>,
    threads: BTreeSet<String>,
    descriptors: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Left {
    fn now() -> Self {
        let names = |folder: &str| -> BTreeSet<String> {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path().display().to_string()).collect()
        };
        // The folder that is being read is itself a descriptor, closed by the time it is resolved.
        let descriptors = names("/proc/self/fd")
            .into_iter()
            .filter_map(|fd| Some(format!("{fd} -> {}", fs::read_link(&fd).ok()?.display())))
            .filter(|fd| !fd.contains("/proc/"))
            .collect();
        let threads = names("/proc/self/task")
            .into_iter()
            .filter_map(|task| {
                Some(format!("{task} {}", fs::read_to_string(format!("{task}/comm")).ok()?))
            })
            .filter(|task| !task.contains("watchdog"))
            .collect();
        // Other programs use these folders too. CI, with a temporary folder of its own, checks that
        // nothing of any name is left.
        let temporary = std::env::temp_dir().display().to_string();
        let ours = |file: &String| file.contains("manyhands");
        Left {
            children: children().into_iter().collect(),
            threads,
            descriptors,
            files: names("/dev/shm")
                .union(&names(&temporary))
                .filter(|file| ours(file))
                .cloned()
                .collect(),
        }
    }

    /// Threads and processes that were told to end may need a moment.
    fn assert_nothing_more(&self) {
        let more = || {
            let now = Self::now();
            let new = |now: &BTreeSet<String>, was: &BTreeSet<String>| {
                now.difference(was).cloned().collect::<Vec<_>>()
            };
            let children: Vec<_> = now.children.difference(&self.children).copied().collect();
            let all = (
                children,
                new(&now.threads, &self.threads),
                new(&now.descriptors, &self.descriptors),
                new(&now.files, &self.files),
            );
            let none = all.0.is_empty() && all.1.is_empty() && all.2.is_empty() && all.3.is_empty();
            (!none).then_some(all)
        };
        wait_until("nothing is left behind", || more().is_none(), || format!("{:?}", more()));
    }
}

/// Waits for a condition; fails with the text of `state` if it does not become true.
pub fn wait_until(what: &str, condition: impl Fn() -> bool, state: impl Fn() -> String) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(30), "not so: {what}: {}", state());
        thread::sleep(Duration::from_millis(1));
    }
}

/// A small pseudorandom generator: the same seed gives the same numbers.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
