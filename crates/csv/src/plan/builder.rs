//! Makes a plan of a recipe and a header, step by step.

use std::collections::{HashMap, HashSet};

use crate::aggregate::Kind;
use crate::dialect::Dialect;
use crate::expr::{Bound, Expression, ExpressionError, Names};
use crate::layout::Layout;
use crate::problem::{Hint, Problem};
use crate::quote::{check_quotes, write_cell};
use crate::recipe::{Columns, FillMethod, FillWith, MissingColumn, Step, Type};
use crate::record::{Field, fields_of};
use crate::report::Note;
use crate::suggest::suggest;
use crate::wording::{list, readable};

use super::Plan;
use super::operation::{Gaps, Need, Operation, OperationKind};
use super::prepared::{PlanError, Prepared};
use super::scope::{
    Column, OddTitle, Renamed, Scope, encoding_hint, make_unique, normalize, notes_of,
};

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
        let layout = Layout {
            dialect: dialect.clone(),
            written,
            fields: raw.len(),
            names: self.names,
            output: columns.iter().map(|column| column.number).collect(),
            on_bad: prepared.recipe.on_bad,
            on_ragged: prepared.recipe.on_ragged,
            now: prepared.now,
            step_names: prepared.recipe.steps.iter().map(Step::name).collect(),
        };
        Ok(Plan {
            layout,
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
        })
    }
}

fn list_of(columns: &Columns) -> String {
    match columns {
        Columns::All => "all columns".to_owned(),
        Columns::Named(names) => list(names),
    }
}
