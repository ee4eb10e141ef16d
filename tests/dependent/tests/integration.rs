//! A file of `tests/` has a test worker of its own.

manyhands::test_worker!();

#[test]
fn an_integration_test_uses_a_pool() {
    assert_eq!(dependent::sum_of_squares(10).unwrap(), 285);
}
