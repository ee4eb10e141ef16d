//! Hands the links of busy workers to the driver, and back to the hub.

use crate::link::{DRIVER, DRIVER_COLD, HUB, Words};
use crate::machine::Machine;
use crate::os;
use crate::state::State;

/// A link that the driver reads.
pub(crate) struct Driven {
    pub(crate) words: Words,
    /// Bell of the driver that the worker has to notify.
    pub(crate) how: u32,
}

impl State {
    /// Gives the links of busy workers to the driver, which is awake.
    pub(crate) fn take_links(&mut self, links: &mut Vec<Driven>) {
        links.clear();
        for slot in self.slots.iter_mut().flatten() {
            if slot.ledger.unreported() > 0 || slot.driven {
                slot.driven = true;
                slot.words.parent_wait().cancel();
                let how = if slot.cold { DRIVER_COLD } else { DRIVER };
                links.push(Driven { words: slot.words.clone(), how });
            }
        }
    }

    pub(crate) fn pump_driven(&mut self, machine: &Machine) {
        let mut any = false;
        let completed = self.completed;
        for index in 0..self.slots.len() {
            let slot = self.slots[index].as_ref();
            if slot.is_some_and(|slot| slot.driven && slot.words.has_results()) {
                any = true;
                self.pump(machine, index);
            }
        }
        if any {
            self.dispatch(machine);
            // The driver itself checks whether the result that it waits for is there.
            self.completed = completed;
        }
    }

    /// Gives all links back to the hub.
    pub(crate) fn leave_links(&mut self, machine: &Machine) {
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots[index].as_mut().filter(|slot| slot.driven) else {
                continue;
            };
            slot.driven = false;
            slot.words.parent_wait().announce(HUB);
            if slot.words.has_results() {
                self.pump(machine, index);
                self.dispatch(machine);
                // The worker may have notified the driver of results that are still in the ring, or
                // may notify it of the next ones. In both cases the hub has to look.
                os::notify(&machine.bell);
            }
        }
    }
}
