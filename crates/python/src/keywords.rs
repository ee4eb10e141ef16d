//! Keywords of `manyhands.clean` that say how files are read and written.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use manyhands::clean::{
    Asked, Delimiter, DialectFrom, FileFormat, Headers, MaxRejects, Options, Output, Separator,
};
use pyo3::prelude::*;

use crate::errors::{to_python, wrong};

/// The keywords of `manyhands.clean` that say how files are read and written.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Keywords {
    name: Option<String>,
    format: Option<String>,
    table: Option<String>,
    concat: bool,
    union: bool,
    intersect: bool,
    skip_failed: bool,
    resume: bool,
    dialect: Option<String>,
    delimiter: Option<String>,
    quote: Option<String>,
    escape: Option<String>,
    skip_initial_space: bool,
    comment: Option<String>,
    has_header: bool,
    header_lines: i64,
    names: Option<Vec<String>>,
    skip_lines: i64,
    skip_until: Option<String>,
    footer: Option<String>,
    encoding: Option<String>,
    out_delimiter: Option<String>,
    out_quote: Option<String>,
    quote_style: String,
    out_line_end: Option<String>,
    max_record: i64,
    rejects: Option<PathBuf>,
    max_rejects: Option<Limit>,
    force: bool,
    workers: Option<i64>,
    memory: i64,
    temp_dir: Option<PathBuf>,
}

/// A number of rejects, or a share of the rows such as `"10%"`.
#[derive(FromPyObject)]
pub(crate) enum Limit {
    Rows(i64),
    Share(String),
}

impl Limit {
    pub(crate) fn read(self) -> PyResult<MaxRejects> {
        match self {
            Limit::Rows(rows) => Ok(MaxRejects::Rows(count("max_rejects", rows, 0)? as u64)),
            Limit::Share(text) => {
                let percent = text.strip_suffix('%').and_then(|number| number.parse().ok());
                let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
                percent.map(MaxRejects::Percent).ok_or_else(|| {
                    wrong(format!(
                        "max_rejects is a number of rows, or a share such as \"10%\", not {text:?}"
                    ))
                })
            }
        }
    }
}

fn character(keyword: &str, text: &str) -> PyResult<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err(wrong(format!("{keyword} is one ASCII character, not {text:?}"))),
    }
}

fn separator(keyword: &str, text: &str) -> PyResult<Separator> {
    text.parse().map_err(|what: String| {
        let what = what.strip_prefix("it is ").unwrap_or(&what);
        wrong(format!("{keyword} is {what}, not {text:?}"))
    })
}

fn read<T: FromStr<Err = String>>(keyword: &str, text: Option<String>) -> PyResult<Option<T>> {
    let wrong = |error: String| wrong(format!("{keyword}: {error}"));
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

fn count(keyword: &str, number: i64, least: i64) -> PyResult<usize> {
    let number = usize::try_from(number).ok().filter(|_| number >= least);
    number.ok_or_else(|| wrong(format!("{keyword} is at least {least}")))
}

/// The value of a keyword that is one of some words, or a character.
fn parsed<T: FromStr<Err = String>>(keyword: &str, text: Option<&str>) -> PyResult<Option<T>> {
    let parse =
        |text: &str| text.parse().map_err(|why| wrong(format!("{keyword}: {why}, not {text:?}")));
    text.map(parse).transpose()
}

impl Keywords {
    fn format(&self) -> PyResult<Option<FileFormat>> {
        match self.format.as_deref() {
            None => Ok(None),
            Some("csv") => Ok(Some(FileFormat::Csv)),
            Some("parquet") => Ok(Some(FileFormat::Parquet)),
            Some(other) => Err(wrong(format!("format is \"csv\" or \"parquet\", not {other:?}"))),
        }
    }

    pub(crate) fn output(&self, inputs: &[OsString], output: &OsString) -> PyResult<Output> {
        let asked = Asked {
            inputs: inputs.to_vec(),
            concat: self.concat,
            name: self.name.clone(),
            table: self.table.clone(),
            format: self.format()?,
        };
        Output::parse(output, &asked).map_err(to_python)
    }

    pub(crate) fn options(self) -> PyResult<Options> {
        let byte = |keyword: &str, text: Option<String>| {
            text.map(|text| character(keyword, &text)).transpose()
        };
        let mut options = Options::default();
        options.format = self.format()?;
        options.resume = self.resume;
        options.headers = match (self.union, self.intersect) {
            (true, true) => {
                return Err(wrong("union and intersect exclude each other: leave out one of them"));
            }
            (true, false) => Headers::Union,
            (false, true) => Headers::Intersect,
            (false, false) => Headers::Same,
        };
        options.skip_failed = self.skip_failed;
        options.dialect = match self.dialect.as_deref() {
            None => DialectFrom::Settings,
            Some("auto") => DialectFrom::Auto,
            Some(other) => return Err(wrong(format!("dialect is \"auto\", not {other:?}"))),
        };
        options.delimiter = match self.delimiter.as_deref() {
            None => Delimiter::ByName,
            Some("auto") => Delimiter::Auto,
            Some(text) => Delimiter::Is(separator("delimiter", text)?),
        };
        options.quote = byte("quote", self.quote)?;
        options.fixed.escape = self.escape.as_deref() == Some("none");
        options.escape = byte("escape", self.escape.filter(|escape| escape != "none"))?;
        options.skip_initial_space = self.skip_initial_space;
        options.comment = byte("comment", self.comment)?;
        options.has_header = self.has_header;
        options.header_lines = count("header_lines", self.header_lines, 0)? as u64;
        options.names = self.names;
        options.skip_lines = count("skip_lines", self.skip_lines, 0)? as u64;
        options.skip_until = read("skip_until", self.skip_until)?;
        options.footer = read("footer", self.footer)?;
        options.encoding = self.encoding;
        let out_delimiter = self.out_delimiter.as_deref();
        options.out_delimiter =
            out_delimiter.map(|text| separator("out_delimiter", text)).transpose()?;
        options.out_quote = parsed("out_quote", self.out_quote.as_deref())?;
        options.quote_style = parsed("quote_style", Some(&self.quote_style))?.unwrap_or_default();
        options.out_line_end = parsed("out_line_end", self.out_line_end.as_deref())?;
        options.max_record = count("max_record", self.max_record, 1)?;
        options.rejects = self.rejects;
        options.max_rejects = self.max_rejects.map(Limit::read).transpose()?;
        options.force = self.force;
        if let Some(workers) = self.workers {
            options.workers = count("workers", workers, 1)?;
        }
        options.memory = count("memory", self.memory, 1)?;
        options.temp_dir = self.temp_dir;
        Ok(options)
    }
}
