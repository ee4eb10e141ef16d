//! The plan: a recipe made definite for one header, every name resolved to a column.
//!
//! Steps that only name or order columns are done here, once; what is left are operations on the
//! rows. An operation that must know something of all rows that reach it (its [`Need`]) cuts the
//! plan: the rows are read once more for it, see [`pass`](crate::pass).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::bytes::Regex;

use crate::aggregate::Kind;
use crate::dialect::Dialect;
use crate::expr::{
    AggregateKind, Ambiguous, Bound, Expression, ExpressionError, LONGEST, Names, suggest,
};
use crate::problem::{Hint, Problem};
use crate::quote::{check_quotes, write_cell};
use crate::recipe::{
    Columns, FillMethod, FillWith, MissingColumn, OnBad, OnRagged, OutlierRule, Recipe, Step, Type,
};
use crate::record::{Field, fields_of};
use crate::replace::check as check_groups;
use crate::report::Note;
use crate::typed::Text;
use crate::wording::{list, readable};

/// A recipe whose expressions were read, before any header is known.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(crate) recipe: Recipe,
    now: DateTime,
    expressions: Vec<Option<Expression>>,
    patterns: Vec<Option<Regex>>,
}

/// Why a recipe cannot be used, or not with a file's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    /// Which step, from 1, and its name.
    pub step: Option<(usize, &'static str)>,
    /// What is wrong, perhaps in several lines.
    pub message: String,
    /// What to do about it, if something else than the recipe may be wrong.
    pub hint: Option<Hint>,
}

/// The same for a report.
impl From<PlanError> for Problem {
    fn from(error: PlanError) -> Problem {
        Problem { message: error.to_string(), hint: error.hint }
    }
}

impl PlanError {
    fn new(step: Option<(usize, &'static str)>, problem: impl Into<Problem>) -> PlanError {
        let Problem { message, hint } = problem.into();
        PlanError { step, message, hint }
    }
}

/// Without the hint.
impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some((number, name)) => write!(f, "step {number} ({name}): {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for PlanError {}

impl Prepared {
    /// Reads a recipe's expressions and patterns. `now` is what they are to take for the present,
    /// in seconds since 1970 (UTC): the same for all of a run.
    ///
    /// # Errors
    /// The first of them that is wrong.
    pub fn new(recipe: Recipe, now: i64) -> Result<Prepared, PlanError> {
        let now =
            Timestamp::from_second(now).unwrap_or_default().to_zoned(TimeZone::UTC).datetime();
        let (mut expressions, mut patterns) = (Vec::new(), Vec::new());
        for (at, step) in recipe.steps.iter().enumerate() {
            let wrong = |message: String| PlanError::new(Some((at + 1, step.name())), message);
            let wrong_expression = |error: ExpressionError| PlanError {
                hint: error.advice.as_deref().cloned(),
                ..wrong(error.to_string())
            };
            let source = match step {
                Step::Filter(source) => Some(source),
                Step::Derive(derive) => Some(&derive.expression),
                _ => None,
            };
            let expression = source.map(|source| Expression::parse(source, &recipe.parameters));
            expressions.push(expression.transpose().map_err(wrong_expression)?);
            let pattern = match step {
                Step::Replace(replace) => Some(Regex::new(&replace.pattern)),
                _ => None,
            };
            let indented = |error: regex::Error| error.to_string().replace('\n', "\n  ");
            let pattern = pattern.transpose().map_err(|error| wrong(indented(error)))?;
            if let (Step::Replace(replace), Some(pattern)) = (step, &pattern) {
                check_groups(pattern, &replace.text).map_err(|(message, hint)| PlanError {
                    hint: Some(Hint::words(hint)),
                    ..wrong(message)
                })?;
            }
            patterns.push(pattern);
            match step {
                Step::Outliers(outliers) => check_rule(outliers.rule).map_err(wrong)?,
                Step::Select(names) => check_once(names).map_err(wrong)?,
                _ => {}
            }
        }
        Ok(Prepared { recipe, now, expressions, patterns })
    }

    /// Checks that some expression uses each parameter: another one is perhaps a misspelt name.
    ///
    /// # Errors
    /// The first that none uses.
    pub fn check_parameters(&self) -> Result<(), Problem> {
        let used: BTreeSet<&str> = self
            .expressions
            .iter()
            .flatten()
            .flat_map(|expression| expression.parameters.iter().map(String::as_str))
            .collect();
        let Some(unused) = self.recipe.parameters.keys().find(|name| !used.contains(name.as_str()))
        else {
            return Ok(());
        };
        let colon = |name: &str| format!("`:{name}`");
        let hint = match suggest(unused, used.iter().copied()) {
            Some(meant) => format!("did you mean {}?", colon(meant)),
            None if used.is_empty() => "expressions name a parameter as `:name`".to_owned(),
            None => {
                let used: Vec<String> = used.into_iter().map(colon).collect();
                format!("they use {}", used.join(", "))
            }
        };
        let message = format!("no expression uses the parameter {}", colon(unused));
        Err(Problem::new(message).hint(Hint::words(hint)))
    }
}

fn check_once(names: &[String]) -> Result<(), String> {
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(format!("{name:?} is named twice")),
        None => Ok(()),
    }
}

fn check_rule(rule: OutlierRule) -> Result<(), String> {
    match rule {
        OutlierRule::Iqr(factor) | OutlierRule::Zscore(factor) | OutlierRule::Mad(factor)
            if !(factor >= 0.0 && factor.is_finite()) =>
        {
            Err(format!("the factor is a number from 0 on, not {factor}"))
        }
        OutlierRule::Quantile(low, high) if !(0.0 <= low && low <= high && high <= 1.0) => {
            Err(format!("quantiles are from 0 to 1, the lower first, not {low} and {high}"))
        }
        OutlierRule::Range(low, high) if low.is_nan() || high.is_nan() || low > high => {
            Err(format!("a range has its lower end first, not {low} and {high}"))
        }
        _ => Ok(()),
    }
}

/// What is done to the rows, in order.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Its step's place in the recipe, from 1.
    pub(crate) step: usize,
    pub(crate) kind: OperationKind,
}

/// Columns are numbers: those of the file first, then those that steps add.
#[derive(Debug)]
pub(crate) enum OperationKind {
    DropEmptyRows { columns: Vec<usize> },
    Trim { columns: Vec<usize> },
    Null { columns: Vec<usize>, tokens: HashSet<Vec<u8>> },
    Replace { column: usize, pattern: Regex, text: Vec<u8> },
    Types { columns: Vec<(usize, Type)> },
    Store { columns: Vec<(usize, Type)>, text: Text },
    Filter { condition: Bound },
    Outliers { column: usize, rule: OutlierRule },
    FillValue { gaps: Gaps, value: Vec<u8> },
    FillForward { gaps: Gaps },
    FillAggregate { column: usize, kind: Kind },
    Dedupe { columns: Vec<usize> },
    Derive { column: usize, value: Bound },
}

/// The cells of a column that are to be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gaps {
    pub(crate) column: usize,
    /// Whether they are those that read as no number, else those that are empty.
    pub(crate) of_numbers: bool,
}

/// What an operation must know of all rows that reach it.
#[derive(Debug, PartialEq)]
pub(crate) enum Need {
    Nothing,
    Aggregates(Vec<(Kind, Argument)>),
    /// For each chunk, the last cell of the column above it that is no gap.
    Last(Gaps),
    /// For each chunk, which of its rows are equal to earlier ones in these columns.
    Duplicates(Vec<usize>),
}

/// Over what an aggregate is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Argument {
    /// The numbers of a column.
    Column(usize),
    /// The argument of one of the operation's expression's aggregates.
    Expression(usize),
}

impl Operation {
    pub(crate) fn need(&self) -> Need {
        let of = |column: usize, kinds: &[Kind]| {
            Need::Aggregates(kinds.iter().map(|kind| (*kind, Argument::Column(column))).collect())
        };
        match &self.kind {
            OperationKind::Filter { condition: bound }
            | OperationKind::Derive { value: bound, .. } => {
                if bound.aggregates.is_empty() {
                    return Need::Nothing;
                }
                let aggregates = bound.aggregates.iter().enumerate();
                let kind = |kind| match kind {
                    AggregateKind::Min => Kind::Min,
                    AggregateKind::Max => Kind::Max,
                    AggregateKind::Sum => Kind::Sum,
                    AggregateKind::Avg => Kind::Avg,
                    AggregateKind::Count => Kind::Count,
                    AggregateKind::Median => Kind::Median,
                    AggregateKind::Quantile(q) => Kind::Quantile(q),
                    AggregateKind::Stddev => Kind::Stddev,
                };
                Need::Aggregates(
                    aggregates
                        .map(|(at, call)| (kind(call.kind), Argument::Expression(at)))
                        .collect(),
                )
            }
            OperationKind::Outliers { column, rule } => match *rule {
                OutlierRule::Iqr(_) => of(*column, &[Kind::Quantile(0.25), Kind::Quantile(0.75)]),
                OutlierRule::Zscore(_) => of(*column, &[Kind::Avg, Kind::Stddev]),
                OutlierRule::Mad(_) => of(*column, &[Kind::Median, Kind::Mad]),
                OutlierRule::Quantile(low, high) => {
                    of(*column, &[Kind::Quantile(low), Kind::Quantile(high)])
                }
                OutlierRule::Range(..) => Need::Nothing,
            },
            OperationKind::FillForward { gaps } => Need::Last(*gaps),
            OperationKind::FillAggregate { column, kind } => of(*column, &[*kind]),
            OperationKind::Dedupe { columns } => Need::Duplicates(columns.clone()),
            _ => Need::Nothing,
        }
    }
}

/// A recipe made definite for one header.
#[derive(Debug)]
pub struct Plan {
    pub(crate) dialect: Dialect,
    /// Of what is written.
    pub(crate) written: Dialect,
    /// How many fields a record of the file has.
    pub(crate) fields: usize,
    /// The names of all columns, for messages.
    pub(crate) names: Vec<String>,
    pub(crate) operations: Vec<Operation>,
    /// The output's columns in order.
    pub(crate) output: Vec<usize>,
    pub(crate) on_bad: OnBad,
    pub(crate) on_ragged: OnRagged,
    pub(crate) now: DateTime,
    /// The places of the operations that need to know something.
    pub(crate) cuts: Vec<usize>,
    header: Vec<u8>,
    output_names: Vec<String>,
    /// The header's cells as they are written.
    titles: Vec<String>,
    /// Header cells that are no names of their own: that are not UTF-8, empty, or there twice.
    odd_titles: Vec<OddTitle>,
    /// What `types` steps declare the output's columns to be, and whether they do.
    output_types: Vec<Type>,
    declared: Vec<bool>,
    notes: Vec<Note>,
    /// The steps in words, and by name.
    steps: Vec<String>,
    step_names: Vec<&'static str>,
}

/// A column of the output whose header cell is not the name that it goes by.
#[derive(Debug)]
struct OddTitle {
    /// Where it is in the file, from 1.
    column: usize,
    title: String,
    is_text: bool,
    name: String,
}

impl OddTitle {
    fn renamed(&self) -> Renamed {
        Renamed { column: self.column, was: self.title.clone(), name: self.name.clone() }
    }

    /// Why it cannot be a name.
    fn not_text(&self) -> Problem {
        not_text(self.column, &self.title)
    }
}

/// Why a header cell that is not UTF-8 cannot be used as a name.
fn not_text(column: usize, title: &str) -> Problem {
    Problem::new(format!("the name of column {column}, \"{title}\", is not UTF-8"))
        .hint(encoding_hint())
}

fn encoding_hint() -> Hint {
    Hint::is("encoding", "windows-1252").and(" reads files in Western European encodings")
}

/// A column while the steps are gone through.
#[derive(Clone)]
struct Column {
    /// Its name now.
    name: String,
    number: usize,
    declared: Option<Type>,
    /// True if its header cell leaves as it came.
    keeps_title: bool,
}

/// The columns at some step.
#[derive(Default)]
struct Scope {
    columns: Vec<Column>,
    /// The names in the file, by column number; bytes that are not UTF-8 are written `\xF6`.
    own: Vec<String>,
}

impl Scope {
    /// A column's place: by its name now, else by its name in the file, else by its normalised
    /// name.
    ///
    /// # Errors
    /// The columns, if the name stands for several alike.
    fn place(&self, name: &str) -> Result<Option<usize>, Ambiguous> {
        let normal = normalize(name);
        let is_own = |column: &Column| self.own.get(column.number).is_some_and(|own| own == name);
        let ways: [&dyn Fn(&Column) -> bool; 3] =
            [&|column| column.name == name, &is_own, &|column| normalize(&column.name) == normal];
        for matches in ways {
            let mut places = (0..self.columns.len()).filter(|at| matches(&self.columns[*at]));
            let Some(first) = places.next() else { continue };
            return match places.next() {
                None => Ok(Some(first)),
                Some(second) => {
                    let places = [first, second].into_iter().chain(places);
                    let names = places.map(|place| self.columns[place].name.clone());
                    Err(Ambiguous { names: names.collect() })
                }
            };
        }
        Ok(None)
    }
}

impl Names for Scope {
    fn find(&self, name: &str) -> Result<Option<usize>, Ambiguous> {
        Ok(self.place(name)?.map(|place| self.columns[place].number))
    }

    fn declared(&self, column: usize) -> Option<Type> {
        self.columns.iter().find(|known| known.number == column)?.declared
    }

    fn all(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

/// A name trimmed, in lower case, each white space an underscore. At its ends, what has no width is white
/// space too: nobody sees it, and nobody can type it.
fn normalize(name: &str) -> String {
    let is_space = |c: char| {
        c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
    };
    let lower = name.trim_matches(is_space).to_lowercase().replace("\r\n", "\n");
    lower.chars().map(|c| if c.is_whitespace() { '_' } else { c }).collect()
}

/// A column whose name [`make_unique`] changed.
struct Renamed {
    /// Its place, from 1.
    column: usize,
    /// The name that another column had before it; empty if it had none.
    was: String,
    name: String,
}

/// Gives each name that was there before a number, and each empty one its place.
fn make_unique(names: &mut [String]) -> Vec<Renamed> {
    let all: HashSet<String> = names.iter().cloned().collect();
    let mut seen = HashSet::new();
    // The next number for a name, so that the last of many equal ones does not try all before.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut renamed = Vec::new();
    for (at, name) in names.iter_mut().enumerate() {
        let base = if name.is_empty() { format!("column_{}", at + 1) } else { name.clone() };
        let mut unique = base.clone();
        while seen.contains(&unique) || unique != *name && all.contains(&unique) {
            let number = numbers.entry(base.clone()).or_insert(2);
            unique = format!("{base}_{number}");
            *number += 1;
        }
        if unique != *name {
            let was = std::mem::replace(name, unique.clone());
            renamed.push(Renamed { column: at + 1, was, name: unique.clone() });
        }
        seen.insert(unique);
    }
    renamed
}

/// How many examples stand for many like facts in one note.
const EXAMPLES: usize = 3;

/// At most two notes, however many columns were renamed.
fn notes_of(renamed: &[Renamed]) -> impl Iterator<Item = Note> {
    let (unnamed, repeated): (Vec<_>, Vec<_>) = renamed.iter().partition(|one| one.was.is_empty());
    let of = |what: &str, group: &[&Renamed]| match group {
        [] => None,
        [Renamed { column, was, name }] if was.is_empty() => {
            Some(format!("column {column} had no name; it is {name:?} now"))
        }
        [Renamed { column, was, name }] => {
            Some(format!("column {column} had the name {was:?} again; it is {name:?} now"))
        }
        group => {
            let example = |one: &&Renamed| format!("column {} is {:?}", one.column, one.name);
            let examples: Vec<String> = group.iter().take(EXAMPLES).map(example).collect();
            let more = if group.len() > EXAMPLES { ", and so on" } else { "" };
            Some(format!("{} columns had {what}; now {}{more}", group.len(), examples.join(", ")))
        }
    };
    let notes = [of("no name", &unnamed), of("the name of another", &repeated)];
    notes.into_iter().flatten().map(Note::from)
}

impl Plan {
    /// Makes a plan for files with this header, which is the bytes of one record without its line
    /// end. If the dialect has no header, it is the first record, whose fields are counted.
    ///
    /// # Errors
    /// A step that names a column which the file does not have, or that cannot be for another
    /// reason.
    pub fn new(prepared: &Prepared, dialect: &Dialect, header: &[u8]) -> Result<Plan, PlanError> {
        let raw = fields_of(dialect, header);
        let mut builder = Builder::new(prepared, dialect, &raw);
        for (at, step) in prepared.recipe.steps.iter().enumerate() {
            let wrong = |problem: Problem| PlanError::new(Some((at + 1, step.name())), problem);
            builder.step = at + 1;
            builder.add(prepared, at, step).map_err(wrong)?;
        }
        builder
            .finish(prepared, dialect, &raw)
            .map_err(|message: String| PlanError::new(None, message))
    }

    /// What the output begins with: the header without a line end; empty if there is none.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// The dialect of the output.
    pub fn written(&self) -> &Dialect {
        &self.written
    }

    /// Whether fields of the input mean the same in the output as they are.
    pub(crate) fn keeps_fields(&self) -> bool {
        (self.written.delimiter, self.written.quote) == (self.dialect.delimiter, self.dialect.quote)
    }

    /// The names of the output's columns.
    pub fn output_names(&self) -> &[String] {
        &self.output_names
    }

    /// The header's cells as they are written: those that no step touched are as in the file, perhaps
    /// empty or there twice. Bytes that are not UTF-8 are shown as `\xF6`.
    pub fn titles(&self) -> &[String] {
        &self.titles
    }

    /// What each of the output's columns is declared to be; text if no `types` step names it.
    pub fn output_types(&self) -> &[Type] {
        &self.output_types
    }

    /// Of each of the output's columns, whether a `types` step names it.
    pub fn declared(&self) -> &[bool] {
        &self.declared
    }

    /// The plan with one step more, called `store`: rows with a cell that a store would not take,
    /// or not as what its column is declared to be, are treated as the recipe says for bad cells.
    /// Integers must fit into 64 bits, numbers into a float's range, datetimes have microseconds.
    /// Columns have their unique names there; notes tell which header cells that changes.
    ///
    /// # Errors
    /// If a name is not UTF-8.
    pub fn storing(mut self, text: Text) -> Result<Plan, PlanError> {
        if let Some(odd) = self.odd_titles.iter().find(|odd| !odd.is_text) {
            return Err(PlanError::new(None, odd.not_text()));
        }
        let renamed: Vec<Renamed> = self.odd_titles.iter().map(OddTitle::renamed).collect();
        self.notes.extend(notes_of(&renamed));
        self.titles.clone_from(&self.output_names);
        let columns = self.output.iter().copied().zip(self.output_types.iter().copied()).collect();
        let step = self.steps.len() + 1;
        self.operations.push(Operation { step, kind: OperationKind::Store { columns, text } });
        self.steps.push("store".to_owned());
        self.step_names.push("store");
        Ok(self)
    }

    /// What the user should know, such as header names that were made unique.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// How often all rows are read at least.
    pub fn passes(&self) -> usize {
        self.cuts.len() + 1
    }

    /// How long a text that a step makes of a cell may be, in bytes: no shorter than a record may
    /// be, so that what does not make a text longer takes every cell.
    pub(crate) fn longest(&self) -> usize {
        LONGEST.max(self.dialect.max_record)
    }

    /// The name of a step by its place in the recipe, from 1; 0 is the reading of records.
    pub(crate) fn step_name(&self, step: usize) -> &'static str {
        step.checked_sub(1).map_or("read", |at| self.step_names[at])
    }

    /// The steps of each pass, in words.
    pub fn explain(&self) -> Vec<Vec<String>> {
        let mut passes = vec![self.steps.clone()];
        for cut in self.cuts.iter().rev() {
            let step = self.operations[*cut].step;
            let mut words: Vec<String> = self.steps[..step - 1].to_vec();
            words.push(match self.operations[*cut].need() {
                Need::Last(_) => format!("look for the last values, for step {step}"),
                Need::Duplicates(_) => format!("look for duplicates, for step {step}"),
                _ => format!("gather what step {step} must know of all rows"),
            });
            passes.insert(0, words);
        }
        passes
    }
}

struct Builder {
    scope: Scope,
    step: usize,
    /// Names of all columns ever, by number.
    names: Vec<String>,
    operations: Vec<Operation>,
    missing: MissingColumn,
    /// Names of columns that were missing and were added.
    added: Vec<String>,
    notes: Vec<Note>,
    steps: Vec<String>,
    /// Of each header cell, whether it is UTF-8.
    is_text: Vec<bool>,
}

impl Builder {
    fn new(prepared: &Prepared, dialect: &Dialect, raw: &[Field]) -> Builder {
        let own: Vec<String> = match dialect.has_header {
            true => raw.iter().map(|field| readable(&field.content())).collect(),
            false => (1..=raw.len()).map(|number| format!("column_{number}")).collect(),
        };
        let is_text = raw
            .iter()
            .map(|field| !dialect.has_header || std::str::from_utf8(&field.content()).is_ok());
        let is_text = is_text.collect();
        let mut names = own.clone();
        make_unique(&mut names);
        let columns = names.iter().enumerate();
        let columns = columns.map(|(number, name)| Column {
            name: name.clone(),
            number,
            declared: None,
            keeps_title: true,
        });
        let columns = columns.collect();
        Builder {
            scope: Scope { columns, own },
            step: 0,
            names,
            operations: Vec::new(),
            missing: prepared.recipe.missing_column,
            added: Vec::new(),
            notes: Vec::new(),
            steps: Vec::new(),
            is_text,
        }
    }

    fn operation(&mut self, kind: OperationKind) {
        self.operations.push(Operation { step: self.step, kind });
    }

    /// A new column, behind the others.
    fn append(&mut self, name: &str) -> usize {
        let number = self.names.len();
        self.names.push(name.to_owned());
        let name = name.to_owned();
        self.scope.columns.push(Column { name, number, declared: None, keeps_title: false });
        number
    }

    /// A column's place among those there are; one that is missing is added if that was asked for.
    fn place(&mut self, name: &str) -> Result<usize, Problem> {
        let found = self.scope.place(name);
        if let Some(place) = found.map_err(|found| format!("{name:?} {}", found.shown('"')))? {
            return Ok(place);
        }
        if self.missing == MissingColumn::Null {
            self.added.push(name.to_owned());
            self.append(name);
            return Ok(self.scope.columns.len() - 1);
        }
        let known = self.scope.all();
        let hint = match suggest(name, known.iter().map(String::as_str)) {
            Some(close) => format!("; did you mean {close:?}?"),
            None => format!("; the columns are {}", list(&known)),
        };
        let problem = Problem::new(format!("no column {name:?}{hint}"));
        Err(Problem { hint: self.hint_of_missing(), ..problem })
    }

    /// Why a column is perhaps not found: another encoding.
    fn hint_of_missing(&self) -> Option<Hint> {
        self.is_text.contains(&false).then(encoding_hint)
    }

    /// The columns whose header cells are not the names that they go by.
    fn odd_titles(&self) -> impl Iterator<Item = OddTitle> {
        self.scope.columns.iter().filter(|column| column.keeps_title).filter_map(|column| {
            let title = &self.scope.own[column.number];
            let is_text = self.is_text[column.number];
            (!is_text || *title != column.name).then(|| OddTitle {
                column: column.number + 1,
                title: title.clone(),
                is_text,
                name: column.name.clone(),
            })
        })
    }

    fn number(&mut self, name: &str) -> Result<usize, Problem> {
        let place = self.place(name)?;
        Ok(self.scope.columns[place].number)
    }

    /// Columns that are treated alike, each once however often it is named.
    fn numbers(&mut self, columns: &Columns) -> Result<Vec<usize>, Problem> {
        let names = match columns {
            Columns::All => {
                return Ok(self.scope.columns.iter().map(|column| column.number).collect());
            }
            Columns::Named(names) => names,
        };
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            let number = self.number(name)?;
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        Ok(numbers)
    }

    /// The places of columns of which each is given something of its own.
    fn places<'n>(
        &mut self,
        names: impl Iterator<Item = &'n String>,
    ) -> Result<Vec<usize>, Problem> {
        let (mut places, mut known) = (Vec::new(), HashMap::new());
        for name in names {
            let place = self.place(name)?;
            if let Some(other) = known.insert(place, name) {
                return Err(format!("{other:?} and {name:?} are the same column").into());
            }
            places.push(place);
        }
        Ok(places)
    }

    fn bind(&mut self, expression: &Expression) -> Result<Bound, Problem> {
        loop {
            match expression.bind(&self.scope) {
                Ok(bound) => return Ok(bound),
                Err(error) => self.add_missing(&error)?,
            }
        }
    }

    fn add_missing(&mut self, error: &ExpressionError) -> Result<(), Problem> {
        match error.missing_column() {
            Some(name) if self.missing == MissingColumn::Null => self.place(name).map(drop),
            Some(_) => {
                let hint = self.hint_of_missing();
                Err(Problem { hint, ..Problem::new(error.to_string()) })
            }
            None => Err(error.to_string().into()),
        }
    }

    fn check_names(&self) -> Result<(), String> {
        let mut seen = HashSet::new();
        match self.scope.columns.iter().find(|column| !seen.insert(&column.name)) {
            Some(column) => Err(format!("two columns would have the name {:?}", column.name)),
            None => Ok(()),
        }
    }

    fn add(&mut self, prepared: &Prepared, at: usize, step: &Step) -> Result<(), Problem> {
        let name = step.name();
        let mut words = name.to_owned();
        match step {
            Step::DropEmptyRows => {
                let columns = self.numbers(&Columns::All)?;
                self.operation(OperationKind::DropEmptyRows { columns });
            }
            Step::NormalizeColumns => {
                let odd: Vec<OddTitle> = self.odd_titles().collect();
                if let Some(odd) = odd.iter().find(|odd| !odd.is_text) {
                    return Err(odd.not_text());
                }
                let mut names: Vec<String> =
                    self.scope.columns.iter().map(|column| normalize(&column.name)).collect();
                let mut renamed: Vec<Renamed> = odd.iter().map(OddTitle::renamed).collect();
                renamed.extend(make_unique(&mut names));
                self.notes.extend(notes_of(&renamed));
                let Scope { columns, own } = &mut self.scope;
                for (column, name) in columns.iter_mut().zip(names) {
                    column.name = name;
                    column.keeps_title &= own.get(column.number) == Some(&column.name);
                }
            }
            Step::Rename(names) => {
                for (place, new) in self.places(names.keys())?.into_iter().zip(names.values()) {
                    let Scope { columns, own } = &mut self.scope;
                    let column = &mut columns[place];
                    column.name.clone_from(new);
                    column.keeps_title &=
                        own.get(column.number) == Some(new) && self.is_text[column.number];
                }
                self.check_names()?;
                let pairs: Vec<String> =
                    names.iter().map(|(old, new)| format!("{old:?} to {new:?}")).collect();
                words = format!("rename {}", pairs.join(", "));
            }
            Step::Select(names) => {
                let places = self.places(names.iter())?;
                let columns = places.iter().map(|place| self.scope.columns[*place].clone());
                self.scope.columns = columns.collect();
                words = format!("select {}", list(names));
            }
            Step::Drop(names) => {
                let dropped = self.numbers(&Columns::Named(names.clone()))?;
                self.scope.columns.retain(|column| !dropped.contains(&column.number));
                words = format!("drop {}", list(names));
            }
            Step::Trim(columns) => {
                words = format!("trim {}", list_of(columns));
                let columns = self.numbers(columns)?;
                self.operation(OperationKind::Trim { columns });
            }
            Step::Null(null) => {
                let except = self.numbers(&Columns::Named(null.except.clone()))?;
                let mut columns = self.numbers(&Columns::All)?;
                columns.retain(|column| !except.contains(column));
                let tokens = null.tokens.iter().map(|token| token.clone().into_bytes()).collect();
                self.operation(OperationKind::Null { columns, tokens });
                words = format!("null {}", list(&null.tokens));
            }
            Step::Replace(replace) => {
                let column = self.number(&replace.column)?;
                let pattern = prepared.patterns[at].clone().ok_or("its pattern was not read")?;
                let text = replace.text.clone().into_bytes();
                self.operation(OperationKind::Replace { column, pattern, text });
                words = format!("replace {:?} in {:?}", replace.pattern, replace.column);
            }
            Step::Types(types) => {
                let mut columns = Vec::new();
                for (place, kind) in self.places(types.keys())?.into_iter().zip(types.values()) {
                    self.scope.columns[place].declared = Some(*kind);
                    columns.push((self.scope.columns[place].number, *kind));
                }
                // In the file's order, so that a record with several bad cells is told by its first.
                columns.sort_unstable_by_key(|(column, _)| *column);
                let pairs: Vec<String> =
                    types.iter().map(|(name, kind)| format!("{name}={kind}")).collect();
                words = format!("types {}", pairs.join(", "));
                self.operation(OperationKind::Types { columns });
            }
            Step::Filter(source) => {
                let condition = self.bound(prepared, at)?;
                self.operation(OperationKind::Filter { condition });
                words = format!("filter {source}");
            }
            Step::Outliers(outliers) => {
                let column = self.number(&outliers.column)?;
                self.operation(OperationKind::Outliers { column, rule: outliers.rule });
                words = format!("drop outliers of {:?}: {}", outliers.column, outliers.rule);
            }
            Step::Fill(fill) => {
                let column = self.number(&fill.column)?;
                let declared = self.scope.declared(column);
                let of_numbers = matches!(declared, Some(Type::Integer | Type::Number));
                let gaps = Gaps { column, of_numbers };
                let (kind, with) = match &fill.with {
                    FillWith::Value(text) => {
                        let value = text.clone().into_bytes();
                        (OperationKind::FillValue { gaps, value }, format!("{text:?}"))
                    }
                    FillWith::Method(FillMethod::Forward) => {
                        (OperationKind::FillForward { gaps }, "the value above".to_owned())
                    }
                    FillWith::Method(FillMethod::Mean) => (
                        OperationKind::FillAggregate { column, kind: Kind::Avg },
                        "the mean".to_owned(),
                    ),
                    FillWith::Method(FillMethod::Median) => {
                        let kind = Kind::Median;
                        (OperationKind::FillAggregate { column, kind }, "the median".to_owned())
                    }
                };
                self.operation(kind);
                words = format!("fill {:?} with {with}", fill.column);
            }
            Step::Dedupe(columns) => {
                words = format!("dedupe by {}", list_of(columns));
                let columns = self.numbers(columns)?;
                self.operation(OperationKind::Dedupe { columns });
            }
            Step::Derive(derive) => {
                let value = self.bound(prepared, at)?;
                // It may read the column that it replaces, so it is a column of its own.
                let found = self.scope.place(&derive.name);
                found.map_err(|found| format!("{:?} {}", derive.name, found.shown('"')))?;
                let place = self.scope.columns.iter().position(|column| column.name == derive.name);
                let column = self.append(&derive.name);
                if let Some(place) = place {
                    let replacing = self.scope.columns.pop().ok_or("a column went missing")?;
                    self.scope.columns[place] = replacing;
                }
                self.operation(OperationKind::Derive { column, value });
                words = format!("derive {} = {}", derive.name, derive.expression);
            }
        }
        if self.scope.columns.is_empty() {
            return Err("no column would be left".into());
        }
        self.steps.push(words);
        Ok(())
    }

    fn bound(&mut self, prepared: &Prepared, at: usize) -> Result<Bound, Problem> {
        let expression = prepared.expressions[at].as_ref().ok_or("its expression was not read")?;
        self.bind(expression)
    }

    fn finish(
        mut self,
        prepared: &Prepared,
        dialect: &Dialect,
        raw: &[Field],
    ) -> Result<Plan, String> {
        self.notes.extend(match &self.added[..] {
            [] => None,
            [name] => {
                Some(format!("there was no column {name:?}; it was added without values").into())
            }
            names => Some(
                format!("there were no columns {}; they were added without values", list(names))
                    .into(),
            ),
        });
        let odd_titles = self.odd_titles().collect();
        let columns = &self.scope.columns;
        let title = |column: &Column| match column.keeps_title {
            true => self.scope.own[column.number].clone(),
            false => column.name.clone(),
        };
        let titles = columns.iter().map(title).collect();
        let mut header = Vec::new();
        let written = dialect.written();
        let keeps_fields = (written.delimiter, written.quote) == (dialect.delimiter, dialect.quote);
        if dialect.has_header {
            for (place, column) in columns.iter().enumerate() {
                if place > 0 {
                    header.push(written.delimiter);
                }
                // A cell that no step touched keeps its bytes, which are perhaps not UTF-8.
                let old = raw.get(column.number).filter(|_| column.keeps_title);
                let looks_commented = place == 0
                    && old.is_some_and(|field| {
                        !field.raw.is_empty() && field.raw.first().copied() == dialect.comment
                    });
                match old {
                    Some(field) if keeps_fields && !looks_commented => {
                        header.extend_from_slice(field.raw);
                    }
                    Some(field) => {
                        check_quotes(&written, &field.content(), &column.name, place == 0)?;
                        write_cell(&written, &field.content(), field.is_quoted(), &mut header);
                    }
                    None => {
                        check_quotes(&written, column.name.as_bytes(), &column.name, place == 0)?;
                        write_cell(&written, column.name.as_bytes(), false, &mut header);
                    }
                }
            }
            if columns.len() == 1 && header.is_empty() {
                // Nothing would be a blank line.
                match written.quote {
                    Some(quote) => header.extend([quote, quote]),
                    None => {
                        return Err("a header of one empty name cannot be written without quotes"
                            .to_owned());
                    }
                }
            }
        }
        let needs = |operation: &Operation| operation.need() != Need::Nothing;
        let cuts = (0..self.operations.len()).filter(|at| needs(&self.operations[*at])).collect();
        Ok(Plan {
            dialect: dialect.clone(),
            written,
            fields: raw.len(),
            names: self.names,
            output: columns.iter().map(|column| column.number).collect(),
            on_bad: prepared.recipe.on_bad,
            on_ragged: prepared.recipe.on_ragged,
            now: prepared.now,
            cuts,
            header,
            output_names: columns.iter().map(|column| column.name.clone()).collect(),
            titles,
            odd_titles,
            declared: columns.iter().map(|column| column.declared.is_some()).collect(),
            output_types: columns
                .iter()
                .map(|column| column.declared.unwrap_or(Type::Text))
                .collect(),
            operations: self.operations,
            notes: self.notes,
            steps: self.steps,
            step_names: prepared.recipe.steps.iter().map(Step::name).collect(),
        })
    }
}

fn list_of(columns: &Columns) -> String {
    match columns {
        Columns::All => "all columns".to_owned(),
        Columns::Named(names) => list(names),
    }
}
