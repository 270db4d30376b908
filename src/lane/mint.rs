//! The lane that makes passwords and their hashes, off the async threads, and seals them.

use super::{Answers, Success, Worker};
use crate::journal::Claim;
use crate::model::Answer;
use crate::model::Verb;
use crate::model::{Fault, RequestUid};
use crate::secret::{hash, seal::SealingKey};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The minting worker.
pub struct Minter {
    /// Seals what it makes.
    key: Arc<SealingKey>,
    /// One for each core that may hash.
    hashing: Arc<Semaphore>,
    /// Batches under way at once.
    slots: usize,
    /// Most steps in a batch.
    batch: usize,
}

impl Minter {
    /// With batches of at most `batch` steps. While one is hashed on each of the cores, another for each is recorded.
    pub fn new(key: Arc<SealingKey>, cores: usize, batch: usize) -> Self {
        Self { key, hashing: Arc::new(Semaphore::new(cores)), slots: 2 * cores, batch }
    }
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
        self.slots
    }
    fn batch(&self) -> usize {
        self.batch
    }
    fn never_blindly(&self) -> bool {
        false
    }
    fn carry_out<'a>(&'a self, batch: &'a [Claim]) -> Answer<'a, Answers> {
        let (key, hashing) = (self.key.clone(), self.hashing.clone());
        let wanted: Vec<_> = batch.iter().map(|claim| (purpose(claim.uid), claim.detail.schemes.clone())).collect();
        Box::pin(async move {
            // Never closed; given back at the end of this batch.
            let _core = hashing.acquire_owned().await.ok();
            let made = tokio::task::spawn_blocking(move || {
                wanted.iter().map(|(purpose, schemes)| Some(mint(&key, purpose, schemes))).collect()
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
