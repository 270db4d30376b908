//! Looking at the audit record and verifying it.

use super::JournalError;
use super::chain::{self, Head, Link, hex};
use super::read::{Reader, time};
use jiff::Timestamp;
use serde::Serialize;

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

    /// Events, newest last: of one request, or the last `most` of all.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn events(&self, request: Option<i64>, most: usize) -> Result<Vec<Event>, JournalError> {
        let mut statement = self.connection.prepare(
            "SELECT seq, at, subject, kind, detail, hash FROM event
             WHERE ?1 IS NULL OR subject = (SELECT uid FROM request WHERE id = ?1) ORDER BY seq DESC LIMIT ?2",
        )?;
        let rows = statement.query_map((request, i64::try_from(most).unwrap_or(i64::MAX)), |row| {
            let subject: Vec<u8> = row.get(2)?;
            let detail: String = row.get(4)?;
            Ok(Event {
                seq: row.get::<_, i64>(0)?.unsigned_abs(),
                at: time(row, 1)?,
                subject: uuid::Uuid::from_slice(&subject).map(|uid| uid.to_string()).unwrap_or_default(),
                kind: row.get(3)?,
                detail: serde_json::from_str(&detail).unwrap_or(serde_json::Value::String(detail)),
                hash: hex(&row.get::<_, [u8; 32]>(5)?),
            })
        })?;
        let mut events: Vec<Event> = rows.collect::<Result<_, _>>()?;
        events.reverse();
        Ok(events)
    }
}
