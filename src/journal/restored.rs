//! A journal that was put back: from a backup, from a raw copy, or by hand. It knows less than what has happened.
//!
//! **Recognised** when it is opened: by the mark that `akund journal backup` sets in a copy (`COPY`), by the one that `akund journal
//! restored` sets, or because it has not the event that it is known to have had (`witness`). What follows is one transaction,
//! before anything moves ([`Journal::recognise`]); a crash in it leaves the journal as it was put back, and it is recognised again.
//!
//! **Everything is paused**: every lane and every outlet, by the same rows that `akund pause` writes; intake and outcome documents,
//! by `HOLD`, until `akund unpause` without a lane. Orders that were not yet carried out at the backup are refused: an
//! old `unpause` must not undo the pause, and a `withdraw` of last week may be a mistake today.
//!
//! **No older notice leaves without an order.** What was on its way becomes stuck; what would come later in a plan becomes stuck
//! when its turn comes (`course::make_ready`): it may have been sent after the backup. The documents of requests that were
//! unfinished are kept from other systems in the same way (`request.restored`, stuck postings). `akund retry`
//! lets them go, one by one or by lane; by the lane of an outlet what goes to that outlet, and nothing else. `akund arrived` counts a
//! notice as sent, unless it is one with a password that was minted since: nobody can have that one.
//!
//! **Every unfinished step is read back first** (`step.restored = 1`, `lane::look`): the account is looked for by its uid,
//! which the journal has had since the request was admitted. What the target has already is not written again; a new account that
//! is there under another name, since it was renamed after the backup, is stuck.
//!
//! **What was withdrawn since** is not made again: the order is forgotten, and the target looks as if nothing had been made. But the
//! request's outcome document in the spool says so, and is younger than the journal: such a request is stuck (`stick_withdrawn`).
//!
//! **Passwords.** Four things may have happened after a backup in which a request was unfinished. (1) Nothing: the account is not there,
//! and is made now. (2) It was made with the password that lies sealed in the backup: that one opens it, the step is done without
//! writing, and the notice, which may have been sent with this very password, waits for an order; sent again it says
//! the same. (3) The password was minted after the backup: the one minted now is another, and does not open the account; or
//! (4) the owner has chosen one since. In (3) and (4) somebody may be using the account with a password that akund does not
//! know. Writing would lock them out until a notice reaches them that itself waits for an order. So a create or a reset that
//! finds its account there, and not open to its password, is stuck and has written nothing. `akund retry` then sets the
//! password that the journal has, and its notice, once ordered, brings it; `akund withdraw` ends the request, and leaves alone what
//! stands at a target to which nothing was written since, also where it was found as wanted, as in (2) (`course::left_alone`).

use super::chain::Head;
use super::tx::Tx;
use super::witness::Was;
use super::{Journal, JournalError, course, letters, operator, post};
use crate::model::{Fault, RequestKey};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The row of `meta` that a copy has and no original.
pub(super) const COPY: &str = "copy";
/// The row of `meta` that says that, and since when, everything is paused.
const HOLD: &str = "hold";
/// The row of `meta` with the last head that was known of and has been reacted to.
const ANSWERED: &str = "restored";

/// What a copy says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyMark {
    /// When it was made, or marked.
    pub at: Timestamp,
}

/// Why a journal is not taken for what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspicion {
    /// It is a copy.
    pub copy: Option<CopyMark>,
    /// It has not the event that it is known to have had.
    pub was: Option<Was>,
    /// Where it stands.
    pub is: Head,
}

/// Everything is paused since the journal was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// When it was recognised.
    pub at: Timestamp,
    /// A sentence.
    pub why: String,
}

/// What recognising it came to.
#[derive(Debug, Clone)]
pub struct Recognised {
    /// The hold that stands now.
    pub hold: Hold,
    /// Notices that were on their way and are stuck now.
    pub notices: usize,
    /// Steps at targets that are looked at before anything is written.
    pub steps: usize,
    /// Outcome documents that are kept from other systems.
    pub documents: usize,
    /// Orders that are refused.
    pub orders: usize,
    /// Requests that were withdrawn after the backup, and are stuck now.
    pub withdrawn: usize,
}

/// The fault of a notice that is older than the moment at which the journal was put back.
fn may_have_been_sent() -> Fault {
    Fault::unknown(
        "it may have been sent after the backup that was put back: `akund arrived` counts it as sent, `akund retry` sends it (again), \
         `akund withdraw` ends the request and takes back what akund knows to have made",
    )
}

/// The same, of an outcome document: its receiver knows a repetition by its delivery id.
pub(super) fn document_may_have_been_sent() -> Fault {
    Fault::unknown("it may have been sent after the backup that was put back; `akund retry` sends it (again)")
}

/// Of step `s`: a notice with a password that was minted after the journal was put back. Nobody has been sent that one.
pub(super) const MINTED_SINCE: &str = "(s.restored = 1 AND s.verb = 'deliver' AND CASE WHEN json_valid(s.detail) THEN s.detail ->> '$.notice' END = 'credentials'
    AND EXISTS (SELECT 1 FROM step m WHERE m.id BETWEEN s.id >> 8 << 8 AND s.id | 255 AND m.verb = 'mint' AND m.restored = 1)) IS TRUE";

/// Why a notice that is older than the moment at which the journal was put back is not sent by itself.
pub(super) fn why_it_waits(tx: &mut Tx<'_>, step: i64) -> Result<Fault, JournalError> {
    let sql = format!("SELECT {MINTED_SINCE} FROM step s WHERE s.id = ?1");
    Ok(match tx.row(&sql, [step], |row| row.get::<_, bool>(0))? {
        Some(true) => Fault::unknown(
            "its password was made after the journal was put back; one with another password may have been sent after the backup. \
             `akund retry` sends this one, `akund withdraw` ends the request and takes back what akund knows to have made",
        ),
        _ => may_have_been_sent(),
    })
}

impl Suspicion {
    /// Looks at a journal that was opened; none: it is what it was.
    pub(super) fn of(connection: &Connection, is: Head, was: Option<Was>) -> Result<Option<Self>, JournalError> {
        let copy: Option<CopyMark> = match meta(connection, COPY)? {
            Some(mark) => Some(serde_json::from_slice(&mark)?),
            None => None,
        };
        let answered = meta(connection, ANSWERED)?;
        let was = was.filter(|was| answered.as_deref() != Some(was.head.to_string().as_bytes()));
        Ok((copy.is_some() || was.is_some()).then_some(Self { copy, was, is }))
    }

    fn why(&self) -> String {
        let copied =
            self.copy.map(|copy| format!("it is a copy that was made at {}", copy.at.strftime("%Y-%m-%d %H:%M UTC")));
        let was = self.was.map(|was| match was.other {
            true => format!("its event {} is not the one that it had", was.head.seq),
            false => format!("it ends at event {}, and has had event {}", self.is.seq, was.head.seq),
        });
        let reasons: Vec<String> = copied.into_iter().chain(was).collect();
        format!("the journal was put back: {}", reasons.join(", and "))
    }
}

pub(super) fn meta(connection: &Connection, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
    let find = "SELECT value FROM meta WHERE key = ?1";
    Ok(connection.query_row(find, [key], |row| row.get(0)).optional()?)
}

fn set(tx: &mut Tx<'_>, key: &str, value: &[u8]) -> Result<(), JournalError> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
    tx.run(sql, (key, value)).map(drop)
}

/// The hold that stands, if one does.
pub(super) fn hold(connection: &Connection) -> Result<Option<Hold>, JournalError> {
    meta(connection, HOLD)?.map(|hold| Ok(serde_json::from_slice(&hold)?)).transpose()
}

impl super::read::Reader {
    /// The hold that stands, if one does.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn hold(&self) -> Result<Option<Hold>, JournalError> {
        hold(&self.connection)
    }

    /// Requests that work: uid, source and key.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn working(&self) -> Result<Vec<(Uuid, String, RequestKey)>, JournalError> {
        let mut statement = self.connection.prepare(
            "SELECT r.uid, u.source, r.procedure, r.ext_id, r.revision FROM request r JOIN submission u ON u.id = r.submission
             WHERE r.state = 'working'",
        )?;
        let rows = statement.query_map([], |row| {
            let key = RequestKey { procedure: row.get(2)?, id: row.get(3)?, revision: row.get(4)? };
            Ok((row.get(0)?, row.get(1)?, key))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether a lane is paused by the hold and by nobody's order.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn paused_by_hold(&self, lane: &str) -> Result<bool, JournalError> {
        let Some(hold) = self.hold()? else { return Ok(false) };
        let by_name: Option<bool> = self
            .connection
            .query_row("SELECT paused AND at = ?2 FROM lane WHERE name = ?1", (lane, hold.at.as_microsecond()), |row| {
                row.get(0)
            })
            .optional()?;
        Ok(by_name.unwrap_or(true))
    }
}

/// Marks a journal as put back, where nothing else can tell (a whole machine's snapshot): the next start recognises it.
///
/// # Errors
/// Where an akund has it open, or it cannot be written.
pub fn mark(path: &std::path::Path) -> Result<CopyMark, JournalError> {
    let lock = super::writer::lock(path)?;
    let connection = super::orders::connect(path)?;
    let mark = CopyMark { at: Timestamp::now() };
    write_mark(&connection, mark)?;
    drop(lock);
    Ok(mark)
}

pub(super) fn write_mark(connection: &Connection, mark: CopyMark) -> Result<(), JournalError> {
    connection
        .execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", (COPY, serde_json::to_vec(&mark)?))?;
    Ok(())
}

impl Journal {
    /// If the journal was put back: pauses everything and marks what is unfinished, in one commit. To be called before anything
    /// else is written. `lanes` are those that there are; `withdrawn` the requests of which an outcome document says so that is younger
    /// than the journal.
    ///
    /// # Errors
    /// Where it could not be written: nothing may be begun then.
    pub async fn recognise(
        &self,
        lanes: Vec<String>,
        withdrawn: Vec<Uuid>,
    ) -> Result<Option<Recognised>, JournalError> {
        let Some(suspicion) = self.suspicion() else { return Ok(None) };
        let recognised = self.call(move |tx| put_back(tx, &suspicion, lanes, &withdrawn)).await?;
        self.trust(Some(recognised.hold.clone()));
        Ok(Some(recognised))
    }
}

fn put_back(
    tx: &mut Tx<'_>,
    suspicion: &Suspicion,
    lanes: Vec<String>,
    withdrawn: &[Uuid],
) -> Result<Recognised, JournalError> {
    let hold = Hold { at: tx.now, why: suspicion.why() };
    let orders = refuse_orders(tx)?;
    pause(tx, lanes, &hold)?;
    // Before any of them moves: what was ended and told everybody stays as it is.
    let open = "state NOT IN ('done', 'refused', 'redirected', 'conflicted', 'withdrawn')";
    tx.run(&format!("UPDATE request SET restored = 1 WHERE outcome_due > 0 OR {open} /* once */"), [])?;
    let steps = tx.run(
        "UPDATE step SET restored = 1, uncertain = 1 WHERE state NOT IN ('done', 'cancelled') AND verb IN ('apply', 'undo', 'prove') /* once */",
        [],
    )?;
    tx.run(
        "UPDATE step SET restored = 1 WHERE state NOT IN ('done', 'cancelled') AND verb = 'deliver' /* once */",
        [],
    )?;
    // A password that is minted from now on is another than the one that may have been sent; one of an earlier time may be that one.
    tx.run("UPDATE step SET restored = 0 WHERE state = 'done' AND verb = 'mint' AND restored = 1 /* once */", [])?;
    tx.run("UPDATE step SET restored = 1 WHERE state NOT IN ('done', 'cancelled') AND verb = 'mint' /* once */", [])?;
    let withdrawn = stick_withdrawn(tx, withdrawn)?;
    let on_their_way: Vec<(i64, i64)> = tx.rows(
        "SELECT s.id, s.id >> 8 FROM step s WHERE s.verb = 'deliver' AND s.state IN ('ready', 'retry', 'running') ORDER BY s.id /* once */",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let fault = may_have_been_sent();
    for (step, request) in &on_their_way {
        course::stick_step(tx, *step, &fault)?;
        tx.run("UPDATE request SET restored = 1 WHERE id = ?1", [request])?;
    }
    // Receivers know a delivery by its number: those that the backup has forgotten must not be given to other documents.
    tx.run("UPDATE request SET documents = max(documents, ?1) /* once */", [tx.now.as_second()])?;
    let documents = post::hold_all(tx)?;
    let notices = on_their_way.len();
    tell(tx, suspicion, notices, steps)?;
    tx.run("DELETE FROM meta WHERE key = ?1", [COPY])?;
    if let Some(was) = suspicion.was {
        set(tx, ANSWERED, was.head.to_string().as_bytes())?;
    }
    set(tx, HOLD, &serde_json::to_vec(&hold)?)?;
    crate::crash::point("journal-put-back");
    Ok(Recognised { hold, notices, steps, documents, orders, withdrawn })
}

/// The order that withdrew them is forgotten, and looking at the target cannot tell what was undone from what was never made.
fn stick_withdrawn(tx: &mut Tx<'_>, withdrawn: &[Uuid]) -> Result<usize, JournalError> {
    let fault = Fault::unknown(
        "its outcome document, which is younger than the backup that was put back, says that it was withdrawn: `akund withdraw` ends it \
         here, too; `akund retry` carries it out",
    );
    let mut stuck = 0;
    for uid in withdrawn {
        let next: Option<i64> = tx.row(
            "SELECT s.id FROM request r JOIN step s ON s.id BETWEEN r.id << 8 AND r.id << 8 | 255
             WHERE r.uid = ?1 AND r.state = 'working' AND s.part = 'plan' AND s.state NOT IN ('done', 'cancelled')
             ORDER BY s.id LIMIT 1",
            [uid],
            |row| row.get(0),
        )?;
        if let Some(step) = next {
            course::stick_step(tx, step, &fault)?;
            stuck += 1;
        }
    }
    Ok(stuck)
}

/// Orders from before the backup, or from before its recognition.
fn refuse_orders(tx: &mut Tx<'_>) -> Result<usize, JournalError> {
    let new: Vec<i64> = tx.rows("SELECT id FROM orders WHERE state = 'new'", [], |row| row.get(0))?;
    let now = tx.micros();
    for order in &new {
        letters::forget(tx, *order)?;
        tx.run("DELETE FROM import WHERE orders = ?1", [order])?;
        tx.run(
            "UPDATE orders SET state = 'refused', done_at = ?2,
               result = 'the journal was put back from a backup before it was carried out; give it again' WHERE id = ?1",
            (order, now),
        )?;
        let detail = serde_json::json!({"order": order, "verb": "", "login_uid": null, "done": false});
        tx.event(&[], "order", &detail)?;
    }
    Ok(new.len())
}

fn pause(tx: &mut Tx<'_>, mut lanes: Vec<String>, hold: &Hold) -> Result<(), JournalError> {
    let open = "SELECT DISTINCT lane FROM step WHERE state IN ('ready', 'retry', 'running') /* once */";
    lanes.extend(tx.rows(open, [], |row| row.get::<_, String>(0))?);
    for lane in lanes {
        // One that somebody had paused before stays theirs.
        tx.run(
            "INSERT INTO lane (name, paused, at, reason) VALUES (?1, 1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET paused = 1, at = ?2, reason = ?3 WHERE NOT paused",
            (lane, hold.at.as_microsecond(), &hold.why),
        )?;
    }
    Ok(())
}

/// The audit record, and who tells the operator: what was news before is not told again.
fn tell(tx: &mut Tx<'_>, suspicion: &Suspicion, notices: usize, steps: usize) -> Result<(), JournalError> {
    let told = tx.row("SELECT coalesce(max(seq), 0) FROM event", [], |row| row.get::<_, i64>(0))?.unwrap_or(0);
    tx.run("UPDATE operator SET told = max(told, ?1), telling = NULL", [told])?;
    let detail = serde_json::json!({
        "copied_at": suspicion.copy.map(|copy| copy.at),
        "was": suspicion.was.map(|was| was.head.to_string()),
        "is": suspicion.is.to_string(),
        "other_history": suspicion.was.is_some_and(|was| was.other),
        "notices": notices,
        "steps": steps,
    });
    tx.event(&[], "restored", &detail)?;
    tx.wake(operator::LANE);
    Ok(())
}

/// `akund unpause` without a lane: lifts the hold. The lanes are the caller's.
pub(super) fn lift(tx: &mut Tx<'_>) -> Result<(), JournalError> {
    if let Some(hold) = standing(tx)? {
        // Also of lanes that are not configured now.
        tx.run("UPDATE lane SET paused = 0 WHERE paused AND at = ?1", [hold.at.as_microsecond()])?;
    }
    tx.run("DELETE FROM meta WHERE key = ?1", [HOLD]).map(drop)
}

/// The hold, in a transaction.
pub(super) fn standing(tx: &mut Tx<'_>) -> Result<Option<Hold>, JournalError> {
    let hold: Option<Vec<u8>> = tx.row("SELECT value FROM meta WHERE key = ?1", [HOLD], |row| row.get(0))?;
    hold.map(|hold| Ok(serde_json::from_slice(&hold)?)).transpose()
}

/// An order moved a request: its documents leave again.
pub(super) fn ordered(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    tx.run("UPDATE request SET restored = 0 WHERE id = ?1 AND restored = 1", [request])?;
    post::retry(tx, request, post::Which::KeptBack).map(drop)
}

/// A person has ordered that a step be tried again: a notice is sent, and what was looked at is written (3 until that begins). What was
/// not looked at yet still is.
pub(super) fn step_ordered(tx: &mut Tx<'_>, step: i64) -> Result<(), JournalError> {
    tx.run(
        "UPDATE step SET restored = CASE verb WHEN 'deliver' THEN 0 ELSE 3 END
         WHERE id = ?1 AND (restored = 2 OR restored = 1 AND verb = 'deliver')",
        [step],
    )
    .map(drop)
}

/// Documents of a request that was unfinished when the journal was put back leave for nobody.
pub(super) fn keep_back(tx: &mut Tx<'_>, request: i64) -> Result<(), JournalError> {
    let restored: Option<bool> = tx.row("SELECT restored FROM request WHERE id = ?1", [request], |row| row.get(0))?;
    if restored != Some(true) {
        return Ok(());
    }
    post::hold(tx, request)
}
