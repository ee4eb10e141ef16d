//! A program without a call of `init()`: it gets an error before anything is started.

use manyhands::{ErrorKind, Pool, Process};

#[test]
fn a_pool_without_init_is_an_error_that_says_so_and_starts_nothing() {
    let error = Pool::new().err().expect("init was not called");
    assert!(matches!(error.kind(), ErrorKind::NotInitialized));
    assert!(error.to_string().contains("manyhands::init()"), "{error}");
    assert!(Process::spawn(|()| (), ()).is_err());
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    for thread in threads {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap();
        assert_eq!(children, "", "nothing is started");
    }
}
