//! The register: what granting, carrying out and ending a request mean for accounts, names and secrets.

use super::JournalError;
use super::state::State;
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
    // Of one that is adopted, what is known of it before: what the request makes of it is entered when that is done.
    let entered = if action == Action::Create { Some(account) } else { grant.adopts.as_deref() };
    if let Some(account) = entered {
        let now = tx.micros();
        tx.run(
            "INSERT INTO account (uid, request, procedure, state, holder, account, created_at, ends_at)
             VALUES (?1, ?2, ?3, 'reserved', ?4, ?5, ?6, ?7) ON CONFLICT (uid) DO NOTHING",
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
        let taken: Option<uuid::Uuid> = tx.holder_of_name(name)?;
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
        Verb::Adopt => adopted(tx, request, lane, external_id)?,
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
        // The password is kept for as long as a step needs it.
        Verb::Deliver => {
            tx.run(
                "DELETE FROM secret WHERE request = ?1 AND NOT EXISTS (
                   SELECT 1 FROM step WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND part = 'plan'
                     AND state NOT IN ('done', 'cancelled')
                     AND (verb IN ('mint', 'apply', 'prove') OR detail ->> '$.notice' = 'credentials'))",
                [request],
            )?;
        }
        Verb::Draft | Verb::Sign => {}
    }
    Ok(())
}

/// A target has named an account that akund did not make: from now on akund acts on that one and no other. What approved it is
/// the request's record.
fn adopted(tx: &mut Tx<'_>, request: i64, lane: &str, external_id: Option<&str>) -> Result<(), JournalError> {
    let now = tx.micros();
    tx.run(
        "INSERT INTO placed (account, target, external_id, at) SELECT account, ?2, ?3, ?4 FROM request
           WHERE id = ?1 AND account IS NOT NULL
         ON CONFLICT (account, target) DO UPDATE SET external_id = coalesce(external_id, ?3)",
        (request, lane, external_id, now),
    )?;
    let new = tx.run(
        "UPDATE account SET adopted = ?1, state = 'active' WHERE uid = (SELECT account FROM request WHERE id = ?1)
           AND adopted IS NULL",
        [request],
    )?;
    let (uid, account, approvals): (uuid::Uuid, uuid::Uuid, i64) = tx
        .row(
            "SELECT r.uid, r.account, coalesce(json_array_length(p.record, '$.approvals'), 0)
             FROM request r JOIN personal p ON p.request = r.id WHERE r.id = ?1",
            [request],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?
        .ok_or_else(|| JournalError::Internal(format!("request number {request} has no account to adopt")))?;
    let detail = serde_json::json!({
        "account": account, "target": lane, "approvals": approvals, "first": new > 0,
    });
    tx.event(uid.as_bytes(), "adopted", &detail).map(drop)
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

/// What a request would have made is not made, or no more: the names of its new account are free again, and so are those that
/// it took for an account there was, unless it has reached a target or another open request wants them for the same account.
///
/// An account that it adopted is forgotten again, but stays at its targets as it is; once one of them was written to, it stays adopted.
pub(super) fn void(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    if stays_as_it_is(tx, request)? {
        // Half done, it has shut the account somewhere, or opened it: a later request must be judged by that.
        let becomes = "CASE r.action WHEN 'suspend' THEN 'suspended' WHEN 'resume' THEN 'active' ELSE a.state END";
        let sql = format!(
            "UPDATE account AS a SET state = (SELECT {becomes} FROM request r WHERE r.id = ?1)
             WHERE a.uid = (SELECT account FROM request WHERE id = ?1) AND a.state IN ('active', 'suspended')"
        );
        return tx.run(&sql, [request]).map(drop);
    }
    // By its key: the register has no index of the requests that made or adopted its accounts.
    let account: Option<(uuid::Uuid, bool, bool, bool)> = tx.row(
        "SELECT a.uid, a.request = r.id, a.adopted IS r.id, a.entry IS NOT NULL
         FROM request r JOIN account a ON a.uid = r.account WHERE r.id = ?1",
        [request],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    if let Some((uid, made, adopted, listed)) = account {
        if adopted {
            tx.run("DELETE FROM placed WHERE account = ?1", [uid])?;
            tx.run("UPDATE account SET adopted = NULL WHERE uid = ?1", [uid])?;
        }
        if adopted && listed {
            tx.run("UPDATE account SET state = 'imported' WHERE uid = ?1", [uid])?;
        }
        if made {
            tx.run("DELETE FROM name WHERE account = ?1", [uid])?;
            let now = tx.micros();
            tx.run("UPDATE account SET state = 'void', ended_at = ?2 WHERE uid = ?1", (uid, now))?;
        }
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

/// The state in which an action leaves an account; none where it leaves it as it is.
pub(super) fn becomes(action: Action) -> Option<&'static str> {
    match action {
        Action::Create | Action::Resume => Some("active"),
        Action::Suspend => Some("suspended"),
        Action::Remove => Some("removed"),
        Action::Reset | Action::Change => None,
    }
}

/// Enters what a finished request has made of its account.
pub(super) fn enter(
    tx: &mut Tx<'_>,
    request: i64,
    action: Action,
    account: Option<uuid::Uuid>,
) -> Result<(), JournalError> {
    let state = becomes(action).unwrap_or_default();
    if action == Action::Create {
        // It was entered as it is wanted when its names were reserved.
        tx.run("UPDATE account SET state = ?2 WHERE uid = ?1", (account, state))?;
        return Ok(());
    }
    let made = super::rebase::account(tx, request)?;
    let ends_at = made.as_ref().and_then(|made| made.ends_at).map(|at| at.as_microsecond());
    let now = tx.micros();
    tx.run(
        "UPDATE account SET state = CASE WHEN ?2 = '' THEN state ELSE ?2 END, account = coalesce(?3, account),
           ends_at = CASE WHEN ?3 IS NULL THEN ends_at ELSE ?4 END,
           ended_at = CASE ?2 WHEN '' THEN ended_at WHEN 'removed' THEN ?5 END WHERE uid = ?1",
        (account, state, made.as_ref().map(serde_json::to_string).transpose()?, ends_at, now),
    )?;
    Ok(())
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
