//! The spool as a source.

use super::{Dropped, Spool};
use crate::intake::signature::VerifiedSigner;
use crate::intake::{GivenBack, Handed, Source};
use jiff::Timestamp;
use std::io;
use std::sync::Arc;

impl Handed for Dropped {
    fn source(&self) -> &str {
        &self.source
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    fn size(&self) -> u64 {
        self.seen.identity().size
    }
    fn let_go(&mut self) {
        self.bytes = Vec::new();
    }
    fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
    fn received(&self) -> Timestamp {
        self.received
    }
    fn signer(&self) -> Option<&VerifiedSigner> {
        self.signature.as_ref()
    }
    fn signature_bytes(&self) -> Option<&[u8]> {
        self.seen.signature_bytes()
    }
}

impl Source for Arc<Spool> {
    type Item = Dropped;

    /// Into `rejected/`.
    async fn give_back(
        &self,
        file: Dropped,
        bytes: Option<Vec<u8>>,
        reason: String,
        _: bool,
    ) -> io::Result<(Dropped, GivenBack)> {
        let spool = self.clone();
        blocking(move || {
            let mut rejection = file.rejection(&reason);
            if let Some(bytes) = &bytes {
                rejection.bytes = Some(bytes);
            }
            let kept = spool.reject(&[rejection])?.pop().ok_or_else(|| io::Error::other("nothing was rejected"))?;
            let given_back = GivenBack { place: kept.reason_path.display().to_string(), repeated: kept.repeated };
            Ok((file, given_back))
        })
        .await
    }

    /// Unlinks them.
    async fn acknowledge(&self, files: Vec<Dropped>) -> io::Result<()> {
        let spool = self.clone();
        blocking(move || Spool::acknowledge(&spool, &files.iter().map(|file| &file.seen).collect::<Vec<_>>()).map(drop))
            .await
    }
}

/// Runs something that waits for the disk off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(crate::panics::how)
        .map_err(|error| io::Error::other(format!("a task of the disk ended: {error}")))?
}
