//! A secret: zeroed when dropped; cannot be printed, compared by accident, or serialised.

use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// Text that must not leak: a password, a hash that is as good as one, a server's credential.
///
/// `Debug` prints `Secret(…)`; there is no `Display` and no `Serialize`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text over; the caller's own copies are the caller's to wipe.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(SecretString::from(text.into()))
    }
    /// The text, for the one place that needs it. Never log, format or store what this returns.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
