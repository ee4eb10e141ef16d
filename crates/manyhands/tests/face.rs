//! The promises of the Rust face, tested as its users see it.

#[path = "../../pool/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use manyhands::{
    ErrorKind, Exit, GetError, Pool, Process, PutError, Queue, SharedArray, as_completed,
};
use serde::{Deserialize, Serialize};
use support::wait_until;

fn main() -> ExitCode {
    manyhands::init();
    if std::env::args().nth(1).as_deref() == Some(WITH_PANICS) {
        return run_with_panics();
    }
    support::run(tests![
        functions_and_closures_run_in_workers,
        results_keep_the_order_of_inputs_when_tasks_are_uneven,
        any_serde_value_survives_the_round_trip,
        a_panic_is_an_error_with_message_and_location_and_the_worker_goes_on,
        a_map_returns_its_first_error_and_imap_every_one,
        a_context_is_sent_and_read_once_per_worker,
        contexts_of_different_types_with_equal_bytes_stay_apart,
        arrays_pass_by_reference_both_ways,
        an_array_is_freed_with_its_last_handle,
        initializers_and_finalizers_run_once_per_worker,
        a_panic_outside_of_tasks_is_printed_and_the_worker_goes_on,
        options_of_a_call_and_of_a_pool_take_effect,
        invalid_sizes_are_errors_at_the_call,
        an_endless_iterator_runs_in_bounded_memory,
        futures_wait_kill_cancel_and_complete,
        a_process_runs_one_function_and_ends,
        a_queue_connects_processes,
        values_that_cannot_travel_are_errors,
        a_panic_while_encoding_leaves_nothing_behind,
        a_worker_may_have_a_pool_of_its_own,
    ])
}

fn double(x: u64) -> u64 {
    2 * x
}

fn pool() -> Pool {
    Pool::builder().workers(2).build().unwrap()
}

fn functions_and_closures_run_in_workers() {
    let pool = pool();
    let expected: Vec<u64> = (0..1000).map(double).collect();
    assert_eq!(pool.map(double, 0..1000).unwrap(), expected);
    assert_eq!(pool.map(|x: u64| x + x, 0..1000).unwrap(), expected);
    assert_eq!(pool.map(double, []).unwrap(), [0; 0]);
    let own = std::process::id();
    assert!(pool.map(|()| std::process::id(), [(); 10]).unwrap().iter().all(|pid| *pid != own));
}

fn results_keep_the_order_of_inputs_when_tasks_are_uneven() {
    let pool = pool();
    let uneven = |x: u64| {
        std::thread::sleep(Duration::from_micros(if x.is_multiple_of(7) { 2_000 } else { 10 }));
        x
    };
    for call in [pool.call(), pool.call().chunk_size(1), pool.call().chunk_size(13)] {
        assert!(call.map(uneven, 0..200).unwrap().into_iter().eq(0..200));
    }
    let add = |context: &u64, x: u64| context + x;
    let results = pool.imap_with(&5, add, 0..200).unwrap().map(Result::unwrap);
    assert!(results.eq(5..205));
    let mut results: Vec<_> = pool.imap_unordered_with(&5, add, 0..200).unwrap().collect();
    results.sort_unstable_by_key(|(place, _)| *place);
    assert!(results.into_iter().map(|(_, result)| result.unwrap()).eq(5..205));
    assert_eq!(pool.submit_with(&5, add, 1).unwrap().wait().unwrap(), 6);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Circle { radius: f64 },
    Polygon(Vec<(i32, i32)>),
    Named(String, Box<Shape>, Option<char>),
}

fn any_serde_value_survives_the_round_trip() {
    let shapes = vec![
        Shape::Circle { radius: -0.0 },
        Shape::Polygon((0..100_000).map(|i| (i, -i)).collect()),
        Shape::Named("ü".repeat(10), Box::new(Shape::Circle { radius: 1e300 }), Some('∞')),
    ];
    let pool = pool();
    assert_eq!(pool.map(|shape: Shape| shape, shapes.clone()).unwrap(), shapes);
    let sorted = pool.submit(
        |map: BTreeMap<String, u8>| map.into_keys().next(),
        BTreeMap::from([("b".to_owned(), 1), ("a".to_owned(), 2)]),
    );
    assert_eq!(sorted.unwrap().wait().unwrap().as_deref(), Some("a"));
}

fn a_panic_is_an_error_with_message_and_location_and_the_worker_goes_on() {
    let pool = Pool::builder().workers(1).build().unwrap();
    let pid = || pool.submit(|()| std::process::id(), ()).unwrap().wait().unwrap();
    let before = pid();
    let line = line!() + 1;
    let error = pool.submit(|x: i32| assert!(x > 0, "{x} is not positive"), -4);
    let error = error.unwrap().wait().unwrap_err();
    let ErrorKind::Panicked { message, location, .. } = error.kind() else { panic!("{error}") };
    assert_eq!(message, "-4 is not positive");
    assert!(location.contains(&format!("tests/face.rs:{line}:")), "{location}");
    assert_eq!(pid(), before);
}

fn a_map_returns_its_first_error_and_imap_every_one() {
    fn odd_ones_fail(x: u64) -> u64 {
        assert!(x.is_multiple_of(2), "odd: {x}");
        x
    }
    let pool = pool();
    let error = pool.map(odd_ones_fail, [0, 2, 4, 5, 7]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Panicked { task: 3, .. }), "{error}");
    let results: Vec<_> = pool.imap(odd_ones_fail, 0..100).unwrap().collect();
    assert_eq!(results.len(), 100);
    for (x, result) in results.into_iter().enumerate() {
        assert_eq!(result.ok(), x.is_multiple_of(2).then_some(x as u64));
    }
    let mut seen: Vec<_> = pool
        .imap_unordered(odd_ones_fail, 0..100)
        .unwrap()
        .map(|(place, result)| (place, result.is_ok()))
        .collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq((0..100).map(|x| (x, x % 2 == 0))));
}

/// Counts how often it is serialized.
#[derive(Serialize)]
struct Counted(Vec<u8>);

static READ: AtomicU64 = AtomicU64::new(0);

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        READ.fetch_add(1, Ordering::Relaxed);
        Vec::deserialize(deserializer).map(Counted)
    }
}

fn a_context_is_sent_and_read_once_per_worker() {
    let pool = pool();
    let context = Counted(vec![3; 1 << 20]);
    for _ in 0..3 {
        let read = pool.map_with(
            &context,
            |context: &Counted, x: u64| {
                assert_eq!(context.0.len(), 1 << 20);
                (x, READ.load(Ordering::Relaxed))
            },
            0..1000,
        );
        assert!(read.unwrap().into_iter().all(|(_, read)| read == 1));
    }
}

fn contexts_of_different_types_with_equal_bytes_stay_apart() {
    let pool = pool();
    for _ in 0..3 {
        assert_eq!(pool.map_with(&7_u8, |c: &u8, x: u8| c + x, [1]).unwrap(), [8]);
        assert_eq!(pool.map_with(&7_u64, |c: &u64, x: u8| c * u64::from(x), [2]).unwrap(), [14]);
    }
}

fn arrays_pass_by_reference_both_ways() {
    let pool = pool();
    let array = SharedArray::from_slice(&(0..1000_i64).collect::<Vec<_>>()).unwrap();
    // As a context, as an argument, inside another value, and twice in one payload.
    let add = |array: &SharedArray<i64>, at: usize| array.set(at, array.get(at) + 1);
    pool.map_with(&array, add, 0..1000_usize).unwrap();
    let futures: Vec<_> = (0..1000)
        .map(|at| {
            let both = vec![(at, array.clone(), Some(array.clone()))];
            let add = |mut both: Vec<(usize, SharedArray<i64>, Option<SharedArray<i64>>)>| {
                let (at, one, other) = both.remove(0);
                one.set(at, other.unwrap().get(at) + 1);
            };
            pool.submit(add, both).unwrap()
        })
        .collect();
    futures.into_iter().for_each(|future| future.wait().unwrap());
    assert!(array.to_vec().into_iter().eq((0..1000).map(|x| x + 2)));
    // In a map, as arguments.
    let touch = |(array, at): (SharedArray<i64>, usize)| array.set(at, 0);
    pool.map(touch, (0..1000).map(|at| (array.clone(), at))).unwrap();
    assert!(array.to_vec().iter().all(|x| *x == 0));
    // As a result.
    let made = pool.map(
        |x: u64| {
            let array = SharedArray::<u64>::zeros(&[2, 3]).unwrap();
            array.set(5, x);
            array
        },
        0..300,
    );
    for (x, array) in made.unwrap().into_iter().enumerate() {
        assert_eq!((array.shape(), array.get(5)), (&[2, 3][..], x as u64));
    }
}

fn shared_memory_in_use() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = meminfo.lines().find_map(|line| line.strip_prefix("Shmem:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn an_array_is_freed_with_its_last_handle() {
    let pool = pool();
    let (size, half) = (256_usize << 20, 128 << 20);
    let before = shared_memory_in_use();
    let array = SharedArray::<u8>::zeros(&[size]).unwrap();
    pool.map_with(&array, |array: &SharedArray<u8>, at: usize| array.set(at, 1), 0..100).unwrap();
    let length = |array: SharedArray<u8>| array.len();
    assert_eq!(pool.submit(length, array.clone()).unwrap().wait().unwrap(), size);
    assert!(shared_memory_in_use() > before + half);
    drop(array);
    // The workers release it too, although the pool goes on and is idle.
    let freed = || shared_memory_in_use() < before + half;
    wait_until("the memory is free", freed, || shared_memory_in_use().to_string());
}

static STARTED: AtomicU64 = AtomicU64::new(0);

fn initializers_and_finalizers_run_once_per_worker() {
    let file = std::env::temp_dir().join(format!("manyhands-face-{}", std::process::id()));
    let pool = Pool::builder()
        .workers(2)
        .initializer(
            |file: std::path::PathBuf| {
                STARTED.fetch_add(1, Ordering::Relaxed);
                FILE.set(file).unwrap();
            },
            file.clone(),
        )
        .finalizer(|()| {
            use std::io::Write;
            let file = FILE.get().unwrap();
            let file = std::fs::File::options().create(true).append(true).open(file);
            writeln!(file.unwrap(), "done").unwrap();
        })
        .build()
        .unwrap();
    let work = |()| {
        std::thread::sleep(Duration::from_micros(100));
        (std::process::id(), STARTED.load(Ordering::Relaxed))
    };
    let mut seen = BTreeMap::new();
    while seen.len() < 2 {
        seen.extend(pool.map(work, [(); 10]).unwrap());
    }
    assert!(seen.into_values().all(|started| started == 1));
    pool.shutdown();
    let written = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(written, "done\ndone\n");
}

static FILE: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();

/// The argument with which this program runs a pool whose context and finalizer panic.
const WITH_PANICS: &str = "with panics";

#[derive(Serialize, Deserialize)]
struct PanicsAtItsEnd(u64);

impl Drop for PanicsAtItsEnd {
    fn drop(&mut self) {
        assert!(manyhands::worker_index().is_none(), "the end of a context");
    }
}

fn run_with_panics() -> ExitCode {
    let finalizer = |()| panic!("the end of a worker");
    let pool = Pool::builder().workers(1).finalizer(finalizer).build().unwrap();
    let pid = |_: &PanicsAtItsEnd, ()| std::process::id();
    let run = |number| pool.submit_with(&PanicsAtItsEnd(number), pid, ()).unwrap().wait().unwrap();
    let worker = run(0);
    assert!((1..100).all(|number| run(number) == worker));
    pool.shutdown();
    ExitCode::SUCCESS
}

fn a_panic_outside_of_tasks_is_printed_and_the_worker_goes_on() {
    let mut program = std::process::Command::new(std::env::current_exe().unwrap());
    let output = program.arg(WITH_PANICS).env("RUST_BACKTRACE", "0").output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{printed}");
    for (when, message) in [
        ("as a function or a context was forgotten", "the end of a context"),
        ("in the finalizer", "the end of a worker"),
    ] {
        let line = printed.lines().find(|line| line.ends_with(message)).expect(message);
        let start = format!("manyhands worker: a panic {when}, at crates/manyhands/tests/face.rs:");
        assert!(line.starts_with(&start), "{line}");
    }
}

fn options_of_a_call_and_of_a_pool_take_effect() {
    let nap = |millis: u64| std::thread::sleep(Duration::from_millis(millis));
    let pool = Pool::builder().workers(2).deadline(Duration::from_millis(200)).build().unwrap();
    let error = pool.submit(nap, 100_000).unwrap().wait().unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let longer = pool.call().deadline(Duration::from_secs(100));
    longer.submit(nap, 300).unwrap().wait().unwrap();

    let tries = SharedArray::<u64>::zeros(&[1]).unwrap();
    let die_twice = |tries: SharedArray<u64>| {
        tries.set(0, tries.get(0) + 1);
        if tries.get(0) <= 2 {
            std::process::exit(9);
        }
        tries.get(0)
    };
    let error = pool.submit(die_twice, tries.clone()).unwrap().wait().unwrap_err();
    assert_eq!(error.death().unwrap().exit, Exit::Code(9));
    let again = pool.call().retries(1).submit(die_twice, tries).unwrap();
    assert_eq!(again.wait().unwrap(), 3);
}

fn invalid_sizes_are_errors_at_the_call() {
    let invalid = |error: manyhands::Error, word: &str| {
        assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    };
    invalid(Pool::builder().workers(0).build().err().unwrap(), "worker");
    invalid(Pool::builder().tasks_per_worker(0).build().err().unwrap(), "tasks_per_worker");
    invalid(Pool::builder().memory_limit(0).build().err().unwrap(), "memory limit");
    invalid(pool().call().chunk_size(0).map(double, 0..3).unwrap_err(), "chunk_size");
    invalid(Queue::<u8>::bounded(0).err().unwrap(), "queue");
    let most = usize::MAX / 4;
    let error = SharedArray::<u64>::zeros(&[most]).unwrap_err();
    assert!(error.to_string().contains("shape"), "{error}");
    let error = SharedArray::<u8>::zeros(&[1 << 46]).unwrap_err();
    assert!(error.to_string().contains("no room"), "{error}");
}

fn an_endless_iterator_runs_in_bounded_memory() {
    let pool = pool();
    let pulled = std::cell::Cell::new(0);
    let numbers = (0_u64..).inspect(|x| pulled.set(*x));
    let first: Vec<u64> =
        pool.imap(double, numbers).unwrap().take(10_000).map(Result::unwrap).collect();
    assert!(first.into_iter().eq((0..10_000).map(double)));
    assert!(pulled.get() < 10_000 + (1 << 17), "{}", pulled.get());
}

fn futures_wait_kill_cancel_and_complete() {
    let pool = Pool::builder().workers(1).build().unwrap();
    let gate = SharedArray::<u64>::zeros(&[2]).unwrap();
    let hold = |gate: SharedArray<u64>| {
        gate.set(0, 1);
        while gate.get(1) == 0 {
            std::thread::sleep(Duration::from_micros(100));
        }
    };
    let held = pool.submit(hold, gate.clone()).unwrap();
    wait_until("it runs", || gate.get(0) == 1, String::new);
    let behind: Vec<_> = (0..3).map(|x| pool.submit(double, x).unwrap()).collect();
    assert!(!held.is_done() && !held.cancel() && behind[1].cancel());
    let held = held.wait_timeout(Duration::from_millis(2)).unwrap_err();
    gate.set(1, 1);
    held.wait().unwrap();
    let mut results: Vec<_> =
        as_completed(behind).map(|(place, future)| (place, future.wait().ok())).collect();
    results.sort_unstable();
    assert_eq!(results, [(0, Some(0)), (1, None), (2, Some(4))]);

    let sleep = |()| std::thread::sleep(Duration::from_secs(1000));
    let killed = pool.submit(sleep, ()).unwrap();
    killed.kill();
    let error = killed.wait().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Killed { .. }), "{error}");
}

fn a_process_runs_one_function_and_ends() {
    let process = Process::spawn(double, 21).unwrap();
    assert_eq!(process.join().unwrap(), 42);
    let sleeping = Process::spawn(|()| std::thread::sleep(Duration::from_secs(1000)), ()).unwrap();
    wait_until("it was started", || sleeping.pid().is_some(), String::new);
    assert!(support::children().contains(&sleeping.pid().unwrap()));
    let sleeping = sleeping.join_timeout(Duration::from_millis(1)).unwrap_err();
    assert!(sleeping.is_running());
    sleeping.kill();
    let error = sleeping.join().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Killed { .. }), "{error}");
    let leave = |code: i32| -> () { std::process::exit(code) };
    let error = Process::spawn(leave, 3).unwrap().join().unwrap_err();
    assert_eq!(error.death().unwrap().exit, Exit::Code(3));
    // Dropping it ends it; the harness checks that nothing is left.
    drop(Process::spawn(|()| std::thread::sleep(Duration::from_secs(1000)), ()).unwrap());
}

fn a_queue_connects_processes() {
    let queue = Queue::<(u64, String)>::bounded(4).unwrap();
    let put = |(queue, from): (Queue<(u64, String)>, u64)| {
        (from..from + 500).for_each(|x| queue.put(&(x, x.to_string())).unwrap());
    };
    let producers: Vec<_> = [0, 500, 1000]
        .map(|from| Process::spawn(put, (queue.clone(), from)).unwrap())
        .into_iter()
        .collect();
    let mut got: Vec<u64> = (0..1500)
        .map(|_| queue.get().unwrap())
        .map(|(x, text)| {
            assert_eq!(text, x.to_string());
            x
        })
        .collect();
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    got.sort_unstable();
    assert!(got.into_iter().eq(0..1500));

    assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    assert!(matches!(queue.get_timeout(Duration::from_millis(1)), Err(GetError::Empty)));
    let item = (1, "x".repeat(1 << 20));
    (0..4).for_each(|_| queue.put(&item).unwrap());
    assert_eq!(queue.len(), 4);
    assert!(matches!(queue.try_put(&item), Err(PutError::Full)));
    assert!(matches!(queue.put_timeout(&item, Duration::from_millis(1)), Err(PutError::Full)));
    queue.close();
    assert!(matches!(queue.put(&item), Err(PutError::Closed)));
    assert_eq!(queue.iter().filter(|got| *got == item).count(), 4);
    assert!(matches!(queue.get(), Err(GetError::Closed)));
}

#[derive(Deserialize)]
struct Unsendable;

impl Serialize for Unsendable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no"))
    }
}

fn values_that_cannot_travel_are_errors() {
    let pool = pool();
    let error = pool.submit(|_: Unsendable| (), Unsendable).err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error}");
    let error = pool.submit(|()| Unsendable, ()).unwrap().wait().err().unwrap();
    assert!(error.to_string().contains("result cannot be sent"), "{error}");
    // An input of a map that cannot be sent fails at its position.
    #[derive(Deserialize)]
    struct Odd(u64);
    impl Serialize for Odd {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.0 % 2 {
                1 => Err(serde::ser::Error::custom("odd")),
                _ => serializer.serialize_u64(self.0),
            }
        }
    }
    let results = pool.imap(|x: Odd| x.0, (0..100).map(Odd)).unwrap();
    for (x, result) in results.enumerate() {
        assert_eq!(result.ok(), (x % 2 == 0).then_some(x as u64));
    }
    // Messages of a queue cannot carry shared memory.
    let queue = Queue::<SharedArray<u8>>::unbounded().unwrap();
    let refused = queue.put(&SharedArray::zeros(&[1]).unwrap());
    assert!(matches!(refused, Err(PutError::Failed(_))));
}

/// Panics while it is encoded, after its array was encoded.
struct Bomb(SharedArray<u8>);

impl Serialize for Bomb {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer).map(|_| panic!("a bomb"))
    }
}

impl<'de> Deserialize<'de> for Bomb {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SharedArray::deserialize(deserializer).map(Bomb)
    }
}

fn a_panic_while_encoding_leaves_nothing_behind() {
    // Afterwards a queue rejects an array, in this process and in the worker, as always.
    fn refused(array: SharedArray<u8>) -> bool {
        let queue = Queue::<SharedArray<u8>>::unbounded().unwrap();
        matches!(queue.put(&array), Err(PutError::Failed(_)))
    }
    let pool = Pool::builder().workers(1).build().unwrap();
    let array = SharedArray::<u8>::zeros(&[1]).unwrap();
    let bomb = Bomb(array.clone());
    let encoding = std::panic::AssertUnwindSafe(|| pool.submit(|_: Bomb| (), bomb).map(drop));
    assert!(std::panic::catch_unwind(encoding).is_err());
    assert!(refused(array.clone()));
    let error = pool.submit(|array: SharedArray<u8>| Bomb(array), array.clone()).unwrap().wait();
    assert!(matches!(error.err().unwrap().kind(), ErrorKind::Panicked { .. }));
    assert!(pool.submit(refused, array).unwrap().wait().unwrap());
}

fn a_worker_may_have_a_pool_of_its_own() {
    let nested = |n: u64| {
        let pool = Pool::builder().workers(2).build().unwrap();
        pool.map(double, 0..n).unwrap().into_iter().sum::<u64>()
    };
    assert_eq!(pool().map(nested, [10, 20]).unwrap(), [90, 380]);
}
