//! Where servers' credentials are kept: files, or systemd's credentials.

use crate::model::Secret;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use zeroize::Zeroize;

/// The files from which secrets were read: the configuration's, so few.
static FILES: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Each file from which a secret was read, and when it was last changed. Not systemd's credentials: those are copied anew at
/// each start.
pub fn files_read() -> Vec<(PathBuf, SystemTime)> {
    let files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let changed = |path: &PathBuf| Some((path.clone(), std::fs::metadata(path).ok()?.modified().ok()?));
    files.iter().filter_map(changed).collect()
}

/// systemd's directory of credentials, if akund was given one.
pub fn credentials_directory() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// Reads a secret from a file, or from systemd's credential of that bare name. A final line break is not part of it.
///
/// # Errors
/// A sentence, where it cannot be read or is empty.
pub fn read_secret(place: &Path) -> Result<Secret, String> {
    read(place, credentials_directory().as_deref())
}

/// `credentials`: systemd's directory of them, which a service is given and a command typed by a person is not.
fn read(place: &Path, credentials: Option<&Path>) -> Result<Secret, String> {
    let bare = place.is_relative() && place.components().count() == 1;
    let name = place.display();
    let path = match credentials {
        Some(dir) if bare => dir.join(place),
        None if bare => {
            return Err(format!(
                "{name} is the name of a systemd credential, which only the service is given: run it as the service \
                 (systemctl start akund, akund-as-service check), or put the path of a file, with a /, in its place"
            ));
        }
        _ => {
            FILES.lock().unwrap_or_else(PoisonError::into_inner).insert(place.to_owned());
            place.to_owned()
        }
    };
    let mut text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound if bare => format!(
            "systemd has handed no credential {name} over: add LoadCredential={name}:FILE to the service (systemctl edit \
             akund), or put the path of a file, with a /, in its place"
        ),
        _ => format!("the secret in {} cannot be read: {error}", path.display()),
    })?;
    let secret = Secret::new(text.trim_end_matches(['\r', '\n']));
    text.zeroize();
    if secret.expose().is_empty() { Err(format!("the secret in {} is empty", path.display())) } else { Ok(secret) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_systemds_credential_and_the_sentence_says_how_to_come_by_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ldap-password"), "rahasia\n").unwrap();
        let place = Path::new("ldap-password");
        assert_eq!(read(place, Some(dir.path())).unwrap().expose(), "rahasia");
        // Typed by a person: nothing was handed over, whatever lies in the directory that they are in.
        let cargo = Path::new("Cargo.toml");
        assert!(cargo.exists());
        for place in [place, cargo] {
            let said = read(place, None).unwrap_err();
            assert!(said.starts_with(place.to_str().unwrap()), "{said}");
            for way in ["systemd credential", "akund-as-service check", "the path of a file"] {
                assert!(said.contains(way), "{said}");
            }
        }
        // The service, whose unit does not name it.
        let said = read(Path::new("imap-master"), Some(dir.path())).unwrap_err();
        assert!(said.contains("LoadCredential=imap-master:"), "{said}");
        // A path is a path, for the service and for a person.
        for credentials in [None, Some(dir.path())] {
            assert_eq!(read(&dir.path().join("ldap-password"), credentials).unwrap().expose(), "rahasia");
            let said = read(&dir.path().join("imap-master"), credentials).unwrap_err();
            assert!(said.contains("cannot be read") && !said.contains("LoadCredential"), "{said}");
        }
        // It is there, and something else is wrong with it.
        std::fs::write(dir.path().join("empty"), "\n").unwrap();
        assert!(read(Path::new("empty"), Some(dir.path())).unwrap_err().contains("is empty"));
    }
}
