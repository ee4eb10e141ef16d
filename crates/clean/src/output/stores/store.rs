//! A table as a store: a thread writes to the database, so that a slow database does not block the parent.
//!
//! ```text
//!   parent   begin ─► block ─► block ─► commit or roll back      the next file
//!              │        │ ◄─ taken        │ ◄─ ended: Ok, or why nothing of the file is there
//!   thread   Database::load: one transaction, with the rows, then the file's entry
//! ```
//! Invariants, whatever is slow and whoever gives up:
//!
//! * Each `begin` starts a transaction with a new number. One `commit` or `roll_back` ends it, and one
//!   `Ended` answers. Answers about earlier transactions are ignored.
//! * A transaction that cannot go on is rolled back at once; the parent learns of it with its next block.
//! * A store serves another file only when the end of the previous transaction is known. If it is unknown,
//!   because the parent stopped waiting or the database was lost, every request fails.
//! * The thread has ended when the store is dropped: nothing is written to the database after a job. The only
//!   exception is a database that answers neither a statement nor its cancellation within [`PATIENCE`] and
//!   [`GRACE`]; its thread then finds that it must roll back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use manyhands_csv::{Hint, Problem};

use crate::output::entry::Entry;
use crate::output::error::WriteError;
use crate::output::format::Column;
use crate::output::lines::Batch;
use crate::output::stores::sql::{check_columns, duplicate_entry, quoted};
use crate::watch::{TICK, Watch};

/// Most blocks that wait for the database.
const WAITING: usize = 2;

/// Longest time that a statement may continue when the job ends, before it is cancelled.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longest time that a cancelled statement may take to end.
const GRACE: Duration = Duration::from_secs(8);

/// The table of finished inputs. All databases understand these statements.
pub(crate) const FILES: &str = "CREATE TABLE IF NOT EXISTS manyhands_files (
    table_name text NOT NULL, path text NOT NULL, size bigint NOT NULL, hash text NOT NULL,
    recipe_hash text NOT NULL, rows_in bigint NOT NULL, rows_out bigint NOT NULL,
    rows_rejected bigint NOT NULL, UNIQUE (table_name, path, hash, recipe_hash))";

/// Selects the columns of an [`entry`], for the inputs in one table.
pub(crate) const ENTRIES: &str =
    "SELECT path, hash, recipe_hash, size, rows_in, rows_out, rows_rejected
    FROM manyhands_files WHERE table_name = $1";

pub(crate) const ADD_ENTRY: &str =
    "INSERT INTO manyhands_files VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// An entry from a row of [`ENTRIES`]; databases have signed numbers only.
pub(crate) fn entry([path, checksum, recipe_checksum]: [String; 3], counts: [i64; 4]) -> Entry {
    let [size, rows_in, rows_out, rows_rejected] = counts.map(i64::cast_unsigned);
    Entry {
        path,
        checksum,
        recipe_checksum,
        size,
        rows_in,
        rows_out,
        rows_rejected,
        ..Entry::default()
    }
}

/// The counts of an entry, in that order.
pub(crate) fn counts(entry: &Entry) -> [i64; 4] {
    [entry.size, entry.rows_in, entry.rows_out, entry.rows_rejected].map(u64::cast_signed)
}

/// The statement that creates a table, from its quoted name and its columns' names and types.
pub(crate) fn create(table: &str, columns: &[(String, String)]) -> String {
    let columns: Vec<String> =
        columns.iter().map(|(name, kind)| format!("{} {kind}", quoted(name))).collect();
    format!("CREATE TABLE {table} ({})", columns.join(", "))
}

/// Names of columns, and the database's names of their types.
pub(crate) type Declarations = Vec<(String, String)>;

/// The table and the entries that the inputs of a dry run would have made so far.
#[derive(Default)]
pub(crate) struct SimulatedTable {
    /// The columns of the table, if an input would have created it.
    made: Option<Declarations>,
    /// The unique parts of the entries.
    entries: HashSet<[String; 3]>,
}

impl SimulatedTable {
    /// Compares columns with those of the table, as a load does; returns true if the table exists.
    pub(crate) fn check(
        &self,
        table: &str,
        known: &[(String, String)],
        wanted: &[(String, String)],
    ) -> Result<bool, DatabaseError> {
        let known = self.made.as_deref().unwrap_or(known);
        if !known.is_empty() {
            check_columns(table, known, wanted).map_err(DatabaseError::file)?;
        }
        Ok(!known.is_empty())
    }

    /// Simulates a load whose columns were checked; blocks are ignored.
    pub(crate) fn load(
        &mut self,
        table: &str,
        columns: Declarations,
        next: &mut dyn FnMut() -> LoadCommand,
    ) -> Result<(), DatabaseError> {
        let Entry { path, checksum, recipe_checksum, .. } = loop {
            match next() {
                LoadCommand::Block(_) => {}
                LoadCommand::Commit(entry) => break entry,
                LoadCommand::RollBack => return Ok(()),
            }
        };
        if !self.entries.insert([path, checksum, recipe_checksum]) {
            return Err(DatabaseError::File(duplicate_entry(table)));
        }
        if !columns.is_empty() {
            self.made.get_or_insert(columns);
        }
        Ok(())
    }
}

/// A request for the file that is being loaded.
pub(crate) enum LoadCommand {
    Block(Batch),
    Commit(Entry),
    RollBack,
}

/// Why a file was not loaded.
#[derive(Debug)]
pub(crate) enum DatabaseError {
    /// The file is at fault, or the next file may succeed. Nothing of the file is in the database.
    File(Problem),
    /// The database cannot be reached any more, or its state is unknown.
    Lost(Problem),
}

impl DatabaseError {
    pub(crate) fn file(problem: impl Into<Problem>) -> DatabaseError {
        DatabaseError::File(problem.into())
    }
}

/// Cancels the current statement of a database, if there is one; called from another thread.
pub(crate) type Cancel = Box<dyn Fn() + Send>;

/// A database with a table in it.
pub(crate) trait Database {
    /// Returns a function that ends a statement that takes too long.
    fn cancel(&self) -> Cancel;

    /// The entries of the inputs in the table.
    fn entries(&mut self) -> Result<Vec<Entry>, DatabaseError>;

    /// Loads a file in one transaction: the rows of all blocks, then the entry, with which it commits.
    /// Creates the table if it is missing; otherwise compares its columns. Without columns there are no
    /// blocks.
    fn load(
        &mut self,
        columns: &[Column],
        next: &mut dyn FnMut() -> LoadCommand,
    ) -> Result<(), DatabaseError>;
}

enum Command {
    Begin(Vec<Column>),
    Load(LoadCommand),
}

enum Answer {
    /// The database is open; its entries.
    Opened(Vec<Entry>, Cancel),
    Taken,
    /// It cannot go on; further blocks are discarded.
    Failing,
    Ended(Result<(), DatabaseError>),
}

/// A request or an answer, with the number of its transaction.
type Of<T> = (u64, T);

/// The parent's end of a database.
pub(crate) struct Store {
    /// Entries by the inputs' paths.
    entries: HashMap<String, Vec<Entry>>,
    commands: Sender<Of<Command>>,
    answers: Receiver<Of<Answer>>,
    /// While set, locks of other connections are not waited for.
    no_wait: Arc<AtomicBool>,
    cancel: Cancel,
    /// None until the database is open; nothing can be written before.
    thread: Option<JoinHandle<()>>,
    /// The number of the last transaction.
    number: u64,
    is_begun: bool,
    /// Why no other file can be served.
    lost: Option<Problem>,
    waiting: usize,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("is_begun", &self.is_begun).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a database in the thread, so that waiting for it does not block. `open` receives a flag that is
    /// set when others' locks are not worth waiting for.
    pub(crate) fn new<D: Database>(
        open: impl FnOnce(Arc<AtomicBool>) -> Result<D, DatabaseError> + Send + 'static,
        watch: &mut Watch,
    ) -> Result<Store, WriteError> {
        let no_wait = Arc::new(AtomicBool::new(false));
        let (commands, inbox) = channel();
        let (outbox, answers) = channel();
        let given = Arc::clone(&no_wait);
        let serve = move || {
            let opened = open(given).and_then(|mut database| {
                let entries = database.entries()?;
                Ok((database, entries))
            });
            match opened {
                Ok((database, entries)) => {
                    let _ = outbox.send((0, Answer::Opened(entries, database.cancel())));
                    serve(database, &inbox, &outbox);
                }
                Err(error) => drop(outbox.send((0, Answer::Ended(Err(error))))),
            }
        };
        let thread = thread::Builder::new().name("manyhands-store".into()).spawn(serve);
        let thread = thread.map_err(|error| {
            WriteError::of(Problem::new("cannot start a thread").because(error))
        })?;
        let mut store = Store {
            entries: HashMap::new(),
            commands,
            answers,
            no_wait,
            cancel: Box::new(|| {}),
            thread: None,
            number: 0,
            is_begun: false,
            lost: None,
            waiting: 0,
        };
        match store.answer(watch) {
            Ok(Answer::Opened(entries, cancel)) => {
                (store.thread, store.cancel) = (Some(thread), cancel);
                for entry in entries {
                    store.entries.entry(entry.path.clone()).or_default().push(entry);
                }
                Ok(store)
            }
            Ok(Answer::Ended(Err(DatabaseError::File(why) | DatabaseError::Lost(why)))) => {
                Err(WriteError::Failed(why))
            }
            Ok(_) => Err(gone()),
            Err(error) => {
                store.no_wait.store(true, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// The entries of an input, as of the opening of the database.
    pub(crate) fn entries(&self, path: &str) -> &[Entry] {
        self.entries.get(path).map_or(&[], Vec::as_slice)
    }

    /// Begins a file.
    pub(crate) fn begin(&mut self, columns: Vec<Column>) -> Result<(), WriteError> {
        self.check()?;
        self.number += 1;
        (self.is_begun, self.waiting) = (true, 0);
        self.send(Command::Begin(columns));
        Ok(())
    }

    /// # Errors
    /// If the store serves nobody any more.
    fn check(&self) -> Result<(), WriteError> {
        self.lost.clone().map_or(Ok(()), |why| Err(WriteError::Lost(why)))
    }

    fn send(&self, command: Command) {
        // A missing thread is noticed where its answer is awaited.
        let _ = self.commands.send((self.number, command));
    }

    /// Sends the next rows of the current file; waits while the database has enough of them.
    pub(crate) fn append(&mut self, block: Batch, watch: &mut Watch) -> Result<(), WriteError> {
        self.check()?;
        self.send(Command::Load(LoadCommand::Block(block)));
        self.waiting += 1;
        while self.waiting > WAITING {
            match self.answer(watch)? {
                Answer::Taken => self.waiting -= 1,
                Answer::Failing => {
                    self.send(Command::Load(LoadCommand::RollBack));
                    return self.end(watch);
                }
                Answer::Opened(..) | Answer::Ended(_) => return Err(gone()),
            }
        }
        Ok(())
    }

    /// Commits the rows of the current file, with its entry.
    pub(crate) fn commit(&mut self, entry: Entry, watch: &mut Watch) -> Result<(), WriteError> {
        self.check()?;
        self.send(Command::Load(LoadCommand::Commit(entry)));
        self.end(watch)
    }

    /// Waits until the transaction is over.
    fn end(&mut self, watch: &mut Watch) -> Result<(), WriteError> {
        loop {
            if let Answer::Ended(result) = self.answer(watch)? {
                self.is_begun = false;
                return result.map_err(|error| match error {
                    DatabaseError::File(problem) => WriteError::Failed(problem),
                    DatabaseError::Lost(problem) => {
                        self.lost = Some(problem.clone());
                        WriteError::Lost(problem)
                    }
                });
            }
        }
    }

    /// The next answer about the last transaction.
    fn answer(&mut self, watch: &mut Watch) -> Result<Answer, WriteError> {
        loop {
            let error = match self.answers.recv_timeout(TICK) {
                Ok((number, answer)) if number == self.number => return Ok(answer),
                Ok(_) => continue,
                Err(RecvTimeoutError::Timeout) => match watch.tick() {
                    Ok(()) => continue,
                    Err(_) => WriteError::Interrupted,
                },
                Err(RecvTimeoutError::Disconnected) => gone(),
            };
            self.lost = Some(unknown());
            return Err(error);
        }
    }

    /// Rolls back the current file, if there is one, and waits until that is done.
    ///
    /// # Errors
    /// If it is not known to be done.
    pub(crate) fn roll_back(&mut self, watch: &mut Watch) -> Result<(), WriteError> {
        if !self.is_begun {
            return Ok(());
        }
        self.check()?;
        self.no_wait.store(true, Ordering::Relaxed);
        self.send(Command::Load(LoadCommand::RollBack));
        let ended = self.end(watch);
        self.no_wait.store(false, Ordering::Relaxed);
        match ended {
            // The load failed before, so nothing of the file is there.
            Err(WriteError::Failed(_)) => Ok(()),
            ended => ended,
        }
    }
}

/// Why a store serves nobody.
fn unknown() -> Problem {
    Problem::new("what the database has of the file before is not known")
        .hint(Hint::words("run again with ").and_on("resume").and(", which looks"))
}

fn gone() -> WriteError {
    WriteError::Lost("the thread that writes to the database ended".into())
}

impl Drop for Store {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.no_wait.store(true, Ordering::Relaxed);
        // A transaction that is under way is rolled back when there is nothing to receive any more.
        self.commands = channel().0;
        if !self.is_gone_after(PATIENCE) {
            (self.cancel)();
        }
        if self.is_gone_after(GRACE) {
            let _ = thread.join();
        }
    }
}

impl Store {
    /// Returns whether the thread ends within this time.
    fn is_gone_after(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            match self.answers.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }
}

/// The thread's loop.
fn serve(mut database: impl Database, inbox: &Receiver<Of<Command>>, outbox: &Sender<Of<Answer>>) {
    while let Ok((number, command)) = inbox.recv() {
        // Requests for an earlier transaction are ignored.
        let Command::Begin(columns) = command else { continue };
        let mut is_over = false;
        let mut next = || match inbox.recv() {
            Ok((_, Command::Load(LoadCommand::Block(block)))) => {
                let _ = outbox.send((number, Answer::Taken));
                LoadCommand::Block(block)
            }
            Ok((_, Command::Load(last))) => {
                is_over = true;
                last
            }
            Ok((_, Command::Begin(_))) | Err(_) => {
                is_over = true;
                LoadCommand::RollBack
            }
        };
        let result = database.load(&columns, &mut next);
        if !is_over {
            let _ = outbox.send((number, Answer::Failing));
            while matches!(inbox.recv(), Ok((_, Command::Load(LoadCommand::Block(_))))) {}
        }
        if outbox.send((number, Answer::Ended(result))).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
