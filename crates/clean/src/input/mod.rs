//! Inputs: finding, reading, unpacking and decoding files, and recognising what they are.
//!
//! Nothing here knows about outputs or jobs.

pub(crate) mod encodings;
pub(crate) mod find;
pub(crate) mod read;
pub(crate) mod recognize;
pub(crate) mod stream;
pub(crate) mod unpack;
