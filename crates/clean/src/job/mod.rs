//! The job, above inputs and outputs: the course of each file, the workers, and the order of writing.

pub(crate) mod active;
pub(crate) mod advance;
pub(crate) mod chunks;
pub(crate) mod conflicts;
pub(crate) mod end;
pub(crate) mod error;
pub(crate) mod executor;
pub(crate) mod headers;
pub(crate) mod open;
pub(crate) mod opened;
pub(crate) mod outputs;
pub(crate) mod preview;
pub(crate) mod publish;
pub(crate) mod rejected;
pub(crate) mod rejects_place;
pub(crate) mod resume;
pub(crate) mod route;
pub(crate) mod routing;
pub(crate) mod run;
pub(crate) mod runner;
pub(crate) mod schedule;
pub(crate) mod verdict;
pub(crate) mod wire;
pub(crate) mod work;
