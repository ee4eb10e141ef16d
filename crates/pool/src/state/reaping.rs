//! Reaps dead workers: delivers their last results, settles the task that was lost, and
//! requeues the items not begun.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::error::{Death, ErrorKind};
use crate::events::{debug, warn};
use crate::kill::{KillReason, Killing};
use crate::launch::Exit;
use crate::ledger::Chunk;
use crate::machine::Machine;
use crate::os::{self, Ending};
use crate::slot::{START_LIMIT, Stage};
use crate::state::{Closing, LOOK, State};

/// Longest wait for another process to report a worker's exit status; that process may be stopped.
const EXIT_REPORT_GRACE: Duration = Duration::from_secs(1);
/// Number of workers in a row that may die before they begin an item; after that the item is lost.
const RETURNS: u32 = 3;

impl State {
    /// Settles the items of a worker whose pidfd became readable, and removes the worker.
    pub(crate) fn reap(&mut self, machine: &Machine, index: usize) {
        let Some(Some(slot)) = self.slots.get_mut(index) else { return };
        // The worker is not reaped yet, so its process group still has this number and no other
        // process can be hit.
        os::end_group(slot.name.pid, Ending::Kill);
        let exit = match (slot.ending.reap(slot.pidfd.as_fd()), slot.gone) {
            (Some(exit), _) => exit,
            (None, Some(since)) if since.elapsed() >= EXIT_REPORT_GRACE => slot.ending.give_up(),
            (None, since) => {
                // The hub comes back here at its next look at all workers.
                slot.gone = since.or_else(|| Some(Instant::now()));
                machine.poller.remove(&slot.pidfd);
                return self.wake_by(machine, Instant::now() + LOOK);
            }
        };
        // From here on another process may have the worker's number. The slot is out of the table,
        // so nothing in the worker's last bytes can lead to a signal to it.
        let mut slot = self.slots[index].take().expect("it was just looked at");
        let was = slot.stage;
        match slot.pump() {
            Ok(_) if was == Stage::Starting && slot.stage == Stage::Ready => {
                self.start_failures = 0;
                self.start_kills = 0;
            }
            Err(reason) if slot.killing.is_none() => {
                let why = KillReason::Broken(reason);
                let until = Instant::now();
                slot.killing = Some(Killing { why, until, killed: true, descendants: Vec::new() });
            }
            _ => {}
        }
        machine.poller.remove(&slot.pidfd);
        if let Some(killing) = &slot.killing {
            killing.descendants.iter().for_each(|pidfd| os::end(pidfd, Ending::Kill));
        }
        // The start time of the item that it ran, not of an earlier one.
        let began = slot.words.started().load(Ordering::Relaxed);
        let death = Death {
            worker: slot.name.clone(),
            exit,
            memory: slot.memory,
            stderr: slot.tail.as_ref().map_or_else(String::new, |tail| tail.last_lines(began)),
        };
        self.completed = true;
        if slot.stage == Stage::Starting {
            let reason = match slot.killing.as_ref().map(|killing| &killing.why) {
                Some(KillReason::Late) => format!("{} was not ready in {START_LIMIT:?}", slot.name),
                Some(KillReason::Closed) => return self.order_workers(machine),
                _ => death.to_string(),
            };
            let late =
                matches!(slot.killing.as_ref().map(|killing| &killing.why), Some(KillReason::Late));
            let failed = slot.start_failure.is_some() || late || exit.is_its_own();
            let reason = match slot.start_failure.take() {
                Some(said) => said,
                None => reason,
            };
            return self.not_launched(machine, reason, !failed);
        }
        let expected = slot.stage == Stage::Finishing && exit == Exit::Code(0);
        if expected {
            debug!(worker = %slot.name.name, pid = slot.name.pid, "worker finished");
        } else {
            warn!(worker = %slot.name.name, pid = slot.name.pid, %exit, "worker died");
        }
        let why = slot.killing.take().map(|killing| killing.why);
        let waiting = slot.recall();
        let broken = waiting.is_none();
        let lost = std::iter::from_fn(|| slot.ledger.lose()).collect::<Vec<_>>();
        let had_lost = !lost.is_empty();
        for chunk in lost {
            self.lose(chunk, why.as_ref(), &death, broken);
        }
        if let Some(mut waiting) = waiting {
            // An item that was not begun did not kill the worker, unless the worker died while it
            // prepared for that item. Then the next workers will die as well, so after a few of
            // them the item is taken to be the cause.
            if !had_lost
                && why.is_none()
                && let Some(front) = waiting.first_mut()
            {
                front.returns += 1;
                if front.returns > RETURNS {
                    let mut front = waiting.remove(0);
                    let rest = front.split_off(1);
                    if rest.len() > 0 {
                        waiting.insert(0, Chunk { returns: 0, ..rest });
                    }
                    self.lose(front, None, &death, false);
                }
            }
            if self.closing == Some(Closing::Now) {
                for chunk in &waiting {
                    self.fail_chunk(chunk, &ErrorKind::Closed.into());
                }
            } else {
                self.requeue(waiting);
            }
        }
        self.order_workers(machine);
    }

    /// Settles an item that was begun and never reported.
    pub(super) fn lose(
        &mut self,
        mut chunk: Chunk,
        why: Option<&KillReason>,
        death: &Death,
        broken: bool,
    ) {
        let task = chunk.task();
        let death = death.clone();
        let kind = match why {
            Some(KillReason::Deadline(deadline)) => {
                ErrorKind::TimedOut { task, deadline: *deadline, death }
            }
            Some(KillReason::Arriving) => ErrorKind::NotArrived { task, limit: START_LIMIT, death },
            Some(KillReason::Memory { limit, used }) => {
                ErrorKind::OverMemoryLimit { task, limit: *limit, used: *used, death }
            }
            Some(KillReason::Killed) => ErrorKind::Killed { task },
            Some(KillReason::Closed) => ErrorKind::Closed,
            Some(KillReason::Broken(reason)) => {
                ErrorKind::LinkBroken { task, reason: reason.clone(), death }
            }
            Some(KillReason::Late | KillReason::Stopped) | None if broken => {
                let reason = "its cursor is out of range".to_owned();
                ErrorKind::LinkBroken { task, reason, death }
            }
            Some(KillReason::Late | KillReason::Stopped) | None => {
                if chunk.losses < chunk.call.options.retries && self.closing != Some(Closing::Now) {
                    chunk.losses += 1;
                    self.queue.push_front(chunk);
                    return;
                }
                ErrorKind::WorkerDied { task, death }
            }
        };
        chunk.call.fail(task, kind.into());
        self.completed = true;
    }
}
