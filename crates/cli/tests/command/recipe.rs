//! Recipes: from files, saved, with parameters.

use crate::kit::Dir;

#[test]
fn a_recipe_files_steps_come_first() {
    let dir = Dir::with("v\n1\n2\n4\n");
    let recipe = "steps = [{ filter = \"v < 3\" }]\n";
    let dir = dir.file("r.toml", recipe);
    dir.run(["clean", "in.csv", "-o-", "--derive=v = v / max(v)", "--recipe", "r.toml"])
        .done()
        .prints("v\n0.5\n1.0\n");
}

#[test]
fn param_is_what_expressions_name() {
    let dir = Dir::with("v,c\n1,Ulm\n2,Bonn\n");
    let dir =
        dir.file("r.toml", "steps = [{ filter = \"v < :limit\" }]\n[parameters]\nlimit = \"3\"\n");
    dir.clean("in.csv -o - --recipe r.toml").done().prints("v,c\n1,Ulm\n2,Bonn\n");
    dir.clean("in.csv -o - --recipe r.toml --param limit=2").done().prints("v,c\n1,Ulm\n");
    dir.run(["clean", "in.csv", "-o-", "--filter", "c = :city", "--param", "city=Bonn"])
        .done()
        .prints("v,c\n2,Bonn\n");
}

#[test]
fn typed_rules_win_over_the_files() {
    let dir = Dir::with("v\nx\n1\n");
    let dir = dir.file("r.toml", "on_bad = \"null\"\nsteps = [{ types = { v = \"number\" } }]\n");
    dir.clean("in.csv -o - --recipe r.toml").done().prints("v\n\"\"\n1\n");
    dir.clean("in.csv -o - --recipe r.toml --on-bad reject").done().prints("v\n1\n");
}

#[test]
fn a_saved_recipe_does_the_same_again() {
    let dir = Dir::with("Id,Value,x,y\n1, 5 ,NA,a b\n,,,\n2,700,q,c\n2,7,q,\n3,6,,\n");
    let steps = [
        "--drop-empty-rows",
        "--normalize-columns",
        "--trim",
        "all",
        "--null",
        "NA",
        "--types",
        "id=integer,value=number",
        "--filter",
        "value <= :limit",
        "--outliers",
        "value=range:0:100",
        "--fill",
        "x=ffill",
        "--dedupe",
        "id",
        "--replace",
        "y=/ /_/",
        "--derive",
        "share = value / max(value)",
        "--rename",
        "id=number",
        "--drop",
        "x",
        "--select",
        "number,share,y,value",
        "--param",
        "limit=500",
        "--on-bad",
        "null",
        "--on-ragged",
        "pad",
        "--missing-column",
        "null",
    ];
    let command = ["clean", "in.csv", "-o", "a.csv", "--save-recipe", "r.toml"];
    dir.run(command.iter().chain(&steps)).done();
    dir.clean("in.csv -o b.csv --recipe r.toml --save-recipe r2.toml").done();
    assert_eq!(dir.read("a.csv"), dir.read("b.csv"));
    assert_eq!(dir.read("r.toml"), dir.read("r2.toml"));
    let expected =
        "number,share,y,value\n1,0.7142857142857143,a_b,5\n2,1.0,,7\n3,0.8571428571428571,,6\n";
    assert_eq!(dir.read("a.csv"), expected);
}

#[test]
fn a_dry_run_saves_the_recipe_too() {
    let dir = Dir::with("a\n1\n");
    dir.clean("in.csv --dry-run --trim all --save-recipe r.toml").done();
    assert_eq!(dir.names(), ["in.csv", "r.toml"]);
    dir.clean("in.csv -o - --recipe r.toml").done().prints("a\n1\n");
}

#[test]
fn the_recipe_goes_to_standard_output_if_data_does_not() {
    let dir = Dir::with("a\n1\n");
    let outcome = dir.clean("in.csv -o out.csv --trim all --save-recipe -");
    assert!(outcome.done().stdout.contains("trim = \"all\""), "{outcome:?}");
}

#[test]
fn a_recipe_that_exists_is_kept_unless_forced() {
    let dir = Dir::with("a\n1\n").file("r.toml", "mine");
    dir.clean("in.csv -o out.csv --save-recipe r.toml").status(2).says("hint: --force");
    assert_eq!(dir.names(), ["in.csv", "r.toml"]);
    assert_eq!(dir.read("r.toml"), "mine");
    dir.clean("in.csv -o out.csv --save-recipe r.toml --force").done();
    assert!(dir.read("r.toml").contains("steps"));
}

/// A file that is read right with these settings only.
const READ: [&str; 9] = [
    "--delimiter=;",
    "--quote='",
    "--comment=#",
    "--no-header",
    "--skip-lines=1",
    "--encoding=windows-1252",
    "--max-record=1K",
    "--max-rejects=50%",
    "--on-ragged=pad",
];

#[test]
fn a_saved_recipe_reads_files_as_they_were_read() {
    let dir = Dir::new().file("in.csv", b"title\n#x\n1;'a;b';\xe4\n2;c\n");
    let typed = ["clean", "in.csv", "-o", "a.csv", "--save-recipe", "r.toml"];
    dir.run(typed.iter().chain(&READ)).done();
    dir.clean("in.csv -o b.csv --recipe r.toml --save-recipe r2.toml").done();
    assert_eq!(dir.read("a.csv"), "1;'a;b';ä\n2;c;\n");
    assert_eq!(dir.read("a.csv"), dir.read("b.csv"));
    assert_eq!(dir.read("r.toml"), dir.read("r2.toml"));
    for line in [
        "max_rejects = \"50%\"",
        "[read]",
        "delimiter = \";\"",
        "quote = \"'\"",
        "comment = \"#\"",
        "header = false",
        "skip_lines = 1",
        "encoding = \"windows-1252\"",
        "max_record = 1024",
    ] {
        assert!(dir.read("r.toml").contains(line), "{line}: {}", dir.read("r.toml"));
    }
    dir.clean("in.csv --dry-run --recipe r.toml").done();
}

#[test]
fn a_recipe_says_how_files_are_read_and_what_is_typed_wins() {
    let recipe = "max_rejects = 0\n[read]\ndelimiter = ';'\nquote = 'none'\nskip_lines = 1\n";
    let dir = Dir::with("title\na;b\n1;2\n3\n").file("r.toml", recipe);
    dir.clean("in.csv -o - --recipe r.toml").status(1).says("1 of 2 records would be rejected");
    dir.clean("in.csv -o - --recipe r.toml --max-rejects 1").done().prints("a;b\n1;2\n");
    let typed = "in.csv -o - --recipe r.toml --skip-lines 0 --delimiter , --quote \"";
    dir.clean(typed).done().prints("title\na;b\n1;2\n3\n");
}

#[test]
fn a_recipe_without_settings_saves_none() {
    let dir = Dir::with("a\n1\n");
    dir.clean("in.csv -o a.csv --trim all --save-recipe r.toml").done();
    assert!(!dir.read("r.toml").contains("read"), "{}", dir.read("r.toml"));
}

#[test]
fn a_misspelt_key_of_a_recipe_gets_a_suggestion() {
    let dir = Dir::with("a\n1\n").file("r.toml", "[read]\ndelimeter = ';'\n");
    let outcome = dir.clean("in.csv -o a.csv --recipe r.toml");
    outcome.status(2).says("r.toml: line 2: `delimeter = ';'`: there is no key `delimeter`");
    outcome.says("did you mean `delimiter`?");
}

#[test]
fn a_mistake_in_a_recipe_is_reported_with_file_line_and_what_is_there() {
    let dir = Dir::with("a\n1\n");
    let check = |recipe: &str, told: &str| {
        std::fs::write(dir.path("r.toml"), recipe).unwrap();
        let outcome = dir.clean("in.csv -o out.csv --recipe r.toml --param limit=1");
        outcome.status(2).says(&format!("error: r.toml: {told}"));
    };
    check("[read]\nencoding = 'latin99'", "line 2: `encoding = 'latin99'`: no encoding is called");
    check(
        "[read]\n\ndelimiter = ','\nquote = ','",
        "line 4: `quote = ','`: ',' cannot be both delimiter and quote",
    );
    check(
        "[read]\ndelimiter = ';'\nmax_record = 0",
        "line 3: `max_record = 0`: the longest record",
    );
    check(
        "on_bad = 'skip'",
        "line 1: `on_bad = 'skip'`: there is no value `skip`; there are `reject`",
    );
    let steps = "steps = [\n  'drop_empty_rows',\n  { filter = 'a > ' },\n]";
    check(steps, "line 3: step 2 (filter): expected an expression, found the end\n");
    check(
        "steps = [{ replace = { column = 'a', pattern = '(', text = '' } }]",
        "line 1: step 1 (replace): ",
    );
    check(
        "steps = [{ filter = \"parse_date(a, '%2Y-%m-%d') > date '2024-01-01'\" }]",
        "line 1: step 1 (filter): '%2Y-%m-%d' cannot be read: a year has four digits",
    );
    // An error in a flag names no line, also if the recipe uses the value of another flag.
    std::fs::write(dir.path("r.toml"), "steps = [{ filter = 'a < :limit' }]").unwrap();
    let line = "in.csv -o out.csv --recipe r.toml --param limit=5";
    dir.clean(line).done();
    let typed = dir.clean(&format!("{line} --force --filter a>"));
    typed.status(2).says("error: step 2 (filter): ");
}

#[test]
fn a_value_of_another_kind_is_reported_with_an_example_of_its_own_key() {
    let dir = Dir::with("a\n1\n");
    for (recipe, told) in [
        ("steps = [\"trim\"]", "`trim` needs settings, as in { trim = \"all\" }"),
        ("steps = [\"select\"]", "`select` needs settings, as in { select = [\"a\", \"b\"] }"),
        ("steps = [{}]", "a step is a word in quotes, or a table with one key"),
        ("steps = \"trim\"", "expected a list of steps, as in steps = [\"drop_empty_rows\","),
        ("on_bad = 3", "expected a text in quotes, as in on_bad ="),
        ("read = 3", "expected a table, as in read = { delimiter = \";\" }"),
        ("read = [\";\"]", "as in read = { delimiter = \";\" }; found a list of one value"),
        ("parameters = [1, 2]", "expected a table, as in parameters = { limit = \"500\" }"),
        ("steps = [{ types = [\"v\"] }]", "as in { types = { a = \"number\" } }"),
        ("steps = [{ types = { a = 3 } }]", "expected a text in quotes"),
        ("steps = [{ rename = [\"a\"] }]", "as in { rename = { old = \"new\" } }"),
        ("steps = [{ null = \"NA\" }]", "as in { null = { tokens = [\"NA\"] } }"),
        ("steps = [{ null = { tokens = \"NA\" } }]", "as in tokens = [\"NA\", \"-\"]"),
        ("steps = [{ derive = \"x = 3\" }]", "as in { derive = { name = \"a\", expression ="),
        ("steps = [{ fill = { column = \"a\", method = 3 } }]", "as in method = \"mean\""),
        // Not the first two of them, in silence.
        (
            "steps = [{ outliers = { column = \"a\", range = [1, 2, 3] } }]",
            "expected a list of two numbers, as in range =",
        ),
    ] {
        std::fs::write(dir.path("r.toml"), recipe).unwrap();
        let outcome = dir.clean("in.csv -o out.csv --recipe r.toml");
        outcome.status(2).says(&format!("error: r.toml: line 1: `{recipe}`: ")).says(told);
        for word in ["variant", "element", "column = \"a\" } is"] {
            assert!(!outcome.stderr.contains(word), "{outcome:?}");
        }
    }
}

#[test]
fn a_recipe_that_is_not_utf8_is_reported_with_line_and_byte() {
    let dir = Dir::with("a\n1\n").file("r.toml", b"on_bad = \"null\"\n# f\xfcr\n");
    let outcome = dir.clean("in.csv -o out.csv --recipe r.toml");
    outcome.status(2).says(
        "error: r.toml: line 2: byte 4 is 0xFC, which is not valid UTF-8\nhint: save the recipe as UTF-8\n",
    );
}
