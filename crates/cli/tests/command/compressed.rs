//! Compressed inputs and outputs.

use std::io::{Read, Write};

use flate2::write::GzEncoder;

use crate::kit::Dir;

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    // As the program of that name does.
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;
const PACKS: [(Pack, &str); 2] = [(gzip, "gz"), (zstd, "zst")];

/// So many rows that even compressed they are more than goes to one worker.
fn many_rows() -> String {
    let mut text = "id,value,note\n".to_owned();
    let mut random = 1_u64;
    for row in 0..150_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text += &format!("{row},{},\"{:x}, {:x}\"\n", row % 900, random >> 16, random >> 24);
    }
    text
}

#[test]
fn members_and_frames_follow_one_another_whatever_the_name_is() {
    for (pack, suffix) in PACKS {
        let mut bytes = pack(b"a,b\n1,2\n3");
        bytes.extend(pack(b",4\n"));
        bytes.extend(pack(b""));
        bytes.extend(pack(b"5,6\n"));
        for name in [format!("in.csv.{suffix}"), "in.csv".to_owned()] {
            let dir = Dir::new().file(&name, &bytes);
            dir.clean(&format!("{name} -o out.csv --types a=integer")).done();
            assert_eq!(dir.read("out.csv"), "a,b\n1,2\n3,4\n5,6\n", "{name}");
        }
        let dir = Dir::new();
        let outcome = dir.command(["clean", "-", "-o", "-", "--quiet"]).input(&bytes).run();
        outcome.done();
        assert_eq!(outcome.stdout, "a,b\n1,2\n3,4\n5,6\n");
    }
}

#[test]
fn big_ones_are_cleaned_as_if_they_were_not_compressed() {
    let text = many_rows();
    let plain = Dir::with(&text);
    // One pass streams; two passes keep the input in a temporary file.
    for steps in ["--filter value<=500", "--derive share=value/max(value)"] {
        plain.clean(&format!("in.csv -o out.csv --force {steps}")).done();
        for (pack, suffix) in PACKS {
            let packed = pack(text.as_bytes());
            assert!(packed.len() > 1 << 20);
            let name = format!("in.csv.{suffix}");
            let dir = Dir::new().file(&name, packed);
            dir.clean(&format!("{name} -o out.csv {steps}")).done();
            assert!(dir.read("out.csv") == plain.read("out.csv"), "{suffix} {steps}");
            dir.assert_no_temporary_file();
        }
    }
}

#[test]
fn what_is_small_only_while_it_is_packed_is_cut_too() {
    let text = format!("a,b\n{}", "1,a cell that repeats\n".repeat(2_000_000));
    let dir = Dir::new().file("in.csv.zst", zstd(text.as_bytes()));
    let outcome = dir.clean("in.csv.zst -o out.csv --drop b --report report.json");
    outcome.done();
    assert_eq!(dir.read("out.csv").len(), "a\n".len() + 2_000_000 * "1\n".len());
}

#[test]
fn a_broken_archive_is_its_files_error_and_nothing_of_it_is_out() {
    let text = many_rows();
    for (pack, suffix) in PACKS {
        let whole = pack(text.as_bytes());
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 64].fill(0x55);
        let behind = [&pack(b"a,b\n1,2\n")[..], b"and this"].concat();
        let dir = Dir::new()
            .file(&format!("cut.csv.{suffix}"), &whole[..whole.len() - 9])
            .file(&format!("damaged.csv.{suffix}"), damaged)
            .file(&format!("small.csv.{suffix}"), &pack(b"a,b\n1,2\n")[..14])
            .file(&format!("behind.csv.{suffix}"), behind)
            .file(&format!("empty.csv.{suffix}"), b"")
            .file(&format!("plain.csv.{suffix}"), b"a,b\n1,2\n")
            .file(&format!("good.csv.{suffix}"), pack(b"a,b\n1,2\n"));
        let outcome = dir.clean("*.csv.* -o out --name {stem}.csv");
        outcome.status(1).says("7 files (6 failed)");
        assert!(
            outcome.stderr.contains("cut.csv.*the archive ends in the middle")
                || outcome.stderr.contains("the archive ends in the middle; was it copied whole?")
        );
        assert!(outcome.stderr.contains("its bytes do not"), "{}", outcome.stderr);
        assert_eq!(dir.read("out/good.csv"), "a,b\n1,2\n");
        let made: Vec<_> =
            dir.names().into_iter().filter(|name| name.starts_with("out/")).collect();
        assert_eq!(made, ["out/good.csv"]);
    }
}

#[test]
fn the_name_without_its_last_suffix_says_what_separates_fields() {
    let dir = Dir::new().file("d/in.tsv.gz", gzip(b"a\tb\n1\t2\n"));
    dir.clean("d -o out --name {stem}-{ext}.txt --select b").done();
    assert_eq!(dir.read("out/in-tsv.gz.txt"), "b\n2\n");
    let outcome = dir.clean("d --dry-run --select b");
    outcome.done();
    assert!(outcome.stdout.contains("after:\n  b\n  2\n"), "{}", outcome.stdout);
}

#[test]
fn an_output_is_compressed_by_its_name_and_does_not_depend_on_the_workers() {
    let text = many_rows();
    let dir = Dir::with(&text).file("small.csv", "a,b\n1,2\n").file("empty.csv", "");
    type Unpack = fn(&[u8]) -> Vec<u8>;
    let gunzip: Unpack = |bytes| {
        let mut text = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut text).unwrap();
        text
    };
    let unzstd: Unpack = |bytes| zstd::decode_all(bytes).unwrap();
    for (unpack, suffix) in [(gunzip, "gz"), (unzstd, "zst")] {
        let read = |name: &str| std::fs::read(dir.path(&format!("{name}.{suffix}"))).unwrap();
        for workers in [1, 2, 4] {
            dir.clean(&format!("in.csv -o {workers}.csv.{suffix} --workers {workers}")).done();
            assert!(read(&format!("{workers}.csv")) == read("1.csv"), "{workers} {suffix}");
        }
        assert!(unpack(&read("1.csv")) == text.as_bytes());
        dir.clean(&format!("small.csv empty.csv -o d --name {{stem}}.{suffix}")).done();
        assert_eq!(unpack(&read("d/small")), b"a,b\n1,2\n");
        assert_eq!(unpack(&read("d/empty")), b"");
        dir.clean(&format!("small.csv empty.csv small.csv -o all.{suffix} --concat")).done();
        assert_eq!(unpack(&read("all")), b"a,b\n1,2\n1,2\n");
        let again = dir.clean(&format!("1.csv.{suffix} -o again.csv --force"));
        again.done();
        assert!(dir.read("again.csv") == text);
    }
}
