//! Reading the journal, through connections of one's own: commands, outcome documents, metrics.

use super::chain::Head;
use super::state::State;
use super::{JournalError, schema};
use crate::model::hex::hex;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What stands for itself in the path of a `file:` URI.
const NOT_IN_URI: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// A read-only view; each method sees one consistent state.
pub struct Reader {
    pub(super) connection: Connection,
}

/// One line of `akund list`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Listed {
    /// `PROCEDURE:ID@REVISION`
    pub request: String,
    /// akund's uid.
    pub uid: String,
    /// create, change …
    pub action: String,
    /// Where it stands.
    pub state: String,
    /// When it came to stand there.
    pub state_at: Timestamp,
    /// Who handed it in.
    pub source: String,
    /// Its current step, `LANE VERB`, if it has one.
    pub step: Option<String>,
    /// That step's last fault.
    pub fault: Option<String>,
    /// The request that works on the same account, while this one has not begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

/// The request that works on the account of request `r`, where that one has not begun; else null.
pub(super) const BEHIND: &str = "CASE WHEN r.state = 'working' AND NOT EXISTS (
     SELECT 1 FROM step b WHERE b.id BETWEEN r.id << 8 AND r.id << 8 | 255 AND b.part <> 'notice' AND b.state NOT IN ('blocked', 'cancelled'))
   THEN (SELECT o.procedure || ':' || o.ext_id || '@' || o.revision FROM request o
     WHERE o.account = r.account AND o.id <> r.id AND o.state IN ('working', 'waiting', 'stuck', 'withdrawing')
     ORDER BY EXISTS (SELECT 1 FROM step b WHERE b.id BETWEEN o.id << 8 AND o.id << 8 | 255 AND b.part <> 'notice'
       AND b.state NOT IN ('blocked', 'cancelled')) DESC, o.id LIMIT 1) END";

impl Listed {
    /// Whether nothing moves it by itself any more.
    pub fn rests(&self) -> bool {
        State::from_word(&self.state).is_some_and(State::reported)
    }
}

/// What a lane looks like now.
#[derive(Debug, Clone, serde::Serialize)]
pub struct LaneStatus {
    /// Its name.
    pub lane: String,
    /// Paused by an order.
    pub paused: bool,
    /// Steps that could be claimed now.
    pub ready: u64,
    /// Steps that wait for a retry.
    pub retry: u64,
    /// Steps in flight.
    pub running: u64,
    /// Steps that need a person.
    pub stuck: u64,
    /// When the oldest step that waits for a retry was first tried, or the first in the queue came to stand there.
    pub oldest: Option<Timestamp>,
}

impl Reader {
    /// Opens the journal for reading.
    ///
    /// # Errors
    /// [`JournalError::Unusable`] where there is none, or one that this akund cannot read.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let unusable = |cause: String| JournalError::Unusable { path: path.to_owned(), cause };
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(unusable("there is none yet; akund makes it at its first start".into())),
            Err(error) => return Err(unusable(format!("it cannot be looked at: {error}"))),
        }
        Self::connect(path, path.as_os_str())
    }

    /// As [`Self::open`], and where nobody has the journal open, no file is made beside it either (SQLite's `-wal` and `-shm`).
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_untouched(path: &Path) -> Result<Self, JournalError> {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        if !path.exists() || Path::new(&wal).exists() {
            return Self::open(path);
        }
        // https://sqlite.org/uri.html: no locks, no other files; right where nobody writes.
        let encoded = percent_encoding::percent_encode(path.as_os_str().as_bytes(), NOT_IN_URI);
        Self::connect(path, format!("file:{encoded}?immutable=1").as_ref())
    }

    /// The id of the key that seals the secrets in it; none: it has none yet.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn sealing_key(&self) -> Result<Option<String>, JournalError> {
        let key = super::restored::meta(&self.connection, "sealing-key")?;
        Ok(key.map(|key| String::from_utf8_lossy(&key).into_owned()))
    }

    fn connect(path: &Path, name: &OsStr) -> Result<Self, JournalError> {
        let unusable = |cause: String| JournalError::Unusable { path: path.to_owned(), cause };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(name, flags)
            .map_err(|error| unusable(format!("it cannot be opened: {error}")))?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "cache_size", -2048)?;
        let version: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|error| unusable(format!("it cannot be read: {error}")))?;
        if version != schema::VERSION {
            return Err(unusable(format!("it has schema {version}, and this akund reads {}", schema::VERSION)));
        }
        Ok(Self { connection })
    }

    /// The head of the audit chain.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn head(&self) -> Result<Head, JournalError> {
        let head = self
            .connection
            .prepare_cached("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")?
            .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))
            .optional()?;
        Ok(head.map_or(Head::START, |(seq, hash)| Head { seq: seq.unsigned_abs(), hash }))
    }

    /// The hash of the first event, hex: what tells this journal from any other. Empty where there is none.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn first_hash(&self) -> Result<String, JournalError> {
        let mut statement = self.connection.prepare_cached("SELECT hash FROM event ORDER BY seq LIMIT 1")?;
        let hash: Option<Vec<u8>> = statement.query_row([], |row| row.get(0)).optional()?;
        Ok(hex(&hash.unwrap_or_default()))
    }

    /// Requests, newest first; all, or those in some states.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn list(&self, states: &[State], most: usize) -> Result<Vec<Listed>, JournalError> {
        let words: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT r.procedure || ':' || r.ext_id || '@' || r.revision, r.uid, r.action, r.state, r.state_at, u.source,
               s.lane || ' ' || s.verb, s.fault, CASE WHEN s.id IS NULL THEN {BEHIND} END
             FROM request r JOIN submission u ON u.id = r.submission
             LEFT JOIN step s ON s.id = (SELECT min(id) FROM step WHERE id BETWEEN r.id << 8 AND r.id << 8 | 255
               AND (state IN ('ready', 'retry', 'running', 'stuck') OR r.state = 'waiting' AND state = 'blocked'))
             WHERE ?1 = '[]' OR r.state IN (SELECT value FROM json_each(?1)) ORDER BY r.id DESC LIMIT ?2",
        ))?;
        let rows =
            statement.query_map((serde_json::to_string(&words)?, i64::try_from(most).unwrap_or(i64::MAX)), |row| {
                Ok(Listed {
                    request: row.get(0)?,
                    uid: row.get::<_, uuid::Uuid>(1)?.to_string(),
                    action: row.get(2)?,
                    state: row.get(3)?,
                    state_at: time(row, 4)?,
                    source: row.get(5)?,
                    step: row.get(6)?,
                    fault: row.get(7)?,
                    waits_for: row.get(8)?,
                })
            })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many requests stand where.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn counts(&self) -> Result<Vec<(String, u64)>, JournalError> {
        let mut statement = self.connection.prepare_cached("SELECT state, count(*) FROM request GROUP BY state")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, count(row, 1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many requests are in each state that is not an end; costs nothing for those that have ended.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn open_counts(&self) -> Result<Vec<(String, u64)>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT state, count(*) FROM request
             WHERE state NOT IN ('done', 'refused', 'redirected', 'conflicted', 'withdrawn') GROUP BY state",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, count(row, 1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many requests are not ended, without counting those that are.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn open_requests(&self) -> Result<u64, JournalError> {
        let sql = "SELECT count(*) FROM request WHERE state NOT IN ('done', 'refused', 'redirected', 'conflicted', 'withdrawn')";
        Ok(self.connection.prepare_cached(sql)?.query_row([], |row| count(row, 0))?)
    }

    /// Whether any step is still to be carried out by itself: ready, retried, in flight, or an outcome document due.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn moving(&self) -> Result<bool, JournalError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM step WHERE state = 'ready') OR EXISTS (SELECT 1 FROM step WHERE state = 'retry')
             OR EXISTS (SELECT 1 FROM step WHERE state = 'running') OR EXISTS (SELECT 1 FROM request WHERE outcome_due > 0)";
        Ok(self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    /// One lane as it is now.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn lane(&self, lane: &str) -> Result<LaneStatus, JournalError> {
        let paused = self.is_paused(lane)?;
        let mut statement = self.connection.prepare_cached(
            "SELECT (SELECT count(*) FROM step WHERE lane = ?1 AND state = 'ready'),
               (SELECT count(*) FROM step WHERE lane = ?1 AND state = 'retry'),
               (SELECT count(*) FROM step WHERE lane = ?1 AND state = 'running'),
               (SELECT count(*) FROM step WHERE lane = ?1 AND state = 'stuck'),
               (SELECT min(first_at) FROM step WHERE lane = ?1 AND state = 'retry'),
               (SELECT max(r.state_at, coalesce((SELECT max(done_at) FROM step d WHERE d.id BETWEEN r.id << 8 AND n.id), 0))
                FROM (SELECT id FROM step WHERE lane = ?1 AND state = 'ready' ORDER BY turn, id LIMIT 1) n
                JOIN request r ON r.id = n.id >> 8)",
        )?;
        Ok(statement.query_row([lane], |row| {
            Ok(LaneStatus {
                lane: lane.to_owned(),
                paused,
                ready: count(row, 0)?,
                retry: count(row, 1)?,
                running: count(row, 2)?,
                stuck: count(row, 3)?,
                oldest: [maybe_time(row, 4)?, maybe_time(row, 5)?].into_iter().flatten().min(),
            })
        })?)
    }

    /// Every lane that has, or ever had, a step, or was paused.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn lanes_with_open_steps(&self) -> Result<Vec<String>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT DISTINCT lane FROM step WHERE state IN ('ready', 'retry', 'running') ORDER BY lane",
        )?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The number of the request that a reference names: `PROCEDURE:ID@REVISION`, or less where it is unambiguous; without a revision, the highest.
    ///
    /// # Errors
    /// [`JournalError::NotFound`], or [`JournalError::Refused`] where several fit.
    pub fn resolve(&self, reference: &str) -> Result<i64, JournalError> {
        resolve(&self.connection, reference)
    }
}

/// The ways in which a reference can be read: procedure, id, revision. An id may itself hold `:` and `@`. Pure.
fn readings(reference: &str) -> Vec<(Option<&str>, &str, Option<u32>)> {
    let mut wholes = vec![(None, reference)];
    if let Some((procedure, rest)) = reference.split_once(':') {
        wholes.push((Some(procedure), rest));
    }
    let mut readings = Vec::new();
    for (procedure, rest) in wholes {
        readings.push((procedure, rest, None));
        if let Some((id, revision)) = rest.rsplit_once('@')
            && let Ok(revision) = revision.parse()
        {
            readings.push((procedure, id, Some(revision)));
        }
    }
    readings
}

pub(super) fn resolve(connection: &Connection, reference: &str) -> Result<i64, JournalError> {
    let mut found: Vec<(i64, String)> = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT max(id), procedure || ':' || ext_id FROM request
         WHERE ext_id = ?2 AND (?1 IS NULL OR procedure = ?1) AND (?3 IS NULL OR revision = ?3)
           AND revision = (SELECT max(revision) FROM request o WHERE o.procedure = request.procedure
                             AND o.ext_id = request.ext_id AND (?3 IS NULL OR o.revision = ?3))
         GROUP BY procedure, ext_id",
    )?;
    for reading in readings(reference) {
        let rows = statement.query_map(reading, |row| Ok((row.get(0)?, row.get(1)?)))?;
        for row in rows {
            let row = row?;
            if !found.contains(&row) {
                found.push(row);
            }
        }
    }
    match found.as_slice() {
        [] => Err(JournalError::NotFound(format!(
            "no request is called `{reference}`; `akund list` shows those there are"
        ))),
        [(id, _)] => Ok(*id),
        several => Err(JournalError::Refused(format!(
            "`{reference}` may be {}; write PROCEDURE:ID@REVISION",
            several.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" or ")
        ))),
    }
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let micros: i64 = row.get(column)?;
    Ok(Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH))
}

pub(super) fn maybe_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let micros: Option<i64> = row.get(column)?;
    Ok(micros.and_then(|micros| Timestamp::from_microsecond(micros).ok()))
}

pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::readings;

    #[test]
    fn a_reference_is_read_in_every_way_that_an_id_allows() {
        assert_eq!(readings("1"), [(None, "1", None)]);
        assert_eq!(
            readings("p:a@b@2"),
            [
                (None, "p:a@b@2", None),
                (None, "p:a@b", Some(2)),
                (Some("p"), "a@b@2", None),
                (Some("p"), "a@b", Some(2))
            ]
        );
    }
}
