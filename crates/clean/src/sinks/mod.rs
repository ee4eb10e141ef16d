//! Sinks: what clean rows become, and how those of a file appear all at once or not at all.
//!
//! ```text
//!   worker   rows of a chunk ─► Format::encode ─► block     the reply, in shared memory
//!   parent   verified, in order ──► Sink   begin ─► append, append, … ─► publish     or roll back
//!              a file              header   the block as it is           rename         remove
//!              a Parquet file      schema   a row group                  footer, rename remove
//!              a table             checks   rows, to the store's thread  commit         roll back
//! ```
//! What holds at every moment, whoever is killed:
//!
//! * A block has the rows of one chunk. It is looked at only when the chunk was verified, and whoever
//!   makes it again makes the same one.
//! * The rows of an input are under the output's name, or in the table, all of them or none.
//! * An [`Entry`](super::manifest::Entry) says that an input is done. In a database it is committed
//!   together with the rows. Beside files it is written after the rename: who was killed between the
//!   two left an output that no entry knows; `--resume` makes it again, and takes it for its own if
//!   it is the same.
//!
//! A new sink is a file here with its encoder, a [`Format`], and an arm in `output.rs`.

#[cfg(any(feature = "postgres", feature = "fuzzing"))]
pub(crate) mod copy_text;
pub(crate) mod lines;
pub(crate) mod packed;
#[cfg(feature = "parquet")]
pub(crate) mod parquet;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
pub(crate) mod store;
pub(crate) mod types;

use std::cell::RefCell;
use std::collections::HashMap;

use manyhands_csv::recipe::Type;
use manyhands_csv::{Hint, Out, Plan, PlanError, Problem, Text};
use serde::{Deserialize, Serialize};

use crate::compression::Compression;
use crate::options::FileFormat;
use crate::paths::is_device;
use crate::sinks::types::Possible;
use crate::sum::Sum;
use crate::target::Target;

pub(crate) use crate::sinks::packed::pack;

thread_local! {
    /// What is to be compressed goes here, again and again.
    static PLAIN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What workers make of clean rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Format {
    Csv(Option<Compression>),
    Parquet,
    Sqlite,
    Postgres,
    /// Which types the columns could have.
    Types,
}

/// What is to be known of a block.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Block {
    /// Whether its text, if it has any, ends within a line.
    pub(crate) in_line: Option<bool>,
    /// Of the input that it was made from, and of its own bytes, if they are wanted.
    pub(crate) input: Sum,
    pub(crate) output: Sum,
}

/// A column of a table or of a Parquet file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// What a header of text has for it.
    pub(crate) title: String,
    pub(crate) kind: Type,
    /// Whether the recipe says so; a column of which it says nothing is text.
    pub(crate) declared: bool,
}

/// What an output's columns are.
pub(crate) fn columns(plan: &Plan) -> Vec<Column> {
    let names = plan.output_names().iter().zip(plan.titles());
    let columns = names.zip(plan.output_types()).zip(plan.declared());
    let column = |(((name, title), kind), declared): (((&String, &String), &Type), &bool)| Column {
        name: name.clone(),
        title: title.clone(),
        kind: *kind,
        declared: *declared,
    };
    columns.map(column).collect()
}

impl Format {
    /// The format of a target; a file may be compressed, by its name.
    pub(crate) fn of(target: &Target, format: FileFormat) -> Format {
        match (target, format) {
            (Target::Sqlite(..), _) => Format::Sqlite,
            (Target::Postgres(..), _) => Format::Postgres,
            (Target::Types, _) => Format::Types,
            (_, FileFormat::Parquet) => Format::Parquet,
            (Target::File(path), FileFormat::Csv) if !is_device(path) => {
                Format::Csv(Compression::by_name(path))
            }
            (Target::File(_) | Target::Stdout, FileFormat::Csv) => Format::Csv(None),
        }
    }

    /// Whether this build has it; if not, what to build.
    pub(crate) fn check(self) -> Result<(), Problem> {
        let (name, is_built) = match self {
            Format::Csv(_) | Format::Types => return Ok(()),
            Format::Parquet => ("parquet", cfg!(feature = "parquet")),
            Format::Sqlite => ("sqlite", cfg!(feature = "sqlite")),
            Format::Postgres => ("postgres", cfg!(feature = "postgres")),
        };
        if is_built {
            return Ok(());
        }
        Err(Problem::new(format!("this build cannot write {name}"))
            .hint(Hint::words(format!("build with --features {name}"))))
    }

    /// How big chunks should be, compared with those of CSV: a row group is to be long.
    pub(crate) fn chunk_factor(self) -> usize {
        if self == Format::Parquet { 8 } else { 1 }
    }

    /// A plan with what this format takes.
    ///
    /// # Errors
    /// If its columns cannot have the names that they would have there.
    pub(crate) fn fit(self, plan: Plan) -> Result<Plan, PlanError> {
        match self {
            Format::Csv(_) | Format::Types => Ok(plan),
            Format::Parquet | Format::Sqlite => plan.storing(Text::Utf8),
            Format::Postgres => plan.storing(Text::Utf8WithoutNul),
        }
    }

    /// # Errors
    /// If what stores rows of this format cannot have these columns: it would cut their names off, take
    /// them for equal, or refuse them.
    pub(crate) fn check_names(self, columns: &[Column]) -> Result<(), Problem> {
        let (name, most, longest) = match self {
            Format::Csv(_) | Format::Types | Format::Parquet => return Ok(()),
            Format::Sqlite => ("SQLite", 2000, usize::MAX),
            Format::Postgres => ("PostgreSQL", 1600, 63),
        };
        if columns.len() > most {
            return Err(Problem::new(format!(
                "it has {} columns, and a table of {name} has at most {most}",
                columns.len()
            ))
            .hint(Hint::words("a step can select some of them")));
        }
        let mut known: HashMap<String, &str> = HashMap::new();
        for (at, column) in columns.iter().enumerate() {
            let Column { name: own, .. } = column;
            let wrong = |why: String| {
                Err(Problem::new(format!("column {} is called {own:?}: {why}", at + 1))
                    .hint(Hint::words("a step can rename it")))
            };
            if own.contains('\0') {
                return wrong(format!("names of {name} have no zero bytes"));
            }
            if own.len() > longest {
                let len = own.len();
                return wrong(format!("it has {len} bytes, and names of {name} at most {longest}"));
            }
            // SQLite does not tell upper from lower case, of ASCII.
            let folded = match self {
                Format::Sqlite => own.to_ascii_lowercase(),
                _ => own.clone(),
            };
            if let Some(other) = known.insert(folded, own) {
                return wrong(format!("for {name} that is the same name as {other:?}"));
            }
        }
        Ok(())
    }

    /// Appends text outside of rows, such as a header, if the format has such.
    pub(crate) fn write_text(self, text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Format::Csv(Some(compression)) if !text.is_empty() => pack(compression, text, out)?,
            Format::Csv(_) => out.extend_from_slice(text),
            Format::Parquet | Format::Sqlite | Format::Postgres | Format::Types => {}
        }
        Ok(())
    }

    /// Appends what is to be there even if there is no row and no header: no archive is empty.
    pub(crate) fn write_nothing(self, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Format::Csv(Some(compression)) => pack(compression, b"", out),
            Format::Parquet => Err("it is empty, and a Parquet file has columns".to_owned()),
            _ => Ok(()),
        }
    }

    /// Appends the block of the rows that `make` gives; also says whether its text ends within a
    /// line, if it is text and not empty.
    pub(crate) fn encode<T>(
        self,
        plan: &Plan,
        reply: &mut Vec<u8>,
        make: impl FnOnce(Out<'_>) -> Result<T, Problem>,
    ) -> Result<(T, Option<bool>), Problem> {
        let made = match self {
            Format::Csv(None) => {
                let before = reply.len();
                let made = make(Out::Csv(reply))?;
                return Ok((made, is_in_line(&reply[before..])));
            }
            Format::Csv(Some(compression)) => {
                return PLAIN.with_borrow_mut(|plain| {
                    plain.clear();
                    let made = make(Out::Csv(plain))?;
                    if !plain.is_empty() {
                        pack(compression, plain, reply)?;
                    }
                    Ok((made, is_in_line(plain)))
                });
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let mut encoder = parquet::encoder(&columns(plan));
                let made = make(Out::Rows(&mut |rows| encoder.add(&parquet::Cells(rows))))?;
                encoder.finish(reply).map_err(|error| error.to_string())?;
                made
            }
            #[cfg(feature = "sqlite")]
            Format::Sqlite => {
                with_lines(reply, make, |rows, out| sqlite::encode(rows, plan.output_types(), out))?
            }
            #[cfg(any(feature = "postgres", feature = "fuzzing"))]
            Format::Postgres => {
                let types = plan.output_types();
                with_lines(reply, make, |rows, out| copy_text::encode(rows, types, out))?
            }
            #[allow(unreachable_patterns)]
            Format::Parquet | Format::Sqlite | Format::Postgres => {
                return Err(self.check().err().unwrap_or_default());
            }
            Format::Types => {
                let mut possible = vec![Possible::default(); plan.output_names().len()];
                let mut look = |rows: &manyhands_csv::Rows<'_>| {
                    let columns = possible.iter_mut().enumerate();
                    columns.for_each(|(column, possible)| possible.look(rows, column));
                };
                let made = make(Out::Rows(&mut look))?;
                manyhands_tasks::codec::encode_onto(&possible, reply);
                made
            }
        };
        Ok((made, None))
    }
}

/// Appends rows, and the lines that they come from.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "fuzzing"))]
fn with_lines<T>(
    reply: &mut Vec<u8>,
    make: impl FnOnce(Out<'_>) -> Result<T, Problem>,
    encode: impl Fn(&manyhands_csv::Rows<'_>, &mut Vec<u8>),
) -> Result<T, Problem> {
    let mut lines = lines::Lines::default();
    let made = make(Out::Rows(&mut |rows| {
        encode(rows, reply);
        lines.add(rows);
    }))?;
    lines.finish(reply);
    Ok(made)
}

/// A database's reason for refusing a row.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Constraint {
    Unique,
    NotNull,
    Other,
}

/// A row that a database refuses: its line, as far as that is known, and why.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn refused(table: &str, line: Option<u64>, why: &str, constraint: Option<Constraint>) -> Problem {
    let mut problem = Problem::new(format!("the table {table} refuses a row: {why}"));
    if let Some(line) = line {
        problem = problem.at(format_args!("line {line}"));
    }
    problem.hint = constraint.map(|constraint| {
        Hint::words(match constraint {
            Constraint::Unique => {
                "a dedupe step keeps the first of equal rows of a file, a filter leaves out those that the table has"
            }
            Constraint::NotNull => {
                "a fill step gives empty cells a value, a filter leaves such rows out"
            }
            Constraint::Other => "a filter leaves such rows out",
        })
    });
    problem
}

/// Whether text ends within a line, if there is any.
pub(crate) fn is_in_line(text: &[u8]) -> Option<bool> {
    text.last().map(|last| !matches!(last, b'\n' | b'\r'))
}

/// A name as SQL has it.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The names of columns and what a database calls their types.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn declarations(columns: &[Column], declared: fn(Type) -> &'static str) -> Vec<(String, String)> {
    columns.iter().map(|column| (column.name.clone(), declared(column.kind).to_owned())).collect()
}

/// # Errors
/// If a table that is there has other columns than those wanted, or others of their types.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn check_columns(
    table: &str,
    known: &[(String, String)],
    wanted: &[(String, String)],
) -> Result<(), String> {
    let is_in = |one: &(String, String), all: &[(String, String)]| all.contains(one);
    if known.len() == wanted.len() && wanted.iter().all(|column| is_in(column, known)) {
        return Ok(());
    }
    let list = |columns: &[(String, String)], others: &[(String, String)]| {
        let columns = columns.iter().filter(|column| !is_in(column, others));
        let named: Vec<String> =
            columns.map(|(name, kind)| format!("{name:?} {}", kind.to_lowercase())).collect();
        if named.is_empty() { "no other".to_owned() } else { named.join(", ") }
    };
    Err(format!(
        "the table {table} has other columns: it has {}, the rows have {}; select, rename and types \
         make them fit, or --table names another",
        list(known, wanted),
        list(wanted, known)
    ))
}

/// What is said of an input that another run has put into the table.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn twice(table: &str) -> Problem {
    Problem::new(format!("its rows are in the table {table} already"))
        .hint(Hint::on("resume").and(" leaves such files out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    #[test]
    fn the_order_of_columns_is_no_matter_and_their_types_are() {
        let column = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
        let known = [column("a", "TEXT"), column("b", "REAL")];
        assert_eq!(check_columns("t", &known, &[known[1].clone(), known[0].clone()]), Ok(()));
        assert!(check_columns("t", &known, &known[..1]).is_err());
        let error = check_columns("t", &known, &[column("a", "TEXT"), column("b", "TEXT")]);
        assert!(error.unwrap_err().contains("it has \"b\" real, the rows have \"b\" text"));
    }
}
