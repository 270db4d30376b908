//! Once a day: removes what is older than the configuration says, in small steps, so that nothing else waits for it.
//!
//! Between two looks it sleeps, and without a `[retention]` for ever; what was about to be unlinked when akund ended is
//! unlinked first. New or changed ages take effect a day after they were first read.

use super::Context;
use super::until::until;
use crate::intake::spool::{OutcomeKey, Spool};
use crate::journal::JournalError;
use crate::journal::read::Reader;
use crate::journal::retention::{Due, Removal, Wanted, What, empty_log};
use crate::model::retention::Policy;
use crate::observe::pulse::Beat;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// How long after a failure it is tried again.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// Most requests or files in one commit.
const BATCH: usize = 64;
/// Most files that nothing in the journal points to, in one look.
const MOST_FILES: usize = 100_000;
/// After each commit it rests so many times as long as that took.
const REST: u32 = 4;
/// A step that takes longer is not moving.
const LONGEST: Duration = Duration::from_secs(300);
/// How often the log is tried to be emptied while readers stand in the way, and how long between.
const LOG_TRIES: u32 = 30;
const LOG_WAIT: Duration = Duration::from_secs(1);

/// What the removing needs.
pub struct Retention {
    /// Journal and shutdown.
    pub context: Context,
    /// Whose files they are.
    pub spool: Arc<Spool>,
    /// The ages.
    pub policy: Policy,
}

/// What one look has removed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Swept {
    files: usize,
    requests: usize,
    accounts: usize,
    orders: usize,
    /// Documents that no outlet had taken.
    untaken: usize,
    /// Files that could not be unlinked; they are tried again.
    failed: usize,
}

/// When to look next. A clock that went back must not put it off for ever. Pure.
fn next(last: Option<Timestamp>, now: Timestamp) -> Timestamp {
    last.and_then(|last| last.min(now).checked_add(DAY).ok()).unwrap_or(now)
}

impl Retention {
    /// Runs until shutdown.
    ///
    /// # Errors
    /// Where the journal is closed.
    pub async fn run(self) -> Result<(), JournalError> {
        let beat = self.context.pulse.register("retention", LONGEST);
        let mut due = self.begin().await?;
        loop {
            tokio::select! {
                () = until(Some(due)) => {}
                () = self.context.shutdown.cancelled() => return Ok(()),
            }
            let looked = self.look(&beat).await;
            self.context.metrics.set_retention_failing(looked.as_ref().map_or(true, |swept| swept.failed > 0));
            let again = match looked {
                Ok(swept) if swept.failed == 0 => DAY,
                Ok(_) => AGAIN,
                Err(JournalError::Closed) => return Err(JournalError::Closed),
                Err(error) => {
                    tracing::warn!(%error, "what is kept no longer could not be removed; it is tried again in an hour");
                    AGAIN
                }
            };
            if self.policy.is_empty() && again == DAY {
                self.context.shutdown.cancelled().await;
                return Ok(());
            }
            due = Timestamp::now().saturating_add(again).unwrap_or(Timestamp::MAX);
        }
    }

    /// When to look first.
    async fn begin(&self) -> Result<Timestamp, JournalError> {
        let now = Timestamp::now();
        self.count(Swept::default());
        let left = !self.context.journal.left_to_remove(1).await?.is_empty();
        let last = self.context.journal.retention_policy(self.policy).await?;
        if let Some(last) = last.filter(|_| !self.policy.is_empty()) {
            self.context.metrics.retention_swept(last);
        }
        if left {
            return Ok(now);
        }
        Ok(if self.policy.is_empty() { now } else { next(last, now) })
    }

    async fn look(&self, beat: &Beat) -> Result<Swept, JournalError> {
        beat.busy();
        let swept = self.sweep(&|| beat.busy()).await;
        beat.idle();
        let swept = swept?;
        self.count(swept);
        if swept != Swept::default() {
            let Swept { files, requests, accounts, orders, untaken, failed } = swept;
            tracing::info!(files, requests, accounts, orders, untaken, failed, "what is kept no longer was removed");
        }
        Ok(swept)
    }

    fn count(&self, Swept { files, requests, accounts, orders, untaken, failed: _ }: Swept) {
        let counts = [
            ("files", files),
            ("requests", requests),
            ("accounts", accounts),
            ("orders", orders),
            ("untaken documents", untaken),
        ];
        for (what, count) in counts {
            self.context.metrics.retention_removed(what, count);
        }
    }

    async fn sweep(&self, moves: &(dyn Fn() + Send + Sync)) -> Result<Swept, JournalError> {
        let mut swept = Swept::default();
        loop {
            moves();
            let left = self.context.journal.left_to_remove(BATCH).await?;
            let before = swept.files;
            self.unlink(left, &mut swept).await?;
            if swept.files == before || self.ending() {
                break;
            }
        }
        // The daemon may just have been told to forget a policy: what it left half done is done, and nothing begun.
        let last = self.context.journal.retention_policy(self.policy).await?;
        let now = Timestamp::now();
        if self.policy.is_empty() || next(last, now) > now || self.ending() {
            return Ok(swept);
        }
        let (rejected, strays, due) = self.due(now).await?;
        self.files(rejected, strays, &due, &mut swept, moves).await?;
        for chunk in due.requests.chunks(BATCH).take_while(|_| !self.ending()) {
            moves();
            let began = Instant::now();
            let emptied = self.context.journal.empty_requests(self.policy, chunk.to_vec()).await?;
            swept.requests += emptied.requests;
            for (outlet, documents) in emptied.untaken {
                swept.untaken += documents;
                tracing::warn!(
                    outlet,
                    documents,
                    "outcome documents that this outlet has never taken went with the personal data of their requests"
                );
            }
            self.rest(began).await;
        }
        if swept.requests > 0 {
            let path = self.context.journal.path().to_owned();
            let names = blocking(move || Reader::open(&path)?.file_names_going()).await?;
            for chunk in names.chunks(BATCH).take_while(|_| !self.ending()) {
                moves();
                let began = Instant::now();
                self.context.journal.empty_file_names(chunk.to_vec()).await?;
                self.rest(began).await;
            }
        }
        for chunk in due.accounts.chunks(BATCH).take_while(|_| !self.ending()) {
            moves();
            let began = Instant::now();
            swept.accounts += self.context.journal.empty_accounts(self.policy, chunk.to_vec()).await?;
            self.rest(began).await;
        }
        for chunk in due.orders.chunks(BATCH).take_while(|_| !self.ending()) {
            moves();
            let began = Instant::now();
            swept.orders += self.context.journal.empty_orders(self.policy, chunk.to_vec()).await?;
            self.rest(began).await;
        }
        if self.ending() {
            return Ok(swept);
        }
        if swept != Swept::default() {
            self.empty_log(moves).await?;
        }
        if swept.failed == 0 {
            self.context.journal.retention_swept().await?;
            self.context.metrics.retention_swept(Timestamp::now());
        }
        Ok(swept)
    }

    /// What is due: rejected files, strays, and the rest.
    async fn due(&self, now: Timestamp) -> Result<(Vec<String>, Vec<String>, Due), JournalError> {
        let (path, policy, spool) = (self.context.journal.path().to_owned(), self.policy, self.spool.clone());
        blocking(move || {
            let reader = Reader::open(&path)?;
            let due = reader.retention_due(&policy, now)?;
            let Some(cutoff) = policy.originals.and_then(|age| now.checked_sub(age).ok()) else {
                return Ok((Vec::new(), Vec::new(), due));
            };
            let told = |error: std::io::Error| JournalError::Refused(format!("the spool cannot be read: {error}"));
            let rejected = spool.rejected_before(cutoff, MOST_FILES).map_err(told)?;
            let strays = spool.strays_before(cutoff, &reader.evidence_kept(cutoff)?, MOST_FILES).map_err(told)?;
            Ok((rejected, strays, due))
        })
        .await
    }

    async fn files(
        &self,
        rejected: Vec<String>,
        strays: Vec<String>,
        due: &Due,
        swept: &mut Swept,
        moves: &(dyn Fn() + Send + Sync),
    ) -> Result<(), JournalError> {
        let outcome = |(request, source, key): &(i64, String, crate::model::RequestKey)| {
            let path = OutcomeKey { source: source.clone(), request: key.clone() }.path();
            (*request, path.to_string_lossy().into_owned())
        };
        let outcomes = due.outcomes.chunks(BATCH).map(|part| Wanted::Outcomes(part.iter().map(outcome).collect()));
        let originals = due.originals.chunks(BATCH).map(|part| Wanted::Originals(part.to_vec()));
        let letters = due.letters.chunks(BATCH).map(|part| Wanted::Letters(part.to_vec()));
        let rejected = rejected.chunks(BATCH).map(|part| Wanted::Files(What::Rejected, part.to_vec()));
        let strays = strays.chunks(BATCH).map(|part| Wanted::Files(What::Stray, part.to_vec()));
        let all: Vec<Wanted> = outcomes.chain(originals).chain(letters).chain(rejected).chain(strays).collect();
        for wanted in all {
            if self.ending() {
                return Ok(());
            }
            moves();
            let began = Instant::now();
            let removals = self.context.journal.about_to_remove(self.policy, wanted).await?;
            crate::crash::point("retention-intended");
            self.unlink(removals, swept).await?;
            self.rest(began).await;
        }
        let (spool, cutoff) =
            (self.spool.clone(), self.policy.originals.and_then(|age| Timestamp::now().checked_sub(age).ok()));
        if let Some(cutoff) = cutoff {
            let emptied = blocking(move || Ok(spool.remove_empty_months(cutoff))).await?;
            if let Err(error) = emptied {
                tracing::warn!(%error, "directories of months that are over could not be looked at");
            }
        }
        Ok(())
    }

    async fn unlink(&self, removals: Vec<Removal>, swept: &mut Swept) -> Result<(), JournalError> {
        if removals.is_empty() {
            return Ok(());
        }
        let spool = self.spool.clone();
        let (removals, answers) = blocking(move || {
            let answers = spool.remove(&removals.iter().map(|removal| removal.path.as_str()).collect::<Vec<_>>());
            Ok((removals, answers))
        })
        .await?;
        crate::crash::point("retention-unlinked");
        let mut gone = Vec::with_capacity(removals.len());
        for (removal, answer) in removals.into_iter().zip(answers) {
            match answer {
                Ok(()) => gone.push(removal),
                Err(error) => {
                    swept.failed += 1;
                    // Not its name: it may tell who it is about.
                    tracing::warn!(what = removal.what.as_str(), kind = ?error.kind(), "a file that is kept no longer cannot be removed");
                }
            }
        }
        self.context.journal.removed(&gone).await?;
        swept.files += gone.len();
        Ok(())
    }

    async fn empty_log(&self, moves: &(dyn Fn() + Send + Sync)) -> Result<(), JournalError> {
        for _ in 0..LOG_TRIES {
            moves();
            let path = self.context.journal.path().to_owned();
            if blocking(move || empty_log(&path)).await? {
                return Ok(());
            }
            tokio::time::sleep(LOG_WAIT).await;
        }
        tracing::warn!(
            "the journal's write-ahead log could not be emptied after personal data were removed: it is read without end"
        );
        Ok(())
    }

    fn ending(&self) -> bool {
        self.context.shutdown.is_cancelled()
    }

    async fn rest(&self, began: Instant) {
        let rest = began.elapsed().saturating_mul(REST).min(Duration::from_secs(2));
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = self.context.shutdown.cancelled() => {}
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
) -> Result<T, JournalError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(crate::panics::how)
        .map_err(|error| JournalError::Internal(format!("looking for what is kept no longer ended: {error}")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_once_a_day_and_a_clock_that_went_back_does_not_stop_it() {
        let at = |hours: i64| Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap();
        for (last, now, expected) in [(None, 5, 5), (Some(0), 5, 24), (Some(0), 50, 24), (Some(9000), 5, 29)] {
            assert_eq!(next(last.map(at), at(now)), at(expected), "{last:?} {now}");
        }
    }
}
