//! A descriptor that is readable while a queue has objects, so that a process can wait for a queue
//! together with pipes and sockets.
//!
//! ```text
//!   queue (shared memory) ──wait_for_message──► thread of this process ──write──► eventfd ──► select, connection.wait
//!                                                     ▲ parked while readable        │
//!              get, empty: the queue is empty now ────┴────────────read──────────────┘
//! ```
//! Only the queue's own words are shared between processes, so no death can leave a descriptor
//! wrong. If another process takes the last object, the descriptor stays readable until a call in
//! this process finds the queue empty.
//!
//! Invariant: under the lock, the eventfd is readable exactly if `State::readable`. A put after
//! `emptied` has looked finds the thread awake again, and the thread looks for itself.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use manyhands_shm::Queue;
use rustix::event::EventfdFlags;

/// Maximum time that the thread outlives its owner.
const SLICE: Duration = Duration::from_millis(100);

/// The descriptor, and the thread that keeps it up to date as long as this lives.
pub(crate) struct Watched {
    shared: Arc<Shared>,
    /// The process that has the thread; a forked copy has none.
    pid: u32,
}

struct Shared {
    event: OwnedFd,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    readable: bool,
    /// True once the `Watched` was dropped.
    over: bool,
}

impl Watched {
    pub(crate) fn new(queue: &Arc<Queue>) -> io::Result<Self> {
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared {
            event,
            state: Mutex::new(State { readable: false, over: false }),
            changed: Condvar::new(),
        });
        let (queue, its) = (Arc::downgrade(queue), Arc::clone(&shared));
        thread::Builder::new()
            .name("manyhands-queue".to_owned())
            .spawn(move || its.keep_true(&queue))?;
        Ok(Watched { shared, pid: process::id() })
    }

    /// True if this process has the thread.
    pub(crate) fn is_ours(&self) -> bool {
        self.pid == process::id()
    }

    pub(crate) fn fileno(&self) -> i32 {
        self.shared.event.as_raw_fd()
    }

    /// Called after a look at the queue: clears the descriptor if the queue was empty.
    pub(crate) fn looked(&self, queue: &Queue) {
        // A forked copy shares the eventfd and must not touch it.
        if self.is_ours() && queue.is_empty() && !queue.is_closed() {
            self.shared.clear();
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // In a forked copy the lock may be held for ever.
        if self.is_ours() {
            self.shared.lock().over = true;
            self.shared.changed.notify_all();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&self) {
        let mut state = self.lock();
        if state.readable {
            let _ = rustix::io::read(&self.event, &mut [0; 8]);
            state.readable = false;
            self.changed.notify_all();
        }
    }

    /// The thread: waits for a message, then until a caller has found the queue empty, and so on.
    fn keep_true(&self, queue: &Weak<Queue>) {
        loop {
            let parked = |state: &mut State| state.readable && !state.over;
            let state = self.changed.wait_while(self.lock(), parked);
            if state.unwrap_or_else(PoisonError::into_inner).over {
                return;
            }
            let Some(queue) = queue.upgrade() else { return };
            if queue.wait_for_message(Some(SLICE)) {
                let mut state = self.lock();
                // If the message was taken meanwhile, the descriptor becomes readable once in vain.
                let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
                state.readable = true;
            }
        }
    }
}
