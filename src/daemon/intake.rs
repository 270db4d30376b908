//! The spool's task: takes what arrives, in small groups, and hands it to admission. A bulk file is admitted by a task of
//! its own, so that a single request does not wait behind it.

use super::gauges::Gauges;
use crate::admission::{Admitter, Postponed};
use crate::intake::spool::{Arrivals, Bad, Candidate, Dropped, Taken};
use crate::observe::health::Health;
use crate::observe::systemd;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Files admitted together at most, in number and bytes.
const GROUP: usize = 64;
/// A file larger than this is admitted by itself.
const LARGE: u64 = 256 * 1024;
/// Large files under way at once. One: the journal has one writer, so a second would not be faster, and each holds all its
/// records in memory, 3 KB for a row.
const LARGE_AT_ONCE: usize = 1;
/// How long after a failure the spool is looked at again.
const AGAIN: Duration = Duration::from_secs(2);

/// The task.
pub struct Intake {
    /// Takes files further.
    pub admitter: Admitter,
    /// Whether intake is open.
    pub health: Health,
    /// For the status line.
    pub gauges: Gauges,
    /// Ends it.
    pub shutdown: CancellationToken,
}

impl Intake {
    /// Runs until shutdown; what was taken by then is admitted.
    pub async fn run(self, mut arrivals: Arrivals) {
        let mut large: JoinSet<()> = JoinSet::new();
        let turns = Arc::new(Semaphore::new(LARGE_AT_ONCE));
        self.open();
        loop {
            let candidates = tokio::select! {
                () = self.shutdown.cancelled() => break,
                candidates = arrivals.next() => candidates,
            };
            if !self.wait_until_writable().await {
                break;
            }
            let (small, big): (Vec<_>, Vec<_>) =
                candidates.into_iter().partition(|candidate| candidate.size() <= LARGE);
            for candidate in big {
                let (admitter, turns) = (self.admitter.clone(), turns.clone());
                large.spawn(async move {
                    let _turn = turns.acquire_owned().await;
                    if let Err(postponed) = admit(&admitter, vec![candidate]).await {
                        tracing::error!(%postponed, "a file stays where it is and is tried again");
                        tokio::time::sleep(AGAIN).await;
                    }
                });
            }
            while large.try_join_next().is_some() {}
            let mut small = small.into_iter().peekable();
            while small.peek().is_some() && !self.shutdown.is_cancelled() {
                let group: Vec<Candidate> = small.by_ref().take(GROUP).collect();
                match self.admit_group(group).await {
                    Ok(()) => self.open(),
                    Err(postponed) => self.close(&postponed.to_string()).await,
                }
            }
            systemd::status(&self.gauges.status());
        }
        self.health.set_intake(Err("akund is ending".into()));
        while large.join_next().await.is_some() {}
    }

    /// Admits a group of files; where that fails for something that does not pass by itself, each alone, so that one file
    /// does not keep the others out.
    async fn admit_group(&self, group: Vec<Candidate>) -> Result<(), Postponed> {
        let whole = admit(&self.admitter, group.clone()).await;
        if group.len() < 2 || !whole.as_ref().is_err_and(may_be_one_files) {
            return whole;
        }
        let mut failure = Ok(());
        for candidate in group {
            let name = candidate.name();
            if let Err(postponed) = admit(&self.admitter, vec![candidate]).await {
                tracing::error!(file = name, %postponed, "a file stays where it is and is tried again");
                failure = Err(postponed);
            }
        }
        failure
    }

    /// Open, unless the spool itself has a trouble that only a person can mend (a directory that cannot be read, say).
    fn open(&self) {
        let troubles = self.admitter.spool.troubles();
        self.admitter.metrics.set_intake_open(troubles.is_empty());
        self.health.set_intake(if troubles.is_empty() { Ok(()) } else { Err(troubles.join("; ")) });
    }

    /// Says why nothing is taken, and waits a little before the next look.
    async fn close(&self, why: &str) {
        if self.health.intake().is_ok() {
            tracing::error!(%why, "nothing is taken from the spool; it is tried again");
        }
        self.health.set_intake(Err(why.to_owned()));
        self.admitter.metrics.set_intake_open(false);
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    /// Nothing is taken while it could not be made durable. False: akund is ending.
    async fn wait_until_writable(&self) -> bool {
        let mut writable = self.admitter.journal.writable();
        loop {
            let now = writable.borrow_and_update().clone();
            let Err(cause) = now else {
                return true;
            };
            self.health.set_intake(Err(format!("the journal cannot be written: {cause}")));
            self.admitter.metrics.set_intake_open(false);
            tokio::select! {
                () = self.shutdown.cancelled() => return false,
                changed = writable.changed() => if changed.is_err() { return false },
            }
        }
    }
}

/// Whether one file may be the cause, and the others be admitted without it.
fn may_be_one_files(postponed: &Postponed) -> bool {
    match postponed {
        Postponed::Journal(error) => !error.may_pass(),
        // A fault of akund's own while it reads: the file that brought it about comes again and again.
        Postponed::Internal(_) => true,
        Postponed::Source(_) | Postponed::Target { .. } | Postponed::Ending => false,
    }
}

/// Reads files and takes them to the end of admission.
async fn admit(admitter: &Admitter, candidates: Vec<Candidate>) -> Result<(), Postponed> {
    let spool = admitter.spool.clone();
    let taken = tokio::task::spawn_blocking(move || {
        let now = Timestamp::now();
        candidates.iter().map(|candidate| spool.take(candidate, now)).collect::<Vec<_>>()
    });
    let taken = taken
        .await
        .map_err(crate::panics::how)
        .map_err(|error| Postponed::Internal(format!("reading files ended: {error}")))?;
    let mut good: Vec<Dropped> = Vec::new();
    let mut bad: Vec<Bad> = Vec::new();
    let mut failure = None;
    for one in taken {
        match one {
            Ok(Taken::File(file)) => good.push(file),
            Ok(Taken::Bad(file)) => bad.push(file),
            Ok(Taken::Later | Taken::Gone) => {}
            Err(error) => failure = Some(error),
        }
    }
    if !bad.is_empty() {
        admitter.reject_files(bad).await?;
    }
    if !good.is_empty() {
        admitter.admit(&admitter.spool, good).await?;
    }
    failure.map_or(Ok(()), |error| Err(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::JournalError;

    #[test]
    fn of_a_group_that_fails_each_file_is_tried_alone_where_one_of_them_may_be_the_cause() {
        let unwritable = JournalError::Unwritable { path: "x".into(), cause: "disk full".into() };
        for (postponed, alone) in [
            (Postponed::Internal("reading files ended".into()), true),
            (Postponed::Journal(JournalError::Internal("x".into())), true),
            (Postponed::Journal(unwritable), false),
            (Postponed::Source(std::io::Error::other("disk full")), false),
            (Postponed::Target { target: "maps".into(), cause: "away".into() }, false),
            (Postponed::Ending, false),
        ] {
            assert_eq!(may_be_one_files(&postponed), alone, "{postponed}");
        }
    }
}
