//! Tasks of 1, 2 and 5 seconds under a deadline of 3: two results, one timeout, and the pool goes
//! on.

#![allow(clippy::print_stdout, reason = "an example prints what it did")]

use std::time::{Duration, Instant};

use manyhands::{Pool, as_completed};

fn slow(seconds: u64) -> u64 {
    std::thread::sleep(Duration::from_secs(seconds));
    seconds
}

fn main() -> manyhands::Result<()> {
    manyhands::init();
    let pool = Pool::builder().workers(3).build()?;
    let start = Instant::now();
    let call = pool.call().deadline(Duration::from_secs(3));
    let futures = [1, 2, 5].map(|seconds| call.submit(slow, seconds));
    let futures = futures.into_iter().collect::<manyhands::Result<Vec<_>>>()?;

    let (mut done, mut late) = (Vec::new(), 0);
    for (place, future) in as_completed(futures) {
        match future.wait() {
            Ok(seconds) => {
                println!("{:.2?}: task {place} gave {seconds}", start.elapsed());
                done.push(seconds);
            }
            Err(error) if error.is_timeout() => {
                println!("{:.2?}: task {place} timed out: {error}", start.elapsed());
                late += 1;
            }
            Err(error) => return Err(error),
        }
    }
    assert_eq!((done, late), (vec![1, 2], 1));
    println!("the pool is still usable: {:?}", pool.map(|x: u64| x + 1, 0..5)?);
    println!("total: {:.2?}", start.elapsed());
    Ok(())
}
