//! What a finished step, and the end of a request, mean for the register, the names and the secrets.

use super::JournalError;
use super::state::{Move, State};
use super::steps::{self, step_id};
use super::tx::Tx;
use crate::model::{Action, Grant, Proof, Verb};

/// Reserves an account's names, and enters a new account in the register.
pub(super) fn reserve(
    tx: &mut Tx<'_>,
    request: i64,
    action: Action,
    holder: &[u8; 32],
    grant: &Grant,
    procedure: &str,
) -> Result<(), JournalError> {
    let account = &grant.account;
    if action == Action::Create {
        let now = tx.micros();
        tx.run(
            "INSERT INTO account (uid, request, procedure, state, holder, account, created_at, ends_at)
             VALUES (?1, ?2, ?3, 'reserved', ?4, ?5, ?6, ?7)",
            (
                account.uid.0,
                request,
                procedure,
                holder,
                serde_json::to_string(account)?,
                now,
                account.ends_at.map(|at| at.as_microsecond()),
            ),
        )?;
    }
    for name in &grant.names {
        // The judge has seen the register in this very transaction; a name of this account's own may be there already.
        let taken: Option<uuid::Uuid> = tx.row("SELECT account FROM name WHERE name = ?1", [name], |row| row.get(0))?;
        match taken {
            None => {
                tx.run(
                    "INSERT INTO name (name, account, request) VALUES (?1, ?2, ?3)",
                    (name, account.uid.0, request),
                )?;
            }
            Some(holder) if holder == account.uid.0 => {}
            Some(_) => return Err(JournalError::Internal("a name was granted that another account holds".into())),
        }
    }
    Ok(())
}

/// Whether another request works on the same account: this one then waits for its end. At a release the other one may be the
/// younger.
pub(super) fn waits_for_account(tx: &mut Tx<'_>, request: i64) -> Result<bool, JournalError> {
    let earlier: Option<i64> = tx.row(
        "SELECT o.id FROM request r JOIN request o ON o.account = r.account AND o.id <> r.id
           AND o.state IN ('working', 'waiting', 'stuck', 'withdrawing') WHERE r.id = ?1 LIMIT 1",
        [request],
        |row| row.get(0),
    )?;
    Ok(earlier.is_some())
}

/// What a finished step means beyond itself.
pub(super) fn done(
    tx: &mut Tx<'_>,
    request: i64,
    lane: &str,
    verb: Verb,
    proof: Option<Proof>,
    external_id: Option<&str>,
    sealed: Option<&[u8]>,
) -> Result<(), JournalError> {
    let now = tx.micros();
    match verb {
        Verb::Mint => {
            if let Some(sealed) = sealed {
                tx.run("INSERT OR REPLACE INTO secret (request, sealed) VALUES (?1, ?2)", (request, sealed))?;
            }
        }
        Verb::Apply => {
            tx.run(
                "INSERT INTO placed (account, target, external_id, at) SELECT account, ?2, ?3, ?4 FROM request
                   WHERE id = ?1 AND account IS NOT NULL
                 ON CONFLICT (account, target) DO UPDATE SET external_id = coalesce(?3, external_id), at = ?4",
                (request, lane, external_id, now),
            )?;
            tx.run(
                "UPDATE account SET state = 'active' WHERE state = 'reserved'
                   AND uid = (SELECT account FROM request WHERE id = ?1)",
                [request],
            )?;
        }
        Verb::Prove => {
            tx.run(
                "UPDATE placed SET proof = ?3 WHERE target = ?2 AND account = (SELECT account FROM request WHERE id = ?1)",
                (request, lane, proof.map(Proof::as_str)),
            )?;
        }
        Verb::Undo => {
            tx.run(
                "DELETE FROM placed WHERE target = ?2 AND account = (SELECT account FROM request WHERE id = ?1)",
                (request, lane),
            )?;
        }
        Verb::Deliver => report(tx, request)?,
    }
    Ok(())
}

/// Asks for a new outcome document of a request that has one already.
pub(super) fn report(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    let state: Option<String> = tx.row("SELECT state FROM request WHERE id = ?1", [request], |row| row.get(0))?;
    if state.as_deref().and_then(State::from_word).is_some_and(State::reported) {
        tx.run("UPDATE request SET outcome_due = outcome_due + 1 WHERE id = ?1", [request])?;
        tx.wake(super::outcome::LANE);
    }
    Ok(())
}

/// The last step is done: the register gets its final word, the secret is wiped, and the next request for the account starts.
pub(super) fn finish(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    let (state, action, account): (String, String, Option<uuid::Uuid>) = tx
        .row("SELECT state, action, account FROM request WHERE id = ?1", [request], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .ok_or_else(|| JournalError::Internal(format!("request number {request} is gone")))?;
    let action: Action = steps::from_word(&action)?;
    tx.run("DELETE FROM secret WHERE request = ?1", [request])?;
    if State::from_word(&state) == Some(State::Withdrawing) {
        void(tx, request)?;
        tx.move_request(request, Move::Undone, "nothing is left to undo")?;
    } else {
        enter(tx, request, action, account)?;
        tx.move_request(request, Move::Finish, "every step is done")?;
    }
    next_for_account(tx, account)
}

/// What a request would have made is not made, or no more: the names of its new account are free again, and so are those that
/// it took for an account there was, unless it has reached a target or another open request wants them for the same account.
pub(super) fn void(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    tx.run("DELETE FROM name WHERE account IN (SELECT uid FROM account WHERE request = ?1)", [request])?;
    tx.run("UPDATE account SET state = 'void' WHERE request = ?1", [request])?;
    if stays_as_it_is(tx, request)? {
        return Ok(());
    }
    let taken: Vec<String> = tx.rows(
        "SELECT n.name FROM request r JOIN name n ON n.account = r.account WHERE r.id = ?1 AND n.request = ?1",
        [request],
        |row| row.get(0),
    )?;
    for name in taken {
        tx.run(
            "UPDATE name SET request = (
               SELECT o.id FROM request o JOIN personal p ON p.request = o.id,
                 json_each(p.judgement, '$.verdict.grant.names') AS granted
               WHERE o.account = name.account AND o.id <> ?2 AND granted.value = name.name
                 AND o.state NOT IN ('done', 'refused', 'redirected', 'conflicted', 'withdrawn') LIMIT 1)
             WHERE name = ?1 AND EXISTS (
               SELECT 1 FROM request o JOIN personal p ON p.request = o.id,
                 json_each(p.judgement, '$.verdict.grant.names') AS granted
               WHERE o.account = name.account AND o.id <> ?2 AND granted.value = name.name
                 AND o.state NOT IN ('done', 'refused', 'redirected', 'conflicted', 'withdrawn'))",
            (&name, request),
        )?;
        tx.run("DELETE FROM name WHERE name = ?1 AND request = ?2", (&name, request))?;
    }
    Ok(())
}

/// Enters what a finished request has made of its account.
fn enter(tx: &mut Tx<'_>, request: i64, action: Action, account: Option<uuid::Uuid>) -> Result<(), JournalError> {
    let state = match action {
        Action::Create | Action::Resume => "active",
        Action::Suspend => "suspended",
        Action::Remove => "removed",
        Action::Reset | Action::Change => "",
    };
    let made = super::rebase::account(tx, request)?;
    let ends_at = made.as_ref().and_then(|made| made.ends_at).map(|at| at.as_microsecond());
    tx.run(
        "UPDATE account SET state = CASE WHEN ?2 = '' THEN state ELSE ?2 END, account = coalesce(?3, account),
           ends_at = CASE WHEN ?3 IS NULL THEN ends_at ELSE ?4 END WHERE uid = ?1",
        (account, state, made.as_ref().map(serde_json::to_string).transpose()?, ends_at),
    )?;
    Ok(())
}

fn next_for_account(tx: &mut Tx<'_>, account: Option<uuid::Uuid>) -> Result<(), JournalError> {
    let next: Option<i64> = tx
        .row(
            "SELECT min(id) FROM request WHERE account = ?1 AND state IN ('working', 'waiting', 'stuck', 'withdrawing')",
            [account],
            |row| row.get(0),
        )?
        .flatten();
    match next {
        Some(next) => steps::advance(tx, next).map(drop),
        None => Ok(()),
    }
}

/// Begins a withdrawal: what is not in flight is cancelled; what may have been made gets its undo steps, last made first.
///
/// What a change, reset, suspension … has done at a target cannot be undone: how it was before is not known. It is therefore
/// not withdrawn while it still moves. Once it is stuck it may be: it would keep every later request for the account waiting.
pub(super) fn withdraw(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    let (action, state): (String, String) = tx
        .row("SELECT action, state FROM request WHERE id = ?1", [request], |row| Ok((row.get(0)?, row.get(1)?)))?
        .ok_or_else(|| JournalError::Internal(format!("request number {request} is gone")))?;
    if stays_as_it_is(tx, request)? && state != State::Stuck.as_str() {
        return Err(JournalError::Refused(format!(
            "a {action} that has reached a target cannot be taken back; hand in a new request that says how the account shall be"
        )));
    }
    tx.move_request(request, Move::Withdraw, "order")?;
    steps::cancel(tx, request)?;
    settle_withdrawal(tx, request)
}

/// Whether a request other than a create has reached a target: withdrawing it leaves that as it is.
pub(super) fn stays_as_it_is(tx: &mut Tx<'_>, request: i64) -> Result<bool, JournalError> {
    let reached: Option<i64> = tx.row(
        "SELECT s.id FROM step s JOIN request r ON r.id = s.id >> 8 WHERE s.id BETWEEN ?1 << 8 AND ?1 << 8 | 255
           AND s.verb = 'apply' AND s.attempts > 0 AND r.action <> 'create' LIMIT 1",
        [request],
        |row| row.get(0),
    )?;
    Ok(reached.is_some())
}

fn running(tx: &mut Tx<'_>, request: i64) -> Result<i64, JournalError> {
    Ok(tx
        .row(
            "SELECT count(*) FROM step WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND state = 'running'",
            [request],
            |row| row.get(0),
        )?
        .unwrap_or(0))
}

/// Whether a step is none of the undo steps of a request that is being withdrawn.
pub(super) fn is_taken_back(tx: &mut Tx<'_>, step: i64) -> Result<bool, JournalError> {
    let found: Option<i64> = tx.row(
        "SELECT s.id FROM step s JOIN request r ON r.id = s.id >> 8
         WHERE s.id = ?1 AND s.part <> 'undo' AND r.state = 'withdrawing'",
        [step],
        |row| row.get(0),
    )?;
    Ok(found.is_some())
}

/// Whether a withdrawal has come as far as its undo steps.
pub(super) fn undo_is_planned(tx: &mut Tx<'_>, request: i64) -> Result<bool, JournalError> {
    let planned: Option<i64> = tx.row(
        "SELECT id FROM step WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND part = 'undo' LIMIT 1",
        [request],
        |row| row.get(0),
    )?;
    Ok(planned.is_some())
}

/// Of a request that is being withdrawn: once nothing is in flight, plans the undo steps.
pub(super) fn settle_withdrawal(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    let state: Option<String> = tx.row("SELECT state FROM request WHERE id = ?1", [request], |row| row.get(0))?;
    if state.as_deref() != Some(State::Withdrawing.as_str()) {
        return Ok(());
    }
    if undo_is_planned(tx, request)? || running(tx, request)? > 0 {
        return Ok(());
    }
    steps::cancel(tx, request)?;
    let touched: Vec<(String, String)> = tx.rows(
        "SELECT s.lane, s.detail FROM step s JOIN request r ON r.id = s.id >> 8
         WHERE s.id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND s.verb = 'apply' AND s.attempts > 0 AND r.action = 'create'
         ORDER BY s.id DESC",
        [request],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let last: i64 = tx
        .row("SELECT max(id) & 255 FROM step WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255", [request], |row| row.get(0))?
        .unwrap_or(0);
    for (place, (lane, detail)) in touched.into_iter().enumerate() {
        let id = step_id(request, usize::try_from(last).unwrap_or(0) + 1 + place)?;
        tx.run(
            "INSERT INTO step (id, part, lane, verb, detail, state) VALUES (?1, 'undo', ?2, 'undo', ?3, 'blocked')",
            (id, lane, detail),
        )?;
    }
    steps::advance(tx, request).map(drop)
}
