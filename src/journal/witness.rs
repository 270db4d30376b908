//! How far the journal was, kept outside it: so that an older journal put back in its place is recognised.
//!
//! The head of the audit chain is written, after each commit, to `journal.head` beside the journal and to one more file elsewhere
//! (in the spool, which is seldom put back together with the journal). The write is not synced and comes after the commit's own
//! sync: so what a power cut leaves there is a head that the journal has had, never one that it has yet to reach. It may lag, which
//! costs nothing: a journal is suspect only where it has *not* the event that the file names.
//!
//! What this cannot see: a whole machine put back from a snapshot, both files with it. `akund journal restored` is for that.

use super::chain::Head;
use rusqlite::{Connection, OptionalExtension};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Every line has this length, so that a newer one covers an older one whole.
const LENGTH: usize = 128;

/// What the files said of a journal that has not the event that they name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Was {
    /// The event.
    pub head: Head,
    /// The journal has another event of that number: its history is another one. Else it ends before it.
    pub other: bool,
}

/// The files.
#[derive(Debug)]
pub struct Witness {
    files: Vec<(PathBuf, Option<File>)>,
    last: Head,
    told: bool,
}

impl Witness {
    /// Those beside the journal, and the other places.
    pub fn at(journal: &Path, others: &[PathBuf]) -> Self {
        let places = std::iter::once(journal.with_extension("head")).chain(others.iter().cloned());
        Self { files: places.map(|path| (path, None)).collect(), last: Head::START, told: false }
    }

    /// The furthest head that a file names and the journal has not. A file that cannot be read says nothing.
    pub fn look(&self, journal: &Connection) -> Result<Option<Was>, rusqlite::Error> {
        let mut furthest: Option<Was> = None;
        for (path, _) in &self.files {
            let said = match read(path) {
                Ok(said) => said,
                Err(error) => {
                    tracing::warn!(file = %path.display(), %error, "how far the journal was cannot be read");
                    None
                }
            };
            let Some(head) = said else { continue };
            let there: Option<[u8; 32]> = journal
                .query_row("SELECT hash FROM event WHERE seq = ?1", [head.seq.cast_signed()], |row| row.get(0))
                .optional()?;
            let was = Was { head, other: there.is_some() };
            if there != Some(head.hash) && furthest.is_none_or(|before| before.head.seq < head.seq) {
                furthest = Some(was);
            }
        }
        Ok(furthest)
    }

    /// Writes the head of a commit that is on the disk. A file that cannot be written lags, and is told once.
    pub fn committed(&mut self, head: Head) {
        if head == self.last {
            return;
        }
        self.last = head;
        let line = format!("{:<width$}\n", head.to_string(), width = LENGTH - 1);
        for (path, file) in &mut self.files {
            if let Err(error) = write(path, file, line.as_bytes()) {
                *file = None;
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!(file = %path.display(), %error, "how far the journal is cannot be noted");
                }
            }
        }
    }
}

fn write(path: &Path, file: &mut Option<File>, line: &[u8]) -> io::Result<()> {
    let file = match file {
        Some(file) => file,
        // Not truncated: until the line is written, the one before stands.
        None => file.insert(OpenOptions::new().write(true).create(true).truncate(false).mode(0o640).open(path)?),
    };
    file.write_all_at(line, 0)
}

/// None: no file, an empty one, or one that a power cut left torn.
/// The head that a file names.
pub(super) fn read(path: &Path) -> io::Result<Option<Head>> {
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => file
            .take(2 * LENGTH as u64)
            .read_to_string(&mut text)
            .map(drop)
            .or_else(|error| if error.kind() == io::ErrorKind::InvalidData { Ok(()) } else { Err(error) })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    Ok(text.lines().next().and_then(|line| line.trim_end().parse().ok()).filter(|head: &Head| head.seq > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(events: &[(i64, [u8; 32])]) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE event (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL)").unwrap();
        for event in events {
            connection.execute("INSERT INTO event VALUES (?1, ?2)", *event).unwrap();
        }
        connection
    }

    fn head(seq: u64, byte: u8) -> Head {
        Head { seq, hash: [byte; 32] }
    }

    #[test]
    fn a_journal_that_ends_before_the_head_or_has_another_history_is_suspect() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let elsewhere = dir.path().join("elsewhere");
        let mut witness = Witness::at(&path, std::slice::from_ref(&elsewhere));
        let three = journal(&[(1, [1; 32]), (2, [2; 32]), (3, [3; 32])]);
        assert_eq!(witness.look(&three).unwrap(), None, "nothing is known");
        for lagging in [head(1, 1), head(3, 3)] {
            witness.committed(lagging);
            assert_eq!(witness.look(&three).unwrap(), None, "{lagging}");
        }
        witness.committed(head(4, 4));
        assert_eq!(witness.look(&three).unwrap(), Some(Was { head: head(4, 4), other: false }));
        witness.committed(head(2, 9));
        assert_eq!(witness.look(&three).unwrap(), Some(Was { head: head(2, 9), other: true }));
        assert_eq!(witness.look(&journal(&[])).unwrap(), Some(Was { head: head(2, 9), other: false }));
        // One that was put back with the journal says nothing; the other one does.
        std::fs::write(path.with_extension("head"), format!("{}\n", head(1, 1))).unwrap();
        assert!(witness.look(&three).unwrap().is_some());
        std::fs::remove_file(&elsewhere).unwrap();
        assert_eq!(witness.look(&three).unwrap(), None);
    }

    #[test]
    fn what_a_power_cut_left_torn_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let witness = Witness::at(&path, &[]);
        for torn in [&b""[..], b"\0\0\0\0", b"17:abc", b"17", b"\xff\xfe:\n", b"0:00\n"] {
            std::fs::write(path.with_extension("head"), torn).unwrap();
            assert_eq!(witness.look(&journal(&[])).unwrap(), None, "{torn:?}");
        }
    }
}
