//! Dry runs: predicts how a load into a SQLite database would fail, and writes nothing.
//!
//! The database is opened for reading only, and the statements of a load are compiled but not run. So SQLite
//! itself reports the names and columns that a load would fail by. A missing file is not created; an empty
//! database in memory replaces it.
//!
//! SQLite creates files beside a database even to read it: a database in WAL mode has a `-wal` and a `-shm`
//! file. If they are missing, nobody writes, and the file is read as one that does not change. Only a writer
//! can repair what a killed program left half done, so a dry run of such a database fails.

use std::os::unix::ffi::OsStrExt;

use rusqlite::OpenFlags;
use rusqlite::ffi;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

use super::*;
use crate::output::stores::store::SimulatedTable;
use crate::paths::directory_of;

/// The byte of a database that a writer locks, and the byte of a `-shm` file in WAL mode.
const RESERVED: u64 = 0x4000_0001;
const RESERVED_IN_WAL: u64 = 120;

/// Opens a database for a dry run.
pub(crate) fn open_dry_run(
    path: &Path,
    table: &str,
    watch: &mut Watch,
) -> Result<Box<dyn RowStore>, WriteError> {
    let name = table;
    let (path, table) = (path.to_owned(), table.to_owned());
    Ok(Box::new(Table::new(
        Store::new(move |no_wait| DryRun::open(path, table, no_wait), watch)?,
        name,
    )))
}

struct DryRun {
    /// Its connection cannot write.
    database: Sqlite,
    /// The file in which writers lock a byte. It is dropped after the connection, since closing it releases
    /// this process's locks on it.
    locked: Option<(File, u64)>,
    simulated: SimulatedTable,
}

impl DryRun {
    fn open(
        path: PathBuf,
        table: String,
        no_wait: Arc<AtomicBool>,
    ) -> Result<DryRun, DatabaseError> {
        let failed = |error| cannot_open(&path, database_error(error));
        let directory = directory_of(&path);
        if !path.exists() && is_writable(directory) {
            let connection = Connection::open_in_memory().map_err(failed)?;
            let database = Sqlite { connection, path, table, no_wait };
            return Ok(DryRun { database, locked: None, simulated: SimulatedTable::default() });
        }
        // SQLite's extra files are beside the file that a link leads to.
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        let beside = |ending: &str| {
            let mut name = real.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        let (wal, shm) = (beside("-wal"), beside("-shm"));
        let first = first_bytes(&path).unwrap_or_default();
        let is_wal = first.len() > 18 && first[18] == 2;
        let is_logged = wal.metadata().is_ok_and(|wal| wal.len() > 0);
        if is_wal && is_logged && !shm.exists() {
            return Err(unrepaired(&path));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = if is_wal && (!wal.exists() || !shm.exists()) {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(unchanging(&real), flags)
        } else {
            Connection::open_with_flags(place(&path), flags)
        };
        let connection = connection.map_err(failed)?;
        connection.busy_timeout(LOOK).map_err(failed)?;
        let (file, byte) = if is_wal { (&shm, RESERVED_IN_WAL) } else { (&real, RESERVED) };
        let locked = File::open(file).ok().map(|file| (file, byte));
        let database = Sqlite { connection, path, table, no_wait };
        Ok(DryRun { database, locked, simulated: SimulatedTable::default() })
    }

    /// Returns whether another process writes, or is about to.
    fn is_written(&self) -> bool {
        let Some((file, start)) = &self.locked else { return false };
        let lock = Flock {
            start: *start,
            length: 1,
            pid: None,
            typ: FlockType::ReadLock,
            offset_type: FlockOffsetType::Set,
        };
        fcntl_getlk(file, &lock).is_ok_and(|held| held.is_some())
    }

    /// Waits for writers as long as a load does.
    fn wait_for_writers(&self) -> Result<(), DatabaseError> {
        self.database.patiently(|_| {
            if !self.is_written() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
            Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None))
        })
    }

    /// Compiles a statement.
    fn compile(&self, statement: &str) -> Result<(), DatabaseError> {
        self.database.patiently(|connection| connection.prepare(statement).map(drop))
    }

    /// # Errors
    /// If the file could not be written.
    fn check_rights(&self) -> Result<(), DatabaseError> {
        let path = &self.database.path;
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        // A journal is created beside the file.
        if is_writable(directory_of(&real)) && (!real.exists() || is_writable(&real)) {
            return Ok(());
        }
        let code = ffi::Error::new(ffi::SQLITE_READONLY);
        Err(database_error(rusqlite::Error::SqliteFailure(
            code,
            Some("attempt to write a readonly database".into()),
        )))
    }

    /// Checks the statements of a load in their order.
    fn check(&self, columns: &[Column], wanted: &[(String, String)]) -> Result<(), DatabaseError> {
        let Sqlite { table, .. } = &self.database;
        self.wait_for_writers()?;
        let has_files = self
            .database
            .patiently(|connection| connection.table_exists(None, "manyhands_files"))?;
        if !has_files {
            self.compile(FILES)?;
            self.check_rights()?;
        }
        if !columns.is_empty() {
            let known = self.database.columns_there()?;
            if !self.simulated.check(table, &known, wanted)? {
                self.compile(&create(&quoted(table), wanted))?;
            } else if !known.is_empty() {
                self.compile(&self.database.insert(columns))?;
            }
        }
        if has_files {
            self.compile(ADD_ENTRY)?;
        }
        self.check_rights()
    }
}

/// The address of a file that SQLite reads without watching for changes, and so without extra files beside
/// it.
fn unchanging(path: &Path) -> String {
    let mut address = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => address.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => address.push(char::from(*byte)),
            byte => address += &format!("%{byte:02X}"),
        }
    }
    address + "?immutable=1"
}

fn is_writable(path: &Path) -> bool {
    accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

/// The error for a database that a killed program left half written.
fn unrepaired(path: &Path) -> DatabaseError {
    let path = path.display();
    let problem = Problem::new(format!(
        "cannot look into {path}: a program that wrote to it was killed, and a dry run does not repair it"
    ));
    DatabaseError::File(
        problem.hint(Hint::words(format!("a run repairs it, and so does: sqlite3 {path} .tables"))),
    )
}

impl Database for DryRun {
    fn cancel(&self) -> Cancel {
        self.database.cancel()
    }

    fn entries(&mut self) -> Result<Vec<Entry>, DatabaseError> {
        let Sqlite { path, table, .. } = &self.database;
        let found = self.database.patiently(|connection| match entries(connection, table) {
            Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == ErrorCode::ReadOnly => {
                Ok(None)
            }
            result => result.map(Some),
        });
        found.map_err(|error| cannot_open(path, error))?.ok_or_else(|| unrepaired(path))
    }

    fn load(
        &mut self,
        columns: &[Column],
        next: &mut dyn FnMut() -> LoadCommand,
    ) -> Result<(), DatabaseError> {
        let wanted = declarations(columns, declared);
        self.check(columns, &wanted)?;
        self.simulated.load(&self.database.table, wanted, next)
    }
}
