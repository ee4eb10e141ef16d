//! The same result however the bytes of an input arrive: a stream in pieces of any size is cleaned as
//! the file with the same bytes is.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{CWD, Mode, OFlags, mkfifoat};

use crate::compressed::{gzip, zstd};
use crate::kit::{Dir, Outcome, drip, eventually, finish};

/// Number of bytes of each write; those before a long file's end bring it near to one of the sizes by
/// which the product reads.
const SIZES: [&[usize]; 6] = [&[1], &[2], &[3], &[5], &[4_096], &[65_536, 1, 2, 3]];

/// The status and outputs of a run, without the parts that may differ between a file and a stream.
fn result(dir: &Dir, outcome: &Outcome) -> (i32, String, String, String) {
    let report = match dir.path("r.json").exists() {
        true => dir.read("r.json"),
        false => String::new(),
    };
    let same = |line: &&str| !line.contains("\"seconds\"") && !line.contains(", 0.");
    let told = |text: &str| -> String {
        let lines = text.lines().filter(same).collect::<Vec<_>>().join("\n");
        lines.replace("in.csv", "-")
    };
    (outcome.status, outcome.stdout.clone(), told(&report), told(&outcome.stderr))
}

/// Cleans bytes as a file, and as a stream in pieces of each size.
#[track_caller]
fn assert_same(bytes: &[u8], flags: &[&str], sizes: &[&[usize]]) {
    let dir = Dir::new().file("in.csv", bytes);
    let arguments = |input| {
        let fixed = ["clean", input, "-o", "-", "--report", "r.json", "--force"];
        fixed.into_iter().chain(flags.iter().copied()).collect::<Vec<_>>()
    };
    let outcome = dir.run(arguments("in.csv"));
    let whole = result(&dir, &outcome);
    for sizes in sizes {
        // A run that fails early writes no report, so an old one must not be left.
        let _ = std::fs::remove_file(dir.path("r.json"));
        let outcome = dir.command(arguments("-")).drip(bytes, sizes);
        let pieces = result(&dir, &outcome);
        assert!(pieces == whole, "{sizes:?} {flags:?}:\n{pieces:?}\nbut of the file\n{whole:?}");
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

const ROWS: &str =
    "name,town\n\"Ann, the \"\"first\"\"\",Ulm\n\nBob,\"Bad\r\nUrach\"\r\nZoë,Köln\rx,y\n";

#[test]
fn plain_text_in_pieces() {
    for text in [ROWS, "", "a", "a,b", "a\r", "a\r\n", "\n\n", "\u{feff}a,b\n1,2\n", "P\nK\n"] {
        assert_same(text.as_bytes(), &[], &SIZES);
    }
}

#[test]
fn quoted_line_ends_comments_and_blank_lines_in_pieces() {
    let text = "# one\n#two\n\na,b\n# \"three\n1,\"x\n# no comment\n\"\n#\n\n2,y\n#four";
    assert_same(text.as_bytes(), &["--comment", "#"], &SIZES);
    assert_same(b"made\rby\r\na machine\na,b\n1,2\n", &["--skip-lines", "3"], &SIZES);
}

#[test]
fn footers_in_pieces() {
    for text in [ROWS, "", "a", "a\n1\r\n\n2\r\n\r\n", "a,b\n#\n1,\"x\n\"\n\n#\n2,y\n#\n\n#x"] {
        for footer in ["1", "2", "x|2|B"] {
            let flags = ["--comment", "#", "--footer", footer];
            assert_same(text.as_bytes(), &flags, &[&[1], &[3], &[65_536]]);
        }
    }
}

#[test]
fn several_passes_in_pieces() {
    let flags = ["--derive", "share = v / max(v)", "--dedupe", "k", "--fill", "v=ffill"];
    assert_same(b"k,v\na,1\nb,\na,3\nc,4\n\"d\nd\",5\n", &flags, &SIZES);
}

#[test]
fn compressed_input_in_pieces() {
    for pack in [gzip, zstd] {
        let bytes =
            [pack(&ROWS.as_bytes()[..20]), pack(b""), pack(&ROWS.as_bytes()[20..])].concat();
        assert_same(&bytes, &[], &SIZES);
        assert_same(&bytes, &["--derive", "n = count(*)"], &SIZES);
        assert_same(&bytes[..bytes.len() - 1], &[], &SIZES);
        assert_same(&pack(&utf16(&format!("\u{feff}{ROWS}"))), &[], &SIZES);
    }
}

#[test]
fn other_encodings_in_pieces() {
    assert_same(b"name\nK\xf6ln\nM\xfcller\n", &["--encoding", "latin1"], &SIZES);
    assert_same(&utf16(ROWS), &["--encoding", "utf-16le"], &SIZES);
    assert_same(&utf16(&format!("\u{feff}{ROWS}")), &[], &SIZES);
    // A pair of surrogates, and half a one at the end.
    let mut broken = utf16("\u{feff}a\n\u{1f600}\n");
    broken.extend(0xD83D_u16.to_le_bytes());
    assert_same(&broken, &[], &SIZES);
    assert_same(b"a\n\x81\xff\x83\x5c\n\x83", &["--encoding", "shift_jis"], &SIZES);
}

#[test]
fn a_detected_dialect_in_pieces() {
    let auto = ["--delimiter", "auto"];
    assert_same(b"name, first;town\nAnn;Ulm\nAnn;Ulm\nAnn;Ulm\n", &auto, &SIZES);
    let rows: String = (0..3_000).map(|n| format!("{n};\"a, b\";{}\n", n % 7)).collect();
    let text = format!("a;b;c\n{rows}");
    assert_same(text.as_bytes(), &auto, &[&[4_096], &[65_536, 1], &[7, 65_536]]);
    assert_same(&gzip(text.as_bytes()), &auto, &[&[4_096], &[11]]);
    assert_same(&utf16(&format!("\u{feff}{text}")), &auto, &[&[4_096], &[65_536, 1, 3]]);
}

#[test]
fn records_and_headers_that_are_too_long_in_pieces() {
    let flags = ["--max-record", "16"];
    assert_same(b"a\nshort\n\"a quote\nthat is never closed\n1\n", &flags, &SIZES);
    assert_same(b"\n\nthis header is longer than that\n1\n", &flags, &SIZES);
}

#[test]
fn files_that_end_a_few_bytes_behind_a_block_in_pieces() {
    let text = "abcdefg\n".repeat(100_000);
    for size in [65_536, 262_144] {
        for more in 0..4 {
            let mut bytes = text.as_bytes()[..size + more].to_vec();
            *bytes.last_mut().unwrap() = b'z';
            assert_same(&bytes, &[], &[&[size, 1], &[size], &[size - 1, 1, 1, 2]]);
            assert_same(&bytes, &["--encoding", "latin1"], &[&[size, 1], &[size - 2, 3]]);
        }
    }
}

/// Files that are more than goes to one worker are read as streams if they must be unpacked or decoded.
#[test]
fn big_files_that_are_unpacked_or_decoded_keep_their_last_bytes() {
    let block = 256 << 10;
    let text = "abcdefg\n".repeat(17 * block / 8 + 1);
    for more in [1, 2, 3] {
        let text = &text[..17 * block + more];
        let dir = Dir::new().file("in.csv", text);
        dir.clean("in.csv -o latin1.csv --encoding latin1").done();
        assert!(dir.read("latin1.csv") == text);
    }
    let mut random = 1_u64;
    let mut noise = |len: usize| -> Vec<u8> {
        let next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            b'a' + (random >> 33) as u8 % 26
        };
        std::iter::repeat_with(next).take(len).collect()
    };
    // An archive of one stored block after another has a size that can be chosen.
    let mut text = noise(3 * block);
    text.iter_mut().step_by(80).for_each(|byte| *byte = b'\n');
    let stored = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    for more in [1, 2, 3] {
        let wanted = 3 * block + more;
        let mut lens = (wanted - 200..3 * block).rev();
        let len = lens.find(|len| stored(&text[..*len]).len() == wanted).unwrap();
        let archive = stored(&text[..len]);
        let dir = Dir::new().file("in.csv.gz", archive);
        dir.clean("in.csv.gz -o out.csv").done();
        let out = dir.read("out.csv");
        let blank = |line: &&str| !line.is_empty();
        let wanted: Vec<&str> =
            std::str::from_utf8(&text[..len]).unwrap().lines().filter(blank).collect();
        assert!(out.lines().collect::<Vec<_>>() == wanted);
    }
}

#[test]
fn a_named_pipe_in_pieces() {
    for sizes in SIZES {
        let dir = Dir::new();
        mkfifoat(CWD, dir.path("in.csv"), Mode::RUSR | Mode::WUSR).unwrap();
        let mut child = dir.command(["clean", "in.csv", "-o", "-"]).start();
        drop(child.stdin.take());
        // It can be opened like this only while somebody reads it.
        let mut open = OpenOptions::new();
        open.write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let mut pipe = None;
        assert!(eventually(|| {
            pipe = open.open(dir.path("in.csv")).ok();
            pipe.is_some()
        }));
        let mut pipe = pipe.unwrap();
        drip(&mut pipe, b"a,b\n1,\"2\n3\"\n4,5", sizes);
        drop(pipe);
        finish(child).done().prints("a,b\n1,\"2\n3\"\n4,5");
    }
}

/// Rows come out as they arrive, as long as nothing has to be looked for in a sample.
#[test]
fn a_slow_pipe_gives_its_rows_as_they_come() {
    for flags in [&[][..], &["--encoding", "latin1"], &["--comment", "#"], &["--delimiter", ","]] {
        let dir = Dir::new();
        let mut child = dir.command(["clean", "-", "-o", "-"].iter().chain(flags)).start();
        let mut stdin = child.stdin.take().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        for row in ["a\n1\n", "22\n", "3\n", "4444\n"] {
            stdin.write_all(row.as_bytes()).unwrap();
            for line in row.lines() {
                let mut read = String::new();
                out.read_line(&mut read).unwrap();
                assert_eq!(read.trim_end(), line, "{flags:?}");
            }
        }
        drop(stdin);
        finish(child).done();
    }
}
