//! The result of a scan: positions of the ends of fields and records.

/// Positions of the ends of fields and records in some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    /// Positions of the bytes that end fields: delimiters, and the first bytes of line ends.
    pub(crate) fields: Vec<u32>,
    /// For each record, the index in `fields` of the end of its last field. A blank line is a
    /// record of one empty field.
    pub(crate) rows: Vec<u32>,
    /// Number of lines, including those inside quotes.
    pub(crate) lines: u64,
    /// Positions of the CRs and LFs inside quotes.
    pub(crate) inner: Vec<u32>,
}

impl Ends {
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.rows.clear();
        self.lines = 0;
        self.inner.clear();
    }
}
