//! A misspelt word is an error that lists the valid ones.

use crate::kit::Dir;

/// It is refused, before anything is read, and the error holds these texts.
#[track_caller]
fn refused(arguments: &[&str], texts: &[&str]) {
    let dir = Dir::with("a,b,day\n1,2,2026-01-03\n");
    let outcome = dir.run(["clean", "in.csv", "-o", "out.csv"].iter().chain(arguments));
    outcome.status(2).prints("");
    texts.iter().for_each(|text| {
        outcome.says(text);
    });
    assert_eq!(dir.names(), ["in.csv"], "{arguments:?}");
}

#[test]
fn parameters_that_no_expression_uses() {
    let dir = Dir::with("a\n1\n")
        .file("recipe.toml", "steps = [{ filter = 'a <= :limit' }]\n[parameters]\nlimit = '5'\n");
    let outcome = dir.clean("in.csv -o out.csv --recipe recipe.toml --param limt=1000");
    outcome
        .status(2)
        .says("no expression uses the parameter `:limt`")
        .says("did you mean `:limit`?");
    let outcome = dir.clean("in.csv --dry-run --recipe recipe.toml --param limt=1000");
    outcome.status(2).says("`:limt`");
    dir.clean("in.csv -o out.csv --recipe recipe.toml --param limit=0").done().says("0 out");
    refused(&["--param", "x=1"], &["`:x`", "as `:name`"]);
    refused(
        &["--param", "zebra=1", "--filter", "a = :b", "--param", "b=1"],
        &["`:zebra`", "they use `:b`"],
    );
    refused(&["--param", "b=1", "--param", "b=2", "--filter", "a = :b"], &["b is given twice"]);
}

#[test]
fn words_that_fill_elsewhere() {
    for word in ["bfill", "backfill", "Mean", "MEDIAN", "mode", "pad"] {
        let fill = format!("--fill=a={word}");
        refused(&[&fill], &[&format!("'\"{word}\"'")]);
        let dir = Dir::with("a,b\n,1\n");
        let literal = format!("a=\"{word}\"");
        dir.run(["clean", "in.csv", "-o", "out.csv", "--fill", &literal]).done();
        assert_eq!(dir.read("out.csv"), format!("a,b\n{word},1\n"));
    }
    let dir = Dir::with("a,b\n,1\n").file(
        "recipe.toml",
        "steps = [{ fill = { column = 'a', value = '0', method = 'mean' } }]\n",
    );
    dir.clean("in.csv -o out.csv --recipe recipe.toml").status(2).says("only one of value, method");
}

#[test]
fn rules_in_a_recipe() {
    for (step, text) in [
        ("outliers = { column = 'a', iqr = 1.5, zcore = 3 }", "zcore"),
        ("outliers = { column = 'a', iqr = 1.5, zscore = 3 }", "only one of iqr, zscore"),
        ("outliers = { column = 'a' }", "one of iqr, zscore, mad, quantile, range is missing"),
        ("fill = { column = 'a', method = 'bfill' }", "bfill"),
        ("fill = { column = 'a', valeu = '1' }", "valeu"),
        ("fill = { column = 'a' }", "one of value, method is missing"),
    ] {
        let dir = Dir::with("a\n1\n").file("recipe.toml", format!("steps = [{{ {step} }}]\n"));
        let outcome = dir.clean("in.csv -o out.csv --recipe recipe.toml");
        outcome.status(2).says("recipe.toml").says(text);
    }
    let dir = Dir::with("a\n1\n\n3\n").file(
        "recipe.toml",
        "steps = [{ outliers = { column = 'a', range = [0, 2] } }, { fill = { column = 'a', value = '' } }]\n",
    );
    dir.clean("in.csv -o out.csv --recipe recipe.toml --save-recipe saved.toml")
        .done()
        .says("1 out");
    dir.clean("in.csv -o again.csv --recipe saved.toml").done().says("1 out");
}

#[test]
fn formats_without_directives() {
    for function in ["parse_date", "parse_datetime", "format_date"] {
        let derive = format!("--derive=d={function}(day, 'DD/MM/YYYY')");
        refused(&[&derive], &["'DD/MM/YYYY'", "write '%d/%m/%Y'", "^"]);
    }
    refused(&["--derive=d=parse_date(day, '%Y-%m-%E')"], &["%Y-%m-%E"]);
    refused(&["--derive=d=parse_date(day, '%H:%M')"], &["no year, month and day"]);
    refused(&["--derive=d=parse_datetime(day, '%Y-%m-%d %H:%M %Z')"], &["%z reads an offset"]);
}

#[test]
fn days_without_quotes() {
    refused(
        &["--filter=day > 2026-01-02"],
        &["2026-01-02 is arithmetic", "'2026-01-02'", "^^^^^^^^^^"],
    );
    refused(&["--filter=day > 2026/1/2"], &["2026/1/2 is arithmetic"]);
    refused(&["--filter=day BETWEEN 01/02/2026 AND 03/02/2026"], &["the year first"]);
    let dir = Dir::with("a,day\n1,2026-01-01\n2,2026-01-03\n");
    let filter = "--filter=day > '2026-01-02' AND a - 1 - 1 = 2026 - 01 - 2025";
    dir.run(["clean", "in.csv", "-o", "out.csv", filter]).done().says("1 out");
    dir.run(["clean", "in.csv", "-o", "2.csv", "--filter=day > '2026-01-02'"]).done().says("1 out");
}

#[test]
fn literals_that_are_no_numbers() {
    refused(&["--types=a=number", "--filter=a <> 1e400"], &["1e400 is not a number"]);
    for literal in ["'nan'", "'inf'", "'1e400'"] {
        let dir = Dir::with("a\n1\n");
        let filter = format!("--filter=a <> {literal}");
        let outcome = dir.run(["clean", "in.csv", "-o", "out.csv", "--types=a=number", &filter]);
        outcome.status(1).says(&format!("{literal} is not a number"));
    }
}

#[test]
fn groups_of_replacements() {
    refused(&[r"--replace=a=/(\d)/<\1>/"], &["is no group", "${1}"]);
    refused(&[r"--replace=a=/(\d)/$1st/"], &["no group \"1st\"", "${1}st"]);
    refused(&["--replace=a=/x/$5/"], &["no group \"5\"", "$$"]);
    refused(&[r"--derive=a=regexp_replace(a, '(\d)', '\1')"], &["is no group", "${1}", "^"]);
}

#[test]
fn spaces_beside_tokens() {
    refused(&["--null", "NA, -"], &["there is a space beside \"-\""]);
    let dir = Dir::with("a\nx\n -\n");
    dir.run(["clean", "in.csv", "-o", "out.csv", "--null", "x,\" -\""]).done();
}
