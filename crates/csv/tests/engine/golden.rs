//! Golden folders that a non-programmer can read: `input.csv`, `recipe.toml`, and the expected
//! results.
//!
//! `UPDATE_GOLDEN=1 cargo test -p manyhands-csv golden` writes the current results; check the
//! difference before you commit it.

use std::fs;
use std::path::{Path, PathBuf};

use manyhands_csv::recipe::Quote;
use manyhands_csv::report::FileReport;
use manyhands_csv::{Dialect, Footer, Frame, Pattern, Recipe};

use crate::drive::{Cleaned, Way, clean};

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

/// The dialect from the folder's `dialect.toml`, or the default.
fn dialect(folder: &Path) -> Dialect {
    #[derive(serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Keys {
        delimiter: String,
        quote: Option<char>,
        escape: Option<char>,
        skip_initial_space: bool,
        comment: Option<char>,
        header: bool,
        out_delimiter: Option<String>,
        out_quote: Option<String>,
        out_line_end: Option<String>,
        quote_style: String,
        max_record: usize,
        header_lines: u64,
        names: Option<Vec<String>>,
        skip_until: Option<Pattern>,
        footer: Option<Footer>,
    }
    impl Default for Keys {
        fn default() -> Self {
            let max_record = Dialect::default().max_record;
            Keys {
                delimiter: ",".into(),
                quote: Some('"'),
                escape: None,
                skip_initial_space: false,
                comment: None,
                header: true,
                out_delimiter: None,
                out_quote: None,
                out_line_end: None,
                quote_style: "needed".to_owned(),
                max_record,
                header_lines: 1,
                names: None,
                skip_until: None,
                footer: None,
            }
        }
    }
    let Ok(text) = fs::read_to_string(folder.join("dialect.toml")) else {
        return Dialect::default();
    };
    let keys: Keys = toml::from_str(&text).unwrap();
    let byte = |letter: char| u8::try_from(letter).unwrap();
    Dialect {
        delimiter: keys.delimiter.parse().unwrap(),
        quote: keys.quote.filter(|quote| *quote != ' ').map(byte),
        escape: keys.escape.map(byte),
        skip_initial_space: keys.skip_initial_space,
        comment: keys.comment.map(byte),
        has_header: keys.header,
        out_delimiter: keys.out_delimiter.map(|text| text.parse().unwrap()),
        out_quote: keys.out_quote.map(|quote| quote.parse::<Quote>().unwrap().0),
        out_line_end: keys.out_line_end.map(|end| end.parse().unwrap()),
        quote_style: keys.quote_style.parse().unwrap(),
        max_record: keys.max_record,
        frame: Frame {
            header_lines: keys.header_lines,
            names: keys.names,
            skip_until: keys.skip_until,
            footer: keys.footer,
        },
    }
}

fn check(path: &Path, found: &[u8], update: bool) {
    if update {
        if found.is_empty() {
            let _ = fs::remove_file(path);
        } else {
            fs::write(path, found).unwrap();
        }
        return;
    }
    let expected = fs::read(path).unwrap_or_default();
    assert_eq!(
        String::from_utf8_lossy(found),
        String::from_utf8_lossy(&expected),
        "{} is the right one",
        path.display()
    );
}

/// A report as the folders store it: notes as texts without hints, and without fields about
/// outputs.
fn readable(report: &FileReport) -> serde_json::Value {
    let mut json = serde_json::to_value(report).unwrap();
    json["notes"] = report.notes.iter().map(|note| note.text.as_str()).collect();
    let fields = json.as_object_mut().unwrap();
    fields.shift_remove("hint");
    fields.shift_remove("characters");
    // Fields that only some files have are omitted for the others.
    let is_there = |value: &serde_json::Value| !value.is_null() && *value != false;
    fields.retain(|name, value| {
        is_there(value)
            || ![
                "error_kind",
                "error_place",
                "dialect",
                "ragged",
                "line_ends",
                "withheld",
                "partial",
            ]
            .contains(&&**name)
    });
    json
}

#[test]
fn every_golden_folder_gives_its_expected_results() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let folders = folders();
    assert!(folders.len() > 30, "the folders are gone");
    for folder in folders {
        let input = fs::read(folder.join("input.csv")).unwrap();
        let recipe = fs::read_to_string(folder.join("recipe.toml")).unwrap();
        let recipe =
            Recipe::from_toml(&recipe).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        let dialect = dialect(&folder);
        let whole = clean(&recipe, &dialect, &input, 1 << 20, Way::Whole(None));
        // However it is cut, and however little memory is allowed.
        for (memory, way) in [
            (1 << 20, Way::Whole(Some(1))),
            (64, Way::Whole(Some(16))),
            (1 << 20, Way::Chunks(1)),
            (1 << 20, Way::Chunks(7)),
            (64, Way::Chunks(64)),
            (1, Way::Chunks(3)),
        ] {
            let other = clean(&recipe, &dialect, &input, memory, way);
            assert_eq!(other, whole, "{folder:?} {way:?} with {memory} bytes of memory");
        }
        match whole {
            Ok(Cleaned { output, rejects, report }) => {
                check(&folder.join("expected.csv"), &output, update);
                check(&folder.join("rejects.csv"), &rejects, update);
                let report = format!("{:#}\n", readable(&report));
                check(&folder.join("report.json"), report.as_bytes(), update);
                check(&folder.join("error.txt"), b"", update);
            }
            Err(error) => check(&folder.join("error.txt"), format!("{error}\n").as_bytes(), update),
        }
    }
}
