//! The outcome document: what became of a request, for whoever handed it in. No secret is in it.
//!
//! Outcome file, queue message and webhook body are this one document; `akund schema outcome` prints its schema.

use super::Check;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version 1 of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Format version: 1.
    pub akund: u32,
    /// The request that it is about.
    pub request: OutcomeRequest,
    /// Where the request stands: refused, redirected, conflicted, held, working, waiting, stuck, done, withdrawing or withdrawn.
    pub state: String,
    /// Whether nothing more will happen to it.
    pub ended: bool,
    /// What judging gave: permit, redirect, refuse, conflict or hold.
    pub verdict: String,
    /// Why, in sentences: reasons of a refusal or conflict, or what is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// With a conflict: free names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<String>,
    /// Each requirement and its result.
    pub checklist: Vec<Check>,
    /// The account, where one was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<OutcomeAccount>,
    /// While it waits: for what (`signed-letter`, or the request that works on the same account, `PROCEDURE:ID@REVISION`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// The signed letter, as the register of outgoing letters has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<OutcomeLetter>,
    /// Each step, in order.
    pub steps: Vec<OutcomeStep>,
    /// The written procedure's table, with the minutes that it allows and those that it took, in working time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub table: Vec<OutcomeRow>,
    /// The procedure's deadlines that have begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deadlines: Vec<OutcomeDeadline>,
    /// When it was received. RFC 3339, UTC.
    #[schemars(with = "String")]
    pub received_at: Timestamp,
    /// When it came to stand where it stands.
    #[schemars(with = "String")]
    pub state_at: Timestamp,
    /// SHA-256 of the procedure file by which it was judged, hex.
    pub procedure_sha256: String,
    /// When its personal data were removed since they were no longer needed: what is missing above is missing since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub personal_data_removed_at: Option<Timestamp>,
    /// Head of the audit chain when this was written, `SEQ:HASH`: keep it, and `akund audit verify --head` finds a cut-off record.
    pub audit_head: String,
}

/// Which request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeRequest {
    /// akund's own id, as in the audit record and the log.
    pub uid: String,
    /// The procedure.
    pub procedure: String,
    /// The sender's id.
    pub id: String,
    /// Its revision.
    pub revision: u32,
    /// What it asked for.
    pub action: String,
    /// The source that handed it in.
    pub source: String,
    /// The request whose credentials this one hands out anew (`akund redeliver`), `PROCEDURE:ID@REVISION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redelivers: Option<String>,
    /// The requests that hand out this one's credentials anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redelivered_by: Vec<String>,
    /// The file, and the line in it.
    pub file: String,
    /// From 1.
    pub line: u32,
}

/// Which account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeAccount {
    /// akund's own id.
    pub uid: String,
    /// Mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// User name.
    pub username: String,
    /// Services.
    pub services: Vec<String>,
    /// First instant at which it is no longer valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ends_at: Option<Timestamp>,
}

/// A signed letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeLetter {
    /// Its number in the register of outgoing letters.
    pub number: String,
    /// The role that signed it.
    pub signed_by: String,
    /// The day on which it was signed.
    #[schemars(with = "String")]
    pub signed_on: jiff::civil::Date,
    /// When it was recorded. RFC 3339, UTC.
    #[schemars(with = "String")]
    pub recorded_at: Timestamp,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Where the file is kept, relative to the spool.
    pub evidence: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeStep {
    /// The target or channel.
    pub lane: String,
    /// mint, apply, prove, undo, deliver, draft or sign.
    pub verb: String,
    /// With deliver: which notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// With deliver: to whom; `applicant`, `responsible`, `holder` or a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The number of the step in the written procedure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sop: Option<String>,
    /// blocked, ready, retry, running, done, stuck or cancelled.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When the first attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub began_at: Option<Timestamp>,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub done_at: Option<Timestamp>,
    /// With prove: login, stored or observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// The last attempt's failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// With deliver: the next system's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// With deliver: the channels that refused it for good before this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<super::Refused>,
    /// With deliver, where the channel reports arrivals: expected, confirmed, failed, or unknown (no report came in time).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<String>,
    /// When that was reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub arrival_at: Option<Timestamp>,
    /// With a failed arrival: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival_note: Option<String>,
}

impl Outcome {
    /// The bytes of the outcome file, which every outlet gets.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// An outcome document on its way to somebody else's system.
#[derive(Debug, Clone)]
pub struct Posting {
    /// The journal's number of it.
    pub id: i64,
    /// Names this document to the receiver, the same with every attempt: the request's uid and a number that counts up.
    pub delivery: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// When the first attempt began.
    pub first_at: Timestamp,
    /// The bytes of the outcome file.
    pub body: Vec<u8>,
}

/// One row of the written procedure's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeRow {
    /// Its number there.
    pub step: String,
    /// What is done.
    pub title: String,
    /// Who does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Minutes that the document allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_minutes: Option<u32>,
    /// When it began, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub began_at: Option<Timestamp>,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// Minutes of working time that it took, or has taken so far; each minute that was begun counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual_minutes: Option<u32>,
    /// It took longer than the document allows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// One deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeDeadline {
    /// Its name in the procedure file.
    pub name: String,
    /// The row of the table that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// When it began.
    #[schemars(with = "String")]
    pub from_at: Timestamp,
    /// Until when it was to be met.
    #[schemars(with = "String")]
    pub due_at: Timestamp,
    /// When it was met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub met_at: Option<Timestamp>,
    /// When the request ended without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub no_longer_due_at: Option<Timestamp>,
    /// It was met late, is overdue, or was when the request ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// The JSON Schema of [`Outcome`].
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Outcome).to_value()
}
