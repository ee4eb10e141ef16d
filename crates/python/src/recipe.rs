//! The recipe for Python, with a method for each step; the steps are those of the Rust recipe.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::path::PathBuf;

use manyhands::clean::{self, CleanError, Problem, recipe};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyTuple, PyType};
use recipe::{Columns, CurrencyUse, FillMethod, FillWith, OutlierRule, Read, Step};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as WordError, StrDeserializer};

use crate::errors::to_python;
use crate::keywords::Limit;

/// Steps that change or check the rows of every file.
///
/// Each method gives a new recipe with one more step, so a recipe can be the start of several. An
/// error in an expression or a pattern is raised at once, as ValueError.
#[pyclass(frozen, eq, module = "manyhands")]
#[derive(PartialEq)]
pub(crate) struct Recipe(pub(crate) recipe::Recipe);

/// One name or several; a step that can take all columns does not take `"all"` as a name.
#[derive(FromPyObject)]
enum Names {
    One(String),
    Several(Vec<String>),
}

impl Names {
    fn list(self) -> Vec<String> {
        match self {
            Names::One(name) => vec![name],
            Names::Several(names) => names,
        }
    }

    fn columns(self) -> Columns {
        match self {
            Names::One(word) if word == "all" => Columns::All,
            names => Columns::Named(names.list()),
        }
    }
}

/// Parses a word of the recipe, as in TOML.
fn word<'de, T: Deserialize<'de>>(what: &str, text: &'de str) -> PyResult<T> {
    let text: StrDeserializer<'de, WordError> = text.into_deserializer();
    T::deserialize(text).map_err(|error| {
        PyValueError::new_err(format!("{what}: {}", recipe::in_words(&error.to_string())))
    })
}

/// Parameters are texts; numbers and dates are converted with Python's `str`.
fn parameters(values: HashMap<String, Bound<'_, PyAny>>) -> PyResult<BTreeMap<String, String>> {
    values.into_iter().map(|(name, value)| Ok((name, value.str()?.to_string()))).collect()
}

/// The way in which files are read, by the keys of a recipe's `[read]`. For the quote, None means no quote; for
/// other keys, None means that the key is left out.
fn reading(values: &Bound<'_, PyDict>) -> PyResult<Read> {
    let mut json = serde_json::Map::new();
    for (key, value) in values {
        let key: String = key.extract()?;
        let value = match (value.is_none(), &*key) {
            (true, "quote") => "none".into(),
            (true, _) => continue,
            _ if value.is_instance_of::<PyBool>() => value.extract::<bool>()?.into(),
            _ => match value.extract::<u64>() {
                Ok(number) => number.into(),
                Err(_) => value.str()?.to_string().into(),
            },
        };
        json.insert(key, value);
    }
    serde_json::from_value(json.into()).map_err(|error| {
        PyValueError::new_err(format!("read: {}", recipe::in_words(&error.to_string())))
    })
}

/// Returns the only keyword that was given.
fn only<T>(given: Vec<Option<T>>, keywords: &str) -> PyResult<T> {
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(PyValueError::new_err(format!("give one of {keywords}"))),
    }
}

fn checked(recipe: recipe::Recipe) -> PyResult<Recipe> {
    clean::check(&recipe).map_err(to_python)?;
    Ok(Recipe(recipe))
}

impl Recipe {
    fn with(&self, step: Step) -> PyResult<Recipe> {
        let mut recipe = self.0.clone();
        recipe.steps.push(step);
        checked(recipe)
    }
}

#[pymethods]
impl Recipe {
    #[new]
    #[pyo3(signature = (*, on_bad="reject", on_ragged="reject", missing_column="error",
                        optional=Names::Several(Vec::new()), max_rejects=None, read=None, parameters=None),
           text_signature = "(*, on_bad='reject', on_ragged='reject', missing_column='error', optional=(), \
                             max_rejects=None, read=None, parameters=None)")]
    fn new(
        on_bad: &str,
        on_ragged: &str,
        missing_column: &str,
        optional: Names,
        max_rejects: Option<Limit>,
        read: Option<Bound<'_, PyDict>>,
        parameters: Option<HashMap<String, Bound<'_, PyAny>>>,
    ) -> PyResult<Self> {
        Ok(Recipe(recipe::Recipe {
            on_bad: word("on_bad", on_bad)?,
            on_ragged: word("on_ragged", on_ragged)?,
            missing_column: word("missing_column", missing_column)?,
            optional: optional.list(),
            max_rejects: max_rejects.map(Limit::read).transpose()?,
            read: read.as_ref().map(reading).transpose()?.unwrap_or_default(),
            parameters: self::parameters(parameters.unwrap_or_default())?,
            steps: Vec::new(),
        }))
    }

    /// Drops rows whose fields are all empty.
    fn drop_empty_rows(&self) -> PyResult<Self> {
        self.with(Step::DropEmptyRows)
    }

    /// Trims names, lowers their letters, makes each white space an underscore, and makes names unique.
    fn normalize_columns(&self) -> PyResult<Self> {
        self.with(Step::NormalizeColumns)
    }

    /// Renames columns: old name to new name.
    fn rename(&self, names: BTreeMap<String, String>) -> PyResult<Self> {
        self.with(Step::Rename(names))
    }

    /// Keeps these columns, in this order.
    fn select(&self, columns: Names) -> PyResult<Self> {
        self.with(Step::Select(columns.list()))
    }

    /// Drops these columns.
    fn drop(&self, columns: Names) -> PyResult<Self> {
        self.with(Step::Drop(columns.list()))
    }

    /// Takes white space (ASCII) off both ends of cells.
    #[pyo3(signature = (columns=Names::One("all".to_owned())), text_signature = "($self, columns='all')")]
    fn trim(&self, columns: Names) -> PyResult<Self> {
        self.with(Step::Trim(columns.columns()))
    }

    /// Empties cells that are, character for character, one of the tokens, but not in `except_columns`.
    #[pyo3(signature = (tokens, except_columns=None))]
    fn null(&self, tokens: Names, except_columns: Option<Names>) -> PyResult<Self> {
        let except = except_columns.map(Names::list).unwrap_or_default();
        self.with(Step::Null(recipe::Null { tokens: tokens.list(), except }))
    }

    /// Replaces every match of a regular expression (syntax of Rust's `regex`) in a column; in `text`,
    /// `$1` or `${name}` is a group.
    fn replace(&self, column: String, pattern: String, text: String) -> PyResult<Self> {
        self.with(Step::Replace(recipe::Replace { column, pattern, text }))
    }

    /// Checks that the cells of columns can be read as text, integer, number, boolean, date or datetime;
    /// changes none.
    fn types(&self, types: BTreeMap<String, String>) -> PyResult<Self> {
        let types = types.into_iter().map(|(column, name)| {
            let kind = word(&column, &name)?;
            Ok((column, kind))
        });
        self.with(Step::Types(types.collect::<PyResult<_>>()?))
    }

    /// Keeps the rows for which an SQL expression is true.
    fn filter(&self, expression: String) -> PyResult<Self> {
        self.with(Step::Filter(expression))
    }

    /// Drops rows whose number in a column is an outlier, by one rule: `iqr=1.5`, `zscore=3`,
    /// `mad=3`, `quantile=(0.01, 0.99)` or `range=(0, 500)`.
    #[pyo3(signature = (column, *, iqr=None, zscore=None, mad=None, quantile=None, range=None))]
    fn outliers(
        &self,
        column: String,
        iqr: Option<f64>,
        zscore: Option<f64>,
        mad: Option<f64>,
        quantile: Option<(f64, f64)>,
        range: Option<(f64, f64)>,
    ) -> PyResult<Self> {
        let rules = vec![
            iqr.map(OutlierRule::Iqr),
            zscore.map(OutlierRule::Zscore),
            mad.map(OutlierRule::Mad),
            quantile.map(|(low, high)| OutlierRule::Quantile(low, high)),
            range.map(|(low, high)| OutlierRule::Range(low, high)),
        ];
        let rule = only(rules, "iqr=, zscore=, mad=, quantile= and range=")?;
        self.with(Step::Outliers(recipe::Outliers { column, rule }))
    }

    /// Fills the empty cells of a column with a value, or by a method: `"ffill"` (the last cell above
    /// that is not empty), `"mean"` or `"median"` (of the rows that reach the step). A value that is
    /// the name of a method, here or in pandas, is that text only with `literal=True`.
    #[pyo3(signature = (column, value=None, *, method=None, literal=false))]
    fn fill(
        &self,
        column: String,
        value: Option<Bound<'_, PyAny>>,
        method: Option<&str>,
        literal: bool,
    ) -> PyResult<Self> {
        let value = value.map(|value| value.str()).transpose()?.map(|value| value.to_string());
        if let Some(value) = value.as_ref().filter(|_| !literal) {
            let what = match FillWith::of_word(value) {
                Ok(FillWith::Value(_)) => None,
                Ok(FillWith::Method(_)) => Some(format!("{value:?} is a method: method={value:?}")),
                Err(error) => Some(error),
            };
            if let Some(what) = what {
                let message = format!("{what}; literal=True fills in the word itself");
                return Err(PyValueError::new_err(message));
            }
        }
        let value = value.map(FillWith::Value);
        let method: Option<FillMethod> = method.map(|name| word("method", name)).transpose()?;
        let with = only(vec![value, method.map(FillWith::Method)], "a value and method=")?;
        self.with(Step::Fill(recipe::Fill { column, with }))
    }

    /// Rewrites numbers as people write them, such as `1.234,56 €` or `(432)`, to plain numbers. Without
    /// `decimal` and `group`, the cells of each column must prove their own.
    #[pyo3(signature = (columns, *, decimal=None, group=None, currency=None, currency_column=None, percent=None))]
    fn number(
        &self,
        columns: Names,
        decimal: Option<&str>,
        group: Option<&str>,
        currency: Option<&str>,
        currency_column: Option<String>,
        percent: Option<&str>,
    ) -> PyResult<Self> {
        let currency = match (currency, currency_column) {
            (Some(_), Some(_)) => {
                let message = "currency= and currency_column= exclude each other";
                return Err(PyTypeError::new_err(message));
            }
            (Some("drop"), None) => Some(CurrencyUse::Drop),
            (Some(other), None) => {
                let message =
                    format!("currency is \"drop\", not {other:?}; currency_column= keeps it");
                return Err(PyValueError::new_err(message));
            }
            (None, name) => name.map(CurrencyUse::Column),
        };
        let decimal = decimal.map(str::parse).transpose().map_err(PyValueError::new_err)?;
        let group = group.map(str::parse).transpose().map_err(PyValueError::new_err)?;
        let percent = percent.map(|name| word("percent", name)).transpose()?;
        let columns = columns.columns();
        self.with(Step::Number(recipe::Number { columns, decimal, group, currency, percent }))
    }

    /// Keeps the first of the rows that are equal in these columns.
    #[pyo3(signature = (columns=Names::One("all".to_owned())), text_signature = "($self, columns='all')")]
    fn dedupe(&self, columns: Names) -> PyResult<Self> {
        self.with(Step::Dedupe(columns.columns()))
    }

    /// Computes a column by an SQL expression; one that exists is replaced, a new one comes behind the
    /// others.
    fn derive(&self, name: String, expression: String) -> PyResult<Self> {
        self.with(Step::Derive(recipe::Derive { name, expression }))
    }

    /// The same steps, with these values for `:name` in expressions. A job whose recipe has a value
    /// that no expression uses raises ValueError.
    #[pyo3(signature = (**values))]
    fn with_parameters(&self, values: Option<HashMap<String, Bound<'_, PyAny>>>) -> PyResult<Self> {
        let mut recipe = self.0.clone();
        recipe.parameters.extend(parameters(values.unwrap_or_default())?);
        checked(recipe)
    }

    /// Reads a recipe: a path, or the text itself. A string is a path if it is one line that ends in
    /// `.toml`.
    #[classmethod]
    fn from_toml(_class: &Bound<'_, PyType>, source: Bound<'_, PyAny>) -> PyResult<Self> {
        let text = source.extract::<String>().ok();
        let is_path = |text: &String| text.ends_with(".toml") && !text.contains('\n');
        let (read, path) = match text.filter(|text| !is_path(text)) {
            Some(text) => (Ok(text), None),
            None => {
                let path: PathBuf = source.extract()?;
                (recipe::text_of(fs::read(&path)?), Some(path))
            }
        };
        let wrong = |problem: Problem| {
            to_python(CleanError::Usage(match &path {
                Some(path) => problem.in_file(path),
                None => problem,
            }))
        };
        let text = read.map_err(wrong)?;
        let recipe = recipe::Recipe::from_toml(&text).map_err(wrong)?;
        clean::check_text(&recipe, &text).map_err(|error| wrong(error.problem()))?;
        Ok(Recipe(recipe))
    }

    /// The recipe as text, which `from_toml` and the command's `--recipe` read.
    fn to_toml(&self) -> String {
        self.0.to_toml()
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let text = slf.get().to_toml();
        Ok((slf.get_type().getattr("from_toml")?, (text,).into_pyobject(slf.py())?))
    }

    fn __repr__(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<&str> = self.0.steps.iter().map(Step::name).collect();
        write!(
            f,
            "<Recipe: {}>",
            if steps.is_empty() { "no steps".into() } else { steps.join(", ") }
        )
    }
}
