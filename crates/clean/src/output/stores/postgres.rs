//! PostgreSQL: one connection streams the text that workers wrote for `COPY` to the server.
//!
//! If the server refuses a `COPY` before it reads a row, the connection is out of step: the client sends one
//! message for the end of the `COPY`, and the server answers twice (its first answer precedes the client's
//! message). So a connection whose `COPY` failed is not used again. If the order of the answers hid the
//! refusal, a statement that inserts no row asks for it again.

mod dry_run;

use std::collections::VecDeque;
use std::error::Error;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use manyhands_csv::recipe::Type;
use manyhands_csv::{Hint, Problem, ProblemKind};
use postgres::error::SqlState;
use postgres::{CancelToken, Client, Config, NoTls, Transaction};

use crate::output::entry::Entry;
use crate::output::error::WriteError;
use crate::output::format::Column;
use crate::output::lines::Batch;
use crate::output::stores::row_store::RowStore;
use crate::output::stores::sql::{
    Constraint, check_columns, declarations, duplicate_entry, quoted, refused,
};
use crate::output::stores::store::{
    ADD_ENTRY, Cancel, Database, DatabaseError, Declarations, ENTRIES, FILES, LoadCommand, Store,
    counts, create, entry,
};
use crate::output::stores::table::Table;
use crate::target::server_name;
use crate::watch::Watch;

pub(crate) use dry_run::open_dry_run;

/// The declared type of a column.
fn declared(kind: Type) -> &'static str {
    match kind {
        Type::Text => "text",
        Type::Integer => "bigint",
        Type::Number => "double precision",
        Type::Boolean => "boolean",
        Type::Date => "date",
        Type::Datetime => "timestamp without time zone",
    }
}

/// Held while tables are created: two sessions that create the same table at once may both fail.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7236830218573)";

/// Time limit for connecting, unless the address sets one.
const CONNECT: Duration = Duration::from_secs(10);

struct Postgres {
    client: Client,
    url: String,
    /// Cancels the client's statement; replaced after each connection.
    running: Arc<Mutex<CancelToken>>,
    /// Set if a `COPY` on this connection has not ended well.
    is_out_of_step: bool,
    /// The name as it was typed, perhaps with a schema and a dot.
    table: String,
}

/// Connects to a database for a table in it.
pub(crate) fn open(
    url: &str,
    table: &str,
    watch: &mut Watch,
) -> Result<Box<dyn RowStore>, WriteError> {
    let name = table;
    let (url, table) = (url.to_owned(), table.to_owned());
    Ok(Box::new(Table::new(Store::new(move |_| Postgres::connect(&url, table), watch)?, name)))
}

fn database_error(error: postgres::Error) -> DatabaseError {
    if let Some(told) = error.as_db_error() {
        let detail = told.detail().map_or_else(String::new, |detail| format!(" ({detail})"));
        let problem = Problem::new(format!("{}{detail}", told.message())).of(ProblemKind::Table);
        // For example, a server that shuts down: classes 57 and 53, except a full disk.
        let is_lost = told.code().code().starts_with("57P");
        return if is_lost { DatabaseError::Lost(problem) } else { DatabaseError::File(problem) };
    }
    let problem = Problem::new(error.to_string()).of(ProblemKind::Table);
    DatabaseError::Lost(match error.source() {
        Some(source) => problem.caused_by(source),
        None => problem,
    })
}

/// Origins of the rows that were sent last. The server lags by the buffers of the system, which hold less
/// than that.
#[derive(Default)]
struct Sent {
    /// The number of rows before each batch, and the batch.
    batches: VecDeque<(u64, Batch)>,
    rows: u64,
}

impl Sent {
    const MOST: usize = 64;

    fn add(&mut self, batch: Batch) {
        if self.batches.len() == Sent::MOST {
            self.batches.pop_front();
        }
        let before = self.rows;
        self.rows += batch.len() as u64;
        self.batches.push_back((before, batch.into_lines()));
    }

    /// The line of a row, given the server's number for it, which counts from 1.
    fn line(&self, row: u64) -> Option<u64> {
        let row = row.checked_sub(1)?;
        let (before, batch) = self.batches.iter().rfind(|(before, _)| *before <= row)?;
        batch.line((row - before) as usize)
    }

    /// Like [`database_error`], for an error that may be about a row.
    fn error_of(&self, table: &str, error: postgres::Error) -> DatabaseError {
        let Some(told) = error.as_db_error() else { return database_error(error) };
        // Class 23 has the violations of constraints.
        let constraint = match *told.code() {
            SqlState::UNIQUE_VIOLATION => Some(Constraint::Unique),
            SqlState::NOT_NULL_VIOLATION => Some(Constraint::NotNull),
            ref code if code.code().starts_with("23") => Some(Constraint::Other),
            _ => None,
        };
        let row = told.where_().and_then(row_of);
        match (database_error(error), constraint) {
            (DatabaseError::File(why), constraint) if row.is_some() || constraint.is_some() => {
                let line = row.and_then(|row| self.line(row));
                DatabaseError::File(refused(table, line, why, constraint))
            }
            // For example, an exception of a trigger, which says neither where it comes from nor what it is
            // about.
            (DatabaseError::File(why), _) => refused_rows(table, why),
            (error, _) => error,
        }
    }
}

fn refused_rows(table: &str, why: Problem) -> DatabaseError {
    DatabaseError::File(why.leads_to(format!("the server refused rows of the table {table}")))
}

/// The row in the context of a server's error, such as `COPY t, line 7, column a: "x"`.
fn row_of(context: &str) -> Option<u64> {
    let (_, rest) = context.strip_prefix("COPY ")?.split_once(", line ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

impl Database for Postgres {
    fn cancel(&self) -> Cancel {
        let running = Arc::clone(&self.running);
        // A server that cannot be reached rolls back by itself.
        Box::new(move || {
            let running = running.lock().unwrap_or_else(PoisonError::into_inner).clone();
            drop(running.cancel_query(NoTls));
        })
    }

    fn entries(&mut self) -> Result<Vec<Entry>, DatabaseError> {
        let is_there = "SELECT to_regclass('manyhands_files') IS NOT NULL";
        if !self.client.query_one(is_there, &[]).map_err(database_error)?.get::<_, bool>(0) {
            return Ok(Vec::new());
        }
        let rows = self.client.query(ENTRIES, &[&self.table]).map_err(database_error)?;
        let of = |row: postgres::Row| {
            entry([0, 1, 2].map(|at| row.get(at)), [3, 4, 5, 6].map(|at| row.get(at)))
        };
        Ok(rows.into_iter().map(of).collect())
    }

    fn load(
        &mut self,
        columns: &[Column],
        next: &mut dyn FnMut() -> LoadCommand,
    ) -> Result<(), DatabaseError> {
        if self.is_out_of_step {
            self.reconnect()?;
        }
        self.prepare(columns)?;
        match self.load_rows(columns, next) {
            Err(DatabaseError::Lost(why)) if self.is_out_of_step => {
                Err(self.refusal(columns).unwrap_or(DatabaseError::Lost(why)))
            }
            loaded => loaded,
        }
    }
}

impl Postgres {
    fn connect(url: &str, table: String) -> Result<Postgres, DatabaseError> {
        let client = client(url).map_err(|error| match database_error(error) {
            DatabaseError::File(why) | DatabaseError::Lost(why) => {
                DatabaseError::File(why.leads_to(format!("cannot connect to {}", server_name(url))))
            }
        })?;
        let running = Arc::new(Mutex::new(client.cancel_token()));
        Ok(Postgres { client, url: url.to_owned(), running, is_out_of_step: false, table })
    }

    /// Replaces the connection by a new one.
    fn reconnect(&mut self) -> Result<(), DatabaseError> {
        self.client = client(&self.url).map_err(|error| match database_error(error) {
            DatabaseError::File(why) | DatabaseError::Lost(why) => {
                let server = server_name(&self.url);
                DatabaseError::Lost(why.leads_to(format!("cannot connect to {server} again")))
            }
        })?;
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = self.client.cancel_token();
        self.is_out_of_step = false;
        Ok(())
    }

    /// Why the server refuses rows of the table, if it does.
    fn refusal(&mut self, columns: &[Column]) -> Option<DatabaseError> {
        self.reconnect().ok()?;
        let (table, names) = (self.quoted_table(), names(columns));
        // It needs no more rights than COPY does.
        let nulls = vec!["NULL"; columns.len()].join(", ");
        let none = format!("INSERT INTO {table} ({names}) SELECT {nulls} WHERE false");
        // Always rolled back.
        let mut transaction = self.client.transaction().ok()?;
        let error = transaction.batch_execute(&none).err()?;
        error.as_db_error()?;
        Some(Sent::default().error_of(&self.table, error))
    }

    /// Loads a file into the table, which was created for it or whose columns were compared.
    fn load_rows(
        &mut self,
        columns: &[Column],
        next: &mut dyn FnMut() -> LoadCommand,
    ) -> Result<(), DatabaseError> {
        let (copy, table) = (self.copy(columns), self.quoted_table());
        let mut transaction = self.client.transaction().map_err(database_error)?;
        // Dropping the transaction rolls back what is not committed.
        let entry = if columns.is_empty() {
            match next() {
                LoadCommand::Commit(entry) => entry,
                LoadCommand::Block(_) | LoadCommand::RollBack => return Ok(()),
            }
        } else {
            if let Some(why) = refused_view(&mut transaction, &table)? {
                return Err(refused_rows(&self.table, why.into()));
            }
            let mut sent = Sent::default();
            self.is_out_of_step = true;
            let mut stream = transaction.copy_in(&copy).map_err(database_error)?;
            loop {
                match next() {
                    LoadCommand::Block(block) => {
                        let written = stream.write_all(&block.rows);
                        sent.add(block);
                        written.map_err(|error| match error.downcast() {
                            Ok(error) => sent.error_of(&self.table, error),
                            Err(error) => DatabaseError::Lost(Problem::from_error(error)),
                        })?;
                    }
                    LoadCommand::Commit(entry) => {
                        stream.finish().map_err(|error| sent.error_of(&self.table, error))?;
                        self.is_out_of_step = false;
                        break entry;
                    }
                    LoadCommand::RollBack => return Ok(()),
                }
            }
        };
        let [size, rows_in, rows_out, rejected] = counts(&entry);
        let Entry { path, checksum, recipe_checksum, .. } = &entry;
        let added = transaction.execute(
            ADD_ENTRY,
            &[&self.table, path, &size, checksum, recipe_checksum, &rows_in, &rows_out, &rejected],
        );
        match added {
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                Err(DatabaseError::File(duplicate_entry(&self.table)))
            }
            Err(error) => Err(database_error(error)),
            Ok(_) => transaction.commit().map_err(|error| match database_error(error) {
                DatabaseError::Lost(why) => {
                    let hint = Hint::words("run again with ").and_on("resume");
                    let unknown = Problem::new("whether its rows are there is not known");
                    DatabaseError::Lost(why.followed_by(unknown.hint(hint.and(", which looks"))))
                }
                known => known,
            }),
        }
    }

    /// The statement that the rows follow.
    fn copy(&self, columns: &[Column]) -> String {
        format!("COPY {} ({}) FROM STDIN", self.quoted_table(), names(columns))
    }

    fn quoted_table(&self) -> String {
        let parts: Vec<String> = self.table.splitn(2, '.').map(quoted).collect();
        parts.join(".")
    }

    /// Creates missing tables, and compares the columns of an existing one.
    fn prepare(&mut self, columns: &[Column]) -> Result<(), DatabaseError> {
        let table = self.quoted_table();
        let wanted = declarations(columns, declared);
        let mut transaction = self.client.transaction().map_err(database_error)?;
        transaction.batch_execute(LOCK).map_err(database_error)?;
        transaction.batch_execute(FILES).map_err(database_error)?;
        let known = columns_there(&mut transaction, &table).map_err(database_error)?;
        if known.is_empty() && !columns.is_empty() {
            transaction.batch_execute(&create(&table, &wanted)).map_err(database_error)?;
        } else if !columns.is_empty() {
            check_columns(&self.table, &known, &wanted).map_err(DatabaseError::file)?;
        }
        transaction.commit().map_err(database_error)
    }
}

fn client(url: &str) -> Result<Client, postgres::Error> {
    let mut config: Config = url.parse()?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    config.connect(NoTls)
}

fn names(columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    names.join(", ")
}

/// The error of `COPY` for a view without triggers.
fn refused_view(
    transaction: &mut Transaction<'_>,
    table: &str,
) -> Result<Option<String>, DatabaseError> {
    let query = "SELECT CASE relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END, relname::text
        FROM pg_class WHERE oid = to_regclass($1) AND (relkind = 'm' OR relkind = 'v' AND NOT relhastriggers)";
    let row = transaction.query_opt(query, &[&table]).map_err(database_error)?;
    Ok(row.map(|row| {
        let (kind, name): (String, String) = (row.get(0), row.get(1));
        format!("cannot copy to {kind} {name:?}")
    }))
}

/// The columns of a table, by its quoted name; none if it is missing.
fn columns_there(
    transaction: &mut Transaction<'_>,
    table: &str,
) -> Result<Declarations, postgres::Error> {
    let query = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
        WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let known = transaction.query(query, &[&table])?;
    Ok(known.into_iter().map(|row| (row.get(0), row.get(1))).collect())
}
