//! Bad cells, ragged records and missing columns: rejected, changed or an error, as the user chooses.

use crate::kit::Dir;

const BAD: &str = "id,v\n1,2\n2,two\n3,4\n";

#[test]
fn on_bad() {
    let dir = Dir::with(BAD);
    let line = |rule: &str| format!("in.csv -o - --types v=number --on-bad {rule}");
    dir.clean("in.csv -o - --types v=number").done().prints("id,v\n1,2\n3,4\n");
    dir.clean(&line("reject"))
        .done()
        .prints("id,v\n1,2\n3,4\n")
        .says("2 out, 1 rejected, 0 dropped");
    dir.clean(&line("null")).done().prints("id,v\n1,2\n2,\n3,4\n").says("3 out, 0 rejected");
    dir.clean(&line("fail").replace("-o -", "-o out.csv"))
        .status(1)
        .says("error: in.csv: ")
        .says("line 3");
    assert_eq!(dir.names(), ["in.csv"]);
}

#[test]
fn on_bad_is_about_cells_that_a_step_reads() {
    let dir = Dir::with(BAD);
    dir.run(["clean", "in.csv", "-o-", "--derive", "w = v * 2", "--on-bad", "null"])
        .done()
        .prints("id,v,w\n1,2,4\n2,two,\n3,4,8\n");
    dir.clean("in.csv -o out.csv --filter v<3").done();
    assert_eq!(dir.read("out.csv"), "id,v\n1,2\n");
    assert_eq!(
        dir.read("out.csv.rejects.csv"),
        "file,line,offset,step,column,reason,record\nin.csv,3,9,1 filter,v,not a number,\"2,two\"\n"
    );
}

#[test]
fn on_ragged() {
    let dir = Dir::with("a,b\n1\n2,3,\n4,5,6\n7,8\n");
    dir.clean("in.csv -o -").done().prints("a,b\n7,8\n").says("4 rows in, 1 out, 3 rejected");
    dir.clean("in.csv -o - --on-ragged pad")
        .done()
        .prints("a,b\n1,\n2,3\n7,8\n")
        .says("1 rejected");
    dir.clean("in.csv -o out.csv --on-ragged fail")
        .status(1)
        .says("error: in.csv: ")
        .says("line 2");
    assert_eq!(dir.names(), ["in.csv"]);
}

#[test]
fn missing_column() {
    let dir = Dir::with("a\n1\n");
    dir.clean("in.csv -o out.csv --fill v=0.0").status(1).says("no column \"v\"");
    assert_eq!(dir.names(), ["in.csv"]);
    let outcome = dir.clean("in.csv -o - --fill v=0.0 --missing-column null");
    outcome.done().prints("a,v\n1,0.0\n").says("warning: in.csv: ");
    dir.clean("in.csv -o - --fill v=0.0 --missing-column error").status(1);
}

#[test]
fn a_file_without_the_column_fails_alone() {
    let dir = Dir::new().file("a.csv", "valeu\n1\n").file("b.csv", "value\n1\n600\n");
    let outcome = dir.run(["clean", "a.csv", "b.csv", "-o", "out", "--filter", "value <= 500"]);
    outcome.status(1).says("2 files (1 failed), 2 rows in, 1 out, 0 rejected, 1 dropped");
    outcome.says("error: a.csv: ").says("did you mean");
    assert_eq!(dir.names(), ["a.csv", "b.csv", "out/cleaned_b.csv"]);
}

#[test]
fn max_rejects() {
    let dir = Dir::with("a,b\n1\n2\n3,4\n5,6\n");
    for limit in ["2", "50%", "100%"] {
        dir.run(["clean", "in.csv", "-o-", "--max-rejects", limit])
            .done()
            .prints("a,b\n3,4\n5,6\n");
    }
    for limit in ["1", "0", "49.9%", "0%"] {
        let outcome = dir.run(["clean", "in.csv", "-o", "out.csv", "--max-rejects", limit]);
        outcome.status(1).says("error: in.csv: ").says("--max-rejects");
        assert_eq!(dir.names(), ["in.csv", "out.csv.rejects.csv"], "{limit}");
    }
}

#[test]
fn strict() {
    let dir = Dir::with("a,b\n1\n3,4\n");
    let outcome = dir.clean("in.csv -o out.csv --strict");
    outcome.status(1).says("error: 1 record was rejected, and --strict allows none");
    assert_eq!(dir.read("out.csv"), "a,b\n3,4\n");
    dir.clean("in.csv -o b.csv --strict --on-ragged pad").done();
}

#[test]
fn an_unterminated_quote_rejects_the_last_record() {
    let dir = Dir::with("a\n1\n\"2\n3\n");
    dir.clean("in.csv -o out.csv").done().says("1 rejected");
    assert_eq!(dir.read("out.csv"), "a\n1\n");
    assert!(dir.read("out.csv.rejects.csv").contains("unterminated quote"));
}

#[test]
fn a_file_that_does_not_fit_fails_with_place_reason_and_advice() {
    let dir = Dir::with(BAD).file("short.csv", "a,b\n1,2\n3\n");
    let outcome = dir.clean("in.csv -o out.csv --trim all --types v=number --on-bad fail");
    outcome.status(1).says(
        "error: in.csv: line 3: step 2 (types): column \"v\": \"two\" is not a number\n\
         hint: --on-bad reject rejects such records, --on-bad null takes such cells for empty\n",
    );
    let outcome = dir.clean("short.csv -o out.csv --on-ragged fail");
    outcome.status(1).says(
        "error: short.csv: line 3: a record with 1 field; the header has 2\n\
         hint: --on-ragged reject rejects such records, --on-ragged pad fills them up\n",
    );
    // Nothing fills up a long one.
    let dir = dir.file("long.csv", "a,b\n1,2,3\n");
    let outcome = dir.clean("long.csv -o out.csv --no-header --on-ragged fail");
    outcome.status(1).says(
        "error: long.csv: line 2: a record with 3 fields; the first record has 2\n\
         hint: --on-ragged reject rejects such records\n",
    );
}

#[test]
fn the_report_has_kind_and_place_of_an_error_as_data() {
    let dir = Dir::with(BAD);
    let line = |steps: &str| format!("in.csv -o out.csv --report r.json --force {steps}");
    let error_of = |steps: &str| {
        dir.clean(&line(steps)).status(1);
        let report: serde_json::Value = serde_json::from_str(&dir.read("r.json")).unwrap();
        let file = report["files"][0].clone();
        (file["error_kind"].clone(), file["error_place"].clone())
    };
    let (kind, place) = error_of("--trim all --types v=number --on-bad fail");
    assert_eq!(kind, "cell");
    let (at, step) = ((&place["line"], &place["byte"]), (&place["step"], &place["step_name"]));
    assert_eq!(at, (&3.into(), &9.into()));
    assert_eq!((step, &place["column"]), ((&2.into(), &"types".into()), &"v".into()));
    let (kind, place) = error_of("--select none");
    assert_eq!((kind, &place["step"]), ("recipe".into(), &1.into()));
    dir.clean(&line("--trim all")).status(0);
    let report: serde_json::Value = serde_json::from_str(&dir.read("r.json")).unwrap();
    assert!(report["files"][0]["error_kind"].is_null());
}

#[test]
fn an_output_that_exists_is_an_error_of_one_kind_whoever_finds_it() {
    let dir = Dir::with("v\n1\n").file("b.csv", "v\n2\n");
    let job = "in.csv b.csv -o out/ --report r.json --resume";
    dir.clean(job).done();
    let kinds = |dir: &Dir| {
        dir.clean(job).status(1);
        let report: serde_json::Value = serde_json::from_str(&dir.read("r.json")).unwrap();
        [0, 1].map(|file| report["files"][file]["error_kind"].clone())
    };
    // One was changed after it was made, of the other nothing is noted.
    let dir = dir.file("out/cleaned_in.csv", "v\n3\n");
    assert_eq!(kinds(&dir), ["exists".into(), serde_json::Value::Null]);
    let dir = dir.file("out/cleaned_b.csv", "v\n3\n").file("out/.manyhands.jsonl", "");
    assert_eq!(kinds(&dir), ["exists", "exists"]);
}
