//! Retention: what is kept no longer. The audit chain stays whole: it names nobody.
//!
//! Files go in three steps: their paths and an event are committed (intent), then they are unlinked, then the intent is committed as
//! carried out. A crash in between leaves the intent, which is carried out first of all at the next start. What stands in tables
//! is emptied in the commit of its event. Whatever a caller names is looked at again in the transaction, by [`Policy`].

mod files;
mod look;

pub use look::{Due, Standstill};

use super::tx::Tx;
use super::{Journal, JournalError};
use crate::model::hex::hex;
use crate::model::retention::{Need, Policy, Standing};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The last look is at most so long ago, where akund runs every day.
const LONG: jiff::SignedDuration = jiff::SignedDuration::from_hours(35 * 24);

/// What a file was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// An outcome document.
    Outcome,
    /// What was handed in.
    Original,
    /// A letter's draft, or the signed one.
    Letter,
    /// What was rejected, and why.
    Rejected,
    /// A file among the originals that the journal knows nothing of: a second copy, or one that a crash left.
    Stray,
}

impl What {
    const ALL: [Self; 5] = [Self::Outcome, Self::Original, Self::Letter, Self::Rejected, Self::Stray];

    /// The word in journal, events and log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outcome => "outcome",
            Self::Original => "original",
            Self::Letter => "letter",
            Self::Rejected => "rejected",
            Self::Stray => "stray",
        }
    }
}

/// A file that is to be unlinked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The journal's number of it.
    pub id: i64,
    /// What it was.
    pub what: What,
    /// Relative to the spool.
    pub path: String,
}

/// What is to go, by the journal's numbers.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Of these requests, whose outcome documents stand at these paths.
    Outcomes(Vec<(i64, String)>),
    /// Of these submissions.
    Originals(Vec<i64>),
    /// Of these requests.
    Letters(Vec<i64>),
    /// These paths, which no request is known of.
    Files(What, Vec<String>),
}

/// What emptying requests came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Emptied {
    /// How many.
    pub requests: usize,
    /// By outlet: how many documents went that it had not taken.
    pub untaken: BTreeMap<String, usize>,
}

/// How a name stands in the register once its account's personal data were emptied. No name begins so.
pub(super) fn hidden_name(salt: &[u8], name: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    hasher.update(name);
    format!("#{}", hex(&hasher.finalize()))
}

/// The columns of a request's [`Standing`], of a query over request `r`.
const STANDING: &str = "r.ended_at, r.outcome_due > 0 OR EXISTS (SELECT 1 FROM step s
    WHERE s.id BETWEEN r.id << 8 AND r.id << 8 | 255 AND s.state IN ('ready', 'retry', 'running')), a.state, a.ended_at,
    (SELECT max(p.made_at) FROM posting p WHERE p.request = r.id AND p.state IN ('ready', 'retry', 'running'))";
/// How many columns those are.
const STANDING_COLUMNS: usize = 5;
/// And where they come from: the account that the request made or adopted.
const MADE: &str = "LEFT JOIN account a ON a.uid = r.account AND (a.request = r.id OR a.adopted = r.id)";

fn standing(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Standing> {
    let state: Option<String> = row.get(first + 2)?;
    let ended = super::read::maybe_time(row, first + 3)?;
    let need = match (state.as_deref(), ended) {
        (None | Some("void"), _) => Need::Nothing,
        (Some(_), Some(at)) => Need::RemovedAt(at),
        (Some(_), None) => Need::Account,
    };
    let untaken = super::read::maybe_time(row, first + 4)?;
    Ok(Standing { ended_at: super::read::maybe_time(row, first)?, busy: row.get(first + 1)?, untaken, need })
}

impl Journal {
    /// Takes note of the ages in force; gives when all was last looked through, as far as that counts. New or changed ages are
    /// recorded, and nothing is due before a day has passed. Likewise where the last look was long ago: by the clock, which may
    /// stand wrong, and a day is time to put it right.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn retention_policy(&self, policy: Policy) -> Result<Option<Timestamp>, JournalError> {
        self.call(move |tx| {
            let sentence = policy.sentence();
            let known: Option<(String, Option<i64>)> =
                tx.row("SELECT policy, swept_at FROM retention", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let (known, swept) = known.unwrap_or_default();
            let swept = swept.and_then(|at| Timestamp::from_microsecond(at).ok());
            let none = known.is_empty() && policy.is_empty();
            let long_ago = !policy.is_empty() && swept.is_some_and(|at| tx.now.duration_since(at) > LONG);
            if none || (known == sentence && !long_ago) {
                return Ok(swept);
            }
            let now = tx.micros();
            tx.run("UPDATE retention SET policy = ?1, swept_at = ?2", (&sentence, now))?;
            tx.event(&[], "retention", &serde_json::json!({"policy": sentence, "after_a_long_time": long_ago}))?;
            Ok(Some(tx.now))
        })
        .await
    }

    /// All was looked through now.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn retention_swept(&self) -> Result<(), JournalError> {
        self.call(|tx| {
            let now = tx.micros();
            tx.run("UPDATE retention SET swept_at = ?1", [now]).map(drop)
        })
        .await
    }

    /// Commits that files are about to be unlinked, as far as they may be.
    ///
    /// # Errors
    /// Where it could not be written; nothing may be unlinked then.
    pub async fn about_to_remove(&self, policy: Policy, wanted: Wanted) -> Result<Vec<Removal>, JournalError> {
        self.call(move |tx| match wanted {
            Wanted::Outcomes(requests) => files::outcomes(tx, &policy, requests),
            Wanted::Originals(submissions) => files::originals(tx, &policy, &submissions),
            Wanted::Letters(requests) => files::letters(tx, &policy, &requests),
            Wanted::Files(what, paths) => files::others(tx, what, paths),
        })
        .await
    }

    /// At most `most` files that were about to be unlinked when akund ended.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn left_to_remove(&self, most: usize) -> Result<Vec<Removal>, JournalError> {
        self.call(move |tx| {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let rows: Vec<(i64, String, String)> =
                tx.rows("SELECT id, what, path FROM removal ORDER BY id LIMIT ?1", [most], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?;
            let what = |word: &str| What::ALL.into_iter().find(|what| what.as_str() == word).unwrap_or(What::Stray);
            Ok(rows.into_iter().map(|(id, word, path)| Removal { id, what: what(&word), path }).collect())
        })
        .await
    }

    /// Commits that files were unlinked, and their directories synced.
    ///
    /// # Errors
    /// Where it could not be written; they are then unlinked once more, which changes nothing.
    pub async fn removed(&self, removals: &[Removal]) -> Result<(), JournalError> {
        let removals = removals.to_vec();
        self.call(move |tx| {
            let mut done = 0;
            for removal in &removals {
                done += files::carried_out(tx, removal)?;
            }
            if done == 0 {
                return Ok(());
            }
            tx.event(&[], "erased", &serde_json::json!({"files": done})).map(drop)
        })
        .await
    }

    /// Empties what the journal knows of the people of requests, as far as it may. Documents that no outlet has taken go with it: those
    /// that may still be taken have kept it ([`Policy::request`]).
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn empty_requests(&self, policy: Policy, requests: Vec<i64>) -> Result<Emptied, JournalError> {
        self.call(move |tx| {
            let mut emptied = Emptied::default();
            for request in requests {
                let Some((standing, uid)) = of_request(tx, request)? else { continue };
                if policy.request(&standing, tx.now).personal
                    && let Some(untaken) = empty_request(tx, request, uid)?
                {
                    emptied.requests += 1;
                    untaken.into_iter().for_each(|outlet| *emptied.untaken.entry(outlet).or_default() += 1);
                }
            }
            Ok(emptied)
        })
        .await
    }

    /// Empties the names of files of which nothing is left, as far as it may.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn empty_file_names(&self, submissions: Vec<i64>) -> Result<(), JournalError> {
        self.call(move |tx| submissions.into_iter().try_for_each(|submission| forget_name_of(tx, submission))).await
    }

    /// Empties what the register knows of accounts that are no more, as far as it may; how many.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn empty_accounts(&self, policy: Policy, accounts: Vec<uuid::Uuid>) -> Result<usize, JournalError> {
        self.call(move |tx| {
            let mut emptied = 0;
            for uid in accounts {
                let found: Option<(String, i64)> = tx.row(
                    "SELECT state, ended_at FROM account WHERE uid = ?1 AND ended_at IS NOT NULL AND emptied IS NULL",
                    [uid],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?;
                let Some((state, ended)) = found else { continue };
                let ended = Timestamp::from_microsecond(ended).unwrap_or(tx.now);
                if policy.account(ended, state == "removed", tx.now) {
                    empty_account(tx, uid)?;
                    emptied += 1;
                }
            }
            Ok(emptied)
        })
        .await
    }

    /// Empties what orders that were carried out said; who gave them and when stays. How many.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn empty_orders(&self, policy: Policy, orders: Vec<i64>) -> Result<usize, JournalError> {
        self.call(move |tx| {
            let mut emptied = Vec::new();
            for order in orders {
                let done: Option<i64> = tx
                    .row("SELECT done_at FROM orders WHERE id = ?1 AND state <> 'new'", [order], |row| row.get(0))?
                    .flatten();
                let done = done.and_then(|at| Timestamp::from_microsecond(at).ok());
                if done.is_some_and(|at| policy.order(at, tx.now)) {
                    let rows = tx.run(
                        "UPDATE orders SET reason = '', result = NULL,
                           argument = CASE verb WHEN 'import' THEN '' ELSE argument END
                         WHERE id = ?1 AND (reason <> '' OR result IS NOT NULL)",
                        [order],
                    )?;
                    emptied.extend((rows > 0).then_some(order));
                }
            }
            if !emptied.is_empty() {
                let erased = serde_json::json!({"what": "orders", "orders": emptied.len(), "numbers": emptied});
                tx.event(&[], "erased", &erased)?;
            }
            Ok(emptied.len())
        })
        .await
    }
}

/// Where a request stands, and its uid.
fn of_request(tx: &mut Tx<'_>, request: i64) -> Result<Option<(Standing, uuid::Uuid)>, JournalError> {
    let sql = format!("SELECT {STANDING}, r.uid FROM request r {MADE} WHERE r.id = ?1");
    tx.row(&sql, [request], |row| Ok((standing(row, 0)?, row.get(STANDING_COLUMNS)?)))
}

/// An outcome document was written once more, for whatever reason: it is there again.
pub(super) fn outcome_is_back(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    tx.run("DELETE FROM removal WHERE of = ?1 AND what = ?2", (request, What::Outcome.as_str()))?;
    tx.run("UPDATE request SET outcome_removed = NULL WHERE id = ?1 AND outcome_removed IS NOT NULL", [request])?;
    Ok(())
}

/// A file's name may tell who it is about: it goes with the last of what it brought.
const NOTHING_LEFT: &str = "evidence = '' AND removed IS NOT NULL AND name <> 'removed ' || id
    AND NOT EXISTS (SELECT 1 FROM request r JOIN personal p ON p.request = r.id WHERE r.submission = submission.id)";

fn forget_name_of(tx: &mut Tx<'_>, submission: i64) -> Result<(), JournalError> {
    let sql = format!("UPDATE submission SET name = 'removed ' || id WHERE id = ?1 AND {NOTHING_LEFT}");
    tx.run(&sql, [submission]).map(drop)
}

/// None where it was empty; else the outlets that had not taken its document.
fn empty_request(tx: &mut Tx<'_>, request: i64, uid: uuid::Uuid) -> Result<Option<Vec<String>>, JournalError> {
    if tx.run("DELETE FROM personal WHERE request = ?1", [request])? == 0 {
        return Ok(None);
    }
    let untaken: Vec<String> =
        tx.rows("SELECT DISTINCT outlet FROM posting WHERE request = ?1 AND state <> 'done'", [request], |row| {
            row.get(0)
        })?;
    let now = tx.micros();
    tx.run("UPDATE request SET personal_removed = ?2 WHERE id = ?1", (request, now))?;
    // Servers' answers quote addresses. A notice that is stuck has nobody to go to any more.
    tx.run(
        "UPDATE step SET fault = NULL, note = NULL, detail = json_remove(detail, '$.refused'),
           state = CASE state WHEN 'stuck' THEN 'cancelled' ELSE state END WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255",
        [request],
    )?;
    tx.run(
        "UPDATE receipt SET reference = '', note = NULL, state = CASE state WHEN 'expected' THEN 'unknown' ELSE state END
         WHERE step BETWEEN ?1 << 8 AND ?1 << 8 | 255",
        [request],
    )?;
    tx.run("DELETE FROM posting WHERE request = ?1", [request])?;
    tx.run("DELETE FROM secret WHERE request = ?1", [request])?;
    let mut erased = serde_json::json!({"what": "personal"});
    if !untaken.is_empty() {
        erased["not_taken_by"] = untaken.join(", ").into();
    }
    tx.event(uid.as_bytes(), "erased", &erased)?;
    Ok(Some(untaken))
}

fn empty_account(tx: &mut Tx<'_>, uid: uuid::Uuid) -> Result<(), JournalError> {
    let names: Vec<String> = tx.rows("SELECT name FROM name WHERE account = ?1", [uid], |row| row.get(0))?;
    for name in names {
        let hidden = tx.hide_name(&name);
        tx.run("UPDATE name SET name = ?2 WHERE name = ?1", (&name, &hidden))?;
    }
    let now = tx.micros();
    tx.run(
        "UPDATE account SET account = '{}', entry = NULL, holder = zeroblob(32), emptied = ?2 WHERE uid = ?1",
        (uid, now),
    )?;
    tx.run("DELETE FROM placed WHERE account = ?1", [uid])?;
    tx.event(uid.as_bytes(), "erased", &serde_json::json!({"what": "account"})).map(drop)
}

/// Brings the write-ahead log into the database and empties it, so that what was removed stands nowhere in it. Waits for nobody:
/// false, where a reader stood in the way.
///
/// # Errors
/// Where the journal cannot be opened.
pub fn empty_log(path: &std::path::Path) -> Result<bool, JournalError> {
    let connection = rusqlite::Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    let busy =
        |mode: &str| connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get::<_, bool>(0));
    // Most of the work without the writer's lock, the rest with it.
    busy("PASSIVE")?;
    match busy("TRUNCATE") {
        Ok(busy) => Ok(!busy),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
