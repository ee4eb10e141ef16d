//! Whatever stands in a manifest, it is read; an entry that is found is written so that it is found again.
#![no_main]

use std::cell::RefCell;
use std::fs;

use libfuzzer_sys::fuzz_target;
use manyhands::clean::fuzzing::manifests;
use tempfile::TempDir;

/// The file of entries in a directory.
const NAME: &str = ".manyhands.jsonl";
/// Names of outputs, which inputs are likely to have.
const OUTPUTS: [&str; 4] = ["", "cleaned_a.csv", "b.csv", "\u{fffd}.csv"];

thread_local! {
    static DIRECTORIES: RefCell<Option<[TempDir; 2]>> = const { RefCell::new(None) };
}

fuzz_target!(|text: &[u8]| {
    DIRECTORIES.with_borrow_mut(|directories| {
        let make = || [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [from, to] = directories.get_or_insert_with(make);
        fs::write(from.path().join(NAME), text).unwrap();
        // Something may stand there that was torn by a crash.
        let torn = &text[..text.len() / 3];
        fs::write(to.path().join(NAME), torn).unwrap();
        for (one, other) in manifests(from.path(), to.path(), &OUTPUTS).unwrap() {
            assert_eq!(one, other);
        }
    });
});
