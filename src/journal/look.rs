//! Whether the journal's file is what it should be: a look that is cheap enough for `akund check`.

use super::JournalError;
use super::read::Reader;
use rusqlite::OptionalExtension;
use std::io::Read;
use std::path::Path;

/// How every SQLite database begins (<https://sqlite.org/fileformat.html>, 1.3).
const MAGIC: &[u8] = b"SQLite format 3\0";
/// A file of up to so many bytes is looked through page by page; of a larger one only where each table begins and the last event.
const WHOLE: u64 = 32 * 1024 * 1024;

impl Reader {
    /// Looks at a journal at rest or at work. Changes nothing.
    ///
    /// # Errors
    /// Where it cannot be read, or is not whole.
    pub fn look(path: &Path) -> Result<(), JournalError> {
        let unusable = |cause: String| JournalError::Unusable { path: path.to_owned(), cause };
        let damaged = |error: rusqlite::Error| unusable(format!("it is damaged: {error}; put a backup back"));
        let mut file = std::fs::File::open(path).map_err(|error| unusable(format!("it cannot be opened: {error}")))?;
        let size = file.metadata().map_err(|error| unusable(format!("it cannot be looked at: {error}")))?.len();
        // A log beside the file may hold the first page, so that SQLite itself does not miss it.
        let mut begins = [0; 16];
        let read = file.read_exact(&mut begins);
        if size > 0 && (read.is_err() || begins != MAGIC) {
            return Err(unusable("it is damaged: it does not begin as an SQLite database; put a backup back".into()));
        }
        let reader = Self::open_untouched(path)?;
        let journal = &reader.connection;
        let mut names =
            journal.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0").map_err(damaged)?;
        let names = names.query_map([], |row| row.get(0)).map_err(damaged)?;
        let names: Vec<String> = names.collect::<Result<_, _>>().map_err(damaged)?;
        for name in names {
            let sql = format!("SELECT 1 FROM \"{}\" LIMIT 1", name.replace('"', "\"\""));
            journal.query_row(&sql, [], |_| Ok(())).optional().map_err(damaged)?;
        }
        reader.head()?;
        if size <= WHOLE {
            let found: String = journal.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(damaged)?;
            if found != "ok" {
                return Err(unusable(format!("it is damaged: {}; put a backup back", found.trim())));
            }
        }
        Ok(())
    }
}
