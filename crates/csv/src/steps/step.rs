//! What a step is: one type for each, with everything that is to be known of it.

use std::collections::BTreeMap;

use regex::bytes::Regex;

use crate::expr::Expression;
use crate::problem::Problem;
use crate::resolve::Builder;

/// A step. Its file's name is its name; a line in the table of `steps/mod.rs` makes it known.
pub(super) trait StepKind {
    /// Its fields, as recipes have them.
    type Settings;

    /// How it is written, typed and described.
    const ABOUT: About;

    /// Reads the value of its flag; the empty text for a step without settings.
    ///
    /// # Errors
    /// What is wrong, in a few words: who reads the command line says in which flag.
    fn read(text: &str) -> Result<Self::Settings, String>;

    /// Reads what needs no header, once for all files.
    ///
    /// # Errors
    /// What is wrong whatever the columns are.
    fn parse(_: &Self::Settings, _: &BTreeMap<String, String>) -> Result<Parsed, Problem> {
        Ok(Parsed::default())
    }

    /// Resolves it against the columns of a file: changes them, adds an [`Operation`](crate::operation::Operation).
    /// Gives the step in words.
    ///
    /// # Errors
    /// A column that the file does not have, or what else does not fit.
    fn resolve(
        settings: &Self::Settings,
        parsed: &Parsed,
        builder: &mut Builder,
    ) -> Result<String, Problem>;
}

/// What of a step is read before any header is known, since reading it takes time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parsed {
    pub(crate) expression: Option<Expression>,
    pub(crate) pattern: Option<Regex>,
}

impl Parsed {
    /// Of a step with an expression.
    pub(super) fn expression(
        source: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Parsed, Problem> {
        match Expression::parse(source, parameters) {
            Ok(expression) => Ok(Parsed { expression: Some(expression), pattern: None }),
            Err(error) => {
                let hint = error.advice.as_deref().cloned();
                Err(Problem { hint, ..Problem::new(error.to_string()) })
            }
        }
    }
}

/// How a step is written, typed and described.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The kind of its value in a recipe, and an example; none for a step that is a word.
    pub(crate) form: Option<(Kind, &'static str)>,
    /// How it is typed.
    pub flag: Flag,
    /// What it does, by the ways to write it.
    pub uses: &'static [Use],
    /// Recipes over the columns `a` and `b` that hold it, for tests of all steps.
    pub samples: &'static [&'static str],
}

/// The flag of a step, which has the step's name with hyphens.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// What its value looks like; none for a flag without one.
    pub value: Option<&'static str>,
    /// What it does, in a few words.
    pub help: &'static str,
    /// What only the long help says.
    pub more: &'static str,
    /// Whether its value may begin with a hyphen.
    pub hyphens: bool,
}

/// One way to use a step, for documentation.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    /// How it is written in a recipe.
    pub written: &'static [&'static str],
    /// The value of its flag.
    pub typed: &'static str,
    /// What it does, in Markdown.
    pub does: &'static str,
    /// What is counted, in Markdown.
    pub counted: &'static str,
}

/// A key of a recipe, what it holds, and how that is written.
pub(crate) type Key = (&'static str, Kind, &'static str);

/// The kind of a value in a recipe.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Something that its reader tells better.
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

/// The one of some fields that is there.
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
