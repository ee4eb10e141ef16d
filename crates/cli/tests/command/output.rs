//! The places of clean data, and what is never written over.

use std::os::unix::fs::symlink;

use crate::kit::Dir;

const TEXT: &str = "a,b\n1,2\n";

#[test]
fn one_input_to_a_file() {
    let dir = Dir::with(TEXT);
    dir.clean("in.csv -o out.csv").done().prints("").says("1 file, 1 row in, 1 out");
    assert_eq!(dir.read("out.csv"), TEXT);
    assert_eq!(dir.names(), ["in.csv", "out.csv"]);
}

#[test]
fn one_input_to_standard_output() {
    let dir = Dir::with(TEXT);
    dir.clean("in.csv -o -").done().prints(TEXT);
    assert_eq!(dir.names(), ["in.csv"]);
}

#[test]
fn standard_input_to_standard_output() {
    let dir = Dir::new();
    let outcome = dir.command(["clean", "-", "-o", "-"]).input(TEXT).run();
    outcome.done().prints(TEXT).says("1 file, 1 row in, 1 out");
}

#[test]
fn standard_input_is_read_twice_if_the_steps_need_it() {
    let dir = Dir::new();
    let arguments = ["clean", "-", "-o", "-", "--derive", "b = a / max(a)"];
    dir.command(arguments).input("a\n1\n2\n").run().done().prints("a,b\n1,0.5\n2,1.0\n");
}

#[test]
fn one_input_to_a_directory_with_a_trailing_slash_which_is_made() {
    let dir = Dir::with(TEXT);
    dir.clean("in.csv -o new/deep/").done();
    assert_eq!(dir.read("new/deep/cleaned_in.csv"), TEXT);
}

#[test]
fn one_input_to_a_directory_that_exists() {
    let dir = Dir::with(TEXT).file("out/other", "");
    dir.clean("in.csv -o out").done();
    assert_eq!(dir.names(), ["in.csv", "out/cleaned_in.csv", "out/other"]);
}

#[test]
fn several_inputs_to_a_directory_which_is_made() {
    let dir = Dir::with(TEXT).file("b.csv", "a\n3\n");
    dir.clean("in.csv b.csv -o out").done().says("2 files, 2 rows in, 2 out");
    assert_eq!(dir.read("out/cleaned_in.csv"), TEXT);
    assert_eq!(dir.read("out/cleaned_b.csv"), "a\n3\n");
}

#[test]
fn a_directory_and_a_pattern_are_several_inputs() {
    for input in ["data", "data/*.csv", "data/[a-b].csv", "data/?.csv", "d*/**/*.csv"] {
        let dir = Dir::new().file("data/a.csv", TEXT).file("data/b.csv", TEXT);
        let dir = dir.file("data/readme.txt", "no data");
        dir.run(["clean", input, "-o", "out"]).done();
        assert_eq!(
            dir.names(),
            [
                "data/a.csv",
                "data/b.csv",
                "data/readme.txt",
                "out/cleaned_a.csv",
                "out/cleaned_b.csv"
            ],
            "{input}"
        );
    }
}

#[test]
fn a_directory_gives_csv_tsv_and_tab_files() {
    let dir = Dir::new().file("d/a.csv", "x,y\n1,2\n").file("d/b.tsv", "x\ty\n1\t2\n");
    let dir = dir.file("d/c.tab", "x\ty\n3\t4\n");
    dir.clean("d -o out --select y").done();
    assert_eq!(dir.read("out/cleaned_a.csv"), "y\n2\n");
    assert_eq!(dir.read("out/cleaned_b.tsv"), "y\n2\n");
    assert_eq!(dir.read("out/cleaned_c.tab"), "y\n4\n");
}

#[test]
fn name_is_a_template() {
    let dir = Dir::with(TEXT);
    dir.clean("in.csv -o out/ --name {stem}-clean.{ext}").done();
    dir.clean("in.csv -o out/ --name x_{name}").done();
    assert_eq!(dir.names(), ["in.csv", "out/in-clean.csv", "out/x_in.csv"]);
}

#[test]
fn out_delimiter() {
    let dir = Dir::with("a,b\n1,x;y\n");
    dir.run(["clean", "in.csv", "-o", "-", "--out-delimiter", ";"])
        .done()
        .prints("a;b\n1;\"x;y\"\n");
    dir.clean("in.csv -o - --out-delimiter tab").done().prints("a\tb\n1\tx;y\n");
}

#[test]
fn an_output_that_exists_is_kept_unless_forced() {
    let dir = Dir::with(TEXT).file("out.csv", "mine");
    dir.clean("in.csv -o out.csv").status(2).says("error: ").says("--force");
    assert_eq!(dir.read("out.csv"), "mine");
    dir.clean("in.csv -o out.csv --force").done();
    assert_eq!(dir.read("out.csv"), TEXT);
}

#[test]
fn one_output_that_exists_stops_all_before_any_work() {
    let dir = Dir::with(TEXT).file("b.csv", TEXT).file("out/cleaned_b.csv", "mine");
    dir.clean("in.csv b.csv -o out").status(2);
    assert_eq!(dir.names(), ["b.csv", "in.csv", "out/cleaned_b.csv"]);
    assert_eq!(dir.read("out/cleaned_b.csv"), "mine");
}

#[test]
fn an_input_is_never_written_over() {
    let dir = Dir::with(TEXT);
    symlink(dir.path("in.csv"), dir.path("link.csv")).unwrap();
    std::fs::hard_link(dir.path("in.csv"), dir.path("hard.csv")).unwrap();
    for line in [
        "in.csv -o in.csv --force",
        "in.csv -o ./in.csv --force",
        "in.csv -o link.csv --force",
        "link.csv -o in.csv --force",
        "in.csv -o hard.csv --force",
        "in.csv -o . --name {name} --force",
    ] {
        dir.clean(line).status(2).says("in.csv");
        assert_eq!(dir.read("in.csv"), TEXT, "{line}");
    }
    assert_eq!(dir.names(), ["hard.csv", "in.csv", "link.csv"]);
}

#[test]
fn a_link_is_written_through_to_where_it_leads() {
    let dir = Dir::with("a,b\n1,2\n3\n").file("store/old.csv", "old").file("b.csv", TEXT);
    let link = |to: &str, name: &str| symlink(to, dir.path(name)).unwrap();
    link("store/new.csv", "new.csv");
    link("store/old.csv", "old.csv");
    link("store/bad.csv", "new.csv.rejects.csv");
    link("store/report.json", "report.json");
    dir.clean("in.csv -o new.csv --report report.json").done();
    assert_eq!(dir.read("store/new.csv"), TEXT);
    assert!(dir.read("store/bad.csv").contains("ragged"));
    assert!(dir.read("store/report.json").contains("\"new.csv\""));
    dir.clean("in.csv -o old.csv")
        .status(2)
        .says("error: old.csv exists\nhint: --force replaces it");
    dir.clean("in.csv -o old.csv --force").done();
    assert_eq!(dir.read("store/old.csv"), TEXT);
    for name in ["new.csv", "old.csv", "new.csv.rejects.csv", "report.json"] {
        assert!(dir.path(name).is_symlink(), "{name}");
    }
    // Targets that cannot be written are errors before any work.
    link("no/where.csv", "lost.csv");
    link("no/where.json", "lost.json");
    link("ring.csv", "ring.csv");
    link("cleaned_b.csv", "store/cleaned_in.csv");
    link("third.json", "second.json");
    dir.clean("in.csv -o lost.csv").status(2).says("lost.csv is a link to no/where.csv");
    dir.clean("in.csv -o ring.csv").status(2).says("cannot write ring.csv: Too many");
    dir.clean("in.csv -o out/ --report lost.json").status(2).says("there is no directory no for");
    dir.clean("in.csv b.csv -o store --force").status(2).says("would both be written to");
    dir.clean("in.csv -o third.json --report second.json").status(2).says("cannot be the report");
}

#[test]
fn two_inputs_of_one_name_are_refused() {
    let dir = Dir::new().file("1/a.csv", TEXT).file("2/a.csv", TEXT);
    dir.clean("1/a.csv 2/a.csv -o out").status(2).says("1/a.csv").says("2/a.csv");
    dir.clean("1/a.csv 1/a.csv -o out").status(2);
    assert_eq!(dir.names(), ["1/a.csv", "2/a.csv"]);
}

#[test]
fn rejects_go_beside_the_output_or_where_they_are_wanted() {
    let dir = Dir::with("a,b\n1,2\n3\n");
    let expected = "file,line,offset,step,column,reason,record\nin.csv,3,8,read,,\"ragged: 1 field, the header has 2\",3\n";
    dir.clean("in.csv -o out.csv").done().says("rejected: 1 record in out.csv.rejects.csv\n");
    assert_eq!(dir.read("out.csv.rejects.csv"), expected);
    dir.clean("in.csv -o b.csv --rejects bad/of/today").done();
    assert_eq!(dir.read("bad/of/today/b.csv.rejects.csv"), expected);
    dir.clean("in.csv -o - --rejects bad").done().prints("a,b\n1,2\n");
    assert_eq!(dir.read("bad/in.csv.rejects.csv"), expected);
    dir.clean("in.csv -o c.csv --on-ragged pad").done();
    assert!(!dir.path("c.csv.rejects.csv").exists());
}

#[test]
fn a_device_is_written_directly() {
    let dir = Dir::with(TEXT);
    dir.clean("in.csv -o /dev/null").done();
    dir.clean("in.csv -o /dev/stdout").done().prints(TEXT);
}

#[test]
fn a_name_may_be_as_long_as_names_can_be() {
    let name = format!("{}.csv", "n".repeat(243));
    let dir = Dir::new().file(&name, "a,b\n1,2\n3\n");
    // Its rejects would have a longer name than there can be.
    let outcome = dir.clean(&format!("{name} -o out/"));
    outcome.status(1).says(&format!("cannot write out/cleaned_{name}.rejects.csv: "));
    dir.clean(&format!("{name} -o out/ --on-ragged pad")).done();
    assert_eq!(dir.read(&format!("out/cleaned_{name}")), "a,b\n1,2\n3,\n");
}
