//! Encodings by name: names of the Encoding Standard and of Python.

use encoding_rs::Encoding;
use manyhands_csv::{Hint, Problem, ProblemKind};

/// Python's names for encodings that have other names in the Encoding Standard; lower case, with hyphens.
const PYTHON: [(&str, &str); 37] = [
    ("utf-8-sig", "utf-8"),
    ("utf8-sig", "utf-8"),
    ("cp65001", "utf-8"),
    ("u8", "utf-8"),
    ("utf", "utf-8"),
    ("u16", "utf-16"),
    ("utf16", "utf-16"),
    ("utf-16le", "utf-16le"),
    ("utf-16-le", "utf-16le"),
    ("utf16-le", "utf-16le"),
    ("utf16le", "utf-16le"),
    ("utf-16-be", "utf-16be"),
    ("utf16-be", "utf-16be"),
    ("utf16be", "utf-16be"),
    ("646", "ascii"),
    ("latin", "latin1"),
    ("latin-1", "latin1"),
    ("8859", "latin1"),
    ("latin-2", "latin2"),
    ("latin9", "iso-8859-15"),
    ("latin-9", "iso-8859-15"),
    ("latin10", "iso-8859-16"),
    ("iso8859", "iso-8859-1"),
    ("cp874", "windows-874"),
    ("tis-620", "windows-874"),
    ("cp932", "shift_jis"),
    ("mskanji", "shift_jis"),
    ("cp936", "gbk"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
    ("big5hkscs", "big5-hkscs"),
    ("eucjp", "euc-jp"),
    ("euckr", "euc-kr"),
    ("iso2022-jp", "iso-2022-jp"),
    ("macroman", "macintosh"),
    ("mac-roman", "macintosh"),
    ("mac-cyrillic", "x-mac-cyrillic"),
];

/// Beginnings of the names of encodings that exist but have no decoder here.
const WITHOUT_DECODER: [&str; 20] = [
    "cp",
    "ibm",
    "utf-32",
    "utf32",
    "u32",
    "utf-7",
    "utf7",
    "u7",
    "mac",
    "hz",
    "iso-2022",
    "iso2022",
    "johab",
    "shift-jis",
    "shiftjis",
    "euc-jis",
    "eucjis",
    "hp-roman8",
    "kz1048",
    "ptcp154",
];

/// Python's names for encodings that have other names in iconv.
const ICONV: [(&str, &str); 24] = [
    ("utf-32", "UTF-32"),
    ("utf32", "UTF-32"),
    ("u32", "UTF-32"),
    ("utf-32-le", "UTF-32LE"),
    ("utf-32le", "UTF-32LE"),
    ("utf-32-be", "UTF-32BE"),
    ("utf-32be", "UTF-32BE"),
    ("utf-7", "UTF-7"),
    ("utf7", "UTF-7"),
    ("u7", "UTF-7"),
    ("iso2022-kr", "ISO-2022-KR"),
    ("iso-2022-kr", "ISO-2022-KR"),
    ("iso2022-jp-2", "ISO-2022-JP-2"),
    ("iso2022-jp-3", "ISO-2022-JP-3"),
    ("mac-latin2", "MAC-CENTRALEUROPE"),
    ("mac-centeuro", "MAC-CENTRALEUROPE"),
    ("shift-jisx0213", "SHIFT_JISX0213"),
    ("shift-jis-2004", "SHIFT_JISX0213"),
    ("shiftjis2004", "SHIFT_JISX0213"),
    ("euc-jisx0213", "EUC-JISX0213"),
    ("euc-jis-2004", "EUC-JISX0213"),
    ("eucjisx0213", "EUC-JISX0213"),
    ("kz1048", "RK1048"),
    ("hp-roman8", "HP-ROMAN8"),
];

/// The encoding with this name.
///
/// # Errors
/// If there is no such encoding, or no decoder for it.
pub(crate) fn by_name(name: &str) -> Result<&'static Encoding, Problem> {
    let plain = name.trim().to_ascii_lowercase().replace(['_', ' '], "-");
    let standard = |name: &str| Encoding::for_label_no_replacement(name.as_bytes());
    let python =
        || PYTHON.iter().find(|(python, _)| *python == plain).map(|(_, standard)| *standard);
    let found = standard(name).or_else(|| standard(python().unwrap_or(&plain)));
    found.ok_or_else(|| {
        if WITHOUT_DECODER.iter().any(|begin| plain.starts_with(begin)) {
            return without_decoder(name);
        }
        Problem::new(format!("no encoding is called {name:?}")).of(ProblemKind::Format).hint(
            Hint::words(
                "common ones are utf-8, latin1, windows-1252, utf-16le, shift_jis, gb18030",
            ),
        )
    })
}

/// The error for an encoding without a decoder.
pub(crate) fn without_decoder(name: &str) -> Problem {
    let problem = Problem::new(format!("there is no decoder for the encoding {name:?}"))
        .of(ProblemKind::Format);
    let plain = name.trim().to_ascii_lowercase().replace(['_', ' '], "-");
    let known = ICONV.iter().find(|(python, _)| *python == plain).map(|(_, iconv)| *iconv);
    problem.hint(Hint::words(match (known, &*plain) {
        // iconv has no decoder for it either.
        (None, "hz" | "hz-gb" | "hz-gb-2312") => {
            "python3 -c 'import sys; print(end=sys.stdin.buffer.read().decode(\"hz\"))' < FILE makes \
             UTF-8 of it"
                .to_owned()
        }
        (None, _) => format!("iconv -f {name} -t UTF-8 FILE makes UTF-8 of it"),
        (Some(iconv), _) => format!("iconv -f {iconv} -t UTF-8 FILE makes UTF-8 of it"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_python_and_of_the_standard_mean_the_same() {
        for (name, standard) in [
            ("latin-1", "windows-1252"),
            ("Latin_1", "windows-1252"),
            ("iso8859_15", "ISO-8859-15"),
            ("utf-8-sig", "UTF-8"),
            ("UTF_8_SIG", "UTF-8"),
            ("utf_8", "UTF-8"),
            ("cp1252", "windows-1252"),
            ("windows_1250", "windows-1250"),
            ("cp866", "IBM866"),
            ("cp932", "Shift_JIS"),
            ("shift_jis", "Shift_JIS"),
            ("cp949", "EUC-KR"),
            ("cp950", "Big5"),
            ("gb2312", "GBK"),
            ("euc_jp", "EUC-JP"),
            ("iso2022_jp", "ISO-2022-JP"),
            ("utf16", "UTF-16LE"),
            ("utf_16_be", "UTF-16BE"),
            ("utf-16-le", "UTF-16LE"),
            ("mac_roman", "macintosh"),
            ("koi8_r", "KOI8-R"),
        ] {
            assert_eq!(by_name(name).map(Encoding::name), Ok(standard), "{name}");
        }
        for name in ["cp437", "cp850", "utf_32", "utf-7", "hz", "iso2022_kr", "mac_latin2", "johab"]
        {
            let problem = by_name(name).unwrap_err();
            assert!(problem.text().starts_with("there is no decoder for"), "{name}: {problem}");
        }
        assert!(by_name("utf-9").unwrap_err().text().starts_with("no encoding is called"));
    }
}
