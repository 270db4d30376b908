//! Evidence that the journal does not know: after it was put back, what was accepted since the backup.

use super::JournalError;
use super::read::Reader;
use crate::model::hex::unhex;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file that was accepted, and of which the journal knows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// Where it is.
    pub file: PathBuf,
    /// The name under which it was handed in, as far as the evidence keeps it.
    pub name: String,
    /// When it was accepted.
    pub at: Timestamp,
    /// Bytes.
    pub bytes: u64,
}

/// Length of a SHA-256 in hex and the dash after it: what the evidence puts before a name.
const PREFIX: usize = 65;

/// What of `accepted/` in a spool the journal does not know, the oldest first. Signatures go with their records. A file that is just
/// being admitted is among them until it is.
///
/// # Errors
/// Where the journal or the spool cannot be read.
pub fn evidence(journal: &Path, spool: &Path) -> Result<Vec<Unknown>, JournalError> {
    let reader = Reader::open(journal)?;
    let mut statement = reader
        .connection
        .prepare("SELECT sha256 FROM submission UNION SELECT sha256 FROM draft UNION SELECT sha256 FROM outgoing")?;
    let known: HashSet<[u8; 32]> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let failed = |error: io::Error| JournalError::Internal(format!("{}: {error}", spool.join("accepted").display()));
    let mut unknown = Vec::new();
    for (relative, metadata) in files(spool).map_err(failed)? {
        let name = relative.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some((digest, own)) = name.split_at_checked(PREFIX).filter(|_| !name.ends_with(".sig")) else { continue };
        // By its content: handed in again, it may have got another name.
        let digest = unhex(digest.trim_end_matches('-'));
        if digest.and_then(|digest| digest.try_into().ok()).is_some_and(|digest: [u8; 32]| known.contains(&digest)) {
            continue;
        }
        let at = metadata.modified().ok().and_then(|at| Timestamp::try_from(at).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        unknown.push(Unknown { file: spool.join(&relative), name: own.to_owned(), at, bytes: metadata.len() });
    }
    unknown.sort_by(|a, b| (a.at, &a.file).cmp(&(b.at, &b.file)));
    Ok(unknown)
}

/// The files of each month's directory, relative to the spool.
fn files(spool: &Path) -> io::Result<Vec<(PathBuf, fs::Metadata)>> {
    let accepted = Path::new("accepted");
    let mut found = Vec::new();
    for month in fs::read_dir(spool.join(accepted))? {
        let month = month?;
        let name = month.file_name();
        if name.to_string_lossy().starts_with('.') || !month.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(month.path())? {
            let file = file?;
            if file.file_type()?.is_file() {
                found.push((accepted.join(&name).join(file.file_name()), file.metadata()?));
            }
        }
    }
    Ok(found)
}
