//! Interprets the name of an output. All faces use this.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use manyhands_csv::{Hint, Problem};

use crate::arguments::{are_several, check_input, scheme};
use crate::error::{CleanError, usage};
use crate::options::{DEFAULT_NAME, FileFormat, Output, PARQUET_NAME};
use crate::output::ending::{Named, all_outputs, by_name};
use crate::paths::directory_of;

/// The settings that decide about an output, besides its name.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The inputs, as they were named.
    pub inputs: Vec<OsString>,
    /// True if all inputs go to one output.
    pub concat: bool,
    /// The template for file names in a directory.
    pub name: Option<String>,
    /// The table in a database.
    pub table: Option<String>,
    /// The format of files, if their names do not decide.
    pub format: Option<FileFormat>,
}

/// Schemes before a single colon. Any other colon is part of a file's name.
const FOREIGN_SCHEMES: &[&str] =
    &["sqlite3", "duckdb", "mysql", "mariadb", "postgres", "postgresql"];

impl Output {
    /// Interprets the name of an output: `-` is standard output; `sqlite:FILE` and `postgresql://…` are
    /// databases; the name is a directory if it exists as one, if it ends in `/`, if there is a template for
    /// names, or if several inputs are not concatenated; else it is a file.
    ///
    /// # Errors
    /// `Usage` or `NotFound` for an invalid request, with a hint.
    pub fn parse(name: &OsStr, asked: &Asked) -> Result<Output, CleanError> {
        if name.is_empty() {
            return Err(usage("the output's name is empty"));
        }
        // An address is one input, even if it has the signs of a pattern.
        asked.inputs.iter().try_for_each(|input| check_input(input)).map_err(usage)?;
        if let Some(database) = database(name.to_str().unwrap_or_default(), asked)? {
            return Ok(database);
        }
        if asked.table.is_some() {
            return Err(usage(
                Problem::new("a table is in a database, and the output is none").hint(
                    Hint::is("output", "sqlite:FILE")
                        .and(", or ")
                        .and_is("output", "postgresql://USER@HOST/DATABASE"),
                ),
            ));
        }
        let output = place(name, asked)?;
        if let Output::File(path) | Output::ConcatenatedFile(path) = &output
            && !directory_of(path).is_dir()
        {
            let directory = directory_of(path).display();
            let problem = format!("there is no directory {directory} for {}", path.display());
            return Err(CleanError::NotFound(problem.into()));
        }
        if asked.name.is_some() && !matches!(output, Output::Directory(..)) {
            return Err(usage(
                Problem::new("a template names outputs in a directory, and this is one output")
                    .hint(
                        Hint::words("leave out ")
                            .and_any("name")
                            .and(", or ")
                            .and_is("output", "DIR/"),
                    ),
            ));
        }
        Ok(output)
    }
}

/// A database, if the name is that of one.
fn database(text: &str, asked: &Asked) -> Result<Option<Output>, CleanError> {
    // The case of a scheme does not matter.
    let (before_colon, behind) = text.split_once(':').unwrap_or_default();
    let lower = before_colon.to_ascii_lowercase();
    let file = (lower == "sqlite").then_some(behind);
    let is_server = matches!(&*lower, "postgresql" | "postgres") && behind.starts_with("//");
    if file.is_none() && !is_server {
        let is_foreign = FOREIGN_SCHEMES.contains(&&*lower) && !Path::new(text).exists();
        return match scheme(text) {
            Some(scheme) if scheme.eq_ignore_ascii_case("file") => Err(usage(
                Problem::new(format!("{text} is an address, and an output is named by its path"))
                    .hint(Hint::is("output", &text["file://".len()..])),
            )),
            Some(scheme) => Err(usage(
                Problem::new(format!("{text}: nothing is written to {scheme}:// addresses"))
                    .hint(all_outputs()),
            )),
            None if is_foreign => Err(usage(
                Problem::new(format!("{text}: nothing is written to {before_colon}: addresses"))
                    .hint(all_outputs()),
            )),
            None => Ok(None),
        };
    }
    let Some(table) = asked.table.clone().filter(|table| !table.is_empty()) else {
        return Err(usage(
            Problem::new("a database needs the name of a table").hint(Hint::is("table", "orders")),
        ));
    };
    let for_files = [
        (asked.name.is_some(), "a template for names", "name"),
        (asked.concat, "one output for all", "concat"),
        (asked.format.is_some(), "a format", "format"),
    ];
    if let Some((_, what, setting)) = for_files.iter().find(|(is_asked, ..)| *is_asked) {
        return Err(usage(
            Problem::new(format!("{what} is for files, and all rows go to the table {table}"))
                .hint(Hint::words("leave out ").and_on(setting)),
        ));
    }
    Ok(Some(match file {
        Some(path) => Output::Sqlite(path.into(), table),
        None => Output::Postgres(format!("{lower}:{behind}"), table),
    }))
}

/// Standard output, a file or a directory.
fn place(name: &OsStr, asked: &Asked) -> Result<Output, CleanError> {
    let several = are_several(&asked.inputs);
    if name == "-" {
        return match asked.concat {
            true => Ok(Output::ConcatenatedStdout),
            false if several => Err(usage(
                Problem::new("several inputs do not go to standard output each on its own").hint(
                    Hint::on("concat")
                        .and(" makes one output of inputs with the same header; ")
                        .and_is("output", "DIR/")
                        .and(" makes a file for each"),
                ),
            )),
            false => Ok(Output::Stdout),
        };
    }
    let path = PathBuf::from(name);
    let shown = path.display();
    let is_directory = path.is_dir() || name.as_encoded_bytes().ends_with(b"/");
    if asked.concat {
        if !is_directory {
            return Ok(Output::ConcatenatedFile(path));
        }
        let file = path.join("all.csv").display().to_string();
        return Err(usage(
            Problem::new(format!(
                "one output for all inputs is a file, and {shown} is a directory"
            ))
            .hint(Hint::words("name the file, as in ").and_is("output", file)),
        ));
    }
    if !is_directory && !several && asked.name.is_none() {
        return Ok(Output::File(path));
    }
    let is_file = path.exists() || by_name(&path).is_some_and(Named::is_file);
    if !is_directory && is_file {
        let what = if path.exists() { "is not a directory" } else { "is the name of a file" };
        return Err(usage(match several {
            true => Problem::new(format!("{shown} {what}, and several inputs need a directory"))
                .hint(
                    Hint::is("output", "DIR/")
                        .and(", or ")
                        .and_on("concat")
                        .and(" to make one output of them"),
                ),
            false => {
                Problem::new(format!("a template names outputs in a directory, and {shown} {what}"))
                    .hint(
                        Hint::words("leave out ")
                            .and_any("name")
                            .and(", or ")
                            .and_is("output", "DIR/"),
                    )
            }
        }));
    }
    let default = match asked.format {
        Some(FileFormat::Parquet) => PARQUET_NAME,
        Some(FileFormat::Csv) | None => DEFAULT_NAME,
    };
    Ok(Output::Directory(path, asked.name.clone().unwrap_or_else(|| default.to_owned())))
}
