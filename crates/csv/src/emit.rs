//! Writes the rows of a batch: untouched cells with their exact bytes, other cells as their values
//! require.
//!
//! Adjacent columns that no step touched are written as one slice. If a whole row is untouched,
//! adjacent rows are written together too.

use crate::batch::{Batch, Column, Written};
use crate::dialect::LineEnd;
use crate::number;
use crate::quote::{check_quotes, needs_quotes, write_cell};
use crate::record;
use crate::separator::Separator;

/// Some adjacent columns of the output.
enum Stretch<'a> {
    /// These fields of the input, from the first to the last, unchanged.
    Fields(usize, usize),
    /// Computed numbers, which never need quotes.
    Floats(&'a [f64], &'a [bool]),
    Column(usize),
    /// Empty cells.
    Empty,
}

/// Appends the rows of a batch. On failure, returns the reason and the row.
pub(crate) fn emit(batch: &Batch, out: &mut Vec<u8>) -> Result<(), (usize, String)> {
    let (layout, written) = (batch.layout, &batch.layout.written);
    let delimiter = written.delimiter;
    if batch.selection.is_empty() {
        return Ok(());
    }
    let stretches = stretches(batch, layout.keeps_fields());
    out.reserve(batch.bytes.len() + 16 * batch.selection.len());
    if let [Stretch::Fields(0, last)] = stretches[..]
        && last + 1 == layout.fields
        && !batch.has_short
    {
        emit_slices(batch, out);
        return Ok(());
    }
    let whole_first = matches!(stretches[0], Stretch::Fields(0, last) if last + 1 == layout.fields)
        && !batch.has_short;
    for k in 0..batch.selection.len() {
        let row = batch.selection[k] as usize;
        let begin = out.len();
        let end = batch.end(row);
        for (place, stretch) in stretches.iter().enumerate() {
            if place > 0 {
                push_delimiter(delimiter, out);
            }
            match *stretch {
                Stretch::Fields(..) if place == 0 && whole_first => {
                    push_short(batch.bytes, batch.start(row), end, out);
                }
                Stretch::Fields(first, last) if batch.is_whole(row) => {
                    let (from, to) = (batch.source(row, first).0, batch.source(row, last).1);
                    out.extend_from_slice(&batch.bytes[from..to]);
                }
                Stretch::Fields(first, last) => {
                    for field in first..=last {
                        if field > first {
                            push_delimiter(delimiter, out);
                        }
                        out.extend_from_slice(batch.field(batch.source(row, field)).raw);
                    }
                }
                Stretch::Floats(values, valid) => {
                    if valid[k] {
                        number::write_f64(values[k], out);
                    }
                }
                Stretch::Empty => {}
                Stretch::Column(column) => {
                    write_column(batch, k, column, place == 0, out)
                        .map_err(|message| (row, message))?;
                }
            }
        }
        if out.len() == begin {
            // A row of one empty cell would be read as a blank line.
            match written.quote {
                Some(quote) => out.extend([quote, quote]),
                None => {
                    return Err((
                        row,
                        "a row of one empty cell cannot be written without quotes".into(),
                    ));
                }
            }
        }
        push_line_end(batch, end, out);
    }
    Ok(())
}

#[inline]
fn push_delimiter(delimiter: Separator, out: &mut Vec<u8>) {
    match delimiter {
        Separator::Byte(byte) => out.push(byte),
        other => out.extend_from_slice(other.written()),
    }
}

/// Appends the line end of a row that ends at `end`, in the output's style.
#[inline]
fn push_line_end(batch: &Batch, end: usize, out: &mut Vec<u8>) {
    match batch.layout.dialect.out_line_end.filter(|_| end < batch.bytes.len()) {
        Some(line_end) => out.extend_from_slice(line_end.bytes()),
        None => {
            out.extend_from_slice(&batch.bytes[end..record::after_line_end(batch.bytes, end)]);
        }
    }
}

/// Appends `bytes[from..to]`. Copies a fixed length, possibly too much, which avoids a function
/// call.
#[inline]
fn push_short(bytes: &[u8], from: usize, to: usize, out: &mut Vec<u8>) {
    let len = to - from;
    match bytes[from..].first_chunk::<64>() {
        Some(chunk) if len <= 64 => {
            let end = out.len() + len;
            out.extend_from_slice(chunk);
            out.truncate(end);
        }
        _ => out.extend_from_slice(&bytes[from..to]),
    }
}

/// Writes rows that no step touched; adjacent rows are copied together.
fn emit_slices(batch: &Batch, out: &mut Vec<u8>) {
    let mut rows = batch.selection.iter().map(|row| *row as usize).peekable();
    while let Some(first) = rows.next() {
        let mut last = first;
        while let Some(next) = rows.next_if(|next| *next == last + 1 && can_join(batch, *next)) {
            last = next;
        }
        let end = batch.end(last);
        out.extend_from_slice(&batch.bytes[batch.start(first)..end]);
        push_line_end(batch, end, out);
    }
}

/// Returns whether a row begins right after the line end of the row before, and that line end has
/// the output's style.
#[inline]
fn can_join(batch: &Batch, row: usize) -> bool {
    let end = batch.end(row - 1);
    batch.start(row) == record::after_line_end(batch.bytes, end)
        && match batch.layout.dialect.out_line_end {
            None => true,
            Some(line_end) => LineEnd::at(batch.bytes, end) == Some(line_end),
        }
}

fn stretches<'a>(batch: &'a Batch, keeps_fields: bool) -> Vec<Stretch<'a>> {
    let mut stretches = Vec::new();
    let comment = batch.layout.dialect.comment.is_some();
    // All characters that the text of a number may contain.
    let plain_numbers = !b"0123456789.-+einfNa"
        .iter()
        .any(|byte| needs_quotes(&batch.layout.written, &[*byte], true))
        && !needs_quotes(&batch.layout.written, b"", true);
    for column in &batch.layout.output {
        match (&batch.columns[*column], stretches.last_mut()) {
            // The column that is now first might look like a comment.
            (Column::Source(field), None) if comment && *field > 0 => {
                stretches.push(Stretch::Column(*column));
            }
            (Column::Source(field), Some(Stretch::Fields(_, last)))
                if keeps_fields && *field == *last + 1 =>
            {
                *last = *field;
            }
            (Column::Source(field), _) if keeps_fields => {
                stretches.push(Stretch::Fields(*field, *field));
            }
            (Column::Empty, _) => stretches.push(Stretch::Empty),
            (Column::Floats { values, valid }, _) if plain_numbers => {
                stretches.push(Stretch::Floats(values, valid));
            }
            _ => stretches.push(Stretch::Column(*column)),
        }
    }
    stretches
}

/// Writes the cell of row `k` in a column; `is_first` says whether the column is the output's
/// first. The result depends on the cell alone, never on its neighbours in the batch.
fn write_column(
    batch: &Batch,
    k: usize,
    column: usize,
    is_first: bool,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let (dialect, name) = (&batch.layout.written, &batch.layout.names[column]);
    match batch.written(k, column) {
        Written::Float(Some(value)) => {
            let begin = out.len();
            number::write_f64(value, out);
            // With an unusual delimiter, a number may need quotes.
            if needs_quotes(dialect, &out[begin..], is_first) {
                let text = out.split_off(begin);
                check_quotes(dialect, &text, name, is_first)?;
                write_cell(dialect, &text, false, out);
            }
        }
        Written::Float(None) => {
            check_quotes(dialect, b"", name, is_first)?;
            write_cell(dialect, b"", false, out);
        }
        Written::Text(text, quoted) => {
            check_quotes(dialect, text, name, is_first)?;
            write_cell(dialect, text, quoted, out);
        }
        Written::Field(field) => {
            let looks_commented =
                is_first && !field.raw.is_empty() && field.raw.first().copied() == dialect.comment;
            if batch.layout.keeps_fields() && !looks_commented {
                out.extend_from_slice(field.raw);
            } else {
                let content = field.content();
                check_quotes(dialect, &content, name, is_first)?;
                write_cell(dialect, &content, field.is_quoted(), out);
            }
        }
    }
    Ok(())
}
