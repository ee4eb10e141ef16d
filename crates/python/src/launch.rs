//! Workers that Python starts: the launcher calls Python, but collects exit statuses without it.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use manyhands_pool::Completions;
use manyhands_pool::launch::{self, Child, Exit, Launched, Launcher};
use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::memory::take_descriptor;
use crate::waiting::wait;

/// Calls `launch(name, socket)` of `_launch.py`, which returns an [`Ending`] and the read end of
/// the worker's standard error. Descriptors are passed as numbers.
pub(crate) struct PythonLauncher {
    pub(crate) launch: Py<PyAny>,
    /// Notified when a worker ends other than by itself.
    pub(crate) deaths: Option<Completions>,
}

impl Drop for PythonLauncher {
    fn drop(&mut self) {
        // Without the GIL, PyO3 would lock a list of references to drop later. A process that is
        // forked at this moment would find that list locked for ever.
        Python::try_attach(|py| mem::replace(&mut self.launch, py.None()));
    }
}

/// The token that means a worker's death in `_core.py`.
const DEATH: u64 = 1;

impl Launcher for PythonLauncher {
    fn launch(&self, name: &str, socket: OwnedFd) -> io::Result<Launched> {
        // On the pool's launcher thread: the hub never waits for Python.
        let started = Python::try_attach(|py| -> PyResult<Launched> {
            let started = self.launch.bind(py).call1((name, socket.into_raw_fd()))?;
            let (ending, stderr): (Py<Ending>, Option<i32>) = started.extract()?;
            let watch = Arc::clone(&ending.get().0);
            Ok(Launched {
                pid: watch.pid,
                pidfd: Arc::clone(&watch.pidfd),
                ending: Box::new(Watcher { watch, deaths: self.deaths.clone() }),
                stderr: stderr.map(take_descriptor).transpose()?,
            })
        });
        let started =
            started.ok_or_else(|| io::Error::other("the interpreter is shutting down"))?;
        started.map_err(|error| io::Error::other(error.to_string()))
    }
}

/// A descriptor that is closed on drop, without running Python.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct Descriptor(OwnedFd);

#[pymethods]
impl Descriptor {
    #[new]
    fn new(fd: i32) -> PyResult<Self> {
        Ok(Descriptor(take_descriptor(fd)?))
    }

    fn fileno(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// Exit status of a worker. The pool and `multiprocessing` share it: the one that collects it first
/// keeps it for the other.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct Ending(Arc<Watch>);

struct Watch {
    pid: u32,
    pidfd: Arc<OwnedFd>,
    /// The descriptor to which the fork server, the worker's parent, will write the exit status.
    sentinel: Option<OwnedFd>,
    exit: Mutex<Option<Exit>>,
}

impl Watch {
    fn exit(&self) -> Option<Exit> {
        let mut exit = self.exit.lock().unwrap_or_else(PoisonError::into_inner);
        if exit.is_none() {
            *exit = match &self.sentinel {
                None => launch::Ending::reap(&mut Child, self.pidfd.as_fd()),
                Some(sentinel) => read_exit_status(sentinel.as_fd()),
            };
        }
        *exit
    }
}

/// Reads what a fork server wrote: a signed 64-bit number, negative for a signal.
fn read_exit_status(sentinel: BorrowedFd<'_>) -> Option<Exit> {
    if !is_readable(sentinel, Some(0)) {
        return None;
    }
    let mut bytes = [0; 8];
    let exit = match rustix::io::read(sentinel, &mut bytes) {
        Ok(8) => match i64::from_ne_bytes(bytes) {
            code @ 0.. => Exit::Code(code as i32),
            signal => Exit::Signal(-signal as i32),
        },
        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return None,
        // The fork server itself is gone.
        _ => Exit::Unknown,
    };
    Some(exit)
}

fn is_readable(fd: BorrowedFd<'_>, milliseconds: Option<i64>) -> bool {
    let limit = milliseconds
        .map(|limit| Timespec { tv_sec: limit / 1000, tv_nsec: limit % 1000 * 1_000_000 });
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], limit.as_ref()).is_ok_and(|ready| ready > 0)
}

struct Watcher {
    watch: Arc<Watch>,
    deaths: Option<Completions>,
}

impl launch::Ending for Watcher {
    fn reap(&mut self, _pidfd: BorrowedFd<'_>) -> Option<Exit> {
        let exit = self.watch.exit()?;
        if let Some(deaths) = &self.deaths
            && exit != Exit::Code(0)
        {
            deaths.add(DEATH);
        }
        Some(exit)
    }

    fn give_up(&mut self) -> Exit {
        // Also kept for `multiprocessing`.
        let exit = *self
            .watch
            .exit
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(Exit::Unknown);
        if let Some(deaths) = &self.deaths {
            deaths.add(DEATH);
        }
        exit
    }
}

#[pymethods]
impl Ending {
    /// `sentinel`, if given, is a descriptor to take over: the worker is then the child of a fork
    /// server.
    #[new]
    fn new(pid: u32, sentinel: Option<i32>) -> PyResult<Self> {
        let sentinel = sentinel.map(take_descriptor).transpose()?;
        let pidfd = Arc::new(launch::pidfd(pid)?);
        Ok(Ending(Arc::new(Watch { pid, pidfd, sentinel, exit: Mutex::new(None) })))
    }

    /// The exit status, negative for a signal; `None` if `timeout` (seconds) is over first.
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<i32>> {
        let exit = wait(py, timeout, |slice| {
            if let Some(exit) = self.0.exit() {
                return Ok(Some(exit));
            }
            let left = slice.saturating_duration_since(std::time::Instant::now());
            let fd = self.0.sentinel.as_ref().unwrap_or(&self.0.pidfd);
            is_readable(fd.as_fd(), Some(left.as_millis() as i64));
            Ok(self.0.exit())
        })?;
        Ok(exit.map(|exit| match exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => -signal,
            // As the standard library reports it.
            Exit::Unknown => 255,
        }))
    }
}
