//! Tables of a real database: rows that it refuses, and other programs that hold it.

#[path = "../../pool/tests/support/mod.rs"]
mod support;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use manyhands::clean::{Clean, Options, Output, Recipe, Report};
use rusqlite::Connection;
use tempfile::TempDir;

fn main() -> ExitCode {
    manyhands::init();
    support::run(tests![
        a_row_that_a_table_refuses_is_reported_with_its_line_and_cells,
        a_database_that_another_program_holds_is_waited_for,
    ])
}

const RECIPE: &str =
    r#"steps = ["drop_empty_rows", { types = { id = "integer" } }, { filter = "id <> 0" }]"#;

/// A directory with an empty table that has constraints.
fn place() -> (TempDir, Connection) {
    let directory = tempfile::tempdir().unwrap();
    let database = Connection::open(directory.path().join("d.db")).unwrap();
    let table = "CREATE TABLE t (id INTEGER UNIQUE, name TEXT NOT NULL CHECK (name <> 'bad'))";
    database.execute_batch(table).unwrap();
    (directory, database)
}

fn job(directory: &Path, chunk_bytes: usize) -> Clean {
    let mut options = Options::default();
    (options.workers, options.chunk_bytes) = (2, chunk_bytes);
    let output = Output::Sqlite(directory.join("d.db"), "t".to_owned());
    let job = Clean::new([directory.join("in.csv")], output);
    job.recipe(Recipe::from_toml(RECIPE).unwrap()).options(options)
}

fn load(directory: &Path, chunk_bytes: usize) -> Report {
    job(directory, chunk_bytes).run(|_| ControlFlow::Continue(())).unwrap()
}

fn a_row_that_a_table_refuses_is_reported_with_its_line_and_cells() {
    let (directory, database) = place();
    // Rows of two lines, dropped rows and blank lines come before it.
    let mut text = "id,name\r\n".to_owned();
    for row in 1..300 {
        text += &format!("{row},\"two\r\nlines\"\r\n0,filtered\r\n,\r\n\r\n");
    }
    let line = text.lines().count() + 1;
    for (row, told) in [
        ("7,seven", "UNIQUE constraint failed: t.id; id is 7"),
        ("900,", "NOT NULL constraint failed: t.name; name is NULL"),
        ("900,bad", "CHECK constraint failed: name <> 'bad'; name is \"bad\""),
    ] {
        fs::write(directory.path().join("in.csv"), format!("{text}{row}\r\n901,x\r\n")).unwrap();
        for chunk_bytes in [64, 1000, 1 << 20] {
            let report = load(directory.path(), chunk_bytes);
            let expected = format!("line {line}: the table t refuses a row: {told}");
            assert_eq!(report.files[0].error.as_deref(), Some(&*expected), "{chunk_bytes}");
            assert!(report.files[0].hint.is_some());
        }
    }
    let count = |database: &Connection| -> i64 {
        database.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&database), 0);
    fs::write(directory.path().join("in.csv"), format!("{text}900,x\r\n")).unwrap();
    assert_eq!(load(directory.path(), 1000).files[0].error, None);
    assert_eq!(count(&database), 300);
}

fn a_database_that_another_program_holds_is_waited_for() {
    let (directory, database) = place();
    fs::write(directory.path().join("in.csv"), "id,name\n1,a\n").unwrap();
    database.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut asked = 0;
    // The observer is called while the job waits.
    let report = job(directory.path(), 1 << 20).run(|_| {
        asked += 1;
        if asked == 3 {
            database.execute_batch("COMMIT").unwrap();
        }
        ControlFlow::Continue(())
    });
    assert_eq!(report.unwrap().files[0].error, None);
    assert!(asked >= 3);
}
