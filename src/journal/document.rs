//! The outcome document of a request, from what the journal holds.

use super::JournalError;
use super::read::{BEHIND, Reader, maybe_time, time};
use super::state::State;
use crate::model::hex::hex;
use crate::model::{
    Account, Alternative, Check, Outcome, OutcomeAccount, OutcomeLetter, OutcomeRequest, OutcomeStep, StepDetail, Verb,
    Verdict,
};
use crate::procedure::standard;
use jiff::Timestamp;
use rusqlite::OptionalExtension;

impl Reader {
    /// The outcome document of a request as it stands now.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn outcome(&self, request: i64) -> Result<Outcome, JournalError> {
        let missing = || JournalError::NotFound(format!("request number {request} is not in the journal"));
        let mut statement = self.connection.prepare_cached(
            "SELECT r.uid, r.procedure, r.ext_id, r.revision, r.action, u.source, u.name, r.row, r.state, r.verdict,
               r.received_at, r.state_at, r.procedure_sha256, p.judgement, p.account,
               (SELECT o.procedure || ':' || o.ext_id || '@' || o.revision FROM request o WHERE o.id = r.redelivers), r.personal_removed
             FROM request r JOIN submission u ON u.id = r.submission LEFT JOIN personal p ON p.request = r.id WHERE r.id = ?1",
        )?;
        let (mut outcome, judgement, account) = statement
            .query_row([request], |row| {
                let state: String = row.get(8)?;
                let outcome = Outcome {
                    akund: 1,
                    request: OutcomeRequest {
                        uid: row.get::<_, uuid::Uuid>(0)?.to_string(),
                        procedure: row.get(1)?,
                        id: row.get(2)?,
                        revision: row.get(3)?,
                        action: row.get(4)?,
                        source: row.get(5)?,
                        redelivers: row.get(15)?,
                        redelivered_by: Vec::new(),
                        file: row.get(6)?,
                        line: row.get(7)?,
                    },
                    ended: State::from_word(&state).is_some_and(State::ended),
                    state,
                    verdict: row.get(9)?,
                    reasons: Vec::new(),
                    alternatives: Vec::new(),
                    checklist: Vec::new(),
                    account: None,
                    waits_for: None,
                    letter: None,
                    steps: Vec::new(),
                    table: Vec::new(),
                    deadlines: Vec::new(),
                    received_at: time(row, 10)?,
                    state_at: time(row, 11)?,
                    procedure_sha256: row.get(12)?,
                    personal_data_removed_at: maybe_time(row, 16)?,
                    audit_head: String::new(),
                };
                Ok((outcome, row.get::<_, Option<String>>(13)?, row.get::<_, Option<String>>(14)?))
            })
            .optional()?
            .ok_or_else(missing)?;
        // What is damaged must not keep the documents of others waiting: its own says so.
        let damaged = |what: &str, error: serde_json::Error| {
            let damage = super::damage(&error);
            tracing::error!(request, what, damage, "the journal's data of a request cannot be read");
            format!("the journal's {what} of this request cannot be read")
        };
        let told = judgement.map(|judgement| tell(&mut outcome, &judgement));
        let told = told.transpose().map_err(|error| damaged("verdict", error));
        let account = account.map(|account| serde_json::from_str::<Account>(&account)).transpose();
        let account = account.map_err(|error| damaged("account", error));
        outcome.reasons.extend(told.err());
        match account {
            Ok(account) => {
                outcome.account = account.map(|account| OutcomeAccount {
                    uid: account.uid.to_string(),
                    address: account.address.as_ref().map(ToString::to_string),
                    username: account.username.to_string(),
                    services: account.services,
                    ends_at: account.ends_at,
                });
            }
            Err(damaged) => outcome.reasons.push(damaged),
        }
        outcome.request.redelivered_by = self.redelivered_by(request)?;
        outcome.steps = self.steps(request)?;
        if let Some((standard, course)) = self.course(request)? {
            let now = Timestamp::now();
            outcome.table = standard::table(&standard, &course, now);
            outcome.deadlines = standard::deadlines(&standard, &course, now);
        }
        outcome.letter = self.letter(request)?;
        let signing = |step: &OutcomeStep| step.verb == Verb::Sign.as_str() && step.state == "blocked";
        if outcome.state == State::Waiting.as_str() && outcome.steps.iter().any(signing) {
            outcome.waits_for = Some("signed-letter".into());
        }
        if outcome.state == State::Working.as_str() {
            let behind = format!("SELECT {BEHIND} FROM request r WHERE r.id = ?1");
            outcome.waits_for = self.connection.prepare_cached(&behind)?.query_row([request], |row| row.get(0))?;
        }
        outcome.audit_head = self.head()?.to_string();
        Ok(outcome)
    }

    fn redelivered_by(&self, request: i64) -> Result<Vec<String>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT procedure || ':' || ext_id || '@' || revision FROM request WHERE redelivers = ?1 ORDER BY id",
        )?;
        let rows = statement.query_map([request], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The signed letter of a request, as the register of outgoing letters has it.
    fn letter(&self, request: i64) -> Result<Option<OutcomeLetter>, JournalError> {
        let sql = "SELECT number, role, signed_on, at, sha256, evidence FROM outgoing WHERE request = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_row([request], |row| {
            let on: String = row.get(2)?;
            Ok(OutcomeLetter {
                number: row.get(0)?,
                signed_by: row.get(1)?,
                signed_on: on.parse().unwrap_or(jiff::civil::Date::ZERO),
                recorded_at: time(row, 3)?,
                sha256: hex(&row.get::<_, [u8; 32]>(4)?),
                evidence: row.get(5)?,
            })
        });
        Ok(found.optional()?)
    }

    fn steps(&self, request: i64) -> Result<Vec<OutcomeStep>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT s.lane, s.verb, s.detail, s.state, s.attempts, s.first_at, s.done_at, s.proof, s.fault, s.note,
               c.state, c.at, c.note FROM step s LEFT JOIN receipt c ON c.step = s.id
             WHERE s.id BETWEEN ?1 << 8 AND ?1 << 8 | 255 ORDER BY s.id",
        )?;
        let rows = statement.query_map([request], |row| {
            let detail: StepDetail = serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default();
            Ok(OutcomeStep {
                lane: row.get(0)?,
                verb: row.get(1)?,
                notice: detail.notice.map(|kind| kind.as_str().to_owned()),
                to: detail.to.map(|to| to.as_str().to_owned()),
                sop: detail.sop,
                state: row.get(3)?,
                attempts: row.get(4)?,
                began_at: maybe_time(row, 5)?,
                done_at: maybe_time(row, 6)?,
                proof: row.get(7)?,
                fault: row.get(8)?,
                reply: row.get(9)?,
                refused: detail.refused,
                arrival: row.get(10)?,
                arrival_at: maybe_time(row, 11)?,
                arrival_note: row.get(12)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Adds what the verdict says to the document.
fn tell(outcome: &mut Outcome, judgement: &str) -> Result<(), serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Stored {
        verdict: Verdict,
        checklist: Vec<Check>,
    }
    let stored: Stored = serde_json::from_str(judgement)?;
    outcome.checklist = stored.checklist;
    match stored.verdict {
        Verdict::Permit { .. } => {}
        Verdict::Redirect { instructions } => outcome.reasons = vec![instructions],
        Verdict::Refuse { reasons } => outcome.reasons = reasons,
        Verdict::Hold { missing, .. } => outcome.reasons = missing,
        Verdict::Conflict { reasons, alternatives } => {
            outcome.reasons = reasons;
            outcome.alternatives = alternatives
                .into_iter()
                .map(|alternative| match alternative {
                    Alternative::Address(address) => address.to_string(),
                    Alternative::Username(username) => username.to_string(),
                })
                .collect();
        }
    }
    Ok(())
}
