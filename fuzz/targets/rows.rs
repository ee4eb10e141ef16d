//! Rows with types, made of CSV that a fuzz target gives.

use manyhands_csv::recipe::Type;
use manyhands_csv::{
    Dialect, Head, HeadFound, Out, Plan, Prepared, Recipe, Rows, Text, clean_whole, find_head,
};

pub(crate) const TYPES: [Type; 6] =
    [Type::Text, Type::Integer, Type::Number, Type::Boolean, Type::Date, Type::Datetime];

/// A cell as it is to be found again; `None` is NULL.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Text(Vec<u8>),
    Integer(i64),
    /// Its bits, since zeros have signs.
    Number(u64),
    Boolean(bool),
    /// Days since 1970.
    Date(i32),
    /// Microseconds since 1970.
    Datetime(i64),
}

pub(crate) struct Table {
    pub(crate) plan: Plan,
    bytes: Vec<u8>,
    head: Head,
    pub(crate) rows: Vec<Vec<Option<Cell>>>,
}

/// The rows of CSV text with two columns of some types, as a store takes them.
pub(crate) fn table(types: [Type; 2], text: &[u8], stored: Text) -> Option<Table> {
    let recipe = format!(
        "on_bad = 'null'\non_ragged = 'pad'\nsteps = [{{ types = {{ a = '{}', b = '{}' }} }}]",
        types[0], types[1]
    );
    let bytes = [b"a,b\n", text].concat();
    let dialect = Dialect::default();
    let HeadFound::Head(head) = find_head(&dialect, &bytes, 0, true) else { return None };
    let prepared = Prepared::new(Recipe::from_toml(&recipe).ok()?, 0).ok()?;
    let plan =
        Plan::new(&prepared, &dialect, &bytes[head.header.clone()]).ok()?.storing(stored).ok()?;
    let mut table = Table { plan, bytes, head, rows: Vec::new() };
    let mut rows = Vec::new();
    let mut take = |batch: &Rows<'_>| {
        rows.extend(
            (0..batch.len()).map(|row| (0..2).map(|at| cell(batch, row, at, types[at])).collect()),
        );
    };
    table.clean(Out::Rows(&mut take)).ok()?;
    table.rows = rows;
    Some(table)
}

impl Table {
    /// Gives all rows to somebody.
    pub(crate) fn clean(&self, out: Out<'_>) -> Result<(), manyhands_csv::Problem> {
        clean_whole(&self.plan, &self.bytes, &self.head, 1 << 20, (1, 2), None, out).map(drop)
    }
}

fn cell(rows: &Rows<'_>, row: usize, column: usize, kind: Type) -> Option<Cell> {
    match kind {
        Type::Text => rows.text(row, column).map(|text| Cell::Text(text.into_owned())),
        Type::Integer => rows.integer(row, column).map(Cell::Integer),
        Type::Number => rows.number(row, column).map(|number| Cell::Number(number.to_bits())),
        Type::Boolean => rows.boolean(row, column).map(Cell::Boolean),
        Type::Date => rows.date(row, column).map(Cell::Date),
        Type::Datetime => rows.datetime(row, column).map(Cell::Datetime),
    }
}
