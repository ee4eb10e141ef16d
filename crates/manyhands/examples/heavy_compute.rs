//! A heavy function over many inputs: first serially, then on all cores.

#![allow(clippy::print_stdout, reason = "an example prints what it did")]

use std::time::Instant;

use manyhands::Pool;

fn heavy(x: u64) -> f64 {
    (0..1_000_000).map(|i| ((i + x) as f64).sqrt()).sum()
}

fn main() -> manyhands::Result<()> {
    manyhands::init();
    let inputs = 0..1_000;

    let start = Instant::now();
    let one_by_one: Vec<f64> = inputs.clone().map(heavy).collect();
    let serial = start.elapsed();
    println!("serial: {} tasks in {serial:.2?}", one_by_one.len());

    let pool = Pool::new()?;
    let start = Instant::now();
    let sums = pool.map(heavy, inputs)?;
    let parallel = start.elapsed();
    let workers = pool.workers().len();
    println!("{workers} workers: {} tasks in {parallel:.2?}", sums.len());

    assert_eq!(sums, one_by_one, "the pool gives the same sums in the same order");
    println!("speed-up: {:.2}", serial.as_secs_f64() / parallel.as_secs_f64());
    Ok(())
}
