//! The clock: raises the alarm when something takes longer than the written procedure allows.
//!
//! It sleeps until the next moment at which something that runs may have to be told, and looks again after a step became
//! ready or a request moved, since that may have begun or ended something; never because a while has passed. An idle daemon
//! stays idle. What it sees goes into the metrics, too: they are as it looked last.

use super::Context;
use super::until::until;
use crate::journal::JournalError;
use crate::journal::overdue::{LANE, Raise};
use crate::journal::read::Reader;
use crate::observe::metrics::Sla;
use crate::procedure::standard::{self, Alarm, Standing};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// After a step became ready: the shortest standard is a minute, and of a burst one look is enough.
const SOON: SignedDuration = SignedDuration::from_secs(1);
/// Two looks that steps caused are at least so far apart, and twenty times as long as one took: in a bulk load of ten thousand
/// requests it takes half a second.
const APART: SignedDuration = SignedDuration::from_secs(15);
const SHARE: i32 = 20;
/// How long after a failure it is tried again.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);
/// A look that takes longer is not moving.
const LONGEST: Duration = Duration::from_secs(300);

/// What a look gives.
struct Looked {
    raise: Vec<Raise>,
    next: Option<Timestamp>,
    /// By procedure.
    sla: BTreeMap<String, Sla>,
}

/// Looks once: for the daemon's start, before anything moves.
///
/// # Errors
/// Where the journal cannot be read or written.
pub async fn look_once(context: &Context) -> Result<(), JournalError> {
    let reader = Reader::open(context.journal.path())?;
    let (_, looked) = look(reader).await?;
    settle(context, looked?).await.map(drop)
}

/// Runs until shutdown.
///
/// # Errors
/// Where the journal is closed or faulty.
pub async fn run(context: Context) -> Result<(), JournalError> {
    let bell = context.journal.bell(LANE);
    let beat = context.pulse.register(LANE, LONGEST);
    let mut reader = Reader::open(context.journal.path())?;
    loop {
        beat.busy();
        let began = Timestamp::now();
        let (same, looked) = look(reader).await?;
        reader = same;
        let outcome = match looked {
            Ok(looked) => settle(&context, looked).await,
            Err(error) => Err(error),
        };
        let mut next = match outcome {
            Ok(next) => next,
            Err(JournalError::Closed) => return Err(JournalError::Closed),
            Err(error) => {
                tracing::warn!(%error, "whether anything is late could not be looked at; it is tried again");
                began.checked_add(AGAIN).ok()
            }
        };
        beat.idle();
        let took = Timestamp::now().duration_since(began);
        let apart = took.checked_mul(SHARE).unwrap_or(APART).max(APART);
        loop {
            tokio::select! {
                () = until(next) => break,
                () = bell.notified() => {
                    let soon = Timestamp::now().saturating_add(SOON).unwrap_or(Timestamp::MAX);
                    let soon = soon.max(began.saturating_add(apart).unwrap_or(Timestamp::MAX));
                    next = Some(next.map_or(soon, |next| next.min(soon)));
                }
                () = context.shutdown.cancelled() => return Ok(()),
            }
        }
    }
}

async fn look(reader: Reader) -> Result<(Reader, Result<Looked, JournalError>), JournalError> {
    tokio::task::spawn_blocking(move || {
        let looked = look_at(&reader, Timestamp::now());
        (reader, looked)
    })
    .await
    .map_err(crate::panics::how)
    .map_err(|error| JournalError::Internal(format!("looking for what is late ended: {error}")))
}

fn look_at(reader: &Reader, now: Timestamp) -> Result<Looked, JournalError> {
    let raised = reader.raised()?;
    let mut looked = Looked { raise: Vec::new(), next: None, sla: BTreeMap::new() };
    reader.running(|request| {
        let sla = looked.sla.entry(request.procedure.clone()).or_default();
        match request.clocks.iter().filter_map(|clock| clock.standing(now)).max() {
            Some(Standing::InTime) => sla.in_time += 1,
            Some(Standing::Warned) => sla.warned += 1,
            Some(Standing::Breached) => sla.breached += 1,
            None => {}
        }
        if let Some(first) = standard::first(&request.clocks)
            && sla.first.as_ref().is_none_or(|(_, due)| first.due_at < *due)
        {
            sla.first = Some((request.standard.clone(), first.due_at));
        }
        for clock in request.clocks {
            let key = (request.request, clock.name.clone());
            if let Some(alarm) = clock.alarm(now).filter(|alarm| raised.get(&key).is_none_or(|before| before < alarm)) {
                looked.raise.push(Raise {
                    request: request.request,
                    procedure: request.procedure.clone(),
                    name: key.1,
                    step: clock.step.clone(),
                    alarm,
                    due_at: clock.due_at,
                });
            }
            looked.next = [looked.next, clock.next(now)].into_iter().flatten().min();
        }
    })?;
    Ok(looked)
}

/// Tells what was seen; when to look next.
async fn settle(context: &Context, looked: Looked) -> Result<Option<Timestamp>, JournalError> {
    context.metrics.set_sla(looked.sla);
    raise(context, looked.raise).await.map(|()| looked.next)
}

async fn raise(context: &Context, alarms: Vec<Raise>) -> Result<(), JournalError> {
    if alarms.is_empty() {
        return Ok(());
    }
    let raised = context.journal.raise(alarms).await?;
    for raise in &raised {
        context.metrics.deadline(&raise.procedure, raise.alarm.as_str());
    }
    let breached = raised.iter().filter(|raise| raise.alarm == Alarm::Breached).count();
    tracing::warn!(
        breached,
        warned = raised.len() - breached,
        "something takes longer than the written procedure allows; `akund list --overdue` shows it"
    );
    crate::crash::point("deadline-raised");
    Ok(())
}
