//! The clean job: CSV files in, clean CSV files out, on all cores.

mod api;
mod arguments;
mod chunks;
mod clean;
mod compression;
mod conflicts;
mod crew;
mod database_name;
mod device;
mod draft;
mod encode;
mod encodings;
mod ending;
mod entry;
mod error;
mod format;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod inputs;
mod manifest;
mod names;
mod naming;
mod options;
mod output;
mod path_bytes;
mod paths;
mod preview;
mod read;
mod recognize;
mod rejects;
mod rejects_place;
mod report;
mod resume;
mod route;
mod routing;
mod run;
mod sinks;
mod stamp;
mod stop;
mod stream;
mod sum;
mod target;
mod together;
mod unfinished;
mod unpack;
mod verdict;
mod watch;
mod wire;
mod work;

pub use crate::api::{check, check_text};
pub use crate::arguments::are_several;
pub use crate::clean::Clean;
pub use crate::crew::{RemoteWorkers, clean_chunks};
pub use crate::draft::{remove_abandoned, write_file};
pub use crate::ending::check_ending;
pub use crate::error::CleanError;
pub use crate::manifest::MANIFEST;
pub use crate::naming::Asked;
pub use crate::options::{DEFAULT_NAME, FileFormat, MOST_WORKERS, Options, Output, PARQUET_NAME};
pub use crate::paths::{directory_of, goes_into, place_of};
pub use crate::report::{Preview, Progress, Report};
pub use manyhands_csv::recipe::{self, Delimiter, MaxRejects, Recipe};
pub use manyhands_csv::report::{
    Cells, Characters, DelimiterFrom, FieldCount, FileDialect, FileReport, LineEnds, Note, Ragged,
    SetAside,
};
pub use manyhands_csv::{
    Dialect, FunctionInfo, Hint, Problem, Setting, SettingValue, functions, shown,
};

#[doc(hidden)]
pub use crate::device::{open_device, write_device};
#[doc(hidden)]
pub use crate::unfinished::abandon;
