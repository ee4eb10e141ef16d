//! Who uses an object, and whether it still lives.
//!
//! ```text
//!   object's segment:  ┌───────┬────────────────────────────────────┬──────────────────┐
//!                      │ magic │ table: slot 1, slot 2, … slot 255  │ the object's own │
//!                      └───────┴────────────────────────────────────┴──────────────────┘
//!
//!   a slot's word:      63      62                  22 21           0
//!                      ┌───────┬──────────────────────┬──────────────┐
//!                      │ being │ start of the process │ its number   │   0: free
//!                      │ buried│ in ticks since boot  │ (pid)        │
//!                      └───────┴──────────────────────┴──────────────┘
//! ```
//! A process takes one slot of each object it uses, by one compare-and-swap of zero for its
//! identity, so there is no state half-way in which it could die. All its threads and handles
//! share the slot, and it keeps it until it dies. What it holds (a lock, a block of memory) bears
//! the slot's number.
//!
//! A dead process's slot is *buried*: one living process swaps in its own identity with the
//! burial bit, cleans up what bears the number, and only then frees the slot. So a number never
//! passes to a living process while the object still holds something of a dead one. A burier that
//! dies leaves its own identity behind, and the next one starts the burial over.
//!
//! Limits: all participants see each other's numbers, that is, are in one PID namespace; and a
//! process that replaces its program by `exec` stays the participant it was, with what it held.
//!
//! What one would get wrong: a forked child has its parent's handles, but it is not the parent.
//! The identity is kept in a page that the kernel zeroes in every child, and each operation
//! compares it with the slot's word, so a child takes a slot of its own at its first operation.

#![allow(unsafe_code, reason = "keeps the identity in a page that fork zeroes")]

use crate::atomic::{AtomicU64, Ordering};
use crate::patience::pause;

/// How many processes can use one object.
#[cfg(not(loom))]
pub const MOST: usize = 255;
/// A model has to try all orders in which the slots are looked at.
#[cfg(loom)]
pub const MOST: usize = 2;

/// The words of a table; the first is not used, so that 0 can mean nobody.
pub const TABLE: usize = MOST + 1;

const PID_BITS: u32 = 22;
const BEING_BURIED: u64 = 1 << 63;

/// The number of a participant in one object: 1 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(u8);

impl Slot {
    /// The slot of this number, which may have been read from shared memory; 0 is nobody.
    pub fn new(number: u8) -> Option<Slot> {
        (number != 0).then_some(Slot(number))
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// All slots.
    pub fn all() -> impl Iterator<Item = Slot> {
        (1..=MOST as u8).map(Slot)
    }
}

/// How often to look, a millisecond apart, whether a burial by another has made room.
const BURIAL_ROUNDS: usize = 5000;

/// One process, now and for ever: its number and when it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity(u64);

impl Identity {
    /// Of the process `pid`, started `start` ticks after boot (0 if that is not to be known).
    pub fn new(pid: u32, start: u64) -> Self {
        Identity(((start << PID_BITS) & !BEING_BURIED) | u64::from(pid) & ((1 << PID_BITS) - 1))
    }

    /// The number of the process.
    pub fn pid(self) -> u32 {
        (self.0 & ((1 << PID_BITS) - 1)) as u32
    }

    /// When the process was started, in ticks since boot.
    pub fn start(self) -> u64 {
        (self.0 & !BEING_BURIED) >> PID_BITS
    }
}

/// The participants of one object.
#[derive(Clone, Copy)]
pub struct Table<'a>(pub &'a [AtomicU64; TABLE]);

impl Table<'_> {
    fn word(&self, slot: Slot) -> &AtomicU64 {
        &self.0[usize::from(slot.0)]
    }

    /// Whether `slot` belongs to `me`.
    pub fn belongs(self, slot: Slot, me: Identity) -> bool {
        // Relaxed: only this process writes or takes back its own identity.
        self.word(slot).load(Ordering::Relaxed) == me.0
    }

    /// The slot of `me`, taking a free one if it has none; a dead one, buried with the help of
    /// `clean`, if none is free; `None` if all belong to the living.
    pub fn join(
        self,
        me: Identity,
        gone: impl Fn(Identity) -> bool,
        mut clean: impl FnMut(Slot) -> bool,
    ) -> Option<Slot> {
        if let Some(slot) = Slot::all().find(|slot| self.belongs(*slot, me)) {
            return Some(slot);
        }
        for _ in 0..BURIAL_ROUNDS {
            for slot in Slot::all() {
                // Acquire: pairs with the Release in `bury`, so what bore the number is gone.
                let word = self.word(slot);
                if word.load(Ordering::Relaxed) == 0
                    && word.compare_exchange(0, me.0, Ordering::Acquire, Ordering::Relaxed).is_ok()
                {
                    return Some(slot);
                }
            }
            if self.bury_dead(me, &gone, &mut clean) > 0 {
                continue;
            }
            if !Slot::all().any(|slot| self.is_being_buried(slot)) {
                return None;
            }
            // By somebody else, who is soon done, or dead too; or stopped, whom nobody waits for.
            pause();
        }
        None
    }

    /// Whether whoever bears the number of `slot` is dead.
    ///
    /// A holder's word in shared memory must be read before this is asked, and changed only by a
    /// compare-and-swap from the value read: should the slot have passed on meanwhile, what the
    /// dead held has been cleaned up, and the swap fails.
    pub fn is_dead(self, slot: Slot, gone: impl Fn(Identity) -> bool) -> bool {
        // Acquire: pairs with the Release in `bury`.
        match self.word(slot).load(Ordering::Acquire) {
            0 => true,
            word => gone(Identity(word & !BEING_BURIED)),
        }
    }

    /// Buries all dead participants: calls `clean` for each, alone in the world to do so, then
    /// frees the slot, unless that says that it could not finish. Gives how many.
    pub fn bury_dead(
        self,
        me: Identity,
        gone: impl Fn(Identity) -> bool,
        mut clean: impl FnMut(Slot) -> bool,
    ) -> usize {
        Slot::all().filter(|slot| self.bury(*slot, me, &gone, &mut clean)).count()
    }

    fn is_being_buried(self, slot: Slot) -> bool {
        self.word(slot).load(Ordering::Relaxed) & BEING_BURIED != 0
    }

    fn bury(
        self,
        slot: Slot,
        me: Identity,
        gone: impl Fn(Identity) -> bool,
        clean: impl FnOnce(Slot) -> bool,
    ) -> bool {
        let word = self.word(slot);
        let seen = word.load(Ordering::Relaxed);
        if seen == 0 || seen & !BEING_BURIED == me.0 || !gone(Identity(seen & !BEING_BURIED)) {
            return false;
        }
        // Acquire: what an earlier burier that died has cleaned up is seen.
        let burier = me.0 | BEING_BURIED;
        if word.compare_exchange(seen, burier, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        let clean = clean(slot);
        // Release: pairs with the Acquire in `join`, or with that of the next burier.
        word.store(if clean { 0 } else { seen }, Ordering::Release);
        clean
    }
}

#[cfg(not(loom))]
pub use living::own_pid;
#[cfg(not(loom))]
pub(crate) use living::{Crew, Kind, OWN};

#[cfg(not(loom))]
mod living {
    use std::ptr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

    use super::{Identity, MOST, Slot, TABLE, Table};
    use crate::error::{Error, ErrorKind, Result};
    use crate::os;
    use crate::segment::{Segment, Words};

    /// Holds this process's identity once it is known; zero again after a fork.
    static IDENTITY: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

    /// Who this process is.
    fn me() -> Identity {
        // Acquire: pairs with the Release in `find_out`.
        let page = IDENTITY.load(Ordering::Acquire);
        if !page.is_null() {
            // SAFETY: the page, once published, is never unmapped.
            let identity = unsafe { &*page }.load(Ordering::Relaxed);
            if identity != 0 {
                return Identity(identity);
            }
        }
        find_out()
    }

    /// The number of this process, without a system call; right in a forked copy, too.
    pub fn own_pid() -> u32 {
        me().pid()
    }

    #[cold]
    fn find_out() -> Identity {
        let pid = os::own_pid();
        let me = Identity::new(pid, os::start_time(pid).unwrap_or(0));
        if IDENTITY.load(Ordering::Acquire).is_null() {
            // Without such a page (an old kernel) this process is found out at each operation.
            let Ok(page) = os::page_zeroed_by_fork() else { return me };
            // Release: pairs with the Acquire in `me`. Two threads may both come here: a second
            // page is left alone, which costs four kilobytes once.
            let _ = IDENTITY.compare_exchange(
                ptr::null_mut(),
                page.as_ptr().cast(),
                Ordering::Release,
                Ordering::Relaxed,
            );
        }
        let page = IDENTITY.load(Ordering::Acquire);
        // SAFETY: as in `me`.
        unsafe { &*page }.store(me.0, Ordering::Relaxed);
        me
    }

    fn gone(identity: Identity) -> bool {
        os::is_gone(identity.pid(), identity.start())
    }

    /// What a segment holds.
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

    /// The start of every object's segment.
    #[repr(C)]
    struct Head {
        magic: AtomicU64,
        kind: AtomicU64,
        unused: [AtomicU64; 6],
        table: [AtomicU64; TABLE],
    }

    // SAFETY: atomics only, `repr(C)`.
    unsafe impl Words for Head {}

    /// "manyhand", and the version of the layouts.
    const MAGIC: u64 = u64::from_le_bytes(*b"manyhand") ^ 1;

    /// Where an object's own words begin, on a cache line of their own.
    pub(crate) const OWN: usize = size_of::<Head>().next_multiple_of(128);

    /// One process's handle on the participants of one object.
    pub(crate) struct Crew {
        segment: Arc<Segment>,
        /// The number of the slot that this process, or the parent it was forked from, has.
        mine: AtomicU32,
    }

    impl Crew {
        /// Makes a segment for an object with `own` bytes of its own, all zero.
        pub(crate) fn create(kind: Kind, own: usize, growable: bool) -> Result<Crew> {
            let name = format!("manyhands-{kind:?}").to_lowercase();
            let len = (OWN + own).next_multiple_of(os::page_size());
            let segment = if growable {
                Segment::create_growable(&name, len)?
            } else {
                Segment::create(&name, len)?
            };
            let crew = Crew { segment: Arc::new(segment), mine: AtomicU32::new(0) };
            crew.head().kind.store(kind as u64, Ordering::Relaxed);
            crew.head().magic.store(MAGIC, Ordering::Relaxed);
            Ok(crew)
        }

        /// The participants of the object that a segment from elsewhere holds, which must be of
        /// this kind.
        pub(crate) fn attach(segment: Arc<Segment>, kind: Kind, own: usize) -> Result<Crew> {
            if !segment.is_writable() {
                return Err(Error::invalid("this mapping is for reading only"));
            }
            if segment.len() < OWN + own {
                return Err(Error::corrupt(format!("a segment too short for a {kind:?}")));
            }
            let crew = Crew { segment, mine: AtomicU32::new(0) };
            if crew.head().magic.load(Ordering::Relaxed) != MAGIC
                || crew.head().kind.load(Ordering::Relaxed) != kind as u64
            {
                return Err(Error::corrupt(format!("a segment that holds no {kind:?}")));
            }
            Ok(crew)
        }

        pub(crate) fn segment(&self) -> &Arc<Segment> {
            &self.segment
        }

        /// The object's own words.
        pub(crate) fn own<T: Words>(&self) -> &T {
            self.segment.words_at(OWN)
        }

        fn head(&self) -> &Head {
            self.segment.words_at(0)
        }

        fn table(&self) -> Table<'_> {
            Table(&self.head().table)
        }

        /// The slot of this process, if it has one already.
        pub(crate) fn own_slot(&self) -> Option<Slot> {
            let mine = Slot::new(self.mine.load(Ordering::Relaxed) as u8);
            mine.filter(|slot| self.table().belongs(*slot, me()))
        }

        /// The slot of this process; `clean` as in [`bury_dead`](Self::bury_dead).
        pub(crate) fn slot(&self, clean: impl FnMut(Slot) -> bool) -> Result<Slot> {
            self.own_slot().map_or_else(|| self.join(clean), Ok)
        }

        #[cold]
        fn join(&self, clean: impl FnMut(Slot) -> bool) -> Result<Slot> {
            if self.head().magic.load(Ordering::Relaxed) != MAGIC {
                return Err(Error::corrupt("what it begins with is gone"));
            }
            let slot =
                self.table().join(me(), gone, clean).ok_or(ErrorKind::TooManyParticipants(MOST))?;
            self.mine.store(u32::from(slot.number()), Ordering::Relaxed);
            Ok(slot)
        }

        /// Whether `slot` is that of this process, and not of the parent it was forked from.
        pub(crate) fn is_mine(&self, slot: Slot) -> bool {
            self.table().belongs(slot, me())
        }

        /// See [`Table::is_dead`]. Slow (reads `/proc`): ask only after a nap.
        pub(crate) fn is_dead(&self, slot: Slot) -> bool {
            self.table().is_dead(slot, gone)
        }

        /// Buries all dead participants. Slow, as `is_dead`.
        pub(crate) fn bury_dead(&self, clean: impl FnMut(Slot) -> bool) -> usize {
            self.table().bury_dead(me(), gone, clean)
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
    fn a_burial_whose_burier_died_is_done_again() {
        let words = words();
        let slot = Table(&words).join(ANN, |_| false, |_| true).unwrap();
        words[usize::from(slot.number())].store(BOB.0 | BEING_BURIED, Ordering::Relaxed);
        let mut cleaned = 0;
        let carl = Identity::new(13, 1);
        let mut clean = |finished| {
            cleaned += 1;
            finished
        };
        assert_eq!(Table(&words).bury_dead(carl, |_| false, |_| clean(true)), 0);
        // Nor is one that could not be finished.
        assert_eq!(Table(&words).bury_dead(carl, |who| who == BOB, |_| clean(false)), 0);
        assert_eq!(Table(&words).bury_dead(carl, |who| who == BOB, |_| clean(true)), 1);
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

    /// Two of the living find the same dead one; a newcomer may get the slot at once.
    #[test]
    fn a_dead_one_is_buried_once_and_before_its_slot_passes_on() {
        loom::model(|| {
            let dead = Identity::new(9, 1);
            let living = Identity::new(1, 1);
            let table = [AtomicU64::new(0), AtomicU64::new(living.0), AtomicU64::new(dead.0)];
            let shared = Arc::new((table, AtomicU64::new(1)));
            let join = move |who: Identity, shared: &([AtomicU64; TABLE], AtomicU64)| {
                let clean = |slot: Slot| {
                    assert_eq!(slot.number(), 2);
                    // What the dead one left, cleaned up by exactly one.
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
