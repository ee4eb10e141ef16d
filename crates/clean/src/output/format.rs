//! The formats of clean rows, and the metadata of a block of them.

use std::collections::HashMap;

use manyhands_csv::recipe::Type;
use manyhands_csv::{Hint, Plan, Problem, Text};
use serde::{Deserialize, Serialize};

use crate::checksum::Checksum;
use crate::compression::Compression;
use crate::options::FileFormat;
use crate::paths::is_device;
use crate::target::Target;

/// The format of a worker's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Format {
    Csv(Option<Compression>),
    Parquet,
    Sqlite,
    Postgres,
    /// The types that each column could have.
    Types,
}

/// Metadata of a block.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Block {
    /// True if its text, if any, ends within a line.
    pub(crate) in_line: Option<bool>,
    /// Checksums of the input that it was made from and of its own bytes, if wanted.
    pub(crate) input: Checksum,
    pub(crate) output: Checksum,
}

/// A column of a table or of a Parquet file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// The title in a header of text.
    pub(crate) title: String,
    pub(crate) kind: Type,
    /// True if the recipe declares the type; other columns are text.
    pub(crate) declared: bool,
}

/// The columns of an output.
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
    /// The format of a target. A file may be compressed, by its name.
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

    /// Checks that this build has the format; the error says what to build.
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
            .hint(Hint::words(format!("build with the feature {name}"))))
    }

    /// The size of chunks relative to those of CSV: a row group should be long.
    pub(crate) fn chunk_factor(self) -> usize {
        if self == Format::Parquet { 8 } else { 1 }
    }

    /// The plan, with the texts that this format can store.
    ///
    /// # Errors
    /// If the columns cannot have their names in this format.
    pub(crate) fn fit(self, plan: Plan) -> Result<Plan, Problem> {
        match self {
            Format::Csv(_) | Format::Types => Ok(plan),
            Format::Parquet | Format::Sqlite => plan.storing(Text::Utf8),
            Format::Postgres => plan.storing(Text::Utf8WithoutNul),
        }
    }

    /// # Errors
    /// If a store of this format would cut the columns' names off, take two of them for equal, or refuse one.
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
            // SQLite does not distinguish upper and lower case of ASCII letters.
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
}

/// Returns whether text ends within a line; `None` if it is empty.
pub(crate) fn is_in_line(text: &[u8]) -> Option<bool> {
    text.last().map(|last| !matches!(last, b'\n' | b'\r'))
}
