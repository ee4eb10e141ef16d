//! The promises of gathers and completions, tested through the public interface with real
//! processes.

mod runner;
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use manyhands_pool::{CallOptions, Completions, ErrorKind, Gather, Payload, Pool};
use runner::*;
use support::wait_until;

fn main() -> ExitCode {
    work_if_worker();
    support::run(tests![
        results_come_in_order_and_each_once,
        unordered_results_come_as_they_arrive,
        a_lost_task_fails_at_its_position_and_the_others_are_done,
        tasks_run_while_no_caller_waits,
        the_watcher_is_notified_once,
        room_comes_back_as_results_are_taken,
        cancelling_fails_tasks_that_have_not_begun,
        a_closed_pool_fails_added_tasks,
        a_watcher_is_notified_unless_a_caller_waits_for_the_future,
        a_future_may_have_several_watchers_and_notifies_all,
        a_cancelled_task_has_its_own_number,
        a_running_task_is_known_to_run,
        the_time_of_a_unit_does_not_depend_on_the_weight_of_tasks,
    ])
}

fn plain() -> CallOptions {
    CallOptions::default()
}

fn gather(pool: &Pool, name: &str, ordered: bool) -> Gather {
    pool.gather(&function(pool, name), plain(), ordered, None).unwrap()
}

fn payloads(numbers: impl Iterator<Item = u64>) -> Vec<Payload> {
    numbers.map(|number| number.to_le_bytes().to_vec().into()).collect()
}

/// Takes all results, in the order in which they come; `None` for a task that failed.
fn all(gather: &Gather) -> Vec<(u64, Option<u64>)> {
    let (mut results, mut gains) = (Vec::new(), Vec::new());
    while !gather.is_exhausted() {
        gather.next(100, None, &mut gains).unwrap();
        results.extend(gains.drain(..).map(|(task, result)| {
            (task, result.ok().map(|reply| number(&reply.into_bytes().unwrap())))
        }));
    }
    results
}

fn results_come_in_order_and_each_once() {
    let pool = pool(2);
    let gather = gather(&pool, "double", true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for from in (0..20_000).step_by(1000) {
                gather.add(payloads(from..from + 1000), 1).unwrap();
            }
            gather.add(Vec::new(), 1).unwrap();
            gather.close();
        });
        assert!(all(&gather).into_iter().eq((0..20_000).map(|task| (task, Some(2 * task)))));
    });
}

fn unordered_results_come_as_they_arrive() {
    let pool = pool(2);
    let gather = gather(&pool, "micros", false);
    // The first task is long, so others end before it.
    gather.add(payloads([300_000].into_iter().chain([1; 100])), 1).unwrap();
    gather.close();
    let mut results = all(&gather);
    assert_ne!(results[0].0, 0);
    results.sort_unstable();
    assert!(results.iter().map(|(task, _)| *task).eq(0..101));
}

fn a_lost_task_fails_at_its_position_and_the_others_are_done() {
    let pool = pool(2);
    let gather = gather(&pool, "exit if odd", true);
    gather.add(payloads((0..60).map(|task| if task % 20 == 7 { 1 } else { 2 * task })), 1).unwrap();
    gather.close();
    assert!(gather.wait(None).unwrap());
    for (task, result) in gather.take_all() {
        match result {
            Ok(_) => assert_ne!(task % 20, 7),
            Err(error) => {
                assert_eq!(task % 20, 7, "{error}");
                assert!(matches!(error.kind(), ErrorKind::WorkerDied { .. }), "{error}");
            }
        }
    }
    assert!(gather.is_exhausted());
}

fn tasks_run_while_no_caller_waits() {
    let pool = pool(2);
    let gather = gather(&pool, "double", true);
    gather.add(payloads(0..1000), 1).unwrap();
    gather.close();
    wait_until("all are done", || gather.is_done(), || gather.done_count().to_string());
    assert_eq!(gather.take_all().len(), 1000);
}

fn the_watcher_is_notified_once() {
    let pool = pool(2);
    let completions = Completions::default();
    let watcher = Some((completions.clone(), 7));
    let gather = pool.gather(&function(&pool, "double"), plain(), true, watcher).unwrap();
    gather.add(payloads(0..10), 1).unwrap();
    wait_until("all are done", || gather.done_count() == 10, String::new);
    assert_eq!(completions.take(), []);
    gather.close();
    assert_eq!(pool.completed(&completions, None).unwrap(), [7]);
    assert!(gather.is_done());
    // A number added by a caller wakes a waiting thread too.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.completed(&completions, None).unwrap());
        completions.add(8);
        assert_eq!(waiting.join().unwrap(), [8]);
    });
}

fn room_comes_back_as_results_are_taken() {
    let pool = pool(2);
    let gather = gather(&pool, "double", true);
    gather.add(payloads(0..10), 1).unwrap();
    assert!(!gather.wait_room(Some(10), Some(Instant::now() + Duration::from_millis(20))));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut gains = Vec::new();
            gather.next(1, None, &mut gains).unwrap();
            assert_eq!(gains.len(), 1);
        });
        assert!(gather.wait_room(Some(10), None));
    });
}

fn cancelling_fails_tasks_that_have_not_begun() {
    let pool = pool(1);
    let gather = gather(&pool, "micros", true);
    gather.add(payloads([500_000; 20].into_iter()), 1).unwrap();
    gather.close();
    wait_until("one is done", || gather.done_count() > 0, String::new);
    gather.cancel();
    let results = all(&gather);
    let done = results.iter().filter(|(_, result)| result.is_some()).count();
    assert!((1..20).contains(&done), "{results:?}");
    assert!(results[done..].iter().all(|(_, result)| result.is_none()), "{results:?}");
}

fn a_closed_pool_fails_added_tasks() {
    let pool = pool(1);
    let gather = gather(&pool, "double", true);
    pool.shutdown();
    let error = gather.add(payloads(0..3), 1).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    gather.close();
    assert_eq!(all(&gather), [(0, None), (1, None), (2, None)]);
}

fn a_watcher_is_notified_unless_a_caller_waits_for_the_future() {
    let pool = pool(2);
    let completions = Completions::default();
    let future = submit(&pool, "double", 1);
    future.watch(&completions, 1);
    assert_eq!(pool.completed(&completions, None).unwrap(), [1]);
    assert!(future.try_take().is_some_and(|result| result.is_ok()));
    assert!(future.try_take().is_none());

    let future = submit(&pool, "micros", 100_000);
    future.watch(&completions, 2);
    assert!(future.wait_done(None).unwrap());
    assert_eq!(completions.take(), []);

    // A caller that gave up waiting does not hold back the notification.
    let future = submit(&pool, "micros", 100_000);
    future.watch(&completions, 3);
    assert!(!future.wait_done(Some(Duration::from_millis(1))).unwrap());
    assert_eq!(pool.completed(&completions, None).unwrap(), [3]);
}

fn a_future_may_have_several_watchers_and_notifies_all() {
    let pool = pool(1);
    let [first, second] = [Completions::default(), Completions::default()];
    let blocker = submit(&pool, "micros", 100_000);
    let future = submit(&pool, "micros", 1);
    future.watch(&first, 1);
    future.watch(&first, 3);
    // The watcher that is notified last: after it, all are.
    future.watch(&second, 2);
    assert_eq!(pool.completed(&second, None).unwrap(), [2]);
    assert!(future.is_done());
    assert_eq!(first.take(), [1, 3]);
    future.watch(&first, 4);
    assert_eq!(first.take(), [4]);
    blocker.wait().unwrap();
}

fn a_cancelled_task_has_its_own_number() {
    let pool = pool(1);
    let gather = gather(&pool, "micros", true);
    gather.add(payloads([200_000; 64].into_iter()), 1).unwrap();
    gather.close();
    gather.cancel();
    let mut gains = Vec::new();
    while !gather.is_exhausted() {
        gather.next(64, None, &mut gains).unwrap();
    }
    let cancelled: Vec<_> = gains.iter().filter(|(_, gain)| gain.is_err()).collect();
    // More than travel together.
    assert!(cancelled.len() > 32, "{}", cancelled.len());
    for (at, gain) in cancelled {
        let kind = gain.as_ref().err().map(manyhands_pool::Error::kind);
        assert!(
            matches!(kind, Some(ErrorKind::Cancelled { task }) if task == at),
            "{at}: {kind:?}"
        );
    }
}

fn a_running_task_is_known_to_run() {
    let pool = pool(1);
    let first = submit(&pool, "micros", 300_000);
    let second = submit(&pool, "micros", 1);
    wait_until("the first runs", || first.is_running(), String::new);
    assert!(!second.is_running());
    second.wait().unwrap();
    assert!(!first.is_running());
    first.wait().unwrap();
}

fn the_time_of_a_unit_does_not_depend_on_the_weight_of_tasks() {
    let pool = pool(1);
    let gather = gather(&pool, "micros", true);
    assert_eq!(gather.piece_nanos(), 0);
    gather.add(payloads([20_000; 3].into_iter()), 1).unwrap();
    assert!(gather.wait_under_way(0, None).unwrap());
    assert!(gather.piece_nanos() >= 20_000_000);
    // Tasks of a hundred units each, so one unit takes a hundredth.
    gather.add(payloads([20_000; 30].into_iter()), 100).unwrap();
    assert!(gather.wait_under_way(5, None).unwrap());
    assert!(gather.done_count() >= 28);
    assert!(gather.piece_nanos() < 10_000_000, "{}", gather.piece_nanos());
}
