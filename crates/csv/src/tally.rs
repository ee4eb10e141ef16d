//! The tally: every row has one fate, and the fates are counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::batch::{Batch, Counts};
use crate::doubts::Doubts;
use crate::footer::{Dropped, FOOTER};
use crate::plan::Plan;
use crate::report::{Cells, FileReport, SetAside};

/// Counts by step and reason, and whether the records are in the rejects.
type RowCounts = BTreeMap<(usize, String, bool), u64>;

/// The fates of the rows of one chunk or several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
    pub(crate) blank_lines: u64,
    set_aside: RowCounts,
    cells: RowCounts,
    pub(crate) doubts: Doubts,
}

impl Tally {
    /// The fates of the rows of a batch that went through all steps.
    pub(crate) fn of(batch: &Batch) -> Tally {
        let fates = |counts: &Counts| {
            let counts = counts.iter();
            counts
                .map(|((step, what, rejected), n)| ((*step, (*what).to_owned(), *rejected), *n))
                .collect()
        };
        Tally {
            rows_in: batch.rows_in,
            rows_out: batch.selection.len() as u64,
            blank_lines: batch.blank_lines,
            set_aside: fates(&batch.set_aside),
            cells: fates(&batch.cells),
            doubts: batch.doubts.clone(),
        }
    }

    /// The fates of the records of a footer.
    pub(crate) fn of_footer(dropped: Dropped) -> Tally {
        let Dropped { rows, blank_lines } = dropped;
        let mut tally = Tally { rows_in: rows, blank_lines, ..Tally::default() };
        if rows > 0 {
            tally.set_aside.insert((0, FOOTER.to_owned(), false), rows);
        }
        tally
    }

    pub(crate) fn add(&mut self, other: Tally) {
        self.doubts.add(other.doubts);
        self.rows_in += other.rows_in;
        self.rows_out += other.rows_out;
        self.blank_lines += other.blank_lines;
        for (mine, theirs) in
            [(&mut self.set_aside, other.set_aside), (&mut self.cells, other.cells)]
        {
            for (fate, n) in theirs {
                *mine.entry(fate).or_default() += n;
            }
        }
    }

    /// Number of rows in the rejects.
    pub(crate) fn rejected(&self) -> u64 {
        self.set_aside.iter().filter(|((_, _, rejected), _)| *rejected).map(|(_, n)| n).sum()
    }

    /// Returns whether every row is accounted for.
    pub(crate) fn is_balanced(&self) -> bool {
        self.rows_in == self.rows_out + self.set_aside.values().sum::<u64>()
    }

    /// Adds the counts to a report.
    pub(crate) fn report(&self, plan: &Plan, report: &mut FileReport) {
        report.rows_in = self.rows_in;
        report.rows_out = self.rows_out;
        report.blank_lines = self.blank_lines;
        let set_aside = self.set_aside.iter().map(|((step, reason, rejected), rows)| SetAside {
            step: *step,
            name: plan.layout.step_name(*step).to_owned(),
            reason: reason.clone(),
            rejected: *rejected,
            rows: *rows,
        });
        report.set_aside = set_aside.collect();
        let cells = self.cells.iter().map(|((step, what, _), cells)| Cells {
            step: *step,
            name: plan.layout.step_name(*step).to_owned(),
            what: what.clone(),
            cells: *cells,
        });
        report.cells = cells.collect();
        report.ragged = self.doubts.ragged(plan.layout.fields);
    }
}
