//! What akund remembers beside the files: how many entries they had, so that one that was emptied by accident is not taken
//! for "no accounts". Pure but for [`Ledger::load`] and [`Ledger::save`].

use crate::durable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

const VERSION: u32 = 1;
const LEAST: usize = 20;

/// The larger of 20 and 5 %: how many entries may be missing.
pub fn budget(entries: usize) -> usize {
    (entries / 20).max(LEAST)
}

/// When a file was written: seconds since 1970, and nanoseconds.
pub type Stamp = (i64, i64);

/// Kept as JSON in a file of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    version: u32,
    /// Entries after the last write, by map.
    pub entries: BTreeMap<String, usize>,
    /// The passwd-file's time stamp, whole seconds since 1970.
    pub passwd_mtime: i64,
    /// What earlier versions counted here; the change budget is the journal's.
    #[serde(default, skip_serializing)]
    removed: serde::de::IgnoredAny,
    /// What a running Postfix was last told to read again, by map.
    pub reloaded: BTreeMap<String, Stamp>,
}

impl Ledger {
    /// Reads it; empty where there is none.
    ///
    /// # Errors
    /// Unreadable, or of a newer akund: a sentence that says what to do.
    pub fn load(path: &Path) -> Result<Self, String> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self { version: VERSION, ..Self::default() }),
            Err(e) => return Err(format!("cannot read {}: {e}", path.display())),
        };
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(ledger) if ledger.version == VERSION => Ok(ledger),
            Ok(_) => Err(format!("{} was written by a newer akund", path.display())),
            Err(e) => {
                Err(format!("{} is damaged ({e}); delete it if the four files are as they should be", path.display()))
            }
        }
    }

    /// Writes it, synced.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        durable::replace(path, &serde_json::to_vec(self).map_err(io::Error::other)?, 0o600)
    }

    /// What stands in the way of believing a map that has this many entries now, or is gone. None: nothing.
    pub fn doubt(&self, map: &str, entries: Option<usize>) -> Option<String> {
        let before = self.entries.get(map).copied().unwrap_or(0);
        let left = entries.unwrap_or(0);
        let is = entries.map_or_else(|| "is gone".to_owned(), |entries| format!("has {entries} entries"));
        (before.saturating_sub(left) > budget(before) || (left == 0 && before > 0))
            .then(|| format!("{is}, and had {before} after akund's last write"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_has_lost_more_than_the_budget_or_everything_is_not_believed() {
        let mut ledger = Ledger::default();
        ledger.entries.insert("aliases".into(), 1000);
        assert_eq!(ledger.doubt("aliases", Some(950)), None);
        assert!(ledger.doubt("aliases", Some(949)).unwrap().contains("has 949 entries, and had 1000"));
        assert_eq!(ledger.doubt("aliases", Some(2000)), None);
        assert_eq!(ledger.doubt("mailboxes", Some(0)), None, "a new one");
        ledger.entries.insert("aliases".into(), 3);
        assert_eq!(ledger.doubt("aliases", Some(1)), None);
        assert!(ledger.doubt("aliases", Some(0)).unwrap().starts_with("has 0 entries"));
        assert!(ledger.doubt("aliases", None).unwrap().starts_with("is gone, and had 3"));
    }
}
