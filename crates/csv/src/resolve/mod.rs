//! Resolves names against a header: the names of columns at each step, and the operations that
//! steps become.

mod builder;
mod scope;

pub(crate) use builder::{Builder, list_of};
pub(crate) use scope::{Column, OddTitle, Renamed, Scope, make_unique, normalize, notes_of};
