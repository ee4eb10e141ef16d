//! SQLite: workers put rows into a plain form, and one connection inserts them.
//!
//! A row is its cells one after another, each a byte that says what it is, and what belongs to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use manyhands_csv::Rows;
use manyhands_csv::recipe::Type;
use rusqlite::{Connection, ErrorCode, Statement, params};

use super::store::{
    ADD_ENTRY, Cancel, Database, ENTRIES, FILES, Next, Store, Wrong, counts, create, entry,
};
use super::{Column, check_columns, declarations, quoted, twice};
use crate::clean::manifest::Entry;
use crate::clean::output::WriteError;
use crate::clean::watch::Watch;
use crate::clean::{Hint, Problem};

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const FLOAT: u8 = 2;
const TEXT: u8 = 3;

/// How long a lock of another process is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked for meanwhile whether waiting is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// Appends rows.
pub(super) fn encode(rows: &Rows, types: &[Type], out: &mut Vec<u8>) {
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

/// What a column is declared to be. Days and moments are kept as ISO text.
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
    /// Set when a lock is not worth waiting for.
    hurry: Arc<AtomicBool>,
}

/// Opens a database, which is made if it is missing, for a table in it.
pub(in crate::clean) fn open(
    path: &Path,
    table: &str,
    watch: &mut Watch,
) -> Result<Store, WriteError> {
    let (path, table) = (path.to_owned(), table.to_owned());
    let open = move |hurry| {
        let connect = || {
            // A path is a path: SQLite would take `:memory:` and `file:` for something else.
            let place = if path.is_relative() { Path::new(".").join(&path) } else { path.clone() };
            let connection = Connection::open(place)?;
            connection.busy_timeout(LOOK)?;
            // A large transaction should not go through the journal page by page.
            connection.pragma_update(None, "cache_size", -65_536)?;
            Ok(connection)
        };
        let cannot = |error| format!("cannot open {}: {error}", path.display());
        let connection = connect().map_err(|error: rusqlite::Error| Wrong::file(cannot(error)))?;
        Ok(Sqlite { connection, path, table, hurry })
    };
    Store::new(open, watch)
}

fn wrong(error: rusqlite::Error) -> Wrong {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            Wrong::lost(error.to_string())
        }
        _ => Wrong::file(error.to_string()),
    }
}

impl Database for Sqlite {
    fn cancel(&self) -> Cancel {
        let running = self.connection.get_interrupt_handle();
        Box::new(move || running.interrupt())
    }

    fn entries(&mut self) -> Result<Vec<Entry>, Wrong> {
        self.patiently(|connection| entries(connection, &self.table)).map_err(|wrong| match wrong {
            Wrong::File(why) | Wrong::Lost(why) => {
                Wrong::file(format!("cannot open {}: {why}", self.path.display()))
            }
        })
    }

    fn load(&mut self, columns: &[Column], next: &mut dyn FnMut() -> Next) -> Result<(), Wrong> {
        self.patiently(|connection| connection.execute_batch("BEGIN IMMEDIATE"))?;
        let loaded = match self.fill(columns, next) {
            Ok(true) => {
                self.patiently(|connection| connection.execute_batch("COMMIT")).map(|()| true)
            }
            other => other,
        };
        if !matches!(loaded, Ok(true)) && !self.connection.is_autocommit() {
            // After a full disk there may be no transaction any more.
            self.connection
                .execute_batch("ROLLBACK")
                .map_err(|error| Wrong::lost(format!("its rows cannot be taken back: {error}")))?;
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
    /// Does what needs a lock.
    fn patiently<T>(
        &self,
        attempt: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Wrong> {
        let began = Instant::now();
        loop {
            match attempt(&self.connection) {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                    if self.hurry.load(Ordering::Relaxed) || began.elapsed() > PATIENCE {
                        let seconds = began.elapsed().as_secs();
                        return Err(Wrong::File(
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
                result => return result.map_err(wrong),
            }
        }
    }

    /// Puts in the rows of a file and its entry; false if that was called off.
    fn fill(&self, columns: &[Column], next: &mut dyn FnMut() -> Next) -> Result<bool, Wrong> {
        self.connection.execute_batch(FILES).map_err(wrong)?;
        if !columns.is_empty() {
            self.prepare_table(columns)?;
        }
        let table = quoted(&self.table);
        let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
        let places = vec!["?"; columns.len()].join(",");
        let insert = format!("INSERT INTO {table} ({}) VALUES ({places})", names.join(","));
        let mut statement = None;
        loop {
            match next() {
                Next::Block(block) => {
                    let statement = match &mut statement {
                        Some(statement) => statement,
                        none => none.insert(self.connection.prepare(&insert).map_err(wrong)?),
                    };
                    insert_rows(statement, columns.len(), &block)?;
                }
                Next::Commit(entry) => {
                    drop(statement);
                    return self.add_entry(&entry).map(|()| true);
                }
                Next::RollBack => return Ok(false),
            }
        }
    }

    /// Makes the table, or compares it with the columns.
    fn prepare_table(&self, columns: &[Column]) -> Result<(), Wrong> {
        let known = self.columns_there()?;
        let wanted = declarations(columns, declared);
        if known.is_empty() {
            let create = create(&quoted(&self.table), &wanted);
            return self.connection.execute_batch(&create).map_err(wrong);
        }
        check_columns(&self.table, &known, &wanted).map_err(Wrong::file)
    }

    fn columns_there(&self) -> Result<Vec<(String, String)>, Wrong> {
        let query = "SELECT name, upper(type) FROM pragma_table_info(?1)";
        let mut statement = self.connection.prepare(query).map_err(wrong)?;
        let columns = statement.query_map([&self.table], |row| Ok((row.get(0)?, row.get(1)?)));
        columns.map_err(wrong)?.collect::<Result<_, _>>().map_err(wrong)
    }

    fn add_entry(&self, entry: &Entry) -> Result<(), Wrong> {
        let [size, rows_in, rows_out, rejected] = counts(entry);
        let Entry { path, hash, recipe_hash, .. } = entry;
        let added = self.connection.execute(
            ADD_ENTRY,
            params![self.table, path, size, hash, recipe_hash, rows_in, rows_out, rejected],
        );
        match added {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                Err(Wrong::File(twice(&self.table)))
            }
            result => result.map(drop).map_err(wrong),
        }
    }
}

/// Inserts the rows of a block.
fn insert_rows(statement: &mut Statement, columns: usize, mut block: &[u8]) -> Result<(), Wrong> {
    let broken = || Wrong::file("a worker's rows cannot be read".to_owned());
    while !block.is_empty() {
        for column in 1..=columns {
            let kind = block.split_off_first().ok_or_else(broken)?;
            let bound = match *kind {
                NULL => statement.raw_bind_parameter(column, rusqlite::types::Null),
                INTEGER => {
                    let value = i64::from_le_bytes(take(&mut block).ok_or_else(broken)?);
                    statement.raw_bind_parameter(column, value)
                }
                FLOAT => {
                    let value = f64::from_le_bytes(take(&mut block).ok_or_else(broken)?);
                    statement.raw_bind_parameter(column, value)
                }
                TEXT => {
                    let len = u32::from_le_bytes(take(&mut block).ok_or_else(broken)?);
                    let text = block.split_off(..len as usize).ok_or_else(broken)?;
                    let text = std::str::from_utf8(text).map_err(|_| broken())?;
                    statement.raw_bind_parameter(column, text)
                }
                _ => return Err(broken()),
            };
            bound.map_err(wrong)?;
        }
        statement.raw_execute().map_err(wrong)?;
    }
    Ok(())
}

fn take<const N: usize>(block: &mut &[u8]) -> Option<[u8; N]> {
    block.split_off(..N)?.try_into().ok()
}
