//! What the status page asks of the journal: bounded lists, each found by an index, so that a journal of years costs no more
//! than one of a day.

use super::JournalError;
use super::read::{Reader, count, maybe_time, time};
use crate::model::StepDetail;
use crate::procedure::standard::{Course, Standard};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Params, Row};

/// Most steps of a request that are shown.
const MOST_STEPS: i64 = 64;

/// A request as it is shown to people.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The journal's number of it.
    pub number: i64,
    /// akund's uid of it.
    pub uid: String,
    /// The procedure's name.
    pub procedure: String,
    /// The sender's id.
    pub id: String,
    /// Its revision.
    pub revision: u32,
    /// create, change …
    pub action: String,
    /// Where it stands.
    pub state: String,
    /// permit, refuse …
    pub verdict: String,
    /// Why it is held: form, incomplete, review.
    pub hold: Option<String>,
    /// Who handed it in.
    pub source: String,
    /// When it came.
    pub received_at: Timestamp,
    /// When it came to stand where it stands.
    pub state_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The account's address and user name: **personal**, to mask them wherever they appear.
    pub names: Vec<String>,
    /// Its steps, in order.
    pub steps: Vec<SeenStep>,
    /// What its procedure allows, and what has happened; none where the procedure has no table of steps.
    pub course: Option<(Standard, Course)>,
}

/// One of its steps.
#[derive(Debug, Clone, Default)]
pub struct SeenStep {
    /// notice, plan or undo.
    pub part: String,
    /// The target or channel.
    pub lane: String,
    /// mint, apply, prove, deliver, undo.
    pub verb: String,
    /// With deliver: which notice.
    pub notice: Option<String>,
    /// The number of the written procedure's step.
    pub sop: Option<String>,
    /// blocked ready retry running done stuck cancelled.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first tried.
    pub began_at: Option<Timestamp>,
    /// When it was done.
    pub done_at: Option<Timestamp>,
    /// With retry: when it is tried again.
    pub due_at: Option<Timestamp>,
    /// The last attempt's failure.
    pub fault: Option<String>,
    /// login, stored or observed.
    pub proof: Option<String>,
}

/// A lane's most recent failure that has not been made good.
#[derive(Debug, Clone)]
pub struct LaneFault {
    /// transient, permanent, conflict, unknown.
    pub class: String,
    /// A sentence.
    pub fault: String,
    /// Address and user name of the account it was met at: **personal**, to mask them in the sentence.
    pub names: Vec<String>,
}

/// A request that ended: how, and how long it took from its coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// It is done, and not refused, withdrawn …
    pub done: bool,
    /// Microseconds.
    pub took: i64,
}

const COLUMNS: &str =
    "SELECT r.id, r.uid, r.procedure, r.ext_id, r.revision, r.action, r.state, r.verdict, r.hold, u.source,
  r.received_at, r.state_at, r.ended_at, p.account ->> '$.address', p.account ->> '$.username'
  FROM request r";
const JOINS: &str = "LEFT JOIN submission u ON u.id = r.submission LEFT JOIN personal p ON p.request = r.id";

/// The statements, for the test that looks at their plans.
pub(super) fn statements() -> [(&'static str, String); 7] {
    [
        ("in a state", format!("{COLUMNS} INDEXED BY request_in_state {JOINS} WHERE r.state = ?1 AND r.state NOT IN ('done', 'refused', 'redirected', 'conflicted', 'withdrawn') ORDER BY r.id LIMIT ?2")),
        ("by uid", format!("{COLUMNS} {JOINS} WHERE r.uid = ?1")),
        ("ended last", format!("{COLUMNS} INDEXED BY request_ended {JOINS} WHERE r.ended_at > 0 ORDER BY r.ended_at DESC LIMIT ?1")),
        ("ended between", "SELECT state = 'done', ended_at - received_at FROM request INDEXED BY request_ended WHERE ended_at >= ?1 AND ended_at < ?2 LIMIT ?3".into()),
        ("ended since", "SELECT state, count(*), max(ended_at) FROM request INDEXED BY request_ended WHERE ended_at > ?1 GROUP BY state".into()),
        ("steps", "SELECT part, lane, verb, detail, state, attempts, first_at, done_at, due, fault, proof FROM step WHERE id BETWEEN ?1 << 8 AND ?1 << 8 | 255 ORDER BY id LIMIT ?2".into()),
        ("a lane's fault", "SELECT s.fault_class, s.fault, p.account ->> '$.address', p.account ->> '$.username'
           FROM (SELECT id, fault_class, fault FROM (SELECT id, fault_class, fault FROM step INDEXED BY step_retry WHERE lane = ?1 AND state = 'retry' ORDER BY due DESC LIMIT 1)
             UNION ALL SELECT id, fault_class, fault FROM (SELECT id, fault_class, fault FROM step INDEXED BY step_stuck WHERE lane = ?1 AND state = 'stuck' ORDER BY id DESC LIMIT 1)) s
           LEFT JOIN personal p ON p.request = s.id >> 8 WHERE s.fault IS NOT NULL LIMIT 1".into()),
    ]
}

fn statement(name: &str) -> String {
    statements().into_iter().find(|(known, _)| *known == name).map(|(_, sql)| sql).unwrap_or_default()
}

impl Reader {
    /// Whether SQLite itself refuses every write through this connection.
    pub fn read_only(&self) -> bool {
        self.connection.is_readonly("main").unwrap_or(false)
    }

    /// Those that are in a state which is no end, the longest there first; at most `most`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn seen_in(&self, state: super::State, most: u32) -> Result<Vec<Seen>, JournalError> {
        self.seen("in a state", (state.as_str(), most))
    }

    /// Those that ended last, the last first.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn seen_ended(&self, most: u32) -> Result<Vec<Seen>, JournalError> {
        self.seen("ended last", [most])
    }

    /// One, by its uid.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn seen_by_uid(&self, uid: uuid::Uuid) -> Result<Option<Seen>, JournalError> {
        Ok(self.seen("by uid", [uid])?.pop())
    }

    fn seen(&self, name: &str, params: impl Params) -> Result<Vec<Seen>, JournalError> {
        let mut statement = self.connection.prepare_cached(&statement(name))?;
        let mut all: Vec<Seen> = statement.query_map(params, seen)?.collect::<Result<_, _>>()?;
        for one in &mut all {
            one.steps = self.seen_steps(one.number)?;
            one.course = self.course(one.number)?;
        }
        Ok(all)
    }

    fn seen_steps(&self, request: i64) -> Result<Vec<SeenStep>, JournalError> {
        let mut statement = self.connection.prepare_cached(&statement("steps"))?;
        let rows = statement.query_map((request, MOST_STEPS), |row| {
            let detail: StepDetail = serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default();
            let state: String = row.get(4)?;
            Ok(SeenStep {
                part: row.get(0)?,
                lane: row.get(1)?,
                verb: row.get(2)?,
                notice: detail.notice.map(|kind| kind.as_str().to_owned()),
                sop: detail.sop,
                attempts: row.get(5)?,
                began_at: maybe_time(row, 6)?,
                done_at: maybe_time(row, 7)?,
                due_at: if state == "retry" { Some(time(row, 8)?) } else { None },
                fault: row.get(9)?,
                proof: row.get(10)?,
                state,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What ended within a span; at most `most` of them.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn ended_between(&self, from: Timestamp, to: Timestamp, most: u32) -> Result<Vec<Ended>, JournalError> {
        let mut statement = self.connection.prepare_cached(&statement("ended between"))?;
        let rows = statement.query_map((from.as_microsecond(), to.as_microsecond(), most), |row| {
            Ok(Ended { done: row.get(0)?, took: row.get::<_, i64>(1)?.max(0) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many ended after a moment (microseconds since 1970), by state, and when the last of each did. An end is for ever, so that
    /// who adds these up need not count all again.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn ended_since(&self, after: i64) -> Result<Vec<(String, u64, i64)>, JournalError> {
        let mut statement = self.connection.prepare_cached(&statement("ended since"))?;
        let rows = statement.query_map([after], |row| Ok((row.get(0)?, count(row, 1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The failure of a lane's step that waits for its retry or for a person; none: all went well, or was made good.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn lane_fault(&self, lane: &str) -> Result<Option<LaneFault>, JournalError> {
        let mut statement = self.connection.prepare_cached(&statement("a lane's fault"))?;
        let row = |row: &Row<'_>| {
            Ok(LaneFault {
                class: row.get::<_, Option<String>>(0)?.unwrap_or_default(),
                fault: row.get(1)?,
                names: names(row, 2)?,
            })
        };
        Ok(statement.query_row([lane], row).optional()?)
    }
}

fn seen(row: &Row<'_>) -> rusqlite::Result<Seen> {
    Ok(Seen {
        number: row.get(0)?,
        uid: row.get::<_, uuid::Uuid>(1)?.to_string(),
        procedure: row.get(2)?,
        id: row.get(3)?,
        revision: row.get(4)?,
        action: row.get(5)?,
        state: row.get(6)?,
        verdict: row.get(7)?,
        hold: row.get(8)?,
        source: row.get::<_, Option<String>>(9)?.unwrap_or_default(),
        received_at: time(row, 10)?,
        state_at: time(row, 11)?,
        ended_at: maybe_time(row, 12)?,
        names: names(row, 13)?,
        steps: Vec::new(),
        course: None,
    })
}

pub(super) fn names(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<String>> {
    let both: [Option<String>; 2] = [row.get(column)?, row.get(column + 1)?];
    Ok(both.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::schema;
    use rusqlite::Connection;
    use rusqlite::StatementStatus;

    /// A journal with so many requests that ended, one step each.
    fn journal(dir: &std::path::Path, ended: u32) -> Connection {
        let path = dir.join(format!("{ended}.db"));
        let mut connection = Connection::open(&path).unwrap();
        schema::migrate(&mut connection, &path).unwrap();
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO request (id, uid, procedure, ext_id, revision, digest, action, state, verdict, submission, row, flow,
               procedure_sha256, texts, received_at, state_at, ended_at)
             SELECT i, CAST(printf('%016d', i) AS BLOB), 'p', i, 1, x'00', 'create', 'done', 'permit', 1, 1, 0, '', 1,
               i * 1000, i * 1000 + 5, i * 1000 + 5 FROM n";
        connection.execute(sql, [ended]).unwrap();
        let sql = "INSERT INTO step (id, part, lane, verb, detail, state) SELECT id << 8, 'plan', 'mail', 'apply', '{}', 'done' FROM request";
        connection.execute(sql, []).unwrap();
        connection
    }

    #[test]
    fn no_question_of_the_page_looks_at_every_request() {
        let dir = tempfile::tempdir().unwrap();
        let connection = journal(dir.path(), 10);
        for (name, sql) in statements() {
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let count = explain.parameter_count();
            let plan: Vec<String> = explain
                .query_map(rusqlite::params_from_iter(vec![1; count]), |row| row.get::<_, String>(3))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            // A scan of what a subquery gave is a scan of one or two rows.
            let whole =
                plan.iter().find(|line| line.starts_with("SCAN") && *line != "SCAN s" && !line.contains("subquery"));
            assert!(whole.is_none(), "{name}: {plan:#?}");
            assert!(plan.iter().any(|line| line.starts_with("SEARCH")), "{name}: {plan:#?}");
        }
    }

    #[test]
    fn how_many_wait_in_a_lane_is_told_by_an_index_alone() {
        let dir = tempfile::tempdir().unwrap();
        let connection = journal(dir.path(), 10);
        for sql in [
            "SELECT count(*) FROM step WHERE lane = 'mail' AND state = 'ready'",
            "SELECT count(*) FROM step WHERE lane = 'mail' AND state = 'retry'",
            "SELECT count(*) FROM step WHERE lane = 'mail' AND state = 'running'",
            "SELECT count(*) FROM step WHERE lane = 'mail' AND state = 'stuck'",
            "SELECT min(first_at) FROM step WHERE lane = 'mail' AND state = 'retry'",
            "SELECT id FROM step WHERE lane = 'mail' AND state = 'ready' ORDER BY turn, id LIMIT 1",
        ] {
            let plan: String =
                connection.query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get(3)).unwrap();
            assert!(plan.contains("USING COVERING INDEX"), "{sql}: {plan}");
        }
    }

    #[test]
    fn thirty_times_as_many_requests_cost_the_page_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let steps = |connection: &Connection, name: &str, params: &[i64]| {
            let mut prepared = connection.prepare(&statement(name)).unwrap();
            let mut rows = prepared.query(rusqlite::params_from_iter(params)).unwrap();
            while rows.next().unwrap().is_some() {}
            drop(rows);
            prepared.get_status(StatementStatus::VmStep)
        };
        let (small, large) = (journal(dir.path(), 1_000), journal(dir.path(), 30_000));
        // The last 100 of each: a day of the same volume.
        for (name, few, many) in [
            ("ended last", vec![20], vec![20]),
            ("ended between", vec![900_000, 1_000_000, 50_000], vec![29_900_000, 30_000_000, 50_000]),
            ("ended since", vec![900_000], vec![29_900_000]),
            ("steps", vec![500, 64], vec![15_000, 64]),
        ] {
            let (few, many) = (steps(&small, name, &few), steps(&large, name, &many));
            assert!(few > 0 && many <= few + few / 10 + 20, "{name}: {few} and {many} instructions");
        }
    }
}
