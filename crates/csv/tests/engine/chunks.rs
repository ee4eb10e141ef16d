//! The result does not depend on how a file is cut: every kind of step, with dirty bytes.

use manyhands_csv::recipe::steps;
use manyhands_csv::{Dialect, Frame, LineEnd, Recipe};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::drive::{Way, clean};

/// Recipes for each step over columns `a` and `b`, some recipes that mix steps, and one without
/// steps.
fn recipes() -> Vec<&'static str> {
    let samples = steps().iter().flat_map(|step| step.about.samples);
    std::iter::once("steps = []").chain(samples.copied()).collect()
}

fn dialects() -> [Dialect; 8] {
    let footer = |footer: &str| Frame { footer: footer.parse().ok(), ..Frame::default() };
    [
        Dialect { frame: footer("1"), ..Dialect::default() },
        Dialect { frame: footer("3"), comment: Some(b'a'), ..Dialect::default() },
        Dialect { frame: footer("1|$|\"a"), ..Dialect::default() },
        Dialect::default(),
        Dialect { delimiter: b';'.into(), ..Dialect::default() },
        Dialect { out_line_end: Some(LineEnd::CrLf), ..Dialect::default() },
        Dialect { comment: Some(b'a'), out_delimiter: Some(b';'.into()), ..Dialect::default() },
        Dialect { quote: None, has_header: false, ..Dialect::default() },
    ]
}

/// Dialects whose fields are not divided by a single byte alone.
fn divided() -> Vec<Dialect> {
    let mut all = Vec::new();
    for delimiter in [",", "tab", "||", ", ", "1a1", "ws"] {
        for bits in 0..32 {
            let dialect = Dialect {
                delimiter: delimiter.parse().unwrap(),
                escape: (bits & 1 != 0).then_some(b'\\'),
                skip_initial_space: bits & 2 != 0,
                quote: (bits & 4 == 0).then_some(b'"'),
                comment: (bits & 8 != 0).then_some(b'#'),
                out_delimiter: (bits & 16 != 0).then_some(b';'.into()),
                ..Dialect::default()
            };
            if dialect.check().is_ok() && (delimiter.len() > 1 || bits & 3 != 0) {
                all.push(dialect);
            }
        }
    }
    all
}

/// Bytes that matter to CSV, single ones and sequences that form records.
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
        "\\",
        "|",
        "\t",
        "#",
        ", \"",
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
    let delimiter = String::from_utf8_lossy(dialect.delimiter.written()).into_owned();
    // Without a header the columns have other names; such a recipe is then the same error for all
    // ways.
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
    fn any_bytes_give_the_same_result_however_they_are_cut(
        body in dirty(),
        recipe in select(recipes()),
        dialect in select(dialects().to_vec()),
        size in 1_usize..80,
        memory in select(vec![1, 100, 1 << 20]),
    ) {
        same_for_every_cut(&body, recipe, &dialect, &[1, size], memory);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fields_that_are_divided_in_any_way_are_the_same_however_they_are_cut(
        body in dirty(),
        recipe in select(recipes()),
        dialect in select(divided()),
        size in 1_usize..80,
    ) {
        same_for_every_cut(&body, recipe, &dialect, &[1, size], 1 << 20);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back_however_fields_were_divided(
        body in dirty(),
        dialect in select(divided()),
        recipe in select(vec!["steps = []", "steps = [{ select = ['b', 'a'] }]"]),
    ) {
        let recipe = Recipe::from_toml(&format!("on_ragged = 'pad'\n{recipe}")).unwrap();
        let bytes = [b"a", dialect.delimiter.written(), b"b\n", &body].concat();
        // Without quotes, some cells cannot be written.
        let Ok(first) = clean(&recipe, &dialect, &bytes, 1 << 20, Way::Whole(None)) else {
            return Ok(());
        };
        // The settings of reading that the output still has, and those that it is without.
        let kept = dialect.written();
        let plain = Dialect { skip_initial_space: false, ..kept.clone() };
        for again in [kept, plain] {
            let keep = Recipe::from_toml("steps = []").unwrap();
            let second = clean(&keep, &again, &first.output, 1 << 20, Way::Whole(None)).unwrap();
            let shown = String::from_utf8_lossy(&bytes);
            assert_eq!(second.report.rows_out, first.report.rows_out, "{shown:?} {dialect:?}");
            assert_eq!(
                String::from_utf8_lossy(&second.output),
                String::from_utf8_lossy(&first.output),
                "{shown:?} {dialect:?}"
            );
        }
    }
}

/// Inputs that broke other readers, or that look as if they would.
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
fn nasty_files_give_the_same_result_for_every_chunk_size_and_step() {
    for body in NASTY {
        let sizes: Vec<usize> = (1..=body.len()).collect();
        for recipe in recipes() {
            for dialect in dialects() {
                same_for_every_cut(body.as_bytes(), recipe, &dialect, &sizes, 1 << 20);
            }
        }
    }
}
