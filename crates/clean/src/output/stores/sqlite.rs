//! SQLite: workers encode rows in a simple binary form, and one connection inserts them.
//!
//! A row is a sequence of cells; each is a byte for its kind, followed by its value.

mod dry_run;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use manyhands_csv::recipe::Type;
use manyhands_csv::{Hint, Out, Plan, Problem, ProblemKind, Rows};
use rusqlite::{Connection, ErrorCode, Statement, ffi, params};

use crate::output::entry::Entry;
use crate::output::error::WriteError;
use crate::output::format::Column;
use crate::output::lines::Batch;
use crate::output::lines::with_lines;
use crate::output::stores::row_store::RowStore;
use crate::output::stores::sql::{
    Constraint, check_columns, declarations, duplicate_entry, quoted, refused,
};
use crate::output::stores::store::{
    ADD_ENTRY, Cancel, Database, DatabaseError, ENTRIES, FILES, LoadCommand, Store, counts, create,
    entry,
};
use crate::output::stores::table::Table;
use crate::watch::Watch;

pub(crate) use dry_run::open_dry_run;

const NULL: u8 = 0;

const INTEGER: u8 = 1;

const FLOAT: u8 = 2;

const TEXT: u8 = 3;

/// Longest wait for a lock of another process.
const PATIENCE: Duration = Duration::from_secs(30);

/// Interval in which a waiting call checks whether to go on.
const LOOK: Duration = Duration::from_millis(50);

/// Encodes the rows that `make` gives, with the lines that they come from.
pub(crate) fn encode<T>(
    plan: &Plan,
    reply: &mut Vec<u8>,
    make: impl FnOnce(Out<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let types = plan.output_types();
    with_lines(reply, make, |rows, out| encode_rows(rows, types, out))
}

/// Appends rows.
fn encode_rows(rows: &Rows, types: &[Type], out: &mut Vec<u8>) {
    for row in 0..rows.len() {
        for (column, kind) in types.iter().enumerate() {
            let text = || rows.text(row, column);
            match kind {
                Type::Integer => put(INTEGER, rows.integer(row, column).map(i64::to_le_bytes), out),
                Type::Boolean => {
                    let value = rows.boolean(row, column).map(i64::from);
                    put(INTEGER, value.map(i64::to_le_bytes), out);
                }
                Type::Number => put(FLOAT, rows.number(row, column).map(f64::to_le_bytes), out),
                Type::Text => put_text(text().as_deref(), out),
                Type::Date | Type::Datetime => {
                    put_text(rows.moment_text(row, column).as_deref(), out);
                }
            }
        }
    }
}

fn put(kind: u8, value: Option<[u8; 8]>, out: &mut Vec<u8>) {
    match value {
        Some(value) => {
            out.push(kind);
            out.extend(value);
        }
        None => out.push(NULL),
    }
}

fn put_text(text: Option<&[u8]>, out: &mut Vec<u8>) {
    match text {
        Some(text) => {
            out.push(TEXT);
            out.extend((text.len() as u32).to_le_bytes()); // a cell is shorter than a gigabyte
            out.extend_from_slice(text);
        }
        None => out.push(NULL),
    }
}

/// The declared type of a column. Dates and times are kept as ISO text.
fn declared(kind: Type) -> &'static str {
    match kind {
        Type::Text => "TEXT",
        Type::Integer => "INTEGER",
        Type::Number => "REAL",
        Type::Boolean => "BOOLEAN",
        Type::Date => "DATE",
        Type::Datetime => "DATETIME",
    }
}

struct Sqlite {
    connection: Connection,
    path: PathBuf,
    table: String,
    /// Set when locks are not waited for.
    no_wait: Arc<AtomicBool>,
}

/// Opens a database for a table in it; creates it if it is missing.
pub(crate) fn open(
    path: &Path,
    table: &str,
    watch: &mut Watch,
) -> Result<Box<dyn RowStore>, WriteError> {
    let name = table;
    let (path, table) = (path.to_owned(), table.to_owned());
    let open = move |no_wait| {
        let connect = || {
            let connection = Connection::open(place(&path))?;
            connection.busy_timeout(LOOK)?;
            Ok(connection)
        };
        let connection = connect().map_err(|error| cannot_open(&path, database_error(error)))?;
        let database = Sqlite { connection, path, table, no_wait };
        // A large transaction should not go through the journal page by page.
        let cache = |connection: &Connection| connection.pragma_update(None, "cache_size", -65_536);
        database.patiently(cache).map_err(|error| cannot_open(&database.path, error))?;
        Ok(database)
    };
    Ok(Box::new(Table::new(Store::new(open, watch)?, name)))
}

/// A path that SQLite does not interpret: `:memory:` and `file:` have special meanings.
fn place(path: &Path) -> PathBuf {
    if path.is_relative() { Path::new(".").join(path) } else { path.to_owned() }
}

/// Why a database cannot be opened; if the file is not a database, how it begins.
fn cannot_open(path: &Path, error: DatabaseError) -> DatabaseError {
    let (DatabaseError::File(why) | DatabaseError::Lost(why)) = error;
    let cannot = format!("cannot open {}", path.display());
    if is_database(path) {
        return DatabaseError::File(why.leads_to(cannot));
    }
    let begins = beginning(path);
    let problem = Problem::new(format!("it is not an SQLite database: it begins with {begins}"))
        .of(ProblemKind::Table)
        .leads_to(cannot);
    DatabaseError::File(
        problem.hint(
            Hint::is("output", "sqlite:shop.db")
                .and(" names another file, which is made if it is missing"),
        ),
    )
}

/// Returns whether a file begins like a database, or could not be read.
fn is_database(path: &Path) -> bool {
    first_bytes(path)
        .is_none_or(|first| first.is_empty() || first.starts_with(b"SQLite format 3\0"))
}

fn first_bytes(path: &Path) -> Option<Vec<u8>> {
    let mut first = Vec::new();
    File::open(path).ok()?.take(40).read_to_end(&mut first).ok()?;
    Some(first)
}

/// The beginning of a file's first line, quoted.
fn beginning(path: &Path) -> String {
    let first = first_bytes(path).unwrap_or_default();
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    format!("{:?}", String::from_utf8_lossy(line))
}

fn database_error(error: rusqlite::Error) -> DatabaseError {
    let code = error.sqlite_error_code();
    let problem = Problem::from_error(error).of(ProblemKind::Table);
    match code {
        Some(ErrorCode::NotADatabase | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            DatabaseError::Lost(problem)
        }
        _ => DatabaseError::File(problem),
    }
}

impl Database for Sqlite {
    fn cancel(&self) -> Cancel {
        let running = self.connection.get_interrupt_handle();
        Box::new(move || running.interrupt())
    }

    fn entries(&mut self) -> Result<Vec<Entry>, DatabaseError> {
        self.patiently(|connection| entries(connection, &self.table))
            .map_err(|error| cannot_open(&self.path, error))
    }

    fn load(
        &mut self,
        columns: &[Column],
        next: &mut dyn FnMut() -> LoadCommand,
    ) -> Result<(), DatabaseError> {
        self.patiently(|connection| connection.execute_batch("BEGIN IMMEDIATE"))?;
        let loaded = match self.fill(columns, next) {
            Ok(true) => {
                self.patiently(|connection| connection.execute_batch("COMMIT")).map(|()| true)
            }
            other => other,
        };
        if !matches!(loaded, Ok(true)) && !self.connection.is_autocommit() {
            // After a full disk there may be no transaction left.
            self.connection.execute_batch("ROLLBACK").map_err(|error| {
                let problem = Problem::new("its rows cannot be taken back");
                DatabaseError::Lost(problem.of(ProblemKind::Table).because(error))
            })?;
        }
        loaded.map(drop)
    }
}

fn entries(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Entry>> {
    if !connection.table_exists(None, "manyhands_files")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare(ENTRIES)?;
    let of = |row: &rusqlite::Row| {
        let texts = [row.get(0)?, row.get(1)?, row.get(2)?];
        Ok(entry(texts, [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?]))
    };
    statement.query_map([table], of)?.collect()
}

impl Sqlite {
    /// Runs a statement that needs a lock, and waits for the lock.
    fn patiently<T>(
        &self,
        attempt: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, DatabaseError> {
        let began = Instant::now();
        loop {
            match attempt(&self.connection) {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                    if self.no_wait.load(Ordering::Relaxed) || began.elapsed() > PATIENCE {
                        let seconds = began.elapsed().as_secs();
                        return Err(DatabaseError::File(
                            Problem::new(format!(
                                "the database was locked by another program for {seconds} s"
                            ))
                            .hint(
                                Hint::words("run again with ")
                                    .and_on("resume")
                                    .and(" when that program is done"),
                            ),
                        ));
                    }
                }
                result => return result.map_err(database_error),
            }
        }
    }

    /// Inserts the rows of a file and its entry; returns false if that was cancelled.
    fn fill(
        &self,
        columns: &[Column],
        next: &mut dyn FnMut() -> LoadCommand,
    ) -> Result<bool, DatabaseError> {
        self.connection.execute_batch(FILES).map_err(database_error)?;
        if !columns.is_empty() {
            self.prepare_table(columns)?;
        }
        let insert = self.insert(columns);
        let mut statement = None;
        loop {
            match next() {
                LoadCommand::Block(block) => {
                    let statement = match &mut statement {
                        Some(statement) => statement,
                        none => {
                            none.insert(self.connection.prepare(&insert).map_err(database_error)?)
                        }
                    };
                    self.insert_rows(statement, columns, &block)?;
                }
                LoadCommand::Commit(entry) => {
                    drop(statement);
                    return self.add_entry(&entry).map(|()| true);
                }
                LoadCommand::RollBack => return Ok(false),
            }
        }
    }

    /// The statement that inserts a row.
    fn insert(&self, columns: &[Column]) -> String {
        let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
        let places = vec!["?"; columns.len()].join(",");
        format!("INSERT INTO {} ({}) VALUES ({places})", quoted(&self.table), names.join(","))
    }

    /// Creates the table, or compares it with the columns.
    fn prepare_table(&self, columns: &[Column]) -> Result<(), DatabaseError> {
        let known = self.columns_there()?;
        let wanted = declarations(columns, declared);
        if known.is_empty() {
            let create = create(&quoted(&self.table), &wanted);
            return self.connection.execute_batch(&create).map_err(database_error);
        }
        check_columns(&self.table, &known, &wanted).map_err(DatabaseError::file)
    }

    fn columns_there(&self) -> Result<Vec<(String, String)>, DatabaseError> {
        let query = "SELECT name, upper(type) FROM pragma_table_info(?1)";
        let mut statement = self.connection.prepare(query).map_err(database_error)?;
        let columns = statement.query_map([&self.table], |row| Ok((row.get(0)?, row.get(1)?)));
        columns.map_err(database_error)?.collect::<Result<_, _>>().map_err(database_error)
    }

    fn add_entry(&self, entry: &Entry) -> Result<(), DatabaseError> {
        let [size, rows_in, rows_out, rejected] = counts(entry);
        let Entry { path, checksum, recipe_checksum, .. } = entry;
        let added = self.connection.execute(
            ADD_ENTRY,
            params![self.table, path, size, checksum, recipe_checksum, rows_in, rows_out, rejected],
        );
        match added {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                Err(DatabaseError::File(duplicate_entry(&self.table)))
            }
            result => result.map(drop).map_err(database_error),
        }
    }
}

/// One cell of a row.
#[derive(Debug, Clone, Copy)]
enum Cell<'a> {
    Null,
    Integer(i64),
    Float(f64),
    Text(&'a str),
}

impl<'a> Cell<'a> {
    /// Removes the first cell from a block.
    fn take(block: &mut &'a [u8]) -> Option<Cell<'a>> {
        Some(match *block.split_off_first()? {
            NULL => Cell::Null,
            INTEGER => Cell::Integer(i64::from_le_bytes(take(block)?)),
            FLOAT => Cell::Float(f64::from_le_bytes(take(block)?)),
            TEXT => {
                let len = u32::from_le_bytes(take(block)?);
                Cell::Text(std::str::from_utf8(block.split_off(..len as usize)?).ok()?)
            }
            _ => return None,
        })
    }

    fn bind(self, statement: &mut Statement, column: usize) -> rusqlite::Result<()> {
        match self {
            Cell::Null => statement.raw_bind_parameter(column, rusqlite::types::Null),
            Cell::Integer(value) => statement.raw_bind_parameter(column, value),
            Cell::Float(value) => statement.raw_bind_parameter(column, value),
            Cell::Text(text) => statement.raw_bind_parameter(column, text),
        }
    }

    /// The cell as messages quote it.
    fn shown(self) -> String {
        match self {
            Cell::Null => "NULL".to_owned(),
            Cell::Integer(value) => value.to_string(),
            Cell::Float(value) => value.to_string(),
            Cell::Text(text) => match text.char_indices().nth(LONGEST) {
                Some((end, _)) => format!("{:?}...", &text[..end]),
                None => format!("{text:?}"),
            },
        }
    }
}

/// Most characters of a cell, and most cells, that are quoted.
const LONGEST: usize = 40;

const MOST: usize = 5;

impl Sqlite {
    /// Inserts the rows of a block.
    fn insert_rows(
        &self,
        statement: &mut Statement,
        columns: &[Column],
        block: &Batch,
    ) -> Result<(), DatabaseError> {
        let broken = || DatabaseError::file("a worker's rows cannot be read".to_owned());
        let (mut rest, mut row) = (block.rows.as_slice(), 0);
        while !rest.is_empty() {
            let begin = rest;
            for column in 1..=columns.len() {
                let cell = Cell::take(&mut rest).ok_or_else(broken)?;
                cell.bind(statement, column).map_err(database_error)?;
            }
            statement
                .raw_execute()
                .map_err(|error| self.refused(error, columns, begin, block.line(row)))?;
            row += 1;
        }
        Ok(())
    }

    /// Like [`database_error`], for an error that may be about a row.
    #[cold]
    fn refused(
        &self,
        error: rusqlite::Error,
        columns: &[Column],
        mut row: &[u8],
        line: Option<u64>,
    ) -> DatabaseError {
        if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
            return database_error(error);
        }
        let constraint = match error.sqlite_error().map(|error| error.extended_code) {
            Some(
                ffi::SQLITE_CONSTRAINT_UNIQUE
                | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                | ffi::SQLITE_CONSTRAINT_ROWID,
            ) => Constraint::Unique,
            Some(ffi::SQLITE_CONSTRAINT_NOTNULL) => Constraint::NotNull,
            _ => Constraint::Other,
        };
        let why = error.to_string();
        let cells = columns.iter().map_while(|column| Some((column, Cell::take(&mut row)?)));
        let (named, others): (Vec<_>, Vec<_>) =
            cells.partition(|(column, _)| has_word(&why, &column.name));
        let shown = if named.is_empty() { others } else { named };
        let shown = shown.iter().take(MOST);
        let shown = shown.map(|(column, cell)| format!("{} is {}", column.name, cell.shown()));
        let cells = shown.collect::<Vec<_>>().join(", ");
        let why = Problem::from_error(error).of(ProblemKind::Table).followed_by(cells);
        DatabaseError::File(refused(&self.table, line, why, Some(constraint)))
    }
}

/// Returns whether a text has a word as a whole word.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
        })
}

fn take<const N: usize>(block: &mut &[u8]) -> Option<[u8; N]> {
    block.split_off(..N)?.try_into().ok()
}
