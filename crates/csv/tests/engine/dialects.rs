//! Folders that show what is found in a file: `input.csv`, and in `found.txt` its dialect with the
//! reasons, or why it is refused.
//!
//! `UPDATE_GOLDEN=1 cargo test -p manyhands-csv dialects` writes the current results; check the
//! difference before you commit it.

use std::fs;
use std::path::Path;

use manyhands_csv::{Detected, Dialect, Find, detect};

fn told(found: &Detected) -> String {
    if let Some(doubt) = found.doubt() {
        return format!("refused: {doubt}\n");
    }
    let Dialect { delimiter, quote, .. } = found.dialect;
    let quote = quote.map_or("none".to_owned(), |quote| format!("`{}`", char::from(quote)));
    let lines = [format!("delimiter: {}", delimiter.named()), format!("quote: {quote}")];
    let lines =
        lines.into_iter().chain(found.evidence().into_iter().map(|line| format!("- {line}")));
    lines.map(|line| line + "\n").collect()
}

#[test]
fn every_folder_of_dialects_gives_what_it_shows_however_much_is_seen() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects");
    let mut folders: Vec<_> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() > 15, "the folders are gone");
    for folder in folders {
        let bytes = fs::read(folder.join("input.csv")).unwrap();
        let given = Dialect::default();
        let whole = detect(&bytes, true, &given, 0, Find::ALL);
        let text = told(whole.as_ref().expect("these are all bytes"));
        let path = folder.join("found.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
        for end in 0..=bytes.len() {
            let part = detect(&bytes[..end], false, &given, 0, Find::ALL);
            assert!(part.is_none() || part == whole, "{folder:?} {end}: {part:?}");
        }
    }
}
