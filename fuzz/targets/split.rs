//! However a file is cut, what comes of it is the same.
#![no_main]

#[path = "../../crates/csv/tests/engine/drive.rs"]
#[allow(dead_code)]
mod drive;

use drive::{Way, clean};
use libfuzzer_sys::fuzz_target;
use manyhands_csv::{Dialect, Recipe, Separator};

const RECIPES: [&str; 4] = [
    "steps = []",
    "on_ragged = 'pad'\non_bad = 'null'\nsteps = ['drop_empty_rows', { filter = 'a <= 500' }, { derive = { name = 'c', expression = 'a / max(a)' } }]",
    "on_ragged = 'pad'\nsteps = [{ fill = { column = 'b', method = 'ffill' } }, { dedupe = ['b'] }]",
    "on_bad = 'null'\nsteps = [{ outliers = { column = 'a', mad = 2 } }, { fill = { column = 'a', method = 'median' } }]",
];

fuzz_target!(|input: &[u8]| {
    let [choice, size, body @ ..] = input else { return };
    let recipe = Recipe::from_toml(RECIPES[usize::from(*choice) % RECIPES.len()]).unwrap();
    let comment = (choice & 16 != 0).then_some(b'#');
    let delimiter = [",", "||", ", ", "ws"][usize::from(choice >> 5 & 3)].parse().unwrap();
    let escape = (choice & 128 != 0).then_some(b'\\');
    let skip_initial_space = choice & 8 != 0 && delimiter != Separator::Spaces;
    let dialect = Dialect { comment, delimiter, escape, skip_initial_space, ..Dialect::default() };
    let bytes = [b"a", delimiter.written(), b"b\n", body].concat();
    let whole = clean(&recipe, &dialect, &bytes, 1 << 20, Way::Whole(None));
    let size = usize::from(*size) + 1;
    assert_eq!(clean(&recipe, &dialect, &bytes, 100, Way::Chunks(size)), whole);
    assert_eq!(clean(&recipe, &dialect, &bytes, 100, Way::Whole(Some(size))), whole);
});
