//! Looking at the audit record and verifying it.

use super::JournalError;
use super::chain::{self, Head, Link};
use super::read::{Reader, time};
use crate::model::hex::hex;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// One event, for people.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// Its number, from 1 without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// uid of the request it is about; empty where it is about akund itself.
    pub subject: String,
    /// What happened.
    pub kind: String,
    /// Without personal data.
    pub detail: serde_json::Value,
    /// Its hash, hex.
    pub hash: String,
    /// Of an order: who gave it, and why.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub order: Option<Said>,
}

/// What an order says of itself. It stands beside the record, which names nobody; the order's event has its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The login's name.
    pub by: String,
    /// Why, in the operator's words; may be empty.
    pub reason: String,
}

/// The digests of who gave an order, and of why: what is said may be emptied one day, who gave it stays.
pub(super) fn said(salt: &[u8], order: i64, login: &str, reason: &str) -> (String, String) {
    let digest = |what: &str, text: &str| {
        let mut hasher = Sha256::new();
        hasher.update(salt);
        hasher.update(format!("order {order} {what}\n{text}"));
        hex(&hasher.finalize())
    };
    (digest("by", login), digest("why", reason))
}

fn order(connection: &Connection, order: i64) -> Result<Option<Said>, JournalError> {
    let mut find = connection.prepare_cached("SELECT login, reason FROM orders WHERE id = ?1")?;
    Ok(find.query_row([order], |row| Ok(Said { by: row.get(0)?, reason: row.get(1)? })).optional()?)
}

/// The number of the order that an event tells of.
fn ordered(kind: &str, detail: &serde_json::Value) -> Option<i64> {
    (kind == "order").then(|| detail["order"].as_i64()).flatten()
}

/// The numbers of the orders that retention emptied, by its event.
fn erased(detail: &str) -> Vec<i64> {
    let detail: serde_json::Value = serde_json::from_str(detail).unwrap_or_default();
    detail["numbers"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_i64).collect()
}

/// What verifying found.
#[derive(Debug, Clone, Serialize)]
pub struct Verified {
    /// Whether every event is where and what it was when it was written.
    pub good: bool,
    /// How many events there are.
    pub events: u64,
    /// The head, `SEQ:HASH`.
    pub head: String,
    /// Each deviation, a sentence; at most 20.
    pub deviations: Vec<String>,
}

const MOST_DEVIATIONS: usize = 20;

/// The last head that the journal is known to have had, by the file beside it; none where that says nothing.
pub fn last_head(journal: &std::path::Path) -> Option<Head> {
    super::witness::read(&journal.with_extension("head")).ok().flatten()
}

impl Reader {
    /// Recomputes the whole chain and compares it with what is stored, and with a head that was kept elsewhere.
    ///
    /// # Errors
    /// Where the events cannot be read at all.
    pub fn verify(&self, kept: Option<Head>) -> Result<Verified, JournalError> {
        let mut statement =
            self.connection.prepare("SELECT seq, at, subject, kind, detail, hash FROM event ORDER BY seq")?;
        let mut rows = statement.query([])?;
        let mut head = Head::START;
        let mut deviations = Vec::new();
        let mut kept_found = None;
        // Orders without their reason, by number: retention must say that it emptied them.
        let mut emptied = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let seq = row.get::<_, i64>(0)?.unsigned_abs();
            if seq != head.seq + 1 {
                deviations.push(match seq.saturating_sub(head.seq) {
                    2 => format!("event {} is missing", head.seq + 1),
                    _ => format!("events {} to {} are missing", head.seq + 1, seq.saturating_sub(1)),
                });
                head.seq = seq.saturating_sub(1);
            }
            let (subject, kind, detail): (Vec<u8>, String, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
            let link = Link { at: row.get(1)?, subject: &subject, kind: &kind, detail: &detail };
            let stored: [u8; 32] = row.get(5)?;
            let computed = chain::extend(&head, &link);
            if computed.hash != stored {
                deviations.push(format!(
                    "event {seq} ({kind}) is not what was written, or does not follow on the one before it"
                ));
            }
            match kind.as_str() {
                "order" => deviations.extend(self.falsified(seq, &detail, &mut emptied)?),
                "erased" => {
                    for number in erased(&detail) {
                        emptied.remove(&number);
                    }
                }
                _ => {}
            }
            // Go on from what is stored, so that one change is told once.
            head = Head { seq, hash: stored };
            if kept.is_some_and(|kept| kept.seq == seq) {
                kept_found = Some(stored);
            }
            if deviations.len() > MOST_DEVIATIONS {
                deviations.truncate(MOST_DEVIATIONS);
                deviations.push("… and more".into());
                break;
            }
        }
        deviations.extend(emptied.values().cloned());
        if let Some(kept) = kept {
            match kept_found {
                Some(stored) if stored == kept.hash => {}
                Some(_) => deviations.push(format!(
                    "event {} has another hash than the one that was kept: the record up to it was rewritten",
                    kept.seq
                )),
                None => deviations.push(format!(
                    "event {}, which was kept as a head, is not there: the record ends at {} and its tail was cut off",
                    kept.seq, head.seq
                )),
            }
        }
        let events = self.connection.query_row("SELECT count(*) FROM event", [], |row| row.get::<_, i64>(0))?;
        Ok(Verified { good: deviations.is_empty(), events: events.unsigned_abs(), head: head.to_string(), deviations })
    }

    /// Whether who gave an order, and why, is not what its event was written for; orders of an older akund have no digest there.
    fn falsified(
        &self,
        seq: u64,
        detail: &str,
        emptied: &mut BTreeMap<i64, String>,
    ) -> Result<Option<String>, JournalError> {
        let detail: serde_json::Value = serde_json::from_str(detail).unwrap_or_default();
        let (Some(number), Some(who), Some(why)) =
            (ordered("order", &detail), detail["by"].as_str(), detail["why"].as_str())
        else {
            return Ok(None);
        };
        let told = || format!("event {seq}: who gave order {number}, or why, is not what was written");
        let Some(now) = order(&self.connection, number)? else { return Ok(Some(told())) };
        let (by, reason) = said(&self.name_salt()?, number, &now.by, &now.reason);
        if by == who && reason != why && now.reason.is_empty() {
            emptied.insert(number, told());
            return Ok(None);
        }
        Ok((by != who || reason != why).then(told))
    }

    /// Events, newest last: of one request or of one kind, or the last `most` of all.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn events(&self, request: Option<i64>, kind: Option<&str>, most: usize) -> Result<Vec<Event>, JournalError> {
        let mut statement = self.connection.prepare(
            "SELECT seq, at, subject, kind, detail, hash FROM event
             WHERE (?1 IS NULL OR subject = (SELECT uid FROM request WHERE id = ?1)) AND (?2 IS NULL OR kind = ?2)
             ORDER BY seq DESC LIMIT ?3",
        )?;
        let rows = statement.query_map((request, kind, i64::try_from(most).unwrap_or(i64::MAX)), |row| {
            let subject: Vec<u8> = row.get(2)?;
            let detail: String = row.get(4)?;
            Ok(Event {
                seq: row.get::<_, i64>(0)?.unsigned_abs(),
                at: time(row, 1)?,
                subject: uuid::Uuid::from_slice(&subject).map(|uid| uid.to_string()).unwrap_or_default(),
                kind: row.get(3)?,
                detail: serde_json::from_str(&detail).unwrap_or(serde_json::Value::String(detail)),
                hash: hex(&row.get::<_, [u8; 32]>(5)?),
                order: None,
            })
        })?;
        let mut events: Vec<Event> = rows.collect::<Result<_, _>>()?;
        for event in &mut events {
            if let Some(number) = ordered(&event.kind, &event.detail) {
                event.order = order(&self.connection, number)?;
            }
        }
        events.reverse();
        Ok(events)
    }
}
