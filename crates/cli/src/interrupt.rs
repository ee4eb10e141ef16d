//! Ctrl-C and its like: the first signal asks the job to end, the second ends the process at once.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

/// Exit status after an interruption: 128 and the number of the signal, by default that of Ctrl-C.
pub(crate) const STATUS: i32 = 128 + SIGINT;

/// Looks out for interruptions until it is dropped.
pub(crate) struct Interrupt {
    pressed: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
    handlers: Vec<SigId>,
}

impl Interrupt {
    pub(crate) fn watch() -> io::Result<Interrupt> {
        let signal = Arc::new(AtomicUsize::new(SIGINT as usize));
        let mut watch = Interrupt { pressed: Arc::default(), signal, handlers: Vec::new() };
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            // Under nohup it is to go on when the terminal closes.
            if signal == SIGHUP && is_ignored(signal) {
                continue;
            }
            // Handlers run in this order: the first signal finds the flag not yet set, and whoever
            // finds it set finds the signal.
            let (pressed, last) = (Arc::clone(&watch.pressed), Arc::clone(&watch.signal));
            watch.handlers.push(flag::register_conditional_shutdown(
                signal,
                128 + signal,
                pressed,
            )?);
            watch.handlers.push(flag::register_usize(signal, last, signal as usize)?);
            watch.handlers.push(flag::register(signal, Arc::clone(&watch.pressed))?);
        }
        Ok(watch)
    }

    pub(crate) fn pressed(&self) -> bool {
        self.pressed.load(Ordering::SeqCst)
    }

    /// The exit status after the last signal.
    pub(crate) fn status(&self) -> i32 {
        128 + self.signal.load(Ordering::SeqCst) as i32
    }

    /// Whether to go on with a job.
    pub(crate) fn go_on(&self) -> ControlFlow<()> {
        if self.pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
    }
}

/// Whether this process was started with a signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
