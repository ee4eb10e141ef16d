//! A program that sets how its workers are started, like a Python extension does.

use std::env;
use std::process::Command;

use manyhands::Pool;

fn first_argument(_: u64) -> Option<String> {
    env::args().nth(1)
}

fn main() {
    if env::args().nth(1).as_deref() == Some("serve") {
        manyhands::work();
    }
    manyhands::init_with(|name| {
        let mut command = Command::new("/proc/self/exe");
        command.args(["serve", name]);
        command
    });
    // The first call decides.
    manyhands::init();
    let pool = Pool::builder().workers(2).build().unwrap();
    let found = pool.map(first_argument, 0..10).unwrap();
    assert_eq!(found, vec![Some("serve".to_owned()); 10]);
}
