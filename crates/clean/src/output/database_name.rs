//! Checks the names of databases and tables.

use std::path::Path;

use manyhands_csv::{Hint, Problem};

use crate::options::Output;
use crate::paths::directory_of;

/// # Errors
/// If the output cannot have a table.
pub(crate) fn check_database(output: &Output) -> Result<(), Problem> {
    match output {
        Output::Sqlite(path, table) => {
            check_table(table, usize::MAX)?;
            check_sqlite(path)
        }
        Output::Postgres(url, table) => {
            for part in table.splitn(2, '.') {
                check_table(part, 63)?;
            }
            check_postgres(url)
        }
        _ => Ok(()),
    }
}

fn check_table(name: &str, most: usize) -> Result<(), Problem> {
    if name.is_empty() || name.contains('\0') {
        return Err(format!("{name:?} cannot be the name of a table").into());
    }
    if name.len() > most {
        return Err(format!(
            "the name of a table has at most {most} bytes here, and {name:?} has {}",
            name.len()
        )
        .into());
    }
    if name == "manyhands_files" {
        return Err(
            format!("the table {name} says which inputs are done, and takes no rows").into()
        );
    }
    Ok(())
}

/// A database must be a regular file: databases in memory or in temporary files are gone after the job.
fn check_sqlite(path: &Path) -> Result<(), Problem> {
    let text = path.to_string_lossy();
    let wrong = |why: &str| {
        let problem = Problem::new(format!("sqlite:{text}: {why}"));
        Err(problem.hint(Hint::is("output", "sqlite:shop.db").and(" names a file by its path")))
    };
    if text.is_empty() {
        return wrong("no file is named");
    }
    if text.starts_with(':') {
        return wrong("a database in memory is gone when the job is done");
    }
    let options = text.split_once('?').is_some_and(|(_, options)| options.contains('='));
    if text.starts_with("file:") || text.starts_with("//") || options {
        return wrong("addresses of SQLite are not understood");
    }
    let is_other = path.metadata().is_ok_and(|metadata| !metadata.is_file());
    if path.is_dir() || text.ends_with('/') {
        return wrong("it is a directory, not a database file");
    }
    if is_other {
        return wrong("it is not a regular file");
    }
    let directory = directory_of(path);
    if !directory.is_dir() {
        let why = format!("sqlite:{text}: there is no directory {}", directory.display());
        return Err(Problem::new(why).hint(Hint::words("make it first, or name another file")));
    }
    Ok(())
}

#[cfg(feature = "postgres")]
fn check_postgres(url: &str) -> Result<(), Problem> {
    let name = crate::target::server_name(url);
    let wrong = |why: String| {
        Problem::new(format!("{name}: {why}"))
            .hint(Hint::words("an address is postgresql://USER@HOST/DATABASE"))
    };
    let config: postgres::Config = url.parse().map_err(|error: postgres::Error| {
        use std::error::Error;
        let source = error.source().map_or_else(String::new, |source| format!(": {source}"));
        wrong(format!("{error}{source}"))
    })?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(wrong("it names no host".to_owned()));
    }
    // The server would use the operating system's user name.
    if config.get_dbname().is_none_or(str::is_empty) {
        return Err(wrong("it names no database".to_owned()));
    }
    Ok(())
}

#[cfg(not(feature = "postgres"))]
fn check_postgres(_: &str) -> Result<(), Problem> {
    Ok(())
}
