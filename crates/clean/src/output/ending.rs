//! The formats that the endings of file names stand for.

use std::ffi::OsStr;
use std::path::Path;

use manyhands_csv::recipe::Delimiter;
use manyhands_csv::{Hint, Problem, Separator};

use crate::compression::{Compression, plain_name};
use crate::options::{FileFormat, Options};

/// Endings of files that other programs read and write, and this one does not.
const FOREIGN: &[&str] = &[
    "xlsx", "xlsm", "xlsb", "xls", "ods", "numbers", "json", "jsonl", "ndjson", "geojson", "xml",
    "html", "htm", "yaml", "yml", "toml", "db", "db3", "sqlite", "sqlite3", "s3db", "duckdb",
    "ddb", "mdb", "accdb", "feather", "arrow", "arrows", "ipc", "avro", "orc", "h5", "hdf5", "nc",
    "pkl", "pickle", "npy", "npz", "sas7bdat", "sav", "dta", "rds", "rdata", "pdf", "docx", "zip",
    "7z", "rar", "tar", "tgz", "bz2", "xz", "lz4", "lzma", "br", "sz", "md", "markdown", "rst",
    "tex", "sql", "dbf",
];

/// The format that a file's name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// Text with this delimiter, if the name says so.
    Text(Option<u8>),
    Parquet,
    /// A format of another program.
    Foreign,
}

impl Named {
    pub(crate) fn is_file(self) -> bool {
        self != Named::Text(None)
    }
}

/// A list of all kinds of outputs.
pub(crate) fn all_outputs() -> Hint {
    Hint::words(
        "outputs are .csv, .tsv and .tab files, each also with .gz or .zst behind, .parquet files, \
         directories, - for standard output, and with a table sqlite:FILE and \
         postgresql://USER@HOST/DATABASE",
    )
}

/// The format by name; none if the ending says nothing.
pub(crate) fn by_name(path: &Path) -> Option<Named> {
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

/// Returns whether files of this name are read with tabs.
fn is_tabbed(path: &Path) -> bool {
    by_name(path) == Some(Named::Text(Some(b'\t')))
}

/// The format of the file at `path`, and its delimiter if it differs from the input's.
///
/// # Errors
/// If the name stands for a format that is not written, or contradicts a setting.
pub(crate) fn format_of(
    path: &Path,
    input: Option<&Path>,
    options: &Options,
) -> Result<(FileFormat, Option<Separator>), Problem> {
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
        return Ok((format, None));
    }
    match (named, options.out_delimiter) {
        // The file would be read back with tabs.
        (Some(Named::Text(Some(b'\t'))), Some(other)) if other != b'\t' => {
            Err(contradicts("tabs", "out_delimiter"))
        }
        (Some(Named::Text(Some(b'\t'))), _) => Ok((format, Some(b'\t'.into()))),
        // Bars are read only where a setting says so, so they are written only where a setting says so.
        (Some(Named::Text(Some(b'|'))), asked)
            if asked != Some(b'|'.into())
                && (asked.is_some() || options.delimiter != Delimiter::Is(b'|'.into())) =>
        {
            Err(Problem::new(format!("{shown}: the name says that bars divide the fields"))
                .hint(Hint::is("out_delimiter", "|").and(", or give it another name")))
        }
        // Files called .csv have many delimiters: that of the setting, else that of the input. But tabs that
        // an input has because of its name would not be found in a file with the other name.
        (Some(Named::Text(Some(b','))), None)
            if input.is_some_and(is_tabbed) && !matches!(options.delimiter, Delimiter::Is(_)) =>
        {
            Ok((format, Some(b','.into())))
        }
        (_, asked) => Ok((format, asked)),
    }
}

/// # Errors
/// If the file's name has the ending of another format. The file is always written in one format, `kind`,
/// which has these endings.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(
        path: &str,
        input: &str,
        options: &Options,
    ) -> Result<(FileFormat, Option<u8>), String> {
        let found = format_of(Path::new(path), Some(Path::new(input)), options);
        let found = found.map_err(|why| why.to_string())?;
        Ok((found.0, found.1.and_then(Separator::byte)))
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
    fn settings_that_contradict_a_name_are_refused() {
        let (mut csv, mut parquet, mut semicolon) =
            (Options::default(), Options::default(), Options::default());
        csv.format = Some(FileFormat::Csv);
        parquet.format = Some(FileFormat::Parquet);
        semicolon.out_delimiter = Some(b';'.into());
        for (name, options) in
            [("x.parquet", &csv), ("x.csv", &parquet), ("x.gz", &parquet), ("x.tsv", &semicolon)]
        {
            let error = decided(name, "a.csv", options).unwrap_err();
            assert!(error.contains("leave out"), "{name}: {error}");
        }
        assert_eq!(decided("x.csv", "a.tsv", &semicolon), Ok((FileFormat::Csv, Some(b';'))));
        assert_eq!(decided("x", "a.csv", &parquet), Ok((FileFormat::Parquet, None)));
    }
}
