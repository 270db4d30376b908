//! Whether a lane or an outlet is paused.

use super::JournalError;
use super::read::Reader;
use super::tx::Tx;

/// By its name, `?1`. Where nobody paused or unpaused it by that, as where it was not configured when the journal was put back,
/// it waits with everything else for `akund unpause`.
pub(super) const PAUSED: &str =
    "SELECT coalesce((SELECT paused FROM lane WHERE name = ?1), EXISTS (SELECT 1 FROM meta WHERE key = 'hold'))";

/// In a transaction.
pub(super) fn is_paused(tx: &mut Tx<'_>, name: &str) -> Result<bool, JournalError> {
    Ok(tx.row(PAUSED, [name], |row| row.get(0))?.unwrap_or(false))
}

impl Reader {
    /// Whether nothing is claimed at a lane or an outlet.
    pub(super) fn is_paused(&self, name: &str) -> Result<bool, JournalError> {
        Ok(self.connection.prepare_cached(PAUSED)?.query_row([name], |row| row.get(0))?)
    }
}
