//! Makes text safe for a terminal: no name or cell of a file can move the cursor, change colours,
//! reverse the order of letters or begin a line of its own.
//!
//! Messages quote names and cells unchanged; faces call this when they show them.

/// The text in one line, with control, bidirectional and invisible characters escaped.
pub fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if obeyed(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Like [`line()`], for a message of several lines: line breaks of the message itself, which come
/// before two spaces or a hint, stay. Other line breaks belong to names.
pub fn lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (number, part) in text.split('\n').enumerate() {
        let is_own = part.starts_with("  ") || part.starts_with("hint: ");
        if number > 0 {
            shown.push_str(if is_own { "\n" } else { "\\n" });
        }
        shown.push_str(&line(part));
    }
    shown
}

/// Returns whether a terminal, or the reader's eye, would not treat it as a character of the text.
fn obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_all_else_is_unchanged() {
        for (text, expected) in [
            ("Größe 東京 👩‍💻 \\ \"", "Größe 東京 👩‍💻 \\ \""),
            ("\x1b[2J\r\x07\x7f", "\\u{1b}[2J\\r\\u{7}\\u{7f}"),
            ("a\u{9b}31m\u{85}", "a\\u{9b}31m\\u{85}"),
            ("\u{202e}vsc.exe\u{2066}", "\\u{202e}vsc.exe\\u{2066}"),
            ("a\nb\tc", "a\\nb\\tc"),
        ] {
            assert_eq!(line(text), expected);
        }
    }

    #[test]
    fn a_message_keeps_its_own_lines_and_a_name_gets_none() {
        assert_eq!(
            lines("a\nerror: b.csv: no column\n  x > 1\n  ^\nhint: c"),
            "a\\nerror: b.csv: no column\n  x > 1\n  ^\nhint: c"
        );
    }
}
