//! Zero bytes: text in UTF-16 or UTF-32 without a mark, and files that are no text, are never cleaned.

use crate::kit::Dir;

type Encode = fn(&str) -> Vec<u8>;
const ENCODINGS: [(&str, Encode); 4] = [
    ("UTF-16LE", |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
    ("UTF-16BE", |text| text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ("UTF-32LE", |text| text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()),
    ("UTF-32BE", |text| text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()),
];

#[test]
fn text_in_wide_units_is_reported_whatever_bytes_its_characters_have() {
    // A byte of 名 is a CR, one of 上 and of 三 an LF; bytes of the others may be those of plain text.
    for text in [
        "氏名\n山田\n鈴木\n",
        "氏名,住所\n山田,東京\n鈴木,大阪\n",
        "id,名\n1,a\n",
        "名\r\n山\r\n",
        "国名\n日本\n",
        "上海,北京\n1,2\n",
        "三上\n一\n二\n",
        "上\n海\n",
        "id,name\n1,😀\n",
        "id,name",
    ] {
        for (name, encode) in ENCODINGS {
            let bytes = encode(text);
            let dir = Dir::new().file("in.csv", &bytes);
            for (input, more) in [("in.csv", "-q"), ("-", "-q"), ("in.csv", "--dry-run")] {
                let outcome =
                    dir.command(["clean", input, "-o", "out.csv", more]).input(&bytes).run();
                outcome.status(1).says(name);
                if name.starts_with("UTF-16") {
                    outcome.says(&format!("hint: --encoding {}", name.to_lowercase()));
                }
            }
            assert_eq!(dir.names(), ["in.csv"], "{text:?} in {name}");
            if name.starts_with("UTF-16") {
                let line = format!("in.csv -o out.csv --encoding {}", name.to_lowercase());
                dir.clean(&line).done();
                assert_eq!(dir.read("out.csv").trim_end(), text.trim_end());
            }
        }
    }
}

#[test]
fn a_file_of_zero_bytes_behind_its_header_is_no_text() {
    for (bytes, words) in [
        (
            [b"id,v\n1,2\n", &[0; 100_000][..]].concat(),
            "65,527 bytes of its first 65,536 bytes are zero, from line 3 on",
        ),
        ([b"a,b\n", &b"\0\0,\0\0\n".repeat(300)[..]].concat(), "from line 2 on"),
    ] {
        let dir = Dir::new().file("in.csv", &bytes);
        for (input, more) in [("in.csv", "-q"), ("-", "-q"), ("in.csv", "--dry-run")] {
            let outcome = dir.command(["clean", input, "-o", "out.csv", more]).input(&bytes).run();
            outcome.status(1).says("it is not a text file: ").says(words).says("hint: --encoding");
        }
        assert_eq!(dir.names(), ["in.csv"]);
        // With an encoding that the user names, zero bytes are accepted.
        dir.clean("in.csv -o out.csv --encoding utf-8").done();
    }
}

#[test]
fn few_zero_bytes_are_cells() {
    for text in
        ["a,b\n1,\0\n2,x\n", "a,b\r\n\0,\0\r\n1,2\r\n3,4\r\n", "ä\0b\nx\ny\nz\n", "\n\na\0b\n1\n"]
    {
        Dir::with(text).clean("in.csv -o out.csv").done();
    }
}
