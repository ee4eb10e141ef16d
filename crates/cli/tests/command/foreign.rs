//! Files that are no CSV in the encoding they are taken for: known by their first bytes, and told.

use crate::compressed::gzip;
use crate::kit::Dir;

/// Some first bytes of files of each kind, and what is said of them.
fn foreign() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let zip = |name: &str| [b"PK\x03\x04", &[0; 26][..], name.as_bytes(), &[b'x'; 99]].concat();
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let quads = |text: &str| text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    vec![
        (zip("xl/workbook.xml"), "an Excel file", "save the sheet as CSV"),
        (zip("a.csv"), "a ZIP archive", "unzip -p"),
        (b"BZh91AY&SY\xfb\x84\x97".to_vec(), "a bzip2 archive", "bzip2 -dc"),
        (b"\xFD7zXZ\0\0\x04\xe6".to_vec(), "an xz archive", "xz -dc"),
        (b"PAR1\x15\x04\x15\x10".to_vec(), "a Parquet file", "export it as CSV"),
        (b"SQLite format 3\0\x10\0".to_vec(), "an SQLite database", "sqlite3 -csv"),
        (b"%PDF-1.7\n%\xe2\xe3".to_vec(), "a PDF document", "extract"),
        (b"\n <!doctype HTML>\n<html></html>\n".to_vec(), "an HTML page", "CSV"),
        (wide("id,name\r\n1,Zoe\r\n2,Bob\r\n"), "it looks like UTF-16LE", "--encoding utf-16le"),
        (quads("id,name\n1,x\n"), "no decoder for the encoding \"UTF-32LE\"", "iconv -f UTF-32LE"),
        (quads("\u{feff}id,name\n1,x\n"), "\"UTF-32LE\"", "iconv"),
        (vec![0; 5_000], "it is not a text file", "--encoding"),
        (b"<!-- x -->\n\t<html>\n<p>a,b\n".to_vec(), "an HTML page", "CSV"),
        (b"{\"a\": 1}\n{\"a\": 2}\n".to_vec(), "a file of JSON lines", "export it as CSV"),
        (b"[\n  {\"a\": 1},\n  {\"a\": 2}\n]\n".to_vec(), "a JSON array", "export it as CSV"),
        (b"]\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0".to_vec(), "an lzma archive", "xz -dc"),
        (
            b"7\x7f\x06\x82\0-\xe2\x18".to_vec(),
            "a write-ahead log of an SQLite",
            "name the database",
        ),
        (b"\x80\x04\x95\x10\0\0\0\0\0\0\0}".to_vec(), "a Python pickle", "load it in Python"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(), "a JPEG image", "give a CSV file"),
        (
            [b"data.csv", &[0; 249][..], b"ustar\x0000", &[0; 300]].concat(),
            "a tar archive",
            "tar -xOf",
        ),
    ]
}

#[test]
fn a_file_that_is_no_csv_fails_and_says_what_it_is_and_what_to_do() {
    for (bytes, what, hint) in foreign() {
        let dir = Dir::new().file("in.csv", &bytes).file("good.csv", "a\n1\n");
        let outcome = dir.clean("in.csv good.csv -o out");
        outcome.status(1).says("error: in.csv: ").says(what).says("hint: ").says(hint);
        assert_eq!(dir.names(), ["good.csv", "in.csv", "out/cleaned_good.csv"]);
        let outcome = dir.command(["clean", "-", "-o", "-"]).input(&bytes).run();
        outcome.status(1).prints("").says(what).says(hint);
        let outcome = dir.command(["clean", "-", "-o", "-"]).input(gzip(&bytes)).run();
        outcome.status(1).prints("").says(what).says(hint);
        dir.clean("in.csv --dry-run").status(1).says(what).says(hint);
        // One that is more than goes to a worker.
        let big = match what.contains("UTF") {
            true => bytes.repeat((5 << 20) / bytes.len()),
            false => [&bytes[..], &vec![b'\n'; 5 << 20]].concat(),
        };
        let dir = Dir::new().file("in.csv", big);
        let outcome = dir.clean("in.csv -o out.csv");
        if !what.contains("not a text") {
            outcome.status(1).says(what).says(hint);
        }
    }
}

#[test]
fn an_archive_in_an_archive_is_reported() {
    let twice = gzip(&gzip(b"a\n1\n"));
    let dir = Dir::new().file("in.csv.gz", &twice);
    let outcome = dir.clean("in.csv.gz -o out.csv");
    outcome.status(1).says("it is a gzip archive in an archive, not CSV\nhint: gzip -dc FILE");
    let outcome = dir.command(["clean", "-", "-o", "-"]).input(&twice).run();
    outcome.status(1).prints("").says("it is a gzip archive in an archive");
}

#[test]
fn what_only_looks_foreign_at_first_passes() {
    for text in [
        "PK,PAR1\n1,2\n",
        "BZh9,x\n1,2\n",
        "%PDF,x\n1,2\n",
        "<b>,y\n1,2\n",
        "a,b\n1,\0\n",
        "<html>,<body>\n1,2\n",
        "<!-- a note -->,x\n1,2\n",
        "{name},{value}\n1,2\n",
        "[id],[name]\n1,2\n",
        "{\"a\": 1},x\n{\"a\": 2},y\n",
        "ORC,x\n1,2\n",
    ] {
        Dir::with(text).clean("in.csv -o -").done().prints(text);
    }
    // The encoding was named: what it says is taken as it is.
    let dir = Dir::new().file("in.csv", b"\0a\0\n\x001\0\n");
    dir.clean("in.csv -o - --encoding utf-8").done().prints("\0a\0\n\x001\0\n");
}

#[test]
fn rows_that_are_not_utf8_are_reported_with_their_number_and_the_first_line() {
    let rows = "1,Ulm\n".repeat(300_000);
    for (text, what) in [
        (
            &b"name,city\nAnn,Ulm\nM\xfcller,K\xf6ln\n\"B\n\xe4r\",x\n"[..],
            "2 rows are not UTF-8, from line 3 on, where column \"name\" has the byte 0xFC",
        ),
        (
            b"name,city\r\n\r\nAnn,Ulm\r\nA,K\xf6ln",
            "1 row is not UTF-8, from line 4 on, where column \"city\" has the byte 0xF6",
        ),
        (
            b"Gr\xf6\xdfe,b\n1,2\n",
            "the header is not UTF-8, from line 1 on, where the header has the byte 0xF6",
        ),
        (b"\"Gr\n\xf6\xdfe\",b\n1,\xf6\n", "the header and 1 row are not UTF-8, from line 1 on"),
        (
            &[b"k,v\n", rows.as_bytes(), b"2,\xff\n3,\xff\n"].concat(),
            "2 rows are not UTF-8, from line 300002 on, where column \"v\" has the byte 0xFF",
        ),
        (
            &[b"k,v\n", rows.as_bytes(), rows.as_bytes(), rows.as_bytes(), b"2,\xff\n3,\xff"]
                .concat(),
            "2 rows are not UTF-8, from line 900002 on, where column \"v\" has the byte 0xFF",
        ),
    ] {
        let dir = Dir::new().file("in.csv", text);
        for input in ["in.csv", "-"] {
            for steps in [&[][..], &["--derive", "n = count(*)"]] {
                let command = ["clean", input, "-o", "out.csv", "--force"];
                let outcome = dir.command(command.iter().chain(steps)).input(text).run();
                outcome.done().says(what).says("hint: --encoding windows-1252");
            }
            dir.command(["clean", input, "-o", "out.csv", "--force"]).input(text).run().done();
            let out = std::fs::read(dir.path("out.csv")).unwrap();
            assert!(out == text || text.starts_with(b"name,city\r\n\r\n"));
            // If the user names UTF-8, other bytes are an error.
            let command = ["clean", input, "-o", "x.csv", "--encoding", "utf-8"];
            let outcome = dir.command(command).input(text).run();
            let line = what.split("from ").nth(1).unwrap().split(" on").next().unwrap();
            outcome
                .status(1)
                .says(&format!("{line}: "))
                .says("which is not UTF-8")
                .says("--encoding");
            assert!(!dir.path("x.csv").exists());
        }
    }
}

#[test]
fn what_is_utf8_or_decoded_is_not_reported() {
    let outcome = Dir::with("name\nZoë\n").clean("in.csv -o - --encoding utf-8");
    outcome.done().prints("name\nZoë\n");
    assert!(!outcome.stderr.contains("UTF-8"), "{}", outcome.stderr);
    let dir = Dir::new().file("in.csv", b"name\nM\xfcller\n");
    let outcome = dir.clean("in.csv -o - --encoding latin-1");
    outcome.done().prints("name\nMüller\n");
    assert!(!outcome.stderr.contains("UTF-8"), "{}", outcome.stderr);
}

#[test]
fn encodings_have_the_names_that_python_gives_them() {
    let latin = b"name\nK\xf6ln\n";
    for name in ["latin-1", "latin_1", "iso8859_1", "cp1252", "windows_1252", "iso8859-15"] {
        let dir = Dir::new().file("in.csv", latin);
        dir.run(["clean", "in.csv", "-o", "-", "--encoding", name]).done().prints("name\nKöln\n");
    }
    let dir = Dir::new()
        .file("mark.csv", "\u{feff}a\nö\n")
        .file("kanji.csv", b"a\n\x8a\xbf\x8e\x9a\n")
        .file("wide.csv", "a\nö\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    dir.clean("mark.csv -o - --encoding utf-8-sig").done().prints("a\nö\n");
    dir.clean("kanji.csv -o - --encoding cp932").done().prints("a\n漢字\n");
    for name in ["utf16", "utf_16", "utf-16-le"] {
        dir.clean(&format!("wide.csv -o - --encoding {name}")).done().prints("a\nö\n");
    }
    let outcome = dir.clean("wide.csv -o - --encoding cp850");
    outcome.status(2).says("there is no decoder for the encoding \"cp850\"").says("iconv -f cp850");
    dir.clean("wide.csv -o - --encoding utf-9").status(2).says("no encoding is called \"utf-9\"");
}
