//! What a worker makes of clean rows: a block in the format of their output.

use std::cell::RefCell;

use manyhands_csv::{Out, Plan, Problem};

use crate::output::format::{Format, is_in_line};
use crate::output::packed::pack;
use crate::output::stores::types::Possible;

thread_local! {
    /// What is to be compressed goes here, again and again.
    static PLAIN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Format {
    /// Appends text outside of rows, such as a header, if the format has such.
    pub(crate) fn write_text(self, text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Format::Csv(Some(compression)) if !text.is_empty() => pack(compression, text, out)?,
            Format::Csv(_) => out.extend_from_slice(text),
            Format::Parquet | Format::Sqlite | Format::Postgres | Format::Types => {}
        }
        Ok(())
    }

    /// Appends what is to be there even if there is no row and no header: no archive is empty.
    pub(crate) fn write_nothing(self, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Format::Csv(Some(compression)) => pack(compression, b"", out),
            Format::Parquet => Err("it is empty, and a Parquet file has columns".to_owned()),
            _ => Ok(()),
        }
    }

    /// Appends the block of the rows that `make` gives; also says whether its text ends within a
    /// line, if it is text and not empty.
    pub(crate) fn encode<T>(
        self,
        plan: &Plan,
        reply: &mut Vec<u8>,
        make: impl FnOnce(Out<'_>) -> Result<T, Problem>,
    ) -> Result<(T, Option<bool>), Problem> {
        let made = match self {
            Format::Csv(None) => {
                let before = reply.len();
                let made = make(Out::Csv(reply))?;
                return Ok((made, is_in_line(&reply[before..])));
            }
            Format::Csv(Some(compression)) => {
                return PLAIN.with_borrow_mut(|plain| {
                    plain.clear();
                    let made = make(Out::Csv(plain))?;
                    if !plain.is_empty() {
                        pack(compression, plain, reply)?;
                    }
                    Ok((made, is_in_line(plain)))
                });
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let mut encoder =
                    crate::output::stores::parquet::encoder(&crate::output::format::columns(plan));
                let made = make(Out::Rows(&mut |rows| {
                    encoder.add(&crate::output::stores::parquet::Cells(rows));
                }))?;
                encoder.finish(reply).map_err(|error| error.to_string())?;
                made
            }
            #[cfg(feature = "sqlite")]
            Format::Sqlite => with_lines(reply, make, |rows, out| {
                crate::output::stores::sqlite::encode(rows, plan.output_types(), out);
            })?,
            #[cfg(any(feature = "postgres", feature = "fuzzing"))]
            Format::Postgres => {
                let types = plan.output_types();
                with_lines(reply, make, |rows, out| {
                    crate::output::copy_text::encode(rows, types, out);
                })?
            }
            #[allow(unreachable_patterns)]
            Format::Parquet | Format::Sqlite | Format::Postgres => {
                return Err(self.check().err().unwrap_or_default());
            }
            Format::Types => {
                let mut possible = vec![Possible::default(); plan.output_names().len()];
                let mut look = |rows: &manyhands_csv::Rows<'_>| {
                    let columns = possible.iter_mut().enumerate();
                    columns.for_each(|(column, possible)| possible.look(rows, column));
                };
                let made = make(Out::Rows(&mut look))?;
                manyhands_tasks::codec::encode_onto(&possible, reply);
                made
            }
        };
        Ok((made, None))
    }
}

/// Appends rows, and the lines that they come from.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "fuzzing"))]
fn with_lines<T>(
    reply: &mut Vec<u8>,
    make: impl FnOnce(Out<'_>) -> Result<T, Problem>,
    encode: impl Fn(&manyhands_csv::Rows<'_>, &mut Vec<u8>),
) -> Result<T, Problem> {
    let mut lines = crate::output::lines::Lines::default();
    let made = make(Out::Rows(&mut |rows| {
        encode(rows, reply);
        lines.add(rows);
    }))?;
    lines.finish(reply);
    Ok(made)
}
