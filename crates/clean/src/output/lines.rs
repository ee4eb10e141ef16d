//! Appends to the rows of a block the lines that they come from, so that an error can name the row that a
//! database refuses.
//!
//! ```text
//!   rows ... │ lines before row 0, row 1, ... (each 4 bytes) │ number of rows (4 bytes)
//! ```
//! A block without rows is empty.

use manyhands_csv::{Out, Problem, Rows};

/// Lines before each row, as found in a chunk.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<u32>);

impl Lines {
    pub(crate) fn add(&mut self, rows: &Rows) {
        // A chunk of four billion lines does not fit into a reply.
        rows.each_lines_before(|lines| self.0.push(u32::try_from(lines).unwrap_or(u32::MAX)));
    }

    /// Appends them to the block.
    pub(crate) fn finish(self, block: &mut Vec<u8>) {
        if !self.0.is_empty() {
            let count = self.0.len() as u32;
            block.extend(self.0.into_iter().chain([count]).flat_map(u32::to_le_bytes));
        }
    }
}

/// The rows of a block, in the form of a store, with the lines that they come from.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) rows: Vec<u8>,
    /// Number of lines before each row in its chunk.
    lines: Vec<u32>,
    /// Number of lines before the chunk.
    before: u64,
}

#[cfg_attr(not(feature = "postgres"), allow(dead_code))]
impl Batch {
    /// Splits a block, given the number of lines before it; none if it is malformed.
    pub(crate) fn new(mut block: Vec<u8>, before: u64) -> Option<Batch> {
        let count = u32::from_le_bytes(*block.last_chunk()?) as usize;
        let at = block.len().checked_sub(4)?.checked_sub(count.checked_mul(4)?)?;
        let lines = block.split_off(at);
        let lines = lines.chunks_exact(4).take(count);
        let lines = lines.map(|line| u32::from_le_bytes(line.try_into().unwrap_or_default()));
        Some(Batch { lines: lines.collect(), rows: block, before })
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The line at which a row begins, from 1.
    pub(crate) fn line(&self, row: usize) -> Option<u64> {
        self.lines.get(row).map(|line| self.before + u64::from(*line) + 1)
    }

    /// The same without the rows.
    pub(crate) fn into_lines(self) -> Batch {
        Batch { rows: Vec::new(), ..self }
    }
}

/// Appends rows, and the lines that they come from.
pub(crate) fn with_lines<T>(
    reply: &mut Vec<u8>,
    make: impl FnOnce(Out<'_>) -> Result<T, Problem>,
    encode: impl Fn(&Rows<'_>, &mut Vec<u8>),
) -> Result<T, Problem> {
    let mut lines = Lines::default();
    let made = make(Out::Rows(&mut |rows| {
        encode(rows, reply);
        lines.add(rows);
    }))?;
    lines.finish(reply);
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_taken_apart_as_it_was_put_together() {
        let mut block = b"rows".to_vec();
        Lines(vec![1, 4]).finish(&mut block);
        let batch = Batch::new(block, 10).unwrap();
        assert_eq!((batch.rows.as_slice(), batch.len()), (&b"rows"[..], 2));
        assert_eq!((batch.line(0), batch.line(1), batch.line(2)), (Some(12), Some(15), None));
        for broken in [&b""[..], b"abc", &[9, 0, 0, 0], &[255; 12]] {
            assert!(Batch::new(broken.to_vec(), 0).is_none());
        }
        let mut nothing = Vec::new();
        Lines::default().finish(&mut nothing);
        assert!(nothing.is_empty());
    }
}
