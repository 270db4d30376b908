//! Files: what is about to be unlinked, and that it was.

use super::{Removal, What, forget_name_of, of_request};
use crate::journal::JournalError;
use crate::journal::tx::Tx;
use crate::model::retention::Policy;
use jiff::Timestamp;

/// Enters a file that is about to be unlinked, once.
fn intend(tx: &mut Tx<'_>, what: What, of: i64, path: String) -> Result<Option<Removal>, JournalError> {
    let sql = "SELECT id FROM removal WHERE of = ?1 AND what = ?2 AND path = ?3";
    if tx.row(sql, (of, what.as_str(), &path), |row| row.get::<_, i64>(0))?.is_some() {
        return Ok(None);
    }
    tx.run("INSERT INTO removal (what, of, path) VALUES (?1, ?2, ?3)", (what.as_str(), of, &path))?;
    Ok(Some(Removal { id: tx.last_id(), what, path }))
}

pub(super) fn outcomes(
    tx: &mut Tx<'_>,
    policy: &Policy,
    requests: Vec<(i64, String)>,
) -> Result<Vec<Removal>, JournalError> {
    let mut removals = Vec::new();
    for (request, path) in requests {
        let Some((standing, uid)) = of_request(tx, request)? else { continue };
        if policy.request(&standing, tx.now).outcome
            && let Some(removal) = intend(tx, What::Outcome, request, path)?
        {
            tx.event(uid.as_bytes(), "erasing", &serde_json::json!({"what": What::Outcome.as_str()}))?;
            removals.push(removal);
        }
    }
    Ok(removals)
}

/// A submission's evidence, if nothing in it is open and everything is older than its age. Each look is one into an index, however many
/// requests came in one file.
fn of_submission(tx: &mut Tx<'_>, policy: &Policy, submission: i64) -> Result<Option<String>, JournalError> {
    let found = tx.row(OF_SUBMISSION, [submission], |row| Ok((row.get(0)?, since(row)?)))?;
    Ok(found.and_then(|(evidence, since): (String, Option<i64>)| {
        let since = Timestamp::from_microsecond(since?).ok()?;
        policy.original(since, tx.now).then_some(evidence)
    }))
}

/// A submission with its evidence: whether a request in it is open, when it came, and when the last one ended.
pub(super) const OF_SUBMISSION: &str =
    "SELECT u.evidence, EXISTS (SELECT 1 FROM request r WHERE r.submission = u.id AND r.ended_at IS NULL), u.received_at,
       coalesce((SELECT max(r.ended_at) FROM request r WHERE r.submission = u.id), 0)
     FROM submission u WHERE u.id = ?1 AND u.evidence <> ''";

/// Since when nothing of what came is open; of a row of [`OF_SUBMISSION`].
pub(super) fn since(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<i64>> {
    let (open, received, last): (bool, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
    Ok((!open).then_some(received.max(last)))
}

/// Other submissions with the very same file: from another source, or by another akund.
fn sharing(tx: &mut Tx<'_>, submission: i64, evidence: &str) -> Result<Vec<i64>, JournalError> {
    tx.rows(
        "WITH RECURSIVE known(source) AS (SELECT min(source) FROM submission WHERE source > ''
           UNION ALL SELECT (SELECT min(source) FROM submission WHERE source > known.source) FROM known WHERE known.source IS NOT NULL)
         SELECT o.id FROM submission u CROSS JOIN known JOIN submission o ON o.source = known.source AND o.sha256 = u.sha256
         WHERE u.id = ?1 AND o.id <> ?1 AND o.evidence = ?2",
        (submission, evidence),
        |row| row.get(0),
    )
}

pub(super) fn originals(tx: &mut Tx<'_>, policy: &Policy, submissions: &[i64]) -> Result<Vec<Removal>, JournalError> {
    let mut removals = Vec::new();
    'next: for submission in submissions {
        let Some(evidence) = of_submission(tx, policy, *submission)? else { continue };
        for other in sharing(tx, *submission, &evidence)? {
            if of_submission(tx, policy, other)?.is_none() {
                continue 'next;
            }
        }
        if let Some(removal) = intend(tx, What::Original, *submission, evidence)? {
            let detail = serde_json::json!({"what": What::Original.as_str(), "submission": submission});
            // Of one request it is told among what happened to that.
            let sql = "SELECT uid FROM request WHERE submission = ?1 LIMIT 2";
            let of: Vec<uuid::Uuid> = tx.rows(sql, [submission], |row| row.get(0))?;
            let subject = if let [sole] = of.as_slice() { sole.as_bytes().to_vec() } else { Vec::new() };
            tx.event(&subject, "erasing", &detail)?;
            removals.push(removal);
        }
    }
    Ok(removals)
}

pub(super) fn letters(tx: &mut Tx<'_>, policy: &Policy, requests: &[i64]) -> Result<Vec<Removal>, JournalError> {
    let mut removals = Vec::new();
    for request in requests {
        let Some((standing, uid)) = of_request(tx, *request)? else { continue };
        if !policy.request(&standing, tx.now).original {
            continue;
        }
        let sql = "SELECT evidence FROM draft WHERE request = ?1 UNION SELECT evidence FROM outgoing WHERE request = ?1 AND evidence <> ''";
        for evidence in tx.rows(sql, [request], |row| row.get::<_, String>(0))? {
            if shared_letter(tx, policy, *request, &evidence)? {
                continue;
            }
            if let Some(removal) = intend(tx, What::Letter, *request, evidence)? {
                tx.event(uid.as_bytes(), "erasing", &serde_json::json!({"what": What::Letter.as_str()}))?;
                removals.push(removal);
            }
        }
    }
    Ok(removals)
}

/// Whether a letter's file is also that of another request, which keeps it.
fn shared_letter(tx: &mut Tx<'_>, policy: &Policy, request: i64, evidence: &str) -> Result<bool, JournalError> {
    let others: Vec<i64> = tx.rows(
        "SELECT request FROM draft WHERE evidence = ?2 AND request <> ?1
         UNION SELECT request FROM outgoing WHERE evidence = ?2 AND request <> ?1",
        (request, evidence),
        |row| row.get(0),
    )?;
    for other in others {
        if let Some((standing, _)) = of_request(tx, other)?
            && !policy.request(&standing, tx.now).original
        {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn others(tx: &mut Tx<'_>, what: What, paths: Vec<String>) -> Result<Vec<Removal>, JournalError> {
    let mut removals = Vec::new();
    for path in paths {
        removals.extend(intend(tx, what, 0, path)?);
    }
    if !removals.is_empty() {
        tx.event(&[], "erasing", &serde_json::json!({"what": what.as_str(), "files": removals.len()}))?;
    }
    Ok(removals)
}

/// An intent as carried out: 1, or 0 where that is known, or the file was written anew meanwhile.
pub(super) fn carried_out(tx: &mut Tx<'_>, removal: &Removal) -> Result<usize, JournalError> {
    let of: Option<i64> = tx.row("SELECT of FROM removal WHERE id = ?1", [removal.id], |row| row.get(0))?;
    let Some(of) = of else { return Ok(0) };
    let now = tx.micros();
    match removal.what {
        What::Outcome => {
            tx.run("UPDATE request SET outcome_removed = ?2 WHERE id = ?1", (of, now))?;
        }
        What::Original => {
            tx.run("UPDATE submission SET evidence = '', removed = ?2 WHERE id = ?1", (of, now))?;
            forget_name_of(tx, of)?;
        }
        What::Letter => {
            tx.run("DELETE FROM draft WHERE request = ?1 AND evidence = ?2", (of, &removal.path))?;
            tx.run("UPDATE outgoing SET evidence = '' WHERE request = ?1 AND evidence = ?2", (of, &removal.path))?;
        }
        What::Rejected | What::Stray => {}
    }
    tx.run("DELETE FROM removal WHERE id = ?1", [removal.id])
}
