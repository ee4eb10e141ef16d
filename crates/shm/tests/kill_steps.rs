//! Kills a process after each single instruction of an operation, and checks what is left.
//!
//! A child stops itself before and after the operation. The test counts the instructions in between
//! by stepping through them. Then, for a sample of them, it steps a fresh child that far, kills it,
//! and checks: the survivor goes on, no message is lost or duplicated, a lock reports the death of
//! its holder, and no memory leaks.
//!
//! `MANYHANDS_KILL_EVERY=1` kills after every instruction instead of about a hundred of them
//! (`scripts/kill-every-instruction`); another number is the step. An argument runs the tests whose
//! names contain it.

#![allow(unsafe_code, reason = "ptrace")]
#![allow(clippy::print_stdout, reason = "reports as the standard test harness does")]

mod processes;

use std::env;
use std::ptr;
use std::time::{Duration, Instant};

use manyhands_shm::Lock;
use manyhands_shm::queue::{GetError, Queue};

use processes::{Child, Watchdog, child};

/// Default number of instructions to kill after.
const SAMPLE: usize = 60;

/// Time limit of a survivor's operation; it needs a nap or two of 50 ms.
const TIME_LIMIT: Option<Duration> = Some(Duration::from_secs(20));

fn stop_here() {
    // SAFETY: a system call without memory.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// A child that has done `prepare` and is stopped before `work`.
fn stopped_before(prepare: &dyn Fn(), work: &dyn Fn()) -> Child {
    let child = child(|| {
        // SAFETY: a system call without memory.
        unsafe { libc::ptrace(libc::PTRACE_TRACEME) };
        prepare();
        stop_here();
        work();
        stop_here();
    });
    assert_eq!(stop_signal(&child), libc::SIGSTOP);
    child
}

/// Waits until the child stops; returns the signal.
fn stop_signal(child: &Child) -> i32 {
    let mut status = 0;
    // SAFETY: `status` is a local variable.
    let pid = unsafe { libc::waitpid(child.pid(), &raw mut status, 0) };
    assert!(pid == child.pid() && libc::WIFSTOPPED(status), "the child ended: {status:#x}");
    libc::WSTOPSIG(status)
}

/// Runs one instruction of the child; `false` at the end of its work.
fn step(child: &Child) -> bool {
    // SAFETY: the child belongs to this process and is stopped.
    let stepped = unsafe {
        libc::ptrace(
            libc::PTRACE_SINGLESTEP,
            child.pid(),
            ptr::null_mut::<libc::c_void>(),
            ptr::null_mut::<libc::c_void>(),
        )
    };
    assert_eq!(stepped, 0, "ptrace failed");
    match stop_signal(child) {
        libc::SIGTRAP => true,
        libc::SIGSTOP => false,
        signal => panic!("the child got signal {signal}"),
    }
}

/// One operation to kill, on state that is kept from kill to kill.
struct Operation<'a> {
    /// Runs in the child before it is stepped.
    prepare: &'a dyn Fn(),
    /// Runs in the survivor when the child is ready.
    ready: &'a dyn Fn(),
    /// Runs in the child, which is killed in it.
    work: &'a dyn Fn(),
    /// Runs in the survivor after the child's death.
    check: &'a mut dyn FnMut(),
}

/// Steps through the operation, kills in it and checks; returns the numbers of kills and of
/// instructions.
fn kill_in(operation: Operation<'_>) -> (usize, usize) {
    let watchdog = Watchdog::watch("killing step by step");
    let Operation { prepare, ready, work, check } = operation;
    let mut run = |most: usize| {
        watchdog.extend();
        let child = stopped_before(prepare, work);
        ready();
        let mut steps = 0;
        while steps < most && step(&child) {
            steps += 1;
        }
        drop(child);
        check();
        steps
    };
    let length = run(usize::MAX);
    let every = env::var("MANYHANDS_KILL_EVERY").ok().and_then(|every| every.parse().ok());
    let stride = every.unwrap_or(length / SAMPLE).max(1);
    let mut kills = 0;
    // An odd start, so that a round stride does not hit only round instructions.
    for most in (stride / 3..length).step_by(stride) {
        run(most);
        kills += 1;
    }
    (kills, length)
}

fn get(queue: &Queue) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match queue.try_get(&mut bytes) {
        Ok(()) => Some(bytes),
        Err(GetError::Empty) => None,
        Err(error) => panic!("{error}"),
    }
}

fn put(queue: &Queue, bytes: &[u8]) {
    queue.put(bytes, TIME_LIMIT).unwrap();
}

fn expect(queue: &Queue, bytes: &[u8]) {
    let mut got = Vec::new();
    queue.get(&mut got, TIME_LIMIT).unwrap();
    assert!(got == bytes, "another message than the one put");
}

/// Takes and returns a message, so that the process has a slot and its code is paged in.
fn warm_up(queue: &Queue) {
    put(queue, &[0; 400]);
    expect(queue, &[0; 400]);
}

/// Kills a putter of `len` bytes that finds `before` messages of the same length in the queue.
fn kill_putters(before: usize, len: usize, warm: bool) -> (usize, usize) {
    let queue = Queue::create(0).unwrap();
    let message = |number: usize| vec![number as u8; len];
    let dying = message(255);
    let (mut rounds, mut delivered) = (0, 0);
    let counts = kill_in(Operation {
        prepare: &|| {
            if warm {
                warm_up(&queue);
            }
        },
        ready: &|| (0..before).for_each(|number| put(&queue, &message(number))),
        work: &|| queue.put(&dying, None).unwrap(),
        check: &mut || {
            rounds += 1;
            // First the earlier messages, then the dead child's if it got that far, then the
            // survivor's.
            put(&queue, &message(254));
            (0..before).for_each(|number| expect(&queue, &message(number)));
            let next = get(&queue).unwrap();
            if next == message(255) {
                delivered += 1;
                expect(&queue, &message(254));
            } else {
                assert!(next == message(254), "half a message");
            }
            assert_eq!((get(&queue), queue.len()), (None, 0));
        },
    });
    // At least the child that ran to its end delivered, and those killed at once did not.
    assert!(delivered > 0 && delivered < rounds);
    assert_no_leak(&queue);
    counts
}

/// Kills a getter that finds three messages of `len` bytes, after `before` others were put and
/// taken.
fn kill_getters(before: usize, len: usize, warm: bool) -> (usize, usize) {
    let queue = Queue::create(0).unwrap();
    let message = |number: u8| vec![number; len];
    let (mut rounds, mut taken) = (0, 0);
    let counts = kill_in(Operation {
        prepare: &|| {
            if warm {
                warm_up(&queue);
            }
        },
        ready: &|| {
            // Item numbers go on from round to round: bring them to the edge of a chunk.
            for _ in 0..before {
                put(&queue, b"");
                expect(&queue, b"");
            }
            (1..=3).for_each(|number| put(&queue, &message(number)));
        },
        work: &|| {
            let mut bytes = Vec::new();
            queue.get(&mut bytes, None).unwrap();
            assert!(bytes[0] == 1);
        },
        check: &mut || {
            rounds += 1;
            put(&queue, &message(4));
            let next = get(&queue).unwrap();
            if next == message(2) {
                taken += 1;
            } else {
                assert!(next == message(1), "another message than the first or second");
                expect(&queue, &message(2));
            }
            expect(&queue, &message(3));
            expect(&queue, &message(4));
            assert_eq!((get(&queue), queue.len()), (None, 0));
        },
    });
    assert!(taken > 0 && taken < rounds);
    assert_no_leak(&queue);
    counts
}

/// Checks that memory of the dead is reused before the queue grows by more than one step.
fn assert_no_leak(queue: &Queue) {
    for round in 0..300_u32 {
        let number = round.to_le_bytes().repeat(500);
        put(queue, &number);
        expect(queue, &number);
    }
    let bytes = queue.memory_bytes().unwrap();
    assert!(bytes <= 700_000, "the queue has grown to {bytes} bytes");
}

fn a_short_put() -> (usize, usize) {
    kill_putters(2, 40, true)
}

fn a_long_put() -> (usize, usize) {
    kill_putters(2, 3000, true)
}

fn a_first_put_of_a_process() -> (usize, usize) {
    kill_putters(1, 3000, false)
}

fn puts_that_begin_a_chunk() -> (usize, usize) {
    // A chunk has 63 items; with 62 before, the first round also makes a part of the new chunk.
    kill_putters(61, 40, false)
}

fn a_short_get() -> (usize, usize) {
    kill_getters(0, 40, true)
}

fn a_long_get() -> (usize, usize) {
    kill_getters(0, 3000, true)
}

fn a_first_get_of_a_process() -> (usize, usize) {
    kill_getters(0, 3000, false)
}

fn gets_that_leave_a_chunk() -> (usize, usize) {
    kill_getters(59, 40, false)
}

/// The putter finds only memory that a dead process left, so it reaps that process. It is killed
/// while it does so, or while it makes the queue grow.
fn a_reaping() -> (usize, usize) {
    let queue = Queue::create(0).unwrap();
    let message = vec![1; 12_000];
    let half = vec![2; 12_000];
    let hold = || {
        let holder = child(|| std::mem::forget(queue.take(None).unwrap()));
        holder.succeeds();
    };
    let counts = kill_in(Operation {
        prepare: &|| (),
        ready: &|| {
            for _ in 0..3 {
                put(&queue, &half);
                hold();
            }
        },
        work: &|| queue.put(&message, None).unwrap(),
        check: &mut || {
            put(&queue, &half);
            let next = get(&queue).unwrap();
            if next == message {
                expect(&queue, &half);
            } else {
                assert!(next == half, "half a message");
            }
            assert_eq!((get(&queue), queue.len()), (None, 0));
        },
    });
    assert_no_leak(&queue);
    counts
}

fn a_lock_taken_and_released() -> (usize, usize) {
    let lock = Lock::create().unwrap();
    let (mut rounds, mut died) = (0, 0);
    let counts = kill_in(Operation {
        prepare: &|| drop(lock.lock().unwrap()),
        ready: &|| (),
        work: &|| drop(lock.lock().unwrap()),
        check: &mut || {
            rounds += 1;
            let held = lock.is_locked();
            let guard = lock.lock_timeout(TIME_LIMIT).unwrap().expect("the lock of a dead holder");
            assert_eq!(guard.owner_died(), held);
            died += usize::from(held);
            drop(guard);
            assert!(!lock.lock().unwrap().owner_died(), "told twice");
        },
    });
    assert!(died > 0 && died < rounds);
    counts
}

/// Keeps this process and its children on one core: a step is two switches between them, and a
/// switch across cores takes ten times as long.
fn stay_on_one_core() {
    // SAFETY: an empty set is a valid value.
    let mut cores: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: a system call without memory.
    let core = unsafe { libc::sched_getcpu() };
    // SAFETY: the set is a local variable.
    unsafe { libc::CPU_SET(core as usize, &mut cores) };
    // SAFETY: the set is a local variable of the given length. If the call fails, the test is only
    // slower.
    unsafe { libc::sched_setaffinity(0, size_of_val(&cores), &raw const cores) };
}

type Test = (&'static str, fn() -> (usize, usize));

fn main() {
    let tests: &[Test] = &[
        ("a_short_put", a_short_put),
        ("a_long_put", a_long_put),
        ("a_first_put_of_a_process", a_first_put_of_a_process),
        ("puts_that_begin_a_chunk", puts_that_begin_a_chunk),
        ("a_short_get", a_short_get),
        ("a_long_get", a_long_get),
        ("a_first_get_of_a_process", a_first_get_of_a_process),
        ("gets_that_leave_a_chunk", gets_that_leave_a_chunk),
        ("a_reaping", a_reaping),
        ("a_lock_taken_and_released", a_lock_taken_and_released),
    ];
    stay_on_one_core();
    let wanted: Vec<String> = env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let (tests, others): (Vec<_>, Vec<_>) = tests.iter().partition(|(name, _)| {
        wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()))
    });
    let start = Instant::now();
    println!("\nrunning {} tests", tests.len());
    for (name, test) in &tests {
        let (kills, length) = test();
        println!("test killed_in_{name} ... ok ({kills} kills in {length} instructions)");
    }
    println!(
        "\ntest result: ok. {} passed; 0 failed; 0 ignored; 0 measured; {} filtered out; \
         finished in {:.2}s\n",
        tests.len(),
        others.len(),
        start.elapsed().as_secs_f64()
    );
}
