//! Inputs: finding files, reading, unpacking and decoding them, and what their first bytes say.
//!
//! Nothing here knows of outputs or of jobs.

pub(crate) mod encodings;
pub(crate) mod find;
pub(crate) mod read;
pub(crate) mod recognize;
pub(crate) mod stream;
pub(crate) mod unpack;
