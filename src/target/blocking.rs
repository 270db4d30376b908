//! Work that blocks, done off the async threads, and what is answered when it ends unexpectedly.

use super::Work;
use crate::model::{Answer, Fault};
use std::sync::Arc;

/// Asks something.
pub(super) fn ask<S: Send + Sync + 'static, T: Send + 'static>(
    shared: &Arc<S>,
    doing: &'static str,
    ask: impl FnOnce(&S) -> Result<T, Fault> + Send + 'static,
) -> Answer<'static, Result<T, Fault>> {
    let shared = Arc::clone(shared);
    Box::pin(async move {
        tokio::task::spawn_blocking(move || ask(&shared))
            .await
            .map_err(crate::panics::how)
            .unwrap_or_else(|e| Err(Fault::transient(format!("{doing} ended unexpectedly: {e}"))))
    })
}

/// Works on a batch; one answer per entry even if it panics.
pub(super) fn each<S: Send + Sync + 'static, R: Send + 'static>(
    shared: &Arc<S>,
    batch: &[Work],
    work: impl FnOnce(&S, &[Work]) -> Result<Vec<Result<R, Fault>>, Fault> + Send + 'static,
) -> Answer<'static, Vec<Result<R, Fault>>> {
    if batch.is_empty() {
        return Box::pin(async { Vec::new() });
    }
    let (shared, batch, entries) = (Arc::clone(shared), batch.to_vec(), batch.len());
    Box::pin(async move {
        let done = tokio::task::spawn_blocking(move || work(&shared, &batch))
            .await
            .map_err(crate::panics::how)
            .unwrap_or_else(|e| Err(Fault::unknown(format!("its work on a batch ended unexpectedly: {e}"))));
        done.unwrap_or_else(|fault| (0..entries).map(|_| Err(fault.clone())).collect())
    })
}
