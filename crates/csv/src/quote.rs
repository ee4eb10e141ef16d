//! Quoting: which cells need quotes, and how to write them.

use crate::dialect::Dialect;
use crate::wording::readable;

/// # Errors
/// If the dialect has no quotes and the text cannot be written without them.
pub(crate) fn check_quotes(
    dialect: &Dialect,
    text: &[u8],
    name: &str,
    is_first: bool,
) -> Result<(), String> {
    if dialect.quote.is_none() && needs_quotes(dialect, text, is_first) {
        return Err(format!(
            "column {name:?}: {:?} cannot be written without quotes",
            readable(text)
        ));
    }
    Ok(())
}

/// Returns whether a text needs quotes to be read back unchanged. `is_first` says whether it is the
/// first cell of its row.
pub(crate) fn needs_quotes(dialect: &Dialect, text: &[u8], is_first: bool) -> bool {
    is_first && dialect.comment.is_some() && text.first().copied() == dialect.comment
        || text.iter().any(|byte| {
            *byte == dialect.delimiter
                || matches!(*byte, b'\n' | b'\r')
                || Some(*byte) == dialect.quote
        })
}

/// Writes a cell, in quotes if it needs them or had them. The result does not depend on the cell's
/// position in its row.
pub(crate) fn write_cell(dialect: &Dialect, text: &[u8], quoted: bool, out: &mut Vec<u8>) {
    match dialect.quote {
        Some(quote) if quoted || needs_quotes(dialect, text, true) => {
            out.push(quote);
            for part in text.split_inclusive(|byte| *byte == quote) {
                out.extend_from_slice(part);
                if part.ends_with(&[quote]) {
                    out.push(quote);
                }
            }
            out.push(quote);
        }
        _ => out.extend_from_slice(text),
    }
}
