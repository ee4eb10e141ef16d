//! One task kills its own process: it fails with the cause, and all other results are intact.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints what it did")]

use std::time::Instant;

use manyhands::Pool;

fn fragile(x: u64) -> u64 {
    if x == 13 {
        eprintln!("thirteen was too much");
        std::process::abort();
    }
    x * x
}

fn main() -> manyhands::Result<()> {
    manyhands::init();
    let pool = Pool::new()?;
    let start = Instant::now();
    let mut failed = Vec::new();
    for (x, result) in pool.imap(fragile, 0..100)?.enumerate() {
        match result {
            Ok(square) => assert_eq!(square, (x * x) as u64),
            Err(error) => {
                println!("error: {error}");
                assert!(error.death().is_some());
                failed.push(x);
            }
        }
    }
    assert_eq!(failed, [13]);
    println!("99 of 100 results are intact, after {:.2?}", start.elapsed());
    Ok(())
}
