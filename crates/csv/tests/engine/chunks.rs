//! However a file is cut, what comes of it is the same: every step kind, dirty bytes.

use manyhands_csv::{Dialect, LineEnd, Recipe};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::drive::{Way, clean};

/// One recipe for each step kind, and some that mix them, over columns `a` and `b`.
const RECIPES: [&str; 23] = [
    "steps = []",
    "steps = ['drop_empty_rows']",
    "steps = ['normalize_columns']",
    "steps = [{ rename = { a = 'x,y' } }]",
    "steps = [{ select = ['b', 'a'] }]",
    "steps = [{ drop = ['b'] }]",
    "steps = [{ trim = 'all' }]",
    "steps = [{ null = { tokens = ['a', '1'] } }]",
    "steps = [{ replace = { column = 'a', pattern = '[a1]+', text = '<$0>' } }]",
    "steps = [{ types = { a = 'number' } }]",
    "on_bad = 'null'\nsteps = [{ types = { a = 'integer' } }]",
    "on_ragged = 'pad'\nsteps = [{ filter = 'a <= 5' }]",
    "on_ragged = 'pad'\nsteps = [{ filter = \"b <> ''\" }, { derive = { name = 'c', expression = 'upper(a)' } }]",
    "on_bad = 'null'\non_ragged = 'pad'\nsteps = [{ outliers = { column = 'a', iqr = 0.5 } }]",
    "on_bad = 'null'\nsteps = [{ outliers = { column = 'a', zscore = 1 } }, { outliers = { column = 'b', mad = 1 } }]",
    "on_bad = 'null'\nsteps = [{ outliers = { column = 'a', quantile = [0.1, 0.9] } }]",
    "on_bad = 'null'\nsteps = [{ outliers = { column = 'a', range = [0, 10] } }, { fill = { column = 'a', method = 'mean' } }]",
    "steps = [{ fill = { column = 'a', value = 'a,b' } }]",
    "on_ragged = 'pad'\nsteps = [{ fill = { column = 'b', method = 'ffill' } }, { fill = { column = 'a', method = 'ffill' } }]",
    "on_bad = 'null'\non_ragged = 'pad'\nsteps = [{ fill = { column = 'a', method = 'mean' } }, { fill = { column = 'b', method = 'median' } }]",
    "on_ragged = 'pad'\nsteps = [{ dedupe = 'all' }]",
    "steps = [{ dedupe = ['a'] }, { derive = { name = 'c', expression = 'count(*) / count(b)' } }, { dedupe = ['c'] }]",
    "on_bad = 'null'\nsteps = ['drop_empty_rows', { filter = 'a <= 500' }, { derive = { name = 'c', expression = 'a / (max(a) + 1e-9)' } }]",
];

fn dialects() -> [Dialect; 5] {
    [
        Dialect::default(),
        Dialect { delimiter: b';', ..Dialect::default() },
        Dialect { out_line_end: Some(LineEnd::CrLf), ..Dialect::default() },
        Dialect { comment: Some(b'a'), out_delimiter: Some(b';'), ..Dialect::default() },
        Dialect { quote: None, has_header: false, ..Dialect::default() },
    ]
}

/// Bytes of the kinds that matter, single and in shapes that make records.
fn dirty() -> impl Strategy<Value = Vec<u8>> {
    let piece = select(vec![
        "a",
        ",",
        "\"",
        "\n",
        "\r",
        ";",
        " ",
        "1",
        "25",
        "-3.5",
        "\r\n",
        "\"a,\"\"\n\"",
        "1,2\n",
        ",\n",
        "\n\n",
    ]);
    vec(piece, 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

fn same_for_every_cut(
    body: &[u8],
    recipe: &str,
    dialect: &Dialect,
    sizes: &[usize],
    memory: usize,
) {
    let recipe = Recipe::from_toml(recipe).unwrap();
    let delimiter = char::from(dialect.delimiter);
    // Without a header the columns have other names; such a recipe is an error, the same for all.
    let bytes = [format!("a{delimiter}b\n").as_bytes(), body].concat();
    let whole = clean(&recipe, dialect, &bytes, 1 << 20, Way::Whole(None));
    for size in sizes {
        for way in [Way::Chunks(*size), Way::Whole(Some(*size))] {
            let other = clean(&recipe, dialect, &bytes, memory, way);
            assert_eq!(other, whole, "{way:?} {recipe:?} {:?}", String::from_utf8_lossy(&bytes));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_give_the_same_however_they_are_cut(
        body in dirty(),
        recipe in select(RECIPES.to_vec()),
        dialect in select(dialects().to_vec()),
        size in 1_usize..80,
        memory in select(vec![1, 100, 1 << 20]),
    ) {
        same_for_every_cut(&body, recipe, &dialect, &[1, size], memory);
    }
}

/// What has gone wrong in other readers, and what looks as if it would.
const NASTY: [&str; 16] = [
    "1,2",
    "1,2\n\n\n3,4\n",
    "1,2\r\r\n3,4\r\r\n",
    "1,2\r3,4\r5,6",
    "1,2\n3,4\r\n5,6\r7,8\n",
    "\"1\n2\",\"3,\"\"4\"\"\"\n5,6\n",
    "\"1,2\n3,4\n5,6\n",
    "1,2\n3,\"4\n5,6",
    "a\"b\",c\"\n\"d\"e,f\n1,\"\"\"\n",
    "\"\",\"\"\n,\n\"\"\n",
    "1\n1,2,3\n1,2,,,\n1,2,\"\"\n",
    "\0,\0\n1,\0\n",
    " 1 , 2 \n\t,\n",
    "\"\r\n\",\"\n\r\"\r\n1,2\r\n",
    ",\n,\n,\n",
    "\n\r\n\r\n\n1,2",
];

#[test]
fn nasty_files_give_the_same_at_every_chunk_size_and_step_kind() {
    for body in NASTY {
        let sizes: Vec<usize> = (1..=body.len()).collect();
        for recipe in RECIPES {
            for dialect in dialects() {
                same_for_every_cut(body.as_bytes(), recipe, &dialect, &sizes, 1 << 20);
            }
        }
    }
}
