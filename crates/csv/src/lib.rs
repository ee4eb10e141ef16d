//! The CSV engine: turns dirty CSV bytes into clean bytes. It uses no threads, processes or files.
//!
//! ```text
//!   Recipe ─► Prepared ─┐
//!   bytes ─► find_head ─┴► Plan ─► clean_whole                          a file in memory
//!                            └───► Course ─ task ─► Chunk ─ outcome ─►   a file in chunks, which any process
//!                                    └──────◄── accept ◄──────┘          may do, and repeat
//! ```
//! ```
//! use manyhands_csv::{Dialect, HeadFound, Out, Plan, Prepared, Recipe, clean_whole, find_head};
//!
//! let bytes = b"City , Value\nUlm,2\n,\nBonn,900\n";
//! let recipe = Recipe::from_toml(
//!     "steps = ['drop_empty_rows', 'normalize_columns', { filter = 'value <= 500' }]",
//! )?;
//! let dialect = Dialect::default();
//! let HeadFound::Head(head) = find_head(&dialect, bytes, 0, true) else { panic!("no header") };
//! let plan = Plan::new(&Prepared::new(recipe, 0)?, &dialect, &bytes[head.header.clone()])?;
//! let mut out = [plan.header(), b"\n"].concat();
//! clean_whole(&plan, bytes, &head, 1 << 20, (0, 0), None, Out::Csv(&mut out))?;
//! assert_eq!(out, b"city,value\nUlm,2\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Promises: records are those of the `csv` crate; a cell that no step changed keeps its bytes;
//! every row has one fate, and the fates are counted; the result is the same bytes however a file
//! is cut and whichever process does the chunks.

mod aggregate;
mod arrangement;
mod bad_cells;
mod barrier;
mod batch;
mod causes;
mod choices;
mod chunk;
mod course;
mod cutter;
mod detect;
mod diagnose;
mod dialect;
mod doubts;
mod emit;
mod evaluation;
mod evidence;
mod exchange;
mod expr;
mod footer;
mod frame;
mod gaps;
mod gather;
mod head;
mod layout;
mod notation;
mod number;
mod operation;
mod pass;
mod plan;
mod problem;
mod quote;
mod record;
mod reject;
mod resolve;
mod rows;
mod sample;
mod scan;
mod separator;
mod split;
mod steps;
mod substitute;
mod suggest;
mod tally;
#[cfg(test)]
mod testing;
mod titles;
mod typed;
mod utf8;
mod vector;
mod whole;
mod wording;

pub mod recipe;
pub mod report;
pub mod shown;

pub use arrangement::{Arrangement, NamedColumn};
pub use chunk::{Chunk, Outcome, Reach, Task};
pub use course::{Accepted, Course, Next, REJECTS_HEADER, Rejects};
pub use cutter::Cutter;
pub use detect::{Detected, Find, Header, Reason, Score, detect};
pub use dialect::{Dialect, LineEnd, QuoteStyle, Style};
pub use expr::{FunctionInfo, functions};
pub use frame::{Footer, Frame, Pattern};
pub use head::{Head, HeadFound, find_head, nothing_left, uncommented};
pub use plan::{Plan, Prepared};
pub use problem::{Cause, Hint, Place, Problem, ProblemKind, Setting, SettingValue};
pub use recipe::Recipe;
pub use record::{end_of, rows_of};
pub use rows::{Out, Rows};
pub use sample::Sample;
pub use separator::{Separator, SeparatorText};
pub use suggest::suggest;
pub use typed::Text;
pub use utf8::NotUtf8;
pub use whole::clean_whole;
pub use wording::{counted, grouped};
