//! The trait of all stores for clean rows. Each is a file in this folder, and `open.rs` selects one.
//!
//! ```text
//!   begin ─► append, append, … ─► commit      an input after another, or one alone
//!     └──────────┴─ roll_back                 as if it had not been begun
//!   publish                                   when all inputs are in
//! ```

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;

use manyhands_csv::{Problem, Style};
use manyhands_pool::Reply;

use crate::checksum::Checksum;
use crate::output::entry::Entry;
use crate::output::error::WriteError;
use crate::output::format::{Block, Column};
use crate::output::placed::{Existing, Placed};
use crate::output::stores::types::Possible;
use crate::watch::Watch;

/// Any store.
pub(crate) type Place = Box<dyn RowStore>;

pub(crate) trait RowStore: Debug {
    /// The store's name in messages.
    fn name(&self) -> &str;

    /// Begins the rows of an input; returns whether its header must be written. If the store has the header
    /// of another input, the columns must be the same. [`roll_back`](Self::roll_back) restores the present
    /// state.
    fn begin(
        &mut self,
        columns: Vec<Column>,
        style: Style,
        watch: &mut Watch,
    ) -> Result<bool, WriteError>;

    /// Appends a verified block.
    fn append(&mut self, part: Part<'_>, watch: &mut Watch) -> Result<(), WriteError>;

    /// Ends the rows of the current input. In a table they appear, with the input's entry.
    fn commit(
        &mut self,
        entry: &mut dyn FnMut() -> Entry,
        watch: &mut Watch,
    ) -> Result<(), WriteError>;

    /// Takes back the rows of the current input, if there is one. Returns the number of its bytes that cannot
    /// be taken back. If there are any, nothing is written from now on, so nothing follows a part of an
    /// input.
    ///
    /// # Errors
    /// If the store cannot be used for another input.
    fn roll_back(&mut self, watch: &mut Watch) -> Result<u64, WriteError>;

    /// Gives the output its name.
    fn publish(
        self: Box<Self>,
        existing: Existing,
        watch: &mut Watch,
    ) -> Result<Published, WriteError>;

    /// Number of bytes that were written of the current input.
    fn written(&self) -> u64;

    /// Returns whether headers and line ends are written.
    fn is_text(&self) -> bool {
        false
    }

    /// Returns whether the store is a table of a database.
    fn is_table(&self) -> bool {
        false
    }

    /// Returns whether output is visible at once and cannot be taken back: standard output, a named pipe, a
    /// device.
    fn is_final(&self) -> bool {
        false
    }

    /// Returns whether output is discarded.
    fn is_given_up(&self) -> bool {
        false
    }

    /// Discards output from now on; also discards earlier output, unless it is final. Columns are still
    /// compared.
    fn give_up(&mut self) {}

    /// The style of its text, if it has a header.
    fn style(&self) -> Option<Style> {
        None
    }

    /// Writes text that is not a row, such as a header.
    fn write_text(&mut self, _text: &[u8], _watch: &mut Watch) -> Result<(), WriteError> {
        Ok(())
    }

    /// Writes blocks of text that were read before; `in_line` as in [`Block`].
    fn write_bytes(
        &mut self,
        _bytes: &[u8],
        _in_line: Option<bool>,
        _watch: &mut Watch,
    ) -> Result<(), WriteError> {
        Ok(())
    }

    /// The entries of an input in a table.
    fn entries(&self, _path: &str) -> &[Entry] {
        &[]
    }
}

/// A block of rows, and its place in a reply.
pub(crate) struct Part<'a> {
    pub(crate) reply: &'a Reply,
    pub(crate) range: Range<usize>,
    pub(crate) block: &'a Block,
    /// Number of lines of the input before the chunk.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(dead_code))]
    pub(crate) lines: u64,
}

impl Part<'_> {
    /// The bytes of the block.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, WriteError> {
        let bytes = self.reply.read(self.range.start, self.range.len());
        bytes.map_err(|error| WriteError::of(Problem::from_error(error)))
    }
}

/// The result of publishing an output.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// The file, if there is one.
    pub(crate) placed: Placed,
    pub(crate) bytes: u64,
    /// Checksum of the bytes, if wanted.
    pub(crate) sum: Checksum,
    /// The types that the inputs allow, if types are proposed.
    pub(crate) possible: BTreeMap<String, Possible>,
}
