//! Time: what has happened to requests when, what is late, and that somebody was told of it once.
//!
//! Whether something is late is computed from what the journal holds anyway. Only that an alarm was raised is written, with its
//! event, in one commit: so a restart raises none twice.

use super::read::{Reader, maybe_time, time};
use super::state::State;
use super::{Journal, JournalError};
use crate::model::StepDetail;
use crate::model::verdict::STANDARD;
use crate::procedure::standard::{Alarm, Clock, Course, Standard, StepTime};
use jiff::Timestamp;
use rusqlite::OptionalExtension;
use std::collections::HashMap;
use std::sync::Arc;

/// The bell of the clock: it rings when a step becomes ready. No target or channel can be called so: a bell wakes one.
pub const LANE: &str = "the clock";

/// A request that is on its way, and what must be done in time.
#[derive(Debug)]
pub struct Running {
    /// The journal's number.
    pub request: i64,
    /// Its procedure.
    pub procedure: String,
    /// What runs.
    pub clocks: Vec<Clock>,
    /// What they are measured by.
    pub standard: Arc<Standard>,
}

/// An alarm to be raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raise {
    /// The journal's number of the request.
    pub request: i64,
    /// Its procedure, for the metrics.
    pub procedure: String,
    /// Which clock.
    pub name: String,
    /// The row it belongs to.
    pub step: Option<String>,
    /// What it says.
    pub alarm: Alarm,
    /// Until when it was to be done.
    pub due_at: Timestamp,
}

const COURSE: &str = "SELECT r.id, r.procedure, r.texts, r.state, r.received_at, r.state_at,
    (SELECT json_group_array(json_array(a.value ->> 'role', a.value ->> 'at'))
     FROM json_each(CASE WHEN json_valid(p.record) THEN p.record END, '$.approvals') a)
  FROM request r LEFT JOIN personal p ON p.request = r.id";

pub(super) const SINCE: &str = "SELECT id FROM request INDEXED BY request_in_state
  WHERE state IN ('working', 'waiting', 'stuck') AND state NOT IN ('done', 'refused', 'redirected', 'conflicted', 'withdrawn')
  UNION ALL SELECT id FROM request INDEXED BY request_ended WHERE ended_at >= ?1 AND state = 'done' ORDER BY id DESC";

/// A row of [`COURSE`].
struct Told {
    id: i64,
    procedure: String,
    texts: i64,
    course: Course,
}

fn told(row: &rusqlite::Row<'_>) -> rusqlite::Result<Told> {
    let state = State::from_word(&row.get::<_, String>(3)?);
    let approvals: Option<String> = row.get(6)?;
    let approvals: Vec<(String, String)> =
        approvals.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    Ok(Told {
        id: row.get(0)?,
        procedure: row.get(1)?,
        texts: row.get(2)?,
        course: Course {
            received_at: time(row, 4)?,
            state_at: time(row, 5)?,
            open: matches!(state, Some(State::Working | State::Waiting | State::Stuck)),
            done: state == Some(State::Done),
            held: state == Some(State::Held),
            approvals: approvals.into_iter().filter_map(|(role, at)| Some((role, at.parse().ok()?))).collect(),
            steps: Vec::new(),
        },
    })
}

impl Reader {
    /// What a request's procedure allows, and what has happened to it; none where the procedure has no table of steps.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn course(&self, request: i64) -> Result<Option<(Standard, Course)>, JournalError> {
        let found = self
            .connection
            .prepare_cached(&format!("{COURSE} WHERE r.id = ?1"))?
            .query_row([request], told)
            .optional()?;
        let Some(told) = found else { return Ok(None) };
        let Some(standard) = self.standard(told.texts)? else { return Ok(None) };
        Ok(Some((standard, Course { steps: self.step_times(request)?, ..told.course })))
    }

    fn standard(&self, texts: i64) -> Result<Option<Standard>, JournalError> {
        let json: Option<String> = self
            .connection
            .prepare_cached(
                "SELECT CASE WHEN json_valid(texts) THEN texts ->> ('$.' || ?2) END FROM texts WHERE id = ?1",
            )?
            .query_row((texts, STANDARD), |row| row.get(0))
            .optional()?
            .flatten();
        // A standard of another akund's is not worth a request that cannot be shown.
        Ok(json.and_then(|json| serde_json::from_str(&json).ok()))
    }

    fn step_times(&self, request: i64) -> Result<Vec<StepTime>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT verb, detail, first_at, done_at, state FROM step WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255 ORDER BY id",
        )?;
        let rows = statement.query_map([request], |row| {
            let detail: StepDetail = serde_json::from_str(&row.get::<_, String>(1)?).unwrap_or_default();
            // What is told aside is no step of the written procedure.
            Ok((!detail.aside).then_some(StepTime {
                verb: row.get(0)?,
                notice: detail.notice.map(|kind| kind.as_str().to_owned()),
                sop: detail.sop,
                began_at: maybe_time(row, 2)?,
                done_at: maybe_time(row, 3)?,
                cancelled: row.get::<_, String>(4)? == "cancelled",
            }))
        })?;
        Ok(rows.filter_map(Result::transpose).collect::<Result<_, _>>()?)
    }

    /// Gives out every request that is on its way, with what must be done in time, one after another: there may be a hundred thousand.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn running(&self, mut each: impl FnMut(Running)) -> Result<(), JournalError> {
        let mut standards: HashMap<i64, Option<Arc<Standard>>> = HashMap::new();
        let mut statement = self.connection.prepare_cached(&format!(
            "{COURSE} WHERE r.state IN ('working', 'waiting', 'stuck')
               AND r.state NOT IN ('done', 'refused', 'redirected', 'conflicted', 'withdrawn')"
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let one = told(row)?;
            let standard = match standards.get(&one.texts) {
                Some(standard) => standard.clone(),
                None => {
                    let standard = self.standard(one.texts)?.map(Arc::new);
                    standards.insert(one.texts, standard.clone());
                    standard
                }
            };
            let Some(standard) = standard else { continue };
            let course = Course { steps: self.step_times(one.id)?, ..one.course };
            let clocks = crate::procedure::standard::clocks(&standard, &course);
            each(Running { request: one.id, procedure: one.procedure, clocks, standard });
        }
        Ok(())
    }

    /// The alarms that were raised already, of requests that are on their way.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn raised(&self) -> Result<HashMap<(i64, String), Alarm>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT o.request, o.name, o.alarm FROM overdue o JOIN request r ON r.id = o.request
             WHERE r.state IN ('working', 'waiting', 'stuck')",
        )?;
        let rows = statement.query_map([], |row| {
            let alarm =
                if row.get::<_, String>(2)? == Alarm::Breached.as_str() { Alarm::Breached } else { Alarm::Warned };
            Ok(((row.get(0)?, row.get(1)?), alarm))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The numbers of requests that were done since a moment, and of those on their way, newest first: where something may have
    /// been late.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn since(&self, since: Timestamp) -> Result<Vec<i64>, JournalError> {
        let mut statement = self.connection.prepare_cached(SINCE)?;
        let rows = statement.query_map([since.as_microsecond()], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Journal {
    /// Raises alarms, each with its event, and gives back those that had not been raised before.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn raise(&self, alarms: Vec<Raise>) -> Result<Vec<Raise>, JournalError> {
        self.call(move |tx| {
            let mut new = Vec::new();
            let now = tx.micros();
            for raise in alarms {
                let written = tx.run(
                    "INSERT INTO overdue (request, name, alarm, at) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (request, name) DO UPDATE SET alarm = ?3, at = ?4 WHERE alarm = 'warned' AND ?3 = 'breached'",
                    (raise.request, &raise.name, raise.alarm.as_str(), now),
                )?;
                if written == 0 {
                    continue;
                }
                let uid: Option<uuid::Uuid> =
                    tx.row("SELECT uid FROM request WHERE id = ?1", [raise.request], |row| row.get(0))?;
                let detail = serde_json::json!({
                    "deadline": raise.name, "step": raise.step, "alarm": raise.alarm.as_str(), "due": raise.due_at,
                });
                tx.event(uid.as_ref().map_or(&[][..], |uid| uid.as_bytes()), "deadline", &detail)?;
                new.push(raise);
            }
            if !new.is_empty() {
                tx.wake(super::operator::LANE);
            }
            Ok(new)
        })
        .await
    }
}
