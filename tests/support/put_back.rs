//! A journal put back, as an operator does it.

use std::path::{Path, PathBuf};

/// Puts a copy in the place of a journal that nobody has open. What the journal has not yet taken in of its own log goes with it.
pub fn put_back(copy: &Path, journal: &Path) {
    for suffix in ["-wal", "-shm"] {
        let mut name = journal.to_owned().into_os_string();
        name.push(suffix);
        let _ = std::fs::remove_file(PathBuf::from(name));
    }
    std::fs::copy(copy, journal).unwrap();
}
