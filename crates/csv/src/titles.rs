//! Makes the names of columns that are not simply the cells of a header of one record.

use crate::dialect::Dialect;
use crate::head::Head;
use crate::problem::{Hint, Problem, ProblemKind};
use crate::record::Records;
use crate::scan::{Ends, Scanner, State};
use crate::wording::{counted, list};

impl Dialect {
    /// The line end of the output's header: that of the header in the file. Given names of a file
    /// without one end as its first record does.
    pub fn header_line_end<'a>(&self, bytes: &'a [u8], head: &Head) -> &'a [u8] {
        match self.is_named() && self.header_lines() == 0 {
            true => self.style(bytes, head.header.end).line_end.bytes(),
            false => self.line_end(&bytes[head.header.end..head.header_end]),
        }
    }

    /// The names of the columns if they are not simply the cells of a header of one record: joined
    /// from several records, or given. `header` as in [`Head::header`](crate::Head::header).
    ///
    /// # Errors
    /// If the records of the header, or the given names and the first record, differ in length.
    pub(crate) fn made_names(&self, header: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Problem> {
        if self.header_lines() <= 1 && self.frame.names.is_none() {
            return Ok(None);
        }
        let mut ends = Ends::default();
        let state = Scanner::Scalar.scan(self, State::RecordStart, header, 0, &mut ends);
        if !matches!(state, State::RecordStart | State::AfterCr | State::Comment) {
            ends.fields.push(header.len() as u32);
            ends.rows.push(ends.fields.len() as u32 - 1);
        }
        let records = Records::new(self, header, 0, &ends).filter(|record| !record.is_blank());
        let mut joined: Option<Vec<Vec<u8>>> = None;
        for (number, record) in records.enumerate() {
            let cells = record.fields().map(|field| field.content().into_owned());
            let Some(joined) = &mut joined else {
                joined = Some(cells.collect());
                continue;
            };
            let cells: Vec<Vec<u8>> = cells.collect();
            if cells.len() != joined.len() {
                return Err(unlike(joined.len(), number + 1, cells.len()));
            }
            for (name, part) in joined.iter_mut().zip(cells) {
                if !name.is_empty() && !part.is_empty() {
                    name.push(b' ');
                }
                name.extend(part);
            }
        }
        let found = joined.unwrap_or_default();
        let Some(names) = &self.frame.names else { return Ok(Some(found)) };
        if names.len() != found.len() {
            return Err(self.wrong_count(names, found.len()));
        }
        Ok(Some(names.iter().map(|name| name.clone().into_bytes()).collect()))
    }

    fn wrong_count(&self, names: &[String], found: usize) -> Problem {
        let first = if self.header_lines() > 0 { "header" } else { "first record" };
        let (given, fields) = (counted(names.len() as u64, "name"), counted(found as u64, "field"));
        let are = if names.len() == 1 { "is" } else { "are" };
        Problem::new(format!("{given} {are} given ({}), and the {first} has {fields}", list(names)))
            .of(ProblemKind::Record)
            .hint(Hint::any("names").and(" names all columns of the file, in their order"))
    }
}

/// The problem of a header whose records differ in length.
fn unlike(first: usize, number: usize, found: usize) -> Problem {
    let (first, found) = (counted(first as u64, "field"), counted(found as u64, "field"));
    Problem::new(format!(
        "record 1 of the header has {first}, and record {number} has {found}, so they name no columns together"
    ))
    .of(ProblemKind::Record)
    .hint(Hint::any("header_lines").and(" counts the records of the header, without titles above"))
}
