//! A file that is being cleaned: as a whole by one worker, or in chunks.

use manyhands_csv::Style;
use manyhands_csv::report::FileReport;
use manyhands_pool::Reply;

use crate::job::chunks::Chunks;
use crate::job::route::Route;
use crate::output::draft::Draft;

/// A file that is being cleaned.
pub(crate) struct Active {
    pub(crate) number: usize,
    pub(crate) route: Route,
    pub(crate) kind: Kind,
    /// The reply of a file that is done and may not be written yet.
    pub(crate) waiting: Option<Reply>,
}

pub(crate) enum Kind {
    Whole {
        submitted: bool,
        output: Option<Draft>,
        size: u64,
        /// The required style of the rows, if they were first written in another one.
        style: Option<Style>,
    },
    Chunks(Box<Chunks>),
}

pub(crate) fn active_number(active: &Active) -> usize {
    active.number
}

pub(crate) fn blank_report(route: &Route) -> FileReport {
    FileReport { input: route.input.name(), output: route.target_name(), ..FileReport::default() }
}
