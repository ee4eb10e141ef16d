//! Ten million numbers doubled in place by two workers; none of them is copied to a worker.

#![allow(clippy::print_stdout, reason = "an example prints what it did")]

use std::time::Instant;

use manyhands::{Pool, SharedArray};

const LEN: usize = 10_000_000;

fn main() -> manyhands::Result<()> {
    manyhands::init();
    let numbers: Vec<i64> = (0..LEN as i64).collect();
    let array = SharedArray::from_slice(&numbers)?;
    let pool = Pool::builder().workers(2).build()?;

    let start = Instant::now();
    let halves = [(0, LEN / 2), (LEN / 2, LEN)];
    pool.map_with(
        &array,
        |array, (start, end): (usize, usize)| {
            array
                .slice(start..end)
                .update(|piece| piece.iter_mut().for_each(|number| *number *= 2));
        },
        halves,
    )?;
    println!("{LEN} numbers doubled in place by 2 workers in {:.2?}", start.elapsed());

    assert!(array.to_vec().into_iter().eq(numbers.iter().map(|number| 2 * number)));
    println!("{:?} ... {:?}", array.slice(..5).iter().collect::<Vec<_>>(), array.get(LEN - 1));
    Ok(())
}
