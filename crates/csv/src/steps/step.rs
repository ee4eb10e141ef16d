//! The trait of steps: one type per step, with everything that there is to know about it.

use std::collections::BTreeMap;

use regex::bytes::Regex;

use crate::expr::Expression;
use crate::problem::Problem;
use crate::resolve::Builder;

/// A step. It is named like its file, and registered by a line in the table of `steps/mod.rs`.
pub(super) trait StepKind {
    /// Its fields in a recipe.
    type Settings;

    /// Its syntax and its documentation.
    const ABOUT: About;

    /// Parses the value of its flag; the text is empty for a step without settings.
    ///
    /// # Errors
    /// Says in a few words what is wrong; the caller adds the name of the flag.
    fn read(text: &str) -> Result<Self::Settings, String>;

    /// Parses the parts that need no header, once for all files.
    ///
    /// # Errors
    /// Errors that do not depend on the columns.
    fn parse(_: &Self::Settings, _: &BTreeMap<String, String>) -> Result<Parsed, Problem> {
        Ok(Parsed::default())
    }

    /// Returns whether its result for a row depends on other rows of the file, as that of an expression with an
    /// aggregate does. Its [`Operation`](crate::operation::Operation) has a need then.
    fn depends_on_other_rows(_: &Self::Settings, parsed: &Parsed) -> bool {
        parsed.expression.as_ref().is_some_and(Expression::has_aggregate)
    }

    /// Resolves the step against the columns of a file: changes them, adds an
    /// [`Operation`](crate::operation::Operation). Returns a description of the step.
    ///
    /// # Errors
    /// If the file lacks a column, or something else does not fit.
    fn resolve(
        settings: &Self::Settings,
        parsed: &Parsed,
        builder: &mut Builder,
    ) -> Result<String, Problem>;
}

/// The parts of a step that are parsed before any header is known, since parsing takes time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parsed {
    pub(crate) expression: Option<Expression>,
    pub(crate) pattern: Option<Regex>,
}

impl Parsed {
    /// The parsed parts of a step with an expression.
    pub(super) fn expression(
        source: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Parsed, Problem> {
        match Expression::parse(source, parameters) {
            Ok(expression) => Ok(Parsed { expression: Some(expression), pattern: None }),
            Err(error) => {
                let hint = error.advice.as_deref().cloned();
                Err(Problem::new(error.to_string()).hint(hint))
            }
        }
    }
}

/// Syntax and documentation of a step.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The kind of its value in a recipe, and an example; `None` for a step that is a word.
    pub(crate) form: Option<(Kind, &'static str)>,
    /// Its flag.
    pub flag: Flag,
    /// Its effect, for each way to write it.
    pub uses: &'static [Use],
    /// Recipes over the columns `a` and `b` that contain the step, for tests of all steps.
    pub samples: &'static [&'static str],
}

/// The flag of a step; its name is the step's name with hyphens.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Placeholder of its value; `None` for a flag without a value.
    pub value: Option<&'static str>,
    /// Its effect, in a few words.
    pub help: &'static str,
    /// Additional text of the long help. Settings are in braces, for each face to render in its own words: `{on_bad}`;
    /// so is `{functions}`, the list of all functions.
    pub more: &'static str,
    /// True if its value may begin with a hyphen.
    pub hyphens: bool,
}

/// One way to use a step, for documentation.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    /// Its notation in a recipe, in Markdown.
    pub written: &'static [&'static str],
    /// The value of its flag.
    pub typed: &'static str,
    /// Its effect, in Markdown.
    pub does: &'static str,
    /// The counted rows or cells, in Markdown.
    pub counted: &'static str,
}

/// A key of a recipe, the kind of its value, and an example.
pub(crate) type Key = (&'static str, Kind, &'static str);

/// The kind of a value in a recipe.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Any kind; the parser of the value reports errors better.
    Any,
    Text,
    Flag,
    Count,
    Number,
    Pair,
    /// A list of texts.
    Texts,
    /// A text, or a list of texts.
    Columns,
    /// A table of texts under keys of any name.
    Map,
    /// A table with these keys.
    Table(&'static [Key]),
    Steps,
}

/// The key that names a step's column.
pub(super) const COLUMN: Key = ("column", Kind::Text, r#"column = "a""#);

/// Returns the only field that is set.
pub(super) fn only<T>(
    fields: impl IntoIterator<Item = Option<T>>,
    names: &str,
) -> Result<T, String> {
    let mut given = fields.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(format!("one of {names} is missing")),
        (Some(_), Some(_)) => Err(format!("only one of {names} can be given")),
    }
}
