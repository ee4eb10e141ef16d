//! The worker's side: a program calls [`serve`] with its [`Runner`], which runs the items that
//! the pool sends.

mod guard;
pub(crate) mod hello;
mod identity;
mod runner;
mod serve;
mod work;

pub use identity::{is_forked, place};
pub use runner::{Call, Clock, Item, Runner};
pub use serve::{end_descendants, serve, take_stdin};
