//! The lane that makes passwords and their hashes, off the async threads, and seals them.

use super::{Success, Worker};
use crate::journal::Claim;
use crate::model::Answer;
use crate::model::Verb;
use crate::model::{Fault, RequestUid};
use crate::secret::{hash, seal::SealingKey};
use std::sync::Arc;

/// The minting worker.
pub struct Minter {
    /// Seals what it makes.
    pub key: Arc<SealingKey>,
    /// Batches under way at once: one per core that may hash.
    pub cores: usize,
    /// Most steps in a batch.
    pub batch: usize,
}

/// The purpose under which a request's credential is sealed: it opens for that request only.
pub fn purpose(uid: RequestUid) -> String {
    format!("{uid}|credential")
}

impl Worker for Minter {
    fn lane(&self) -> &str {
        Verb::MINT_LANE
    }
    fn slots(&self) -> usize {
        self.cores
    }
    fn batch(&self) -> usize {
        self.batch
    }
    fn never_blindly(&self) -> bool {
        false
    }
    fn carry_out<'a>(&'a self, batch: &'a [Claim]) -> Answer<'a, Vec<Result<Success, Fault>>> {
        let key = self.key.clone();
        let wanted: Vec<_> = batch.iter().map(|claim| (purpose(claim.uid), claim.detail.schemes.clone())).collect();
        Box::pin(async move {
            let made = tokio::task::spawn_blocking(move || {
                wanted.iter().map(|(purpose, schemes)| mint(&key, purpose, schemes)).collect()
            });
            // If hashing was cut off, the lane makes an unknown fault of each missing answer, and mints anew.
            made.await.unwrap_or_default()
        })
    }
}

fn mint(key: &SealingKey, purpose: &str, schemes: &[crate::model::Scheme]) -> Result<Success, Fault> {
    let credential = hash::new_credential(schemes)?;
    let sealed = key.seal_credential(purpose, &credential)?;
    Ok(Success { sealed: Some(sealed), ..Success::default() })
}
