//! Tables, and how a journal of an older akund is brought up to date.

use super::JournalError;
use super::restored::{self, CopyMark};
use rusqlite::Connection;
use std::path::Path;

/// The schema that this akund writes (`PRAGMA user_version`).
pub const VERSION: i64 = 12;

/// `PRAGMA application_id`: "akun".
pub const APPLICATION_ID: i64 = 0x616b_756e;

/// One entry per version, applied in order.
pub(super) const MIGRATIONS: [&str; 12] = [V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12];

const V1: &str = r"
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- The audit record. Hashes: chain.rs. Never holds personal data.
CREATE TABLE event (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, subject BLOB NOT NULL, kind TEXT NOT NULL,
  detail TEXT NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE INDEX event_subject ON event(subject) WHERE length(subject) > 0;
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER event_is_never_removed BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

-- One file or message that was handed in.
CREATE TABLE submission (
  id INTEGER PRIMARY KEY, source TEXT NOT NULL, name TEXT NOT NULL, sha256 BLOB NOT NULL, evidence TEXT NOT NULL,
  received_at INTEGER NOT NULL, rejected INTEGER NOT NULL DEFAULT 0, UNIQUE (source, sha256, name)) STRICT;

-- The procedures' own texts, once for all requests that share them.
CREATE TABLE texts (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, texts TEXT NOT NULL) STRICT;

CREATE TABLE request (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE,
  procedure TEXT NOT NULL, ext_id TEXT NOT NULL, revision INTEGER NOT NULL, digest BLOB NOT NULL,
  action TEXT NOT NULL, state TEXT NOT NULL, verdict TEXT NOT NULL, hold TEXT,
  submission INTEGER NOT NULL, row INTEGER NOT NULL, flow INTEGER NOT NULL,
  account BLOB, procedure_sha256 TEXT NOT NULL, texts INTEGER NOT NULL,
  received_at INTEGER NOT NULL, state_at INTEGER NOT NULL, ended_at INTEGER, replaced_by INTEGER,
  outcome_due INTEGER NOT NULL DEFAULT 0,
  UNIQUE (procedure, ext_id, revision)) STRICT;
CREATE INDEX request_id_alone ON request(ext_id);
CREATE INDEX request_on_account ON request(account)
  WHERE state IN ('working', 'waiting', 'stuck', 'withdrawing');
CREATE INDEX request_in_state ON request(state) WHERE state NOT IN ('done', 'refused', 'redirected', 'conflicted', 'withdrawn');
CREATE INDEX request_outcome_due ON request(state_at) WHERE outcome_due > 0;

-- Who asked, and what was decided about them: may be emptied.
CREATE TABLE personal (
  request INTEGER PRIMARY KEY, salt BLOB NOT NULL, record TEXT NOT NULL, judgement TEXT NOT NULL,
  account TEXT) STRICT;

-- id = request * 256 + place. part: 'notice' runs at once, 'plan' while the request is working, 'undo' while it is withdrawn.
-- state: blocked ready retry running done stuck cancelled.
CREATE TABLE step (
  id INTEGER PRIMARY KEY, part TEXT NOT NULL, lane TEXT NOT NULL, verb TEXT NOT NULL, detail TEXT NOT NULL,
  state TEXT NOT NULL,
  turn INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
  uncertain INTEGER NOT NULL DEFAULT 0, first_at INTEGER, claimed_at INTEGER, done_at INTEGER,
  fault_class TEXT, fault TEXT, proof TEXT, note TEXT) STRICT;
CREATE INDEX step_ready ON step(lane, turn, id) WHERE state = 'ready';
CREATE INDEX step_retry ON step(lane, due) WHERE state = 'retry';
CREATE INDEX step_running ON step(lane) WHERE state = 'running';
CREATE INDEX step_stuck ON step(lane) WHERE state = 'stuck';

-- The register.
CREATE TABLE account (
  uid BLOB PRIMARY KEY, request INTEGER NOT NULL, procedure TEXT NOT NULL, state TEXT NOT NULL,
  holder BLOB NOT NULL, account TEXT NOT NULL, created_at INTEGER NOT NULL, ends_at INTEGER) STRICT, WITHOUT ROWID;
CREATE INDEX account_holder ON account(holder);

-- Addresses, aliases and user names, each held by one account, and the request that took it.
CREATE TABLE name (name TEXT PRIMARY KEY, account BLOB NOT NULL, request INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX name_account ON name(account);

-- Where an account stands.
CREATE TABLE placed (
  account BLOB NOT NULL, target TEXT NOT NULL, external_id TEXT, proof TEXT, at INTEGER NOT NULL,
  PRIMARY KEY (account, target)) STRICT, WITHOUT ROWID;

-- Sealed; wiped once handed over.
CREATE TABLE secret (request INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT;

-- What operators asked for.
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, login_uid INTEGER, login TEXT NOT NULL, verb TEXT NOT NULL,
  argument TEXT NOT NULL, reason TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'new', result TEXT, done_at INTEGER) STRICT;
CREATE INDEX orders_new ON orders(id) WHERE state = 'new';

CREATE TABLE lane (name TEXT PRIMARY KEY, paused INTEGER NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL)
  STRICT, WITHOUT ROWID;
";

const V2: &str = r"
-- What was taken away without an approval each: the change budget.
CREATE TABLE taken (target TEXT NOT NULL, at INTEGER NOT NULL, request INTEGER NOT NULL,
  PRIMARY KEY (target, at, request)) STRICT, WITHOUT ROWID;
";

const V3: &str = r"
-- Which outcome documents are published where, and how many of each were asked for and done.
CREATE TABLE publication (
  queue TEXT NOT NULL, request INTEGER NOT NULL, asked INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0,
  at INTEGER NOT NULL, PRIMARY KEY (queue, request)) STRICT, WITHOUT ROWID;
CREATE INDEX publication_due ON publication(queue, at) WHERE asked > done;
";

const V4: &str = r"
-- What ended when: the status page's days, counts that need no second look, and what retention has come to.
CREATE INDEX request_ended ON request(ended_at, state, received_at) WHERE ended_at IS NOT NULL;

-- With the state in them, and the time of what is repeated, they answer by themselves how many steps wait in a lane and since
-- when: a scrape during an outage need not fetch each of its steps.
DROP INDEX step_ready;
DROP INDEX step_retry;
DROP INDEX step_running;
DROP INDEX step_stuck;
CREATE INDEX step_ready ON step(lane, turn, id, state) WHERE state = 'ready';
CREATE INDEX step_retry ON step(lane, due, first_at, state) WHERE state = 'retry';
CREATE INDEX step_running ON step(lane, state) WHERE state = 'running';
CREATE INDEX step_stuck ON step(lane, state) WHERE state = 'stuck';
";

const V5: &str = r"
-- Notices that were handed over and whose arrival is reported. state: expected confirmed failed unknown.
CREATE TABLE receipt (
  step INTEGER PRIMARY KEY, lane TEXT NOT NULL, reference TEXT NOT NULL, since INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'expected', at INTEGER, note TEXT) STRICT;
CREATE INDEX receipt_expected ON receipt(lane, since) WHERE state = 'expected';

-- The request whose credentials another one hands out anew.
ALTER TABLE request ADD COLUMN redelivers INTEGER;
CREATE INDEX request_redelivers ON request(redelivers) WHERE redelivers IS NOT NULL;

-- Outcome documents on their way to outlets other than the spool. state: ready retry running done stuck. The document is emptied when done.
CREATE TABLE post (
  id INTEGER PRIMARY KEY, outlet TEXT NOT NULL, request INTEGER NOT NULL, delivery BLOB NOT NULL, body BLOB,
  state TEXT NOT NULL DEFAULT 'ready', due INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
  made_at INTEGER NOT NULL, first_at INTEGER, done_at INTEGER, fault TEXT, reply TEXT) STRICT;
CREATE INDEX post_request ON post(request, outlet);
CREATE INDEX post_open ON post(outlet, due, id) WHERE state IN ('ready', 'retry', 'running');
";

const V6: &str = r"
-- Alarms that were raised: a clock of a request that is near its end (warned) or past it (breached).
CREATE TABLE overdue (request INTEGER NOT NULL, name TEXT NOT NULL, alarm TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (request, name)) STRICT, WITHOUT ROWID;
CREATE INDEX overdue_at ON overdue(at);

-- How far the operator has been told: up to this event; up to which event a notice may be on its way; when the last one left;
-- the day of the last digest.
CREATE TABLE operator (one INTEGER PRIMARY KEY CHECK (one = 1), told INTEGER NOT NULL, telling INTEGER, told_at INTEGER,
  digest TEXT) STRICT;
INSERT INTO operator (one, told) SELECT 1, coalesce(max(seq), 0) FROM event;

-- Lanes in which nothing succeeds.
CREATE TABLE lane_down (name TEXT PRIMARY KEY, since INTEGER NOT NULL, fault TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- What an order to import would enter; emptied when it is carried out.
CREATE TABLE import (orders INTEGER NOT NULL, row INTEGER NOT NULL, entry TEXT NOT NULL,
  PRIMARY KEY (orders, row)) STRICT, WITHOUT ROWID;
-- Of an account that was imported: what the list said of it. akund has not made it.
ALTER TABLE account ADD COLUMN entry TEXT;
";

const V7: &str = r"
-- The draft of a request's letter of notification, kept in the spool.
CREATE TABLE draft (request INTEGER PRIMARY KEY, evidence TEXT NOT NULL, sha256 BLOB NOT NULL, at INTEGER NOT NULL) STRICT;

-- The register of outgoing letters. A number is used once in a procedure.
CREATE TABLE outgoing (
  id INTEGER PRIMARY KEY, request INTEGER NOT NULL UNIQUE, procedure TEXT NOT NULL, number TEXT NOT NULL COLLATE NOCASE,
  role TEXT NOT NULL, signed_on TEXT NOT NULL, sha256 BLOB NOT NULL, evidence TEXT NOT NULL, ordered INTEGER NOT NULL,
  at INTEGER NOT NULL, UNIQUE (procedure, number)) STRICT;

-- A signed letter that came with an order, until the order is carried out.
CREATE TABLE brought (ordered INTEGER PRIMARY KEY, number TEXT NOT NULL, role TEXT NOT NULL, signed_on TEXT NOT NULL,
  letter BLOB NOT NULL) STRICT;
";

/// The accounts of a unit are found by its name.
const V8: &str = r"
CREATE INDEX account_unit ON account(procedure, lower(account ->> 'unit'));
";

/// What retention has removed, and what it finds the rest by.
const V9: &str = r"
ALTER TABLE request ADD COLUMN outcome_removed INTEGER;
ALTER TABLE request ADD COLUMN personal_removed INTEGER;
CREATE INDEX request_outcome_kept ON request(ended_at) WHERE ended_at IS NOT NULL AND outcome_removed IS NULL;
CREATE INDEX request_submission ON request(submission, ended_at);
ALTER TABLE submission ADD COLUMN removed INTEGER;
CREATE INDEX submission_kept ON submission(received_at) WHERE evidence <> '';
CREATE INDEX outgoing_evidence ON outgoing(evidence);
CREATE INDEX draft_evidence ON draft(evidence);

-- Since when an account is removed or void, and when its personal data were emptied.
ALTER TABLE account ADD COLUMN ended_at INTEGER;
ALTER TABLE account ADD COLUMN emptied INTEGER;
UPDATE account SET ended_at = gone.at FROM (SELECT account AS uid, max(ended_at) AS at FROM request
  WHERE action = 'remove' AND state = 'done' GROUP BY account) AS gone WHERE gone.uid = account.uid AND account.state = 'removed';
UPDATE account SET ended_at = coalesce((SELECT ended_at FROM request WHERE id = account.request), created_at) WHERE state = 'void';
CREATE INDEX account_ended ON account(ended_at) WHERE ended_at IS NOT NULL AND emptied IS NULL;

-- Files that are about to be removed: written before, and deleted after.
CREATE TABLE removal (id INTEGER PRIMARY KEY, what TEXT NOT NULL, of INTEGER NOT NULL, path TEXT NOT NULL) STRICT;
CREATE INDEX removal_of ON removal(of, what);

-- With what the names of removed accounts are hashed; the ages in force since when; the last time that all was looked through.
CREATE TABLE retention (one INTEGER PRIMARY KEY CHECK (one = 1), name_salt BLOB NOT NULL, policy TEXT NOT NULL DEFAULT '',
  swept_at INTEGER) STRICT;
INSERT INTO retention (one, name_salt) VALUES (1, randomblob(16));
";

/// Of an account that akund did not make and acts on: the request that adopted it.
const V10: &str = r"
ALTER TABLE account ADD COLUMN adopted INTEGER;
";

/// A journal that was put back from a backup (restored.rs), and since when a step is stuck.
const V11: &str = r"
-- step.restored: 1, unfinished when the journal was put back: look at the target before anything is written, send nothing without an
-- order, and a password that is minted is another than the one that may have been sent; 2, looked at, and a person decides; 3, a person
-- has ordered that it be written, and that has not begun; 4, looked at and found as wanted: done, and not written by this journal.
-- request.restored: its outcome documents leave for nobody without an order. publication.held: as post's stuck.
ALTER TABLE step ADD COLUMN restored INTEGER NOT NULL DEFAULT 0;
ALTER TABLE step ADD COLUMN stuck_at INTEGER;
ALTER TABLE request ADD COLUMN restored INTEGER NOT NULL DEFAULT 0;
ALTER TABLE publication ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
CREATE INDEX publication_held ON publication(request) WHERE held = 1;
-- What one order tries again.
CREATE INDEX post_stuck ON post(outlet, request) WHERE state = 'stuck';
-- By it an account's uid tells which request it was made for (mark.rs).
INSERT OR IGNORE INTO meta (key, value) VALUES ('seed', randomblob(32));
";

/// One table for what is due at every outlet, where `post` was the webhooks' and `publication` the brokers'.
const V12: &str = r"
-- How many outcome documents were written of a request: it numbers them.
ALTER TABLE request ADD COLUMN documents INTEGER NOT NULL DEFAULT 0;
UPDATE request SET documents = p.asked FROM (SELECT request, max(asked) AS asked FROM publication GROUP BY request) AS p
  WHERE p.request = request.id;

-- Outcome documents at outlets other than the spool: of each request the newest, and the one that is being handed over. state: ready retry
-- running done stuck. body: emptied when done; one that is missing before (a publication had none) is made when the lane begins.
-- restored: 1, it may have left after the backup that was put back; 2, an order let it, and what comes after it, go to this outlet.
CREATE TABLE posting (
  id INTEGER PRIMARY KEY, outlet TEXT NOT NULL, request INTEGER NOT NULL, delivery TEXT NOT NULL, body BLOB,
  state TEXT NOT NULL DEFAULT 'ready', due INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
  made_at INTEGER NOT NULL, first_at INTEGER, done_at INTEGER, stuck_at INTEGER, fault_class TEXT, fault TEXT, reply TEXT,
  restored INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO posting (outlet, request, delivery, body, state, due, attempts, made_at, first_at, done_at, stuck_at, fault_class,
    fault, reply, restored)
  SELECT outlet, request, substr(x, 1, 8) || '-' || substr(x, 9, 4) || '-' || substr(x, 13, 4) || '-' || substr(x, 17, 4) || '-'
      || substr(x, 21) || number, body, state, due, attempts, made_at, first_at, done_at,
    CASE state WHEN 'stuck' THEN coalesce(first_at, made_at) END,
    CASE WHEN state <> 'stuck' THEN NULL WHEN restored THEN 'unknown' ELSE 'permanent' END, fault, reply, restored
  FROM (
    SELECT 1 AS part, id AS place, outlet, request, lower(hex(delivery)) AS x, '' AS number, body, state, due, attempts, made_at,
      first_at, done_at, fault, reply,
      state = 'stuck' AND coalesce(fault LIKE 'it may have been sent after the backup%', 0) AS restored FROM post
    UNION ALL
    SELECT 2, p.at, p.queue, p.request, lower(hex(r.uid)), '.' || p.asked, NULL,
      CASE WHEN p.asked <= p.done THEN 'done' WHEN p.held THEN 'stuck' ELSE 'ready' END, 0, p.asked <= p.done, p.at, NULL,
      CASE WHEN p.asked <= p.done THEN p.at END, CASE WHEN p.held AND p.asked > p.done THEN
        'it may have been sent after the backup that was put back' END, NULL, p.held AND p.asked > p.done
    FROM publication p JOIN request r ON r.id = p.request)
  ORDER BY part, place;
DROP TABLE post;
DROP TABLE publication;
CREATE INDEX posting_request ON posting(request, outlet);
CREATE INDEX posting_open ON posting(outlet, due, id) WHERE state IN ('ready', 'retry', 'running');
CREATE INDEX posting_stuck ON posting(outlet, request) WHERE state = 'stuck';
CREATE INDEX posting_unmade ON posting(outlet, id) WHERE body IS NULL AND state <> 'done';
";

/// Brings the tables to [`VERSION`]; a journal that held something is copied to `NAME.before-vN.db` first.
///
/// # Errors
/// [`JournalError::Unusable`] for a journal of a newer akund or a file that is no journal.
pub fn migrate(connection: &mut Connection, path: &Path) -> Result<(), JournalError> {
    migrate_by(connection, path, &MIGRATIONS)
}

/// Applies those of `migrations`, one per version, that the journal has not had, in one transaction.
fn migrate_by(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), JournalError> {
    let unusable = |cause: String| JournalError::Unusable { path: path.to_owned(), cause };
    let newest = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(unusable("this is a database of some other program; name another file in [journal] path".into()));
    }
    if version > newest {
        return Err(unusable(format!(
            "it was written by a newer akund (schema {version}, this one knows {newest}); install that version again"
        )));
    }
    if version == newest {
        return Ok(());
    }
    if version > 0 {
        let copy = path.with_extension(format!("before-v{newest}.db"));
        {
            use std::os::unix::fs::OpenOptionsExt;
            // SQLite would make it with the umask's mode, and it holds what the journal holds.
            let _ = std::fs::OpenOptions::new().append(true).create(true).mode(0o640).open(&copy);
        }
        let failed = |error: rusqlite::Error| {
            unusable(format!("no copy could be made at {} before migrating: {error}", copy.display()))
        };
        connection.backup("main", &copy, None).map_err(failed)?;
        // Put back one day, it is to be known for what it is.
        let mark = CopyMark { at: jiff::Timestamp::now() };
        restored::write_mark(&Connection::open(&copy).map_err(failed)?, mark)?;
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for migration in migrations.iter().skip(usize::try_from(version).unwrap_or(usize::MAX)) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", newest)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: &str = "ALTER TABLE orders ADD COLUMN note TEXT; INSERT INTO meta (key, value) VALUES ('next', x'01');";

    /// All migrations, and one more.
    fn and(next: &'static str) -> Vec<&'static str> {
        MIGRATIONS.into_iter().chain([next]).collect()
    }

    /// What the tests have put there.
    fn keys(path: &Path) -> Vec<String> {
        let connection = Connection::open(path).unwrap();
        let mut statement =
            connection.prepare("SELECT key FROM meta WHERE key NOT IN ('seed', 'copy') ORDER BY key").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_journal_is_copied_before_it_is_migrated_and_an_older_akund_then_refuses_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let mut connection = Connection::open(&path).unwrap();
        migrate_by(&mut connection, &path, &MIGRATIONS).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "a new journal needs no copy");
        connection.execute("INSERT INTO meta (key, value) VALUES ('here', x'01')", []).unwrap();
        migrate_by(&mut connection, &path, &and(NEXT)).unwrap();
        assert_eq!(keys(&path), ["here", "next"]);
        let copy = dir.path().join(format!("journal.before-v{}.db", VERSION + 1));
        assert_eq!(keys(&copy), ["here"]);
        let mode = std::os::unix::fs::PermissionsExt::mode(&copy.metadata().unwrap().permissions());
        assert_eq!(mode & 0o7, 0, "others may not read it");
        migrate_by(&mut connection, &path, &and(NEXT)).unwrap();
        let refused = migrate(&mut connection, &path).unwrap_err().to_string();
        assert!(refused.contains("newer akund"), "{refused}");
    }

    #[test]
    fn a_migration_that_fails_leaves_the_journal_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let mut connection = Connection::open(&path).unwrap();
        migrate_by(&mut connection, &path, &MIGRATIONS).unwrap();
        let broken = "INSERT INTO meta (key, value) VALUES ('half', x'01'); SELECT no_such_function();";
        assert!(migrate_by(&mut connection, &path, &and(broken)).is_err());
        assert!(keys(&path).is_empty());
        migrate(&mut connection, &path).unwrap();
    }

    #[test]
    fn the_version_counts_the_migrations() {
        assert_eq!(usize::try_from(VERSION), Ok(MIGRATIONS.len()));
    }
}
