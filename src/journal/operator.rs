//! What the operator is to be told, and how far that has been done.
//!
//! There is no queue of messages: what is to be told are the events since the last one that was told ([`Told::told`]). A notice
//! covers the events up to [`Told::telling`], which is committed before it leaves, so that a notice whose fate a crash left unknown is
//! sent again with the same Message-ID; once it was taken, `told` moves there. What is no longer so by then is left out.

use super::orders::Lanes;
use super::read::{LaneStatus, Reader, maybe_time, time};
use super::{Journal, JournalError};
use crate::model::hex::hex;
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::OptionalExtension;

/// The bell of whoever tells the operator. No target or channel can be called so: a bell wakes one.
pub const LANE: &str = "the operator";

/// How far the operator has been told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Up to this event.
    pub told: i64,
    /// A notice up to this event may be on its way.
    pub telling: Option<i64>,
    /// When the last notice was taken.
    pub told_at: Option<Timestamp>,
    /// The day of the last digest.
    pub digest: Option<Date>,
}

/// One thing that the operator is to be told. No personal data but what the request's id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A step is stuck.
    Stuck {
        /// `PROCEDURE:ID@REVISION`
        request: String,
        /// At this lane.
        lane: String,
        /// What was to be done.
        verb: String,
        /// The last fault.
        fault: String,
    },
    /// A request is held.
    Held {
        /// `PROCEDURE:ID@REVISION`
        request: String,
        /// form, incomplete or review.
        why: String,
    },
    /// A deadline is near, or was missed.
    Late {
        /// `PROCEDURE:ID@REVISION`
        request: String,
        /// The deadline.
        name: String,
        /// It was missed.
        breached: bool,
        /// When it ends.
        due: String,
    },
    /// The journal was put back, and everything is paused.
    PutBack {
        /// When that was recognised.
        at: String,
    },
    /// A lane went down, or is up again.
    Lane {
        /// Its name.
        lane: String,
        /// Whether it is down now.
        down: bool,
        /// Since when it is, or was.
        since: String,
        /// The last fault.
        fault: String,
    },
}

/// A lane in which nothing succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneDown {
    /// Its name.
    pub lane: String,
    /// Since when.
    pub since: Timestamp,
    /// The last fault.
    pub fault: String,
}

/// What a day's digest says.
#[derive(Debug, Clone, Default)]
pub struct Digest {
    /// Requests that came in since the last one.
    pub received: u64,
    /// Requests that were done since.
    pub done: u64,
    /// Deadlines that were missed since.
    pub breached: u64,
    /// Requests in each state that is not an end.
    pub open: Vec<(String, u64)>,
    /// The oldest request that is not ended, and since when it has been there.
    pub oldest: Option<(String, Timestamp)>,
    /// The longest stuck and held requests.
    pub waiting: Vec<(String, String, Timestamp)>,
    /// Each lane, and each outlet of outcome documents.
    pub lanes: Vec<LaneStatus>,
    /// Those that are down.
    pub down: Vec<LaneDown>,
}

/// Events that may be worth telling, before what has passed meanwhile is left out.
const NEWS: &str =
    "(e.kind IN ('stuck', 'deadline', 'lane', 'restored') OR (e.kind = 'received' AND e.detail ->> 'state' = 'held'))";

// What a digest counts is found by an index, so that it costs the same after years.

const OLDEST: &str = "SELECT procedure || ':' || ext_id || '@' || revision, received_at FROM request
  WHERE id = (SELECT min(id) FROM request INDEXED BY request_in_state
    WHERE state NOT IN ('done', 'refused', 'redirected', 'conflicted', 'withdrawn'))";
const LONGEST: &str =
    "SELECT procedure || ':' || ext_id || '@' || revision, state, state_at FROM request INDEXED BY request_in_state
  WHERE state IN ('stuck', 'held') AND state NOT IN ('done', 'refused', 'redirected', 'conflicted', 'withdrawn')
  ORDER BY state_at LIMIT ?1";
/// They are numbered as they come: those behind the last that came before.
const RECEIVED: &str = "SELECT count(*) FROM request
  WHERE id > coalesce((SELECT id FROM request WHERE received_at < ?1 ORDER BY id DESC LIMIT 1), 0)";
const DONE: &str = "SELECT count(*) FROM request INDEXED BY request_ended WHERE ended_at >= ?1 AND state = 'done'";
const BREACHED: &str = "SELECT count(*) FROM overdue INDEXED BY overdue_at WHERE at >= ?1 AND alarm = 'breached'";

/// The statements, for the test that looks at what they cost.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 5] = [OLDEST, LONGEST, RECEIVED, DONE, BREACHED];

impl Reader {
    /// How far the operator has been told.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn operator_told(&self) -> Result<Told, JournalError> {
        let told = self
            .connection
            .prepare_cached("SELECT told, telling, told_at, digest FROM operator")?
            .query_row([], |row| {
                Ok(Told {
                    told: row.get(0)?,
                    telling: row.get(1)?,
                    told_at: maybe_time(row, 2)?,
                    digest: row.get::<_, Option<String>>(3)?.and_then(|day| day.parse().ok()),
                })
            })
            .optional()?;
        Ok(told.unwrap_or_default())
    }

    /// When the first thing happened that the operator has not been told of, if anything did.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn first_news(&self, after: i64) -> Result<Option<Timestamp>, JournalError> {
        let sql = format!("SELECT e.at FROM event e WHERE e.seq > ?1 AND {NEWS} ORDER BY e.seq LIMIT 1");
        Ok(self.connection.prepare_cached(&sql)?.query_row([after], |row| time(row, 0)).optional()?)
    }

    /// What happened after one event and up to another, as far as it is still so; and the hash of the last one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn news(&self, after: i64, upto: i64) -> Result<(Vec<Item>, String), JournalError> {
        let snapshot = self.connection.unchecked_transaction()?;
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT e.kind, e.detail, r.procedure || ':' || r.ext_id || '@' || r.revision, r.state, coalesce(r.hold, ''),
               s.lane, s.verb, coalesce(s.fault, '')
             FROM event e LEFT JOIN request r ON r.uid = e.subject
             LEFT JOIN step s ON s.id = (SELECT min(id) FROM step WHERE id BETWEEN r.id << 8 AND r.id << 8 | 255 AND state = 'stuck')
             WHERE e.seq > ?1 AND e.seq <= ?2 AND {NEWS} ORDER BY e.seq"
        ))?;
        let mut rows = statement.query([after, upto])?;
        let mut items: Vec<Item> = Vec::new();
        while let Some(row) = rows.next()? {
            let kind: String = row.get(0)?;
            let detail: serde_json::Value = serde_json::from_str(&row.get::<_, String>(1)?)?;
            let request: Option<String> = row.get(2)?;
            let state: Option<String> = row.get(3)?;
            let word = |key: &str| detail.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
            let item = match (kind.as_str(), request) {
                ("stuck", Some(request)) => {
                    let (Some(lane), Some(verb)) = (row.get(5)?, row.get(6)?) else { continue };
                    Item::Stuck { request, lane, verb, fault: row.get(7)? }
                }
                ("received", Some(request)) if state.as_deref() == Some("held") => {
                    Item::Held { request, why: row.get(4)? }
                }
                ("deadline", Some(request)) => {
                    let breached = word("alarm") == "breached";
                    // A warning that came to nothing is no news; what was missed remains so.
                    if !breached && !matches!(state.as_deref(), Some("working" | "waiting" | "stuck")) {
                        continue;
                    }
                    let name = word("deadline");
                    items.retain(
                        |item| !matches!(item, Item::Late { request: r, name: n, .. } if *r == request && *n == name),
                    );
                    Item::Late { request, name, breached, due: word("due") }
                }
                ("restored", _) => match self.hold()? {
                    Some(hold) => Item::PutBack { at: hold.at.to_string() },
                    None => continue,
                },
                ("lane", _) => {
                    let lane = word("lane");
                    let down = detail.get("down").and_then(serde_json::Value::as_bool).unwrap_or(false);
                    let before = items.iter().position(|item| matches!(item, Item::Lane { lane: l, .. } if *l == lane));
                    if let Some(before) = before {
                        items.remove(before);
                    }
                    let fault = self.lane_down(&lane)?.map(|lane| lane.fault).unwrap_or_default();
                    Item::Lane { lane, down, since: word("since"), fault }
                }
                _ => continue,
            };
            if !matches!(item, Item::Stuck { .. }) || !items.contains(&item) {
                items.push(item);
            }
        }
        drop(rows);
        let hash: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT hash FROM event WHERE seq = ?1")?
            .query_row([upto], |row| row.get(0))
            .optional()?;
        snapshot.finish()?;
        Ok((items, hex(&hash.unwrap_or_default())))
    }

    fn lane_down(&self, lane: &str) -> Result<Option<LaneDown>, JournalError> {
        let sql = "SELECT name, since, fault FROM lane_down WHERE name = ?1";
        let read =
            |row: &rusqlite::Row<'_>| Ok(LaneDown { lane: row.get(0)?, since: time(row, 1)?, fault: row.get(2)? });
        Ok(self.connection.prepare_cached(sql)?.query_row([lane], read).optional()?)
    }

    /// Lanes in which nothing succeeds, as far as that was recorded.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn lanes_down(&self) -> Result<Vec<LaneDown>, JournalError> {
        let mut statement = self.connection.prepare_cached("SELECT name, since, fault FROM lane_down ORDER BY name")?;
        let rows = statement
            .query_map([], |row| Ok(LaneDown { lane: row.get(0)?, since: time(row, 1)?, fault: row.get(2)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last event's number.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn last_event(&self) -> Result<i64, JournalError> {
        Ok(self.head()?.seq.cast_signed())
    }

    /// What has happened since, and what stands where now; at most `most` requests by name.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn digest(&self, since: Timestamp, lanes: &Lanes, most: usize) -> Result<Digest, JournalError> {
        let snapshot = self.connection.unchecked_transaction()?;
        let count = |sql: &str| -> Result<u64, JournalError> {
            let micros = since.as_microsecond();
            let n: i64 = self.connection.prepare_cached(sql)?.query_row([micros], |row| row.get(0))?;
            Ok(n.unsigned_abs())
        };
        let oldest =
            self.connection.prepare_cached(OLDEST)?.query_row([], |row| Ok((row.get(0)?, time(row, 1)?))).optional()?;
        let mut statement = self.connection.prepare_cached(LONGEST)?;
        let waiting = statement
            .query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| Ok((row.get(0)?, row.get(1)?, time(row, 2)?)))?
            .collect::<Result<_, _>>()?;
        let outlets = lanes.outlets.iter().map(|outlet| self.outlet(outlet));
        let lanes = lanes.lanes.iter().map(|lane| self.lane(lane));
        let digest = Digest {
            received: count(RECEIVED)?,
            done: count(DONE)?,
            breached: count(BREACHED)?,
            open: self.open_counts()?,
            oldest,
            waiting,
            lanes: lanes.chain(outlets).collect::<Result<_, _>>()?,
            down: self.lanes_down()?,
        };
        snapshot.finish()?;
        Ok(digest)
    }
}

impl Journal {
    /// Before a notice leaves: it covers the events up to this one, or up to the one that was committed before.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn operator_telling(&self, upto: i64) -> Result<i64, JournalError> {
        self.call(move |tx| {
            tx.run("UPDATE operator SET telling = coalesce(telling, ?1)", [upto])?;
            Ok(tx.row("SELECT telling FROM operator", [], |row| row.get(0))?.unwrap_or(upto))
        })
        .await
    }

    /// The operator was told of the events up to this one; by a notice, or since nothing of them is news any more.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn operator_told(&self, upto: i64, by_notice: bool) -> Result<(), JournalError> {
        self.call(move |tx| {
            let now = by_notice.then(|| tx.micros());
            tx.run(
                "UPDATE operator SET told = max(told, ?1), telling = NULL, told_at = coalesce(?2, told_at)",
                (upto, now),
            )?;
            Ok(())
        })
        .await
    }

    /// The digest of a day was taken.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn digest_told(&self, day: Date) -> Result<(), JournalError> {
        self.call(move |tx| tx.run("UPDATE operator SET digest = ?1", [day.to_string()]).map(drop)).await
    }

    /// Nothing has succeeded in a lane since then; recorded once.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn lane_went_down(&self, down: LaneDown) -> Result<(), JournalError> {
        self.call(move |tx| {
            let since = down.since.as_microsecond();
            let new = tx.run(
                "INSERT INTO lane_down (name, since, fault) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING",
                (&down.lane, since, &down.fault),
            )?;
            if new > 0 {
                tx.event(&[], "lane", &serde_json::json!({"lane": down.lane, "down": true, "since": down.since}))?;
                tx.wake(LANE);
            }
            Ok(())
        })
        .await
    }

    /// A lane that was down works again; recorded once.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn lane_came_up(&self, lane: String) -> Result<(), JournalError> {
        self.call(move |tx| {
            let since: Option<i64> =
                tx.row("SELECT since FROM lane_down WHERE name = ?1", [&lane], |row| row.get(0))?;
            if let Some(since) = since {
                tx.run("DELETE FROM lane_down WHERE name = ?1", [&lane])?;
                let since = Timestamp::from_microsecond(since).unwrap_or(Timestamp::UNIX_EPOCH);
                tx.event(&[], "lane", &serde_json::json!({"lane": lane, "down": false, "since": since}))?;
                tx.wake(LANE);
            }
            Ok(())
        })
        .await
    }

    /// Forgets that lanes are down which are not among these: they are no longer configured, and nobody will see them work. Which.
    ///
    /// # Errors
    /// Where it could not be written.
    pub async fn forget_lanes_down(&self, configured: Vec<String>) -> Result<Vec<String>, JournalError> {
        self.call(move |tx| {
            let down: Vec<String> = tx.rows("SELECT name FROM lane_down", [], |row| row.get(0))?;
            let gone: Vec<String> = down.into_iter().filter(|lane| !configured.contains(lane)).collect();
            for lane in &gone {
                tx.run("DELETE FROM lane_down WHERE name = ?1", [lane])?;
            }
            Ok(gone)
        })
        .await
    }
}
