//! Programs in the foreground of a terminal: they are stopped and continued as a whole, tasks may
//! use the terminal, and its keys reach the program alone.
//!
//! A program is a copy of this one. It is started by another copy that plays the shell: it owns the
//! terminal, reports when the program was stopped, and continues it when it gets a line.
#![allow(unsafe_code, reason = "sets and sends signals")]
#![allow(clippy::print_stdout, reason = "the tests read what the terminal shows")]
#![allow(clippy::zombie_processes, reason = "the shell waits in its own way")]

#[path = "../../pool/tests/support/mod.rs"]
mod support;

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, exit};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use manyhands::Pool;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use support::wait_until;

fn main() -> ExitCode {
    manyhands::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--shell") => run_shell(&arguments[1..]),
        Some("--waits") => waits(&arguments[1]),
        Some("--asks") => asks(),
        Some("--signals_itself") => signals_itself(),
        _ => support::run(tests![
            ctrl_z_stops_the_workers_too_and_continuing_continues_them,
            a_task_asks_at_the_terminal,
            keys_that_end_programs_reach_the_program_once_and_no_task,
            a_signal_sent_by_a_process_still_ends_a_worker,
        ]),
    }
}

// Programs that run in the terminal

/// Runs a program in the foreground. Continues it once after it was stopped and a file exists.
fn run_shell(arguments: &[String]) -> ! {
    rustix::process::setsid().unwrap();
    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).unwrap();
    let [goes_on, program @ ..] = arguments else { panic!("{arguments:?}") };
    let child = Command::new("/proc/self/exe").args(program).process_group(0).spawn().unwrap();
    let pid = Pid::from_child(&child);
    rustix::termios::tcsetpgrp(rustix::stdio::stdin(), pid).unwrap();
    loop {
        let ended = rustix::process::waitpid(Some(pid), WaitOptions::UNTRACED).unwrap();
        let (_, status) = ended.expect("it was waited for");
        if !status.stopped() {
            println!("ended with {:?}", status.exit_status());
            exit(0);
        }
        println!("stopped");
        wait_for_file(Path::new(goes_on));
        rustix::process::kill_process_group(pid, Signal::CONT).unwrap();
    }
}

static PRESSED: AtomicU32 = AtomicU32::new(0);

extern "C" fn pressed(_: i32) {
    PRESSED.fetch_add(1, Ordering::SeqCst);
}

fn wait_for_file(path: &Path) {
    while !path.exists() {
        thread::sleep(Duration::from_millis(2));
    }
}

/// A program whose task waits for a file, and which reports when a key was pressed.
fn waits(go: &str) -> ! {
    for signal in [libc::SIGINT, libc::SIGQUIT] {
        let handler: extern "C" fn(i32) = pressed;
        // SAFETY: the handler only counts.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
    let pool = Pool::builder().workers(1).build().unwrap();
    let task = |go: String| {
        fs::write(format!("{go}.begun"), std::process::id().to_string()).unwrap();
        fs::rename(format!("{go}.begun"), format!("{go}.pid")).unwrap();
        wait_for_file(Path::new(&go));
        "waited".to_owned()
    };
    let result = pool.call().deadline(Duration::from_secs(60)).submit(task, go.to_owned()).unwrap();
    let told = thread::spawn(|| {
        let mut seen = 0;
        while seen != u32::MAX {
            let now = PRESSED.load(Ordering::SeqCst);
            if now > seen && now != u32::MAX {
                println!("pressed {now}");
            }
            seen = now;
            thread::sleep(Duration::from_millis(2));
        }
    });
    let waited = result.wait();
    let pressed = PRESSED.swap(u32::MAX, Ordering::SeqCst);
    told.join().unwrap();
    println!(
        "{waited:?}, {} again, {pressed} pressed",
        pool.submit(|x: u8| x, 7).unwrap().wait().unwrap()
    );
    exit(0)
}

fn asks() -> ! {
    let pool = Pool::builder().workers(1).build().unwrap();
    let task = |()| {
        let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").unwrap();
        terminal.write_all(b"asked: ").unwrap();
        let mut line = String::new();
        BufReader::new(terminal).read_line(&mut line).unwrap();
        line.trim().to_owned()
    };
    println!("got {:?}", pool.submit(task, ()).unwrap().wait());
    exit(0)
}

/// A program whose tasks send signals to themselves.
fn signals_itself() -> ! {
    for signal in [libc::SIGINT, libc::SIGQUIT] {
        // Whoever runs the tests may ignore them, and workers inherit that.
        // SAFETY: sets no handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let pool = Pool::builder().workers(1).build().unwrap();
    for signal in [libc::SIGINT, libc::SIGQUIT] {
        let task = |signal: i32| {
            // SAFETY: only sends a signal.
            assert_eq!(unsafe { libc::raise(signal) }, 0);
        };
        println!("{}", pool.submit(task, signal).unwrap().wait().unwrap_err());
    }
    exit(0)
}

// The terminal

struct Terminal {
    keys: Option<File>,
    shown: Arc<Mutex<String>>,
    reading: Option<thread::JoinHandle<()>>,
    shell: Child,
    folder: tempfile::TempDir,
}

impl Terminal {
    /// Starts a program in the foreground of a new terminal. Its task waits for a file `go` in the
    /// folder; a file `fg` continues the program after it was stopped.
    fn with(program: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let name = ptsname(&keys, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let other: File = rustix::fs::open(name, flags, Mode::empty()).unwrap().into();
        let mut shell = Command::new("/proc/self/exe");
        shell
            .arg("--shell")
            .arg(folder.path().join("fg"))
            .arg(program)
            .arg(folder.path().join("go"));
        shell.stdin(other.try_clone().unwrap()).stdout(other.try_clone().unwrap()).stderr(other);
        let child = shell.spawn().unwrap();
        // Otherwise the terminal would never reach its end.
        drop(shell);
        let (keys, shown) = (File::from(keys), Arc::<Mutex<String>>::default());
        let reading = thread::spawn({
            let (mut keys, shown) = (keys.try_clone().unwrap(), Arc::clone(&shown));
            move || {
                let mut bytes = [0; 4096];
                while let Ok(len @ 1..) = keys.read(&mut bytes) {
                    shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..len]));
                }
            }
        });
        Terminal { keys: Some(keys), shown, reading: Some(reading), shell: child, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn press(&mut self, keys: &str) {
        self.keys.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn wait_for(&self, text: &str) {
        let seen = || self.shown.lock().unwrap().contains(text);
        wait_until(text, seen, || self.shown.lock().unwrap().clone());
    }

    /// Process number of the worker whose task has begun.
    fn worker(&self) -> u32 {
        let file = self.file("go.pid");
        let state = || self.shown.lock().unwrap().clone();
        wait_until("the task has begun", || file.exists(), state);
        fs::read_to_string(file).unwrap().parse().unwrap()
    }

    fn ends_well(mut self) {
        self.wait_for("ended with Some(0)");
        assert!(self.shell.wait().unwrap().success());
        self.reading.take().unwrap().join().unwrap();
    }
}

impl Drop for Terminal {
    /// Processes that a failed test leaves behind end when the terminal is hung up.
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// State of a process, as a letter.
fn state_of(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().unwrap_or_default().chars().take(1).collect()
}

// The promises

fn ctrl_z_stops_the_workers_too_and_continuing_continues_them() {
    let mut terminal = Terminal::with("--waits");
    let worker = terminal.worker();
    terminal.press("\x1a");
    terminal.wait_for("stopped");
    wait_until("the worker is stopped", || state_of(worker) == "T", || state_of(worker));
    fs::write(terminal.file("go"), "").unwrap();
    fs::write(terminal.file("fg"), "").unwrap();
    terminal.wait_for("Ok(\"waited\"), 7 again, 0 pressed");
    terminal.ends_well();
}

fn a_task_asks_at_the_terminal() {
    let mut terminal = Terminal::with("--asks");
    terminal.wait_for("asked: ");
    terminal.press("secret\n");
    terminal.wait_for("got Ok(\"secret\")");
    terminal.ends_well();
}

fn keys_that_end_programs_reach_the_program_once_and_no_task() {
    let mut terminal = Terminal::with("--waits");
    terminal.worker();
    terminal.press("\x03");
    terminal.wait_for("pressed 1");
    terminal.press("\x1c");
    terminal.wait_for("pressed 2");
    fs::write(terminal.file("go"), "").unwrap();
    terminal.wait_for("Ok(\"waited\"), 7 again, 2 pressed");
    terminal.ends_well();
}

fn a_signal_sent_by_a_process_still_ends_a_worker() {
    let terminal = Terminal::with("--signals_itself");
    terminal.wait_for("was killed by signal 2");
    terminal.wait_for("was killed by signal 3");
    terminal.ends_well();
}
