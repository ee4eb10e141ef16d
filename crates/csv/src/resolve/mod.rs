//! Names resolved against a header: what the columns are called at each step, and what the steps become.

mod builder;
mod scope;

pub(crate) use builder::{Builder, list_of};
pub(crate) use scope::{Column, OddTitle, Renamed, Scope, make_unique, normalize, notes_of};
