//! A crate that uses manyhands, as users' crates do, and tests itself with the standard harness.

use manyhands::{Pool, Result};

/// The sum of the squares below `n`, by a pool.
///
/// # Errors
/// If the pool fails.
pub fn sum_of_squares(n: u64) -> Result<u64> {
    let pool = Pool::new()?;
    Ok(pool.map(|x: u64| x * x, 0..n)?.into_iter().sum())
}

#[cfg(test)]
manyhands::test_worker!();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependent_crate_tests_what_uses_a_pool() {
        assert_eq!(sum_of_squares(1000).unwrap(), 332_833_500);
    }

    #[test]
    fn a_closed_pipe_is_an_error_in_a_worker_and_no_death() {
        let write = |()| {
            use std::io::Write;
            let (reader, mut writer) = std::io::pipe().unwrap();
            drop(reader);
            writer.write_all(b"to nobody").map_err(|error| error.kind().to_string())
        };
        let pool = Pool::new().unwrap();
        assert_eq!(pool.map(write, [()]).unwrap(), [Err("broken pipe".to_owned())]);
    }

    #[test]
    fn several_tests_have_pools_at_once() {
        let error = Pool::new().unwrap().map(|x: u32| assert_ne!(x, 7), 0..10).unwrap_err();
        assert!(error.to_string().contains("task 7 panicked"), "{error}");
    }
}
