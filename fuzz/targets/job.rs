//! A whole job: any recipe over any file, in any chunks, by any number of workers, however the bytes come, makes what
//! the file makes in one piece.
#![no_main]

#[path = "../../crates/csv/tests/engine/drive.rs"]
#[allow(dead_code)]
mod drive;

use drive::{Cleaned, Way, clean};
use libfuzzer_sys::fuzz_target;
use manyhands::clean::fuzzing::{StreamJob, packed, stream};
use manyhands_csv::{Dialect, Plan, Prepared, Recipe};

const STEPS: [&str; 20] = [
    "'drop_empty_rows'",
    "'normalize_columns'",
    "{ trim = 'all' }",
    "{ filter = 'a <= 500' }",
    "{ filter = \"b IS NOT NULL AND b <> 'x'\" }",
    "{ derive = { name = 'c', expression = 'a * 2 + 1' } }",
    "{ derive = { name = 'b', expression = \"upper(b) || '!'\" } }",
    "{ derive = { name = 'c', expression = 'a / max(a)' } }",
    "{ derive = { name = 'd', expression = \"parse_date(b, '%Y-%m-%d')\" } }",
    "{ types = { a = 'integer' } }",
    "{ types = { a = 'number', b = 'date' } }",
    "{ fill = { column = 'b', method = 'ffill' } }",
    "{ fill = { column = 'b', value = 'none' } }",
    "{ fill = { column = 'a', method = 'median' } }",
    "{ dedupe = ['b'] }",
    "{ dedupe = [] }",
    "{ outliers = { column = 'a', mad = 2 } }",
    "{ select = ['b', 'a'] }",
    "{ rename = { a = 'A' } }",
    "{ drop = ['b'] }",
];
const DELIMITERS: [&str; 7] = [",", ",", ";", "tab", "||", ", ", "ws"];
const ON_RAGGED: [&str; 3] = ["reject", "pad", "fail"];
const ON_BAD: [&str; 3] = ["reject", "null", "fail"];

/// What a fuzzer chooses, byte after byte.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn below(&mut self, limit: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % limit
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((choices, body)) = input.split_at_checked(22) else { return };
    let mut choices = Choices(choices);
    let steps: Vec<&str> =
        (0..choices.below(5)).map(|_| STEPS[choices.below(STEPS.len())]).collect();
    let (ragged, bad) = (ON_RAGGED[choices.below(3)], ON_BAD[choices.below(3)]);
    let steps = steps.join(", ");
    let recipe = format!("on_ragged = '{ragged}'\non_bad = '{bad}'\nsteps = [{steps}]");
    let Ok(recipe) = Recipe::from_toml(&recipe) else { return };
    let dialect = Dialect {
        comment: (choices.below(4) == 0).then_some(b'#'),
        delimiter: DELIMITERS[choices.below(DELIMITERS.len())].parse().unwrap(),
        quote: (choices.below(5) > 0).then_some(b'"'),
        escape: (choices.below(4) == 0).then_some(b'\\'),
        skip_initial_space: choices.below(4) == 0,
        ..Dialect::default()
    };
    if dialect.check().is_err() {
        return;
    }
    let end = ["\n", "\r\n", "\r"][choices.below(3)];
    let bytes = [b"a", dialect.delimiter.written(), b"b", end.as_bytes(), body].concat();
    let whole = clean(&recipe, &dialect, &bytes, 1 << 20, Way::Whole(None));
    let size = 1 + choices.below(256);
    assert_eq!(clean(&recipe, &dialect, &bytes, 100, Way::Chunks(size)), whole);

    let Ok(prepared) = Prepared::new(recipe, drive::NOW) else { return };
    let plan = |header: &[u8]| {
        Plan::new(&prepared, &dialect, header).map_err(|error| error.to_string().into())
    };
    let name = ["-", "in.csv.gz", "in.csv.zst"][choices.below(3)];
    let mut file = Vec::new();
    if !packed(name, &bytes, &mut file) {
        file.clone_from(&bytes);
    }
    let pieces: Vec<usize> = (0..3).map(|_| [1, 2, 3, 5, 64, 4096][choices.below(6)]).collect();
    let (chunk_bytes, workers) = (1 + choices.below(256), 1 + choices.below(4));
    let job =
        StreamJob { name, plan: &plan, dialect: &dialect, pieces: &pieces, chunk_bytes, workers };
    match stream(&job, &file, |limit| choices.below(limit)) {
        Ok(None) => {}
        Ok(Some((output, rejects, report))) => {
            assert_eq!(Ok(Cleaned { output, rejects, report }), whole);
        }
        Err(problem) => assert_eq!(Err(problem.to_string()), whole),
    }
});
