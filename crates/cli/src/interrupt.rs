//! Ctrl-C and its like: the first press asks the job to end, the second ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

/// The exit status after an interruption.
pub(crate) const STATUS: i32 = 130;

/// Looks out for interruptions until it is dropped.
pub(crate) struct Interrupt {
    pressed: Arc<AtomicBool>,
    handlers: Vec<SigId>,
}

impl Interrupt {
    pub(crate) fn watch() -> io::Result<Interrupt> {
        let mut watch = Interrupt { pressed: Arc::default(), handlers: Vec::new() };
        for signal in [SIGINT, SIGTERM] {
            // Handlers run in this order: the first press finds the flag not yet set.
            let pressed = Arc::clone(&watch.pressed);
            watch.handlers.push(flag::register_conditional_shutdown(signal, STATUS, pressed)?);
            watch.handlers.push(flag::register(signal, Arc::clone(&watch.pressed))?);
        }
        Ok(watch)
    }

    pub(crate) fn pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
    }
}
