//! Participants: the processes that use an object, and whether they are alive.
//!
//! ```text
//!   object's segment:  ┌───────┬────────────────────────────────────┬──────────────────┐
//!                      │ magic │ table: slot 1, slot 2, … slot 255  │ the object's own │
//!                      └───────┴────────────────────────────────────┴──────────────────┘
//!
//!   a slot's word:      63      62                  22 21           0
//!                      ┌───────┬──────────────────────┬──────────────┐
//!                      │ being │ start of the process │ its number   │   0: free
//!                      │reaped │ in ticks since boot  │ (pid)        │
//!                      └───────┴──────────────────────┴──────────────┘
//! ```
//! A process takes one slot of each object that it uses, by one compare-and-swap from zero to
//! its identity, so there is no intermediate state in which it could die. All its threads and
//! handles share the slot, and it keeps the slot until it dies. Everything that it holds (a lock, a
//! block of memory) carries the slot's number.
//!
//! The slot of a dead process is *reaped*: one living process swaps in its own identity with
//! the reaping bit, cleans up everything that carries the number, and only then frees the slot. So
//! a number never passes to a living process while the object still holds something of a dead one.
//! A reaper that dies leaves its own identity behind, and the next one starts again.
//!
//! Limits: all participants must see each other's process numbers, so they must be in one PID
//! namespace. A process that replaces its program by `exec` stays the same participant, with
//! everything that it held.
//!
//! A common mistake: a forked child has its parent's handles, but it is not the parent. The
//! identity is kept in a page that the kernel zeroes in every child (`own.rs`). Each operation
//! compares it with the slot's word, so a child takes a slot of its own at its first operation.

#![allow(unsafe_code, reason = "vouches that the words of a head and a table are atomics")]

use crate::atomic::{AtomicU64, Ordering};
use crate::backoff::pause;

/// Maximum number of processes that can use one object.
#[cfg(not(loom))]
pub const MOST: usize = 255;
/// A model has to try all orders of looking at the slots.
#[cfg(loom)]
pub const MOST: usize = 2;

/// Number of words of a table. The first one is unused, so that 0 can mean no slot.
pub const TABLE: usize = MOST + 1;

const PID_BITS: u32 = 22;
const BEING_REAPED: u64 = 1 << 63;

/// Number of a participant in one object: 1 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(u8);

impl Slot {
    /// The slot with this number, which may have been read from shared memory. `None` for 0.
    pub fn new(number: u8) -> Option<Slot> {
        (number != 0).then_some(Slot(number))
    }

    /// Number of the slot.
    pub fn number(self) -> u8 {
        self.0
    }

    /// All slots.
    pub fn all() -> impl Iterator<Item = Slot> {
        (1..=MOST as u8).map(Slot)
    }
}

/// Number of checks, a millisecond apart, whether another process's reaping has made room.
const REAPING_ROUNDS: usize = 5000;

/// Identifies one process for good: its number and its start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity(u64);

impl Identity {
    /// The identity of process `pid`, started `start` ticks after boot (0 if unknown).
    pub fn new(pid: u32, start: u64) -> Self {
        Identity(((start << PID_BITS) & !BEING_REAPED) | u64::from(pid) & ((1 << PID_BITS) - 1))
    }

    #[cfg(not(loom))]
    fn of_this_process() -> Self {
        let pid = crate::os::own_pid();
        Identity::new(pid, crate::os::start_time(pid).unwrap_or(0))
    }

    /// Process number.
    pub fn pid(self) -> u32 {
        (self.0 & ((1 << PID_BITS) - 1)) as u32
    }

    /// Start time of the process, in ticks since boot.
    pub fn start(self) -> u64 {
        (self.0 & !BEING_REAPED) >> PID_BITS
    }
}

/// The participants of one object.
#[derive(Clone, Copy)]
pub struct Table<'a>(pub &'a [AtomicU64; TABLE]);

impl Table<'_> {
    fn word(&self, slot: Slot) -> &AtomicU64 {
        &self.0[usize::from(slot.0)]
    }

    /// True if `slot` belongs to `me`.
    pub fn belongs(self, slot: Slot, me: Identity) -> bool {
        // Relaxed: only this process writes or takes back its own identity.
        self.word(slot).load(Ordering::Relaxed) == me.0
    }

    /// Returns the slot of `me`. If it has none, takes a free slot, or reaps a dead one with the
    /// help of `clean`. Returns `None` if all slots belong to living processes.
    pub fn join(
        self,
        me: Identity,
        gone: impl Fn(Identity) -> bool,
        mut clean: impl FnMut(Slot) -> bool,
    ) -> Option<Slot> {
        if let Some(slot) = Slot::all().find(|slot| self.belongs(*slot, me)) {
            return Some(slot);
        }
        for _ in 0..REAPING_ROUNDS {
            for slot in Slot::all() {
                // Acquire: pairs with the Release in `reap`, so everything that carried the number
                // is gone.
                let word = self.word(slot);
                if word.load(Ordering::Relaxed) == 0
                    && word.compare_exchange(0, me.0, Ordering::Acquire, Ordering::Relaxed).is_ok()
                {
                    return Some(slot);
                }
            }
            if self.reap_dead(me, &gone, &mut clean) > 0 {
                continue;
            }
            if !Slot::all().any(|slot| self.is_being_reaped(slot)) {
                return None;
            }
            // Another process is reaping; it is soon done, or dead, or stopped. A stopped one is
            // not waited for.
            pause();
        }
        None
    }

    /// True if the process of `slot` is dead.
    ///
    /// Read the holder's word in shared memory before calling this, and change it only by a
    /// compare-and-swap from the value read. If the slot passes on meanwhile, everything that the
    /// dead process held has been cleaned up, and the swap fails.
    pub fn is_dead(self, slot: Slot, gone: impl Fn(Identity) -> bool) -> bool {
        // Acquire: pairs with the Release in `reap`.
        match self.word(slot).load(Ordering::Acquire) {
            0 => true,
            word => gone(Identity(word & !BEING_REAPED)),
        }
    }

    /// Reaps all dead participants: calls `clean` for each, in one process at a time, and frees the
    /// slot unless `clean` returns that it could not finish. Returns the number of slots that were
    /// freed.
    pub fn reap_dead(
        self,
        me: Identity,
        gone: impl Fn(Identity) -> bool,
        mut clean: impl FnMut(Slot) -> bool,
    ) -> usize {
        Slot::all().filter(|slot| self.reap(*slot, me, &gone, &mut clean)).count()
    }

    fn is_being_reaped(self, slot: Slot) -> bool {
        self.word(slot).load(Ordering::Relaxed) & BEING_REAPED != 0
    }

    fn reap(
        self,
        slot: Slot,
        me: Identity,
        gone: impl Fn(Identity) -> bool,
        clean: impl FnOnce(Slot) -> bool,
    ) -> bool {
        let word = self.word(slot);
        let seen = word.load(Ordering::Relaxed);
        if seen == 0 || seen & !BEING_REAPED == me.0 || !gone(Identity(seen & !BEING_REAPED)) {
            return false;
        }
        // Acquire: makes the cleaning by an earlier reaper that died visible.
        let reaper = me.0 | BEING_REAPED;
        if word.compare_exchange(seen, reaper, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        let clean = clean(slot);
        // Release: pairs with the Acquire in `join`, or with that of the next reaper.
        word.store(if clean { 0 } else { seen }, Ordering::Release);
        clean
    }
}

#[cfg(not(loom))]
pub use living::own_pid;
#[cfg(not(loom))]
pub(crate) use living::{Kind, OWN, Participants, Plain};

#[cfg(not(loom))]
mod living {
    use std::marker::PhantomData;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    use super::{Identity, MOST, Slot, TABLE, Table};
    use crate::error::{Error, ErrorKind, Result};
    use crate::os;
    use crate::own;
    use crate::place::{Object, Place};
    use crate::segment::{Segment, Words};

    /// Returns the identity of this process.
    fn identity() -> Identity {
        let Some(own) = own::own() else { return Identity::of_this_process() };
        // Relaxed: every thread stores the same.
        let known = own.identity.load(Ordering::Relaxed);
        if known != 0 {
            return Identity(known);
        }
        let identity = Identity::of_this_process();
        own.identity.store(identity.0, Ordering::Relaxed);
        identity
    }

    /// Number of this process, without a system call; correct in a forked copy too.
    pub fn own_pid() -> u32 {
        identity().pid()
    }

    fn gone(identity: Identity) -> bool {
        os::is_gone(identity.pid(), identity.start())
    }

    /// Type of the object at a place.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    #[repr(u64)]
    pub(crate) enum Kind {
        Lock = 1,
        Semaphore,
        Event,
        Condition,
        Barrier,
        Value,
        Queue,
    }

    /// The first words of every object.
    #[repr(C)]
    struct Head {
        magic: AtomicU64,
        kind: AtomicU64,
        unused: [AtomicU64; 6],
    }

    // SAFETY: atomics only, `repr(C)`.
    unsafe impl Words for Head {}

    /// The participants of an object, behind its head.
    #[repr(C)]
    struct Members([AtomicU64; TABLE]);

    // SAFETY: atomics only, `repr(C)`.
    unsafe impl Words for Members {}

    /// "manyhand", and the version of the layouts.
    const MAGIC: u64 = u64::from_le_bytes(*b"manyhand") ^ 2;

    /// Offset after the head: the own words of an object without participants, or the table of
    /// others.
    const BEHIND_HEAD: usize = size_of::<Head>();

    /// Offset of the own words of an object with participants, on a cache line of their own.
    pub(crate) const OWN: usize = (BEHIND_HEAD + size_of::<Members>()).next_multiple_of(128);

    fn begin(object: &Object, kind: Kind) {
        let head: &Head = object.words(0);
        head.kind.store(kind as u64, Ordering::Relaxed);
        head.magic.store(MAGIC, Ordering::Relaxed);
    }

    /// The object of this kind and of `len` bytes at a place that another process named.
    fn object_at(place: Place, kind: Kind, len: usize) -> Result<Object> {
        let object = Object::at(place, len)?;
        let head: &Head = object.words(0);
        if head.magic.load(Ordering::Relaxed) != MAGIC
            || head.kind.load(Ordering::Relaxed) != kind as u64
        {
            return Err(Error::corrupt(format!("a place that holds no {kind:?}")));
        }
        Ok(object)
    }

    /// An object that cannot be held, so it has no participants: a head, and words of type `T`.
    pub(crate) struct Plain<T> {
        object: Object,
        words: PhantomData<T>,
    }

    impl<T: Words> Plain<T> {
        const LEN: usize = BEHIND_HEAD + size_of::<T>();

        /// Makes an object with all words zero.
        pub(crate) fn create(kind: Kind) -> Result<Self> {
            let object = Object::create(Self::LEN)?;
            begin(&object, kind);
            Ok(Plain { object, words: PhantomData })
        }

        /// Opens the object at a place that another process named. It must be of this kind.
        pub(crate) fn attach(place: Place, kind: Kind) -> Result<Self> {
            Ok(Plain { object: object_at(place, kind, Self::LEN)?, words: PhantomData })
        }

        pub(crate) fn place(&self) -> &Place {
            self.object.place()
        }

        pub(crate) fn words(&self) -> &T {
            self.object.words(BEHIND_HEAD)
        }
    }

    /// A handle of this process to the participants of one object.
    pub(crate) struct Participants {
        object: Object,
        /// Number of the slot that this process, or the parent that it was forked from, has.
        mine: AtomicU32,
    }

    impl Participants {
        /// Makes an object with `own` bytes of its own, all zero.
        pub(crate) fn create(kind: Kind, own: usize) -> Result<Participants> {
            Ok(Participants::begin(Object::create(OWN + own)?, kind))
        }

        /// Makes an object in a growable segment of its own; `own` is its initial size in bytes.
        pub(crate) fn create_growable(kind: Kind, own: usize) -> Result<Participants> {
            let name = format!("manyhands-{kind:?}").to_lowercase();
            let len = (OWN + own).next_multiple_of(os::page_size());
            let segment = Segment::create_growable(&name, len)?;
            Ok(Participants::begin(Object::at(Place::new(Arc::new(segment), 0), len)?, kind))
        }

        fn begin(object: Object, kind: Kind) -> Participants {
            begin(&object, kind);
            Participants { object, mine: AtomicU32::new(0) }
        }

        /// Opens the participants of the object at a place that another process named. It must be
        /// of this kind.
        pub(crate) fn attach(place: Place, kind: Kind, own: usize) -> Result<Participants> {
            Ok(Participants { object: object_at(place, kind, OWN + own)?, mine: AtomicU32::new(0) })
        }

        pub(crate) fn place(&self) -> &Place {
            self.object.place()
        }

        /// The object's own words.
        pub(crate) fn own<T: Words>(&self) -> &T {
            self.object.words(OWN)
        }

        fn head(&self) -> &Head {
            self.object.words(0)
        }

        fn table(&self) -> Table<'_> {
            Table(&self.object.words::<Members>(BEHIND_HEAD).0)
        }

        /// The slot of this process, if it has one already.
        pub(crate) fn own_slot(&self) -> Option<Slot> {
            let mine = Slot::new(self.mine.load(Ordering::Relaxed) as u8);
            mine.filter(|slot| self.table().belongs(*slot, identity()))
        }

        /// The slot of this process. `clean` is used as in [`reap_dead`](Self::reap_dead).
        pub(crate) fn slot(&self, clean: impl FnMut(Slot) -> bool) -> Result<Slot> {
            self.own_slot().map_or_else(|| self.join(clean), Ok)
        }

        #[cold]
        fn join(&self, clean: impl FnMut(Slot) -> bool) -> Result<Slot> {
            if self.head().magic.load(Ordering::Relaxed) != MAGIC {
                return Err(Error::corrupt("the start of the object was overwritten"));
            }
            let slot = self
                .table()
                .join(identity(), gone, clean)
                .ok_or(ErrorKind::TooManyParticipants(MOST))?;
            self.mine.store(u32::from(slot.number()), Ordering::Relaxed);
            Ok(slot)
        }

        /// True if `slot` belongs to this process, and not to the parent that it was forked from.
        pub(crate) fn is_mine(&self, slot: Slot) -> bool {
            self.table().belongs(slot, identity())
        }

        /// See [`Table::is_dead`]. Slow, since it reads `/proc`: call it only after a nap.
        pub(crate) fn is_dead(&self, slot: Slot) -> bool {
            self.table().is_dead(slot, gone)
        }

        /// Reaps all dead participants. Slow, like `is_dead`.
        pub(crate) fn reap_dead(&self, clean: impl FnMut(Slot) -> bool) -> usize {
            self.table().reap_dead(identity(), gone, clean)
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn words() -> [AtomicU64; TABLE] {
        std::array::from_fn(|_| AtomicU64::new(0))
    }

    const ANN: Identity = Identity(1 << PID_BITS | 11);
    const BOB: Identity = Identity(1 << PID_BITS | 12);

    #[test]
    fn a_process_has_one_slot_and_keeps_it() {
        let words = words();
        let join = |who| Table(&words).join(who, |_| false, |_| true).unwrap();
        assert_eq!(join(ANN), join(ANN));
        assert_ne!(join(ANN), join(BOB));
        assert!(Table(&words).belongs(join(BOB), BOB));
    }

    #[test]
    fn a_full_table_takes_the_living_in_place_of_the_dead_only() {
        let words = words();
        for pid in 1..=MOST as u32 {
            assert!(Table(&words).join(Identity::new(pid, 7), |_| false, |_| true).is_some());
        }
        let late = Identity::new(9999, 7);
        assert_eq!(Table(&words).join(late, |_| false, |_| true), None);
        let mut cleaned = Vec::new();
        let slot = Table(&words).join(
            late,
            |who| who.pid() == 77,
            |slot| {
                cleaned.push(slot);
                true
            },
        );
        assert_eq!((slot, cleaned), (Slot::new(77), vec![Slot(77)]));
    }

    #[test]
    fn a_reaping_whose_reaper_died_is_done_again() {
        let words = words();
        let slot = Table(&words).join(ANN, |_| false, |_| true).unwrap();
        words[usize::from(slot.number())].store(BOB.0 | BEING_REAPED, Ordering::Relaxed);
        let mut cleaned = 0;
        let carl = Identity::new(13, 1);
        let mut clean = |finished| {
            cleaned += 1;
            finished
        };
        assert_eq!(Table(&words).reap_dead(carl, |_| false, |_| clean(true)), 0);
        // Nor is a slot that could not be cleaned completely.
        assert_eq!(Table(&words).reap_dead(carl, |who| who == BOB, |_| clean(false)), 0);
        assert_eq!(Table(&words).reap_dead(carl, |who| who == BOB, |_| clean(true)), 1);
        assert_eq!(cleaned, 2);
    }

    #[test]
    fn an_identity_keeps_pid_and_start() {
        let who = Identity::new(4_194_303, 123_456_789_012);
        assert_eq!((who.pid(), who.start()), (4_194_303, 123_456_789_012));
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use std::sync::Arc;

    /// Two processes find the same dead one; a new process may get the slot at once.
    #[test]
    fn a_dead_participant_is_reaped_once_and_before_its_slot_passes_on() {
        loom::model(|| {
            let dead = Identity::new(9, 1);
            let living = Identity::new(1, 1);
            let table = [AtomicU64::new(0), AtomicU64::new(living.0), AtomicU64::new(dead.0)];
            let shared = Arc::new((table, AtomicU64::new(1)));
            let join = move |who: Identity, shared: &([AtomicU64; TABLE], AtomicU64)| {
                let clean = |slot: Slot| {
                    assert_eq!(slot.number(), 2);
                    // Exactly one process cleans up after the dead one.
                    assert_eq!(shared.1.fetch_sub(1, Ordering::Relaxed), 1);
                    true
                };
                let slot = Table(&shared.0).join(who, |who| who == dead, clean);
                if slot.is_some() {
                    assert_eq!(shared.1.load(Ordering::Relaxed), 0);
                }
                slot
            };
            let theirs = Arc::clone(&shared);
            let other = loom::thread::spawn(move || join(Identity::new(2, 1), &theirs));
            let mine = join(Identity::new(3, 1), &shared);
            let others = other.join().unwrap();
            assert!(mine.is_some() ^ others.is_some());
        });
    }
}
