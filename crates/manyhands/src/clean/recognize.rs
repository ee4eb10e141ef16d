//! What the first bytes of a file say about it: its encoding by a mark, or that it is no CSV file.
//!
//! Every question is asked of a file's beginning and answered by that alone: either the answer is the
//! same whatever follows, or more bytes are asked for. So it does not depend on how the bytes arrive, and
//! nothing is held back that no question is about.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::encodings::without_decoder;
use super::{Hint, Problem};

/// What is known of a file by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// More bytes are needed.
    More,
    /// It begins with the mark of this encoding.
    Marked(&'static Encoding),
    /// It is text without a mark.
    Text,
}

/// No more than these bytes are looked at.
const LOOK: usize = 64 << 10;

/// First bytes of files that are no CSV: the bytes, what the file is, and what makes CSV of it.
const FOREIGN: [(&[u8], &str, &str); 20] = [
    (b"PK\x03\x04", ZIP, UNZIP),
    (b"PK\x05\x06", ZIP, UNZIP),
    (b"PK\x07\x08", ZIP, UNZIP),
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an old Excel or Office file", SPREADSHEET),
    (b"\xFD7zXZ\0", "an xz archive", "xz -dc FILE unpacks it"),
    (b"BZh", "a bzip2 archive", "bzip2 -dc FILE unpacks it"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive", "7z x FILE unpacks it"),
    (b"Rar!\x1A\x07", "a RAR archive", "unrar x FILE unpacks it"),
    (b"\x04\x22\x4D\x18", "an lz4 archive", "lz4 -dc FILE unpacks it"),
    (b"LZIP\x01", "an lzip archive", "lzip -dc FILE unpacks it"),
    (b"PAR1\x15", "a Parquet file", "export it as CSV, for example with DuckDB or pandas"),
    (b"ARROW1\0\0", "an Arrow file", "export it as CSV, for example with DuckDB or pandas"),
    (
        b"SQLite format 3\0",
        "an SQLite database",
        "sqlite3 -csv -header FILE 'SELECT * FROM ...' exports it",
    ),
    (b"\x89PNG\r\n\x1A\n", "a PNG image", "give a CSV file"),
    (b"\x7FELF", "a program", "give a CSV file"),
    (b"Obj\x01", "an Avro file", "export it as CSV, for example with DuckDB"),
    (b"{\\rtf1", "an RTF document", "save its table as CSV"),
    (b"\x1F\x9D", "an archive of compress", "zcat FILE.Z unpacks it"),
    (b"%PDF-1.", PDF, "extract its tables first"),
    (b"%PDF-2.", PDF, "extract its tables first"),
];
const ZIP: &str = "a ZIP archive";
const UNZIP: &str = "unzip -p FILE.zip NAME.csv unpacks a CSV file of it";
const PDF: &str = "a PDF document";
const SPREADSHEET: &str = "save the sheet as CSV";

/// Beginnings of names of files in ZIP archives, and what the archive is then.
const ZIPPED: [(&[u8], &str); 5] = [
    (b"[Content_Types].xml", "an Excel or Office file"),
    (b"xl/", "an Excel file"),
    (b"_rels/", "an Excel or Office file"),
    (b"docProps/", "an Excel or Office file"),
    (b"mimetypeapplication/vnd.oasis.opendocument", "an OpenDocument file"),
];
/// Where the first name in a ZIP archive is, and how far the longest of [`ZIPPED`] reaches.
const ZIP_NAME: usize = 30;
const ZIP_END: usize = ZIP_NAME + 44;

/// How a bzip2 archive goes on behind its block size.
const BZIP2: &[u8] = b"1AY&SY";

/// Looks at the first bytes of a file, or of what an archive holds; `at_end` says that they are all.
/// `named` says that the user named the encoding, so that bytes that mean nothing in UTF-8 are not asked
/// about.
///
/// # Errors
/// If the file is no CSV file, or in an encoding that cannot be read, or cannot be told.
pub(super) fn recognize(first: &[u8], at_end: bool, named: bool) -> Result<First, Problem> {
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
        // Of UTF-16 whole units only.
        let end = if encoding == UTF_8 { text.len() } else { text.len() & !1 };
        let (text, _) = encoding.decode_without_bom_handling(&text[..end]);
        return match check_markup(text.as_bytes(), at_end)? {
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
        match what {
            ZIP if first.len() < ZIP_END && !at_end => return Ok(First::More),
            ZIP => return Err(zip(first)),
            "a bzip2 archive" => match first.get(4..) {
                Some(rest) if rest.starts_with(BZIP2) => {}
                _ if !at_end && BZIP2.starts_with(first.get(4..).unwrap_or_default()) => {
                    return Ok(First::More);
                }
                _ => continue,
            },
            _ => {}
        }
        return Err(foreign(what, hint));
    }
    if !check_markup(first, at_end)? {
        return Ok(First::More);
    }
    if named { Ok(First::Text) } else { zeros(first, at_end) }
}

fn foreign(what: &str, hint: &str) -> Problem {
    Problem::new(format!("it is {what}, not CSV")).hint(Hint::words(hint))
}

fn zip(first: &[u8]) -> Problem {
    let name = first.get(ZIP_NAME..).unwrap_or_default();
    match ZIPPED.iter().find(|(begin, _)| name.starts_with(begin)) {
        Some((_, what)) => foreign(what, SPREADSHEET),
        None => foreign(ZIP, UNZIP),
    }
}

/// Looks for the beginning of a web page or an XML document; false: more bytes are needed.
///
/// # Errors
/// If it is one.
fn check_markup(first: &[u8], at_end: bool) -> Result<bool, Problem> {
    const PAGE: &str = "an HTML page";
    const TAGS: [(&str, &str); 4] =
        [("<!doctype html", PAGE), ("<html", PAGE), ("<table", PAGE), ("<?xml", "an XML document")];
    let text = first.trim_ascii_start();
    if !text.is_empty() && text[0] != b'<' {
        return Ok(true);
    }
    let begins = |tag: &str| {
        let len = text.len().min(tag.len());
        let same = text[..len].eq_ignore_ascii_case(&tag.as_bytes()[..len]);
        if !same {
            Some(false)
        } else if text.len() > tag.len() {
            Some(!text[tag.len()].is_ascii_alphanumeric())
        } else if at_end {
            Some(text.len() == tag.len())
        } else {
            None
        }
    };
    let mut is_known = true;
    for (tag, what) in TAGS {
        match begins(tag) {
            Some(true) => {
                let hint = "download the file that it links to, or save its table as CSV";
                return Err(foreign(what, hint));
            }
            Some(false) => {}
            // Blank lines before it: they are no rows in any case.
            None => is_known = false,
        }
    }
    Ok(is_known)
}

/// Looks for zero bytes in the first line, which text has only in encodings with wider units.
fn zeros(first: &[u8], at_end: bool) -> Result<First, Problem> {
    let wide = |encoding: &str| {
        Problem::new(format!("it looks like {encoding}: every other byte of ASCII text is zero"))
            .hint(Hint::is("encoding", encoding.to_ascii_lowercase()))
    };
    let Some(end) = memchr::memchr2(b'\n', b'\r', first) else {
        return match at_end {
            true => check_line(first),
            false => Ok(First::More),
        };
    };
    // What follows the line end is seen before that of a CSV file's header is sure, too.
    if first.len() <= end + 1 && !at_end {
        return Ok(First::More);
    }
    let (line, next) = (&first[..end], first.get(end + 1));
    if !line.contains(&0) && (next != Some(&0) || end % 2 == 1) {
        return Ok(First::Text);
    }
    if line.len() >= 4 && line.len() % 4 == 0 && first.get(end + 1) == Some(&0) && is_utf32(line, 2)
    {
        return Err(without_decoder("UTF-32LE"));
    }
    if line.len() % 4 == 3 && line.len() > 4 && is_utf32(line, 0) {
        return Err(without_decoder("UTF-32BE"));
    }
    if end % 2 == 0 && next == Some(&0) && is_utf16(UTF_16LE, line) {
        return Err(wide("UTF-16LE"));
    }
    if end % 2 == 1 && line[end - 1] == 0 && is_utf16(UTF_16BE, &line[..end - 1]) {
        return Err(wide("UTF-16BE"));
    }
    check_line(line)
}

/// Whether each four bytes have zeros in the two from `zeros` on.
fn is_utf32(line: &[u8], zeros: usize) -> bool {
    line.chunks_exact(4).all(|unit| unit[zeros] == 0 && unit[zeros + 1] == 0)
}

fn is_utf16(encoding: &'static Encoding, line: &[u8]) -> bool {
    !encoding.decode_without_bom_handling(line).1
}

/// A first line with so many zero bytes is no text.
fn check_line(line: &[u8]) -> Result<First, Problem> {
    let zeros = memchr::memchr_iter(0, line).count();
    if zeros > 0 && line.get(257..262) == Some(b"ustar") {
        return Err(foreign("a tar archive", "tar -xOf FILE NAME.csv unpacks a file of it"));
    }
    if 4 * zeros > line.len() {
        return Err(Problem::new(format!(
            "it is no text: {zeros} of the first {} bytes are zero",
            line.len()
        ))
        .hint(Hint::any("encoding").and(" says in which encoding it is, if it is text")));
    }
    Ok(First::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to all bytes, which must be that to each beginning that is enough.
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
        ] {
            let problem = answer(&bytes).unwrap_err();
            assert_eq!(problem.message, format!("it is {what}, not CSV"));
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
        for text in
            ["id,name\r\n1,Zoë\r\n", "id,name\n1,x\n", "\"a\",b\n1,2\n", "城市,人口\n", "\n\n"]
        {
            for (bytes, name) in [(wide(text), "UTF-16LE"), (swapped(text), "UTF-16BE")] {
                let message = answer(&bytes).unwrap_err().message;
                assert!(message.contains(name), "{text:?}: {message}");
            }
        }
        let text = "id,name\n1,x\n";
        assert!(answer(&quads(text)).unwrap_err().message.contains("UTF-32LE"));
        assert!(answer(&[b"\xFF\xFE\0\0", &quads(text)[..]].concat()).is_err());
        assert!(answer(&[0; 300]).unwrap_err().message.contains("no text"));
        // What the user says is taken as it is.
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
        ] {
            let wanted = if text == b"<html" { None } else { Some(First::Text) };
            assert_eq!(answer(text).ok(), wanted, "{text:?}");
        }
        assert_eq!(answer(b"\xEF\xBB\xBFa\n"), Ok(First::Marked(encoding_rs::UTF_8)));
        assert_eq!(answer(b"\xFF\xFEa\0"), Ok(First::Marked(UTF_16LE)));
        assert_eq!(answer(b"\xFE\xFF\0a"), Ok(First::Marked(UTF_16BE)));
    }
}
