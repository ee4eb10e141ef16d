//! Compares the queue with a pipe that carries the same messages, one write and one read each,
//! between two processes, in one run.
//!
//! Each figure is the median of five runs; the messages are checked as they arrive. `cargo bench
//! -p manyhands-shm --bench queue`.

#![allow(unsafe_code, reason = "forks the other side")]
#![allow(clippy::print_stdout, reason = "prints what it measured")]
#![allow(missing_docs, reason = "a program")]

use std::io::{Read, Write, pipe};
use std::time::{Duration, Instant};

use manyhands_shm::queue::{GetError, Queue};

const RUNS: usize = 5;

/// Runs `there` in a child and `here` in this process at the same time; returns the time of `here`.
fn race(there: impl FnOnce(), here: impl FnOnce()) -> Duration {
    // SAFETY: this program has one thread, so its copy is whole.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork failed");
    if pid == 0 {
        there();
        // SAFETY: ends the copy without running the parent's destructors.
        unsafe { libc::_exit(0) };
    }
    let start = Instant::now();
    here();
    let took = start.elapsed();
    let mut status = 0;
    // SAFETY: `status` is a local variable.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0, "the other side failed");
    took
}

fn median(mut run: impl FnMut() -> Duration) -> f64 {
    let mut times: Vec<_> = (0..RUNS).map(|_| run()).collect();
    times.sort();
    times[RUNS / 2].as_secs_f64()
}

fn check(message: &[u8], number: usize, bytes: usize) {
    assert!(message.len() == bytes && message[0] == number as u8);
    assert!(message[bytes - 1] == number as u8);
}

fn mark(message: &mut [u8], number: usize) {
    let last = message.len() - 1;
    message[0] = number as u8;
    message[last] = number as u8;
}

fn through_queue(bytes: usize, count: usize, bound: usize) -> f64 {
    let queue = Queue::create(bound).unwrap();
    let mut sent = vec![0; bytes];
    let mut got = Vec::with_capacity(bytes);
    median(|| {
        race(
            || {
                for number in 0..count {
                    mark(&mut sent, number);
                    queue.put(&sent, None).unwrap();
                }
            },
            || {
                for number in 0..count {
                    queue.get(&mut got, None).unwrap();
                    check(&got, number, bytes);
                }
            },
        )
    })
}

fn through_pipe(bytes: usize, count: usize) -> f64 {
    let mut sent = vec![0; bytes];
    let mut got = vec![0; bytes];
    median(|| {
        let (mut reader, mut writer) = pipe().unwrap();
        race(
            || {
                for number in 0..count {
                    mark(&mut sent, number);
                    writer.write_all(&sent).unwrap();
                }
            },
            || {
                for number in 0..count {
                    reader.read_exact(&mut got).unwrap();
                    check(&got, number, bytes);
                }
            },
        )
    })
}

/// Sends one message at a time to the other process and back.
fn round_trips(count: usize) -> f64 {
    let there = Queue::create(4).unwrap();
    let back = Queue::create(4).unwrap();
    let (mut one, mut other) = (Vec::new(), Vec::new());
    median(|| {
        race(
            || {
                for _ in 0..count {
                    there.get(&mut one, None).unwrap();
                    back.put(&one, None).unwrap();
                }
            },
            || {
                for number in 0..count {
                    there.put(&number.to_le_bytes(), None).unwrap();
                    back.get(&mut other, None).unwrap();
                    assert_eq!(other, number.to_le_bytes());
                }
            },
        )
    })
}

/// `sides` processes put, and as many get.
fn crowd(sides: usize, count: usize) -> f64 {
    median(|| {
        let queue = Queue::create(1000).unwrap();
        let taken = Queue::create(0).unwrap();
        let start = Instant::now();
        let fork = |work: &dyn Fn()| {
            // SAFETY: this program has one thread, so its copy is whole.
            let pid = unsafe { libc::fork() };
            assert!(pid >= 0, "fork failed");
            if pid == 0 {
                work();
                // SAFETY: ends the copy without running the parent's destructors.
                unsafe { libc::_exit(0) };
            }
            pid
        };
        let wait = |pid| {
            let mut status = 0;
            // SAFETY: `status` is a local variable.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            assert_eq!(status, 0, "a side failed");
        };
        let putters: Vec<_> = (0..sides)
            .map(|_| fork(&|| (0..count).for_each(|_| queue.put(&[1; 16], None).unwrap())))
            .collect();
        let getters: Vec<_> = (0..sides)
            .map(|_| {
                fork(&|| {
                    let mut got = Vec::new();
                    let mut number = 0_usize;
                    loop {
                        match queue.get(&mut got, None) {
                            Ok(()) => number += 1,
                            Err(GetError::Closed) => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    taken.put(&number.to_le_bytes(), None).unwrap();
                })
            })
            .collect();
        putters.into_iter().for_each(wait);
        queue.close().unwrap();
        getters.into_iter().for_each(wait);
        let took = start.elapsed();
        let mut got = Vec::new();
        let mut total = 0;
        while taken.try_get(&mut got).is_ok() {
            total += usize::from_le_bytes(got[..].try_into().unwrap());
        }
        assert_eq!(total, sides * count);
        took
    })
}

fn main() {
    println!("one putter, one getter; median of {RUNS}; M messages/s, GB/s, and against a pipe");
    for (bytes, count) in [
        (8, 2_000_000),
        (64, 2_000_000),
        (200, 1_000_000),
        (1_000, 500_000),
        (10_000, 200_000),
        (100_000, 30_000),
        (1_000_000, 5_000),
        (16_000_000, 100),
    ] {
        let pipe = through_pipe(bytes, count);
        for bound in [100, 0] {
            let seconds = through_queue(bytes, count, bound);
            println!(
                "{bytes:>9} bytes, bound {bound:>3}: {:7.3} M/s {:6.2} GB/s  {:5.2} x pipe",
                count as f64 / seconds / 1e6,
                (count * bytes) as f64 / seconds / 1e9,
                pipe / seconds,
            );
        }
    }
    let trips = 20_000;
    println!("round trip: {:.2} us", round_trips(trips) / trips as f64 * 1e6);
    for sides in [1, 2, 4] {
        let count = 1_000_000 / sides;
        let rate = (sides * count) as f64 / crowd(sides, count) / 1e6;
        println!("{sides} putters, {sides} getters: {rate:.2} M messages/s of 16 bytes");
    }
}
