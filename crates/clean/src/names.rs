//! Paths as text, for reports, manifests and tables.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path as text, different for every path. A path in UTF-8 is its own text. Every other byte becomes the
/// character U+FFFD and two hexadecimal digits, and so do the bytes of U+FFFD itself: `b"a\xff"` is `a�FF`.
pub(crate) fn text_of(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for (place, part) in chunk.valid().split('\u{fffd}').enumerate() {
            if place > 0 {
                escape("\u{fffd}".as_bytes(), &mut text);
            }
            text.push_str(part);
        }
        escape(chunk.invalid(), &mut text);
    }
    text
}

fn escape(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        let _ = write!(text, "\u{fffd}{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn each_path_has_a_text_of_its_own() {
        let names: [&[u8]; 8] = [
            b"a",
            b"\xff",
            b"\xfe",
            b"\xff\xfe",
            "\u{fffd}".as_bytes(),
            "\u{fffd}FF".as_bytes(),
            b"\xc3",
            "\u{e9}".as_bytes(),
        ];
        let texts = names.map(|name| text_of(Path::new(OsStr::from_bytes(name))));
        assert_eq!(texts[0], "a");
        assert_eq!(texts[3], "\u{fffd}FF\u{fffd}FE");
        assert_eq!(texts[4], "\u{fffd}EF\u{fffd}BF\u{fffd}BD");
        assert_eq!(texts[7], "\u{e9}");
        assert_eq!(HashSet::from(texts).len(), names.len());
    }
}
