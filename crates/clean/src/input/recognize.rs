//! Recognises a file by its first bytes: its encoding by a byte order mark, or that it is not a CSV file.
//!
//! Every question is about the beginning of a file and is answered by that alone. Either the answer is the
//! same whatever follows, or more bytes are requested. So the result does not depend on how the bytes arrive,
//! and no more bytes are held back than a question needs.
//!
//! The file is long because it has a table of all known file signatures, each with the questions that confirm
//! it.

use encoding_rs::{Encoding, UTF_8};
use manyhands_csv::{Hint, Problem, ProblemKind, Sample, counted};

use crate::input::encodings::without_decoder;

/// The kind of file that its first bytes show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// More bytes are needed.
    More,
    /// The file begins with the byte order mark of this encoding.
    Marked(&'static Encoding),
    /// The file is text without a mark.
    Text,
}

/// Largest number of bytes that are examined.
const LOOK: usize = 64 << 10;

/// Signatures of files that are not CSV: the bytes, what the file is, and what converts it to CSV. Signatures
/// that text could begin with are confirmed by the bytes that follow; see [`is_confirmed`].
const FOREIGN: [(&[u8], &str, &str); 49] = [
    (b"PK\x03\x04", ZIP, UNZIP),
    (b"PK\x05\x06", ZIP, UNZIP),
    (b"PK\x07\x08", ZIP, UNZIP),
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an old Excel or Office file", SPREADSHEET),
    (b"\xFD7zXZ\0", "an xz archive", "xz -dc FILE unpacks it"),
    (b"]\0\0", LZMA, "xz -dc FILE unpacks it"),
    (b"BZh", BZIP2, "bzip2 -dc FILE unpacks it"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive", "7z x FILE unpacks it"),
    (b"Rar!\x1A\x07", "a RAR archive", "unrar x FILE unpacks it"),
    (b"\x04\x22\x4D\x18", "an lz4 archive", "lz4 -dc FILE unpacks it"),
    (b"LZIP\x01", "an lzip archive", "lzip -dc FILE unpacks it"),
    (b"\x1F\x9D", "an archive of compress", "zcat FILE.Z unpacks it"),
    (b"\xFF\x06\0\0sNaPpY", "a Snappy archive", "unpack it first"),
    // The outer archive is unpacked.
    (b"\x1F\x8B\x08", "a gzip archive in an archive", "gzip -dc FILE unpacks the outer one"),
    (b"\x28\xB5\x2F\xFD", "a Zstandard archive in an archive", "unpack the outer one first"),
    (b"PAR1\x15", "a Parquet file", EXPORT),
    (b"ARROW1\0\0", "an Arrow file (Feather)", EXPORT),
    (b"FEA1\0\0\0\0", "a Feather file", EXPORT),
    (b"\xFF\xFF\xFF\xFF", ARROW_STREAM, EXPORT),
    (b"ORC", ORC, EXPORT),
    (b"Obj\x01", "an Avro file", EXPORT),
    (b"\x89HDF\r\n\x1A\n", "an HDF5 file", EXPORT),
    (b"\x93NUMPY", "a NumPy file", EXPORT),
    (b"$FL2@(#)", "an SPSS file", EXPORT),
    (b"<stata_dta>", "a Stata file", EXPORT),
    (b"X\n\0\0\0", "an R data file", EXPORT),
    (b"RDX2\nX\n\0", "an R data file", EXPORT),
    (b"RDX3\nX\n\0", "an R data file", EXPORT),
    (b"\x80\x02", PICKLE, EXPORT_PICKLE),
    (b"\x80\x03", PICKLE, EXPORT_PICKLE),
    (b"\x80\x04\x95", PICKLE, EXPORT_PICKLE),
    (b"\x80\x05\x95", PICKLE, EXPORT_PICKLE),
    (
        b"SQLite format 3\0",
        "an SQLite database",
        "sqlite3 -csv -header FILE 'SELECT * FROM ...' exports it",
    ),
    (b"7\x7F\x06\x82", WAL, OPEN_DATABASE),
    (b"7\x7F\x06\x83", WAL, OPEN_DATABASE),
    (b"\xD9\xD5\x05\xF9\x20\xA1\x63\xD7", "a journal of an SQLite database", OPEN_DATABASE),
    (b"\x89PNG\r\n\x1A\n", "a PNG image", GIVE_CSV),
    (b"\xFF\xD8\xFF", "a JPEG image", GIVE_CSV),
    (b"GIF87a", GIF, GIVE_CSV),
    (b"GIF89a", GIF, GIVE_CSV),
    (b"BM", BMP, GIVE_CSV),
    (b"II*\0", "a TIFF image", GIVE_CSV),
    (b"MM\0*", "a TIFF image", GIVE_CSV),
    (b"RIFF", RIFF, GIVE_CSV),
    (b"\x7FELF", "a program", GIVE_CSV),
    (b"{\\rtf1", "an RTF document", "save its table as CSV"),
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer",
        "git lfs pull fetches the file",
    ),
    (b"%PDF-1.", PDF, "extract its tables first"),
    (b"%PDF-2.", PDF, "extract its tables first"),
];

const EXPORT: &str = "export it as CSV, for example with DuckDB or pandas";

const EXPORT_PICKLE: &str = "load it in Python and export it as CSV";

const OPEN_DATABASE: &str = "name the database that it belongs to, and export a table of it as CSV";

const GIVE_CSV: &str = "give a CSV file";

const LZMA: &str = "an lzma archive";

const BZIP2: &str = "a bzip2 archive";

const ARROW_STREAM: &str = "an Arrow stream";

const ORC: &str = "an ORC file";

const PICKLE: &str = "a Python pickle";

const WAL: &str = "a write-ahead log of an SQLite database";

const GIF: &str = "a GIF image";

const BMP: &str = "a BMP image";

const RIFF: &str = "a WebP image, or another RIFF file";

const ZIP: &str = "a ZIP archive";

const UNZIP: &str = "unzip -p FILE.zip NAME.csv unpacks a CSV file of it";

const PDF: &str = "a PDF document";

const SPREADSHEET: &str = "save the sheet as CSV";

/// Beginnings of file names in ZIP archives, and what the archive is then.
const ZIPPED: [(&[u8], &str); 5] = [
    (b"[Content_Types].xml", "an Excel or Office file"),
    (b"xl/", "an Excel file"),
    (b"_rels/", "an Excel or Office file"),
    (b"docProps/", "an Excel or Office file"),
    (b"mimetypeapplication/vnd.oasis.opendocument", "an OpenDocument file"),
];

/// Offset of the first name in a ZIP archive, and the end of the longest of [`ZIPPED`].
const ZIP_NAME: usize = 30;

const ZIP_END: usize = ZIP_NAME + 44;

/// Returns whether the bytes after a signature confirm it, where text could begin with the signature too.
/// `None`: more bytes are needed.
fn is_confirmed(what: &str, first: &[u8], at_end: bool) -> Option<bool> {
    let (range, is_so): (_, fn(&[u8]) -> bool) = match what {
        ZIP => (0..ZIP_END, |_| true),
        BZIP2 => (4..10, |bytes| bytes == b"1AY&SY"),
        // The size of the packed data: unknown, or less than 2^40.
        LZMA => (5..13, |bytes| bytes == [0xFF; 8] || bytes[5..] == [0; 3]),
        // The length of the first message.
        ARROW_STREAM => (4..8, |bytes| bytes[3] == 0 && bytes[..3] != [0; 3]),
        // Packed or not, binary data follows.
        ORC => (3..64, |bytes| {
            let is_binary = |byte: &&u8| !matches!(**byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
            bytes.contains(&0) && 4 * bytes.iter().filter(is_binary).count() >= bytes.len()
        }),
        PICKLE => (1..11, |bytes| match bytes[0] {
            // An operation, or the length of the first frame.
            2 | 3 => b"c}])(X".contains(&bytes[1]),
            _ => bytes[6..] == [0; 4],
        }),
        GIF => (6..10, |size| size[1] < 9 || size[3] < 9),
        BMP => (6..10, |reserved| reserved == [0; 4]),
        RIFF => (8..12, |kind| [b"WEBP", b"WAVE", b"AVI "].iter().any(|known| kind == *known)),
        _ => return Some(true),
    };
    match first.get(range) {
        Some(bytes) => Some(is_so(bytes)),
        None if at_end => Some(what == ZIP),
        None => None,
    }
}

/// Examines the first bytes of a file, or of the contents of an archive. `at_end` means that there are no
/// more bytes. `named` means that the user named the encoding, so bytes that are invalid in UTF-8 raise no
/// question.
///
/// # Errors
/// If the file is not a CSV file, or its encoding cannot be read or recognised.
pub(crate) fn recognize(first: &[u8], at_end: bool, named: bool) -> Result<First, Problem> {
    let is_whole = at_end && first.len() <= LOOK;
    let at_end = at_end || first.len() >= LOOK;
    let first = &first[..first.len().min(LOOK)];
    let may_become =
        |whole: &[u8]| !at_end && first.len() < whole.len() && whole.starts_with(first);
    for (mark, name) in [(b"\xFF\xFE\0\0", "UTF-32LE"), (b"\0\0\xFE\xFF", "UTF-32BE")] {
        if first.starts_with(mark) {
            return Err(without_decoder(name));
        }
        if may_become(mark) {
            return Ok(First::More);
        }
    }
    if let Some((encoding, mark)) = Encoding::for_bom(first) {
        let text = &first[mark..];
        // Whole units of UTF-16 only.
        let end = if encoding == UTF_8 { text.len() } else { text.len() & !1 };
        let (text, _) = encoding.decode_without_bom_handling(&text[..end]);
        return match check_document(text.as_bytes(), at_end, is_whole)? {
            true => Ok(First::Marked(encoding)),
            false => Ok(First::More),
        };
    }
    if [&b"\xEF\xBB\xBF"[..], b"\xFE\xFF"].into_iter().any(may_become) {
        return Ok(First::More);
    }
    for (magic, what, hint) in FOREIGN {
        if may_become(magic) {
            return Ok(First::More);
        }
        if !first.starts_with(magic) {
            continue;
        }
        match is_confirmed(what, first, at_end) {
            None => return Ok(First::More),
            Some(false) => continue,
            Some(true) if what == ZIP => return Err(zip(first)),
            Some(true) => {}
        }
        return Err(foreign(what, hint));
    }
    if !check_tar(first, at_end)? || !check_document(first, at_end, is_whole)? {
        return Ok(First::More);
    }
    if named { Ok(First::Text) } else { zeros(first, at_end) }
}

fn foreign(what: &str, hint: &str) -> Problem {
    Problem::new(format!("it is {what}, not CSV")).of(ProblemKind::Format).hint(Hint::words(hint))
}

fn zip(first: &[u8]) -> Problem {
    let name = first.get(ZIP_NAME..).unwrap_or_default();
    match ZIPPED.iter().find(|(begin, _)| name.starts_with(begin)) {
        Some((_, what)) => foreign(what, SPREADSHEET),
        None => foreign(ZIP, UNZIP),
    }
}

/// Searches for the header of a tar archive; false: more bytes are needed.
///
/// # Errors
/// If there is one.
fn check_tar(first: &[u8], at_end: bool) -> Result<bool, Problem> {
    const MAGIC: std::ops::Range<usize> = 257..262;
    let header = &first[..first.len().min(MAGIC.start)];
    if memchr::memchr2(b'\n', b'\r', header).is_some() {
        return Ok(true);
    }
    match first.get(MAGIC) {
        None => Ok(at_end),
        Some(b"ustar") if header.contains(&0) => {
            Err(foreign("a tar archive", "tar -xOf FILE NAME.csv unpacks a file of it"))
        }
        Some(_) => Ok(true),
    }
}

/// Searches for the beginning of a web page, an XML or a JSON document; false: more bytes are needed.
/// `is_whole` means that `first` is the whole file.
///
/// # Errors
/// If there is one.
fn check_document(first: &[u8], at_end: bool, is_whole: bool) -> Result<bool, Problem> {
    let text = first.trim_ascii_start();
    match text.first() {
        // Skip blank lines, which are not rows in any case.
        None => Ok(at_end),
        Some(b'<') => check_markup(text, at_end),
        Some(b'{' | b'[') => check_json(text, at_end, is_whole),
        Some(_) => Ok(true),
    }
}

/// A document begins with a tag of HTML or XML, perhaps after comments, and no delimiter follows the tag.
/// With a delimiter, the tag is the first cell of a CSV file.
fn check_markup(mut text: &[u8], at_end: bool) -> Result<bool, Problem> {
    const PAGE: &str = "an HTML page";
    const XML: &str = "an XML document";
    const TAGS: [(&[u8], &str); 9] = [
        (b"<!doctype html", PAGE),
        (b"<!doctype", XML),
        (b"<html", PAGE),
        (b"<head", PAGE),
        (b"<body", PAGE),
        (b"<table", PAGE),
        (b"<?xml", XML),
        (b"<svg", XML),
        (b"<rss", XML),
    ];
    const COMMENT: &[u8] = b"<!--";
    while text.starts_with(COMMENT) {
        let Some(end) = memchr::memmem::find(text, b"-->") else { return Ok(at_end) };
        text = text[end + 3..].trim_ascii_start();
    }
    if text.is_empty() || COMMENT.starts_with(text) {
        return Ok(at_end);
    }
    for (tag, what) in TAGS {
        let len = text.len().min(tag.len());
        if !text[..len].eq_ignore_ascii_case(&tag[..len]) {
            continue;
        }
        let Some(next) = text.get(tag.len()) else { return Ok(at_end) };
        if next.is_ascii_alphanumeric() || matches!(next, b',' | b';' | b'|') {
            continue;
        }
        let Some(end) = memchr::memchr(b'>', text) else { return Ok(at_end) };
        let rest = &text[end + 1..];
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match rest.get(blanks) {
            None if !at_end => return Ok(false),
            Some(b',' | b';' | b'|') => {}
            None | Some(b'<' | b'\n' | b'\r') => return Err(page(what)),
            Some(_) if rest[..blanks].contains(&b'\t') => {}
            Some(_) => return Err(page(what)),
        }
    }
    Ok(true)
}

fn page(what: &str) -> Problem {
    foreign(what, "download the file that it links to, or save its table as CSV")
}

/// A document is an object with a key, or an array of objects or arrays. It fills its first line, or
/// continues to the end of the examined bytes; another document, or nothing, follows it. Anything else that
/// begins with such a bracket is a cell.
fn check_json(text: &[u8], at_end: bool, is_whole: bool) -> Result<bool, Problem> {
    let Some(next) = text[1..].trim_ascii_start().first() else { return Ok(at_end) };
    let (what, is_begun) = match text[0] {
        b'{' => ("a JSON object", *next == b'"'),
        _ => ("a JSON array", matches!(next, b'{' | b'[')),
    };
    if !is_begun {
        return Ok(true);
    }
    let found = |what| Err(foreign(what, "export it as CSV, for example with DuckDB or jq"));
    let mut values =
        serde_json::Deserializer::from_slice(text).into_iter::<serde::de::IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => {}
        Some(Err(error)) if error.is_eof() && !at_end => return Ok(false),
        Some(Err(error)) if error.is_eof() && !is_whole => return found(what),
        _ => return Ok(true),
    }
    let rest = &text[values.byte_offset()..];
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let rest = &rest[spaces..];
    let behind = rest.trim_ascii_start();
    match (rest.first(), behind.first()) {
        (Some(b'\n' | b'\r'), Some(b'{' | b'[')) => found("a file of JSON lines"),
        (None | Some(b'\n' | b'\r'), None) if at_end => found(what),
        (None | Some(b'\n' | b'\r'), None) => Ok(false),
        _ => Ok(true),
    }
}

/// Number of bytes after a doubtful first line that are examined.
const BEHIND: usize = 256;

/// Searches for zero bytes, which text has only in encodings with wider units. There a line end may be half a
/// character, so more than the first line is examined, unless the first line is plain text beyond doubt.
fn zeros(first: &[u8], at_end: bool) -> Result<First, Problem> {
    let Some(end) = memchr::memchr2(b'\n', b'\r', first) else {
        return if at_end { check_zeros(first, first) } else { Ok(First::More) };
    };
    // The bytes after the line end are seen before the header of a CSV file is certain.
    if first.len() <= end + 1 && !at_end {
        return Ok(First::More);
    }
    let (line, next) = (&first[..end], first.get(end + 1));
    let is_control = |byte: &u8| *byte < b' ' && *byte != b'\t';
    let is_plain = !line.is_empty() && !line.iter().any(is_control) && str::from_utf8(line).is_ok();
    let is_ended = first[end] == b'\n' || next == Some(&b'\n');
    if is_plain && is_ended && next != Some(&0) {
        return Ok(First::Text);
    }
    let look = end + 2 + BEHIND;
    if first.len() < look && !at_end {
        return Ok(First::More);
    }
    check_zeros(&first[..first.len().min(look)], line)
}

/// # Errors
/// If `bytes` look like text in wider units, or too many bytes of their first `line` are zero.
fn check_zeros(bytes: &[u8], line: &[u8]) -> Result<First, Problem> {
    wide(bytes)?;
    let zeros = memchr::memchr_iter(0, line).count();
    if 4 * zeros > line.len() {
        let all = line.len();
        return Err(no_text(format!("{zeros} of the first {all} bytes are zero")));
    }
    Ok(First::Text)
}

fn no_text(cause: String) -> Problem {
    Problem::new(format!("it is not a text file: {cause}"))
        .of(ProblemKind::Format)
        .hint(Hint::any("encoding").and(" says in which encoding it is, if it is text"))
}

/// Searches for zero bytes in the beginning of a file that was read as text.
///
/// # Errors
/// If the file looks like text in wider units, or has too many zero bytes for text.
pub(crate) fn check_sample(sample: &Sample) -> Result<(), Problem> {
    let bytes = sample.bytes();
    let Some(first) = memchr::memchr(0, bytes) else { return Ok(()) };
    // A half of a character may have been taken for a blank line before the header.
    wide(bytes).and_then(|()| wide(bytes.get(1..).unwrap_or_default()))?;
    let zeros = memchr::memchr_iter(0, bytes).count();
    if 4 * zeros <= bytes.len() {
        return Ok(());
    }
    let [zeros, bytes] = [zeros, bytes.len()].map(|count| counted(count as u64, "byte"));
    let line = sample.line(first);
    Err(no_text(format!("{zeros} of its first {bytes} are zero, from line {line} on")))
}

/// # Errors
/// If the bytes look like text in UTF-16 or UTF-32.
fn wide(bytes: &[u8]) -> Result<(), Problem> {
    if !bytes.contains(&0) {
        return Ok(());
    }
    let quads = |read: fn([u8; 4]) -> u32| {
        let units = bytes.as_chunks().0.iter();
        units.map(|unit| char::from_u32(read(*unit))).collect::<Option<Vec<char>>>()
    };
    for (name, text) in
        [("UTF-32LE", quads(u32::from_le_bytes)), ("UTF-32BE", quads(u32::from_be_bytes))]
    {
        if text.is_some_and(|text| is_text(&text, bytes)) {
            return Err(without_decoder(name));
        }
    }
    let pairs = |read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks().0.iter().map(|unit| read(*unit)).collect();
        // The other half of the last unit may follow.
        let whole = units.len() - usize::from(matches!(units.last(), Some(0xD800..0xDC00)));
        char::decode_utf16(units[..whole].iter().copied()).collect::<Result<Vec<char>, _>>().ok()
    };
    for (name, text) in
        [("UTF-16LE", pairs(u16::from_le_bytes)), ("UTF-16BE", pairs(u16::from_be_bytes))]
    {
        let Some(text) = text.filter(|text| is_text(text, bytes)) else { continue };
        let is_ascii = text.iter().all(char::is_ascii);
        let cause = match is_ascii {
            true => "every other byte of ASCII text is zero",
            false => "each of its line ends has a zero byte",
        };
        return Err(Problem::new(format!("it looks like {name}: {cause}"))
            .of(ProblemKind::Format)
            .hint(Hint::is("encoding", name.to_ascii_lowercase())));
    }
    Ok(())
}

/// Returns whether characters that wider units of `bytes` form are text: nearly all line end bytes have zero
/// bytes beside them, or much of it is ASCII.
fn is_text(text: &[char], bytes: &[u8]) -> bool {
    let is_end = |c: &&char| matches!(c, '\n' | '\r');
    let ends = text.iter().filter(is_end).count();
    let bytes_of_ends = memchr::memchr2_iter(b'\n', b'\r', bytes).count();
    let ascii = text.iter().filter(|c| c.is_ascii()).count();
    let is_odd = |c: &char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    !text.is_empty()
        && !text.iter().any(is_odd)
        && (ends > 0 && 2 * ends > bytes_of_ends || bytes_of_ends == 0 && 2 * ascii >= text.len())
}

#[cfg(test)]
mod tests {
    use encoding_rs::{UTF_16BE, UTF_16LE};

    use super::*;

    /// The answer for all bytes, which must equal that for each sufficient beginning.
    #[track_caller]
    fn answer(bytes: &[u8]) -> Result<First, Problem> {
        let whole = recognize(bytes, true, false);
        assert_ne!(whole, Ok(First::More));
        for end in 0..bytes.len() {
            let part = recognize(&bytes[..end], false, false);
            assert!(part == Ok(First::More) || part == whole, "{part:?} of {end} bytes, {whole:?}");
        }
        whole
    }

    #[test]
    fn files_that_are_no_csv_are_known_by_their_first_bytes() {
        let zip = |name: &[u8]| [b"PK\x03\x04", &[0; 26][..], name, &[b'x'; 60]].concat();
        for (bytes, what) in [
            (zip(b"xl/workbook.xml"), "an Excel file"),
            (zip(b"[Content_Types].xml"), "an Excel or Office file"),
            (
                zip(b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet"),
                "an OpenDocument file",
            ),
            (zip(b"data.csv"), "a ZIP archive"),
            (b"PK\x05\x06".to_vec(), "a ZIP archive"),
            (b"BZh91AY&SY\xfb\x84\x97".to_vec(), "a bzip2 archive"),
            (b"\xFD7zXZ\0\0\x04".to_vec(), "an xz archive"),
            (b"PAR1\x15\x04\x15".to_vec(), "a Parquet file"),
            (b"SQLite format 3\0\x10".to_vec(), "an SQLite database"),
            (b"%PDF-1.7\n".to_vec(), "a PDF document"),
            (b"\n  <!DOCTYPE html>\n<html>".to_vec(), "an HTML page"),
            (b"\xEF\xBB\xBF<!DOCTYPE html>\r\n<html>".to_vec(), "an HTML page"),
            (b"\xFF\xFE<\0h\0t\0m\0l\0>\0".to_vec(), "an HTML page"),
            (b"<table border=1>\n<tr>".to_vec(), "an HTML page"),
            (b"<?xml version=\"1.0\"?>\n<a/>".to_vec(), "an XML document"),
            (b"\x7FELF\x02\x01\x01\0\0\0\0\0".to_vec(), "a program"),
            (b"<HTML lang=en>".to_vec(), "an HTML page"),
            (b"<html>Forbidden, sorry</html>".to_vec(), "an HTML page"),
            (b"<!-- saved, from x -->\n \n<!-- y --><html>\n".to_vec(), "an HTML page"),
            (b"\xEF\xBB\xBF\n<!-- x -->\n<?xml version='1.0'?>".to_vec(), "an XML document"),
            (b"<body>\t<p>\n".to_vec(), "an HTML page"),
            (b"<!DOCTYPE svg PUBLIC>\n".to_vec(), "an XML document"),
            (b"{\"a\": 1, \"b\": [2]}\n{\"a\": 3}\n".to_vec(), "a file of JSON lines"),
            (b"[{\"a\": 1}]\r\n[{\"a\": 3}]\r\n".to_vec(), "a file of JSON lines"),
            (b"\n{\n  \"a\": 1,\n  \"b\": \"x,y\"\n}\n".to_vec(), "a JSON object"),
            (b"\xEF\xBB\xBF[\n{\"a\": 1},\n{\"a\": 2}\n]".to_vec(), "a JSON array"),
            (b"[[1,2],[3,4]]".to_vec(), "a JSON array"),
            (b"]\0\0\x80\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0".to_vec(), "an lzma archive"),
            (b"\x1F\x8B\x08\0\0".to_vec(), "a gzip archive in an archive"),
            (b"\xFF\xFF\xFF\xFF\xE8\x02\0\0\x10".to_vec(), "an Arrow stream"),
            (b"FEA1\0\0\0\0".to_vec(), "a Feather file"),
            ([b"ORC\n\x0b\n\x03\0\0\0", &[0x12; 90][..]].concat(), "an ORC file"),
            (b"7\x7F\x06\x82\0".to_vec(), "a write-ahead log of an SQLite database"),
            (b"\x80\x04\x95\x10\0\0\0\0\0\0\0}".to_vec(), "a Python pickle"),
            (b"\x80\x02}q\0(U\x01aq\x01K\x01u.".to_vec(), "a Python pickle"),
            (b"GIF89a\x01\0\x01\0\x80".to_vec(), "a GIF image"),
            (b"\xFF\xD8\xFF\xE0\0\x10JFIF".to_vec(), "a JPEG image"),
            (b"BM\x36\x10\0\0\0\0\0\0\x36".to_vec(), "a BMP image"),
            (b"RIFF\x10\0\0\0WEBPVP8 ".to_vec(), "a WebP image, or another RIFF file"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n".to_vec(),
                "a Git LFS pointer",
            ),
            ([b"data.csv", &[0; 249][..], b"ustar\x0000", &[0; 300]].concat(), "a tar archive"),
        ] {
            let problem = answer(&bytes).unwrap_err();
            assert_eq!(problem.text(), format!("it is {what}, not CSV"));
        }
    }

    #[test]
    fn zero_bytes_tell_wider_encodings() {
        let wide =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let swapped =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
        let quads = |text: &str| -> Vec<u8> {
            text.chars().flat_map(|c| (c as u32).to_le_bytes()).collect()
        };
        for text in [
            "id,name\r\n1,Zoë\r\n",
            "id,name\n1,x\n",
            "\"a\",b\n1,2\n",
            "城市,人口\n",
            "\n\n",
            "氏名\n山田\n鈴木\n",
            "id,名\n1,a\n",
            "a",
        ] {
            for (bytes, name) in [(wide(text), "UTF-16LE"), (swapped(text), "UTF-16BE")] {
                let message = answer(&bytes).unwrap_err().text();
                assert!(message.contains(name), "{text:?}: {message}");
            }
        }
        let text = "id,name\n1,x\n";
        assert!(answer(&quads(text)).unwrap_err().text().contains("UTF-32LE"));
        assert!(answer(&[b"\xFF\xFE\0\0", &quads(text)[..]].concat()).is_err());
        assert!(answer(&[0; 300]).unwrap_err().text().contains("not a text file"));
        // The user's encoding is taken as it is.
        assert_eq!(recognize(&wide(text), true, true), Ok(First::Text));
    }

    #[test]
    fn text_is_text() {
        for text in [
            &b""[..],
            b"a",
            b"a,b\n1,2\n",
            b"PK,PAR1\n1,2\n",
            b"BZh9,x\n1,2\n",
            b"%PDF,x\n",
            b"<b>,<html5>\n1,2\n",
            b"ab\n1\0\n",
            b"a,b\0\n1,2\n",
            b"K\xf6ln\n1\n",
            b"\n\n\na\n",
            b"\r\n",
            b"PAR1,PAR2\n",
            b"(\n",
            b"<html",
            b"\xEF\xBB",
            b"<html>,<body>\n1,2\n",
            b"<table>\tx\n1\t2\n",
            b"<!-- a note -->\na,b\n1,2\n",
            b"<!-- a, note\n1,2\n",
            b"<head,x\n1,2\n",
            b"<a><b/></a>\n<c/>\n",
            b"{a},{b}\n1,2\n",
            b"{\n1\n",
            b"{}\n1\n",
            b"{{name}}\nx\n",
            b"[id],[name]\n1,2\n",
            b"[1,2]\n[3,4]\n",
            b"[\n1\n",
            b"{\"a\": 1},x\n{\"a\": 2},y\n",
            b"{\"a\": 1}\tx\n{\"a\": 2}\ty\n",
            b"{\"a\": 1};x\n{\"a\": 2};y\n",
            b"{\"a\": 1}\nx\n",
            b"{\"a\",b\n1,2\n",
            b"{\"a\": 1,",
            b"ORC,x\n1,2\n",
            b"GIF89a,b\n1,2\n",
            b"BM,b\n1,2\n",
            b"RIFF,b\n1,2,3,4,5\n",
            b"FEA1\n1\n",
            b"X\n1\n",
            b"RDX3\nX\n1\n",
            b"version,x\n1,2\n",
            b"],x\n1,2\n",
            b"7,x\n1,2\n",
            b"\x80,x\n1,2\n",
        ] {
            assert_eq!(answer(text).ok(), Some(First::Text), "{text:?}");
        }
        assert_eq!(answer(b"\xEF\xBB\xBFa\n"), Ok(First::Marked(encoding_rs::UTF_8)));
        assert_eq!(answer(b"\xFF\xFEa\0"), Ok(First::Marked(UTF_16LE)));
        assert_eq!(answer(b"\xFE\xFF\0a"), Ok(First::Marked(UTF_16BE)));
    }
}
