//! Posts outcome documents to an outlet. One that is away holds up nothing else: what is due waits in the journal.

use super::fold::{Fold, alike};
use super::retry::{self, Failure};
use super::{Context, tell_counted};
use crate::channel::Outlet;
use crate::journal::post::{ClaimedPost, PostSettlement, SettledPost, bell};
use crate::journal::{JournalError, Settlement};
use crate::model::{Fault, FaultClass, Verb};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Documents on their way at once.
const BATCH: usize = 4;
/// How often an unwritable journal is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// A turn that takes longer is not moving.
const LONGEST: Duration = Duration::from_secs(900);

/// Runs until shutdown.
///
/// # Errors
/// Where the journal is closed or faulty.
pub async fn run(outlet: Arc<dyn Outlet>, context: Context) -> Result<(), JournalError> {
    let name = outlet.name().to_owned();
    context.journal.recover_posts(&name).await?;
    let bell = context.journal.bell(&bell(&name));
    let beat = context.pulse.register(format!("outlet {name}"), LONGEST);
    let mut settled: Arc<Vec<SettledPost>> = Arc::default();
    let told = Fold::default();
    loop {
        beat.busy();
        tell_counted(&name, told.due(Instant::now()));
        let most = if context.shutdown.is_cancelled() { 0 } else { BATCH };
        let posts = match context.journal.posts(&name, settled.clone(), most).await {
            Ok(posts) => posts,
            Err(error) if error.may_pass() && !context.shutdown.is_cancelled() => {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            Err(error) if error.may_pass() => return Ok(()),
            Err(error) => return Err(error),
        };
        settled = Arc::default();
        if posts.claims.is_empty() {
            if context.shutdown.is_cancelled() {
                tell_counted(&name, told.rest());
                return Ok(());
            }
            beat.idle();
            let due = async {
                match posts.next_due {
                    Some(due) => {
                        let wait = due.duration_since(Timestamp::now());
                        tokio::time::sleep(Duration::try_from(wait).unwrap_or(Duration::ZERO)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = bell.notified() => {}
                () = due => {}
                () = context.shutdown.cancelled() => {}
            }
            continue;
        }
        crate::crash::point("post-claimed");
        let answers =
            futures_util::future::join_all(posts.claims.iter().map(|claim| outlet.post(&claim.posting))).await;
        crate::crash::point("post-done");
        let now = Timestamp::now();
        let outcomes = posts.claims.iter().zip(answers);
        settled =
            Arc::new(outcomes.map(|(claim, answer)| settle(&context, &told, &name, claim, answer, now)).collect());
    }
}

fn settle(
    context: &Context,
    told: &Fold,
    outlet: &str,
    claim: &ClaimedPost,
    answer: Result<String, Fault>,
    now: Timestamp,
) -> SettledPost {
    let posting = &claim.posting;
    let settlement = match answer {
        Ok(said) => {
            context.metrics.set_target_up(outlet, true);
            PostSettlement::Done(said)
        }
        Err(fault) => {
            context.metrics.set_target_up(outlet, fault.class == FaultClass::Permanent);
            let failure = Failure {
                verb: Verb::Deliver,
                attempt: posting.attempt,
                first_at: claim.first_at,
                fault,
                next: None,
                uncertain: false,
            };
            // The delivery id tells the receiver a repetition.
            let policy = retry::Policy { never_blindly: false, ..context.policy };
            match retry::decide(&policy, failure, now, rand::random()) {
                Settlement::Retry { due, fault } => {
                    if told.first(&format!("it is posted again: {}", alike(&fault.to_string())), Instant::now()) {
                        tracing::warn!(outlet, delivery = %posting.delivery, attempt = posting.attempt, %due, %fault, "an outcome document was not taken and is posted again");
                    }
                    PostSettlement::Retry(due, fault.message)
                }
                Settlement::Stuck { fault } | Settlement::PassedOn { fault, .. } => {
                    if told.first(&format!("it is not posted any more: {}", alike(&fault.to_string())), Instant::now())
                    {
                        tracing::error!(outlet, delivery = %posting.delivery, attempt = posting.attempt, %fault, "an outcome document is not posted any more; `akund retry` tries again");
                    }
                    PostSettlement::Stuck(fault.message)
                }
                Settlement::Done { .. } => PostSettlement::Done(String::new()),
            }
        }
    };
    (claim.id, posting.attempt, settlement)
}
