//! `[[source]]`: who may hand in what.

use crate::model::Action;
use serde::Deserialize;
use std::path::PathBuf;

/// The source of the files straight in `incoming/`.
pub const LOCAL: &str = "local";

/// One spool subdirectory (or, `local`, the files straight in `incoming/`), or some users of a queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// The subdirectory's name; lower-case letters, digits, `-`. `local` is `incoming/` itself.
    pub name: String,
    /// User names or numeric uids whose files are taken. Empty: root and akund's own user.
    #[serde(default)]
    pub owners: Vec<String>,
    /// The `[queue.NAME]` through which it hands in messages, in place of a directory.
    #[serde(default)]
    pub queue: Option<String>,
    /// With `queue`: the broker's users whose messages are this source's; the broker vouches for a message's `user_id`.
    #[serde(default)]
    pub users: Vec<String>,
    /// Procedures it may use. Empty: all.
    #[serde(default)]
    pub procedures: Vec<String>,
    /// Actions it may ask for. Empty: create only.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Applicant categories it may ask for. Empty: all.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Whether each file needs `NAME.sig`, and each message the header `akund-signature`.
    #[serde(default)]
    pub signature: SignatureRule,
    /// OpenSSH allowed-signers file (ssh-keygen(1), ALLOWED SIGNERS). Required where signatures are.
    #[serde(default)]
    pub allowed_signers: Option<PathBuf>,
}

/// Whether a detached signature is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureRule {
    /// Not looked for.
    #[default]
    None,
    /// Refused without a good one, by a principal that holds one of the record's approving roles.
    Required,
}
