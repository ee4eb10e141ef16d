//! Makes a block of clean rows, in the format of their output. Workers do this.

use std::cell::RefCell;

use manyhands_csv::{Out, Plan, Problem};

use crate::output::format::{Format, is_in_line};
use crate::output::packed::pack;
use crate::output::{copy_text, stores};

thread_local! {
    /// Buffer for text that is to be compressed.
    static PLAIN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Format {
    /// Appends text outside of rows, such as a header, if the format has text.
    pub(crate) fn write_text(self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Problem> {
        match self {
            Format::Csv(Some(compression)) if !text.is_empty() => pack(compression, text, out)?,
            Format::Csv(_) => out.extend_from_slice(text),
            Format::Parquet | Format::Sqlite | Format::Postgres | Format::Types => {}
        }
        Ok(())
    }

    /// Appends the content of an output without rows and header: an archive is never empty.
    pub(crate) fn write_nothing(self, out: &mut Vec<u8>) -> Result<(), Problem> {
        match self {
            Format::Csv(Some(compression)) => pack(compression, b"", out),
            Format::Parquet => Err("it is empty, and a Parquet file has columns".into()),
            _ => Ok(()),
        }
    }

    /// Appends the block of the rows that `make` gives; also returns whether its text, if any, ends within a
    /// line.
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
            Format::Parquet => stores::parquet::encode(plan, reply, make)?,
            Format::Sqlite => stores::sqlite::encode(plan, reply, make)?,
            Format::Postgres => copy_text::encode(plan, reply, make)?,
            Format::Types => stores::look_for_types::encode(plan, reply, make)?,
        };
        Ok((made, None))
    }
}
