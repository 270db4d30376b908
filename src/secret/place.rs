//! Where servers' credentials are kept: files, or systemd's credentials.

use crate::model::Secret;
use std::collections::BTreeSet;
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
    let path = match credentials_directory() {
        Some(dir) if place.components().count() == 1 && place.is_relative() => dir.join(place),
        _ => {
            FILES.lock().unwrap_or_else(PoisonError::into_inner).insert(place.to_owned());
            place.to_owned()
        }
    };
    let mut text = std::fs::read_to_string(&path)
        .map_err(|error| format!("the secret in {} cannot be read: {error}", path.display()))?;
    let secret = Secret::new(text.trim_end_matches(['\r', '\n']));
    text.zeroize();
    if secret.expose().is_empty() { Err(format!("the secret in {} is empty", path.display())) } else { Ok(secret) }
}
