//! What every operation works with inside the writer's transaction.

use super::JournalError;
use super::chain::{self, Head, Link};
use super::state::{Move, State, transition};
use crate::model::StepId;
use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension, Params};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// A clock that goes back by less is being kept right; microseconds.
const SET_BACK: i64 = 60_000_000;

/// Most texts kept in memory: a procedure has one for each of its versions.
const MOST_TEXTS: usize = 64;

/// What the writer keeps in memory between transactions.
#[derive(Debug)]
pub struct Memory {
    /// End of the audit chain; put back if a commit fails.
    pub head: Head,
    /// Of [`super::mark`].
    seed: Vec<u8>,
    /// With what names and texts are hashed that must not stand in the open.
    name_salt: Vec<u8>,
    /// Whether any name may stand in the register as its hash only.
    hides: bool,
    /// The procedures' own texts by their number, as they were read; forgotten whenever something is taken back.
    texts: HashMap<i64, Arc<BTreeMap<String, String>>>,
    /// When the last transaction began, microseconds since 1970; put back if a commit fails.
    pub latest: i64,
    /// Fair queueing; only an order of service, so it need not be put back.
    lanes: HashMap<String, LaneClock>,
}

/// Start-time fair queueing at one lane (Goyal, Vin and Cheng, SIGCOMM 1996), each step costing one: a step's
/// turn is the lane's clock, or the turn after its own bulk file's last one. So a single request is served next, and
/// two bulk files take turns.
#[derive(Debug, Default)]
struct LaneClock {
    now: i64,
    flows: HashMap<i64, i64>,
}

impl LaneClock {
    /// The turn of the next step of a bulk file; `flow` 0 is a single request.
    fn turn(&mut self, flow: i64) -> i64 {
        if flow == 0 {
            return self.now;
        }
        let next = self.flows.entry(flow).or_insert(self.now);
        let turn = (*next).max(self.now);
        *next = turn + 1;
        turn
    }

    fn served(&mut self, turn: i64) {
        if turn > self.now {
            self.now = turn;
            self.flows.retain(|_, next| *next > turn);
        }
    }
}

impl Memory {
    /// The last transaction came to nothing.
    pub fn put_back(&mut self, head: Head, latest: i64) {
        (self.head, self.latest) = (head, latest);
        self.texts.clear();
    }

    pub fn load(connection: &Connection) -> Result<Self, JournalError> {
        let (head, latest) = connection
            .query_row("SELECT seq, hash, at FROM event ORDER BY seq DESC LIMIT 1", [], |row| {
                Ok((Head { seq: row.get::<_, i64>(0)?.unsigned_abs(), hash: row.get(1)? }, row.get(2)?))
            })
            .optional()?
            .unwrap_or((Head::START, i64::MIN));
        let seed: Option<Vec<u8>> =
            connection.query_row("SELECT value FROM meta WHERE key = 'seed'", [], |row| row.get(0)).optional()?;
        let seed = seed.ok_or_else(|| JournalError::Internal("its seed is gone".into()))?;
        let name_salt = connection.query_row("SELECT name_salt FROM retention", [], |row| row.get(0)).optional()?;
        let hides = connection.prepare("SELECT 1 FROM name WHERE name >= '#' AND name < '$'")?.exists([])?;
        let mut lanes = HashMap::new();
        let mut statement = connection
            .prepare("SELECT lane, min(turn) FROM step INDEXED BY step_ready WHERE state = 'ready' GROUP BY lane")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            lanes.insert(row.get(0)?, LaneClock { now: row.get(1)?, flows: HashMap::new() });
        }
        Ok(Self { head, seed, name_salt: name_salt.unwrap_or_default(), hides, texts: HashMap::new(), latest, lanes })
    }
}

/// One transaction.
pub struct Tx<'a> {
    connection: &'a Connection,
    memory: &'a mut Memory,
    wakes: &'a mut BTreeSet<String>,
    /// Requests whose state this transaction has changed.
    moved: HashSet<i64>,
    /// When this transaction began.
    pub now: Timestamp,
    /// Set once nothing can be written any more: the whole transaction is lost.
    pub fatal: Option<rusqlite::Error>,
}

impl<'a> Tx<'a> {
    pub fn new(connection: &'a Connection, memory: &'a mut Memory, wakes: &'a mut BTreeSet<String>) -> Self {
        Self { connection, memory, wakes, moved: HashSet::new(), now: Timestamp::now(), fatal: None }
    }

    /// Runs an operation so that its failure takes back its own writes and nobody else's.
    pub fn savepoint<R>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<R, JournalError>,
    ) -> Result<R, JournalError> {
        if self.fatal.is_some() {
            return Err(JournalError::Closed);
        }
        let head = self.memory.head;
        self.run("SAVEPOINT operation", [])?;
        let result = operation(self);
        match &result {
            Ok(_) => {
                self.run("RELEASE operation", [])?;
            }
            Err(_) if self.fatal.is_none() => {
                self.memory.put_back(head, self.memory.latest);
                self.run("ROLLBACK TO operation", [])?;
                self.run("RELEASE operation", [])?;
            }
            Err(_) => {}
        }
        result
    }

    /// Once in each transaction: where the clock was set back since the last one, what is to be repeated is due now. It would
    /// else wait until the clock has caught up.
    pub fn mind_clock(&mut self) -> Result<(), JournalError> {
        let now = self.micros();
        let latest = std::mem::replace(&mut self.memory.latest, now);
        if latest <= now.saturating_add(SET_BACK) {
            return Ok(());
        }
        let seconds = (latest - now) / 1_000_000;
        tracing::warn!(seconds, "the clock was set back; what waits to be repeated is repeated now");
        self.run("UPDATE step INDEXED BY step_retry SET due = ?1 WHERE state = 'retry' AND due > ?1", [now])?;
        self.run(
            "UPDATE posting INDEXED BY posting_open SET due = ?1 WHERE state IN ('ready', 'retry', 'running') AND state = 'retry' AND due > ?1",
            [now],
        )?;
        Ok(())
    }

    fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'a>> {
        #[cfg(test)]
        super::tests::plans::note(sql);
        self.connection.prepare_cached(sql)
    }

    /// Runs one statement; the number of rows changed.
    pub fn run(&mut self, sql: &str, params: impl Params) -> Result<usize, JournalError> {
        let result = self.prepare(sql).and_then(|mut statement| statement.execute(params));
        self.mind(result)
    }

    /// The one row that a query gives, if any.
    pub fn row<T>(
        &mut self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, JournalError> {
        let result = self.prepare(sql).and_then(|mut statement| statement.query_row(params, read).optional());
        self.mind(result)
    }

    /// All rows that a query gives.
    pub fn rows<T>(
        &mut self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, JournalError> {
        let result = self
            .prepare(sql)
            .and_then(|mut statement| statement.query_map(params, read)?.collect::<Result<Vec<T>, _>>());
        self.mind(result)
    }

    /// What accounts' uids are made with ([`super::mark`]).
    pub fn seed(&self) -> &[u8] {
        &self.memory.seed
    }

    /// The procedures' own texts of a number: many requests share them.
    pub fn texts(&mut self, id: i64) -> Result<Arc<BTreeMap<String, String>>, JournalError> {
        if let Some(known) = self.memory.texts.get(&id) {
            return Ok(known.clone());
        }
        let texts: String = self
            .row("SELECT texts FROM texts WHERE id = ?1", [id], |row| row.get(0))?
            .ok_or_else(|| JournalError::Internal(format!("the texts of number {id} are gone")))?;
        let texts: Arc<BTreeMap<String, String>> = Arc::new(serde_json::from_str(&texts)?);
        if self.memory.texts.len() >= MOST_TEXTS {
            self.memory.texts.clear();
        }
        self.memory.texts.insert(id, texts.clone());
        Ok(texts)
    }

    /// The id of the row just inserted.
    pub fn last_id(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    fn mind<T>(&mut self, result: rusqlite::Result<T>) -> Result<T, JournalError> {
        result.map_err(|error| {
            let sentence = JournalError::Internal(error.to_string());
            if is_fatal(&error) || self.connection.is_autocommit() {
                self.fatal.get_or_insert(error);
            }
            sentence
        })
    }

    /// Appends an event to the audit chain. `detail` must hold no personal data and no secret.
    pub fn event(&mut self, subject: &[u8], kind: &str, detail: &serde_json::Value) -> Result<Head, JournalError> {
        let detail = detail.to_string();
        let at = self.micros();
        let head = chain::extend(&self.memory.head, &Link { at, subject, kind, detail: &detail });
        self.run(
            "INSERT INTO event (seq, at, subject, kind, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (head.seq.cast_signed(), at, subject, kind, &detail, head.hash),
        )?;
        self.memory.head = head;
        Ok(head)
    }

    /// Microseconds since 1970, as stored.
    pub fn micros(&self) -> i64 {
        self.now.as_microsecond()
    }

    /// Rings a lane's bell after the commit.
    pub fn wake(&mut self, lane: &str) {
        if !self.wakes.contains(lane) {
            self.wakes.insert(lane.to_owned());
        }
    }

    /// The turn of a step that becomes ready at a lane; `flow` is the bulk file it came in, or 0.
    pub fn turn(&mut self, lane: &str, flow: i64) -> i64 {
        if !self.memory.lanes.contains_key(lane) {
            self.memory.lanes.insert(lane.to_owned(), LaneClock::default());
        }
        self.memory.lanes.get_mut(lane).map_or(0, |clock| clock.turn(flow))
    }

    /// A lane has claimed a step of this turn.
    pub fn served(&mut self, lane: &str, turn: i64) {
        if let Some(clock) = self.memory.lanes.get_mut(lane) {
            clock.served(turn);
        }
    }

    /// Writes something small, to see whether writing works.
    pub fn touch(&mut self) -> Result<(), JournalError> {
        let now = self.micros();
        self.run(
            "INSERT INTO meta (key, value) VALUES ('probe', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1",
            [now.to_be_bytes()],
        )?;
        Ok(())
    }

    /// The number of the request that a reference names.
    pub fn resolve(&mut self, reference: &str) -> Result<i64, JournalError> {
        super::read::resolve(self.connection, reference)
    }

    /// How a name stands in the register from now on, as its account's personal data are emptied.
    pub fn hide_name(&mut self, name: &str) -> String {
        self.memory.hides = true;
        super::retention::hidden_name(&self.memory.name_salt, name)
    }

    /// How a name would stand in the register if its account's personal data were emptied; none where no account's are.
    pub fn hidden_name(&self, name: &str) -> Option<String> {
        self.memory.hides.then(|| super::retention::hidden_name(&self.memory.name_salt, name))
    }

    /// With what names and texts are hashed that must not stand in the open.
    pub fn name_salt(&self) -> &[u8] {
        &self.memory.name_salt
    }

    /// The account that holds a name, or once held it.
    pub fn holder_of_name(&mut self, name: &str) -> Result<Option<uuid::Uuid>, JournalError> {
        let hidden = self.hidden_name(name);
        self.row("SELECT account FROM name WHERE name IN (?1, ?2)", (name, &hidden), |row| row.get(0))
    }

    /// Whether this transaction has changed a request's state, perhaps only to take that back.
    pub fn has_moved(&self, request: i64) -> bool {
        self.moved.contains(&request)
    }

    /// Moves a request along an arrow of the state diagram, records it, and asks for its outcome document where one is due.
    pub fn move_request(&mut self, request: i64, moved: Move, why: &str) -> Result<State, JournalError> {
        let (uid, state) = self
            .row("SELECT uid, state FROM request WHERE id = ?1", [request], |row| {
                Ok((row.get::<_, uuid::Uuid>(0)?, row.get::<_, String>(1)?))
            })?
            .ok_or_else(|| JournalError::NotFound(format!("request number {request} is not in the journal")))?;
        let state = State::from_word(&state)
            .ok_or_else(|| JournalError::Internal(format!("request {uid} is in the unknown state `{state}`")))?;
        let next = transition(state, moved)?;
        self.moved.insert(request);
        let now = self.micros();
        self.run(
            "UPDATE request SET state = ?2, state_at = ?3, ended_at = CASE WHEN ?4 THEN coalesce(ended_at, ?3) END,
               outcome_due = outcome_due + ?5 WHERE id = ?1",
            (request, next.as_str(), now, next.ended(), i64::from(next.reported())),
        )?;
        if next != state {
            // What was to be done in time may be done, or given up.
            self.wake(super::overdue::LANE);
            self.event(uid.as_bytes(), "state", &serde_json::json!({"from": state, "to": next, "why": why}))?;
        }
        if next.reported() {
            self.wake(super::outcome::LANE);
        }
        Ok(next)
    }
}

/// Ids of steps as SQLite's `json_each` reads them.
pub fn steps(steps: impl Iterator<Item = StepId>) -> Result<String, JournalError> {
    Ok(serde_json::to_string(&steps.map(|step| step.0).collect::<Vec<_>>())?)
}

/// Reads one of the model's words back.
pub fn from_word<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, JournalError> {
    use serde::de::IntoDeserializer;
    let deserializer: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = word.into_deserializer();
    T::deserialize(deserializer).map_err(|error| JournalError::Internal(error.to_string()))
}

/// Whether an error means that nothing at all can be written now.
fn is_fatal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
        )
    )
}

#[cfg(test)]
mod tests {
    use super::LaneClock;

    #[test]
    fn a_single_request_is_served_before_the_rest_of_a_bulk_file() {
        let mut clock = LaneClock::default();
        let bulk: Vec<i64> = (0..1000).map(|_| clock.turn(1)).collect();
        clock.served(bulk[100]);
        assert!(clock.turn(0) < bulk[102]);
    }

    #[test]
    fn two_bulk_files_take_turns() {
        let mut clock = LaneClock::default();
        let first: Vec<i64> = (0..10).map(|_| clock.turn(1)).collect();
        let second: Vec<i64> = (0..10).map(|_| clock.turn(2)).collect();
        assert_eq!(first, second);
    }

    #[test]
    fn finished_flows_are_forgotten() {
        let mut clock = LaneClock::default();
        (1..100).for_each(|flow| {
            clock.turn(flow);
        });
        let last = (0..5).map(|_| clock.turn(7)).max().unwrap();
        clock.served(last + 1);
        assert!(clock.flows.is_empty());
    }
}
