use crate::kit::*;

#[test]
fn the_name_of_an_output_decides_its_format() {
    let dir = Dir::with("a,b\n1,\"x,y\"\n").file("t.tsv", "a\tb\n1\tx,y\n");
    for name in ["out.tsv", "out.TAB"] {
        dir.clean(&format!("in.csv -o {name}")).done();
        assert_eq!(dir.read(name), "a\tb\n1\t\"x,y\"\n");
        // It is read as it was written.
        dir.clean(&format!("{name} -o - --select b --out-delimiter ,"))
            .done()
            .prints("b\n\"x,y\"\n");
    }
    dir.clean("in.csv -o out.tsv.gz").done();
    dir.clean("out.tsv.gz -o - --select a").done().prints("a\n1\n");
    dir.clean("t.tsv -o t.csv").done();
    assert_eq!(dir.read("t.csv"), "a,b\n1,\"x,y\"\n");
    dir.clean("t.tsv -o t.txt").done();
    assert_eq!(dir.read("t.txt"), "a\tb\n1\tx,y\n");
    dir.clean("in.csv t.tsv -o many --name {stem}.tab").done();
    assert_eq!(dir.read("many/in.tab"), "a\tb\n1\t\"x,y\"\n");
    assert_eq!(dir.read("many/t.tab"), "a\tb\n1\tx,y\n");
    dir.clean("in.csv t.tsv -o all.tsv --concat").done();
    assert_eq!(dir.read("all.tsv"), "a\tb\n1\t\"x,y\"\n1\tx,y\n");
    dir.clean("t.tsv in.csv -o all.csv --concat").done();
    assert_eq!(dir.read("all.csv"), "a,b\n1,\"x,y\"\n1,\"x,y\"\n");
    // A flag decides the delimiter of names that do not: files called .csv have many delimiters.
    dir.run(["clean", "t.tsv", "-o", "s.csv", "--out-delimiter", ";"]).done();
    assert_eq!(dir.read("s.csv"), "a;b\n1;x,y\n");
    dir.run(["clean", "s.csv", "-o", "s2.csv", "--delimiter", ";"]).done();
    assert_eq!(dir.read("s2.csv"), "a;b\n1;x,y\n");
}

#[cfg(feature = "parquet")]
#[test]
fn a_name_of_parquet_makes_parquet() {
    let dir = Dir::with("a,b\n1,2\n");
    dir.clean("in.csv -o out.parquet").done();
    dir.clean("in.csv -o out/ --name {stem}.parquet").done();
    for name in ["out.parquet", "out/in.parquet"] {
        assert!(std::fs::read(dir.path(name)).unwrap().starts_with(b"PAR1"), "{name}");
    }
    dir.clean("in.csv in.csv -o all.parquet --concat").status(2).says("hint: -o DIR/");
}

#[test]
fn formats_of_other_programs_are_refused_and_what_there_is_is_listed() {
    let dir = Dir::with("a,b\n1,2\n");
    for name in [
        "out.xlsx",
        "out.json",
        "out.jsonl.gz",
        "out.db",
        "out.sqlite",
        "out.csv.bz2",
        "out.md",
        "out.sql",
    ] {
        let outcome = dir.clean(&format!("in.csv -o {name}"));
        outcome.status(2).says(&format!("error: {name}: .")).says("files are not written");
        outcome.says("hint: outputs are .csv, .tsv and .tab files");
    }
    dir.clean("in.csv -o out/ --name {stem}.json").status(2).says("out/in.json: .json files");
    dir.clean("in.csv in.csv -o all.xlsx --concat").status(2).says(".xlsx files are not written");
    for name in [
        "s3://b/k.csv",
        "gs://b/k.csv",
        "https://h/k.csv",
        "mysql://h/d",
        "duckdb:x",
        "jdbc:postgresql://h/",
        "my_scheme://h/",
        "1x://h/",
    ] {
        let outcome = dir.clean(&format!("in.csv -o {name}"));
        outcome
            .status(2)
            .says(&format!("error: {name}: nothing is written to "))
            .says("hint: outputs");
    }
    dir.clean("in.csv -o file:///tmp/x.csv").status(2).says("hint: -o /tmp/x.csv");
    assert_eq!(dir.names(), ["in.csv"]);
    // A path that begins as one is no address.
    dir.clean("in.csv -o ./1x://h/").done();
    assert_eq!(dir.names(), ["1x:/h/cleaned_in.csv", "in.csv"]);
}

#[test]
fn settings_that_contradict_the_name_of_an_output_are_refused() {
    let dir = Dir::with("a,b\n1,2\n");
    for line in [
        "in.csv -o x.parquet --format csv",
        "in.csv -o x.csv --format parquet",
        "in.csv -o x.tsv.gz --format parquet",
        "in.csv -o x.tsv --out-delimiter ;",
        "in.csv -o x.parquet --out-delimiter ;",
    ] {
        dir.clean(line).status(2).says("leave out --");
    }
    for line in [
        "in.csv -o x.psv",
        "in.csv -o x.psv --out-delimiter ;",
        "in.csv -o x.psv --delimiter | --out-delimiter ,",
    ] {
        let outcome = dir.clean(line);
        outcome.status(2).says("x.psv: the name says that bars divide").says("--out-delimiter '|'");
    }
    dir.clean("in.csv in.csv -o all.csv").status(2).says("hint: -o DIR/, or --concat");
    assert_eq!(dir.names(), ["in.csv"]);
    dir.clean("in.csv -o x.psv --out-delimiter |").done();
    assert_eq!(dir.read("x.psv"), "a|b\n1|2\n");
    dir.clean("x.psv -o y.psv --delimiter |").done();
    assert_eq!(dir.read("y.psv"), "a|b\n1|2\n");
}

#[test]
fn inputs_are_not_fetched_and_a_hint_says_how() {
    let dir = Dir::with("a,b\n1,2\n");
    let outcome = dir.clean("in.csv https://example.org/a.csv -o out/");
    outcome.status(2).says("error: https://example.org/a.csv is not fetched: inputs are files");
    outcome.says("curl -L https://example.org/a.csv | manyhands clean -");
    let outcome = dir.clean("https://example.org/a?b=1&c=*.csv -o out/");
    outcome.status(2).says("curl -L 'https://example.org/a?b=1&c=*.csv' | manyhands clean -");
    for address in ["https://example.org/a?b=1", "https://example.org/[a].csv", "HTTPS://h/a.csv"] {
        for output in ["out.csv", "out/", "-"] {
            let outcome = dir.clean(&format!("{address} -o {output}"));
            outcome.status(2).says(&format!("error: {address} is not fetched: inputs are files"));
            outcome.says("as in: curl -L ");
        }
    }
    dir.clean("FILE:///x.csv -o -").status(2).says("its path is /x.csv");
    dir.clean("s3://b/k.csv -o -").status(2).says("aws s3 cp s3://b/k.csv - | manyhands clean -");
    dir.clean("file:///x.csv -o -").status(2).says("its path is /x.csv");
    assert_eq!(dir.names(), ["in.csv"]);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_database_that_would_keep_nothing_is_refused() {
    let dir = Dir::with("a,b\n1,2\n");
    for address in [
        ":memory:",
        "",
        "file:x?mode=memory",
        "file:x.db",
        "x.db?mode=memory",
        "//x.db",
        "/dev/null",
        "/dev/",
    ] {
        let outcome = dir.clean(&format!("in.csv -o sqlite:{address} --table t"));
        outcome.status(2).says("error: ");
    }
    dir.clean("in.csv -o sqlite: --table t").status(2).says("hint: -o sqlite:shop.db");
    dir.clean("in.csv -o sqlite:a.db --table manyhands_files").status(2).says("takes no rows");
    assert_eq!(dir.names(), ["in.csv"]);
}

#[cfg(feature = "postgres")]
#[test]
fn an_address_of_a_server_names_host_and_database() {
    let dir = Dir::with("a,b\n1,2\n");
    for (address, told) in [
        ("postgresql://me:secret@host", "it names no database"),
        ("postgresql://me:secret@host/", "it names no database"),
        ("postgresql:///db", "it names no host"),
        ("postgres://host/db?no=1", "no"),
    ] {
        let outcome = dir.clean(&format!("in.csv -o {address} --table t"));
        outcome.status(2).says(told).says("hint: an address is postgresql://USER@HOST/DATABASE");
        assert!(!outcome.stderr.contains("secret"), "{outcome:?}");
    }
    let table = format!("in.csv -o postgresql://me@host/db --table {}", "t".repeat(64));
    dir.clean(&table).status(2).says("at most 63 bytes");
}

#[cfg(feature = "sqlite")]
#[test]
fn columns_that_a_table_cannot_have_fail_their_file_only() {
    let wide: Vec<String> = (0..2001).map(|number| format!("c{number}")).collect();
    let dir = Dir::with("a,b\n1,2\n")
        .file("case.csv", "A,a\n1,2\n")
        .file("nul.csv", "a\0,b\n1,2\n")
        .file("wide.csv", wide.join(",") + "\n");
    let outcome = dir.clean("nul.csv case.csv wide.csv in.csv -o sqlite:a.db --table t");
    outcome.status(1).says("4 files (3 failed), 1 row in, 1 out");
    outcome.says("error: nul.csv: column 1 is called \"a\\0\": names of SQLite have no zero bytes");
    outcome.says(
        "error: case.csv: column 2 is called \"a\": for SQLite that is the same name as \"A\"",
    );
    outcome.says("error: wide.csv: it has 2001 columns").says("at most 2000");
    outcome.says("hint: a step can rename it");
}
