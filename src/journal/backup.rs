//! A copy of the journal while it is written to.
//!
//! The copy is of one moment: it is made under one read transaction of WAL, which keeps no writer waiting (meanwhile the log is not
//! cut, and grows by what is written). It goes page by page, so that memory does not grow with the journal. It is made under a
//! temporary name, marked as a copy ([`super::restored`]), verified, synced, and only then given its name, which must be free.
//!
//! The key that seals secrets is not in it.

use super::read::Reader;
use super::restored::{self, CopyMark};
use super::{Head, JournalError, schema};
use crate::durable;
use jiff::Timestamp;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Pages copied at once: 4 MiB.
const PAGES: i32 = 1024;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file cannot be made there; nothing was written.
    #[error("{0}")]
    Place(String),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The disk; what was written was removed.
    #[error("the copy cannot be written: {0}")]
    Io(#[from] io::Error),
    /// SQLite's words about the copy; it was removed.
    #[error("the copy cannot be made: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The copy is not good, nor is then the journal: its own defects are copied. It was removed.
    #[error("the copy is not good, and was removed: {0}")]
    Bad(String),
}

/// A good copy.
#[derive(Debug, Clone, Serialize)]
pub struct Copied {
    /// Where it is.
    pub file: PathBuf,
    /// Bytes.
    pub bytes: u64,
    /// The moment that it shows.
    pub at: Timestamp,
    /// Events in it.
    pub events: u64,
    /// The head of its audit chain.
    pub head: String,
    /// The id of the key that seals secrets in it, and is not in it; empty where the journal has none yet.
    pub key_id: String,
}

/// Copies the journal to `file`, with mode 0600. `keep_out` are directories of akund's own, where a copy would be taken for something else.
///
/// # Errors
/// [`BackupError`]; then there is no file of that name.
pub fn copy(journal: &Path, file: &Path, keep_out: &[PathBuf]) -> Result<Copied, BackupError> {
    let file = place(file, keep_out)?;
    let reader = Reader::open(journal)?;
    let temporary = durable::temporary_name(&file)?;
    let result = make(&reader, &temporary, &file);
    if result.is_err() {
        remove(&temporary);
    }
    result
}

/// The file's whole path, where it may be made.
fn place(file: &Path, keep_out: &[PathBuf]) -> Result<PathBuf, BackupError> {
    let no = |why: &str| Err(BackupError::Place(format!("{}: {why}", file.display())));
    if file.is_dir() {
        return no("it is a directory; name the file that the copy is to be");
    }
    let Some(name) = file.file_name() else { return no("it names no file") };
    let dir = durable::parent(file)
        .canonicalize()
        .map_err(|error| BackupError::Place(format!("{}: {error}", durable::parent(file).display())))?;
    for akunds in keep_out {
        if akunds.canonicalize().is_ok_and(|akunds| dir.starts_with(akunds)) {
            return no("this is akund's own directory; a copy must be kept elsewhere, best on another machine");
        }
    }
    let whole = dir.join(name);
    if whole.symlink_metadata().is_ok() {
        return no("it is there already; nothing is overwritten");
    }
    Ok(whole)
}

fn make(reader: &Reader, temporary: &Path, file: &Path) -> Result<Copied, BackupError> {
    remove(temporary);
    // SQLite would make it with the umask's mode.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(temporary, flags)?;
    // A copy that is not finished is removed: it needs no safety of its own until it is.
    copy.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -4096")?;
    let snapshot = reader.connection.unchecked_transaction()?;
    // A read transaction begins with its first read.
    let head = reader.head()?;
    let at = Timestamp::now();
    {
        let backup = Backup::new(&reader.connection, &mut copy)?;
        loop {
            match backup.step(PAGES)? {
                StepResult::Done => break,
                StepResult::More => crate::crash::point("backup-pages"),
                // The snapshot is ours alone, and so is the copy: it passes.
                _ => std::thread::sleep(std::time::Duration::from_millis(20)),
            }
        }
    }
    snapshot.finish()?;
    // One file, without a log beside it.
    copy.execute_batch("PRAGMA journal_mode = DELETE")?;
    restored::write_mark(&copy, CopyMark { at })?;
    copy.close().map_err(|(_, error)| error)?;
    let (events, key_id) = verify(temporary, head)?;
    crate::crash::point("backup-verified");
    let written = File::open(temporary)?;
    written.sync_all()?;
    let bytes = written.metadata()?.len();
    // A name that was taken meanwhile is not replaced.
    match fs::hard_link(temporary, file) {
        // A file system without links (vfat, some network shares).
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !file.exists() => fs::rename(temporary, file),
        linked => linked,
    }
    .map_err(durable::explain("give the copy its name", file))?;
    remove(temporary);
    durable::sync_dir(durable::parent(file))?;
    Ok(Copied { file: file.to_owned(), bytes, at, events, head: head.to_string(), key_id })
}

/// How many events there are, and the key's id.
fn verify(copy: &Path, head: Head) -> Result<(u64, String), BackupError> {
    let connection =
        Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let complaints: Vec<String> =
        connection.prepare("PRAGMA integrity_check(5)")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if complaints != ["ok"] {
        return Err(BackupError::Bad(complaints.join("; ")));
    }
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version != schema::VERSION {
        return Err(BackupError::Bad(format!("it has schema {version}")));
    }
    let key: Option<Vec<u8>> = restored::meta(&connection, "sealing-key")?;
    let verified = Reader { connection }.verify(Some(head))?;
    if !verified.good {
        return Err(BackupError::Bad(verified.deviations.join("; ")));
    }
    Ok((verified.events, key.map(|key| String::from_utf8_lossy(&key).into_owned()).unwrap_or_default()))
}

/// The file, and what SQLite may have left beside it.
fn remove(temporary: &Path) {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let mut name = temporary.as_os_str().to_owned();
        name.push(suffix);
        let _ = fs::remove_file(name);
    }
}
