//! The job, above inputs and outputs: what becomes of which file, who does the work, and in which order it is written.

pub(crate) mod chunks;
pub(crate) mod conflicts;
pub(crate) mod crew;
pub(crate) mod preview;
pub(crate) mod rejects_place;
pub(crate) mod resume;
pub(crate) mod route;
pub(crate) mod routing;
pub(crate) mod run;
pub(crate) mod stop;
pub(crate) mod verdict;
pub(crate) mod wire;
pub(crate) mod work;
