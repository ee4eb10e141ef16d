//! The life of a worker: it receives its greeting, watches its parent, starts the runner,
//! works, and ends.

use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use manyhands_shm::Segment;

use crate::link::Words;
use crate::os;
use crate::protocol::{Reader, kind, tag};
use crate::worker::guard::{catch_panics, guarded};
use crate::worker::hello::Hello;
use crate::worker::identity::set_place;
use crate::worker::runner::Runner;
use crate::worker::work::{Bells, Worker, cut};

/// Takes the control socket that [`spawn`](crate::launch::spawn) passed as standard input, and
/// replaces standard input by the null device.
///
/// # Errors
/// If there is no room for one more descriptor.
pub fn take_stdin() -> std::io::Result<OwnedFd> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    os::close_stdin()?;
    Ok(socket)
}

/// Runs a worker on its end of the control socket until the pool no longer needs it; returns the
/// exit status. If the parent dies meanwhile, kills this process and its descendants.
///
/// # Errors
/// If the other end is not a pool of the same build.
pub fn serve(socket: OwnedFd, runner: &mut dyn Runner) -> Result<i32, String> {
    os::choose_process_group().map_err(|error| format!("cannot handle signals: {error}"))?;
    let mut head = [0; 8];
    let mut passed = Vec::new();
    let len = os::receive(&socket, &mut head, &mut passed, true)
        .map_err(|error| format!("no pool at the other end: {error}"))?;
    if Reader(&head[..len]).u32() != Some(tag::HELLO) {
        return Err("the pool went away before this worker was ready".to_owned());
    }
    let [link, hub, driver, driver_cold, own_cold, parent, hello] =
        <[OwnedFd; 7]>::try_from(passed)
            .map_err(|_| "a greeting without its descriptors".to_owned())?;
    let hello = Segment::from_fd(hello).map_err(|error| error.to_string())?;
    let hello = Hello::read(&hello.to_vec())
        .ok_or_else(|| "the pool and this worker are of different builds".to_owned())?;
    let words = Words::attach(link).map_err(|error| error.to_string())?;

    os::survive_failed_writes().map_err(|error| format!("cannot handle signals: {error}"))?;
    watch_parent(parent, &socket).map_err(|error| format!("cannot watch the parent: {error}"))?;
    if !hello.affinity.is_empty() {
        os::set_affinity(&hello.affinity)
            .map_err(|error| format!("cannot run on processors {:?}: {error}", hello.affinity))?;
    }
    set_place(hello.place);
    catch_panics();
    let bells = Bells { hub, driver, driver_cold, own_cold };
    let mut worker = Worker::new(words, socket, bells).map_err(|error| error.to_string())?;
    let started = guarded(|| runner.start(&hello.startup));
    if let Err((_, reason)) = started {
        worker.push(kind::START_FAILED, &[cut(&reason).as_bytes()]);
        worker.notify();
        return Ok(1);
    }
    worker.push(kind::READY, &[]);
    Ok(worker.work(runner))
}

/// Ends all descendants of this worker, as its last act, so that tasks leave no process behind.
pub fn end_descendants() {
    os::end_descendants(std::process::id(), os::Ending::Kill);
}

fn watch_parent(parent: OwnedFd, socket: &OwnedFd) -> std::io::Result<()> {
    let socket = socket.try_clone()?;
    os::outlive_parent()?;
    thread::Builder::new().name("manyhands-watch".to_owned()).spawn(move || {
        os::wait_for_parent_to_go(parent.as_fd(), socket.as_fd());
        os::end_self();
    })?;
    Ok(())
}
