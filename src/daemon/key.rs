//! The sealing key: where it is looked for, and whether the one that is there is the journal's.

use crate::config::Config;
use crate::journal::read::Reader;
use crate::model::Finding;
use crate::secret::place::credentials_directory;
use crate::secret::seal::SealingKey;
use std::path::{Path, PathBuf};

/// How the key that was found stands to the one that the journal's secrets are sealed with. Both are ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is the journal's, or the journal has none yet.
    Good {
        /// It.
        found: String,
    },
    /// It is another.
    Other {
        /// The one that is there.
        found: String,
        /// The journal's.
        bound: String,
    },
    /// None is there, and the journal has one.
    Lost {
        /// The journal's.
        bound: String,
    },
    /// None is there, and none is needed yet.
    NotMade,
}

impl Standing {
    fn of(found: Option<String>, bound: Option<String>) -> Self {
        match (found, bound) {
            (Some(found), Some(bound)) if found != bound => Self::Other { found, bound },
            (Some(found), _) => Self::Good { found },
            (None, Some(bound)) => Self::Lost { bound },
            (None, None) => Self::NotMade,
        }
    }

    /// What is to be said of it; `file` is where the key would be.
    pub fn said(&self, file: &Path) -> Finding {
        let file = file.display();
        match self {
            Self::Good { found } => Ok(format!("{found} can be read")),
            Self::NotMade => Ok(format!("{file} will be made at the first start")),
            Self::Other { found, bound } => Err(format!(
                "{found} can be read, and the journal's secrets are sealed with key {bound}; give back that one"
            )),
            Self::Lost { bound } => Err(format!(
                "the journal's secrets are sealed with key {bound}, and there is no key at {file}, nor a credential: give it back \
                 from where it was kept apart"
            )),
        }
    }
}

/// Where the sealing key is: systemd's credentials directory, and the file to fall back on.
pub fn places(config: &Config) -> (Option<PathBuf>, PathBuf) {
    let file = config.journal.key_file.clone().unwrap_or_else(|| config.journal.path.with_extension("key"));
    (credentials_directory(), file)
}

/// Looks at key and journal; makes nothing. A journal that cannot be read counts as one that has no key yet.
///
/// # Errors
/// As [`SealingKey::look`].
pub fn look(credentials: Option<&Path>, file: &Path, journal: &Path) -> Result<Standing, String> {
    let found = SealingKey::look(credentials, file)?;
    let bound = || Reader::open_untouched(journal).and_then(|journal| journal.sealing_key()).ok().flatten();
    Ok(Standing::of(found.map(|key| key.key_id()), journal.exists().then(bound).flatten()))
}

/// The sealing key, made where there is none yet. A journal that has one gets no other: a new one would only hide that it is lost.
///
/// # Errors
/// A sentence.
pub fn load_or_make(credentials: Option<&Path>, file: &Path, journal: &Path) -> Result<SealingKey, String> {
    look(credentials, file, journal)?.said(file)?;
    SealingKey::load_or_make(credentials, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_journals_own_key_will_do_and_only_a_journal_without_one_gets_a_new_one() {
        let file = Path::new("/k");
        let said = |found: Option<&str>, bound: Option<&str>| {
            Standing::of(found.map(ToOwned::to_owned), bound.map(ToOwned::to_owned)).said(file)
        };
        assert_eq!(said(None, None).unwrap(), "/k will be made at the first start");
        for bound in [None, Some("a1")] {
            assert_eq!(said(Some("a1"), bound).unwrap(), "a1 can be read");
        }
        let lost = said(None, Some("a1")).unwrap_err();
        assert!(lost.contains("sealed with key a1") && lost.contains("no key at /k"), "{lost}");
        let other = said(Some("b2"), Some("a1")).unwrap_err();
        assert!(other.starts_with("b2 can be read") && other.contains("sealed with key a1"), "{other}");
    }
}
