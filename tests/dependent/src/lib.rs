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
    fn several_tests_have_pools_at_once() {
        let error = Pool::new().unwrap().map(|x: u32| assert_ne!(x, 7), 0..10).unwrap_err();
        assert!(error.to_string().contains("task 7 panicked"), "{error}");
    }
}
