//! What the daemon's own life leaves in the journal: which key seals it, and that it started, reloaded or stopped.

use super::{Journal, JournalError};

/// What happened to the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeEvent {
    /// It opened the journal.
    Started,
    /// It read procedures and templates anew.
    Reloaded,
    /// It drained and ended.
    Stopped,
}

impl LifeEvent {
    fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Reloaded => "reloaded",
            Self::Stopped => "stopped",
        }
    }
}

impl Journal {
    /// Ties the journal to its sealing key: remembers the key's id at first, and refuses another later.
    ///
    /// # Errors
    /// [`JournalError::Refused`] with a wrong key: sealed passwords could not be opened, and new ones would need both.
    pub async fn bind_key(&self, key_id: String) -> Result<(), JournalError> {
        self.call(move |tx| {
            let known: Option<Vec<u8>> =
                tx.row("SELECT value FROM meta WHERE key = 'sealing-key'", [], |row| row.get(0))?;
            match known {
                Some(known) if known == key_id.as_bytes() => Ok(()),
                Some(known) => Err(JournalError::Refused(format!(
                    "the journal's secrets are sealed with key {}, and the key given is {key_id}; give back the right key",
                    String::from_utf8_lossy(&known)
                ))),
                None => {
                    tx.run("INSERT INTO meta (key, value) VALUES ('sealing-key', ?1)", [key_id.as_bytes()])?;
                    Ok(())
                }
            }
        })
        .await
    }

    /// Records a moment of the daemon's life in the audit record.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn lived(&self, event: LifeEvent) -> Result<(), JournalError> {
        let version = env!("CARGO_PKG_VERSION");
        self.call(move |tx| tx.event(&[], event.as_str(), &serde_json::json!({"version": version})).map(drop)).await
    }
}
