//! Outcome documents, where submitters read what became of their requests.

use super::keep::{Kept, place};
use super::layout::outcome_stage;
use super::{Spool, encode_component};
use crate::durable::make_dir;
use crate::model::RequestKey;
use std::io;
use std::path::{Path, PathBuf};

/// Whose outcome it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutcomeKey {
    /// The source that handed the request in.
    pub source: String,
    /// The request.
    pub request: RequestKey,
}

impl OutcomeKey {
    /// `outcome/SOURCE/PROCEDURE/ID@REVISION.json`, each part percent-encoded ([`encode_component`]).
    pub fn path(&self) -> PathBuf {
        let RequestKey { procedure, id, revision } = &self.request;
        Path::new("outcome")
            .join(encode_component(&self.source))
            .join(encode_component(procedure))
            .join(format!("{}@{revision}.json", encode_component(id)))
    }
}

impl Spool {
    /// Writes or replaces outcome documents: mode 0640, of the group of the source's own directory. When this returns they are
    /// on the disk; a batch is synced in one go. Give whole batches.
    ///
    /// # Errors
    /// The disk's. Each document is there whole, old or new; the same call can be repeated.
    pub fn write_outcomes(&self, outcomes: &[(OutcomeKey, Vec<u8>)]) -> io::Result<()> {
        let mut kept = Vec::with_capacity(outcomes.len());
        for (key, document) in outcomes {
            let source = outcome_stage(&self.root, &encode_component(&key.source))?;
            let path = self.root.join(key.path());
            path.parent().map_or(Ok(()), |dir| make_dir(dir, 0o2750))?;
            kept.push(Kept { temporary: self.stage(&source), path, bytes: document });
        }
        place(&kept, 0o640)
    }
}
