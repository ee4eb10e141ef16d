//! The frame of a table: headers of several records, given names, lines up to a pattern, footers.

use crate::kit::Dir;

/// A big file whose records are cut into many chunks.
fn long(header: &str) -> String {
    let rows: String = (0..600_000).map(|row| format!("{row},x{row}\n")).collect();
    format!("{header}{rows}")
}

#[test]
fn a_header_of_several_records_is_joined_column_by_column() {
    let dir = Dir::with("Item,Price,\n,EUR,USD\npen,1,2\n");
    dir.clean("in.csv -o - --header-lines 2 --quiet")
        .done()
        .prints("Item,Price EUR,USD\npen,1,2\n");
    dir.clean("in.csv -o a.csv --header-lines 2 -v").done().says("header: 2 records, joined");
    dir.clean("in.csv --header-lines 2 --dry-run").done();
    dir.clean("in.csv -o - --header-lines 3").done().prints("Item pen,Price EUR 1,USD 2\n");
    dir.clean("in.csv -o - --header-lines 4")
        .status(1)
        .says("a header of 4 records is asked for, and the file ends after 3 records")
        .says("--header-lines");
}

#[test]
fn a_header_of_no_records_is_none() {
    let dir = Dir::with("1,2\n3,4\n");
    for flags in ["--header-lines 0", "--no-header", "--header-lines 0 --no-header"] {
        dir.clean(&format!("in.csv -o - --quiet {flags} --select column_2"))
            .done()
            .prints("2\n4\n");
    }
}

#[test]
fn given_names_replace_those_of_the_header_or_name_a_file_without_one() {
    let dir = Dir::with("a,b\n1,2\n");
    let quiet = "in.csv -o - --quiet";
    dir.clean(&format!("{quiet} --names id,v --select v")).done().prints("v\n2\n");
    dir.clean(&format!("{quiet} --names id,v --no-header")).done().prints("id,v\na,b\n1,2\n");
    dir.run(["clean", "in.csv", "-o", "-", "--quiet", "--names", "id,\"v, w\""])
        .done()
        .prints("id,\"v, w\"\n1,2\n");
    dir.clean("in.csv -o x.csv --names id,v,w")
        .status(1)
        .says("3 names are given (\"id\", \"v\", \"w\"), and the header has 2 fields");
    dir.clean("in.csv -o x.csv --names id,v --no-header -v").done().says("names: as set\n");
    dir.clean("in.csv -o y.csv --names id,v -v").done().says("names: as set, instead of those in");
    let dir = Dir::new().file("in.csv", "");
    dir.clean("in.csv -o - --names id,v").done().prints("").says("the file is empty");
}

#[test]
fn lines_are_skipped_up_to_the_first_that_matches() {
    let dir = Dir::with("id list\nmade by \"hand\n\nid,v\n1,2\n");
    dir.clean("in.csv -o - --skip-until ^id, --quiet").done().prints("id,v\n1,2\n");
    dir.clean("in.csv -o - --skip-until id --skip-lines 1 --quiet").done().prints("id,v\n1,2\n");
    dir.clean("in.csv -o - --skip-until ^1 --no-header --quiet").done().prints("1,2\n");
    dir.clean("in.csv -o x.csv --skip-until ^id, -v --report r.json")
        .done()
        .says("skipped: 3 lines, up to the first that matches `^id,`");
    assert!(dir.read("r.json").contains("\"skip_lines\": 3"), "{}", dir.read("r.json"));
    dir.clean("in.csv -o y.csv --skip-until ^ID")
        .status(1)
        .says("no line of it matches `^ID`")
        .says("it begins with \"id list\", \"made by \\\"hand\", \"id,v\"");
    dir.clean("in.csv --dry-run --skip-until ^ID").status(1).says("no line of it matches `^ID`");
}

#[test]
fn a_pattern_is_looked_for_before_the_delimiter_is_chosen() {
    let dir = Dir::with("a, b, c and d, e\nx;y\n1;2\n3;4\n");
    let flags = "in.csv -o - --delimiter auto --quiet --skip-until";
    dir.clean(&format!("{flags} ^x")).done().prints("x;y\n1;2\n3;4\n");
    dir.clean(&format!("{flags} ^none")).status(1).says("matches `^none`");
    let dir = Dir::with("title\nsep=|\nx|y\n1|2\n");
    dir.clean(&format!("{flags} ^sep")).done().prints("x|y\n1|2\n");
}

#[test]
fn frames_of_big_files_and_streams_are_those_of_small_ones() {
    let dir = Dir::new().file("in.csv", long("title\nk,\n,v\n"));
    let flags = "--skip-until ^k --header-lines 2 --filter k=599999 --quiet";
    let expected = "k,v\n599999,x599999\n";
    dir.clean(&format!("in.csv -o - {flags}")).done().prints(expected);
    let text = dir.read("in.csv");
    let arguments = ["clean", "-", "-o", "-", "--quiet", "--skip-until", "^k", "--header-lines=2"];
    let outcome = dir.command(arguments.into_iter().chain(["--filter", "k = 599999"]));
    outcome.drip(text.as_bytes(), &[65_536]).done().prints(expected);
    let given = "--skip-lines 3 --no-header --names k,v --derive m=max(k) --filter k=m --quiet";
    dir.clean(&format!("in.csv -o - {given}")).done().prints("k,v,m\n599999,x599999,599999\n");
    dir.clean("in.csv -o - --skip-until ^none --max-record 1K")
        .status(1)
        .says("no line of its first 1,024 bytes matches `^none`");
}

#[test]
fn a_footer_is_dropped_and_counted_and_takes_part_in_nothing() {
    let dir = Dir::with("k,v\na,1\nb,3\n\nTotal,100\nas of May\n");
    let flags = "in.csv -o - --derive m=max(v) --quiet";
    for footer in ["2", "Total"] {
        dir.clean(&format!("{flags} --footer {footer}")).done().prints("k,v,m\na,1,3\nb,3,3\n");
        dir.clean(&format!("in.csv -o x.csv -v --force --report r.json --footer {footer}"))
            .done()
            .says("read: 2 rows footer\n");
        assert!(dir.read("r.json").contains("\"rows_in\": 4"), "{}", dir.read("r.json"));
    }
    dir.clean("in.csv --dry-run --footer 2 --on-ragged fail").done();
    dir.clean("in.csv -o y.csv -v --footer 2").done().says("footer: the last 2 records");
    dir.clean("in.csv -o z.csv --footer 1001").status(2).says("a footer has at most 1000 records");
    dir.clean("in.csv in.csv --concat -o all.csv --footer ^Total").done();
    assert_eq!(dir.read("all.csv"), "k,v\na,1\nb,3\n\n".replace("\n\n", "\n") + "a,1\nb,3\n");
}

#[test]
fn footers_of_big_files_and_streams_are_those_of_small_ones() {
    let text = long("k,v\n") + "Total,x\n\nas of May\n600001,y\n600002,z\n";
    let dir = Dir::new().file("in.csv", &text);
    let expected = "k,v,m\n599999,x599999,599999\n";
    for footer in ["4", "Total", "[T]otal"] {
        let steps =
            ["--on-bad=fail", "--on-ragged=fail", "--types=k=integer", "--filter=k > 599998"];
        let of = |input: &'static str, last: &'static str| {
            let flags = ["clean", input, "-o", "-", "--quiet", "--footer", footer, last];
            flags.into_iter().chain(steps).collect::<Vec<_>>()
        };
        let dir_run = dir.run(of("in.csv", "--derive=m=max(k)"));
        dir_run.done().prints(expected);
        let outcome = dir.command(of("-", "--trim=all")).drip(text.as_bytes(), &[65_536]);
        outcome.done().prints("k,v\n599999,x599999\n");
    }
}

#[test]
fn inputs_with_other_headers_share_an_output_by_given_names() {
    let dir = Dir::new().file("1.csv", "a,b\n1,2").file("2.csv", "c,d\n3,4\n");
    let dir = dir.file("3.csv", "5,6\n");
    dir.clean("1.csv 2.csv --concat -o x.csv --names k,v").done();
    assert_eq!(dir.read("x.csv"), "k,v\n1,2\n3,4\n");
    dir.clean("3.csv 3.csv --concat -o y.csv --names k,v --no-header").done();
    assert_eq!(dir.read("y.csv"), "k,v\n5,6\n5,6\n");
}

#[test]
fn a_frame_is_part_of_a_saved_recipe_and_of_what_a_run_resumes() {
    let dir = Dir::with("title\na,b\n,c\n1,2\n");
    let typed = "--skip-until ^a --header-lines 2 --names k,v";
    dir.clean(&format!("in.csv -o - {typed} --save-recipe r.toml --quiet")).done();
    for line in ["skip_until = \"^a\"", "header_lines = 2", "names = ["] {
        assert!(dir.read("r.toml").contains(line), "{}", dir.read("r.toml"));
    }
    dir.clean("in.csv -o - --recipe r.toml --quiet").done().prints("k,v\n1,2\n");
    dir.clean("in.csv -o out/ --recipe r.toml").done();
    dir.clean("in.csv -o out/ --recipe r.toml --resume").done().says("(1 done before)");
    dir.clean("in.csv -o out/ --recipe r.toml --resume --names k,w")
        .status(1)
        .says("was made by another recipe or with other settings");
}

#[test]
fn settings_that_contradict_each_other_are_refused_before_anything_is_written() {
    let dir = Dir::with("a,b\n1,2\n");
    for (flags, message) in [
        ("--no-header --header-lines 2", "--header-lines or --no-header, not both"),
        ("--header-lines 101", "at most 100 records"),
        ("--names a,a", "the name \"a\" is given to two columns"),
        ("--skip-until (", "unclosed group"),
    ] {
        dir.clean(&format!("in.csv -o x.csv {flags}")).status(2).says(message);
    }
    assert_eq!(dir.names(), ["in.csv"]);
}
