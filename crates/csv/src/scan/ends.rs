//! What a scan finds: where fields and records end.

/// Where fields and records end in some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The positions of the bytes that end fields: delimiters, and the first bytes of line ends.
    pub(crate) fields: Vec<u32>,
    /// For each record, the place in `fields` of the end of its last. A blank line is a record of
    /// one field with nothing in it.
    pub(crate) rows: Vec<u32>,
    /// How many lines ended, those inside quotes too.
    pub(crate) lines: u64,
    /// The positions of the CRs and LFs inside quotes.
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
