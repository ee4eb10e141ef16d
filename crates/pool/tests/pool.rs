//! The promises of a pool, tested through its public interface with real processes.

mod runner;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use manyhands_pool::launch::{Exit, ThisProgram};
use manyhands_pool::{CallOptions, ErrorKind, Payload, Pool, PoolOptions, as_completed};
use manyhands_shm::Segment;
use runner::*;
use rustix::process::{Resource, getrlimit, setrlimit};
use support::wait_until;

fn main() -> ExitCode {
    work_if_worker();
    support::run(tests![
        a_task_comes_back_with_its_result,
        a_map_keeps_order_and_loses_nothing,
        an_unordered_map_gives_every_task_once,
        large_payloads_and_results_arrive_unchanged,
        handles_pass_both_ways,
        a_context_travels_once_per_worker,
        unused_blobs_are_forgotten,
        a_result_without_a_descriptor_fails_and_gives_its_memory_back,
        a_context_without_a_descriptor_fails_its_tasks_and_its_worker_is_replaced,
        a_worker_without_a_descriptor_fails_one_chunk_and_draws_in_no_others,
        a_blob_that_a_runner_refuses_fails_its_tasks_with_the_reason,
        a_panic_is_an_error_and_the_worker_lives_on,
        a_panic_is_reported_as_itself_after_one_that_its_task_caught,
        a_panic_as_a_context_is_forgotten_ends_no_worker,
        an_exit_fails_only_its_own_task,
        a_lost_task_is_run_again_if_asked,
        a_task_past_its_deadline_is_killed_and_its_siblings_are_not,
        a_deadline_counts_from_when_a_task_begins,
        killing_a_future_ends_only_its_task,
        cancelling_reaches_only_tasks_that_have_not_begun,
        tasks_of_a_higher_priority_begin_first_and_equal_ones_in_turn,
        short_tasks_behind_a_long_one_move_to_idle_workers,
        results_before_a_long_task_do_not_wait_for_it,
        a_worker_over_its_memory_limit_is_killed_with_the_figure,
        workers_are_replaced_after_their_number_of_tasks,
        idle_workers_end_down_to_the_minimum_and_come_back,
        no_task_is_lost_to_a_worker_that_ends_for_being_idle,
        descendants_die_with_their_worker,
        a_worker_that_overwrites_its_link_is_killed_and_reported,
        an_endless_source_is_pulled_only_as_results_are_taken,
        dropping_a_map_cancels_the_rest,
        futures_are_given_as_they_complete,
        futures_of_several_pools_are_given_as_they_complete,
        limits_beyond_the_range_of_the_clock_work,
        many_large_functions_find_room_on_the_link,
        waiting_with_a_limit_gives_the_future_back,
        many_threads_share_one_pool,
        a_shutdown_finishes_submitted_tasks,
        a_closed_pool_finishes_by_itself,
        a_terminated_pool_fails_unfinished_tasks,
        workers_that_cannot_start_are_an_error_and_not_a_loop,
        invalid_options_are_errors,
        workers_run_on_their_processors,
        a_pool_in_a_forked_copy_refuses_and_frees_nothing,
        a_pool_that_is_over_has_no_thread_however_long_it_is_kept,
        events_carry_the_name_and_the_pid_of_the_worker,
    ])
}

fn plain() -> CallOptions {
    CallOptions::default()
}

fn a_task_comes_back_with_its_result() {
    let pool = pool(2);
    for number in 0..100 {
        assert_eq!(value(submit(&pool, "double", number)).unwrap(), 2 * number);
    }
}

fn a_map_keeps_order_and_loses_nothing() {
    let pool = pool(2);
    for size in [None, NonZeroUsize::new(1), NonZeroUsize::new(7), NonZeroUsize::new(100_000)] {
        let options = CallOptions { chunk_size: size, ..plain() };
        let results = map(&pool, "double", 0..20_000, options, true);
        assert_eq!(results.len(), 20_000);
        for (place, (task, result)) in results.into_iter().enumerate() {
            assert_eq!((task, result.unwrap()), (place as u64, 2 * place as u64));
        }
    }
    assert!(map(&pool, "double", 0..0, plain(), true).is_empty());
}

fn an_unordered_map_gives_every_task_once() {
    let pool = pool(3);
    let mut results = map(&pool, "double", 0..20_000, plain(), false);
    results.sort_by_key(|(task, _)| *task);
    assert!(results.iter().map(|(task, _)| *task).eq(0..20_000));
    assert!(results.into_iter().all(|(task, result)| result.unwrap() == 2 * task));
}

fn large_payloads_and_results_arrive_unchanged() {
    let pool = pool(2);
    for len in [0, 1, 8 << 10, (8 << 10) + 1, 100_000, 3 << 20, 70 << 20] {
        let bytes: Vec<u8> = (0..len).map(|at: usize| (at / 7) as u8).collect();
        for _ in 0..2 {
            let reply = submit_with(&pool, "echo", bytes.clone().into(), plain()).wait().unwrap();
            assert!(reply.into_bytes().unwrap() == bytes, "{len} bytes changed on the way");
        }
    }
    // One chunk of many items in one block.
    let options = CallOptions { chunk_size: NonZeroUsize::new(10_000), ..plain() };
    let results = map(&pool, "double", 0..10_000, options, true);
    assert!(results.into_iter().all(|(task, result)| result.unwrap() == 2 * task));
}

fn handles_pass_both_ways() {
    let pool = pool(2);
    let handle = words(4);
    let futures: Vec<_> = (0..100)
        .map(|task| submit_with(&pool, "count", with_handle(task % 4, &handle), plain()))
        .collect();
    futures.into_iter().for_each(|future| drop(future.wait().unwrap()));
    for place in 0..4 {
        assert_eq!(word(&handle, place * 8).load(Ordering::SeqCst), 25);
    }
    for made in 0..50 {
        let reply = submit(&pool, "make", made).wait().unwrap();
        assert_eq!(word(&reply.handles()[0], 0).load(Ordering::SeqCst), made);
    }
    let source = Numbers { numbers: (0..4).cycle().take(1000), handles: vec![words(4)] };
    let function = function(&pool, "count");
    let mut map = pool.map(&function, None, source, plain(), true).unwrap();
    while let Some((_, result)) = map.next_with(|_, _| ()) {
        result.unwrap();
    }
}

fn a_result_without_a_descriptor_fails_and_gives_its_memory_back() {
    let pool = pool(1);
    let worker = value(submit(&pool, "pid", 0)).unwrap();
    let segments = || {
        let open = std::fs::read_dir(format!("/proc/{worker}/fd")).unwrap();
        let links = open.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        links.filter(|link| link.to_string_lossy().contains("manyhands-results")).count()
    };
    let make = || submit(&pool, "make large", 20_000).wait();
    assert_eq!(make().unwrap().len(), 20_000);
    assert_eq!(segments(), 1);
    let before = getrlimit(Resource::Nofile);
    let held = descriptors();
    // Many times as many as the segment has room for.
    for _ in 0..100 {
        let error = make().err().expect("no descriptor for its handle");
        assert!(matches!(error.kind(), ErrorKind::ResultLost { .. }), "{error}");
        let text = error.of_function("make large").to_string();
        assert!(text.starts_with("task 0 (make large) was done, but its result"), "{text}");
    }
    drop(held);
    setrlimit(Resource::Nofile, before).unwrap();
    assert_eq!(make().unwrap().handles().len(), 1);
    assert_eq!(value(submit(&pool, "pid", 0)).unwrap(), worker);
    assert_eq!(segments(), 1);
}

fn a_context_without_a_descriptor_fails_its_tasks_and_its_worker_is_replaced() {
    let pool = pool(1);
    let done = |name: &str| submit(&pool, name, 0).wait().unwrap();
    let mut workers = vec![value(submit(&pool, "pid", 0)).unwrap()];
    let function = function(&pool, "context");
    let submitted = |bytes: usize| {
        let context = Payload { bytes: vec![7; bytes], handles: vec![words(1)] };
        let context = pool.blob(context).unwrap();
        value(pool.submit(&function, Some(&context), Payload::default(), plain()).unwrap())
    };
    // In the message, in a block of a segment, and in a segment that the worker has not received yet.
    for bytes in [10, 20_000, 2_000_000] {
        done("use up descriptors");
        let error = submitted(bytes).unwrap_err();
        let ErrorKind::Refused { reason, .. } = error.kind() else { panic!("{error}") };
        assert!(reason.contains("no room for one more descriptor"), "{reason}");
        let worker = value(submit(&pool, "pid", 0)).unwrap();
        assert!(!workers.contains(&worker), "{worker} was not replaced");
        workers.push(worker);
    }
    assert_eq!(submitted(10).unwrap(), 10);
    assert_eq!(value(submit(&pool, "pid", 0)).unwrap(), workers[3]);
}

fn a_worker_without_a_descriptor_fails_one_chunk_and_draws_in_no_others() {
    let handle = words(1);
    let with_handle = Payload { bytes: Vec::new(), handles: vec![Arc::clone(&handle)] };
    let plain_function = || b"length".to_vec().into();
    // A function, an argument, and a segment that the worker has not received.
    for (function, argument) in [
        (Payload { bytes: b"length".to_vec(), handles: vec![handle] }, Payload::default()),
        (plain_function(), with_handle),
        (plain_function(), vec![1; 20_000].into()),
    ] {
        let pool = pool(2);
        // The other worker is busy, so this one gets every task.
        let (held, gate) = held(&pool);
        submit(&pool, "use up descriptors", 0).wait().unwrap();
        let worker = value(submit(&pool, "pid", 0)).unwrap();
        let function = pool.blob(function).unwrap();
        let submitted = || pool.submit(&function, None, argument.clone(), plain()).unwrap();
        let futures: Vec<_> = (0..200).map(|_| submitted()).collect();
        let mut failed = 0;
        for error in futures.into_iter().filter_map(|future| value(future).err()) {
            let ErrorKind::Refused { reason, worker: name, .. } = error.kind() else {
                panic!("{error}")
            };
            assert!(reason.contains("no room for one more descriptor"), "{reason}");
            assert_eq!(u64::from(name.pid), worker);
            failed += 1;
        }
        assert_eq!(failed, 1);
        wait_until("it is gone", || !support::is_alive(worker as u32), String::new);
        let_go(&gate);
        value(held).unwrap();
        assert!((0..200).map(|_| submitted()).all(|future| value(future).is_ok()));
    }
}

fn a_blob_that_a_runner_refuses_fails_its_tasks_with_the_reason() {
    let pool = pool(1);
    let worker = value(submit(&pool, "pid", 0)).unwrap();
    for (told, expected) in [("refuse", "it was told to refuse"), ("panic", "it was told to panic")]
    {
        let context = pool.blob(format!("{told} when defined").into_bytes().into()).unwrap();
        for _ in 0..2 {
            let future =
                pool.submit(&function(&pool, "context"), Some(&context), vec![].into(), plain());
            let error = value(future.unwrap()).unwrap_err();
            let ErrorKind::Refused { reason, .. } = error.kind() else { panic!("{error}") };
            assert!(reason.contains(expected), "{reason}");
        }
        let error = value(submit(&pool, &format!("{told} when defined"), 0)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(value(submit(&pool, "pid", 0)).unwrap(), worker);
}

fn a_context_travels_once_per_worker() {
    let pool = pool(1);
    let context = pool.blob(vec![7; 1 << 20].into()).unwrap();
    let function = function(&pool, "context");
    for _ in 0..50 {
        // Equal bytes are the same blob.
        let again = pool.blob(vec![7; 1 << 20].into()).unwrap();
        let future = pool.submit(&function, Some(&again), Payload::default(), plain()).unwrap();
        assert_eq!(value(future).unwrap(), 1 << 20);
    }
    drop(context);
    // Two functions and one context.
    assert_eq!(value(submit(&pool, "defined", 0)).unwrap(), 3);
}

fn unused_blobs_are_forgotten() {
    let pool = pool(1);
    let function = function(&pool, "context");
    for round in 0..10 {
        // A blob with a handle is not kept after its last use.
        let payload = Payload { bytes: vec![round], handles: vec![words(1)] };
        let context = pool.blob(payload).unwrap();
        let future = pool.submit(&function, Some(&context), Payload::default(), plain()).unwrap();
        value(future).unwrap();
    }
    let left = || value(submit(&pool, "blobs", 0)).unwrap();
    wait_until("contexts are forgotten", || left() == 2, || left().to_string());
}

fn a_panic_is_an_error_and_the_worker_lives_on() {
    let pool = pool(1);
    let before = value(submit(&pool, "pid", 0)).unwrap();
    let error = value(submit(&pool, "panic", 42)).unwrap_err();
    let ErrorKind::Panicked { message, location, worker, .. } = error.kind() else {
        panic!("{error}")
    };
    assert_eq!(message, "number 42");
    assert!(location.contains("tests/runner/mod.rs:"), "{location}");
    assert_eq!(u64::from(worker.pid), before);
    assert_eq!(value(submit(&pool, "pid", 0)).unwrap(), before);
    let results = map(&pool, "panic if odd", 0..1000, plain(), true);
    for (task, result) in results {
        assert_eq!(result.is_ok(), task % 2 == 0);
    }
    let error = value(submit(&pool, "no such", 0)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Refused { .. }), "{error}");
}

fn a_panic_is_reported_as_itself_after_one_that_its_task_caught() {
    let pool = pool(1);
    assert_eq!(value(submit(&pool, "catch", 0)).unwrap(), 1);
    let error = value(submit(&pool, "unwind", 7)).unwrap_err();
    let ErrorKind::Panicked { message, location, .. } = error.kind() else { panic!("{error}") };
    // Nobody was told where it began.
    assert_eq!((message.as_str(), location.as_str()), ("unwound by 7", "?"));
    let error = value(submit(&pool, "catch and unwind", 7)).unwrap_err();
    let ErrorKind::Panicked { message, location, .. } = error.kind() else { panic!("{error}") };
    assert_eq!((message.as_str(), location.as_str()), ("unwound by 7", "?"));
}

fn a_panic_as_a_context_is_forgotten_ends_no_worker() {
    let pool = pool(1);
    let worker = value(submit(&pool, "pid", 0)).unwrap();
    let function = function(&pool, "context");
    for _ in 0..3 {
        // A blob with a handle is not kept after its last use.
        let payload = Payload { bytes: b"panic when forgotten".to_vec(), handles: vec![words(1)] };
        let context = pool.blob(payload).unwrap();
        value(pool.submit(&function, Some(&context), Payload::default(), plain()).unwrap())
            .unwrap();
    }
    let left = || value(submit(&pool, "blobs", 0)).unwrap();
    // The three functions.
    wait_until("contexts are forgotten", || left() == 3, || left().to_string());
    assert_eq!(value(submit(&pool, "pid", 0)).unwrap(), worker);
}

fn an_exit_fails_only_its_own_task() {
    let pool = pool(2);
    let results = map(&pool, "exit if odd", 0..40, plain(), true);
    assert_eq!(results.len(), 40);
    for (place, (task, result)) in results.into_iter().enumerate() {
        assert_eq!(place as u64, task);
        match result {
            Ok(number) => assert!(number == task && task % 2 == 0),
            Err(error) => {
                let ErrorKind::WorkerDied { task: lost, death } = error.kind() else {
                    panic!("{error}")
                };
                assert_eq!((*lost, death.exit), (task, Exit::Code(3)));
                assert!(task % 2 == 1);
                assert!(death.worker.name.starts_with("worker-"));
                let words = format!("number {task} is odd, leaving\n");
                assert!(death.stderr.ends_with(&words), "{:?}", death.stderr);
                let text = error.to_string();
                assert!(text.contains("exited with status 3"), "{text}");
                assert!(text.contains(&format!("pid {}", death.worker.pid)), "{text}");
            }
        }
    }
}

fn a_lost_task_is_run_again_if_asked() {
    let pool = pool(2);
    let options = CallOptions { retries: 3, ..plain() };
    let handle = words(1);
    let future = submit_with(&pool, "die once", with_handle(3, &handle), options.clone());
    assert_eq!(value(future).unwrap(), 4);
    let handle = words(1);
    let future = submit_with(&pool, "die once", with_handle(4, &handle), options);
    let error = value(future).unwrap_err();
    assert_eq!(error.death().unwrap().exit, Exit::Signal(6), "{error}");
    assert_eq!(word(&handle, 0).load(Ordering::SeqCst), 4, "one run and three retries");
}

fn a_task_past_its_deadline_is_killed_and_its_siblings_are_not() {
    let pool = pool(2);
    let deadline = Duration::from_millis(300);
    let options = CallOptions { deadline: Some(deadline), ..plain() };
    let short = |_| 1_000_u64.to_le_bytes().to_vec();
    let mut futures: Vec<_> = (0..20)
        .map(|task| submit_with(&pool, "micros", short(task).into(), options.clone()))
        .collect();
    let long = 3_600_000_000_u64.to_le_bytes().to_vec();
    let began = Instant::now();
    futures.insert(5, submit_with(&pool, "micros", long.into(), options.clone()));
    for (place, future) in futures.into_iter().enumerate() {
        let result = value(future);
        if place != 5 {
            assert_eq!(result.unwrap(), 1_000);
            continue;
        }
        let error = result.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert!(began.elapsed() >= deadline, "it was ended early");
    }
    // The same in a map: the other items of the chunk are done.
    let numbers = (0..200).map(|task| if task == 77 { 3_600_000_000 } else { 10 });
    for (task, result) in map(&pool, "micros", numbers, options, true) {
        match result {
            Ok(number) => assert_eq!(number, 10),
            Err(error) => assert!(task == 77 && error.is_timeout(), "{task}: {error}"),
        }
    }
}

fn a_deadline_counts_from_when_a_task_begins() {
    let pool = pool(1);
    let deadline = Some(Duration::from_millis(400));
    let options = CallOptions { deadline, chunk_size: NonZeroUsize::new(10), ..plain() };
    let results = map(&pool, "micros", std::iter::repeat_n(100_000, 10), options, true);
    assert!(results.into_iter().all(|(_, result)| result.is_ok()));
}

/// Submits a task that occupies its worker until it is released, and waits until it runs.
fn held(pool: &Pool) -> (manyhands_pool::Future, Arc<manyhands_shm::Segment>) {
    let handle = words(2);
    let future = submit_with(pool, "hold", with_handle(9, &handle), plain());
    let begun = || word(&handle, 0).load(Ordering::SeqCst) > 0;
    wait_until("the task runs", begun, String::new);
    (future, handle)
}

fn let_go(handle: &manyhands_shm::Segment) {
    word(handle, 8).store(1, Ordering::SeqCst);
}

fn killing_a_future_ends_only_its_task() {
    let pool = pool(1);
    let (running, _handle) = held(&pool);
    let queued: Vec<_> = (0..5).map(|number| submit(&pool, "double", number)).collect();
    queued[2].kill();
    running.kill();
    let error = value(running).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Killed { .. }), "{error}");
    for (number, future) in queued.into_iter().enumerate() {
        let result = value(future);
        if number == 2 {
            let error = result.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Killed { .. }), "{error}");
        } else {
            assert_eq!(result.unwrap(), 2 * number as u64);
        }
    }
}

fn cancelling_reaches_only_tasks_that_have_not_begun() {
    let pool = pool(1);
    let (running, handle) = held(&pool);
    let queued = submit(&pool, "double", 1);
    assert!(!running.cancel());
    assert!(queued.cancel());
    assert!(!queued.cancel());
    let_go(&handle);
    assert_eq!(value(running).unwrap(), 9);
    let error = value(queued).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Cancelled { .. }), "{error}");
}

fn short_tasks_behind_a_long_one_move_to_idle_workers() {
    let pool = pool(2);
    // The pool learns that the function is short, so it sends many items ahead.
    map(&pool, "micros", std::iter::repeat_n(1, 1000), plain(), true);
    let handle = words(2);
    let function = function(&pool, "hold");
    // The first item of a chunk blocks; the rest of the chunk could not run behind it.
    let numbers = Numbers { numbers: 0..1, handles: vec![Arc::clone(&handle)] };
    let mut long = pool.map(&function, None, numbers, plain(), true).unwrap();
    let options = CallOptions { chunk_size: NonZeroUsize::new(50), ..plain() };
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let first = long.next_with(|bytes, _| number(bytes));
            assert_eq!(first.unwrap().1.unwrap(), 0);
        });
        let begun = || word(&handle, 0).load(Ordering::SeqCst) > 0;
        wait_until("the long task runs", begun, String::new);
        for _ in 0..20 {
            let results = map(&pool, "micros", std::iter::repeat_n(1, 500), options.clone(), true);
            assert!(results.into_iter().all(|(_, result)| result.is_ok()));
        }
        let_go(&handle);
        waiting.join().unwrap();
    });
}

fn results_before_a_long_task_do_not_wait_for_it() {
    let pool = pool(1);
    let options = CallOptions { chunk_size: NonZeroUsize::new(10), ..plain() };
    let handle = words(2);
    // Nine quick items and then one that blocks, in one chunk.
    let source = Numbers { numbers: 0..10, handles: vec![Arc::clone(&handle)] };
    let function = function(&pool, "hold at nine");
    let mut results = pool.map(&function, None, source, options, true).unwrap();
    let mut next = || results.next_with(|bytes, _| number(bytes)).unwrap().1.unwrap();
    assert!((0..9).all(|task| next() == task));
    let_go(&handle);
    assert_eq!(next(), 9);
}

fn a_worker_over_its_memory_limit_is_killed_with_the_figure() {
    let limit = 200 << 20;
    let options = PoolOptions { workers: 2, memory_limit: Some(limit), ..PoolOptions::default() };
    let pool = pool_with(options);
    let good = submit(&pool, "micros", 100_000);
    let error = value(submit(&pool, "allocate", 400 << 20)).unwrap_err();
    let ErrorKind::OverMemoryLimit { used, limit: named, .. } = error.kind() else {
        panic!("{error}")
    };
    assert!(*used > limit && *named == limit, "{error}");
    assert_eq!(value(good).unwrap(), 100_000);
    assert_eq!(value(submit(&pool, "double", 4)).unwrap(), 8);
}

fn workers_are_replaced_after_their_number_of_tasks() {
    let options = PoolOptions {
        workers: 2,
        tasks_per_worker: std::num::NonZeroU64::new(3),
        ..PoolOptions::default()
    };
    let pool = pool_with(options);
    let results = map(&pool, "pid", 0..60, plain(), true);
    let mut tasks = std::collections::HashMap::<u64, usize>::new();
    for (_, pid) in results {
        *tasks.entry(pid.unwrap()).or_default() += 1;
    }
    assert!(tasks.values().all(|tasks| *tasks <= 3), "{tasks:?}");
    assert!(tasks.len() >= 20, "{tasks:?}");
}

fn pids(pool: &Pool) -> Vec<u32> {
    pool.workers().into_iter().map(|worker| worker.pid).collect()
}

fn idle_workers_end_down_to_the_minimum_and_come_back() {
    for on_demand in [false, true] {
        let pool = pool_with(PoolOptions {
            workers: 3,
            on_demand,
            idle_timeout: Some(Duration::from_millis(30)),
            min_workers: 1,
            ..PoolOptions::default()
        });
        for _ in 0..2 {
            let segment = Arc::new(Segment::create("held", 64).unwrap());
            let hold = || submit_with(&pool, "hold", with_handle(7, &segment), plain());
            let held: Vec<_> = (0..3).map(|_| hold()).collect();
            let begun = || word(&segment, 0).load(Ordering::SeqCst) == 3;
            wait_until("three tasks run", begun, || format!("{:?}", pids(&pool)));
            word(&segment, 8).store(1, Ordering::SeqCst);
            held.into_iter().for_each(|future| assert_eq!(value(future).unwrap(), 7));
            let ended = || pids(&pool).len() == 1 && support::children().len() == 1;
            wait_until("one worker is left", ended, || format!("{:?}", support::children()));
        }
    }
}

fn no_task_is_lost_to_a_worker_that_ends_for_being_idle() {
    let mut random = support::Random(11);
    for tasks_per_worker in [None, std::num::NonZeroU64::new(2)] {
        let pool = pool_with(PoolOptions {
            workers: 2,
            on_demand: true,
            idle_timeout: Some(Duration::from_millis(1)),
            tasks_per_worker,
            ..PoolOptions::default()
        });
        let mut ran = std::collections::HashSet::new();
        for _ in 0..200 {
            let count = 1 + random.next() % 4;
            let futures: Vec<_> =
                (0..count).map(|number| submit(&pool, "double", number)).collect();
            for (number, future) in futures.into_iter().enumerate() {
                assert_eq!(value(future).unwrap(), 2 * number as u64);
            }
            ran.extend(pids(&pool));
            // At about the moment at which workers end.
            std::thread::sleep(Duration::from_micros(random.next() % 2500));
        }
        assert!(ran.len() > 2, "there was no race: {ran:?}");
    }
}

fn descendants_of(pid: u32) -> Vec<u32> {
    let mut all: Vec<u32> = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect();
    let below: Vec<u32> = all.iter().flat_map(|pid| descendants_of(*pid)).collect();
    all.extend(below);
    all
}

/// The process group of a process.
fn group_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')?..].split_ascii_whitespace().nth(3)?.parse().ok()
}

fn descendants_die_with_their_worker() {
    let pool = pool(1);
    let handle = words(1);
    let future = submit_with(&pool, "child", with_handle(0, &handle), plain());
    let child = || word(&handle, 0).load(Ordering::SeqCst) as u32;
    wait_until("there are grandchildren", || descendants_of(child()).len() == 2, String::new);
    let left = || descendants_of(child()).into_iter().any(|pid| group_of(pid) == Some(pid));
    wait_until("one has left the group", left, String::new);
    let mut family = descendants_of(child());
    family.push(child());
    future.kill();
    assert!(matches!(value(future).unwrap_err().kind(), ErrorKind::Killed { .. }));
    let alive = || family.iter().copied().filter(|pid| support::is_alive(*pid)).collect::<Vec<_>>();
    wait_until("all descendants are gone", || alive().is_empty(), || format!("{:?}", alive()));
}

fn a_worker_that_overwrites_its_link_is_killed_and_reported() {
    let pool = pool(2);
    let good = submit(&pool, "micros", 50_000);
    // Two items in one chunk: the hub then looks at this worker regularly.
    let options = CallOptions { chunk_size: NonZeroUsize::new(2), ..plain() };
    for (_, result) in map(&pool, "scribble", 0..2, options, true) {
        let error = result.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::LinkBroken { .. }), "{error}");
        assert!(error.to_string().contains("wrote over its link"), "{error}");
    }
    assert_eq!(value(good).unwrap(), 50_000);
    assert_eq!(value(submit(&pool, "double", 4)).unwrap(), 8);
}

fn an_endless_source_is_pulled_only_as_results_are_taken() {
    let pool = pool(2);
    let pulled = std::cell::Cell::new(0_u64);
    let numbers = (0..).inspect(|number| pulled.set(*number));
    let function = function(&pool, "double");
    let source = Numbers { numbers, handles: Vec::new() };
    let mut map = pool.map(&function, None, source, plain(), true).unwrap();
    for task in 0..100_000 {
        let (_, result) = map.next_with(|bytes, _| number(bytes)).unwrap();
        assert_eq!(result.unwrap(), 2 * task);
        assert!(pulled.get() <= task + (1 << 17), "{} pulled for {task}", pulled.get());
    }
}

fn dropping_a_map_cancels_the_rest() {
    let pool = pool(2);
    let handle = words(1);
    let source = Numbers { numbers: std::iter::repeat(0), handles: vec![Arc::clone(&handle)] };
    let options = CallOptions { chunk_size: NonZeroUsize::new(100), ..plain() };
    let mut map = pool.map(&function(&pool, "count"), None, source, options, true).unwrap();
    map.next_with(|_, _| ()).unwrap().1.unwrap();
    drop(map);
    // Items that were begun end; no other begins after that.
    for _ in 0..4 {
        value(submit(&pool, "double", 1)).unwrap();
    }
    pool.shutdown();
    let count = word(&handle, 0).load(Ordering::SeqCst);
    assert!(count <= 1 << 17, "{count}");
}

fn futures_are_given_as_they_complete() {
    let pool = pool(2);
    let (held, handle) = held(&pool);
    let quick: Vec<_> = (0..10).map(|number| submit(&pool, "double", number)).collect();
    let mut futures = vec![held];
    futures.extend(quick);
    let mut completed = as_completed(futures);
    let mut seen = Vec::new();
    for _ in 0..10 {
        let (place, future) = completed.next().unwrap();
        assert!(future.is_done());
        assert_eq!(value(future).unwrap(), 2 * (place as u64 - 1));
        seen.push(place);
    }
    assert!(completed.next_timeout(Duration::from_millis(1)).is_none());
    let_go(&handle);
    assert_eq!(completed.next().unwrap().0, 0);
    assert!(completed.next().is_none());
    seen.sort_unstable();
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
}

fn tasks_of_a_higher_priority_begin_first_and_equal_ones_in_turn() {
    let pool = pool(1);
    let (held, handle) = held(&pool);
    let prioritised = |priority| {
        let options = CallOptions { priority, ..plain() };
        submit_with(&pool, "length", vec![0; 8].into(), options)
    };
    let futures = [0, i32::MIN, 7, 0, i32::MAX, 7].map(prioritised);
    // A cancelled task leaves the others in their order.
    let cancelled = prioritised(3);
    assert!(cancelled.cancel());
    let_go(&handle);
    let completed: Vec<_> = as_completed(futures.into()).map(|(place, _)| place).collect();
    assert_eq!(completed, [4, 2, 5, 0, 3, 1]);
    assert_eq!(value(held).unwrap(), 9);
}

fn futures_of_several_pools_are_given_as_they_complete() {
    let pools = [pool(1), pool(1)];
    let futures = (0..20).map(|number| submit(&pools[number % 2], "double", number as u64));
    let mut seen: Vec<_> = as_completed(futures.collect()).map(|(place, _)| place).collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..20));
}

fn limits_beyond_the_range_of_the_clock_work() {
    let options = PoolOptions {
        workers: 1,
        kill_grace: Duration::MAX,
        finish_grace: Duration::MAX,
        memory_limit: Some(u64::MAX),
        ..PoolOptions::default()
    };
    let pool = pool_with(options);
    let deadline = Some(Duration::MAX);
    let options = CallOptions { deadline, retries: u32::MAX, ..plain() };
    let future = submit_with(&pool, "double", 4_u64.to_le_bytes().to_vec().into(), options.clone());
    let future = future.wait_timeout(Duration::MAX);
    assert_eq!(number(&future.unwrap().unwrap().into_bytes().unwrap()), 8);
    let results = map(&pool, "micros", std::iter::repeat_n(100, 100), options, true);
    assert!(results.into_iter().all(|(_, result)| result.is_ok()));
    let zero = CallOptions { deadline: Some(Duration::ZERO), ..plain() };
    let long = 1_000_000_000_u64.to_le_bytes().to_vec();
    let error = submit_with(&pool, "micros", long.into(), zero).wait().err().unwrap();
    assert!(error.is_timeout(), "{error}");
}

fn many_large_functions_find_room_on_the_link() {
    // Each is sent before its task and just fits inline; together they fill the ring many times.
    let pool = pool(1);
    let futures: Vec<_> = (0..100_u8)
        .map(|round| {
            let context = pool.blob(vec![round; 8_000].into()).unwrap();
            let function = function(&pool, "context");
            pool.submit(&function, Some(&context), Payload::default(), plain()).unwrap()
        })
        .collect();
    assert!(futures.into_iter().all(|future| value(future).unwrap() == 8_000));
}

fn waiting_with_a_limit_gives_the_future_back() {
    let pool = pool(1);
    let (future, handle) = held(&pool);
    let future = future.wait_timeout(Duration::from_millis(5)).err().expect("it is held");
    let_go(&handle);
    assert_eq!(value(future).unwrap(), 9);
}

fn many_threads_share_one_pool() {
    let pool = pool(2);
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..200 {
                    let number = thread * 1000 + round;
                    assert_eq!(value(submit(pool, "double", number)).unwrap(), 2 * number);
                }
                let results = map(pool, "double", 0..2_000, CallOptions::default(), true);
                assert!(results.into_iter().all(|(task, result)| result.unwrap() == 2 * task));
            });
        }
    });
}

fn a_shutdown_finishes_submitted_tasks() {
    let pool = pool(2);
    let futures: Vec<_> = (0..200).map(|_| submit(&pool, "micros", 500)).collect();
    let lost = submit(&pool, "exit", 1);
    pool.shutdown();
    assert!(value(lost).unwrap_err().death().is_some());
    for future in futures {
        assert!(future.is_done());
        value(future).unwrap();
    }
    let function = pool.blob(b"double".to_vec().into()).unwrap();
    let refused = pool.submit(&function, None, Payload::default(), plain()).unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Closed), "{refused}");
}

fn a_closed_pool_finishes_by_itself() {
    let pool = pool(2);
    let futures: Vec<_> = (0..50).map(|number| submit(&pool, "double", number)).collect();
    pool.close();
    for (number, future) in futures.into_iter().enumerate() {
        assert_eq!(value(future).unwrap(), 2 * number as u64);
    }
    wait_until("the workers are gone", || support::children().is_empty(), String::new);
}

fn a_terminated_pool_fails_unfinished_tasks() {
    let pool = pool(2);
    let (first, _one) = held(&pool);
    let (second, _two) = held(&pool);
    let queued = submit(&pool, "double", 1);
    pool.terminate();
    for future in [first, second, queued] {
        let error = value(future).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    }
}

fn workers_that_cannot_start_are_an_error_and_not_a_loop() {
    for (startup, reason) in [
        ("refuse", "it was told to refuse"),
        ("panic", "it was told to panic"),
        ("exit", "leaving at once"),
    ] {
        let startup = startup.as_bytes().to_vec();
        let pool = pool_with(PoolOptions { workers: 2, startup, ..PoolOptions::default() });
        for _ in 0..2 {
            let error = value(submit(&pool, "double", 1)).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::CannotStart { .. }), "{error}");
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}

fn invalid_options_are_errors() {
    let bad = [
        PoolOptions { workers: 0, ..PoolOptions::default() },
        PoolOptions { memory_limit: Some(0), ..PoolOptions::default() },
        PoolOptions { cpu_affinity: vec![vec![]], ..PoolOptions::default() },
        PoolOptions { idle_timeout: Some(Duration::ZERO), ..PoolOptions::default() },
        PoolOptions { workers: 2, min_workers: 3, ..PoolOptions::default() },
    ];
    for options in bad {
        let error = Pool::new(options, ThisProgram).err().expect("it cannot be");
        assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error}");
    }
}

fn workers_run_on_their_processors() {
    let cpu_affinity = vec![vec![0]];
    let pool = pool_with(PoolOptions { workers: 2, cpu_affinity, ..PoolOptions::default() });
    for _ in 0..4 {
        assert_eq!(value(submit(&pool, "processors", 0)).unwrap(), 1);
    }
}

fn a_pool_in_a_forked_copy_refuses_and_frees_nothing() {
    let pool = pool(1);
    value(submit(&pool, "double", 1)).unwrap();
    let function = function(&pool, "double");
    // SAFETY: the copy only uses the pool, which is what this tests, and exits without unwinding.
    #[allow(unsafe_code, reason = "only fork makes a forked copy")]
    let copy = unsafe { libc::fork() };
    if copy == 0 {
        let refused = pool.submit(&function, None, Payload::default(), CallOptions::default());
        let right = refused.is_err_and(|error| matches!(error.kind(), ErrorKind::Forked { .. }));
        drop(pool);
        std::process::exit(i32::from(!right));
    }
    let mut status = 0;
    // SAFETY: waits for the child that was just forked.
    #[allow(unsafe_code, reason = "as above")]
    let waited = unsafe { libc::waitpid(copy, &raw mut status, 0) };
    assert_eq!((waited, status), (copy, 0));
    assert_eq!(value(submit(&pool, "double", 2)).unwrap(), 4);
}

fn a_pool_that_is_over_has_no_thread_however_long_it_is_kept() {
    let threads = || {
        let names = fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
            // A thread may end meanwhile.
            fs::read_to_string(task.ok()?.path().join("comm")).ok()
        });
        names.filter(|name| name.starts_with("manyhands")).collect::<Vec<_>>()
    };
    let pool = pool(2);
    assert_eq!(value(submit(&pool, "double", 4)).unwrap(), 8);
    // A thread has its name once it runs.
    wait_until("three threads", || threads().len() == 3, || format!("{:?}", threads()));
    pool.close();
    wait_until("no thread", || threads().is_empty(), || format!("{:?}", threads()));
    assert!(pool.is_over());
}

/// Records the fields of every event.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<BTreeMap<&'static str, String>>>>);

impl tracing::Subscriber for Events {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Fields(BTreeMap<&'static str, String>);
        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.insert(field.name(), format!("{value:?}"));
            }
        }
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

fn events_carry_the_name_and_the_pid_of_the_worker() {
    let events = Events::default();
    // Must be the last test, since the subscriber serves the whole process: the hub's thread
    // reports.
    tracing::subscriber::set_global_default(events.clone()).unwrap();
    let pool = pool(1);
    let pid = value(submit(&pool, "pid", 0)).unwrap().to_string();
    let error = value(submit(&pool, "exit", 3)).unwrap_err();
    let name = &error.death().unwrap().worker.name;
    for message in ["worker launched", "worker ready", "worker died"] {
        let told = || {
            let events = events.0.lock().unwrap();
            events.iter().any(|event| {
                event.get("message").is_some_and(|text| text == message)
                    && event.get("worker") == Some(name)
                    && event.get("pid") == Some(&pid)
            })
        };
        wait_until(message, told, || format!("{:?}", events.0.lock().unwrap()));
    }
}
