//! Opening an SQLite database so that servers which may not write can read it, whatever has become of akund.
//!
//! The readers (Postfix, Dovecot, FreeRADIUS) run as users of their own, without write permission. In WAL mode such a reader
//! needs the `-wal` and `-shm` files to be there (<https://sqlite.org/wal.html>, "Read-Only Databases"), and SQLite deletes
//! both when the last connection closes, unless that connection was told to keep them. Every connection that writes is
//! therefore opened here, in WAL mode and with `SQLITE_FCNTL_PERSIST_WAL`: it can be read while akund holds it open, after akund
//! has closed it, and after akund was killed in mid-transaction.

use super::lite::{BUSY, Lite};
use super::{Kind, Schema, Session, Stop, Trouble};
use crate::durable;
use crate::model::{Fault, FaultClass};
use nix::unistd::{Uid, User};
use rusqlite::{Connection, OpenFlags, ffi};
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

/// The WAL is cut back to this after a checkpoint, bytes; to nothing on a clean close.
const WAL_LIMIT: i64 = 16 * 1024 * 1024;
const STATEMENTS: usize = 64;
/// The table that says which version of the tables it is: a file has one kind of target.
const VERSIONS: &str = "akund_schema";

/// One SQLite database with its one writing connection, opened when first needed and again after it was lost.
#[derive(Debug)]
pub struct Store {
    target: String,
    path: PathBuf,
    mode: u32,
    schema: Schema,
    expected: AtomicBool,
    writer: Mutex<Option<Writer>>,
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    /// Device and inode, to notice that the file was replaced underneath.
    file: (u64, u64),
}

impl Store {
    /// Describes the database of a target; touches nothing yet.
    pub fn new(target: &str, path: &Path, mode: u32, schema: Schema) -> Self {
        let (target, path) = (target.to_owned(), path.to_owned());
        Self { target, path, mode, schema, expected: AtomicBool::new(false), writer: Mutex::new(None) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The target that it belongs to.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The permission bits that database, `-wal` and `-shm` get.
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// The tables that it should have.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// There must be accounts: what held them is not made anew.
    pub(super) fn expect_accounts(&self) {
        self.expected.store(true, Ordering::Relaxed);
    }

    /// A sentence for a file, or tables in it, that were there once: `found` is the version that is noted, in a file that is there.
    pub(super) fn lost(&self, there: Option<(&mut dyn Session, i64)>) -> Result<Option<String>, Trouble> {
        let (at, expected) = (self.path.display(), self.expected.load(Ordering::Relaxed));
        Ok(match there {
            Some((db, found)) => {
                let lost = self.schema.lost(db, found, expected)?;
                lost.map(|lost| self.schema.has_lost(&at, &lost.cause))
            }
            None => expected.then(|| self.schema.has_lost(&at, "there is no such file")),
        })
    }

    /// Transient: the file is gone, and will not be made anew.
    fn unless_gone(&self) -> Result<(), Fault> {
        match self.lost(None) {
            Ok(Some(lost)) if !self.path.exists() => Err(Fault::transient(lost)),
            _ => Ok(()),
        }
    }

    /// A sentence for a file that another user's program made in passing: SQLite makes what it cannot find, where it may.
    pub(super) fn made_by_another(&self) -> Option<String> {
        let meta = fs::metadata(&self.path).ok().filter(|meta| meta.len() == 0)?;
        let owner = Uid::from_raw(meta.uid());
        if owner == Uid::effective() {
            return None;
        }
        let owner = User::from_uid(owner).ok().flatten().map_or_else(|| owner.to_string(), |user| user.name);
        Some(format!(
            "the database {} is empty and belongs to {owner}: a server that reads it (Postfix does so) made it before akund \
             did; stop that server, remove the file, start akund, then the server",
            self.path.display()
        ))
    }

    /// Does something with the writing connection, opening it (and making the database, and tables that are missing) if need be.
    ///
    /// # Errors
    /// What the work was stopped by; or a fault, where the connection could not be opened: transient (disk full, read-only, busy,
    /// input/output) or permanent (not a database, damaged, of a newer akund, somebody else's tables).
    pub fn with_writer<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Stop>) -> Result<T, Stop> {
        let mut slot = self.lock();
        self.forget_if_replaced(&mut slot);
        if slot.is_none() {
            *slot = Some(self.open_writer().map_err(|stop| self.explain("opening it", stop))?);
        }
        let Some(writer) = slot.as_ref() else {
            return Err(Fault::transient("its database is not open").into());
        };
        let result = work(&writer.connection);
        if !writer.connection.is_autocommit() {
            let _ = writer.connection.execute_batch("ROLLBACK");
        }
        if result.as_ref().is_err_and(|stop| stop.is(Kind::Disconnected) || stop.is(Kind::NoTable)) {
            *slot = None;
        }
        result
    }

    /// Closes the writing connection: the next use opens it anew, and looks at the tables first.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    /// Opens a new connection that can only read, as the servers do.
    ///
    /// # Errors
    /// As [`Self::with_writer`]; a missing file is transient.
    pub fn reader(&self) -> Result<Connection, Fault> {
        self.unless_gone()?;
        let open = || -> Result<Connection, rusqlite::Error> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(BUSY)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            Ok(connection)
        };
        open().map_err(|e| self.explain("opening it for reading", e.into()))
    }

    /// A fault from what stopped some work on this database.
    pub fn explain(&self, doing: &str, stop: Stop) -> Fault {
        match stop {
            Stop::Fault(fault) => fault,
            Stop::Trouble(trouble) => {
                let message = format!("database {}: {doing} failed: {}", self.path.display(), trouble.cause);
                Fault { class: trouble.class, message }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(|poisoned| {
            // A panic in mid-transaction: closing the connection takes back what it had begun.
            let mut slot = poisoned.into_inner();
            *slot = None;
            self.writer.clear_poison();
            slot
        })
    }

    fn forget_if_replaced(&self, slot: &mut Option<Writer>) {
        let now = fs::metadata(&self.path).ok().map(|m| (m.dev(), m.ino()));
        if slot.as_ref().is_some_and(|writer| Some(writer.file) != now) {
            *slot = None;
        }
    }

    fn open_writer(&self) -> Result<Writer, Stop> {
        self.make_file()?;
        if let Some(words) = self.made_by_another() {
            return Err(Fault::transient(words).into());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        keep_wal_files(&connection)?;
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(Fault::permanent(format!(
                "the database {} cannot be put into WAL mode (it stays in {mode}); is it on a network file system?",
                self.path.display()
            ))
            .into());
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "journal_size_limit", WAL_LIMIT)?;
        self.prepare_schema(&connection)?;
        self.set_modes()?;
        let meta = fs::metadata(&self.path).map_err(|e| self.io("looking at it", &e))?;
        Ok(Writer { connection, file: (meta.dev(), meta.ino()) })
    }

    /// Makes an empty file with the right mode before SQLite sees it, so that it never exists with a wider one.
    fn make_file(&self) -> Result<(), Fault> {
        if self.path.exists() {
            return Ok(());
        }
        self.unless_gone()?;
        let dir = self.path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let searchable = self.mode | ((self.mode & 0o444) >> 2);
        durable::make_dir(dir, searchable).map_err(|e| self.io("making its directory", &e))?;
        match OpenOptions::new().write(true).create_new(true).mode(self.mode).open(&self.path) {
            Ok(file) => {
                file.set_permissions(Permissions::from_mode(self.mode)).map_err(|e| self.io("making it", &e))?
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(self.io("making it", &e)),
        }
        durable::sync_dir(dir).map_err(|e| self.io("making it", &e))
    }

    fn prepare_schema(&self, db: &Connection) -> Result<(), Stop> {
        let found = schema_version(db)?;
        if found > self.schema.version {
            return Err(Fault::permanent(format!(
                "the database {} was made by a newer akund (schema {found}, this one knows {})",
                self.path.display(),
                self.schema.version
            ))
            .into());
        }
        let db = &mut Lite(db);
        db.run("BEGIN IMMEDIATE", &[])?;
        let fits = self.make_tables(db, found);
        db.run(if fits.is_ok() { "COMMIT" } else { "ROLLBACK" }, &[])?;
        fits
    }

    /// Makes what is missing and looks whether what was there fits; in the caller's transaction.
    fn make_tables(&self, db: &mut dyn Session, found: i64) -> Result<(), Stop> {
        if let Some(lost) = self.lost(Some((db, found)))? {
            return Err(Fault::transient(lost).into());
        }
        let mut make = || {
            if found < self.schema.version {
                self.schema.make(db, VERSIONS)?;
            }
            self.schema.first_wrong(db)?.map_or(Ok(()), Err)
        };
        make().map_err(|trouble| self.foreign(trouble))
    }

    /// A schema that does not fit is somebody else's database.
    fn foreign(&self, trouble: Trouble) -> Stop {
        if trouble.kind == Kind::Disconnected || trouble.class != FaultClass::Permanent {
            return trouble.into();
        }
        Stop::Fault(Fault::permanent(format!(
            "the database {} has tables that are not akund's ({}): give akund a file of its own",
            self.path.display(),
            trouble.cause
        )))
    }

    /// SQLite gives `-wal` and `-shm` the database's mode when it makes them; a mode changed since then is put right here.
    fn set_modes(&self) -> Result<(), Fault> {
        for path in [self.path.clone(), beside(&self.path, "-wal"), beside(&self.path, "-shm")] {
            let Ok(meta) = fs::metadata(&path) else { continue };
            if meta.mode() & 0o7777 != self.mode {
                fs::set_permissions(&path, Permissions::from_mode(self.mode))
                    .map_err(|e| self.io(&format!("setting mode {:04o} of {}", self.mode, path.display()), &e))?;
            }
        }
        Ok(())
    }

    fn io(&self, doing: &str, error: &std::io::Error) -> Fault {
        Fault::transient(format!("database {}: {doing} failed: {error}", self.path.display()))
    }
}

/// The file that SQLite keeps beside the database.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The version in `akund_schema`; 0 where there is none.
pub fn schema_version(db: &Connection) -> rusqlite::Result<i64> {
    let there: bool =
        db.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ?1)", [VERSIONS], |r| r.get(0))?;
    if !there {
        return Ok(0);
    }
    db.query_row(&format!("SELECT coalesce(max(version), 0) FROM {VERSIONS}"), [], |r| r.get(0))
}

/// Reads permission bits from the configuration: `"0640"` and the like.
///
/// # Errors
/// A sentence, for what is not octal, does not let akund read and write, or lets others write.
pub fn parse_mode(text: &str) -> Result<u32, String> {
    let mode =
        u32::from_str_radix(text, 8).map_err(|_| format!("mode {text:?} is not octal; expected one like \"0640\""))?;
    if mode & 0o600 != 0o600 || mode & !0o644 != 0 {
        return Err(format!(
            "mode {text:?} will not do: akund must read and write, others may only read (0600, 0640 or 0644)"
        ));
    }
    Ok(mode)
}

/// Tells SQLite to leave `-wal` and `-shm` where they are when this connection closes.
///
/// The only `unsafe` in akund: rusqlite has no call for this file control.
#[allow(unsafe_code)]
fn keep_wal_files(connection: &Connection) -> Result<(), rusqlite::Error> {
    let mut on: std::ffi::c_int = 1;
    // SAFETY: the handle is that of an open connection, borrowed for the whole call and used by this thread alone
    // (`&Connection` is not `Sync`); the schema name is NUL-terminated and static; SQLITE_FCNTL_PERSIST_WAL reads and writes
    // exactly one int behind the pointer, which outlives the call, and keeps neither pointer.
    let code = unsafe {
        ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_PERSIST_WAL,
            (&raw mut on).cast(),
        )
    };
    if code == ffi::SQLITE_OK && on == 1 {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("the -wal file cannot be made to stay".into())))
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
