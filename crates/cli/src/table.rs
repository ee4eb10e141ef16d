//! Prints cells in aligned columns, cut to a width.

use manyhands::clean::shown;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The greatest width of one column.
const WIDEST: usize = 32;
/// The space between two columns.
const GAP: &str = "  ";

/// The rows as lines, each at most `width` columns wide and indented by `indent`.
///
/// Columns that do not fit are left out; a last line gives their number.
pub(crate) fn table(rows: &[Vec<String>], indent: usize, width: usize) -> String {
    table_of(rows, indent, width).0
}

/// Like [`table`]; also returns the number of columns left out.
pub(crate) fn table_of(rows: &[Vec<String>], indent: usize, width: usize) -> (String, usize) {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| cut(&shown::line(cell), WIDEST)).collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = Vec::new();
    let mut left = width.saturating_sub(indent);
    for column in 0..columns {
        let gap = if column == 0 { 0 } else { GAP.len() };
        let wanted = width_of(column);
        if gap + wanted > left {
            // The first column is always shown, at least in part.
            if column == 0 {
                widths.push(left);
            }
            break;
        }
        widths.push(wanted);
        left -= gap + wanted;
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = " ".repeat(indent);
        for (column, width) in widths.iter().enumerate() {
            let cell = cut(row.get(column).map_or("", String::as_str), *width);
            if column > 0 {
                line.push_str(GAP);
            }
            line.push_str(&cell);
            line.extend(std::iter::repeat_n(' ', width - cell.width()));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let hidden = columns - widths.len();
    if hidden > 0 {
        let plural = if hidden == 1 { "" } else { "s" };
        text.push_str(&format!("{:indent$}(and {hidden} more column{plural})\n", ""));
    }
    (text, hidden)
}

/// A text in lines of at most `width` columns, wrapped at spaces. The first line is indented by `indent`, the
/// others by two more. A word that is longer than a line is not divided.
pub(crate) fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let (mut lines, mut used) = (" ".repeat(indent), indent);
    let mut is_first = true;
    for word in text.split(' ') {
        if !is_first && used + 1 + word.width() > width {
            lines += &format!("\n{:1$}", "", indent + 2);
            used = indent + 2;
        } else if !is_first {
            lines.push(' ');
            used += 1;
        }
        lines += word;
        used += word.width();
        is_first = false;
    }
    lines + "\n"
}

/// The part of a text that fits.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|&cell| cell.to_owned()).collect()).collect()
    }

    #[test]
    fn a_text_is_divided_at_spaces() {
        assert_eq!(wrapped("aa bb cc dddddddd e", 1, 7), " aa bb\n   cc\n   dddddddd\n   e\n");
        assert_eq!(wrapped("aa", 0, 1), "aa\n");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = rows(&[&["id", "city", "value"], &["1", "Köln", "2.5"], &["100", "東京", ""]]);
        assert_eq!(table(&rows, 2, 80), "  id   city  value\n  1    Köln  2.5\n  100  東京\n");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let rows = rows(&[&["aaaa", "bbbb", "cccc"], &["1", "2", "3"]]);
        assert_eq!(table(&rows, 0, 10), "aaaa  bbbb\n1     2\n(and 1 more column)\n");
        assert_eq!(table(&rows, 0, 9), "aaaa\n1\n(and 2 more columns)\n");
        assert_eq!(table(&rows, 0, 3), "aa…\n1\n(and 2 more columns)\n");
    }

    #[test]
    fn cells_are_one_line_and_not_long() {
        let rows = rows(&[&["a\nb\x1b[31m", &"x".repeat(100)]]);
        let expected = format!("a\\nb\\u{{1b}}[31m  {}…\n", "x".repeat(WIDEST - 1));
        assert_eq!(table(&rows, 0, 80), expected);
    }

    #[test]
    fn no_line_is_wider_than_it_may() {
        let rows = rows(&[&["ab", "東京", "c", "…", "longer"], &["", "x", "yy"], &[]]);
        for width in 2..40 {
            let text = table(&rows, 2, width);
            let is_data = |line: &&str| !line.contains("more column");
            assert!(
                text.lines().filter(is_data).all(|line| line.width() <= width),
                "{width}\n{text}"
            );
        }
        assert_eq!(table(&[], 2, 80), "");
    }
}
