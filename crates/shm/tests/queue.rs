//! The queue between real processes: order, completeness, limits, closing, and deaths.

mod processes;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use manyhands_shm::queue::{GetError, NothingToDo, PutError, Queue};
use manyhands_shm::{ErrorKind, Segment};

use processes::{Watchdog, child, until};

/// A message that contains its identity, with a length that exercises every way of storing one.
fn message(producer: u32, number: u32) -> Vec<u8> {
    let len = match number % 7 {
        0 => 8,
        1 => 248,
        2 => 249,
        3 => 5_000,
        4 => 70_000,
        5 => 8 + number as usize % 500,
        _ => 16,
    };
    let mut bytes = vec![(producer ^ number) as u8; len];
    bytes[..4].copy_from_slice(&producer.to_le_bytes());
    bytes[4..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// The identity of a message; fails if the message is damaged.
fn identify(bytes: &[u8]) -> (u32, u32) {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(bytes, message(word(0), word(4)));
    (word(0), word(4))
}

fn get(queue: &Queue) -> Vec<u8> {
    let mut bytes = Vec::new();
    queue.get(&mut bytes, None).unwrap();
    bytes
}

#[test]
fn messages_of_every_length_arrive_unchanged() {
    let queue = Queue::create(4).unwrap();
    for len in [0, 1, 7, 8, 247, 248, 249, 448, 449, 4096, 65_537, 1 << 20, 30_000_001] {
        let sent: Vec<u8> = (0..len).map(|at| (at * 7 + len) as u8).collect();
        let (left, right) = sent.split_at(len / 3);
        queue.put(&sent, None).unwrap();
        queue.put_parts(&[left, &[], right], None).unwrap();
        assert!(get(&queue) == sent, "{len} bytes");
        let taken = queue.take(None).unwrap();
        let mut copied = vec![0; taken.len()];
        taken.copy_to(&mut copied).unwrap();
        assert!(copied == sent, "{len} bytes in parts");
    }
}

#[test]
fn a_full_queue_rejects_puts_and_an_empty_one_has_no_message() {
    let queue = Queue::create(3).unwrap();
    let mut out = Vec::new();
    assert!(matches!(queue.try_get(&mut out), Err(GetError::Empty)));
    for number in 0..3 {
        queue.try_put(&message(0, number)).unwrap();
    }
    assert_eq!((queue.len(), queue.max_items()), (3, Some(3)));
    assert!(matches!(queue.try_put(b""), Err(PutError::Full)));
    assert!(matches!(queue.put(&[0; 999], Some(Duration::from_millis(2))), Err(PutError::Full)));
    assert_eq!(identify(&get(&queue)), (0, 0));
    queue.try_put(&message(0, 3)).unwrap();
    for number in 1..4 {
        assert_eq!(identify(&get(&queue)), (0, number));
    }
    let empty = queue.get(&mut out, Some(Duration::from_millis(2)));
    assert!(matches!(empty, Err(GetError::Empty)));
}

#[test]
fn a_queue_without_a_limit_is_limited_by_memory_alone() {
    let queue = Queue::create(0).unwrap();
    assert_eq!(queue.max_items(), None);
    for number in 0..20_000 {
        queue.try_put(&number.to_string().into_bytes()).unwrap();
    }
    assert_eq!(queue.len(), 20_000);
    for number in 0..20_000 {
        assert_eq!(get(&queue), number.to_string().into_bytes());
    }
}

#[test]
fn closing_lets_getters_drain_and_refuses_putters() {
    let _watchdog = Watchdog::watch("closing");
    let queue = Arc::new(Queue::create(2).unwrap());
    queue.put(b"a", None).unwrap();
    queue.put(b"b", None).unwrap();
    let blocked = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || queue.put(b"c", None))
    };
    queue.close().unwrap();
    assert!(matches!(blocked.join().unwrap(), Err(PutError::Closed)));
    assert!(queue.is_closed());
    assert_eq!(get(&queue), b"a");
    assert_eq!(get(&queue), b"b");
    let mut out = Vec::new();
    assert!(matches!(queue.get(&mut out, None), Err(GetError::Closed)));
    assert!(matches!(queue.try_put(b"d"), Err(PutError::Closed)));
}

#[test]
fn closing_wakes_waiting_getters() {
    let _watchdog = Watchdog::watch("closing wakes");
    let queue = Queue::create(2).unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            child(|| {
                let got = queue.get(&mut Vec::new(), None);
                assert!(matches!(got, Err(GetError::Closed)));
            })
        })
        .collect();
    queue.close().unwrap();
    waiting.into_iter().for_each(processes::Child::succeeds);
}

/// Runs `producers` and `consumers` in processes of their own: every item arrives once, in each
/// producer's order.
fn all_items_once_and_in_order(producers: u32, consumers: u32, bound: usize) {
    const EACH: u32 = 3_000;
    let queue = Queue::create(bound).unwrap();
    let results = Queue::create(0).unwrap();
    let putting: Vec<_> = (0..producers)
        .map(|producer| {
            child(|| {
                for number in 0..EACH {
                    queue.put(&message(producer, number), None).unwrap();
                }
            })
        })
        .collect();
    let getting: Vec<_> = (0..consumers)
        .map(|_| {
            child(|| {
                let mut bytes = Vec::new();
                let mut last = vec![None; producers as usize];
                while queue.get(&mut bytes, None).is_ok() {
                    let (producer, number) = identify(&bytes);
                    assert!(last[producer as usize] < Some(number));
                    last[producer as usize] = Some(number);
                    results.put(&bytes[..8], None).unwrap();
                }
            })
        })
        .collect();
    putting.into_iter().for_each(processes::Child::succeeds);
    queue.close().unwrap();
    getting.into_iter().for_each(processes::Child::succeeds);
    let mut seen = vec![vec![false; EACH as usize]; producers as usize];
    assert_eq!(results.len(), (producers * EACH) as usize);
    for _ in 0..producers * EACH {
        let bytes = get(&results);
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert!(!std::mem::replace(&mut seen[word(0) as usize][word(4) as usize], true));
    }
}

#[test]
fn many_processes_lose_and_duplicate_nothing() {
    let _watchdog = Watchdog::watch("many processes");
    for (producers, consumers, bound) in [(1, 1, 1), (1, 1, 100), (3, 1, 7), (1, 3, 64), (3, 3, 0)]
    {
        all_items_once_and_in_order(producers, consumers, bound);
    }
}

#[test]
fn threads_of_one_process_share_a_queue() {
    let _watchdog = Watchdog::watch("threads");
    let queue = Queue::create(5).unwrap();
    thread::scope(|scope| {
        for producer in 0..3 {
            let queue = &queue;
            scope.spawn(move || {
                (0..500).for_each(|number| queue.put(&message(producer, number), None).unwrap());
            });
        }
        let mut next = [0; 3];
        for _ in 0..1500 {
            let (producer, number) = identify(&get(&queue));
            assert_eq!(number, next[producer as usize]);
            next[producer as usize] += 1;
        }
    });
}

#[test]
fn a_message_outlives_its_sender() {
    let _watchdog = Watchdog::watch("outlives");
    let queue = Queue::create(10).unwrap();
    child(|| {
        queue.put(&message(1, 3), None).unwrap();
        queue.put(&message(1, 4), None).unwrap();
    })
    .succeeds();
    assert_eq!(identify(&get(&queue)), (1, 3));
    assert_eq!(identify(&get(&queue)), (1, 4));
}

#[test]
fn memory_of_dead_processes_is_reused() {
    let _watchdog = Watchdog::watch("memory of the dead");
    let queue = Queue::create(4).unwrap();
    let big = vec![7; 1 << 20];
    let die_holding_a_message = || {
        queue.put(&big, None).unwrap();
        child(|| {
            let taken = queue.take(None).unwrap();
            // Exits without releasing the message.
            std::mem::forget(taken);
        })
        .succeeds();
    };
    for _ in 0..4 {
        die_holding_a_message();
    }
    let before = queue.memory_bytes().unwrap();
    for _ in 0..60 {
        die_holding_a_message();
    }
    assert!(queue.memory_bytes().unwrap() <= before + (4 << 20));
    queue.put(&message(9, 4), None).unwrap();
    assert_eq!(identify(&get(&queue)), (9, 4));
}

#[test]
fn more_processes_than_slots_can_use_a_queue_one_after_another() {
    let _watchdog = Watchdog::watch("slots");
    let queue = Queue::create(0).unwrap();
    for number in 0..600 {
        child(|| queue.put(&message(0, number), None).unwrap()).succeeds();
    }
    for number in 0..600 {
        assert_eq!(identify(&get(&queue)), (0, number));
    }
}

#[test]
fn join_returns_once_all_items_are_reported_done() {
    let _watchdog = Watchdog::watch("join");
    let queue = Queue::create(0).unwrap();
    assert!(queue.join(None));
    assert_eq!(queue.task_done(), Err(NothingToDo));
    (0..100_u32).for_each(|number| queue.put(&message(0, number), None).unwrap());
    assert!(!queue.join(Some(Duration::from_millis(1))));
    let worker = child(|| {
        for _ in 0..100 {
            get(&queue);
            queue.task_done().unwrap();
        }
    });
    assert!(queue.join(None));
    assert_eq!(queue.unfinished(), 0);
    worker.succeeds();
}

#[test]
fn a_sleeping_getter_is_woken_by_a_put_from_another_process() {
    let _watchdog = Watchdog::watch("sleeping getter");
    let queue = Queue::create(0).unwrap();
    let answers = Queue::create(0).unwrap();
    let echo = child(|| {
        let mut bytes = Vec::new();
        while queue.get(&mut bytes, None).is_ok() {
            answers.put(&bytes, None).unwrap();
        }
    });
    for number in 0..200_u32 {
        queue.put(&message(0, number), None).unwrap();
        assert_eq!(identify(&get(&answers)), (0, number));
        if number % 10 == 0 {
            // Long enough that the echo is asleep; the test also passes if it is not.
            until(|| queue.is_empty());
            thread::sleep(Duration::from_micros(200));
        }
    }
    queue.close().unwrap();
    echo.succeeds();
}

#[test]
fn a_segment_without_a_queue_is_an_error() {
    let segment = Arc::new(Segment::create("no queue", 1 << 20).unwrap());
    let error = Queue::attach(segment).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)));
    let short = Arc::new(Segment::create("short", 100).unwrap());
    assert!(Queue::attach(short).is_err());
    let queue = Queue::create(1).unwrap();
    let read_only = queue.segment().duplicate_read_only().unwrap();
    let segment = Arc::new(Segment::from_fd(read_only).unwrap());
    assert!(Queue::attach(segment).is_err());
}

#[test]
fn attached_by_descriptor_it_is_the_same_queue() {
    let queue = Queue::create(0).unwrap();
    queue.put(&message(2, 4), None).unwrap();
    let segment = Segment::from_fd(queue.segment().duplicate().unwrap()).unwrap();
    let other = Queue::attach(Arc::new(segment)).unwrap();
    assert_eq!(identify(&get(&other)), (2, 4));
    // One handle makes it grow, the other sees that.
    other.put(&vec![3; 9_000_000], None).unwrap();
    assert!(get(&queue) == vec![3; 9_000_000]);
}

/// Whatever a faulty process writes into the queue's memory, others get errors or bytes, never a
/// crash.
#[test]
fn invalid_memory_is_an_error_not_a_crash() {
    let _watchdog = Watchdog::watch("nonsense");
    for seed in 1..100_u64 {
        let queue = Queue::create(0).unwrap();
        queue.put(&message(0, 3), None).unwrap();
        queue.put(&message(0, 6), None).unwrap();
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let len = queue.segment().len() as u64;
        for _ in 0..200 {
            // Not the locks: a process that takes them for ever is not the subject of this test.
            let at = (2300 + next() % (len - 2400)) & !7;
            let value = match next() % 4 {
                0 => next(),
                1 => (next() % len) & !63,
                2 => u64::MAX,
                _ => next() % 300,
            };
            assert!(at + 8 <= len);
            #[allow(unsafe_code, reason = "a stranger's scribbling")]
            // SAFETY: in range (asserted).
            let place = unsafe { queue.segment().as_ptr().add(at as usize) }.cast::<u64>();
            #[allow(unsafe_code, reason = "a stranger's scribbling")]
            // SAFETY: in range and aligned; no other thread of this process uses it.
            unsafe {
                place.write_volatile(value);
            }
        }
        let user = child(|| {
            let brief = Some(Duration::from_millis(1));
            for number in 0..70 {
                let _ = queue.put(&message(1, number), brief);
                let _ = queue.get(&mut Vec::new(), brief);
            }
        });
        // A lock may now name a living holder, and the counts may block everything. A faulty
        // process can make others wait, but must not make them crash.
        for _ in 0..30 {
            thread::sleep(Duration::from_millis(1));
        }
        user.kill();
        let end = user.end();
        assert!(
            matches!(end, processes::End::Exit(0) | processes::End::Signal(libc::SIGKILL)),
            "seed {seed}: {end:?}"
        );
    }
}

#[test]
fn a_timeout_is_kept_though_another_process_is_stopped() {
    let _watchdog = Watchdog::watch("stopped");
    for _ in 0..20 {
        let queue = Queue::create(0).unwrap();
        let busy = child(|| {
            loop {
                queue.put(&[7; 240], None).unwrap();
                if queue.len() > 100 {
                    queue.get(&mut Vec::new(), None).unwrap();
                }
            }
        });
        until(|| queue.len() > 100);
        // At any point, often while it holds a lock.
        busy.stop();
        // Without the timeouts these calls would wait for ever, and the watchdog would end the
        // test.
        let probe = child(|| {
            let limit = Some(Duration::from_millis(50));
            let _ = queue.put(b"x", limit);
            let _ = queue.get(&mut Vec::new(), limit);
            let _ = queue.try_put(b"x");
            let _ = queue.try_get(&mut Vec::new());
        });
        probe.succeeds();
    }
}
