//! The clean job: CSV files in, clean CSV files out, on all cores.

mod api;
mod arguments;
mod checksum;
mod clean;
mod column_names;
mod compression;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod input;
mod job;
mod names;
mod options;
mod output;
mod path_bytes;
mod paths;
mod report;
mod stamp;
mod target;
mod watch;
mod writing;

pub use crate::api::{check, check_text};
pub use crate::arguments::are_several;
pub use crate::clean::Clean;
pub use crate::error::CleanError;
pub use crate::job::executor::{RemoteWorkers, clean_chunks};
pub use crate::options::{
    DEFAULT_NAME, FileFormat, Headers, MOST_WORKERS, Options, Output, PARQUET_NAME,
};
pub use crate::output::abandoned::remove_abandoned;
pub use crate::output::contents::have_same_bytes;
pub use crate::output::draft::write_file;
pub use crate::output::ending::check_ending;
pub use crate::output::manifest::MANIFEST;
pub use crate::output::naming::Asked;
pub use crate::paths::{directory_of, goes_into, is_same_file, resolve_links};
pub use crate::report::{Comparison, HeaderGroup, Preview, Progress, Report};
pub use manyhands_csv::recipe::{self, Delimiter, DialectFrom, MaxRejects, Quote, Recipe};
pub use manyhands_csv::report::{
    Cells, Characters, DelimiterFrom, FieldCount, FileDialect, FileReport, LineEnds, Note, Ragged,
    SetAside,
};
pub use manyhands_csv::{
    Cause, Dialect, Find, Footer, FunctionInfo, Hint, LineEnd, Pattern, Place, Problem,
    ProblemKind, QuoteStyle, Separator, Setting, SettingValue, functions, shown, suggest,
};

#[doc(hidden)]
pub use crate::output::device::{open_device, write_device};
#[doc(hidden)]
pub use crate::output::unfinished::abandon;
