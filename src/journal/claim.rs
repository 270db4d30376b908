//! What a lane does next: steps that are ready are claimed for it, with all that it takes to carry them out.

use super::letters::{self, Paper};
use super::paused::is_paused;
use super::tx::{Tx, from_word, steps as ids};
use super::{JournalError, course, rebase};
use crate::model::request::Change;
use crate::model::verdict::Check;
use crate::model::{Account, Action, Fault, NoticeKind, Record, RequestKey, RequestUid, StepDetail, StepId, Verb};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// A step that a lane has claimed, with what it needs to carry it out.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The step.
    pub step: StepId,
    /// Which attempt this is, from 1; the fencing token.
    pub attempt: u32,
    /// An earlier attempt's answer was lost.
    pub uncertain: bool,
    /// When the first attempt began.
    pub first_at: Timestamp,
    /// What is done.
    pub verb: Verb,
    /// What it needs to know.
    pub detail: StepDetail,
    /// The request's uid.
    pub uid: RequestUid,
    /// The request's key, for messages.
    pub key: RequestKey,
    /// What the request asks for.
    pub action: Action,
    /// The account as it shall be; none for the notices of a request that got no grant.
    pub account: Option<Account>,
    /// What the lane's target called the account when it was last written there.
    pub external_id: Option<String>,
    /// Of an account that akund did not make: as the register has it.
    pub adopted: Option<Account>,
    /// Sealed credential, once minted.
    pub sealed: Option<Vec<u8>>,
    /// The journal was put back since it was planned: look at the target before anything is written.
    pub restored: bool,
    /// For `Deliver` and `Draft` only: what the notice or letter says.
    pub notice: Option<Box<NoticeFacts>>,
    /// For `Apply`: its proof, where that is next and at the same lane. It may be made before the apply is recorded.
    pub proof: Option<Proving>,
}

/// A proof that may be made in the turn of the step that it proves.
#[derive(Debug, Clone, Copy)]
pub struct Proving {
    /// The step.
    pub step: StepId,
    /// Which attempt this would be, from 1.
    pub attempt: u32,
    /// When the first attempt began, or begins.
    pub first_at: Timestamp,
}

/// What a notice is rendered from, besides the account and the password.
#[derive(Debug, Clone)]
pub struct NoticeFacts {
    /// The record.
    pub record: Record,
    /// The verdict.
    pub verdict: crate::model::Verdict,
    /// A result per requirement.
    pub checklist: Vec<Check>,
    /// The procedure's own texts, as they were when it was judged.
    pub texts: Arc<BTreeMap<String, String>>,
    /// For the notices that a letter goes with.
    pub paper: Option<Paper>,
}

/// What a lane's turn gives.
#[derive(Debug, Default)]
pub struct Turn {
    /// Claimed now, in the order in which to serve them.
    pub claims: Vec<Claim>,
    /// If nothing was claimed: when the next retry is due.
    pub next_due: Option<Timestamp>,
    /// The lane is paused: nothing is claimed until it is not.
    pub paused: bool,
    /// Steps that would have been claimed, but are stuck since the journal's data of them cannot be read: look again at once.
    pub unreadable: usize,
    /// How many requests ended by what was recorded.
    pub requests_ended: usize,
}

/// Claims at most `most` steps of a lane that are ready.
pub fn claim(tx: &mut Tx<'_>, lane: &str, most: usize) -> Result<Turn, JournalError> {
    let mut turn = Turn { paused: is_paused(tx, lane)?, ..Turn::default() };
    if most == 0 || turn.paused {
        return Ok(turn);
    }
    let now = tx.micros();
    // A step that waited for its retry is served as if it came now, whatever the clock stood at before a restart.
    let turn_now = tx.turn(lane, 0);
    tx.run(
        "UPDATE step SET state = 'ready', turn = min(turn, ?3) WHERE lane = ?1 AND state = 'retry' AND due <= ?2",
        (lane, now, turn_now),
    )?;
    let ready = tx.rows(&READY, (lane, i64::try_from(most).unwrap_or(i64::MAX)), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, Ready::read(row)))
    })?;
    for (id, at_turn, ready) in ready {
        tx.served(lane, at_turn);
        // One step that cannot be read must not stop the others, nor the daemon.
        match ready.map_err(JournalError::from).and_then(|ready| claim_of(tx, id, ready)) {
            Ok(claim) => turn.claims.push(claim),
            Err(error) if tx.fatal.is_some() => return Err(error),
            Err(error) => {
                tracing::error!(step = id, lane, %error, "a step cannot be carried out");
                course::stick_step(
                    tx,
                    id,
                    &Fault::permanent(format!("its data in the journal cannot be read: {error}")),
                )?;
                course::settle_withdrawal(tx, id >> 8)?;
                turn.unreadable += 1;
            }
        }
    }
    begin(tx, &turn.claims)?;
    if turn.claims.is_empty() {
        let due: Option<i64> = tx
            .row("SELECT min(due) FROM step WHERE lane = ?1 AND state = 'retry'", [lane], |row| row.get(0))?
            .flatten();
        turn.next_due = due.and_then(|due| Timestamp::from_microsecond(due).ok());
    }
    Ok(turn)
}

/// A ready step and its request, as the journal has them.
struct Ready {
    verb: String,
    detail: String,
    attempts: u32,
    uncertain: bool,
    first_at: Option<i64>,
    uid: uuid::Uuid,
    key: RequestKey,
    action: String,
    sealed: Option<Vec<u8>>,
    external_id: Option<String>,
    adopted: bool,
    /// Of an adopted account: what its request changes, as JSON.
    change: Option<String>,
    restored: bool,
    /// The step of its proof, that one's attempts, and when the first of them began.
    proof: Option<(i64, u32, Option<i64>)>,
    accounts: rebase::Accounts,
}

impl Ready {
    /// A row of [`READY`].
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            verb: row.get(2)?,
            detail: row.get(3)?,
            attempts: row.get(4)?,
            uncertain: row.get(5)?,
            first_at: row.get(6)?,
            uid: row.get(7)?,
            key: RequestKey { procedure: row.get(8)?, id: row.get(9)?, revision: row.get(10)? },
            action: row.get(11)?,
            sealed: row.get(12)?,
            external_id: row.get(13)?,
            adopted: row.get(14)?,
            change: row.get(15)?,
            restored: row.get(16)?,
            proof: match row.get(17)? {
                Some(step) => Some((step, row.get(18)?, row.get(19)?)),
                None => None,
            },
            accounts: rebase::Accounts::read(row, 20)?,
        })
    }

    /// What is known of an adopted account before its request. The register may say of it what a list said, or the request itself, and
    /// not what its targets hold: so what the request changes counts as not known, and is written.
    fn known(&self) -> Result<Option<Account>, JournalError> {
        let change: Option<Option<Change>> = self.change.as_deref().map(serde_json::from_str).transpose()?;
        let (Some(mut known), Some(change)) = (self.accounts.current()?, change.flatten()) else {
            return self.accounts.current();
        };
        if change.name.is_some() {
            for name in [&mut known.name, &mut known.given_name, &mut known.family_name] {
                *name = "?".into();
            }
        }
        known.quota = known.quota.filter(|_| change.quota.is_none());
        known.ends_at = known.ends_at.filter(|_| change.expires.is_none());
        known.group = known.group.filter(|group| change.group.as_ref() != Some(group));
        Ok(Some(known))
    }
}

/// The steps of a lane (?1) that are ready, at most ?2, in the order in which to serve them. A proof comes with what it proves, but
/// where more than the request decides about either: after the journal was put back, and of an account that was adopted.
static READY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT s.id, s.turn, s.verb, s.detail, s.attempts, s.uncertain, s.first_at, r.uid, r.procedure, r.ext_id, r.revision, r.action,
           c.sealed, t.external_id, a.adopted IS NOT NULL,
           CASE WHEN a.adopted IS NOT NULL THEN iif(json_valid(p.record), p.record -> '$.change', p.record) END, s.restored = 1,
           n.id, n.attempts, n.first_at, {}
         FROM step s LEFT JOIN request r ON r.id = s.id >> 8 LEFT JOIN secret c ON c.request = r.id
         LEFT JOIN placed t ON t.account = r.account AND t.target = s.lane {}
         LEFT JOIN step n ON n.id = s.id + 1 AND s.verb = 'apply' AND s.part = 'plan' AND s.restored = 0 AND a.adopted IS NULL
           AND n.verb = 'prove' AND n.part = 'plan' AND n.restored = 0 AND n.lane = s.lane AND n.state = 'blocked'
         WHERE s.lane = ?1 AND s.state = 'ready' ORDER BY s.turn, s.id LIMIT ?2",
        rebase::COLUMNS,
        rebase::JOIN
    )
});

/// What it takes to carry a step out. One that cannot be read is left untouched.
fn claim_of(tx: &mut Tx<'_>, id: i64, ready: Ready) -> Result<Claim, JournalError> {
    let verb: Verb = from_word(&ready.verb)?;
    let detail: StepDetail = serde_json::from_str(&ready.detail)?;
    let told = matches!(verb, Verb::Deliver | Verb::Draft);
    let adopted = if ready.adopted || verb == Verb::Adopt { ready.known()? } else { None };
    let at = |micros: Option<i64>| micros.and_then(|at| Timestamp::from_microsecond(at).ok());
    let proof = ready.proof.map(|(step, attempts, first_at)| Proving {
        step: StepId(step),
        attempt: attempts + 1,
        first_at: at(first_at).unwrap_or(tx.now),
    });
    let notice = told.then(|| notice_facts(tx, id >> 8, detail.notice)).transpose()?.map(Box::new);
    Ok(Claim {
        step: StepId(id),
        attempt: ready.attempts + 1,
        uncertain: ready.uncertain,
        first_at: at(ready.first_at).unwrap_or(tx.now),
        verb,
        detail,
        uid: RequestUid(ready.uid),
        key: ready.key,
        action: from_word(&ready.action)?,
        account: ready.accounts.wanted()?,
        external_id: ready.external_id,
        adopted,
        sealed: ready.sealed,
        restored: ready.restored,
        notice,
        proof,
    })
}

/// The intent, before anything happens outside.
fn begin(tx: &mut Tx<'_>, claims: &[Claim]) -> Result<(), JournalError> {
    if claims.is_empty() {
        return Ok(());
    }
    let now = tx.micros();
    tx.run(
        "UPDATE step SET state = 'running', attempts = attempts + 1, claimed_at = ?2, first_at = coalesce(first_at, ?2),
           restored = CASE restored WHEN 3 THEN 0 ELSE restored END WHERE id IN (SELECT value FROM json_each(?1))",
        (ids(claims.iter().map(|claim| claim.step))?, now),
    )
    .map(drop)
}

fn notice_facts(tx: &mut Tx<'_>, request: i64, kind: Option<NoticeKind>) -> Result<NoticeFacts, JournalError> {
    #[derive(serde::Deserialize)]
    struct Stored {
        verdict: crate::model::Verdict,
        checklist: Vec<Check>,
    }
    let (record, judgement, texts): (String, String, i64) = tx
        .row(
            "SELECT p.record, p.judgement, r.texts FROM personal p JOIN request r ON r.id = p.request WHERE p.request = ?1",
            [request],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?
        .ok_or_else(|| JournalError::Internal(format!("the personal data of request number {request} are gone")))?;
    let stored: Stored = serde_json::from_str(&judgement)?;
    Ok(NoticeFacts {
        record: serde_json::from_str(&record)?,
        verdict: stored.verdict,
        checklist: stored.checklist,
        texts: tx.texts(texts)?,
        paper: match kind {
            Some(NoticeKind::LetterDraft) => letters::draft(tx, request)?,
            Some(NoticeKind::Letter) => letters::signed(tx, request)?,
            _ => None,
        },
    })
}
