//! The text format of PostgreSQL's `COPY`, which workers write.

use std::fmt::Display;
use std::io::Write;

use manyhands_csv::recipe::Type;
use manyhands_csv::{Out, Plan, Problem, Rows};

use crate::output::lines::with_lines;

/// Encodes the rows that `make` gives, with the lines that they come from.
pub(crate) fn encode<T>(
    plan: &Plan,
    reply: &mut Vec<u8>,
    make: impl FnOnce(Out<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let types = plan.output_types();
    with_lines(reply, make, |rows, out| encode_rows(rows, types, out))
}

/// Appends rows as text for `COPY ... FROM STDIN`.
fn encode_rows(rows: &Rows, types: &[Type], out: &mut Vec<u8>) {
    for row in 0..rows.len() {
        for (column, kind) in types.iter().enumerate() {
            if column > 0 {
                out.push(b'\t');
            }
            let is_there = match kind {
                Type::Integer => put(rows.integer(row, column), out),
                Type::Boolean => put(rows.boolean(row, column), out),
                // With an exponent, so that large numbers are not written digit by digit.
                Type::Number => {
                    put(rows.number(row, column).map(|value| format!("{value:e}")), out)
                }
                Type::Text => {
                    let text = rows.text(row, column);
                    text.inspect(|text| escape(text, out)).is_some()
                }
                Type::Date | Type::Datetime => {
                    let text = rows.moment_text(row, column);
                    text.inspect(|text| out.extend(text)).is_some()
                }
            };
            if !is_there {
                out.extend(b"\\N");
            }
        }
        out.push(b'\n');
    }
}

/// Appends a value that needs no escapes, if there is one.
fn put(value: Option<impl Display>, out: &mut Vec<u8>) -> bool {
    // Writing to memory cannot fail.
    value.is_some_and(|value| write!(out, "{value}").is_ok())
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r'))
    {
        out.extend_from_slice(&rest[..at]);
        out.extend(match rest[at] {
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            _ => b"\\\\",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let mut out = Vec::new();
        escape(b"a\\b\tc\r\nd", &mut out);
        assert_eq!(out, b"a\\\\b\\tc\\r\\nd");
    }
}
