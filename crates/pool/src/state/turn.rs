//! One turn of the hub: everything it does when it is awake.

use std::mem;

use crate::link::HUB;
use crate::machine::Machine;
use crate::state::State;
use crate::task::lock;

impl State {
    /// Does everything that the hub does when it is awake.
    pub(crate) fn turn(&mut self, machine: &Machine) {
        let dead: Vec<u64> = mem::take(&mut *lock(&machine.dead_blobs.ids));
        // Another thread may be copying a large payload into it.
        let trimmed = machine.arena.try_lock().map(|mut arena| arena.trim()).unwrap_or_default();
        for slot in self.slots.iter_mut().flatten() {
            dead.iter().for_each(|id| slot.forget_blob(*id));
            trimmed.iter().for_each(|number| slot.forget_segment(*number));
            slot.forget_dead_handles();
        }
        loop {
            for index in 0..self.slots.len() {
                self.pump(machine, index);
            }
            self.tick(machine);
            self.order_workers(machine);
            self.dispatch(machine);
            self.end_idle(machine);
            self.finish_retired();
            self.finish_workers(machine);
            let mut has_results = false;
            for slot in self.slots.iter().flatten().filter(|slot| !slot.driven) {
                slot.words.parent_wait().announce(HUB);
                has_results |= slot.words.has_results() && slot.killing.is_none();
            }
            if !has_results {
                return;
            }
        }
    }
}
