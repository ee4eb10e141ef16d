//! Parts that all databases share: names, columns, and reasons for refusing rows.

use manyhands_csv::recipe::Type;
use manyhands_csv::{Hint, Problem, ProblemKind};

use crate::output::format::Column;

/// A database's reason for refusing a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Constraint {
    Unique,
    NotNull,
    Other,
}

/// The error for a row that a database refuses; `line` is the row's line, if known.
pub(crate) fn refused(
    table: &str,
    line: Option<u64>,
    why: Problem,
    constraint: Option<Constraint>,
) -> Problem {
    let mut problem = why.leads_to(format!("the table {table} refuses a row"));
    if let Some(line) = line {
        problem = problem.at_line(line);
    }
    problem.hint(constraint.map(|constraint| {
        Hint::words(match constraint {
            Constraint::Unique => {
                "a dedupe step keeps the first of equal rows of a file, a filter leaves out those that the table has"
            }
            Constraint::NotNull => {
                "a fill step gives empty cells a value, a filter leaves such rows out"
            }
            Constraint::Other => "a filter leaves such rows out",
        })
    }))
}

/// A name, quoted for SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The names of columns, and the database's names of their types.
pub(crate) fn declarations(
    columns: &[Column],
    declared: fn(Type) -> &'static str,
) -> Vec<(String, String)> {
    columns.iter().map(|column| (column.name.clone(), declared(column.kind).to_owned())).collect()
}

/// # Errors
/// If an existing table has other columns than wanted, or other types.
pub(crate) fn check_columns(
    table: &str,
    known: &[(String, String)],
    wanted: &[(String, String)],
) -> Result<(), Problem> {
    let is_in = |one: &(String, String), all: &[(String, String)]| all.contains(one);
    if known.len() == wanted.len() && wanted.iter().all(|column| is_in(column, known)) {
        return Ok(());
    }
    let list = |columns: &[(String, String)], others: &[(String, String)]| {
        let columns = columns.iter().filter(|column| !is_in(column, others));
        let named: Vec<String> =
            columns.map(|(name, kind)| format!("{name:?} {}", kind.to_lowercase())).collect();
        if named.is_empty() { "no other".to_owned() } else { named.join(", ") }
    };
    let (there, here) = (list(known, wanted), list(wanted, known));
    let problem =
        format!("the table {table} has other columns: it has {there}, the rows have {here}");
    let hint = Hint::words("select, rename and types make them fit, or ");
    let problem = Problem::new(problem).of(ProblemKind::Table);
    Err(problem.hint(hint.and_any("table").and(" names another")))
}

/// The error for an input that another run has put into the table.
pub(crate) fn duplicate_entry(table: &str) -> Problem {
    Problem::new(format!("its rows are in the table {table} already"))
        .of(ProblemKind::Exists)
        .hint(Hint::on("resume").and(" leaves such files out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_columns_is_no_matter_and_their_types_are() {
        let column = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
        let known = [column("a", "TEXT"), column("b", "REAL")];
        assert_eq!(check_columns("t", &known, &[known[1].clone(), known[0].clone()]), Ok(()));
        assert!(check_columns("t", &known, &known[..1]).is_err());
        let error = check_columns("t", &known, &[column("a", "TEXT"), column("b", "TEXT")]);
        assert!(error.unwrap_err().text().contains("it has \"b\" real, the rows have \"b\" text"));
    }
}
