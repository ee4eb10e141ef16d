//! The builder through which steps resolve themselves: their columns, their operations, and the
//! columns after them.

use std::collections::HashMap;
use std::collections::HashSet;

use crate::choices::{Columns, MissingColumn};
use crate::dialect::Dialect;
use crate::expr::{Ambiguous, Bound, Expression, ExpressionError, Names};
use crate::operation::{Operation, Planned};
use crate::problem::{Hint, Problem};
use crate::record::Field;
use crate::report::Note;
use crate::suggest::suggest;
use crate::wording::{list, readable};

use super::scope::{Column, Scope, UnnamedTitle, encoding_hint, make_unique, normalize};

/// A plan while its steps are resolved.
pub(crate) struct Builder {
    pub(crate) scope: Scope,
    pub(crate) step: usize,
    /// Names of all columns that ever existed, by number.
    pub(crate) names: Vec<String>,
    pub(crate) operations: Vec<Planned>,
    pub(crate) missing: MissingColumn,
    /// Normalised names of the columns that the file may lack.
    optional: HashSet<String>,
    /// The optional column that the current step needs and the file lacks: the step does nothing.
    pub(crate) absent: Option<String>,
    /// Names of missing columns that were added.
    pub(crate) added: Vec<String>,
    pub(crate) notes: Vec<Note>,
    pub(crate) steps: Vec<String>,
    /// For each header cell, whether it is UTF-8.
    pub(crate) is_text: Vec<bool>,
}

impl Builder {
    pub(crate) fn new(
        missing: MissingColumn,
        optional: &[String],
        dialect: &Dialect,
        raw: &[Field],
    ) -> Builder {
        let own: Vec<String> = match dialect.is_named() {
            true => raw.iter().map(|field| readable(&field.content())).collect(),
            false => (1..=raw.len()).map(|number| format!("column_{number}")).collect(),
        };
        let is_text = raw
            .iter()
            .map(|field| !dialect.is_named() || std::str::from_utf8(&field.content()).is_ok());
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
            missing,
            optional: optional.iter().map(|name| normalize(name)).collect(),
            absent: None,
            added: Vec::new(),
            notes: Vec::new(),
            steps: Vec::new(),
            is_text,
        }
    }

    /// Adds an operation of the current step.
    pub(crate) fn operation(&mut self, operation: impl Operation + 'static) {
        self.operations.push(Planned { step: self.step, operation: Box::new(operation) });
    }

    /// Adds a column behind the others.
    pub(crate) fn append(&mut self, name: &str) -> usize {
        let number = self.names.len();
        self.names.push(name.to_owned());
        let name = name.to_owned();
        self.scope.columns.push(Column { name, number, declared: None, keeps_title: false });
        number
    }

    /// Position of a column among the current ones. A missing column is added if the recipe says
    /// so.
    fn place(&mut self, name: &str) -> Result<usize, Problem> {
        let found = self.scope.place(name);
        if let Some(place) = found.map_err(|error| ambiguous(name, &error))? {
            return Ok(place);
        }
        self.check_optional(name)?;
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
        Err(Problem::new(format!("no column {name:?}{hint}")).hint(self.hint_of_missing()))
    }

    /// Returns whether a column is optional, and the file lacks it.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        self.optional.contains(&normalize(name)) && matches!(self.scope.place(name), Ok(None))
    }

    /// # Errors
    /// If a column that is not there is optional: the step does nothing.
    fn check_optional(&mut self, name: &str) -> Result<(), Problem> {
        if !self.optional.contains(&normalize(name)) {
            return Ok(());
        }
        self.absent = Some(name.to_owned());
        Err(format!("there is no column {name:?}, which is optional").into())
    }

    /// Position of a column that has one of some names, of which none is there: it is added if the recipe says so.
    pub(crate) fn one_of(&mut self, names: &[&String]) -> Result<usize, Problem> {
        let [others @ .., last] = names else { return Err("no name is given".into()) };
        match others {
            [] => self.place(last),
            _ if self.missing == MissingColumn::Null => self.place(last),
            _ => {
                let others: Vec<String> = others.iter().map(|name| format!("{name:?}")).collect();
                let known = list(&self.scope.all());
                let text =
                    format!("no column {} or {last:?}; the columns are {known}", others.join(", "));
                Err(Problem::new(text).hint(self.hint_of_missing()))
            }
        }
    }

    /// A possible reason why a column is not found: another encoding.
    pub(crate) fn hint_of_missing(&self) -> Option<Hint> {
        self.is_text.contains(&false).then(encoding_hint)
    }

    /// Columns that go by another name than their header cell.
    pub(crate) fn unnamed_titles(&self) -> impl Iterator<Item = UnnamedTitle> {
        self.scope.columns.iter().filter(|column| column.keeps_title).filter_map(|column| {
            let title = &self.scope.own[column.number];
            let is_text = self.is_text[column.number];
            (!is_text || *title != column.name).then(|| UnnamedTitle {
                column: column.number + 1,
                title: title.clone(),
                is_text,
                name: column.name.clone(),
            })
        })
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<usize, Problem> {
        let place = self.place(name)?;
        Ok(self.scope.columns[place].number)
    }

    /// Columns that are treated alike; each counts once however often it is named, and an optional one that the file
    /// lacks does not.
    pub(crate) fn numbers(&mut self, columns: &Columns) -> Result<Vec<usize>, Problem> {
        let names = match columns {
            Columns::All => {
                return Ok(self.scope.columns.iter().map(|column| column.number).collect());
            }
            Columns::Named(names) => names,
        };
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            if self.lacks(name) {
                continue;
            }
            let number = self.number(name)?;
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        Ok(numbers)
    }

    /// Positions of columns, for steps that map each column to a value; rejects duplicates.
    pub(crate) fn places<'n>(
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

    /// Binds a parsed expression to the current columns.
    pub(crate) fn bound(&mut self, expression: Option<&Expression>) -> Result<Bound, Problem> {
        let expression = expression.ok_or("its expression was not read")?;
        loop {
            match expression.bind(&self.scope) {
                Ok(bound) => return Ok(bound),
                Err(error) => self.add_missing(&error)?,
            }
        }
    }

    fn add_missing(&mut self, error: &ExpressionError) -> Result<(), Problem> {
        if let Some(name) = error.missing_column() {
            self.check_optional(name)?;
        }
        match error.missing_column() {
            Some(name) if self.missing == MissingColumn::Null => self.place(name).map(drop),
            Some(_) => Err(Problem::new(error.to_string()).hint(self.hint_of_missing())),
            None => Err(error.to_string().into()),
        }
    }

    pub(crate) fn check_names(&self) -> Result<(), String> {
        let mut seen = HashSet::new();
        match self.scope.columns.iter().find(|column| !seen.insert(&column.name)) {
            Some(column) => Err(format!("two columns would have the name {:?}", column.name)),
            None => Ok(()),
        }
    }
}

/// Why a name is not enough to find a column.
pub(crate) fn ambiguous(name: &str, error: &Ambiguous) -> Problem {
    format!("{name:?} {}", error.shown('"')).into()
}

/// Columns as text for a message.
pub(crate) fn list_of(columns: &Columns) -> String {
    match columns {
        Columns::All => "all columns".to_owned(),
        Columns::Named(names) => list(names),
    }
}
