//! What this program does when it was started as a worker.

use std::collections::HashMap;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use manyhands_pool::Payload;
use manyhands_pool::launch::WORKER_ARGUMENT;
use manyhands_pool::worker::{self, Call, Item, Runner};
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::context::Contexts;
use crate::function::{self, Wrapped};

static INITIALIZED: AtomicBool = AtomicBool::new(false);

/// Makes this program able to be its own worker. Call it first thing in `main`: in a process that
/// a pool started as a worker it never returns, in every other it returns at once.
///
/// Everything before the call happens in each worker too. Test programs, whose `main` is not
/// theirs, use [`test_worker!`](crate::test_worker) instead.
pub fn init() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == WORKER_ARGUMENT) {
        work();
    }
    INITIALIZED.store(true, Ordering::Release);
}

/// Whether [`init`] was called here.
pub(crate) fn is_initialized() -> bool {
    INITIALIZED.load(Ordering::Acquire)
}

#[allow(clippy::print_stderr, reason = "the pool passes a worker's last words on")]
fn work() -> ! {
    // A worker may have a pool of its own.
    INITIALIZED.store(true, Ordering::Release);
    let status = worker::take_stdin()
        .map_err(|error| error.to_string())
        .and_then(|socket| worker::serve(socket, &mut Functions::default()));
    match status {
        Ok(status) => process::exit(status),
        Err(reason) => {
            eprintln!("{WORKER_ARGUMENT} is for workers that a pool starts: {reason}");
            process::exit(2)
        }
    }
}

/// What a pool's maker wants done in each worker besides tasks.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Startup {
    /// The name of a function, and its encoded argument.
    pub(crate) initializer: Option<(Vec<u8>, Vec<u8>)>,
    /// The name of a function of no argument.
    pub(crate) finalizer: Option<Vec<u8>>,
}

/// Runs functions of this program by their names.
#[derive(Default)]
struct Functions {
    contexts: Contexts,
    resolved: HashMap<u64, Result<Wrapped, String>>,
    /// The function that was called last; maps call the same one again and again.
    last: Option<(u64, Wrapped)>,
    finalizer: Option<Vec<u8>>,
}

impl Functions {
    fn function(&mut self, id: u64) -> Result<Wrapped, String> {
        if let Some((last, function)) = self.last
            && last == id
        {
            return Ok(function);
        }
        let contexts = &self.contexts;
        let resolve = || contexts.encoded(id).ok_or("its function was never sent".to_owned());
        let resolved = self.resolved.entry(id);
        let function = resolved.or_insert_with(|| function::resolve(resolve()?)).clone()?;
        self.last = Some((id, function));
        Ok(function)
    }

    fn call_by_name(&mut self, name: &[u8], argument: &[u8]) -> Result<(), String> {
        let item = Item { bytes: argument, handles: &[] };
        function::resolve(name)?(&mut self.contexts, None, item, &mut Payload::default())
    }
}

impl Runner for Functions {
    fn start(&mut self, startup: &[u8]) -> Result<(), String> {
        if startup.is_empty() {
            return Ok(());
        }
        let startup: Startup = codec::decode(startup, &[])?;
        self.finalizer = startup.finalizer;
        match startup.initializer {
            Some((name, argument)) => self.call_by_name(&name, &argument),
            None => Ok(()),
        }
    }

    fn define(&mut self, id: u64, blob: Payload) {
        self.contexts.insert(id, blob);
    }

    fn forget(&mut self, id: u64) {
        self.contexts.remove(id);
        self.resolved.remove(&id);
        self.last = None;
    }

    fn run(&mut self, call: Call, item: Item<'_>, reply: &mut Payload) -> Result<(), String> {
        let function = self.function(call.function)?;
        function(&mut self.contexts, call.context, item, reply)
    }

    fn finish(&mut self) {
        if let Some(name) = self.finalizer.take() {
            // There is nobody left to tell; a panic is printed.
            let _ = self.call_by_name(&name, &[]);
        }
    }
}
