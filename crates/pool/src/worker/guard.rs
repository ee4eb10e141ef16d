//! Guards calls of user code: a panic becomes an error, and a child that the code forked exits
//! here.
//!
//! A task may fork. The child has copies of this worker's rings, cursor, sockets and bells, and must not use them. So
//! [`end_if_forked`] runs right after each call of user code. [`Clock::start`](crate::worker::Clock::start), which user code
//! can call, does nothing in a child.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::process;

use crate::protocol::Status;
use crate::worker::identity::is_forked;

/// Exits if this process is a child that user code forked in a worker, as it leaves that code. Like
/// a program, it exits with status 0, or with 101 after a panic, which was reported before.
#[allow(clippy::print_stderr, reason = "no parent receives the error")]
pub(super) fn end_if_forked(outcome: &Result<(), (Status, String)>) {
    if !is_forked() {
        return;
    }
    process::exit(match outcome {
        Ok(()) => 0,
        Err((Status::Panicked, _)) => 101,
        Err((_, reason)) => {
            eprintln!("process {} that a task forked: {reason}", process::id());
            1
        }
    })
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Stores the message and the location of a guarded panic. The panic is not printed unless a backtrace
/// was requested, or the process is a forked child, for which no error is reported.
pub(super) fn catch_panics() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if GUARDED.get() && !is_forked() {
            let location = info.location().map_or_else(|| "?".to_owned(), ToString::to_string);
            let message = text_of(info.payload());
            PANIC.set(Some(format!("{location}\n{message}")));
            if std::env::var_os("RUST_BACKTRACE").is_none_or(|value| value == "0") {
                return;
            }
        }
        previous(info);
    }));
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is no text".to_owned())
}

/// Runs user code; a panic becomes an error. Does not return in a process that the code forked.
pub(super) fn guarded(run: impl FnOnce() -> Result<(), String>) -> Result<(), (Status, String)> {
    // Forget a panic that earlier code caught itself.
    PANIC.set(None);
    GUARDED.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(false);
    let outcome = match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err((Status::Refused, reason)),
        Err(payload) => {
            let message = text_of(&*payload);
            // One with another message was caught, and then this code unwound without a panic.
            let stored = PANIC
                .take()
                .filter(|text| text.split_once('\n').is_some_and(|(_, stored)| stored == message));
            Err((Status::Panicked, stored.unwrap_or_else(|| format!("?\n{message}"))))
        }
    };
    end_if_forked(&outcome);
    outcome
}

/// Runs user code that belongs to no task; a panic becomes an error that says when it came. Does not
/// return in a process that the code forked.
pub(super) fn guarded_at(
    when: &str,
    run: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    guarded(run).map_err(|(status, text)| match text.split_once('\n') {
        Some((location, message)) if status == Status::Panicked => {
            format!("a panic {when}, at {location}: {message}")
        }
        _ => text,
    })
}

/// As [`guarded_at`], but a panic is printed.
pub(super) fn guarded_alone(when: &str, run: impl FnOnce()) {
    let run = || {
        run();
        Ok(())
    };
    if let Err(reason) = guarded_at(when, run) {
        say(&reason);
    }
}

/// Prints to standard error; the pool keeps the last lines.
#[allow(clippy::print_stderr, reason = "the pool forwards a worker's standard error")]
pub(super) fn say(what: &str) {
    eprintln!("manyhands worker: {what}");
}
