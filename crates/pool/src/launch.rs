//! Launchers: how a worker process is started. The creator of a pool passes one, so a Rust
//! program can start itself again and Python can use the standard library's start methods.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::os;

/// First argument of a program that is started as a worker. The worker's name follows it.
pub const WORKER_ARGUMENT: &str = "--manyhands-worker";

/// The end of a process: its exit status, or the signal that killed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// Another process took its exit status.
    Unknown,
}

impl Exit {
    /// True if the process ended by its own fault or decision, as far as can be told. Some signals
    /// usually come from outside: from users, from service managers, from the kernel when memory is
    /// short.
    pub(crate) fn is_its_own(self) -> bool {
        match self {
            Exit::Code(_) => true,
            // SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGUSR2, SIGTERM
            Exit::Signal(signal) => !matches!(signal, 1 | 2 | 3 | 9 | 10 | 12 | 15),
            Exit::Unknown => false,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exited with status {code}"),
            Exit::Signal(signal) => {
                write!(f, "was killed by signal {signal}")?;
                let name = match signal {
                    4 => "SIGILL",
                    6 => "SIGABRT",
                    7 => "SIGBUS",
                    8 => "SIGFPE",
                    9 => "SIGKILL",
                    11 => "SIGSEGV",
                    15 => "SIGTERM",
                    _ => return Ok(()),
                };
                write!(f, " ({name})")
            }
            Exit::Unknown => f.write_str("ended, and somebody else took its exit status"),
        }
    }
}

/// Starts worker processes.
pub trait Launcher: Send + Sync + 'static {
    /// Starts one worker with the name `name`; `socket` is its end of the control socket. The
    /// process must call [`serve`](crate::worker::serve) with that socket, and no other process may
    /// hold a copy of it. Its process group must be this process's or its own; `serve` then
    /// chooses.
    ///
    /// Called on a thread that lives as long as the pool. May block.
    ///
    /// # Errors
    /// If the process could not be started. The pool tries again a few times.
    fn launch(&self, name: &str, socket: OwnedFd) -> io::Result<Launched>;
}

/// A started worker process.
pub struct Launched {
    /// Its process number.
    pub pid: u32,
    /// Descriptor that becomes readable when it dies.
    pub pidfd: Arc<OwnedFd>,
    /// Collects its exit status.
    pub ending: Box<dyn Ending>,
    /// Read end of a pipe that is its standard error. The pool forwards the output to this
    /// process's standard error, and keeps the last lines for the error of a lost task.
    pub stderr: Option<OwnedFd>,
}

/// Opens a descriptor of a process that becomes readable when the process ends.
///
/// # Errors
/// If no process has this number, or this process has no room for one more descriptor.
pub fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    os::pidfd(pid)
}

/// Collects the exit status of a process.
pub trait Ending: Send {
    /// The end of the process; `None` if it has not ended. Called once the pidfd is readable.
    fn reap(&mut self, pidfd: BorrowedFd<'_>) -> Option<Exit>;

    /// The process has exited, but its exit status cannot be had from the process that should
    /// report it. Stops waiting for it.
    fn give_up(&mut self) -> Exit {
        Exit::Unknown
    }
}

/// A child of this process, reaped by `waitid`.
pub struct Child;

impl Ending for Child {
    fn reap(&mut self, pidfd: BorrowedFd<'_>) -> Option<Exit> {
        os::reap(pidfd)
    }
}

/// Starts the running program again, with [`WORKER_ARGUMENT`] as its first argument.
///
/// `/proc/self/exe` is the running image, even if its file was replaced since.
pub struct ThisProgram;

impl Launcher for ThisProgram {
    fn launch(&self, name: &str, socket: OwnedFd) -> io::Result<Launched> {
        let own_name = std::env::args_os().next().unwrap_or_else(|| "manyhands".into());
        let mut command = Command::new("/proc/self/exe");
        command.arg0(own_name).args([WORKER_ARGUMENT, name]);
        spawn(command, socket)
    }
}

/// Starts a command as a worker, with the control socket as its standard input; see
/// [`take_stdin`](crate::worker::take_stdin).
///
/// Does not fork: the standard library uses `posix_spawn`, whose cost does not grow with the size
/// of this process.
///
/// # Errors
/// If the process could not be started.
pub fn spawn(mut command: Command, socket: OwnedFd) -> io::Result<Launched> {
    if !os::has_terminal() {
        command.process_group(0);
    }
    let mut child = command.stdin(Stdio::from(socket)).stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take().map(OwnedFd::from);
    let pid = child.id();
    // A child keeps its number until it is reaped, so this is the right process.
    let pidfd = match pidfd(pid) {
        Ok(pidfd) => pidfd,
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
    };
    Ok(Launched { pid, pidfd: Arc::new(pidfd), ending: Box::new(Child), stderr })
}
