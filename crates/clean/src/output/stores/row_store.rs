//! A place for clean rows: what all of them can do. Each is a file here, and `open.rs` chooses.
//!
//! ```text
//!   begin ─► append, append, … ─► commit      an input after another, or one alone
//!     └──────────┴─ roll_back                 as if it had not been begun
//!   publish                                   when all inputs are in
//! ```

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;

use manyhands_csv::Style;
use manyhands_pool::Reply;

use crate::output::entry::Entry;
use crate::output::error::WriteError;
use crate::output::format::{Block, Column};
use crate::output::placed::{Existing, Placed};
use crate::output::stores::types::Possible;
use crate::sum::Sum;
use crate::watch::Watch;

/// Whichever place was chosen.
pub(crate) type Place = Box<dyn RowStore>;

pub(crate) trait RowStore: Debug {
    /// Its name in messages.
    fn name(&self) -> &str;

    /// Begins the rows of an input; gives whether its header is to be written. If another's is there, the columns
    /// must be the same. What is there now is what [`roll_back`](Self::roll_back) restores.
    fn begin(
        &mut self,
        columns: Vec<Column>,
        style: Style,
        watch: &mut Watch,
    ) -> Result<bool, WriteError>;

    /// Adds a block that was verified.
    fn append(&mut self, part: Part<'_>, watch: &mut Watch) -> Result<(), WriteError>;

    /// All rows of the input that was begun are in. In a table they appear, with the input's entry.
    fn commit(
        &mut self,
        entry: &mut dyn FnMut() -> Entry,
        watch: &mut Watch,
    ) -> Result<(), WriteError>;

    /// Takes back what the input that was begun has written, if there is one. Returns how many bytes of it stay,
    /// since they cannot be taken back: then nothing is written any more, so that nothing is behind a part of an
    /// input.
    ///
    /// # Errors
    /// If it cannot be used for another input.
    fn roll_back(&mut self, watch: &mut Watch) -> Result<u64, WriteError>;

    /// Gives the output its name.
    fn publish(
        self: Box<Self>,
        existing: Existing,
        watch: &mut Watch,
    ) -> Result<Published, WriteError>;

    /// How many bytes of the input that was begun were written.
    fn written(&self) -> u64;

    /// Whether headers and line ends are written to it.
    fn is_text(&self) -> bool {
        false
    }

    /// Whether rows go to a table of a database.
    fn is_table(&self) -> bool {
        false
    }

    /// Whether what is written can be seen at once and cannot be taken back: standard output, a named pipe, a device.
    fn is_final(&self) -> bool {
        false
    }

    /// Whether what is written is thrown away.
    fn is_given_up(&self) -> bool {
        false
    }

    /// Throws away what is written from now on, and what was unless it is final. Columns are still compared.
    fn give_up(&mut self) {}

    /// How the text in it is written, if there is a header in it.
    fn style(&self) -> Option<Style> {
        None
    }

    /// Writes text that is no row, such as a header.
    fn write_text(&mut self, _text: &[u8], _watch: &mut Watch) -> Result<(), WriteError> {
        Ok(())
    }

    /// Writes blocks of text whose bytes were read before; `in_line` as in [`Block`].
    fn write_bytes(
        &mut self,
        _bytes: &[u8],
        _in_line: Option<bool>,
        _watch: &mut Watch,
    ) -> Result<(), WriteError> {
        Ok(())
    }

    /// What is known of an input that is in a table.
    fn entries(&self, _path: &str) -> &[Entry] {
        &[]
    }
}

/// A block of rows, where it lies in a reply.
pub(crate) struct Part<'a> {
    pub(crate) reply: &'a Reply,
    pub(crate) range: Range<usize>,
    pub(crate) block: &'a Block,
    /// How many lines of the input are before the chunk that it was made of.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(dead_code))]
    pub(crate) lines: u64,
}

impl Part<'_> {
    /// The bytes of the block.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, WriteError> {
        let bytes = self.reply.read(self.range.start, self.range.len());
        bytes.map_err(|error| WriteError::of(error.to_string()))
    }
}

/// What became of an output.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// The file, if it is one.
    pub(crate) placed: Placed,
    pub(crate) bytes: u64,
    /// Of its bytes, if it was wanted.
    pub(crate) sum: Sum,
    /// What the inputs leave possible, if types were looked for.
    pub(crate) possible: BTreeMap<String, Possible>,
}
