//! The clean job: CSV files in, clean CSV files out, on all cores.

mod api;
mod chunks;
mod clean;
mod crew;
mod device;
mod draft;
mod encodings;
mod error;
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
mod preview;
mod read;
mod recognize;
mod rejects;
mod report;
mod resume;
mod run;
mod sinks;
mod stamp;
mod stop;
mod stream;
mod sum;
mod unfinished;
mod unpack;
mod watch;
mod work;

pub use api::{check, check_text};
pub use clean::Clean;
pub use crew::{RemoteWorkers, clean_chunks};
#[doc(hidden)]
pub use device::{open_device, write_device};
pub use draft::{remove_abandoned, write_file};
pub use error::CleanError;
pub use inputs::{MANIFEST, are_several, directory_of, goes_into, place_of};
pub use manyhands_csv::report::{
    Cells, Characters, DelimiterFrom, FieldCount, FileDialect, FileReport, LineEnds, Note, Ragged,
    SetAside,
};
pub use manyhands_csv::{
    Dialect, FunctionInfo, Hint, Problem, Setting, SettingValue, functions, recipe, shown,
};
pub use naming::{Asked, check_ending};
pub use options::{DEFAULT_NAME, FileFormat, MOST_WORKERS, Options, Output, PARQUET_NAME};
pub use recipe::{Delimiter, MaxRejects, Recipe};
pub use report::{Preview, Progress, Report};
#[doc(hidden)]
pub use unfinished::abandon;
