//! Warnings about a file that loses most of its rows: an example, and a hint.

use crate::kit::Dir;

#[test]
fn a_file_that_loses_its_rows_is_reported_with_a_line_a_column_and_a_cell() {
    let rows: String = (0..2000).map(|row| format!("{row},x{row}\n")).collect();
    let dir = Dir::with(&format!("id,v\n{rows}"));
    let all = "warning: in.csv: all of its 2,000 records are rejected; step 1";
    let found = "2,000 records, such as line 2, column \"v\": \"x0\"\nhint:";
    for (step, told) in [
        (
            "--types v=number",
            format!("{all} (types) not a number: {found} --on-bad null keeps such rows"),
        ),
        (
            "--filter v",
            format!("{all} (filter) not a boolean: {found} compare the cell with something"),
        ),
        (
            "--filter v>1",
            format!("{all} (filter) not a number: {found} --on-bad null takes such cells"),
        ),
        (
            "--derive w=v*2",
            format!("{all} (derive) not a number: {found} --on-bad null takes such"),
        ),
    ] {
        dir.clean(&format!("in.csv -o out/ --force {step}")).done().says(&told);
        dir.clean(&format!("in.csv -o out/ --force --workers 3 -q {step}")).done().says(&told);
    }
}

#[test]
fn the_example_is_the_first_of_the_most_frequent_reason_as_the_step_found_it() {
    // The first of several chunks counts, in the order of the file.
    let good = "1,7\n".repeat(10);
    let bad = "1,  \u{1b}[31m bad  \n".repeat(700_000);
    let long = "y".repeat(100);
    let dir = Dir::with(&format!("a,v\n{good}{bad}"))
        .file("long.csv", format!("a,v\nx,1\n1,{long}\n2,{long}\n"));
    dir.clean("in.csv -o out/ --trim v --types v=integer")
        .done()
        .says("such as line 12, column \"v\": \"\\u{1b}[31m bad\"\n");
    dir.clean("long.csv -o out/ --types a=integer,v=integer").done().says(
        "all of its 3 records are rejected; step 1 (types) not an integer: 3 records, such as line 2, column \"a\": \"x\"\n",
    );
    dir.clean("long.csv -o out/ --force --types v=integer")
        .done()
        .says(&format!("2 records, such as line 3, column \"v\": \"{}\"...\n", &long[..60]));
}

#[test]
fn names_of_rows_are_reported_with_decimal_commas_too() {
    let dir = Dir::with("\"a\";\"b\"\n\"1\";1,5;2,5\n\"2\";1,7;3,5\n\"3\";2,5;4,5\n")
        .file("mixed.csv", "\"a\";\"b\"\n\"x\";1,5;2\n\"y\";1,7;3\n\"z\";2,5;4\n");
    for name in ["in.csv", "mixed.csv"] {
        let outcome = dir.clean(&format!("{name} -o out/ --force"));
        outcome
            .done()
            .says("; `;` would divide them, and the header lacks a name, as R's write.table");
        outcome.says("\nhint: --delimiter ';', and a name that is added to the header\n");
        let outcome = dir.clean(&format!("{name} -o out/ --force --delimiter ;"));
        outcome
            .done()
            .says("the header has 2; the header lacks a name, as R's write.table leaves one out\n");
        outcome
            .says("hint: add a name to the header, or read without it: --skip-lines 1 --no-header");
    }
}
