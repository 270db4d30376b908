//! The journal: the only durable truth.
//!
//! One SQLite database (WAL) and one thread that writes it. Whoever wants something written hands the writer an operation; the
//! writer takes all that have gathered into **one transaction** ([`writer`]), and they are answered only after the commit is on
//! the disk (`sync`). Commands read through connections of their own ([`read`]).
//!
//! What it holds: events, append-only and hash-chained ([`chain`]), which name people only by opaque uids and salted
//! digests; and the current state of requests, steps, accounts, reserved names, orders and sealed secrets
//! ([`schema`]). Personal data lives in the tables `personal`, `account` and `name`, which can be emptied while the chain
//! still verifies.
//!
//! The operations, in the order of a request's life: [`admit`], [`steps`] (lanes: [`claim`] and [`settle`]), [`orders`] (operators), [`letters`],
//! [`receipt`] (what arrived), [`arrived`] (as a person says), [`redeliver`], [`officials`] (their addresses), [`outcome`] and [`post`] (documents),
//! [`overdue`] (time), [`retention`] (what is kept no longer), [`backup`] and [`restored`] (a copy, and what follows where one was
//! put back). They only carry out what
//! [`state::transition`] and the callers' pure functions decide.

pub mod admit;
pub mod arrived;
pub mod audit;
pub mod backup;
mod budget;
pub mod bulk;
pub mod chain;
pub mod claim;
mod course;
mod document;
pub mod holdings;
pub mod letters;
pub mod life;
mod look;
mod mark;
pub mod officials;
pub mod operator;
pub mod orders;
pub mod outcome;
pub mod overdue;
mod paused;
pub mod post;
pub mod read;
mod rebase;
pub mod receipt;
pub mod reconcile;
pub mod redeliver;
mod register;
pub mod restored;
pub mod retention;
pub mod schema;
pub mod settle;
mod shared;
pub mod state;
pub mod status;
pub mod steps;
mod sync;
mod tx;
pub mod unknown;
mod witness;
pub mod writer;

pub use admit::{Admission, Admitted, Submission};
pub use chain::Head;
pub use claim::{Claim, NoticeFacts, Proving, Turn};
pub use letters::Kept;
pub use settle::{Settled, Settlement};
pub use shared::{Committed, Moment};
pub use state::State;
pub use writer::{Journal, OpenOptions};

use std::path::PathBuf;

/// Why the journal could not do what was asked. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk is full, the file read-only, or the like: it may pass, and nothing may be acknowledged until then.
    #[error("journal {path} cannot be written: {cause}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// SQLite's words.
        cause: String,
    },
    /// The file is not one that this akund can use.
    #[error("journal {path}: {cause}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        cause: String,
    },
    /// What was asked is not allowed where things stand.
    #[error("{0}")]
    Refused(String),
    /// No such request, lane or order.
    #[error("{0}")]
    NotFound(String),
    /// A fault of akund's own or of SQLite.
    #[error("journal: {0}")]
    Internal(String),
    /// The writer has ended.
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    /// Whether the same operation may succeed later without anybody changing it.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unwritable { .. })
    }
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<serde_json::Error> for JournalError {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(format!("a stored document does not read back: {}", damage(&error)))
    }
}

/// Where a stored document is damaged, and how. The library's own words quote what they met, which may be somebody's name: this
/// is what a log may hold. Pure.
fn damage(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let how = match error.classify() {
        Category::Io => "it could not be read",
        Category::Syntax => "it is no JSON",
        Category::Data => "it is not of the expected shape",
        Category::Eof => "it ends too early",
    };
    format!("{how}, at line {}, column {}", error.line(), error.column())
}

impl From<state::IllegalMove> for JournalError {
    fn from(error: state::IllegalMove) -> Self {
        Self::Refused(error.to_string())
    }
}

#[cfg(test)]
mod tests;
