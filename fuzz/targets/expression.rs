//! An expression is evaluated or refused, never a panic, for cells of all kinds.
#![no_main]

#[path = "../../crates/csv/tests/engine/drive.rs"]
#[allow(dead_code)]
mod drive;

use drive::{Way, clean};
use libfuzzer_sys::fuzz_target;
use manyhands_csv::recipe::{Derive, Step};
use manyhands_csv::{Dialect, Recipe};

const ROWS: &[u8] = b"a,b,c\n1,x,2026-01-31\n-0.5,,\n9007199254740993,\xFF\xFE,yes\n\"1,5\",\"y\"\"\",0\n,nan,1e308\n";

fuzz_target!(|expression: &str| {
    let expression = expression.to_owned();
    let derive = Derive { name: "d".to_owned(), expression: expression.clone() };
    for step in [Step::Filter(expression), Step::Derive(derive)] {
        let recipe = Recipe {
            steps: vec![step],
            on_bad: manyhands_csv::recipe::OnBad::Null,
            ..Recipe::default()
        };
        let whole = clean(&recipe, &Dialect::default(), ROWS, 1 << 20, Way::Whole(None));
        assert_eq!(clean(&recipe, &Dialect::default(), ROWS, 1, Way::Chunks(9)), whole);
    }
});
