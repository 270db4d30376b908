//! Where servers' credentials are kept: files, or systemd's credentials.

use crate::model::Secret;
use std::path::{Path, PathBuf};
use zeroize::Zeroize;

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
        _ => place.to_owned(),
    };
    let mut text = std::fs::read_to_string(&path)
        .map_err(|error| format!("the secret in {} cannot be read: {error}", path.display()))?;
    let secret = Secret::new(text.trim_end_matches(['\r', '\n']));
    text.zeroize();
    if secret.expose().is_empty() { Err(format!("the secret in {} is empty", path.display())) } else { Ok(secret) }
}
