//! Resolves names against a header: the names of columns at each step, and the operations that
//! steps become.

mod builder;
mod scope;

pub(crate) use builder::{Builder, ambiguous, list_of};
pub(crate) use scope::{Column, Renamed, Scope, UnnamedTitle, make_unique, normalize, notes_of};
