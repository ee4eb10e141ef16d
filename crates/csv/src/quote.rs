//! Quoting: which cells need quotes, and how to write them.

use crate::dialect::{Dialect, QuoteStyle};
use crate::separator::Separator;
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

/// Returns whether a text needs quotes: to be read back unchanged, or because every cell has them.
/// `is_first` says whether it is the first cell of its row.
pub(crate) fn needs_quotes(dialect: &Dialect, text: &[u8], is_first: bool) -> bool {
    if dialect.quote_style == QuoteStyle::All
        || is_first && dialect.comment.is_some() && text.first().copied() == dialect.comment
    {
        return true;
    }
    let is_special = |byte: &u8| matches!(*byte, b'\n' | b'\r') || Some(*byte) == dialect.quote;
    let is_divided = match dialect.delimiter {
        Separator::Byte(delimiter) => {
            return text.iter().any(|byte| *byte == delimiter || is_special(byte))
                || dialect.skip_initial_space
                    && text.first().is_some_and(|byte| dialect.skips(*byte));
        }
        // Nothing between two delimiters is not a field.
        Separator::Spaces => text.is_empty() || text.iter().any(|byte| dialect.skips(*byte)),
        // The end of the text could begin a delimiter that ends in the one behind it.
        Separator::Text(delimiter) => {
            let delimiter = delimiter.bytes();
            memchr::memmem::find(text, delimiter).is_some()
                || (1..delimiter.len()).any(|len| text.ends_with(&delimiter[..len]))
        }
    };
    is_divided
        || text.iter().any(is_special)
        || dialect.skip_initial_space && text.first().is_some_and(|byte| dialect.skips(*byte))
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
