//! Lock, semaphore, event, condition, barrier and value between real processes, some of which die.

#![allow(unsafe_code, reason = "a forked child's copy of a guard")]

mod processes;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use manyhands_shm::{
    Barrier, BarrierError, Condition, Event, Lock, Place, Segment, Semaphore, Value,
};

use processes::{Child, Watchdog, child, until};

const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
const BRIEFLY: Option<Duration> = Some(Duration::from_millis(2));

fn all_succeed(children: Vec<Child>) {
    children.into_iter().for_each(Child::succeeds);
}

#[test]
fn processes_and_their_threads_exclude_each_other() {
    let _watchdog = Watchdog::watch("exclusion");
    let (lock, total) = (Lock::create().unwrap(), Value::<u64>::create(0).unwrap());
    let count = || {
        for _ in 0..5_000 {
            let _guard = lock.lock().unwrap();
            total.set(total.get() + 1);
        }
    };
    // The threads belong to this process: a forked copy of a program with threads cannot start any,
    // since another thread may have held a lock of the standard library at the fork.
    let children = (0..3).map(|_| child(count)).collect();
    thread::scope(|scope| {
        scope.spawn(count);
        scope.spawn(count);
        all_succeed(children);
    });
    assert_eq!(total.get(), 25_000);
}

#[test]
fn a_held_lock_is_not_given_out_and_the_timeout_is_kept() {
    let lock = Lock::create().unwrap();
    let guard = lock.lock().unwrap();
    assert!(lock.try_lock().unwrap().is_none());
    let start = std::time::Instant::now();
    assert!(lock.lock_timeout(Some(Duration::from_millis(5))).unwrap().is_none());
    assert!(start.elapsed() >= Duration::from_millis(5));
    drop(guard);
    assert!(!lock.try_lock().unwrap().unwrap().owner_died());
}

#[test]
fn a_waiter_gets_a_dead_holders_lock_and_learns_of_the_death() {
    let _watchdog = Watchdog::watch("dead holder");
    let lock = Lock::create().unwrap();
    for _ in 0..3 {
        child(|| std::mem::forget(lock.lock().unwrap())).succeeds();
        assert!(lock.lock().unwrap().owner_died());
        assert!(!lock.lock().unwrap().owner_died());
    }
}

#[test]
fn one_waiter_of_many_learns_of_the_death_and_all_get_the_lock() {
    let _watchdog = Watchdog::watch("many waiters");
    let (lock, told) = (Lock::create().unwrap(), Value::<i64>::create(0).unwrap());
    let held = Event::create().unwrap();
    let holder = child(|| {
        std::mem::forget(lock.lock().unwrap());
        held.set();
        loop {
            thread::park();
        }
    });
    held.wait(None);
    let waiters = (0..4)
        .map(|_| {
            child(|| {
                let guard = lock.lock().unwrap();
                told.fetch_add(i64::from(guard.owner_died()));
            })
        })
        .collect();
    holder.kill();
    // It may not be reaped yet: a zombie counts as dead.
    all_succeed(waiters);
    assert_eq!(told.get(), 1);
    holder.end();
}

#[test]
fn a_caller_that_only_tries_gets_a_dead_holders_lock_too() {
    let _watchdog = Watchdog::watch("trying");
    let lock = Lock::create().unwrap();
    child(|| std::mem::forget(lock.lock().unwrap())).succeeds();
    until(|| lock.try_lock().unwrap().is_some_and(|guard| guard.owner_died()));
}

#[test]
fn a_forked_child_does_not_hold_its_parents_lock() {
    let _watchdog = Watchdog::watch("forked guard");
    let lock = Lock::create().unwrap();
    let guard = lock.lock().unwrap();
    child(|| {
        // SAFETY: the child never uses its copy of `guard` again.
        drop(unsafe { std::ptr::read(&raw const guard) });
        assert!(lock.is_locked());
        assert!(lock.try_lock().unwrap().is_none());
    })
    .succeeds();
    assert!(lock.is_locked());
    drop(guard);
    assert!(!lock.is_locked());
}

#[test]
fn a_recursive_lock_counts_and_belongs_to_its_thread() {
    let lock = Lock::create().unwrap();
    assert!(lock.acquire_recursive(None).unwrap().is_some());
    assert!(lock.acquire_recursive(AT_ONCE).unwrap().is_some());
    assert_eq!(lock.depth(), 2);
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(lock.acquire_recursive(AT_ONCE).unwrap().is_none());
            assert!(!lock.release_recursive());
        });
    });
    child(|| assert!(!lock.release_recursive())).succeeds();
    assert!(lock.release_recursive());
    assert!(lock.is_locked());
    assert!(lock.release_recursive());
    assert!(!lock.is_locked() && !lock.release_recursive());
}

#[test]
fn release_works_for_other_holders_and_reports_a_free_lock() {
    let lock = Lock::create().unwrap();
    assert!(!lock.release());
    assert!(lock.acquire(None).unwrap().is_some());
    child(|| assert!(lock.release())).succeeds();
    assert!(!lock.is_locked());
}

#[test]
fn permits_are_counted_across_processes() {
    let _watchdog = Watchdog::watch("semaphore");
    let semaphore = Semaphore::create(2).unwrap();
    let (inside, most) = (Value::<i64>::create(0).unwrap(), Value::<i64>::create(0).unwrap());
    let children = (0..4)
        .map(|_| {
            child(|| {
                for _ in 0..1_000 {
                    assert!(semaphore.acquire(None));
                    let now = inside.fetch_add(1) + 1;
                    most.update(|most| most.max(now));
                    inside.fetch_add(-1);
                    semaphore.release(1).unwrap();
                }
            })
        })
        .collect();
    all_succeed(children);
    assert_eq!(semaphore.permits(), 2);
    assert!((1..=2).contains(&most.get()));
}

#[test]
fn a_bounded_semaphore_takes_back_no_more_than_it_gave() {
    let semaphore = Semaphore::create_bounded(1).unwrap();
    assert!(semaphore.release(1).is_err());
    assert!(semaphore.acquire(None));
    assert!(!semaphore.acquire(AT_ONCE) && !semaphore.acquire(BRIEFLY));
    semaphore.release(1).unwrap();
    assert_eq!(semaphore.permits(), 1);
    let unbounded = Semaphore::create(0).unwrap();
    unbounded.release(7).unwrap();
    assert_eq!(unbounded.permits(), 7);
    assert!(Semaphore::create(u32::MAX).is_err());
}

#[test]
fn an_event_wakes_all_waiting_processes() {
    let _watchdog = Watchdog::watch("event");
    let event = Event::create().unwrap();
    assert!(!event.is_set() && !event.wait(BRIEFLY));
    let children = (0..4).map(|_| child(|| assert!(event.wait(None)))).collect();
    event.set();
    all_succeed(children);
    assert!(event.is_set() && event.wait(AT_ONCE));
    event.clear();
    assert!(!event.is_set() && !event.wait(AT_ONCE));
}

/// Waits on a condition until `go` is above zero, then subtracts one.
fn consume(lock: &Lock, condition: &Condition, go: &Value<i64>) {
    let mut guard = lock.lock().unwrap();
    while go.get() == 0 {
        guard = condition.wait(guard, None).unwrap().0;
    }
    go.fetch_add(-1);
    drop(guard);
}

#[test]
fn a_condition_wakes_as_many_as_were_notified() {
    let _watchdog = Watchdog::watch("condition");
    let (lock, condition) = (Lock::create().unwrap(), Condition::create().unwrap());
    let go = Value::<i64>::create(0).unwrap();
    let children: Vec<_> = (0..4).map(|_| child(|| consume(&lock, &condition, &go))).collect();
    for given in [1, 3] {
        let mut given = given;
        until(|| {
            let _guard = lock.lock().unwrap();
            let notified = condition.notify(given);
            go.fetch_add(notified as i64);
            given -= notified;
            given == 0
        });
    }
    all_succeed(children);
    assert_eq!((go.get(), condition.notify_all()), (0, 0));
}

#[test]
fn a_wait_on_a_condition_can_time_out() {
    let (lock, condition) = (Lock::create().unwrap(), Condition::create().unwrap());
    let (guard, notified) = condition.wait(lock.lock().unwrap(), BRIEFLY).unwrap();
    assert!(!notified && lock.is_locked());
    drop(guard);
    assert_eq!(condition.notify_all(), 0);
}

#[test]
fn a_notification_of_a_dead_waiter_passes_to_a_living_one() {
    let _watchdog = Watchdog::watch("dead waiter");
    let (lock, condition) = (Lock::create().unwrap(), Condition::create().unwrap());
    let ready = Semaphore::create(0).unwrap();
    let dead = child(|| {
        let _waiter = condition.enlist().unwrap();
        ready.release(1).unwrap();
        loop {
            thread::park();
        }
    });
    ready.acquire(None);
    let living = child(|| {
        let guard = lock.lock().unwrap();
        let waiter = condition.enlist().unwrap();
        drop(guard);
        ready.release(1).unwrap();
        assert!(waiter.wait(None));
    });
    ready.acquire(None);
    // First come, first notified: this waiter is the one that cannot notice.
    dead.kill();
    dead.end();
    assert_eq!(condition.notify(1), 1);
    living.succeeds();
}

#[test]
fn cells_of_dead_waiters_are_reused() {
    let _watchdog = Watchdog::watch("places");
    let condition = Condition::create().unwrap();
    for _ in 0..400 {
        child(|| std::mem::forget(condition.enlist().unwrap())).succeeds();
    }
    assert!(!condition.enlist().unwrap().wait(BRIEFLY));
}

#[test]
fn a_barrier_lets_all_pass_together_again_and_again() {
    let _watchdog = Watchdog::watch("barrier");
    let barrier = Barrier::create(4).unwrap();
    let (arrived, actions) = (Value::<i64>::create(0).unwrap(), Value::<i64>::create(0).unwrap());
    let children = (0..4)
        .map(|_| {
            child(|| {
                for round in 1..=200 {
                    arrived.fetch_add(1);
                    let act = || {
                        assert_eq!(arrived.get(), 4 * round);
                        actions.fetch_add(1);
                    };
                    assert!(barrier.wait_then(None, act).unwrap() < 4);
                    assert!(actions.get() >= round);
                    barrier.wait(None).unwrap();
                }
            })
        })
        .collect();
    all_succeed(children);
    assert_eq!((actions.get(), barrier.count_waiting(), barrier.parties()), (200, 0, 4));
}

fn expect_broken(barrier: &Barrier) {
    assert!(matches!(barrier.wait(None), Err(BarrierError::Broken)));
}

#[test]
fn a_death_at_a_barrier_breaks_it() {
    let _watchdog = Watchdog::watch("death at a barrier");
    let barrier = Barrier::create(3).unwrap();
    let dying = child(|| {
        let _ = barrier.wait(None);
    });
    until(|| barrier.count_waiting() == 1);
    let waiting = child(|| expect_broken(&barrier));
    until(|| barrier.count_waiting() == 2);
    dying.kill();
    waiting.succeeds();
    dying.end();
    assert!(barrier.is_broken());
    expect_broken(&barrier);
    barrier.reset().unwrap();
    assert!(!barrier.is_broken());
    let others = (0..2).map(|_| child(|| assert!(barrier.wait(None).is_ok()))).collect();
    barrier.wait(None).unwrap();
    all_succeed(others);
}

#[test]
fn abort_reset_and_timeouts_end_the_waiting() {
    let _watchdog = Watchdog::watch("abort");
    let barrier = Barrier::create(2).unwrap();
    for end in [Barrier::abort, Barrier::reset] {
        let waiting = child(|| expect_broken(&barrier));
        until(|| barrier.count_waiting() == 1);
        end(&barrier).unwrap();
        waiting.succeeds();
        barrier.reset().unwrap();
    }
    assert!(matches!(barrier.wait(BRIEFLY), Err(BarrierError::TimedOut)));
    expect_broken(&barrier);
    assert!(Barrier::create(0).is_err());
}

#[test]
fn values_keep_their_type_and_change_atomically() {
    let value = Value::create(-1_i64).unwrap();
    let children = (0..3)
        .map(|_| {
            child(|| {
                for _ in 0..10_000 {
                    value.fetch_add(1);
                    value.update(|x| x * 2 - x);
                }
            })
        })
        .collect();
    all_succeed(children);
    assert_eq!(value.get(), 29_999);
    let segment =
        || Arc::new(Segment::from_fd(value.place().segment().duplicate().unwrap()).unwrap());
    let place = || Place::new(segment(), value.place().offset());
    assert_eq!(Value::<i64>::attach(place()).unwrap().get(), 29_999);
    assert!(Value::<f64>::attach(place()).is_err());
    assert!(Lock::attach(place()).is_err());
    let _guard = value.lock().lock().unwrap();
    let other = Value::<i64>::attach(place()).unwrap();
    assert!(other.lock().try_lock().unwrap().is_none());
}

#[test]
fn a_waiter_that_timed_out_keeps_its_place_and_waits_again() {
    let condition = Condition::create().unwrap();
    let waiter = condition.enlist().unwrap();
    for _ in 0..2 {
        assert!(!waiter.wait(Some(Duration::from_millis(2))), "nobody notified it");
    }
    assert_eq!(condition.notify(1), 1);
    assert!(waiter.wait(None));
}

#[test]
fn a_notification_that_its_waiter_never_saw_goes_to_another() {
    let _watchdog = Watchdog::watch("passed on");
    let condition = Condition::create().unwrap();
    let (first, second) = (condition.enlist().unwrap(), condition.enlist().unwrap());
    assert_eq!(condition.notify(1), 1);
    drop(first);
    assert!(second.wait(None));
}

/// A child that runs `first`, takes a lock, and goes on living.
fn holder_after(lock: &Lock, first: impl FnOnce()) -> Child {
    let held = Event::create().unwrap();
    let holder = child(|| {
        first();
        std::mem::forget(lock.lock().unwrap());
        held.set();
        loop {
            thread::park();
        }
    });
    held.wait(None);
    holder
}

#[test]
fn a_process_without_descriptors_does_not_take_the_living_for_dead() {
    let _watchdog = Watchdog::watch("no descriptor");
    let lock = Lock::create().unwrap();
    let _holder = holder_after(&lock, || {});
    let waiter = child(|| {
        assert!(lock.try_lock().unwrap().is_none());
        let none = libc::rlimit { rlim_cur: 3, rlim_max: 3 };
        // SAFETY: reads the limit; this process is a copy that ends soon.
        #[allow(unsafe_code, reason = "no safe way to have no descriptor")]
        let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const none) };
        assert_eq!(set, 0);
        // Long enough for several checks of the holder.
        assert!(lock.lock_timeout(Some(Duration::from_millis(300))).unwrap().is_none());
    });
    waiter.succeeds();
}

#[test]
fn a_process_whose_name_is_not_utf8_is_not_taken_for_dead() {
    let _watchdog = Watchdog::watch("name");
    let lock = Lock::create().unwrap();
    let _holder = holder_after(&lock, || {
        // Cut after 15 bytes, in the middle of a character.
        let name = c"\xd0\xbe\xd0\xb1\xd1\x80\xd0\xb0\xd0\xb1\xd0\xbe\xd1\x82\xd0\xba\xd0\xb0";
        // SAFETY: reads the name.
        #[allow(unsafe_code, reason = "no safe way to a name of these bytes")]
        let set = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
        assert_eq!(set, 0);
    });
    assert!(lock.lock_timeout(Some(Duration::from_millis(300))).unwrap().is_none());
}

#[test]
fn a_dead_threads_recursive_mark_is_cleared_when_its_lock_is_taken_over() {
    let _watchdog = Watchdog::watch("stale mark");
    let lock = Lock::create().unwrap();
    child(|| {
        for _ in 0..2 {
            lock.acquire_recursive(None).unwrap();
        }
    })
    .succeeds();
    thread::scope(|scope| {
        // Another thread takes it over. The mark of the dead thread equals that of this thread,
        // since its process was a copy of this one.
        scope.spawn(|| assert!(lock.acquire(None).unwrap().unwrap().owner_died));
    });
    assert!(lock.acquire_recursive(BRIEFLY).unwrap().is_none());
    assert_eq!(lock.depth(), 0);
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn thousands_of_objects_take_few_descriptors_and_return_them() {
    // A child has one thread, so no other test opens descriptors meanwhile.
    child(|| {
        let before = descriptors();
        let make = || {
            let value = Value::create(0_u64).unwrap();
            let some = (Lock::create().unwrap(), Semaphore::create(1).unwrap());
            (value, some, Event::create().unwrap(), Condition::create().unwrap())
        };
        let mut all: Vec<_> = (0..1500).map(|_| make()).collect();
        let few = descriptors() - before;
        assert!(few < 100, "{few} descriptors for 7,500 objects");
        for (number, (value, (lock, semaphore), event, _)) in all.iter().enumerate() {
            value.set(number as u64);
            std::mem::forget(lock.lock().unwrap());
            semaphore.release(number as u32).unwrap();
            event.set();
        }
        for (number, (value, (lock, semaphore), event, condition)) in all.iter().enumerate() {
            assert_eq!((value.get(), semaphore.permits()), (number as u64, number as u32 + 1));
            assert!(lock.is_locked() && event.is_set());
            assert_eq!(condition.waiters(), (0, 0));
        }
        all.truncate(1);
        assert!(descriptors() - before <= 1, "those of the dropped objects are still there");
        drop(all);
        assert_eq!(descriptors(), before);
    })
    .succeeds();
}

#[test]
fn a_child_forked_at_any_instant_never_shares_new_objects_with_its_parent() {
    let _watchdog = Watchdog::watch("places of a forked child");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // Threads that are making objects at the time of each fork.
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    drop((Lock::create().unwrap(), Event::create().unwrap()));
                }
            });
        }
        for round in 0..100 {
            let alive = Event::create().unwrap();
            let children = (0..3)
                .map(|_| {
                    child(|| {
                        let events: Vec<_> = (0..5).map(|_| Event::create().unwrap()).collect();
                        assert!(!alive.is_set() && events.iter().all(|event| !event.is_set()));
                        events.iter().for_each(Event::set);
                    })
                })
                .collect();
            all_succeed(children);
            assert!(!alive.is_set(), "round {round}: a child made an object in its place");
            assert!(!Event::create().unwrap().is_set(), "round {round}");
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn nothing_attaches_where_no_such_object_begins() {
    let (lock, event) = (Lock::create().unwrap(), Event::create().unwrap());
    let segment = lock.place().segment();
    let place = |offset| Place::new(Arc::clone(segment), offset);
    assert!(Lock::attach(place(lock.place().offset())).is_ok());
    assert!(Event::attach(event.place().clone()).is_ok());
    assert!(Condition::attach(place(lock.place().offset())).is_err());
    assert!(Lock::attach(event.place().clone()).is_err());
    let beginning = lock.place().offset();
    for offset in [0, beginning + 1, beginning + 8, beginning + 64, beginning + 128] {
        assert!(Lock::attach(place(offset)).is_err(), "{offset}");
    }
    for offset in [segment.len() - 128, segment.len(), usize::MAX - 127, usize::MAX] {
        assert!(Lock::attach(place(offset)).is_err(), "{offset}");
        assert!(Event::attach(place(offset)).is_err(), "{offset}");
    }
    let read_only = Segment::from_fd(segment.duplicate_read_only().unwrap()).unwrap();
    assert!(Lock::attach(Place::new(Arc::new(read_only), beginning)).is_err());
}
