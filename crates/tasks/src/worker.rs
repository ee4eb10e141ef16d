//! Starts the workers of this process, and runs one.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{self, Command};
use std::sync::OnceLock;

use manyhands_pool::Payload;
use manyhands_pool::launch::{Launched, Launcher, ThisProgram, WORKER_ARGUMENT, spawn};
use manyhands_pool::worker::{self, Call, Clock, Item, Runner};
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::context::Contexts;
use crate::function::{self, Function};

/// The launcher of all pools of this process; not set before [`init`] was called.
static LAUNCHER: OnceLock<Box<dyn Launcher>> = OnceLock::new();

/// Enables this program to be its own worker. Call it as the first thing in `main`: in a process
/// that a pool started as a worker it never returns; in other processes it returns at once.
///
/// Everything before the call also happens in each worker. Test programs, which do not own their
/// `main`, use [`test_worker!`](crate::test_worker) instead.
pub fn init() {
    // Before the worker's loop, since a worker may have a pool of its own.
    LAUNCHER.get_or_init(|| Box::new(ThisProgram));
    if std::env::args_os().nth(1).is_some_and(|argument| argument == WORKER_ARGUMENT) {
        work();
    }
}

/// Replaces [`init`] in a library that is loaded by another program, such as an extension of
/// Python. `command` makes the command that starts a worker from the worker's name. The command
/// must load this same library and call [`work`].
///
/// The first call of this function or of [`init`] decides for the whole process.
pub fn init_with(command: impl Fn(&str) -> Command + Send + Sync + 'static) {
    LAUNCHER.get_or_init(|| Box::new(By(command)));
}

struct By<F>(F);

impl<F: Fn(&str) -> Command + Send + Sync + 'static> Launcher for By<F> {
    fn launch(&self, name: &str, socket: OwnedFd) -> io::Result<Launched> {
        spawn(self.0(name), socket)
    }
}

/// A launcher for one more pool, if one was set.
pub(crate) fn launcher() -> Option<impl Launcher> {
    struct Decided(&'static dyn Launcher);
    impl Launcher for Decided {
        fn launch(&self, name: &str, socket: OwnedFd) -> io::Result<Launched> {
            self.0.launch(name, socket)
        }
    }
    LAUNCHER.get().map(|launcher| Decided(&**launcher))
}

/// Runs a worker until its pool no longer needs it; see [`init_with`]. Standard input must be the
/// worker's end of the control socket.
#[allow(clippy::print_stderr, reason = "the pool forwards a worker's standard error")]
pub fn work() -> ! {
    let status = worker::take_stdin()
        .map_err(|error| error.to_string())
        .and_then(|socket| worker::serve(socket, &mut Functions::default()));
    worker::end_descendants();
    match status {
        Ok(status) => process::exit(status),
        Err(reason) => {
            eprintln!("{WORKER_ARGUMENT} is for workers that a pool starts: {reason}");
            process::exit(2)
        }
    }
}

/// The functions that each worker runs besides tasks.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Startup {
    /// The name of a function, and its encoded argument.
    pub(crate) initializer: Option<(Vec<u8>, Vec<u8>)>,
    /// The name of a function of no argument.
    pub(crate) finalizer: Option<Vec<u8>>,
}

/// Runs functions of this program by their numbers.
#[derive(Default)]
struct Functions {
    contexts: Contexts,
    resolved: HashMap<u64, Result<Function, String>>,
    /// The function that was called last; a map calls the same one again and again.
    last: Option<(u64, Function)>,
    finalizer: Option<Vec<u8>>,
}

impl Functions {
    fn function(&mut self, id: u64) -> Result<Function, String> {
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
        let clock = Clock::unseen();
        let item = Item { bytes: argument, handles: &[], clock: &clock };
        function::resolve(name)?.call(&mut self.contexts, None, item, &mut Payload::default())
    }
}

/// Makes the allocator keep memory that tasks free, for the next ones.
///
/// glibc maps a large block anew, or shrinks its heap, until a larger mapped block has been freed
/// (`mallopt(3)`, `M_MMAP_THRESHOLD`). Without this, the pages of a task that often needs several
/// megabytes would be zeroed each time. The block here is never touched, so it costs nothing.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(16 << 20)));
}

impl Runner for Functions {
    fn start(&mut self, startup: &[u8]) -> Result<(), String> {
        keep_freed_memory();
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

    fn define(&mut self, id: u64, blob: Payload) -> Result<(), String> {
        self.contexts.insert(id, blob);
        Ok(())
    }

    fn forget(&mut self, id: u64) {
        self.resolved.remove(&id);
        self.last = None;
        // Last, since dropping a context may panic.
        self.contexts.remove(id);
    }

    fn run(&mut self, call: Call, item: Item<'_>, reply: &mut Payload) -> Result<(), String> {
        let function = self.function(call.function)?;
        item.clock.start();
        function.call(&mut self.contexts, call.context, item, reply)
    }

    #[allow(clippy::print_stderr, reason = "no task can report it")]
    fn finish(&mut self, _now: bool) {
        if let Some(name) = self.finalizer.take()
            && let Err(reason) = self.call_by_name(&name, &[])
        {
            eprintln!("manyhands worker: the finalizer could not be called: {reason}");
        }
    }
}
