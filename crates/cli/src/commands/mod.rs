//! The commands. Each returns the exit status, or why it failed.

pub(crate) mod bench;
pub(crate) mod clean;
pub(crate) mod completions;
mod dry_run;
pub(crate) mod functions;
mod written;
