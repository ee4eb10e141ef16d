//! Rows for stores: cells with the declared types, and cells that a store does not take.

use manyhands_csv::{
    Dialect, HeadFound, Out, Plan, Prepared, Recipe, Text, clean_whole, find_head,
    report::FileReport,
};

/// The result of a recipe: what each cell reads as, and why rows were dropped.
fn stored(text: Text, recipe: &str, input: &[u8]) -> (Vec<String>, Vec<(String, u64)>) {
    let dialect = Dialect::default();
    let HeadFound::Head(head) = find_head(&dialect, input, 0, true) else { panic!("no header") };
    let prepared = Prepared::new(Recipe::from_toml(recipe).unwrap(), 0).unwrap();
    let plan =
        Plan::new(&prepared, &dialect, &input[head.header.clone()]).unwrap().storing(text).unwrap();
    let mut cells = Vec::new();
    let mut take = |rows: &manyhands_csv::Rows<'_>| {
        (0..plan.output_names().len()).for_each(|column| check_columns(rows, column));
        for row in 0..rows.len() {
            for (column, kind) in plan.output_types().iter().enumerate() {
                cells.push(match kind.to_string().as_str() {
                    "integer" => format!("{:?}", rows.integer(row, column)),
                    "number" => format!("{:?}", rows.number(row, column)),
                    "boolean" => format!("{:?}", rows.boolean(row, column)),
                    "date" => format!("{:?}", rows.date(row, column)),
                    "datetime" => format!("{:?}", rows.datetime(row, column)),
                    _ => format!("{:?}", rows.text(row, column).map(std::borrow::Cow::into_owned)),
                });
            }
        }
    };
    let (course, _) =
        clean_whole(&plan, input, &head, 1 << 20, (1, 2), Some(7), Out::Rows(&mut take)).unwrap();
    let mut report = FileReport::default();
    assert!(course.report(&plan, &mut report));
    let reasons = report.set_aside.into_iter().map(|aside| (aside.reason, aside.rows)).collect();
    (cells, reasons)
}

/// Checks that a column gives the same cells one by one and all together.
fn check_columns(rows: &manyhands_csv::Rows<'_>, column: usize) {
    for from in 0..rows.len() {
        let range = from..rows.len();
        let (mut texts, mut integers, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        rows.each_text(column, range.clone(), |bytes, len| texts.push(bytes[..len].to_vec()));
        rows.each_integer(column, range.clone(), |integer| integers.push(integer));
        rows.each_number(column, range.clone(), |number| numbers.push(number));
        let text = |row| rows.text(row, column).unwrap_or_default().into_owned();
        assert_eq!(texts, range.clone().map(text).collect::<Vec<_>>());
        let integer = |row| rows.integer(row, column);
        assert_eq!(integers, range.clone().map(integer).collect::<Vec<_>>());
        let number = |row| rows.number(row, column);
        assert_eq!(numbers, range.map(number).collect::<Vec<_>>());
    }
}

const ALL: &str = "steps = [{ types = { i = 'integer', n = 'number', b = 'boolean', d = 'date', m = 'datetime' } }]";

#[test]
fn cells_are_read_as_their_declared_types() {
    let input = b"i,n,b,d,m,t\n\
        -007,1.50,Yes,1970-01-02,1970-01-01T00:01,\"a \"\"b\"\"\"\n\
        , ,,,,\n\
        9223372036854775807,-1e308,0,1969-12-31,1969-12-31 23:59:59.999999, x \n";
    let (cells, aside) = stored(Text::Utf8, ALL, input);
    let text = |text: &str| format!("{:?}", Some(text.as_bytes().to_vec()));
    let expected = [
        "Some(-7)",
        "Some(1.5)",
        "Some(true)",
        "Some(1)",
        "Some(60000000)",
        &text("a \"b\""),
        "None",
        "None",
        "None",
        "None",
        "None",
        "None",
        "Some(9223372036854775807)",
        "Some(-1e308)",
        "Some(false)",
        "Some(-1)",
        "Some(-1)",
        &text(" x "),
    ];
    assert_eq!(cells, expected);
    assert_eq!(aside, []);
}

#[test]
fn cells_that_a_store_does_not_take_are_rejected_with_the_reason() {
    let input = b"i,n,b,d,m,t\n\
        9223372036854775808,1,1,2026-01-01,2026-01-01 00:00,a\n\
        1,1e999,1,2026-01-01,2026-01-01 00:00,a\n\
        1,inf,1,2026-01-01,2026-01-01 00:00,a\n\
        1,nan,1,2026-01-01,2026-01-01 00:00,a\n\
        1,1,1,0000-01-01,2026-01-01 00:00,a\n\
        1,1,1,2026-01-01,2026-01-01 00:00:00.0000001,a\n\
        1,1,1,2026-01-01,2026-01-01 00:00,\xff\n\
        1,1,1,2026-01-01,2026-01-01 00:00,a\0b\n";
    let expected = |last: &[(&str, u64)]| -> Vec<(String, u64)> {
        let all =
            [("not a date", 1), ("an integer beyond 64 bits", 1), ("finer than a microsecond", 1)];
        let all = all.iter().chain(last).chain(&[("not a finite number", 3)]);
        all.map(|(reason, rows)| ((*reason).to_owned(), *rows)).collect()
    };
    let (cells, aside) = stored(Text::Utf8, ALL, input);
    assert_eq!(aside, expected(&[("not UTF-8", 1)]));
    assert_eq!(cells.len(), 6);
    let (cells, aside) = stored(Text::Utf8WithoutNul, ALL, input);
    assert_eq!(aside, expected(&[("has a zero byte", 1), ("not UTF-8", 1)]));
    assert!(cells.is_empty());
}

#[test]
fn integers_are_exact_and_derived_numbers_are_unchanged() {
    let recipe = "steps = [
        { types = { i = 'integer', n = 'number' } },
        { filter = 'i <> 3' },
        { derive = { name = 'half', expression = 'n / 2' } },
        { types = { half = 'number' } },
    ]";
    let input = b"i,n\n9007199254740991,1\n3,1\n9007199254740993,\n-0,3\n\" 12\",\"5\"\n";
    let (cells, aside) = stored(Text::Utf8, recipe, input);
    let expected = [
        ["Some(9007199254740991)", "Some(1.0)", "Some(0.5)"],
        ["Some(9007199254740993)", "None", "None"],
        ["Some(0)", "Some(3.0)", "Some(1.5)"],
        ["Some(12)", "Some(5.0)", "Some(2.5)"],
    ];
    assert_eq!(cells, expected.concat());
    assert_eq!(aside.iter().map(|(_, rows)| rows).sum::<u64>(), 1);
}

#[test]
fn a_declared_cell_that_a_step_changed_is_checked_again() {
    let recipe = "steps = [
        { types = { i = 'integer' } },
        { replace = { column = 'i', pattern = '^1$', text = 'one' } },
    ]";
    let (cells, aside) = stored(Text::Utf8, recipe, b"i\n1\n2\n");
    assert_eq!(cells, ["Some(2)"]);
    assert_eq!(aside, [("not an integer".to_owned(), 1)]);
}

#[test]
fn a_bad_cell_is_null_only_if_the_recipe_says_so() {
    let recipe = format!("on_bad = 'null'\n{ALL}");
    let input = b"i,n,b,d,m,t\n99999999999999999999,1,,,,\n";
    let (cells, aside) = stored(Text::Utf8, &recipe, input);
    assert_eq!(cells[..2], ["None", "Some(1.0)"]);
    assert_eq!(aside, []);
}
