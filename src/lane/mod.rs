//! Lanes: one per target and per channel, and one that mints credentials.
//!
//! A lane's whole life is `claim(batch) → apply(batch) → record(batch)`, and recording one batch claims the next in
//! the same commit. A target's lane proves what it has just applied before it records both. Retry, back-off, leases and recovery are here and in the journal, and never in a target.
//!
//! A lane has **slots**, each of which runs that loop on its own. A target has one slot, or two, and large batches, since one
//! batch is cheaper than many single steps; a channel has as many slots as it may have notices in flight, and batches
//! of one, since what it does cannot be read back: so each notice's intent and outcome are recorded by
//! themselves, and a crash leaves at most the notices in flight uncertain. (The outbox, whose repeats replace their own files, has
//! batches, too.)

mod away;
pub mod clock;
pub mod deliver;
pub mod fold;
mod idle;
pub mod letter;
mod look;
pub mod mint;
pub mod operator;
pub mod outcome;
pub mod post;
pub mod receipts;
pub mod retention;
pub mod retry;
mod said;
mod server;
pub mod target;
mod until;

use crate::journal::{Claim, Journal, JournalError, Kept, Proving, Settled, Settlement, Turn};
use crate::model::Answer;
use crate::model::{Fault, FaultClass, Proof, RequestUid, Verb};
use crate::observe::metrics::{LanePart, Metrics, NoticeResult, StepResult};
use crate::observe::pulse::{Beat, Pulse};
use crate::observe::watch::Watch;
use fold::{Fold, alike};
use idle::Idle;
use jiff::Timestamp;
use retry::{Failure, Policy};
use server::Asked;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use until::until;

/// A turn that takes longer than this is not moving, and the watchdog is no longer fed.
const LONGEST_TURN: Duration = Duration::from_secs(600);
/// How often an unwritable journal is asked again to record what was done.
const RECORD_AGAIN: Duration = Duration::from_secs(1);
/// After this many turns in a row in which nothing but transient faults came, the lane itself waits.
const PATIENT_TURNS: u32 = 3;
/// The longest such wait.
const LONGEST_LANE_WAIT: Duration = Duration::from_secs(30);

/// What a lane's work is. It classifies failures; it never retries, waits or records.
pub trait Worker: Send + Sync {
    /// The lane's name.
    fn lane(&self) -> &str;
    /// How many batches may be under way at once.
    fn slots(&self) -> usize;
    /// Most steps in one batch.
    fn batch(&self) -> usize;
    /// Whether a step whose fate is unknown must not be repeated by itself.
    fn never_blindly(&self) -> bool;
    /// Whether, after an outage, everything that waits for another attempt is tried at once: a server of one's own is down or up for all.
    fn hurries(&self) -> bool {
        false
    }
    /// Does what no request asks for; answers when to ask again ([`crate::target::Target::keep_up`]).
    fn keep_up<'a>(&'a self) -> Answer<'a, Result<Option<Timestamp>, Fault>> {
        Box::pin(async { Ok(None) })
    }
    /// Whether its server answers ([`crate::target::Target::answers`]); none: that is only seen by working.
    fn answers<'a>(&'a self) -> Option<Answer<'a, Result<(), Fault>>> {
        None
    }
    /// Carries a batch out: one answer per claim, in order.
    fn carry_out<'a>(&'a self, batch: &'a [Claim]) -> Answer<'a, Answers>;
}

/// What became of each claim of a batch; none: it was not begun, and is claimed again as if it had not been.
pub type Answers = Vec<Option<Result<Success, Fault>>>;

/// What a step that succeeded leaves behind.
#[derive(Debug, Default)]
pub struct Success {
    /// For `Prove`.
    pub proof: Option<Proof>,
    /// For `Apply`.
    pub external_id: Option<String>,
    /// For `Deliver`.
    pub note: Option<String>,
    /// For `Mint`.
    pub sealed: Option<Vec<u8>>,
    /// For `Deliver`: by what its arrival will be known.
    pub reference: Option<String>,
    /// For `Draft`.
    pub kept: Option<Kept>,
    /// For `Apply`: after the journal was put back, it was found as wanted, and not written.
    pub found: bool,
    /// For `Apply`: its [proof](Claim::proof), if that was made at once.
    pub proven: Option<Box<Proven>>,
}

/// A proof that was made at once.
#[derive(Debug)]
pub struct Proven {
    /// How it was shown, or why not.
    pub answer: Result<Proof, Fault>,
    /// How long its batch took.
    pub took: Duration,
}

/// What every lane is given.
#[derive(Clone)]
pub struct Context {
    /// Where steps come from and outcomes go.
    pub journal: Journal,
    /// What happened, in numbers.
    pub metrics: Metrics,
    /// Shows the watchdog that the lane moves.
    pub pulse: Pulse,
    /// How patient lanes are.
    pub policy: Policy,
    /// Which lanes get nothing done.
    pub watch: Watch,
    /// Cancelled when the daemon drains: what is in flight is finished and recorded, nothing more is claimed.
    pub shutdown: CancellationToken,
}

/// Recovers what was in flight when akund last ended, then runs the lane's slots until shutdown.
///
/// # Errors
/// Only where the journal is closed or faulty: a lane that cannot record must not go on.
pub async fn run(worker: Arc<dyn Worker>, context: Context) -> Result<(), JournalError> {
    let recovered = context.journal.recover(worker.lane(), worker.never_blindly()).await?;
    if recovered > 0 {
        tracing::info!(
            lane = worker.lane(),
            steps = recovered,
            "steps that were in flight when akund ended are looked at again"
        );
    }
    let transient_turns = Arc::new(AtomicU32::new(0));
    let told = Arc::new(Fold::default());
    let mut slots = tokio::task::JoinSet::new();
    for number in 0..worker.slots().max(1) {
        let slot = Slot {
            bell: context.journal.bell(worker.lane()),
            beat: context.pulse.register(format!("lane {} slot {number}", worker.lane()), LONGEST_TURN),
            worker: worker.clone(),
            asks: number == 0,
            context: context.clone(),
            transient_turns: transient_turns.clone(),
            told: told.clone(),
        };
        slots.spawn(slot.run());
    }
    while let Some(ended) = slots.join_next().await {
        ended.map_err(|error| {
            JournalError::Internal(format!("lane {} ended: {}", worker.lane(), crate::panics::how(error)))
        })??;
    }
    tell_counted(worker.lane(), told.rest());
    Ok(())
}

/// One attempt of a step.
struct Tried<'a> {
    request: RequestUid,
    verb: Verb,
    attempt: u32,
    first_at: Timestamp,
    uncertain: bool,
    next: Option<&'a String>,
}

impl<'a> Tried<'a> {
    fn by(claim: &'a Claim) -> Self {
        Self {
            request: claim.uid,
            verb: claim.verb,
            attempt: claim.attempt,
            first_at: claim.first_at,
            uncertain: claim.uncertain,
            next: claim.detail.next.first(),
        }
    }

    /// The proof that was made with it.
    fn proof(claim: &Claim, proving: Proving) -> Self {
        let Proving { attempt, first_at, .. } = proving;
        Self { request: claim.uid, verb: Verb::Prove, attempt, first_at, uncertain: false, next: None }
    }
}

struct Slot {
    worker: Arc<dyn Worker>,
    /// Of a lane's slots one asks the server whether it answers.
    asks: bool,
    context: Context,
    bell: Arc<Notify>,
    beat: Beat,
    transient_turns: Arc<AtomicU32>,
    /// Faults that were told.
    told: Arc<Fold>,
}

impl Slot {
    async fn run(self) -> Result<(), JournalError> {
        let mut settled = Vec::new();
        let mut idle = Idle::new(self.asks && self.worker.answers().is_some(), Instant::now());
        loop {
            self.beat.busy();
            tell_counted(self.worker.lane(), self.told.due(Instant::now()));
            let most = if self.context.shutdown.is_cancelled() { 0 } else { self.worker.batch() };
            let Some(turn) = self.turn(&mut settled, most).await? else { return Ok(()) };
            if turn.claims.is_empty() {
                if turn.unreadable > 0 {
                    continue;
                }
                if self.context.shutdown.is_cancelled() {
                    return Ok(());
                }
                let keep_up = self.keep_up().await;
                let asked = self.ask(&mut idle, &turn).await;
                self.beat.idle();
                if let Asked::Until(next) = asked {
                    self.wait([turn.next_due, keep_up].into_iter().flatten().min(), next).await;
                }
                continue;
            }
            if turn.claims.len() >= most {
                // There may be more: let another slot look too.
                self.bell.notify_one();
            }
            crate::crash::point(&format!("{}-claimed", self.worker.lane()));
            let was_down = self.is_down();
            settled = self.carry_out(&turn.claims).await;
            idle.put_off(&self.context.policy, Instant::now());
            if was_down && !self.is_down() && self.worker.hurries() {
                self.hurry().await;
            }
            crate::crash::point(&format!("{}-done", self.worker.lane()));
            if let Some(wait) = self.needs_rest() {
                // What was done is recorded first: a crash during the rest must not make it uncertain.
                if self.turn(&mut settled, 0).await?.is_none() {
                    return Ok(());
                }
                self.rest(wait).await;
            }
        }
    }

    /// Records and claims. While the journal cannot be written, what was done is kept and offered again; none
    /// if akund ends meanwhile (the steps are then still running in the journal, and are looked at again at the next start).
    async fn turn(&self, settled: &mut Vec<Settled>, most: usize) -> Result<Option<Turn>, JournalError> {
        let settled = Arc::new(std::mem::take(settled));
        loop {
            let begun = Instant::now();
            match self.context.journal.turn(self.worker.lane(), settled.clone(), most).await {
                Ok(turn) => {
                    self.context.metrics.lane_spent(self.worker.lane(), LanePart::Journal, begun.elapsed());
                    return Ok(Some(turn));
                }
                Err(error) if error.may_pass() => {
                    self.beat.idle();
                    if self.context.shutdown.is_cancelled() {
                        tracing::warn!(lane = self.worker.lane(), steps = settled.len(), %error, "akund ends before what was done could be recorded; it will be looked at again");
                        return Ok(None);
                    }
                    tokio::select! {
                        () = tokio::time::sleep(RECORD_AGAIN) => {}
                        () = self.context.shutdown.cancelled() => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn carry_out(&self, claims: &[Claim]) -> Vec<Settled> {
        let begun = Instant::now();
        let mut answers = self.worker.carry_out(claims).await;
        answers.resize_with(claims.len(), || Some(Err(unanswered())));
        let took = begun.elapsed();
        self.context.metrics.lane_spent(self.worker.lane(), LanePart::Work, took);
        self.count_transient(&answers);
        self.context.metrics.batch(self.worker.lane(), claims.len());
        let settled = claims.iter().zip(answers).map(|(claim, answer)| match answer {
            Some(answer) => self.settle(claim, answer, took),
            None => Settled::new(claim.step, claim.attempt, Settlement::NotBegun),
        });
        settled.collect()
    }

    fn settle(&self, claim: &Claim, mut answer: Result<Success, Fault>, took: Duration) -> Settled {
        let proven = answer.as_mut().ok().and_then(|success| success.proven.take());
        let proving = proven.as_ref().map_or(Duration::ZERO, |proven| proven.took);
        let settlement = self.decide(&Tried::by(claim), answer, took.saturating_sub(proving));
        if let Some(kind) = claim.detail.notice {
            let lane = self.worker.lane();
            match settlement {
                Settlement::Done { .. } => self.context.metrics.notice(lane, kind, NoticeResult::HandedOver),
                Settlement::Stuck { .. } => self.context.metrics.notice(lane, kind, NoticeResult::Stuck),
                Settlement::PassedOn { .. } => self.context.metrics.notice(lane, kind, NoticeResult::Refused),
                Settlement::Retry { .. } | Settlement::NotBegun => {}
            }
        }
        let proof = claim.proof.zip(proven).map(|(proving, proven)| {
            let answer = proven.answer.map(|proof| Success { proof: Some(proof), ..Success::default() });
            let settlement = self.decide(&Tried::proof(claim, proving), answer, proven.took);
            Box::new(Settled::new(proving.step, proving.attempt, settlement))
        });
        Settled { proof, ..Settled::new(claim.step, claim.attempt, settlement) }
    }

    fn decide(&self, tried: &Tried<'_>, answer: Result<Success, Fault>, took: Duration) -> Settlement {
        let (lane, verb) = (self.worker.lane(), tried.verb);
        match answer {
            Ok(success) => {
                self.context.metrics.step_attempted(lane, verb, None, took);
                if verb == Verb::Prove {
                    self.context.metrics.proof(lane, success.proof);
                }
                self.context.metrics.step_ended(lane, verb, StepResult::Done);
                Settlement::Done {
                    proof: success.proof,
                    external_id: success.external_id,
                    note: success.note,
                    sealed: success.sealed,
                    reference: success.reference,
                    kept: success.kept,
                    found: success.found,
                }
            }
            Err(fault) => {
                self.context.metrics.step_attempted(lane, verb, Some(fault.class), took);
                // A server that is down has shown nothing of the account.
                if verb == Verb::Prove && matches!(fault.class, FaultClass::Permanent | FaultClass::Conflict) {
                    self.context.metrics.proof(lane, None);
                }
                let failure = Failure {
                    verb,
                    attempt: tried.attempt,
                    first_at: tried.first_at,
                    fault,
                    next: tried.next.cloned(),
                    uncertain: tried.uncertain,
                };
                let policy = Policy { never_blindly: self.worker.never_blindly(), ..self.context.policy };
                let settlement = retry::decide(&policy, failure, Timestamp::now(), rand::random());
                tell(&self.told, lane, tried, &settlement);
                if matches!(settlement, Settlement::Stuck { .. }) {
                    self.context.metrics.step_ended(lane, verb, StepResult::Stuck);
                }
                settlement
            }
        }
    }

    /// Lets the worker do what no request asks for; when to do so again. A fault is told, and tried again in a while.
    async fn keep_up(&self) -> Option<Timestamp> {
        match self.worker.keep_up().await {
            Ok(next) => next,
            Err(fault) => {
                tracing::warn!(lane = self.worker.lane(), %fault, "what it does by itself could not be done, and is tried again");
                Timestamp::now().saturating_add(self.context.policy.longest).ok()
            }
        }
    }

    async fn rest(&self, wait: Duration) {
        self.beat.idle();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.context.shutdown.cancelled() => {}
        }
    }

    async fn wait(&self, next_due: Option<Timestamp>, next_question: Option<Instant>) {
        let question = async {
            match next_question {
                Some(next) => tokio::time::sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        let counted = async {
            match self.told.next() {
                Some(next) => tokio::time::sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.bell.notified() => {}
            () = until(next_due) => {}
            () = counted => {}
            () = question => {}
            () = self.context.shutdown.cancelled() => {}
        }
    }
}

/// For a step of which a worker said nothing.
fn unanswered() -> Fault {
    Fault::unknown("the target gave no answer for this step; this is a fault of akund")
}

/// The fault that an attempt, or the proof made with it, met.
fn met(answer: &Result<Success, Fault>) -> Option<&Fault> {
    match answer {
        Ok(success) => success.proven.as_ref().and_then(|proven| proven.answer.as_ref().err()),
        Err(fault) => Some(fault),
    }
}

/// A failure is logged once, where it is decided: the first of its kind at once, and then how many there were, each minute. Each
/// by itself is told at level debug, and stands in the journal.
fn tell(told: &Fold, lane: &str, tried: &Tried<'_>, settlement: &Settlement) {
    let (what, fault, next) = match settlement {
        Settlement::Stuck { fault } => {
            ("a step is stuck; `akund retry` tries again, `akund withdraw` undoes", fault, None)
        }
        Settlement::Retry { due, fault } => ("an attempt failed and is repeated", fault, Some(due.to_string())),
        Settlement::PassedOn { fault, to } => {
            ("a channel refused a notice, which passes on to the next", fault, Some(to.clone()))
        }
        Settlement::Done { .. } | Settlement::NotBegun => return,
    };
    let (request, step, attempt) = (tried.request, tried.verb.as_str(), tried.attempt);
    let key = format!("{what}: {step}: {}", alike(&fault.to_string()));
    match (told.first(&key, Instant::now()), settlement) {
        (false, _) => tracing::debug!(lane, %request, step, attempt, next, %fault, "{what}"),
        (true, Settlement::Stuck { .. }) => tracing::error!(lane, %request, step, attempt, %fault, "{what}"),
        (true, _) => tracing::warn!(lane, %request, step, attempt, next, %fault, "{what}"),
    }
}

fn tell_counted(lane: &str, counted: Vec<(String, u64)>) {
    for (what, more) in counted {
        tracing::warn!(lane, more, "the same again: {what}");
    }
}
