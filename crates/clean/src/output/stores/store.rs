//! A table as a sink: a thread writes to the database, so that the parent goes on while that is slow.
//!
//! ```text
//!   parent   begin ─► block ─► block ─► commit or roll back      the next file
//!              │        │ ◄─ taken        │ ◄─ ended: Ok, or why nothing of the file is there
//!   thread   Database::load: one transaction, with the rows, then the file's entry
//! ```
//! What holds whatever is slow, and whoever gives up:
//!
//! * Each `begin` starts a transaction with a number of its own. It is ended by one `commit` or `roll_back`, and
//!   has one `Ended`. An answer about another transaction than the last one is thrown away.
//! * A transaction that cannot go on is rolled back at once; the parent hears of it with its next block.
//! * A store serves another file only when the end of the one before is known. If it is not, since nobody wanted
//!   to wait or the database was lost, all that is asked of the store fails.
//! * The thread has ended when the store is dropped: nothing is written to the database after a job. Only a
//!   database that answers neither a statement nor its cancellation is left alone after [`PATIENCE`] and [`GRACE`];
//!   the thread then finds that it is to roll back.

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
use crate::output::stores::sql::{check_columns, quoted, twice};
use crate::watch::{TICK, Watch};

/// How many blocks wait for the database at most.
const WAITING: usize = 2;

/// How long a statement may go on when the job ends, before it is cancelled.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a cancelled statement may take to end.
const GRACE: Duration = Duration::from_secs(8);

/// The table of the inputs that are done. All databases understand these statements.
pub(crate) const FILES: &str = "CREATE TABLE IF NOT EXISTS manyhands_files (
    table_name text NOT NULL, path text NOT NULL, size bigint NOT NULL, hash text NOT NULL,
    recipe_hash text NOT NULL, rows_in bigint NOT NULL, rows_out bigint NOT NULL,
    rows_rejected bigint NOT NULL, UNIQUE (table_name, path, hash, recipe_hash))";

/// What [`entry`] takes, of the inputs in one table.
pub(crate) const ENTRIES: &str =
    "SELECT path, hash, recipe_hash, size, rows_in, rows_out, rows_rejected
    FROM manyhands_files WHERE table_name = $1";

pub(crate) const ADD_ENTRY: &str =
    "INSERT INTO manyhands_files VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// An entry of what [`ENTRIES`] selects; databases have signed numbers only.
pub(crate) fn entry([path, hash, recipe_hash]: [String; 3], counts: [i64; 4]) -> Entry {
    let [size, rows_in, rows_out, rows_rejected] = counts.map(i64::cast_unsigned);
    Entry { path, hash, recipe_hash, size, rows_in, rows_out, rows_rejected, ..Entry::default() }
}

/// The counts of an entry, in that order.
pub(crate) fn counts(entry: &Entry) -> [i64; 4] {
    [entry.size, entry.rows_in, entry.rows_out, entry.rows_rejected].map(u64::cast_signed)
}

/// The statement that makes a table, by its quoted name and its columns' names and types.
pub(crate) fn create(table: &str, columns: &[(String, String)]) -> String {
    let columns: Vec<String> =
        columns.iter().map(|(name, kind)| format!("{} {kind}", quoted(name))).collect();
    format!("CREATE TABLE {table} ({})", columns.join(", "))
}

/// Names of columns and what a database calls their types.
pub(crate) type Declarations = Vec<(String, String)>;

/// The table and the entries that the inputs of a dry run would have made in a database so far.
#[derive(Default)]
pub(crate) struct Pretended {
    /// The columns of the table, if one of the inputs would have made it.
    made: Option<Declarations>,
    /// The unique parts of the entries.
    entries: HashSet<[String; 3]>,
}

impl Pretended {
    /// Compares columns with those of the table, as loading them does; true if the table is there.
    pub(crate) fn check(
        &self,
        table: &str,
        known: &[(String, String)],
        wanted: &[(String, String)],
    ) -> Result<bool, Wrong> {
        let known = self.made.as_deref().unwrap_or(known);
        if !known.is_empty() {
            check_columns(table, known, wanted).map_err(Wrong::file)?;
        }
        Ok(!known.is_empty())
    }

    /// Goes through a load whose columns were checked; no block is looked at.
    pub(crate) fn load(
        &mut self,
        table: &str,
        columns: Declarations,
        next: &mut dyn FnMut() -> Next,
    ) -> Result<(), Wrong> {
        let Entry { path, hash, recipe_hash, .. } = loop {
            match next() {
                Next::Block(_) => {}
                Next::Commit(entry) => break entry,
                Next::RollBack => return Ok(()),
            }
        };
        if !self.entries.insert([path, hash, recipe_hash]) {
            return Err(Wrong::File(twice(table)));
        }
        if !columns.is_empty() {
            self.made.get_or_insert(columns);
        }
        Ok(())
    }
}

/// What a database is given for the file it loads.
pub(crate) enum Next {
    Block(Batch),
    Commit(Entry),
    RollBack,
}

/// Why a file was not loaded.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// The file's own mistake, or one that the next file may not meet. Nothing of the file is in the
    /// database.
    File(Problem),
    /// The database cannot be reached any more, or what it has of the file is not known.
    Lost(Problem),
}

impl Wrong {
    pub(crate) fn file(problem: impl Into<Problem>) -> Wrong {
        Wrong::File(problem.into())
    }

    pub(crate) fn lost(problem: impl Into<Problem>) -> Wrong {
        Wrong::Lost(problem.into())
    }
}

/// Cancels the statement that a database works on, if there is one; called by another thread.
pub(crate) type Cancel = Box<dyn Fn() + Send>;

/// A database with a table in it.
pub(crate) trait Database {
    /// A way to end a statement that takes too long.
    fn cancel(&self) -> Cancel;

    /// What is known of the inputs that are in the table.
    fn entries(&mut self) -> Result<Vec<Entry>, Wrong>;

    /// Loads a file in one transaction: the rows of all blocks, then the entry, with which it is
    /// committed. The table is made if it is missing, and compared with the columns if it is not.
    /// If there are no columns, there are no blocks.
    fn load(&mut self, columns: &[Column], next: &mut dyn FnMut() -> Next) -> Result<(), Wrong>;
}

enum Command {
    Begin(Vec<Column>),
    Next(Next),
}

enum Answer {
    /// It can be used; what is in the table already.
    Opened(Vec<Entry>, Cancel),
    Taken,
    /// It cannot go on: what comes for it is thrown away.
    Failing,
    Ended(Result<(), Wrong>),
}

/// What is asked or answered, and of which transaction.
type Of<T> = (u64, T);

/// The parent's end of a database.
pub(crate) struct Store {
    /// By the inputs' paths.
    entries: HashMap<String, Vec<Entry>>,
    commands: Sender<Of<Command>>,
    answers: Receiver<Of<Answer>>,
    /// While set, locks of other connections are not waited for.
    hurry: Arc<AtomicBool>,
    cancel: Cancel,
    /// None until the database is open: nothing can be written by then.
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
    /// Opens a database in the thread, so that it can be waited for. `open` is given a flag that is
    /// set when others' locks are not to be waited for.
    pub(crate) fn new<D: Database>(
        open: impl FnOnce(Arc<AtomicBool>) -> Result<D, Wrong> + Send + 'static,
        watch: &mut Watch,
    ) -> Result<Store, WriteError> {
        let hurry = Arc::new(AtomicBool::new(false));
        let (commands, inbox) = channel();
        let (outbox, answers) = channel();
        let given = Arc::clone(&hurry);
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
                Err(wrong) => drop(outbox.send((0, Answer::Ended(Err(wrong))))),
            }
        };
        let thread = thread::Builder::new().name("manyhands-store".into()).spawn(serve);
        let thread =
            thread.map_err(|error| WriteError::of(format!("cannot start a thread: {error}")))?;
        let mut store = Store {
            entries: HashMap::new(),
            commands,
            answers,
            hurry,
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
            Ok(Answer::Ended(Err(Wrong::File(why) | Wrong::Lost(why)))) => {
                Err(WriteError::Failed(why))
            }
            Ok(_) => Err(gone()),
            Err(error) => {
                store.hurry.store(true, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// What was known when it was opened of an input that is in the table.
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
    /// If it serves nobody any more.
    fn check(&self) -> Result<(), WriteError> {
        self.lost.clone().map_or(Ok(()), |why| Err(WriteError::Lost(why)))
    }

    fn send(&self, command: Command) {
        // A thread that is gone is seen where its answer is waited for.
        let _ = self.commands.send((self.number, command));
    }

    /// Hands on the rows of the file that was begun; waits while the database has enough of them.
    pub(crate) fn append(&mut self, block: Batch, watch: &mut Watch) -> Result<(), WriteError> {
        self.check()?;
        self.send(Command::Next(Next::Block(block)));
        self.waiting += 1;
        while self.waiting > WAITING {
            match self.answer(watch)? {
                Answer::Taken => self.waiting -= 1,
                Answer::Failing => {
                    self.send(Command::Next(Next::RollBack));
                    return self.end(watch);
                }
                Answer::Opened(..) | Answer::Ended(_) => return Err(gone()),
            }
        }
        Ok(())
    }

    /// Makes the rows of the file that was begun appear, with its entry.
    pub(crate) fn commit(&mut self, entry: Entry, watch: &mut Watch) -> Result<(), WriteError> {
        self.check()?;
        self.send(Command::Next(Next::Commit(entry)));
        self.end(watch)
    }

    /// Waits until the transaction is over.
    fn end(&mut self, watch: &mut Watch) -> Result<(), WriteError> {
        loop {
            if let Answer::Ended(result) = self.answer(watch)? {
                self.is_begun = false;
                return result.map_err(|wrong| match wrong {
                    Wrong::File(problem) => WriteError::Failed(problem),
                    Wrong::Lost(problem) => {
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

    /// Takes back what the file that was begun has put in, if there is one; waits until that is done.
    ///
    /// # Errors
    /// If it is not known to be done.
    pub(crate) fn roll_back(&mut self, watch: &mut Watch) -> Result<(), WriteError> {
        if !self.is_begun {
            return Ok(());
        }
        self.check()?;
        self.hurry.store(true, Ordering::Relaxed);
        self.send(Command::Next(Next::RollBack));
        let ended = self.end(watch);
        self.hurry.store(false, Ordering::Relaxed);
        match ended {
            // It failed on the way, and so nothing of it is there.
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
        self.hurry.store(true, Ordering::Relaxed);
        // Whatever was begun is rolled back where there is nothing to receive any more.
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
    /// Whether the thread ends within some time.
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

/// What the thread does.
fn serve(mut database: impl Database, inbox: &Receiver<Of<Command>>, outbox: &Sender<Of<Answer>>) {
    while let Ok((number, command)) = inbox.recv() {
        // What was meant for a transaction that is over says nothing to the next.
        let Command::Begin(columns) = command else { continue };
        let mut is_over = false;
        let mut next = || match inbox.recv() {
            Ok((_, Command::Next(Next::Block(block)))) => {
                let _ = outbox.send((number, Answer::Taken));
                Next::Block(block)
            }
            Ok((_, Command::Next(last))) => {
                is_over = true;
                last
            }
            Ok((_, Command::Begin(_))) | Err(_) => {
                is_over = true;
                Next::RollBack
            }
        };
        let result = database.load(&columns, &mut next);
        if !is_over {
            let _ = outbox.send((number, Answer::Failing));
            while matches!(inbox.recv(), Ok((_, Command::Next(Next::Block(_))))) {}
        }
        if outbox.send((number, Answer::Ended(result))).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
