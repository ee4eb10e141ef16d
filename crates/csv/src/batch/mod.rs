//! A batch: the records of one chunk during the steps, column by column.
//!
//! ```text
//!   bytes ── ends ── rows:   r0  r1  r2  r3  r4        records as they were found
//!   selection                r0      r2      r4        rows that no step has dropped
//!   columns   Source         ·       ·       ·         a slice of the bytes, read if needed
//!             Cells          c0      c1      c2        changed or made by a step
//!             Floats         f0      f1      f2        computed numbers, formatted only when written
//!   numbers                  n0      n1      n2        cells read as numbers, cached while valid
//! ```
//! Everything below `selection` is dense: index *k* belongs to the record `selection[k]`. All code
//! that keeps this invariant is in this file, which explains its length.

mod numbers;
mod records;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::doubts::Doubts;
use crate::footer::{Dropped, FOOTER};
use crate::layout::Layout;
use crate::number;
use crate::problem::{Hint, Problem};
use crate::record::Field;
use crate::reject::{Failure, Reject};
use crate::split::Owned;

pub(crate) use numbers::Numbers;
pub(crate) use records::too_long;

/// The position of a cell's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    at: u32,
    len: u32,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the input, including its quotes.
    Input,
    /// In the batch's scratch space, as plain text.
    Scratch,
    /// Like `Scratch`, for a cell that had quotes and gets them again.
    ScratchQuoted,
}

impl Cell {
    const EMPTY: Cell = Cell { at: 0, len: 0, place: Place::Scratch };
}

/// Maximum length of a float as text.
const FLOAT_BYTES: usize = 32;

/// The cells of a column, for the rows of the selection.
#[derive(Debug)]
pub(crate) enum Column {
    /// The input field with this number, unchanged.
    Source(usize),
    /// Only empty cells.
    Empty,
    Cells(Vec<Cell>),
    Floats {
        values: Vec<f64>,
        valid: Vec<bool>,
    },
}

/// Number of events, by step and kind of event.
pub(crate) type Counts = BTreeMap<(usize, &'static str, bool), u64>;

/// The records of one chunk, between two steps.
pub(crate) struct Batch<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) bytes: &'a [u8],
    owned: &'a Owned,
    /// Whether the dialect is plain, which is asked for each cell.
    is_plain: bool,
    /// Start of each row, beginning with the first row that the chunk owns.
    starts: Vec<u32>,
    /// The selection: rows that no step has dropped, as indices of `owned.ends.rows`.
    pub(crate) selection: Vec<u32>,
    pub(crate) columns: Vec<Column>,
    numbers: Vec<Option<Numbers>>,
    /// Text made by steps. [`make_room`](Self::make_room) keeps its length within the range of a
    /// [`Cell`].
    pub(crate) scratch: Vec<u8>,
    /// Maximum length of `scratch`.
    scratch_limit: usize,
    pub(crate) rows_in: u64,
    pub(crate) blank_lines: u64,
    /// Dropped rows by step, reason, and whether they are among the rejects.
    pub(crate) set_aside: Counts,
    /// Changed or unreadable cells by step and kind of change.
    pub(crate) cells: Counts,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) failure: Option<Failure>,
    pub(crate) doubts: Doubts,
    /// True if some record ends in a CR without LF.
    has_lone_cr: bool,
    /// True if the selection contains short records.
    pub(crate) has_short: bool,
}

impl<'a> Batch<'a> {
    /// A batch of the records that a chunk owns.
    pub(crate) fn new(layout: &'a Layout, bytes: &'a [u8], owned: &'a Owned) -> Batch<'a> {
        let mut columns: Vec<Column> = (0..layout.fields).map(Column::Source).collect();
        columns.resize_with(layout.names.len(), || Column::Empty);
        let mut batch = Batch {
            layout,
            bytes,
            owned,
            is_plain: layout.dialect.is_plain(),
            starts: Vec::with_capacity(owned.ends.rows.len()),
            selection: Vec::with_capacity(owned.ends.rows.len()),
            numbers: columns.iter().map(|_| None).collect(),
            columns,
            scratch: Vec::new(),
            scratch_limit: u32::MAX as usize,
            rows_in: 0,
            blank_lines: 0,
            set_aside: Counts::new(),
            cells: Counts::new(),
            rejects: Vec::new(),
            failure: None,
            doubts: Doubts::default(),
            has_lone_cr: false,
            has_short: false,
        };
        let bytes = batch.read();
        batch.count_line_ends(bytes);
        batch.look_for_torn_quotes();
        batch
    }

    /// Index in `ends.fields` of a row's first field.
    #[inline]
    fn first_field(&self, row: usize) -> usize {
        if row == 0 { 0 } else { self.owned.ends.rows[row - 1] as usize + 1 }
    }

    /// All rows that were read, whatever their fate.
    pub(crate) fn all_rows(&self) -> Range<usize> {
        self.owned.first_row..self.owned.first_row + self.starts.len()
    }

    /// Number of the field that contains a position of a row.
    pub(crate) fn field_at(&self, row: usize, at: usize) -> usize {
        let ends = &self.owned.ends;
        let fields = &ends.fields[self.first_field(row)..=ends.rows[row] as usize];
        fields.partition_point(|end| (*end as usize) < at)
    }

    /// Start of a row.
    #[inline]
    pub(crate) fn start(&self, row: usize) -> usize {
        self.starts[row - self.owned.first_row] as usize
    }

    /// Start of a row's line end.
    #[inline]
    pub(crate) fn end(&self, row: usize) -> usize {
        self.owned.ends.fields[self.owned.ends.rows[row] as usize] as usize
    }

    /// Returns whether a row has as many fields as the header.
    #[inline]
    pub(crate) fn is_whole(&self, row: usize) -> bool {
        !self.has_short
            || self.owned.ends.rows[row] as usize + 1 - self.first_field(row) == self.layout.fields
    }

    /// A field of a row, unchanged; a field that a short record lacks is empty.
    #[inline(always)]
    pub(crate) fn source(&self, row: usize, field: usize) -> (usize, usize) {
        let (first, ends) = (self.first_field(row), &self.owned.ends.fields[..]);
        if self.has_short && first + field > self.owned.ends.rows[row] as usize {
            return (0, 0);
        }
        let to = ends[first + field] as usize;
        let before = if field == 0 { None } else { Some(ends[first + field - 1] as usize) };
        if self.is_plain {
            // What `after_field` and `field` say for a delimiter of one byte.
            return (before.map_or_else(|| self.start(row), |end| end + 1), to);
        }
        self.source_between(row, before, to)
    }

    /// The field of a row whose delimiter is not one byte, or with spaces around it: between the ends of the field
    /// before and of its own. Apart, so that the loops over plain fields stay small.
    #[cold]
    #[inline(never)]
    fn source_between(&self, row: usize, before: Option<usize>, to: usize) -> (usize, usize) {
        let dialect = &self.layout.dialect;
        let from = before.map_or_else(|| self.start(row), |end| dialect.after_field(end));
        dialect.field(self.bytes, from, to)
    }

    /// The input field in the bytes `from..to`.
    #[inline]
    pub(crate) fn field(&self, (from, to): (usize, usize)) -> Field<'a> {
        Field::new(&self.layout.dialect, &self.bytes[from..to])
    }

    fn cell_field(&self, cell: Cell) -> Field<'a> {
        self.field((cell.at as usize, (cell.at + cell.len) as usize))
    }

    fn cell_content(&self, cell: Cell) -> Cow<'_, [u8]> {
        match cell.place {
            Place::Input => self.cell_field(cell).content(),
            _ => Cow::Borrowed(&self.scratch[cell.at as usize..(cell.at + cell.len) as usize]),
        }
    }

    /// Content of a cell; empty if the cell is empty.
    pub(crate) fn content(&self, k: usize, column: usize) -> Cow<'_, [u8]> {
        match &self.columns[column] {
            Column::Source(field) => {
                self.field(self.source(self.selection[k] as usize, *field)).content()
            }
            Column::Empty => Cow::Borrowed(&[]),
            Column::Cells(cells) => self.cell_content(cells[k]),
            Column::Floats { values, valid } => {
                let mut text = Vec::new();
                if valid[k] {
                    number::write_f64(values[k], &mut text);
                }
                Cow::Owned(text)
            }
        }
    }

    /// Calls `each` with the contents of a column's cells, for some rows in order: some bytes, and
    /// the number of them that belong to the cell. Decisions that depend only on the column are
    /// made once.
    #[inline]
    pub(crate) fn each_content(
        &self,
        column: usize,
        rows: Range<usize>,
        mut each: impl FnMut(&[u8], usize),
    ) {
        match &self.columns[column] {
            Column::Source(field) => {
                for row in &self.selection[rows] {
                    let (from, to) = self.source(*row as usize, *field);
                    let bytes = &self.bytes[from..];
                    let dialect = &self.layout.dialect;
                    if bytes.first().copied() == dialect.quote || dialect.escape.is_some() {
                        let content = self.field((from, to)).content();
                        each(&content, content.len());
                    } else {
                        each(bytes, to - from);
                    }
                }
            }
            Column::Cells(cells) => {
                for cell in &cells[rows] {
                    let content = self.cell_content(*cell);
                    each(&content, content.len());
                }
            }
            Column::Empty | Column::Floats { .. } => {
                for k in rows {
                    let content = self.content(k, column);
                    each(&content, content.len());
                }
            }
        }
    }

    pub(crate) fn is_empty_cell(&self, k: usize, column: usize) -> bool {
        match &self.columns[column] {
            Column::Source(field) => {
                self.field(self.source(self.selection[k] as usize, *field)).is_empty()
            }
            Column::Empty => true,
            Column::Cells(cells) => match cells[k].place {
                Place::Input => self.cell_field(cells[k]).is_empty(),
                _ => cells[k].len == 0,
            },
            Column::Floats { valid, .. } => !valid[k],
        }
    }

    /// A cell for writing: its bytes with quotes if no step changed it, else its content and
    /// whether it had quotes.
    pub(crate) fn written(&self, k: usize, column: usize) -> Written<'_> {
        match &self.columns[column] {
            Column::Source(field) => {
                Written::Field(self.field(self.source(self.selection[k] as usize, *field)))
            }
            Column::Empty => Written::Text(&[], false),
            Column::Cells(cells) => {
                let cell = cells[k];
                match cell.place {
                    Place::Input => Written::Field(self.cell_field(cell)),
                    place => {
                        let text = &self.scratch[cell.at as usize..(cell.at + cell.len) as usize];
                        Written::Text(text, place == Place::ScratchQuoted)
                    }
                }
            }
            Column::Floats { values, valid } => Written::Float(valid[k].then(|| values[k])),
        }
    }

    /// The cells of a column, so that they can be changed by `set`.
    pub(crate) fn make_cells(&mut self, column: usize) -> &mut Vec<Cell> {
        if !matches!(self.columns[column], Column::Cells(_)) {
            self.columns[column] = Column::Cells(self.cells_of(column));
        }
        self.numbers[column] = None;
        match &mut self.columns[column] {
            Column::Cells(cells) => cells,
            _ => unreachable!("it was made so above"),
        }
    }

    /// Converts a column to cells.
    fn cells_of(&mut self, column: usize) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(self.selection.len());
        match &self.columns[column] {
            Column::Cells(known) => cells.extend(known),
            Column::Source(field) => cells.extend(self.selection.iter().map(|row| {
                let (from, to) = self.source(*row as usize, *field);
                Cell { at: from as u32, len: (to - from) as u32, place: Place::Input }
            })),
            Column::Empty => cells.resize(self.selection.len(), Cell::EMPTY),
            Column::Floats { values, valid } => {
                let (values, valid) = (values.clone(), valid.clone());
                for (k, (value, valid)) in values.iter().zip(valid).enumerate() {
                    let at = self.scratch.len();
                    if valid && self.make_room(k, column, FLOAT_BYTES) {
                        number::write_f64(*value, &mut self.scratch);
                    }
                    cells.push(self.scratched(at, false));
                }
            }
        }
        cells
    }

    /// Returns whether the scratch space has room for `bytes` more; if not, the file fails at this
    /// cell.
    pub(crate) fn make_room(&mut self, k: usize, column: usize, bytes: usize) -> bool {
        let has_room = bytes <= self.scratch_limit.saturating_sub(self.scratch.len());
        if !has_room {
            let message = format!(
                "the steps make more than {} bytes of text out of one chunk of the file",
                self.scratch_limit
            );
            let hint = "let them make shorter texts, or drop columns and rows before";
            let problem = Problem::new(message)
                .in_column(&*self.layout.names[column])
                .hint(Hint::words(hint));
            self.fail_at(self.start(self.selection[k] as usize), problem);
        }
        has_room
    }

    /// The cell for the text that was written to the scratch space from `at` on.
    pub(crate) fn scratched(&self, at: usize, quoted: bool) -> Cell {
        let place = if quoted { Place::ScratchQuoted } else { Place::Scratch };
        Cell { at: at as u32, len: (self.scratch.len() - at) as u32, place }
    }

    /// A column made of pieces of a text, given by positions and lengths. The caller has made room
    /// for it.
    pub(crate) fn text_column(&mut self, text: &[u8], places: &[(usize, usize)]) -> Column {
        let base = self.scratch.len();
        self.scratch.extend_from_slice(text);
        let cell = |(at, len): &(usize, usize)| Cell {
            at: (base + at) as u32,
            len: *len as u32,
            place: Place::Scratch,
        };
        Column::Cells(places.iter().map(cell).collect())
    }

    /// Returns whether a cell has or had quotes in the input.
    pub(crate) fn is_quoted(&self, k: usize, column: usize) -> bool {
        match &self.columns[column] {
            Column::Source(field) => {
                self.field(self.source(self.selection[k] as usize, *field)).is_quoted()
            }
            Column::Cells(cells) => match cells[k].place {
                Place::Input => self.cell_field(cells[k]).is_quoted(),
                place => place == Place::ScratchQuoted,
            },
            _ => false,
        }
    }

    /// Changes the cells for which `change` returns a new text, and counts them.
    pub(crate) fn change(
        &mut self,
        step: usize,
        what: &'static str,
        column: usize,
        mut change: impl FnMut(&Self, usize, &mut Vec<u8>) -> bool,
    ) {
        let mut text = Vec::new();
        let mut changed = 0;
        for k in 0..self.selection.len() {
            text.clear();
            if !change(self, k, &mut text) {
                continue;
            }
            let quoted = self.is_quoted(k, column);
            // This may first write all cells of the column to the scratch space.
            self.make_cells(column);
            if !self.make_room(k, column, text.len()) {
                break;
            }
            let at = self.scratch.len();
            self.scratch.extend_from_slice(&text);
            let cell = self.scratched(at, quoted);
            self.make_cells(column)[k] = cell;
            changed += 1;
        }
        self.count_cells(step, what, changed);
    }

    /// The cells of a column read as numbers; cached.
    pub(crate) fn numbers(&mut self, column: usize) -> &Numbers {
        if self.numbers[column].is_none() {
            self.numbers[column] = Some(self.read_numbers(column));
        }
        self.numbers[column].as_ref().expect("it was read above")
    }

    /// The cached result of [`numbers`](Self::numbers).
    pub(crate) fn known_numbers(&self, column: usize) -> Option<&Numbers> {
        self.numbers[column].as_ref()
    }

    fn read_numbers(&self, column: usize) -> Numbers {
        let rows = self.selection.len();
        let mut numbers = Numbers { exact: true, ..Numbers::default() };
        if let Column::Floats { values, valid } = &self.columns[column] {
            let ints = vec![false; rows];
            return Numbers { values: values.clone(), valid: valid.clone(), ints, ..numbers };
        }
        numbers.values.reserve(rows);
        numbers.valid.reserve(rows);
        numbers.ints.reserve(rows);
        if let Column::Source(field) = self.columns[column] {
            for row in &self.selection {
                let (from, to) = self.source(*row as usize, field);
                let short = match self.layout.dialect.escape {
                    None => number::read_short_at(self.bytes, from, to),
                    Some(_) => None,
                };
                match short {
                    Some((value, is_int)) => numbers.push(value, is_int),
                    None => numbers.push_read(&self.field((from, to)).content()),
                }
            }
        } else {
            for k in 0..rows {
                numbers.push_read(&self.content(k, column));
            }
        }
        numbers
    }

    /// Reduces the selection to the rows for which `keep` is true.
    pub(crate) fn retain(&mut self, keep: &[bool]) {
        if keep.iter().all(|keep| *keep) {
            return;
        }
        retain(&mut self.selection, keep);
        for column in &mut self.columns {
            match column {
                Column::Source(_) | Column::Empty => {}
                Column::Cells(cells) => retain(cells, keep),
                Column::Floats { values, valid } => {
                    retain(values, keep);
                    retain(valid, keep);
                }
            }
        }
        for numbers in self.numbers.iter_mut().flatten() {
            retain(&mut numbers.values, keep);
            retain(&mut numbers.valid, keep);
            retain(&mut numbers.ints, keep);
            let mut bad = Vec::new();
            if !numbers.bad.is_empty() {
                let mut new = 0;
                let mut old = numbers.bad.iter().peekable();
                for (k, keep) in keep.iter().enumerate() {
                    let is_bad = old.next_if(|bad| **bad as usize == k).is_some();
                    if *keep {
                        if is_bad {
                            bad.push(new);
                        }
                        new += 1;
                    }
                }
            }
            numbers.bad = bad;
        }
    }

    /// If the file fails, drops the rows after the failing record, which no longer matter.
    pub(crate) fn forget_behind_failure(&mut self) {
        if let Some(failure) = &self.failure {
            let at = failure.at;
            let keep: Vec<bool> =
                self.selection.iter().map(|row| self.start(*row as usize) < at).collect();
            self.retain(&keep);
        }
    }

    /// Replaces a column, and forgets the cached numbers of the old one.
    pub(crate) fn replace_column(&mut self, column: usize, with: Column) {
        self.columns[column] = with;
        self.numbers[column] = None;
    }

    /// Drops the rows for which `keep` is false, and counts them.
    pub(crate) fn drop_rows(&mut self, step: usize, reason: &'static str, keep: &[bool]) {
        let gone = keep.iter().filter(|keep| !**keep).count() as u64;
        self.count_rows(step, reason, gone);
        self.retain(keep);
    }

    /// Counts records of the footer, which are not among those of the batch.
    pub(crate) fn count_footer(&mut self, dropped: Dropped) {
        self.rows_in += dropped.rows;
        self.blank_lines += dropped.blank_lines;
        self.count_rows(0, FOOTER, dropped.rows);
    }

    pub(crate) fn count_rows(&mut self, step: usize, reason: &'static str, rows: u64) {
        if rows > 0 {
            *self.set_aside.entry((step, reason, false)).or_default() += rows;
        }
    }

    pub(crate) fn count_cells(&mut self, step: usize, what: &'static str, cells: u64) {
        if cells > 0 {
            *self.cells.entry((step, what, false)).or_default() += cells;
        }
    }

    /// Records a failure of the file, unless an earlier record has failed it already.
    pub(crate) fn fail_at(&mut self, at: usize, problem: Problem) {
        if self.failure.as_ref().is_none_or(|known| at < known.at) {
            self.failure = Some(Failure { at, line: 0, problem });
        }
    }

    pub(crate) fn reject_row(
        &mut self,
        row: usize,
        step: usize,
        column: Option<usize>,
        reason: &'static str,
    ) {
        *self.set_aside.entry((step, reason, true)).or_default() += 1;
        let (at, end) = (self.start(row), self.end(row));
        let record = self.bytes[at..end].to_vec();
        self.rejects.push(Reject {
            at: at as u64,
            line: 0,
            step,
            column,
            reason: reason.into(),
            record,
            cell: None,
        });
    }
}

/// A cell for writing.
pub(crate) enum Written<'a> {
    /// Unchanged, with its quotes.
    Field(Field<'a>),
    /// New content, and whether the cell had quotes.
    Text(&'a [u8], bool),
    /// A number, or an empty cell.
    Float(Option<f64>),
}

/// Keeps the elements of a vector for which `keep` is true, without branches.
fn retain<T: Copy>(vector: &mut Vec<T>, keep: &[bool]) {
    let mut kept = 0;
    for k in 0..vector.len() {
        vector[kept] = vector[k];
        kept += usize::from(keep[k]);
    }
    vector.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::pass;
    use crate::plan::{Plan, Prepared};
    use crate::recipe::Recipe;
    use crate::scan::Scanner;
    use crate::split::Start;

    #[test]
    fn a_file_fails_at_the_cell_for_which_there_is_no_room() {
        let bytes = b"a,b\n1,x\n2,y\n3,z\n4,\n";
        for (steps, limit, column, at) in [
            ("{ derive = { name = 'd', expression = \"repeat(b, 10)\" } }", 25, "d", 12),
            ("{ replace = { column = 'b', pattern = '.', text = '0123456789' } }", 25, "b", 12),
            ("{ fill = { column = 'b', value = '0123456789' } }", 5, "b", 16),
            (
                "{ derive = { name = 'a', expression = 'a / 2' } }, { fill = { column = 'a', value = '1' } }",
                0,
                "",
                0,
            ),
            (
                "{ derive = { name = 'c', expression = 'a / (a - 2)' } }, { fill = { column = 'c', value = '1' } }",
                33,
                "c",
                12,
            ),
        ] {
            let recipe = Recipe::from_toml(&format!("steps = [{steps}]")).unwrap();
            let dialect = Dialect::default();
            let plan = Plan::new(&Prepared::new(recipe, 0).unwrap(), &dialect, b"a,b").unwrap();
            let mut owned =
                Owned::scan(Scanner::Scalar, &dialect, bytes, 4, bytes.len(), Start::First);
            assert!(owned.finish(Scanner::Scalar, &dialect, bytes, true));
            let mut batch = Batch::new(&plan.layout, bytes, &owned);
            batch.scratch_limit = limit;
            pass::advance(&plan, &mut batch, 0, &[], &[]);
            let Some(failure) = batch.failure else {
                assert_eq!(at, 0, "{steps}");
                continue;
            };
            assert_eq!(failure.at, at, "{steps}");
            assert!(
                failure.problem.text().starts_with(&format!("column {column:?}: ")),
                "{failure:?}"
            );
        }
    }
}
