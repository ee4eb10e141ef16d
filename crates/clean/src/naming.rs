//! What an output's name says: where rows go, and in which format. All faces ask here.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use manyhands_csv::recipe::Delimiter;
use manyhands_csv::{Hint, Problem};

use crate::arguments::{are_several, check_input, scheme};
use crate::compression::{Compression, plain_name};
use crate::error::{CleanError, usage};
use crate::options::{DEFAULT_NAME, FileFormat, Options, Output, PARQUET_NAME};
use crate::paths::directory_of;
use crate::target::server_name;

/// What was asked of an output besides its name.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The inputs, as they were named.
    pub inputs: Vec<OsString>,
    /// Whether there is one output for all of them.
    pub concat: bool,
    /// The template for the names of files in a directory.
    pub name: Option<String>,
    /// The table, in a database.
    pub table: Option<String>,
    /// What files are; as their names say if it is not given.
    pub format: Option<FileFormat>,
}

/// Endings of files that other programs write and read, and this one does not.
const FOREIGN: &[&str] = &[
    "xlsx", "xlsm", "xlsb", "xls", "ods", "numbers", "json", "jsonl", "ndjson", "geojson", "xml",
    "html", "htm", "yaml", "yml", "toml", "db", "db3", "sqlite", "sqlite3", "s3db", "duckdb",
    "ddb", "mdb", "accdb", "feather", "arrow", "arrows", "ipc", "avro", "orc", "h5", "hdf5", "nc",
    "pkl", "pickle", "npy", "npz", "sas7bdat", "sav", "dta", "rds", "rdata", "pdf", "docx", "zip",
    "7z", "rar", "tar", "tgz", "bz2", "xz", "lz4", "lzma", "br", "sz", "md", "markdown", "rst",
    "tex", "sql", "dbf",
];

/// Schemes that stand before a single colon; elsewhere a colon is a part of a file's name.
const FOREIGN_SCHEMES: &[&str] =
    &["sqlite3", "duckdb", "mysql", "mariadb", "postgres", "postgresql"];

/// All that an output can be.
fn all_outputs() -> Hint {
    Hint::words(
        "outputs are .csv, .tsv and .tab files, each also with .gz or .zst behind, .parquet files, \
         directories, - for standard output, and with a table sqlite:FILE and \
         postgresql://USER@HOST/DATABASE",
    )
}

impl Output {
    /// Understands an output as users name it: a file; a directory if it is one or ends in `/`, if a
    /// template for names is given, or if there are several inputs that are not put together; `-` for
    /// standard output; `sqlite:FILE` and `postgresql://…` for databases.
    ///
    /// # Errors
    /// `Usage` or `NotFound` for what cannot be, with a hint.
    pub fn parse(name: &OsStr, asked: &Asked) -> Result<Output, CleanError> {
        if name.is_empty() {
            return Err(usage("the output's name is empty"));
        }
        // An address is one input, even with the signs of a pattern in it.
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

/// A database, if the name is one's.
fn database(text: &str, asked: &Asked) -> Result<Option<Output>, CleanError> {
    // The case of a scheme says nothing.
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

/// What a file's name says of its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// Fields separated by this, if the name says so.
    Text(Option<u8>),
    Parquet,
    /// Of another program.
    Foreign,
}

impl Named {
    fn is_file(self) -> bool {
        self != Named::Text(None)
    }
}

/// What a name says; none if it has no ending that says anything.
fn by_name(path: &Path) -> Option<Named> {
    let plain = Path::new(plain_name(path));
    let Some(suffix) = plain.extension().map(OsStr::to_ascii_lowercase) else {
        return Compression::by_name(path).map(|_| Named::Text(Some(b',')));
    };
    let suffix = suffix.to_str()?;
    match suffix {
        "csv" => Some(Named::Text(Some(b','))),
        "tsv" | "tab" => Some(Named::Text(Some(b'\t'))),
        "psv" => Some(Named::Text(Some(b'|'))),
        "parquet" | "pq" => Some(Named::Parquet),
        suffix if FOREIGN.contains(&suffix) => Some(Named::Foreign),
        _ => None,
    }
}

/// Whether files of this name are read with tabs.
fn is_tabbed(path: &Path) -> bool {
    by_name(path) == Some(Named::Text(Some(b'\t')))
}

/// The format of the file at `path` that an input becomes, and what separates its fields if that is not
/// as in the input.
///
/// # Errors
/// If the name is that of a format that is not written, or contradicts what was asked for.
pub(crate) fn format_of(
    path: &Path,
    input: Option<&Path>,
    options: &Options,
) -> Result<(FileFormat, Option<u8>), Problem> {
    let shown = path.display();
    let contradicts = |what: &str, setting: &str| {
        Problem::new(format!("{shown}: the name says {what}, and something else was asked for"))
            .hint(Hint::words("give it another name, or leave out ").and_any(setting))
    };
    let named = by_name(path);
    let format = match (named, options.format) {
        (Some(Named::Foreign), _) => {
            let suffix = Path::new(plain_name(path)).extension().unwrap_or_default().display();
            return Err(Problem::new(format!("{shown}: .{suffix} files are not written"))
                .hint(all_outputs()));
        }
        (Some(Named::Parquet), Some(FileFormat::Csv)) => {
            return Err(contradicts("Parquet", "format"));
        }
        (Some(Named::Text(_)), Some(FileFormat::Parquet)) => {
            return Err(contradicts("CSV", "format"));
        }
        (Some(Named::Parquet), _) => FileFormat::Parquet,
        (_, format) => format.unwrap_or_default(),
    };
    if format == FileFormat::Parquet {
        if Compression::by_name(path).is_some() {
            return Err(Problem::new(format!("{shown}: Parquet files are compressed inside"))
                .hint(Hint::words("leave out the ending of its name")));
        }
        if options.out_delimiter.is_some() {
            return Err(Problem::new(format!("{shown}: Parquet files have no delimiter"))
                .hint(Hint::words("leave out ").and_any("out_delimiter")));
        }
        return Ok((format, None));
    }
    match (named, options.out_delimiter) {
        // It would be read back with tabs.
        (Some(Named::Text(Some(b'\t'))), Some(other)) if other != b'\t' => {
            Err(contradicts("tabs", "out_delimiter"))
        }
        (Some(Named::Text(Some(b'\t'))), _) => Ok((format, Some(b'\t'))),
        // It is read with bars only where that is said, so it is written so only where that is said.
        (Some(Named::Text(Some(b'|'))), asked)
            if asked != Some(b'|')
                && (asked.is_some() || options.delimiter != Delimiter::Byte(b'|')) =>
        {
            Err(Problem::new(format!("{shown}: the name says that bars divide the fields"))
                .hint(Hint::is("out_delimiter", "|").and(", or give it another name")))
        }
        // Files called .csv have many delimiters: what was asked for, else what the input has. But tabs that an
        // input has by its name would not be found in a file of the other name.
        (Some(Named::Text(Some(b','))), None)
            if input.is_some_and(is_tabbed) && !matches!(options.delimiter, Delimiter::Byte(_)) =>
        {
            Ok((format, Some(b',')))
        }
        (_, asked) => Ok((format, asked)),
    }
}

/// # Errors
/// If the name of a file that is always written in one format, `kind`, with these endings, is that of another.
pub fn check_ending(path: &Path, what: &str, kind: &str, endings: &[&str]) -> Result<(), Problem> {
    let plain = Path::new(plain_name(path));
    let ending = plain.extension().unwrap_or_default().to_ascii_lowercase();
    let is_packed = Compression::by_name(path).is_some();
    let is_own = !is_packed && endings.iter().any(|own| ending == *own);
    if is_own || by_name(path).is_none() {
        return Ok(());
    }
    let ending = path.extension().unwrap_or_default().display();
    let named: Vec<String> = endings.iter().map(|own| format!(".{own}")).collect();
    let problem = format!("{}: {what} is {kind}, and no .{ending} file", path.display());
    Err(Problem::new(problem)
        .hint(Hint::words(format!("give it a name that ends in {}", named.join(" or ")))))
}

/// # Errors
/// If no table can be where the output is to be.
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

/// A database is a regular file: what SQLite keeps in memory, or in a temporary file, is gone when the
/// job is done.
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
    let name = server_name(url);
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
    // The server would take the user's name for it.
    if config.get_dbname().is_none_or(str::is_empty) {
        return Err(wrong("it names no database".to_owned()));
    }
    Ok(())
}

#[cfg(not(feature = "postgres"))]
fn check_postgres(_: &str) -> Result<(), Problem> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(
        path: &str,
        input: &str,
        options: &Options,
    ) -> Result<(FileFormat, Option<u8>), String> {
        format_of(Path::new(path), Some(Path::new(input)), options).map_err(|why| why.to_string())
    }

    #[test]
    fn a_name_decides_the_format() {
        use FileFormat::{Csv, Parquet};
        let options = Options::default();
        for (name, input, format, delimiter) in [
            ("x.csv", "a.csv", Csv, None),
            ("x.tsv", "a.csv", Csv, Some(b'\t')),
            ("X.TAB.gz", "a.csv", Csv, Some(b'\t')),
            ("x.csv.zst", "a.tsv.gz", Csv, Some(b',')),
            ("x.tsv", "a.tsv", Csv, Some(b'\t')),
            ("x", "a.tsv", Csv, None),
            ("x.txt", "a.tsv", Csv, None),
            ("x.parquet", "a.csv", Parquet, None),
        ] {
            assert_eq!(decided(name, input, &options), Ok((format, delimiter)), "{name}");
        }
        for name in ["x.xlsx", "x.json", "x.JSONL.gz", "x.db", "x.csv.bz2", "x.parquet.gz"] {
            assert!(decided(name, "a.csv", &options).is_err(), "{name}");
        }
    }

    #[test]
    fn what_contradicts_a_name_is_refused() {
        let (mut csv, mut parquet, mut semicolon) =
            (Options::default(), Options::default(), Options::default());
        csv.format = Some(FileFormat::Csv);
        parquet.format = Some(FileFormat::Parquet);
        semicolon.out_delimiter = Some(b';');
        for (name, options) in [
            ("x.parquet", &csv),
            ("x.csv", &parquet),
            ("x.gz", &parquet),
            ("x.tsv", &semicolon),
            ("x.parquet", &semicolon),
        ] {
            let error = decided(name, "a.csv", options).unwrap_err();
            assert!(error.contains("leave out"), "{name}: {error}");
        }
        assert_eq!(decided("x.csv", "a.tsv", &semicolon), Ok((FileFormat::Csv, Some(b';'))));
        assert_eq!(decided("x", "a.csv", &parquet), Ok((FileFormat::Parquet, None)));
    }
}
