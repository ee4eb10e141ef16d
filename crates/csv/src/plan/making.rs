//! Makes a plan from a recipe and a header: resolves the steps in order, then makes the output's
//! header.

use crate::choices::Type;
use crate::dialect::Dialect;
use crate::layout::Layout;
use crate::operation::{Need, Planned};
use crate::problem::{Problem, ProblemKind};
use crate::quote::{check_quotes, write_cell};
use crate::recipe::Step;
use crate::record::{Field, fields_of};
use crate::resolve::{Builder, Column};
use crate::wording::list;

use super::Plan;
use super::prepared::{Prepared, in_step};

impl Plan {
    /// Makes a plan for files with this header, which is one record without its line end, or as
    /// many as the dialect says, with what is between them. If the dialect has no header, pass the
    /// first record: its fields are counted.
    ///
    /// # Errors
    /// If a step names a column that the file does not have, or is invalid for another reason; if
    /// the header is not as the dialect's frame says.
    pub fn new(prepared: &Prepared, dialect: &Dialect, header: &[u8]) -> Result<Plan, Problem> {
        let made = dialect.made_names(header)?;
        // Made names are contents.
        let plain = Dialect { quote: None, ..Dialect::default() };
        let raw: Vec<Field> = match &made {
            Some(names) => names.iter().map(|name| Field::new(&plain, name)).collect(),
            None => fields_of(dialect, header),
        };
        let recipe = &prepared.recipe;
        let mut builder = Builder::new(recipe.missing_column, &recipe.optional, dialect, &raw);
        let steps = prepared.recipe.steps.iter().zip(&prepared.parsed);
        for (at, (step, parsed)) in steps.enumerate() {
            builder.step = at + 1;
            let before = (builder.operations.len(), builder.scope.columns.clone());
            let words = match (step.resolve(parsed, &mut builder), builder.absent.take()) {
                (Err(_), Some(name)) => {
                    builder.operations.truncate(before.0);
                    builder.scope.columns = before.1;
                    format!("{}: nothing to do without the column {name:?}", step.name())
                }
                (resolved, _) => resolved.map_err(in_step(at + 1, step))?,
            };
            if builder.scope.columns.is_empty() {
                return Err(in_step(at + 1, step)("no column would be left".into()));
            }
            builder.steps.push(words);
        }
        if let Some(arrangement) = &prepared.arrangement {
            arrangement.arrange(&mut builder, dialect.is_named())?;
        }
        finish(builder, prepared, dialect, &raw, made.is_some())
            .map_err(|message| Problem::new(message).of(ProblemKind::Recipe))
    }
}

/// Completes the plan once all steps are resolved.
fn finish(
    mut builder: Builder,
    prepared: &Prepared,
    dialect: &Dialect,
    raw: &[Field],
    is_made: bool,
) -> Result<Plan, String> {
    builder.notes.extend(match &builder.added[..] {
        [] => None,
        [name] => Some(format!("there was no column {name:?}; it was added without values").into()),
        names => Some(
            format!("there were no columns {}; they were added without values", list(names)).into(),
        ),
    });
    let unnamed_titles = builder.unnamed_titles().collect();
    let columns = &builder.scope.columns;
    let title = |column: &Column| match column.keeps_title {
        true => builder.scope.own[column.number].clone(),
        false => column.name.clone(),
    };
    let titles = columns.iter().map(title).collect();
    let written = dialect.written();
    let header = header(&builder, dialect, &written, raw, is_made)?;
    let needs = |planned: &Planned| !matches!(planned.operation.need(), Need::Nothing);
    let cuts = (0..builder.operations.len()).filter(|at| needs(&builder.operations[*at])).collect();
    let layout = Layout {
        dialect: dialect.clone(),
        written,
        fields: raw.len(),
        names: builder.names,
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
        unnamed_titles,
        declared: columns.iter().map(|column| column.declared.is_some()).collect(),
        output_types: columns.iter().map(|column| column.declared.unwrap_or(Type::Text)).collect(),
        operations: builder.operations,
        notes: builder.notes,
        steps: builder.steps,
    })
}

/// The header of the output without a line end; empty if there is none.
fn header(
    builder: &Builder,
    dialect: &Dialect,
    written: &Dialect,
    raw: &[Field],
    is_made: bool,
) -> Result<Vec<u8>, String> {
    let columns = &builder.scope.columns;
    let mut header = Vec::new();
    let keeps_fields = !is_made && dialect.keeps_fields(written);
    if dialect.is_named() {
        for (place, column) in columns.iter().enumerate() {
            if place > 0 {
                header.extend_from_slice(written.delimiter.written());
            }
            // A cell that no step touched keeps its bytes, even if they are not UTF-8.
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
                    check_quotes(written, &field.content(), &column.name, place == 0)?;
                    write_cell(written, &field.content(), field.is_quoted(), &mut header);
                }
                None => {
                    check_quotes(written, column.name.as_bytes(), &column.name, place == 0)?;
                    write_cell(written, column.name.as_bytes(), false, &mut header);
                }
            }
        }
        if columns.len() == 1 && header.is_empty() {
            // A header of one empty cell would be read as a blank line.
            match written.quote {
                Some(quote) => header.extend([quote, quote]),
                None => {
                    return Err(
                        "a header of one empty name cannot be written without quotes".to_owned()
                    );
                }
            }
        }
    }
    Ok(header)
}
