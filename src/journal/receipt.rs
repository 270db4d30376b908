//! What became of notices after they were handed over: expected, then confirmed, failed, or unknown where no report came in time.

use super::read::Reader;
use super::tx::Tx;
use super::{Journal, JournalError, register};
use crate::model::RequestUid;
use jiff::{SignedDuration, Timestamp};

/// The bell of whoever asks a channel for arrivals.
pub fn bell(lane: &str) -> String {
    format!("receipt:{lane}")
}

/// What was reported of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// It arrived.
    Confirmed,
    /// It will not.
    Failed,
    /// Nobody said anything for too long.
    Unknown,
}

impl Report {
    /// The word in journal, events, outcomes and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// A notice whose arrival is expected.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The step's number.
    pub step: i64,
    /// By what its channel knows it.
    pub reference: String,
    /// When it was handed over.
    pub since: Timestamp,
}

impl Reader {
    /// Every notice of a channel whose arrival is expected, the oldest first: there are some days' at most.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn expected(&self, lane: &str) -> Result<Vec<Expected>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT step, reference, since FROM receipt WHERE lane = ?1 AND state = 'expected' ORDER BY since",
        )?;
        let rows = statement.query_map([lane], |row| {
            Ok(Expected { step: row.get(0)?, reference: row.get(1)?, since: super::read::time(row, 2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Since when the oldest report of a channel has been expected.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn expected_since(&self, lane: &str) -> Result<Option<Timestamp>, JournalError> {
        let sql = "SELECT min(since) FROM receipt WHERE lane = ?1 AND state = 'expected'";
        Ok(self.connection.prepare_cached(sql)?.query_row([lane], |row| super::read::maybe_time(row, 0))?)
    }
}

impl Journal {
    /// Records what was reported of a notice, named by its request and its place there; whether that was news.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn reported(
        &self,
        request: RequestUid,
        place: u8,
        lane: String,
        report: Report,
        note: Option<String>,
    ) -> Result<bool, JournalError> {
        self.call(move |tx| {
            let id: Option<i64> = tx.row("SELECT id FROM request WHERE uid = ?1", [request.0], |row| row.get(0))?;
            id.map_or(Ok(false), |id| record(tx, id << 8 | i64::from(place), &lane, report, note.as_deref()))
        })
        .await
    }

    /// Records what a channel said when it was asked.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn arrivals(&self, lane: String, found: Vec<(i64, Report, Option<String>)>) -> Result<(), JournalError> {
        self.call(move |tx| {
            for (step, report, note) in found {
                record(tx, step, &lane, report, note.as_deref())?;
            }
            Ok(())
        })
        .await
    }

    /// Gives up on reports that have been expected for longer than `patience`. How many.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn stop_expecting(&self, lane: String, patience: SignedDuration) -> Result<usize, JournalError> {
        self.call(move |tx| {
            let before = tx.now.saturating_sub(patience).unwrap_or(tx.now).as_microsecond();
            let old: Vec<i64> = tx.rows(
                "SELECT step FROM receipt WHERE lane = ?1 AND state = 'expected' AND since < ?2",
                (&lane, before),
                |row| row.get(0),
            )?;
            for step in &old {
                record(tx, *step, &lane, Report::Unknown, None)?;
            }
            Ok(old.len())
        })
        .await
    }
}

/// A notice was handed over. Its report may have come before; one of an earlier attempt says nothing of this one.
pub(super) fn expect(tx: &mut Tx<'_>, step: i64, lane: &str, reference: Option<&str>) -> Result<(), JournalError> {
    let Some(reference) = reference else { return Ok(()) };
    let now = tx.micros();
    tx.run(
        "INSERT INTO receipt (step, lane, reference, since) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (step) DO UPDATE SET reference = ?3, since = ?4, lane = ?2,
           state = CASE WHEN at < (SELECT claimed_at FROM step WHERE id = ?1) THEN 'expected' ELSE state END",
        (step, lane, reference, now),
    )?;
    tx.wake(&bell(lane));
    Ok(())
}

/// A report counts once, and for a notice that is or was on its way by that channel; a failure of one part stays a failure.
fn record(tx: &mut Tx<'_>, step: i64, lane: &str, report: Report, note: Option<&str>) -> Result<bool, JournalError> {
    let found: Option<(uuid::Uuid, Option<String>)> = tx.row(
        "SELECT r.uid, c.state FROM step s JOIN request r ON r.id = s.id >> 8 LEFT JOIN receipt c ON c.step = s.id
         WHERE s.id = ?1 AND s.lane = ?2 AND s.verb = 'deliver' AND s.attempts > 0",
        (step, lane),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let Some((uid, known)) = found else { return Ok(false) };
    let news = match known.as_deref() {
        None | Some("expected") => true,
        Some("unknown") => report != Report::Unknown,
        Some("confirmed") => report == Report::Failed,
        Some(_) => false,
    };
    if !news {
        return Ok(false);
    }
    let now = tx.micros();
    tx.run(
        "INSERT INTO receipt (step, lane, reference, since, state, at, note) VALUES (?1, ?2, '', ?3, ?4, ?3, ?5)
         ON CONFLICT (step) DO UPDATE SET state = ?4, at = ?3, note = ?5",
        (step, lane, now, report.as_str(), note),
    )?;
    tx.event(uid.as_bytes(), "arrival", &serde_json::json!({"lane": lane, "report": report.as_str()}))?;
    register::report(tx, step >> 8)?;
    Ok(true)
}
