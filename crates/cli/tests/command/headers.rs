use crate::kit::*;

/// Files with three different headers.
fn three() -> Dir {
    Dir::new()
        .file("a.csv", "id,city\n1,Ulm\n2,Bonn\n")
        .file("b.csv", "note,id\nx,3\n\"y,z\",4\n")
        .file("c.csv", "city,id\nKiel,5\n")
}

#[test]
fn a_union_has_all_columns_in_order_of_first_appearance() {
    let dir = three().file("empty.csv", "");
    let outcome = dir.clean("a.csv empty.csv b.csv c.csv -o - --concat --union");
    outcome.done().prints("id,city,note\n1,Ulm,\n2,Bonn,\n3,,x\n4,,\"y,z\"\n5,Kiel,\n");
    outcome.says(
        "headers: 1 file agrees; 2 differ; their union has 3 columns:\n  \
         b.csv: without \"city\", with \"note\"\n  c.csv: in another order\n",
    );
    dir.clean("b.csv a.csv -o out.csv --concat --union").done();
    assert_eq!(dir.read("out.csv"), "note,id,city\nx,3,\n\"y,z\",4,\n,1,Ulm\n,2,Bonn\n");
}

#[test]
fn an_intersection_has_the_columns_that_all_have_in_the_order_of_the_first() {
    let dir = three();
    let outcome = dir.clean("c.csv a.csv -o - --concat --intersect");
    outcome.done().prints("city,id\nKiel,5\nUlm,1\nBonn,2\n");
    dir.clean("a.csv b.csv c.csv -o - --concat --intersect").done().prints("id\n1\n2\n3\n4\n5\n");
    let dir = dir.file("d.csv", "other\n1\n");
    let outcome = dir.clean("a.csv d.csv -o none.csv --concat --intersect");
    outcome.status(2).says("the inputs have no column in common").says("hint: --union");
    assert!(!dir.path("none.csv").exists());
}

#[test]
fn headers_are_compared_before_any_work() {
    let dir = three().file("d.csv", "id,city\n6,Hof\n");
    let outcome = dir.clean("a.csv d.csv b.csv c.csv -o - --concat");
    outcome.status(1).prints("").says(
        "headers: 2 files agree; 2 differ:\n  b.csv: without \"city\", with \"note\"\n  c.csv: in another order\n",
    );
    outcome.says("error: b.csv: it has other columns than the first file");
    outcome.says("error: a.csv and 1 more file: not written to standard output");
    // The most frequent header is the one that others are told to differ from.
    let outcome = dir.clean("b.csv a.csv d.csv -o - --concat --union");
    outcome
        .done()
        .says("headers: 2 files agree; 1 differs; their union has 3 columns:\n  b.csv: without");
}

#[test]
fn what_the_steps_leave_is_compared() {
    let dir = Dir::new().file("a.csv", "Id ,x\n1,2\n").file("b.csv", "x,id\n3,4\n");
    let steps = "--normalize-columns --select id,x";
    dir.clean(&format!("a.csv b.csv -o - --concat {steps}")).done().prints("id,x\n1,2\n4,3\n");
    let outcome = dir.clean("a.csv b.csv -o - --concat --union --normalize-columns");
    outcome.done().prints("id,x\n1,2\n4,3\n");
}

#[test]
fn files_of_many_groups_are_told_in_a_few_lines() {
    let mut dir = Dir::new();
    for file in 10..50 {
        dir = dir.file(&format!("{file}.csv"), format!("id,c{file}\n1,2\n"));
    }
    let outcome = dir.clean("??.csv -o all.csv --concat --union");
    outcome.done().says("headers: 1 file agrees; 39 differ; their union has 41 columns:\n");
    outcome
        .says("  20.csv: without \"c10\", with \"c20\"\n  and 29 more files with other headers\n");
    let outcome = dir.clean("??.csv -o all.csv --force --concat --union --verbose");
    outcome.done().says("  49.csv: without \"c10\", with \"c49\"\n");
}

#[test]
fn a_name_that_stands_twice_in_a_header_is_refused_with_its_file() {
    let dir = three().file("d.csv", "id,city,id\n7,Jena,8\n").file("e.csv", "id,\n7,Jena\n");
    for flag in ["--union", "--intersect"] {
        let outcome = dir.clean(&format!("a.csv d.csv -o out.csv --concat {flag}"));
        outcome.status(1).says(
            "error: d.csv: its header has the name \"id\" twice, the second time in column 3",
        );
        outcome.says("hint: the step normalize_columns names that column \"id_2\"");
        let outcome = dir.clean(&format!("a.csv e.csv -o out.csv --concat {flag}"));
        outcome
            .status(1)
            .says("error: e.csv: column 2 has no name, and columns are matched by name");
        assert!(!dir.path("out.csv").exists());
        let outcome = dir.clean(&format!("a.csv d.csv -o - --concat {flag} --skip-failed"));
        outcome.status(1).prints("id,city\n1,Ulm\n2,Bonn\n");
    }
    let outcome = dir.clean("a.csv d.csv -o - --concat --union --normalize-columns");
    outcome.done().prints("id,city,id_2\n1,Ulm,\n2,Bonn,\n7,Jena,8\n");
    std::fs::write(dir.path("latin.csv"), b"id,\xFC\n1,2\n").unwrap();
    let outcome = dir.clean("a.csv latin.csv -o - --concat --union");
    outcome.status(1).says("the name of column 2, \"\\xFC\", is not UTF-8");
}

#[test]
fn inputs_that_are_read_once_take_part_in_a_union() {
    let dir = three();
    let piped = b"note,id\nx,3\n";
    for sizes in [&[1][..], &[5, 2], &[100]] {
        let line = "clean a.csv - c.csv -o - --concat --union".split(' ');
        let outcome = dir.command(line).drip(piped, sizes);
        outcome.done().prints("id,city,note\n1,Ulm,\n2,Bonn,\n3,,x\n5,Kiel,\n");
        let line = "clean - a.csv --concat --union --dry-run".split(' ');
        let outcome = dir.command(line).drip(piped, sizes);
        assert!(outcome.done().stdout.contains("their union has 3 columns:"), "{}", outcome.stdout);
        assert!(
            outcome.stdout.contains("after:\n  note  id  city\n  x     3\n"),
            "{}",
            outcome.stdout
        );
    }
    let lines = "mkfifo pipe; (printf 'b,id\\n7,8\\n' >pipe) & manyhands clean a.csv pipe -o - --concat --intersect";
    dir.shell(lines).run().done().prints("id\n1\n2\n8\n");
    // One with the same columns by chance is cleaned like any other.
    let outcome =
        dir.command("clean a.csv - -o - --concat".split(' ')).input("id,city\n9,Hof\n").run();
    outcome.done().prints("id,city\n1,Ulm\n2,Bonn\n9,Hof\n");
}

#[test]
fn delimiters_encodings_and_archives_may_differ_in_a_union() {
    let dir = three().file("d.csv", "id;k\u{e9}y\n8;\"a,b\"\n");
    let utf16: Vec<u8> =
        "\u{feff}k\u{e9}y,id\r\nv,9\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(dir.path("e.csv"), utf16).unwrap();
    dir.clean("b.csv -o b.csv.gz").done();
    let outcome = dir.clean("a.csv b.csv.gz d.csv e.csv -o - --concat --union --delimiter auto");
    outcome.done().prints(
        "id,city,note,k\u{e9}y\n1,Ulm,,\n2,Bonn,,\n3,,x,\n4,,\"y,z\",\n8,,,\"a,b\"\n9,,,v\n",
    );
}

#[test]
fn a_table_takes_the_union_of_its_inputs() {
    let dir = three();
    dir.clean("a.csv b.csv -o sqlite:x.db --table t --union --types id=integer").done();
    dir.clean("a.csv b.csv c.csv -o sqlite:x.db --table t --union --types id=integer --resume")
        .done();
    // The table has these columns now, and all of these rows.
    let outcome = dir.clean("a.csv -o sqlite:x.db --table t --intersect --types id=integer");
    outcome.status(1);
    let outcome = dir.clean("a.csv b.csv -o sqlite:y.db --table t");
    outcome.status(1).says("error: b.csv: ");
}

#[test]
fn a_union_of_inputs_that_share_no_output_or_have_no_header_is_refused() {
    let dir = three();
    for line in
        ["a.csv b.csv -o out/ --union", "a.csv -o out.csv --intersect", "a.csv -o - --union"]
    {
        dir.clean(line).status(2).says("is for one output for all inputs").says("hint: --concat");
    }
    let outcome = dir.clean("a.csv b.csv -o out.csv --concat --union --no-header");
    outcome.status(2).says("hint: leave out --union or --no-header");
    dir.clean("a.csv b.csv -o out.csv --concat --union --intersect").status(2);
    assert_eq!(dir.names(), ["a.csv", "b.csv", "c.csv"]);
}

#[test]
fn an_input_whose_header_cannot_be_read_fails_as_without_a_union() {
    let dir = three().file("d.csv", "id,\"open\n1,2\n");
    for flag in ["", "--union", "--intersect"] {
        let outcome = dir.clean(&format!("a.csv missing.csv d.csv -o out.csv --concat {flag}"));
        outcome.status(1).says("error: missing.csv: cannot read it").says("error: d.csv: ");
        let outcome =
            dir.clean(&format!("a.csv missing.csv d.csv -o - --concat {flag} --skip-failed"));
        outcome.status(1).prints("id,city\n1,Ulm\n2,Bonn\n");
    }
}

#[test]
fn the_report_tells_how_headers_compare() {
    let dir = three();
    dir.clean("a.csv b.csv -o out.csv --concat --union --report r.json").done();
    let report: serde_json::Value = serde_json::from_str(&dir.read("r.json")).unwrap();
    let headers = &report["headers"];
    assert_eq!(headers["policy"], "union");
    assert_eq!(headers["columns"], serde_json::json!(["id", "city", "note"]));
    assert_eq!(headers["groups"][1]["first"], "b.csv");
    assert_eq!(headers["groups"][1]["missing"], serde_json::json!(["city"]));
    assert_eq!(headers["groups"][1]["more"], serde_json::json!(["note"]));
    dir.clean("a.csv -o one.csv --report s.json").done();
    let report: serde_json::Value = serde_json::from_str(&dir.read("s.json")).unwrap();
    assert!(report["headers"].is_null());
}
