//! Hands outcome documents to an outlet. One that is away holds up nothing else: what is due waits in the journal.

use super::away::Away;
use super::fold::{Fold, alike};
use super::retry::{self, Failure};
use super::until::until;
use super::{Context, tell_counted};
use crate::channel::{NotTaken, Outlet};
use crate::journal::post::{SettledPost, bell};
use crate::journal::read::Reader;
use crate::journal::{JournalError, Settlement};
use crate::model::{Fault, FaultClass, Posting, Verb};
use crate::observe::metrics::PublicationResult;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often an unwritable journal is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// A turn that takes longer is not moving.
const LONGEST: Duration = Duration::from_secs(900);
/// After so long without a document the outlet rests.
const UNUSED: Duration = Duration::from_secs(60);
/// How long a turn may still take when akund ends; what it does not reach is handed over after the next start.
const LAST_TURN: Duration = Duration::from_secs(5);

/// Runs until shutdown.
///
/// # Errors
/// Where the journal is closed or faulty.
pub async fn run(outlet: Arc<dyn Outlet>, context: Context) -> Result<(), JournalError> {
    let name = outlet.name().to_owned();
    let bell = context.journal.bell(&bell(&name));
    let beat = context.pulse.register(format!("outlet {name}"), LONGEST);
    while let Err(error) = prepare(&name, &context).await {
        match error.may_pass() {
            true if context.shutdown.is_cancelled() => return Ok(()),
            true => tokio::time::sleep(AGAIN).await,
            false => return Err(error),
        }
    }
    let mut settled: Arc<Vec<SettledPost>> = Arc::default();
    let told = Fold::default();
    // How long it is spared before the next turn.
    let (mut away, mut spared) = (Away::default(), None);
    let mut in_use = false;
    loop {
        beat.busy();
        tell_counted(&name, told.due(Instant::now()));
        let ending = context.shutdown.is_cancelled();
        let most = if ending || spared.is_some() { 0 } else { outlet.batch() };
        let posts = match context.journal.posts(&name, settled.clone(), most).await {
            Ok(posts) => posts,
            Err(error) if error.may_pass() && !ending => {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            Err(error) if error.may_pass() => return Ok(()),
            Err(error) => return Err(error),
        };
        settled = Arc::default();
        if posts.claims.is_empty() {
            if posts.paused {
                // Whoever lets it go on may have mended it: it is asked at once, and patiently.
                (away, spared) = (Away::default(), None);
            }
            if ending {
                tell_counted(&name, told.rest());
                outlet.rest().await;
                return Ok(());
            }
            beat.idle();
            let spared = spared.take();
            tokio::select! {
                () = bell.notified(), if spared.is_none() => {}
                () = tokio::time::sleep(spared.unwrap_or_default()), if spared.is_some() => {}
                () = until(posts.next_due), if spared.is_none() => {}
                () = tokio::time::sleep(UNUSED), if in_use => {
                    in_use = false;
                    outlet.rest().await;
                }
                () = context.shutdown.cancelled() => {}
            }
            continue;
        }
        crate::crash::point("post-claimed");
        in_use = true;
        let mut post = outlet.post(&posts.claims);
        let answers = tokio::select! {
            answers = &mut post => answers,
            () = context.shutdown.cancelled() => match tokio::time::timeout(LAST_TURN, post).await {
                Ok(answers) => answers,
                Err(_) => return Ok(()),
            },
        };
        crate::crash::point("post-done");
        away = away.after(&answers);
        context.metrics.set_target_up(&name, !away.is());
        tell_watch(&context, &name, &answers, away.is());
        spared = away.spared(&context.policy, rand::random());
        let outcomes = posts.claims.iter().zip(answers);
        settled = Arc::new(outcomes.map(|(posting, answer)| settle(&context, &told, &name, posting, answer)).collect());
    }
}

/// Who tells the operator hears of it, as of any lane; and the status page, of when it last met a fault.
fn tell_watch(context: &Context, outlet: &str, answers: &[Result<String, NotTaken>], is_away: bool) {
    let faults = answers.iter().rev().filter_map(|answer| match answer {
        Err(NotTaken::Fault(fault) | NotTaken::Refused(fault)) => Some((fault.class, fault.message.as_str())),
        Err(NotTaken::Unroutable(why)) => Some((FaultClass::Transient, why.as_str())),
        Ok(_) => None,
    });
    let last = faults.clone().next();
    if let Some((class, _)) = last {
        context.metrics.lane_failed(outlet, class);
    }
    let fault = last.filter(|_| is_away).map(|(_, message)| message);
    if context.watch.saw(outlet, fault, Timestamp::now()) {
        context.journal.bell(crate::journal::operator::LANE).notify_one();
    }
}

/// What the journal has from before this start is made ready to be handed over.
async fn prepare(outlet: &str, context: &Context) -> Result<(), JournalError> {
    context.journal.recover_posts(outlet).await?;
    make_missing(outlet, context).await
}

/// Documents that the journal does not have, from before it kept them.
async fn make_missing(outlet: &str, context: &Context) -> Result<(), JournalError> {
    while !context.shutdown.is_cancelled() {
        let (path, outlet) = (context.journal.path().to_owned(), outlet.to_owned());
        let made = tokio::task::spawn_blocking(move || Reader::open(&path)?.posts_unmade(&outlet)).await;
        let made = made
            .map_err(crate::panics::how)
            .map_err(|error| JournalError::Internal(format!("making documents ended: {error}")))??;
        if made.is_empty() {
            break;
        }
        context.journal.posts_made(made).await?;
    }
    Ok(())
}

fn settle(
    context: &Context,
    told: &Fold,
    outlet: &str,
    posting: &Posting,
    answer: Result<String, NotTaken>,
) -> SettledPost {
    let Posting { id, delivery, attempt, first_at, .. } = posting;
    let (result, settlement) = match answer {
        Ok(said) => (PublicationResult::Confirmed, Settlement::done(Some(said))),
        Err(not_taken) => {
            let (result, fault) = match not_taken {
                NotTaken::Fault(fault) | NotTaken::Refused(fault) => (PublicationResult::Failed, fault),
                NotTaken::Unroutable(why) => (PublicationResult::Unroutable, Fault::transient(why)),
            };
            let (verb, attempt, first_at) = (Verb::Deliver, *attempt, *first_at);
            let failure = Failure { verb, attempt, first_at, fault, next: None, uncertain: false };
            // The delivery id tells the receiver a repetition.
            let policy = retry::Policy { never_blindly: false, ..context.policy };
            (result, retry::decide(&policy, failure, Timestamp::now(), rand::random()))
        }
    };
    context.metrics.publication(outlet, result);
    let first =
        |what: &str, fault: &Fault| told.first(&format!("{what}: {}", alike(&fault.to_string())), Instant::now());
    match &settlement {
        Settlement::Retry { due, fault } if first("it is posted again", fault) => {
            tracing::warn!(outlet, delivery, attempt, %due, %fault, "an outcome document was not taken and is posted again");
        }
        Settlement::Stuck { fault } if first("it is not posted any more", fault) => {
            tracing::error!(outlet, delivery, attempt, %fault, "an outcome document is not posted any more; `akund retry` tries again");
        }
        _ => {}
    }
    (*id, *attempt, settlement)
}
