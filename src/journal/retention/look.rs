//! What is due, as far as reading can tell.

use super::files::{OF_SUBMISSION, since};
use super::{MADE, NOTHING_LEFT, STANDING, STANDING_COLUMNS, standing};
use crate::journal::JournalError;
use crate::journal::read::{Reader, maybe_time, time};
use crate::model::RequestKey;
use crate::model::retention::Policy;
use jiff::Timestamp;
use std::cell::Cell;
use std::collections::HashSet;

/// What is due now, by the journal's numbers.
#[derive(Debug, Default)]
pub struct Due {
    /// Requests whose outcome documents are due: number, source and key.
    pub outcomes: Vec<(i64, String, RequestKey)>,
    /// Submissions whose originals are due.
    pub originals: Vec<i64>,
    /// Requests whose letters are due.
    pub letters: Vec<i64>,
    /// Requests whose personal data are due.
    pub requests: Vec<i64>,
    /// Accounts whose personal data are due.
    pub accounts: Vec<uuid::Uuid>,
    /// Orders whose reasons are due.
    pub orders: Vec<i64>,
    /// Documents of [`Self::requests`] that no outlet has taken: they go with them.
    pub untaken: u64,
    /// Requests whose personal data would be due, and that wait for an outlet to take their documents.
    pub awaited: u64,
}

/// Where retention stands.
#[derive(Debug, Clone, Default)]
pub struct Standstill {
    /// The ages that the daemon last had, as a sentence; empty before it ever had any.
    pub policy: String,
    /// When all was last looked through.
    pub swept_at: Option<Timestamp>,
}

impl Due {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
            && self.originals.is_empty()
            && self.letters.is_empty()
            && self.requests.is_empty()
            && self.accounts.is_empty()
            && self.orders.is_empty()
    }
}

/// Before this, in microseconds; nothing is before it where there is no age.
fn before(age: Option<jiff::SignedDuration>, now: Timestamp) -> i64 {
    age.and_then(|age| now.checked_sub(age).ok()).map_or(i64::MIN, Timestamp::as_microsecond)
}

impl Reader {
    /// What is due now.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn retention_due(&self, policy: &Policy, now: Timestamp) -> Result<Due, JournalError> {
        let snapshot = self.connection.unchecked_transaction()?;
        let mut due = Due::default();
        if policy.outcomes.is_some() {
            due.outcomes = self.outcomes_going(policy, now)?;
        }
        if policy.originals.is_some() {
            due.originals = self.originals_going(policy, now)?;
            due.letters = self.requests_going(
                "r.id IN (SELECT request FROM draft UNION SELECT request FROM outgoing WHERE evidence <> '')",
                before(policy.originals, now),
                |standing| policy.request(standing, now).original,
            )?;
        }
        if policy.personal.is_some() {
            let awaited = Cell::new(0);
            let all = "r.id IN (SELECT request FROM personal)";
            due.requests = self.requests_going(all, before(policy.personal, now), |standing| {
                let goes = policy.request(standing, now).personal;
                let waits = !goes && policy.request(&standing.without_outlets(), now).personal;
                awaited.set(awaited.get() + u64::from(waits));
                goes
            })?;
            due.awaited = awaited.get();
            due.untaken = self.untaken(&due.requests)?;
            due.orders = self.orders_going(policy, now)?;
        }
        due.accounts = self.accounts_going(policy, now)?;
        snapshot.finish()?;
        Ok(due)
    }

    fn outcomes_going(&self, policy: &Policy, now: Timestamp) -> Result<Vec<(i64, String, RequestKey)>, JournalError> {
        let mut statement = self.connection.prepare(&format!(
            "SELECT {STANDING}, r.id, r.procedure, r.ext_id, r.revision, u.source
             FROM request r INDEXED BY request_outcome_kept JOIN submission u ON u.id = r.submission {MADE}
             WHERE r.ended_at IS NOT NULL AND r.outcome_removed IS NULL AND r.ended_at <= ?1 ORDER BY r.ended_at"
        ))?;
        let mut rows = statement.query([before(policy.outcomes, now)])?;
        let mut going = Vec::new();
        while let Some(row) = rows.next()? {
            if policy.request(&standing(row, 0)?, now).outcome {
                let at = |n: usize| STANDING_COLUMNS + n;
                let request = RequestKey { procedure: row.get(at(1))?, id: row.get(at(2))?, revision: row.get(at(3))? };
                going.push((row.get(at(0))?, row.get(at(4))?, request));
            }
        }
        Ok(going)
    }

    fn originals_going(&self, policy: &Policy, now: Timestamp) -> Result<Vec<i64>, JournalError> {
        let mut statement = self.connection.prepare(
            "SELECT id FROM submission INDEXED BY submission_kept WHERE evidence <> '' AND received_at <= ?1 ORDER BY received_at",
        )?;
        let mut of = self.connection.prepare_cached(OF_SUBMISSION)?;
        let mut rows = statement.query([before(policy.originals, now)])?;
        let mut going = Vec::new();
        while let Some(row) = rows.next()? {
            let submission: i64 = row.get(0)?;
            let since = of.query_row([submission], since)?.and_then(|at| Timestamp::from_microsecond(at).ok());
            if since.is_some_and(|since| policy.original(since, now)) {
                going.push(submission);
            }
        }
        Ok(going)
    }

    /// Files of which nothing is left but the name.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn file_names_going(&self) -> Result<Vec<i64>, JournalError> {
        let mut statement = self.connection.prepare(&format!("SELECT id FROM submission WHERE {NOTHING_LEFT}"))?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn requests_going(
        &self,
        which: &str,
        before: i64,
        goes: impl Fn(&crate::model::retention::Standing) -> bool,
    ) -> Result<Vec<i64>, JournalError> {
        let mut statement = self.connection.prepare(&format!(
            "SELECT {STANDING}, r.id FROM request r {MADE} WHERE {which} AND r.ended_at <= ?1 ORDER BY r.id"
        ))?;
        let mut rows = statement.query([before])?;
        let mut going = Vec::new();
        while let Some(row) = rows.next()? {
            if goes(&standing(row, 0)?) {
                going.push(row.get(STANDING_COLUMNS)?);
            }
        }
        Ok(going)
    }

    fn untaken(&self, requests: &[i64]) -> Result<u64, JournalError> {
        let mut statement =
            self.connection.prepare_cached("SELECT count(*) FROM posting WHERE request = ?1 AND state <> 'done'")?;
        let mut untaken = 0;
        for request in requests {
            untaken += statement.query_row([request], |row| row.get::<_, i64>(0))?.unsigned_abs();
        }
        Ok(untaken)
    }

    fn orders_going(&self, policy: &Policy, now: Timestamp) -> Result<Vec<i64>, JournalError> {
        let mut statement = self.connection.prepare(
            "SELECT id FROM orders WHERE state <> 'new' AND done_at <= ?1 AND (reason <> '' OR result IS NOT NULL) ORDER BY id",
        )?;
        let rows = statement.query_map([before(policy.personal, now)], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn accounts_going(&self, policy: &Policy, now: Timestamp) -> Result<Vec<uuid::Uuid>, JournalError> {
        let mut statement = self.connection.prepare(
            "SELECT uid, state, ended_at FROM account INDEXED BY account_ended WHERE ended_at IS NOT NULL AND emptied IS NULL",
        )?;
        let mut rows = statement.query([])?;
        let mut going = Vec::new();
        while let Some(row) = rows.next()? {
            if policy.account(time(row, 2)?, row.get::<_, String>(1)? == "removed", now) {
                going.push(row.get(0)?);
            }
        }
        Ok(going)
    }

    /// Of what came in before a moment, the files that are still kept.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn evidence_kept(&self, before: Timestamp) -> Result<HashSet<String>, JournalError> {
        let mut statement = self.connection.prepare(
            "SELECT evidence FROM submission INDEXED BY submission_kept WHERE evidence <> '' AND received_at <= ?1
             UNION ALL SELECT evidence FROM draft UNION ALL SELECT evidence FROM outgoing WHERE evidence <> ''",
        )?;
        let rows = statement.query_map([before.as_microsecond()], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What no age reaches, since it does not end by itself: requests that came before a moment and are still open, and accounts
    /// that ended before another and were never removed.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn never_ended(&self, policy: &Policy, now: Timestamp) -> Result<(u64, u64), JournalError> {
        let count = |sql: &str, at: i64| -> Result<u64, JournalError> {
            Ok(self.connection.query_row(sql, [at], |row| row.get::<_, i64>(0))?.unsigned_abs())
        };
        let requests = "SELECT count(*) FROM request INDEXED BY request_in_state
             WHERE state NOT IN ('done', 'refused', 'redirected', 'conflicted', 'withdrawn') AND received_at <= ?1";
        let accounts = "SELECT count(*) FROM account WHERE state IN ('active', 'suspended') AND ends_at <= ?1";
        Ok((count(requests, before(policy.personal, now))?, count(accounts, before(policy.register, now))?))
    }

    /// Where retention stands.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn retention(&self) -> Result<Standstill, JournalError> {
        let mut statement = self.connection.prepare_cached("SELECT policy, swept_at FROM retention")?;
        Ok(statement.query_row([], |row| Ok(Standstill { policy: row.get(0)?, swept_at: maybe_time(row, 1)? }))?)
    }

    /// With what the names of removed accounts are hashed.
    pub(in crate::journal) fn name_salt(&self) -> Result<Vec<u8>, JournalError> {
        Ok(self.connection.query_row("SELECT name_salt FROM retention", [], |row| row.get(0))?)
    }
}
