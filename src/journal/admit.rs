//! Admission: verdict, plan and reservation of one batch of records become durable in one commit.

mod known;
mod revision;

use super::budget::Budgets;
use super::state::{self, Move, State};
use super::tx::Tx;
use super::{Journal, JournalError, course, mark, register};
use crate::model::hex::hex;
use crate::model::verdict::Judgement;
use crate::model::{Account, AccountUid, Action, Facts, HoldReason, Record, RequestUid, Verdict};
use jiff::Timestamp;
use revision::{earlier, standing};
use rusqlite::types::ToSqlOutput;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

pub(super) use known::holder;

/// One file or message that was handed in, its evidence already safe.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Which source handed it in.
    pub source: String,
    /// The file's name.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Where its bytes are kept, relative to the spool.
    pub evidence: String,
    /// Whether it holds many records: they are then served in fair turns with everything else.
    pub bulk: bool,
}

/// One record of it, with what is known from outside the journal.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The record.
    pub record: Record,
    /// Digest of its content, equal for equal content in any format.
    pub digest: [u8; 32],
    /// Its line in the file.
    pub row: u32,
    /// Names to look up in the register for judging.
    pub names: Vec<String>,
    /// Which of them live targets know: name, target, and the uid that marks it as akund's, if any.
    pub live: Vec<(String, String, Option<AccountUid>)>,
    /// The unit whose accounts are to be looked up in the register for judging.
    pub unit: Option<String>,
    /// Of the roles that its approvals name, those that the key which signed the record may sign as.
    pub signed_as: Vec<String>,
    /// Why the source may not ask for this, where it may not: it is then rejected, and becomes no request.
    pub not_permitted: Vec<String>,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// It is a request now.
    New {
        /// Its uid.
        uid: RequestUid,
        /// Where the verdict put it.
        state: State,
        /// The verdict's word.
        verdict: &'static str,
    },
    /// The same record was accepted before: nothing is done again.
    Duplicate {
        /// Where that one stands.
        state: State,
    },
    /// It cannot be accepted; a sentence why. It becomes no request; [`Journal::rejected`] then records it with the file's other bad rows.
    Rejected(String),
}

/// Judges one record: record, facts, the uid for a new account, now. See [`crate::procedure`].
pub type Decide = dyn Fn(&Admission, &Facts, AccountUid, Timestamp) -> Judgement + Send + Sync;

impl Journal {
    /// Judges and admits a batch in one transaction. One answer per record, in order. Batches are judged in the order of the calls.
    ///
    /// # Errors
    /// Only where nothing at all could be written.
    pub fn admit(
        &self,
        submission: Submission,
        batch: Vec<Admission>,
        decide: Arc<Decide>,
    ) -> impl Future<Output = Result<Vec<Admitted>, JournalError>> + use<> {
        self.call(move |tx| {
            let submission_id = record_submission(tx, &submission)?;
            let mut budgets = Budgets::default();
            let admit = |admission| admit_one(tx, &submission, submission_id, admission, &*decide, &mut budgets);
            batch.iter().map(admit).collect()
        })
    }

    /// Records that a file, or rows of it, could not be accepted; whether that was news. The reasons themselves, which may
    /// quote personal data, stand in the reason file only.
    ///
    /// `again` says that the very same rejection was kept before: after a crash in between it is then recorded all the same, but
    /// never twice.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn rejected(&self, submission: Submission, problems: usize, again: bool) -> Result<bool, JournalError> {
        self.call(move |tx| {
            let id = record_submission(tx, &submission)?;
            let known = tx.run("UPDATE submission SET rejected = 1 WHERE id = ?1 AND rejected = 0", [id])? == 0;
            if known && again {
                return Ok(false);
            }
            tx.event(&[], "rejected", &serde_json::json!({"source": submission.source, "problems": problems}))?;
            Ok(true)
        })
        .await
    }

    /// Whether what these name was given back to its submitter before.
    ///
    /// # Errors
    /// Where that cannot be asked.
    pub async fn was_rejected(&self, source: String, name: String, sha256: [u8; 32]) -> Result<bool, JournalError> {
        self.call(move |tx| {
            let found = tx.row(
                "SELECT rejected FROM submission WHERE source = ?1 AND sha256 = ?2 AND name = ?3",
                (source, sha256, name),
                |row| row.get::<_, bool>(0),
            )?;
            Ok(found.unwrap_or(false))
        })
        .await
    }
}

/// Enters a submission, once. One that comes again after retention has removed its original has one again.
pub(super) fn record_submission(tx: &mut Tx<'_>, submission: &Submission) -> Result<i64, JournalError> {
    let now = tx.micros();
    tx.run(
        "INSERT INTO submission (source, name, sha256, evidence, received_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (source, sha256, name) DO UPDATE SET evidence = ?4, received_at = ?5, removed = NULL
           WHERE removed IS NOT NULL AND ?4 <> ''",
        (&submission.source, &submission.name, submission.sha256, &submission.evidence, now),
    )?;
    tx.row(
        "SELECT id FROM submission WHERE source = ?1 AND sha256 = ?2 AND name = ?3",
        (&submission.source, submission.sha256, &submission.name),
        |row| row.get(0),
    )?
    .ok_or_else(|| JournalError::Internal("a submission just written is not there".into()))
}

fn admit_one(
    tx: &mut Tx<'_>,
    submission: &Submission,
    submission_id: i64,
    admission: &Admission,
    decide: &Decide,
    budgets: &mut Budgets,
) -> Result<Admitted, JournalError> {
    let record = &admission.record;
    let before = earlier(tx, &record.key)?;
    let replaced = match standing(&record.key, &admission.digest, &before) {
        Err(Admitted::Duplicate { state }) => return Ok(Admitted::Duplicate { state }),
        // Must not take a request's id, nor another request's place.
        _ if !admission.not_permitted.is_empty() => {
            return Ok(Admitted::Rejected(admission.not_permitted.join("; ")));
        }
        Ok(place) => place.map(|place| &before[place]),
        Err(other) => return Ok(other),
    };
    if let Some(old) = replaced {
        tx.move_request(old.id, Move::Supersede, "higher revision")?;
        course::cancel(tx, old.id)?;
        register::void(tx, old.id)?;
    }
    let live = admission.live.iter().filter_map(|(_, _, uid)| *uid);
    let proposed = mark::uid(tx.seed(), &record.key, &admission.digest, live);
    let mut facts = known::facts(tx, &submission.source, admission, proposed)?;
    if record.action != Action::Create {
        facts.taken_away.clone_from(budgets.of(tx)?);
    }
    let now = tx.now;
    let judgement = decide(admission, &facts, proposed, now);
    let base = facts.account.as_ref().filter(|_| record.action != Action::Create);
    let admitted = insert(tx, submission, submission_id, admission, &judgement, base)?;
    budgets.spend(tx, admitted.0, &judgement)?;
    if let Some(old) = replaced {
        tx.run("UPDATE request SET replaced_by = ?2 WHERE id = ?1", (old.id, admitted.0))?;
        tx.event(old.uid.as_bytes(), "replaced", &serde_json::json!({"by": admitted.1}))?;
    }
    Ok(Admitted::New { uid: admitted.1, state: admitted.2, verdict: judgement.verdict.as_str() })
}

/// A digest that says nothing once its salt is gone.
pub(super) fn salted(salt: &[u8; 16], value: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    hasher.update(value);
    hex(&hasher.finalize())
}

pub(super) fn insert(
    tx: &mut Tx<'_>,
    submission: &Submission,
    submission_id: i64,
    admission: &Admission,
    judgement: &Judgement,
    base: Option<&Account>,
) -> Result<(i64, RequestUid, State), JournalError> {
    let record = &admission.record;
    let uid = Uuid::now_v7();
    let state = state::judged(&judgement.verdict);
    let grant = judgement.verdict.grant();
    let now = tx.micros();
    let texts = texts(tx, &judgement.texts)?;
    let flow = if submission.bulk { submission_id } else { 0 };
    let hold = match &judgement.verdict {
        Verdict::Hold { reason, .. } => Some(*reason),
        _ => None,
    };
    tx.run(
        "INSERT INTO request (uid, procedure, ext_id, revision, digest, action, state, verdict, hold, submission, row,
           flow, account, procedure_sha256, texts, received_at, state_at, ended_at, outcome_due)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?16, CASE WHEN ?17 THEN ?16 END, ?18)",
        rusqlite::params![
            uid,
            record.key.procedure,
            record.key.id,
            record.key.revision,
            admission.digest,
            record.action.as_str(),
            state.as_str(),
            judgement.verdict.as_str(),
            hold.map(HoldReason::as_str),
            submission_id,
            admission.row,
            flow,
            grant.map(|g| g.account.uid.0),
            judgement.procedure_sha256,
            texts,
            now,
            state.ended(),
            i64::from(state.reported()),
        ],
    )?;
    let id = tx.last_id();
    let salt: [u8; 16] = rand::random();
    tx.run(
        "INSERT INTO personal (request, salt, record, judgement, account) VALUES (?1, ?2, ?3, ?4, ?5)",
        (
            id,
            salt,
            serde_json::to_string(record)?,
            judgement_to_store(judgement, base)?,
            grant.map(|g| serde_json::to_string(&g.account)).transpose()?,
        ),
    )?;
    tx.event(
        uid.as_bytes(),
        "received",
        &serde_json::json!({
            "source": submission.source, "procedure": record.key.procedure, "revision": record.key.revision,
            "action": record.action.as_str(), "verdict": judgement.verdict.as_str(), "state": state,
            "procedure_sha256": judgement.procedure_sha256,
            "content": salted(&salt, &admission.digest), "file": salted(&salt, &submission.sha256),
        }),
    )?;
    if let Some(grant) = grant {
        // Of an adopted account the register learns the holder only where the applicant gets its password.
        let known = grant.adopts.is_none() || record.action.mints();
        let identifier = if known { record.applicant.identifier.as_str() } else { "" };
        register::reserve(
            tx,
            id,
            record.action,
            &holder(&record.key.procedure, identifier),
            grant,
            &record.key.procedure,
        )?;
    }
    plan(tx, id, flow, state, judgement)?;
    if state.reported() {
        tx.wake(super::outcome::LANE);
    }
    if state == State::Held {
        tx.wake(super::operator::LANE);
    }
    Ok((id, RequestUid(uid), state))
}

/// Verdict and checklist, and the account as it was in the register (see [`super::rebase`]); the plan stands in `step`, the
/// texts in `texts`.
fn judgement_to_store(judgement: &Judgement, base: Option<&Account>) -> Result<String, JournalError> {
    Ok(serde_json::to_string(&serde_json::json!({
        "verdict": judgement.verdict, "checklist": judgement.checklist, "base": base,
    }))?)
}

pub(super) fn texts(tx: &mut Tx<'_>, texts: &BTreeMap<String, String>) -> Result<i64, JournalError> {
    let texts = serde_json::to_string(texts)?;
    let digest: [u8; 32] = Sha256::digest(texts.as_bytes()).into();
    let find = "SELECT id FROM texts WHERE digest = ?1";
    if let Some(id) = tx.row(find, [digest], |row| row.get(0))? {
        return Ok(id);
    }
    tx.run("INSERT INTO texts (digest, texts) VALUES (?1, ?2)", (digest, texts))?;
    Ok(tx.last_id())
}

/// Writes the steps: first the notices, which run at once, then the plan, of which the first is made ready if the
/// request is working and no earlier request works on the same account.
fn plan(tx: &mut Tx<'_>, request: i64, flow: i64, state: State, judgement: &Judgement) -> Result<(), JournalError> {
    let notices = judgement.notices.iter().map(|step| ("notice", step));
    let part = |aside: bool| if aside { "notice" } else { "plan" };
    let plan = judgement.plan.iter().map(|step| (part(step.detail.aside), step));
    let mut at_once = Vec::new();
    let mut rows: Vec<ToSqlOutput<'_>> = Vec::new();
    for (place, (part, step)) in notices.chain(plan).enumerate() {
        let id = course::step_id(request, place)?;
        let detail = serde_json::to_string(&step.detail)?;
        rows.extend([id.into(), part.into(), step.lane.as_str().into(), step.verb.as_str().into(), detail.into()]);
        if part == "notice" && !step.detail.aside {
            at_once.push((id, &step.lane));
        }
    }
    if !rows.is_empty() {
        let places = vec!["(?, ?, ?, ?, ?, 'blocked')"; rows.len() / 5].join(", ");
        let sql = format!("INSERT INTO step (id, part, lane, verb, detail, state) VALUES {places}");
        tx.run(&sql, rusqlite::params_from_iter(rows))?;
    }
    for (id, lane) in at_once {
        course::make_ready(tx, id, lane, flow)?;
    }
    if state == State::Working && !course::waits_for_account(tx, request)? {
        course::advance(tx, request)?;
    }
    Ok(())
}
