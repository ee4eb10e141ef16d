//! Ctrl-C and similar signals. The first signal asks the job to end. The second ends the process at once,
//! whatever it waits for, after removing what the job has begun; the third does not even wait for that.

use std::fs;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use manyhands::clean::abandon;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::{SigId, flag, low_level};
use tempfile::TempDir;

/// Exit status after an interruption: 128 plus the number of the signal, by default that of Ctrl-C.
pub(crate) const STATUS: i32 = 128 + SIGINT;

/// Longest wait of the second signal for a job that is stuck in the file system.
const STUCK: Duration = Duration::from_secs(1);

/// Set by the first signal; belongs to the last watcher.
static PRESSED: Mutex<Option<Arc<AtomicBool>>> = Mutex::new(None);

/// Returns whether to continue with what may wait. Without a watcher, a signal ends the process itself.
pub(crate) fn go_on() -> ControlFlow<()> {
    let pressed = PRESSED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*pressed {
        Some(pressed) if pressed.load(Ordering::SeqCst) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }
}

/// Watches for interruptions until it is dropped.
pub(crate) struct Interrupt {
    pressed: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
    /// A temporary directory of this process, which is removed with it.
    directory: Arc<Mutex<Option<PathBuf>>>,
    handlers: Vec<SigId>,
}

impl Interrupt {
    pub(crate) fn watch() -> io::Result<Interrupt> {
        let signal = Arc::new(AtomicUsize::new(SIGINT as usize));
        let (pressed, directory, handlers) = (Arc::default(), Arc::default(), Vec::new());
        let mut watch = Interrupt { pressed, signal, directory, handlers };
        let (twice, (reader, writer)) = (Arc::default(), UnixStream::pair()?);
        watch.await_second(reader, Arc::clone(&twice))?;
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            // Under nohup the process continues when the terminal closes.
            if signal == SIGHUP && is_ignored(signal) {
                continue;
            }
            // Handlers run in this order: the first signal finds the flag not yet set. Code that finds the
            // flag set finds the signal, too.
            let (twice, last) = (Arc::clone(&twice), Arc::clone(&watch.signal));
            watch.handlers.push(flag::register_conditional_shutdown(signal, 128 + signal, twice)?);
            watch.handlers.push(flag::register_usize(signal, last, signal as usize)?);
            watch.handlers.push(flag::register(signal, Arc::clone(&watch.pressed))?);
            watch.handlers.push(low_level::pipe::register(signal, writer.try_clone()?)?);
        }
        *PRESSED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&watch.pressed));
        Ok(watch)
    }

    /// Starts a thread that ends the process at the second signal; each signal is a byte for it. The thread
    /// ends when the handlers are gone.
    fn await_second(&self, mut signals: UnixStream, twice: Arc<AtomicBool>) -> io::Result<()> {
        let (last, directory) = (Arc::clone(&self.signal), Arc::clone(&self.directory));
        let wait = move || {
            if signals.read_exact(&mut [0; 2]).is_ok() {
                twice.store(true, Ordering::SeqCst);
                abandon(STUCK);
                // Not released: nothing new is made from now on.
                let directory = directory.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(directory) = &*directory {
                    let _ = fs::remove_dir_all(directory);
                }
                low_level::exit(128 + last.load(Ordering::SeqCst) as i32);
            }
        };
        thread::Builder::new().name("second-signal".to_owned()).spawn(wait).map(drop)
    }

    /// Makes a temporary directory that a second signal removes, too.
    pub(crate) fn directory(&self, place: Option<&Path>) -> io::Result<TempDir> {
        let mut known = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        let made = place.map_or_else(TempDir::new, TempDir::new_in)?;
        *known = Some(made.path().to_owned());
        Ok(made)
    }

    pub(crate) fn pressed(&self) -> bool {
        self.pressed.load(Ordering::SeqCst)
    }

    /// The exit status after the last signal.
    pub(crate) fn status(&self) -> i32 {
        128 + self.signal.load(Ordering::SeqCst) as i32
    }

    /// Returns whether to continue with a job.
    pub(crate) fn go_on(&self) -> ControlFlow<()> {
        if self.pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
        *PRESSED.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Returns whether this process was started with a signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
