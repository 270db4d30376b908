//! Letters of notification: their drafts, the signed ones that orders bring, and the register of outgoing letters.
//!
//! A signed letter comes with its order, in the journal. Before the order is carried out the daemon writes the file to the spool's
//! evidence; the register's entry, the end of the waiting and the end of the copy in the journal are then one commit. A crash in
//! between leaves the order as it was, and it is carried out at the next start.

use super::state::Move;
use super::tx::Tx;
use super::{Journal, JournalError, course};
use crate::model::verdict::TIME_ZONE;
use crate::model::{StepDetail, Verb};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Longest number of a letter, in characters.
pub const LONGEST_NUMBER: usize = 100;

/// A file that lies in the spool's evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its path, relative to the spool.
    pub evidence: String,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

/// A letter that goes with a notice.
#[derive(Debug, Clone)]
pub struct Paper {
    /// The file.
    pub kept: Kept,
    /// What the register says of it; none for a draft.
    pub signed: Option<Signed>,
}

/// What is recorded of a signed letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Its number in the register of outgoing letters.
    pub number: String,
    /// The role that signed it.
    pub role: String,
    /// When.
    pub on: Date,
}

/// A signed letter, as a command brings it.
#[derive(Debug, Clone)]
pub struct NewLetter {
    /// What is to be recorded.
    pub signed: Signed,
    /// The file.
    pub bytes: Vec<u8>,
}

/// What a request that waits for its letter says about it.
#[derive(Debug)]
struct Awaited {
    step: i64,
    signers: Vec<String>,
    zone: TimeZone,
    draft: Option<(Kept, Timestamp)>,
}

/// Enters a draft that has been kept.
pub(super) fn drafted(tx: &mut Tx<'_>, request: i64, kept: &Kept) -> Result<(), JournalError> {
    let now = tx.micros();
    tx.run(
        "INSERT OR REPLACE INTO draft (request, evidence, sha256, at) VALUES (?1, ?2, ?3, ?4)",
        (request, &kept.evidence, kept.sha256, now),
    )?;
    Ok(())
}

/// A request's draft.
pub(super) fn draft(tx: &mut Tx<'_>, request: i64) -> Result<Option<Paper>, JournalError> {
    let found = draft_of(tx, request)?;
    Ok(found.map(|(kept, _)| Paper { kept, signed: None }))
}

fn draft_of(tx: &mut Tx<'_>, request: i64) -> Result<Option<(Kept, Timestamp)>, JournalError> {
    tx.row("SELECT evidence, sha256, at FROM draft WHERE request = ?1", [request], |row| {
        Ok((Kept { evidence: row.get(0)?, sha256: row.get(1)? }, super::read::time(row, 2)?))
    })
}

/// A request's signed letter.
pub(super) fn signed(tx: &mut Tx<'_>, request: i64) -> Result<Option<Paper>, JournalError> {
    tx.row("SELECT evidence, sha256, number, role, signed_on FROM outgoing WHERE request = ?1", [request], |row| {
        let kept = Kept { evidence: row.get(0)?, sha256: row.get(1)? };
        let on: String = row.get(4)?;
        let signed = Signed { number: row.get(2)?, role: row.get(3)?, on: on.parse().unwrap_or(Date::ZERO) };
        Ok(Paper { kept, signed: Some(signed) })
    })
}

/// The letter that an order brings.
pub(super) fn brought(tx: &mut Tx<'_>, order: i64) -> Result<Option<(Signed, [u8; 32])>, JournalError> {
    let found: Option<(String, String, String, Vec<u8>)> =
        tx.row("SELECT number, role, signed_on, letter FROM brought WHERE ordered = ?1", [order], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
    found
        .map(|(number, role, on, letter)| {
            let on =
                on.parse().map_err(|_| JournalError::Refused(format!("`{on}` is no date; expected YYYY-MM-DD")))?;
            Ok((Signed { number, role, on }, Sha256::digest(&letter).into()))
        })
        .transpose()
}

/// The order is over: the file is kept elsewhere, or not wanted.
pub(super) fn forget(tx: &mut Tx<'_>, order: i64) -> Result<(), JournalError> {
    tx.run("DELETE FROM brought WHERE ordered = ?1", [order]).map(drop)
}

/// What a request waits for, where it is a signed letter.
fn awaited(tx: &mut Tx<'_>, request: i64) -> Result<Option<Awaited>, JournalError> {
    let found: Option<(i64, String, Option<String>)> = tx.row(
        "SELECT s.id, s.detail, t.texts ->> ?3 FROM step s JOIN request r ON r.id = s.id >> 8 JOIN texts t ON t.id = r.texts
         WHERE s.id BETWEEN ?1 << 8 AND ?1 << 8 | 255 AND s.verb = ?2 AND s.state = 'blocked' AND r.state = 'waiting'
           AND NOT EXISTS (SELECT 1 FROM step e WHERE e.id >= ?1 << 8 AND e.id < s.id AND e.part = 'plan'
                             AND e.state NOT IN ('done', 'cancelled'))
         LIMIT 1",
        (request, Verb::Sign.as_str(), TIME_ZONE),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let Some((step, detail, zone)) = found else { return Ok(None) };
    let detail: StepDetail = serde_json::from_str(&detail)?;
    let zone = zone.and_then(|name| TimeZone::get(&name).ok()).unwrap_or(TimeZone::UTC);
    Ok(Some(Awaited { step, signers: detail.signed_by, zone, draft: draft_of(tx, request)? }))
}

/// What cannot stand in a number: it goes into a subject, and a number that looks like another would be another's.
fn unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Why a letter cannot be taken. Pure; `used_by` is the request whose letter has the number.
fn refusal(
    letter: &Signed,
    sha256: &[u8; 32],
    awaited: &Awaited,
    used_by: Option<&str>,
    now: Timestamp,
) -> Option<String> {
    let day = |at: Timestamp| at.to_zoned(awaited.zone.clone()).date();
    let number = letter.number.trim();
    if number.is_empty() || number != letter.number || number.chars().any(unfit) {
        return Some("the letter's number is empty, or has spaces around it or control characters in it".into());
    }
    if number.chars().count() > LONGEST_NUMBER {
        return Some(format!("the letter's number has more than {LONGEST_NUMBER} characters"));
    }
    if !awaited.signers.contains(&letter.role) {
        return Some(format!(
            "`{}` may not sign this letter; who may is {}",
            letter.role.escape_debug(),
            awaited.signers.join(", ")
        ));
    }
    if letter.on > day(now) {
        return Some(format!("the letter is dated {}, and today is {}", letter.on, day(now)));
    }
    let Some((draft, drafted)) = &awaited.draft else { return Some("this request has no draft of a letter".into()) };
    if letter.on < day(*drafted) {
        return Some(format!("the letter is dated {}, and its draft was made on {}", letter.on, day(*drafted)));
    }
    if draft.sha256 == *sha256 {
        return Some("this is the draft as akund wrote it, without a signature".into());
    }
    used_by.map(|request| format!("the number {number} is used: it is that of the letter for {request}"))
}

fn used_by(tx: &mut Tx<'_>, request: i64, number: &str) -> Result<Option<String>, JournalError> {
    tx.row(
        "SELECT o.procedure || ':' || r.ext_id || '@' || r.revision FROM outgoing o JOIN request r ON r.id = o.request
         WHERE o.procedure = (SELECT procedure FROM request WHERE id = ?1) AND o.number = ?2",
        (request, number),
        |row| row.get(0),
    )
}

/// Whether a letter can be taken; the step that waits for it.
fn fits(tx: &mut Tx<'_>, request: i64, letter: &Signed, sha256: &[u8; 32]) -> Result<Awaited, JournalError> {
    let state: String =
        tx.row("SELECT state FROM request WHERE id = ?1", [request], |row| row.get(0))?.unwrap_or_default();
    let awaited = awaited(tx, request)?
        .ok_or_else(|| JournalError::Refused(format!("it waits for no signed letter: it is {state}")))?;
    let used_by = used_by(tx, request, letter.number.trim())?;
    match refusal(letter, sha256, &awaited, used_by.as_deref(), tx.now) {
        None => Ok(awaited),
        Some(why) => Err(JournalError::Refused(why)),
    }
}

/// What to give to a request that waits for its letter; none where it does not.
pub(super) fn asks_for(tx: &mut Tx<'_>, request: i64, argument: &str) -> Result<Option<String>, JournalError> {
    Ok(awaited(tx, request)?.map(|awaited| {
        format!(
            "it waits for the signed letter: akund release {argument} --letter FILE --number NUMBER --signed-by {} \
             --signed-on YYYY-MM-DD",
            awaited.signers.join("|")
        )
    }))
}

/// Records the signed letter and lets the request go on. None: the file is not kept yet, and nothing was done.
pub(super) fn sign(
    tx: &mut Tx<'_>,
    request: i64,
    order: i64,
    (letter, sha256): (&Signed, &[u8; 32]),
    kept: Option<&Kept>,
) -> Result<Option<()>, JournalError> {
    let awaited = fits(tx, request, letter, sha256)?;
    let Some(kept) = kept.filter(|kept| kept.sha256 == *sha256) else { return Ok(None) };
    let now = tx.micros();
    tx.run(
        "INSERT INTO outgoing (request, procedure, number, role, signed_on, sha256, evidence, ordered, at)
         SELECT ?1, procedure, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM request WHERE id = ?1",
        (request, &letter.number, &letter.role, letter.on.to_string(), sha256, &kept.evidence, order, now),
    )?;
    tx.run(
        "UPDATE step SET state = 'done', done_at = ?2, attempts = 1, note = ?3 WHERE id = ?1",
        (awaited.step, now, format!("{}, {}, {}", letter.number, letter.role, letter.on)),
    )?;
    let (uid, salt): (uuid::Uuid, Option<[u8; 16]>) = tx
        .row(
            "SELECT r.uid, p.salt FROM request r LEFT JOIN personal p ON p.request = r.id WHERE r.id = ?1",
            [request],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .ok_or_else(|| JournalError::Internal(format!("request number {request} is gone")))?;
    let salt = salt.unwrap_or_default();
    tx.event(
        uid.as_bytes(),
        "done",
        &serde_json::json!({
            "verb": Verb::Sign.as_str(), "lane": Verb::LETTER_LANE, "role": letter.role, "signed_on": letter.on,
            "number": super::admit::salted(&salt, letter.number.as_bytes()), "file": super::admit::salted(&salt, sha256),
            "order": order,
        }),
    )?;
    tx.move_request(request, Move::Resume, "the signed letter")?;
    course::advance(tx, request)?;
    Ok(Some(()))
}

impl Journal {
    /// The letters of new orders that can be taken as things stand, to be kept before [`Journal::carry_out_orders`]: order and file.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn letters_to_keep(&self) -> Result<Vec<(i64, Vec<u8>)>, JournalError> {
        self.call(|tx| {
            let new: Vec<(i64, String)> = tx.rows(
                "SELECT o.id, o.argument FROM orders o JOIN brought b ON b.ordered = o.id WHERE o.state = 'new' ORDER BY o.id",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let mut letters = Vec::new();
            for (order, argument) in new {
                // What cannot be taken is refused when the order is carried out.
                let Ok(request) = tx.resolve(&argument) else { continue };
                let Ok(Some((signed, sha256))) = brought(tx, order) else { continue };
                match fits(tx, request, &signed, &sha256) {
                    Ok(_) => letters.extend(
                        tx.row("SELECT letter FROM brought WHERE ordered = ?1", [order], |row| row.get(0))?
                            .map(|bytes| (order, bytes)),
                    ),
                    Err(error) if tx.fatal.is_some() => return Err(error),
                    Err(_) => {}
                }
            }
            Ok(letters)
        })
        .await
    }
}

/// Files that are kept, by their orders.
pub type KeptLetters = BTreeMap<i64, Kept>;

#[cfg(test)]
mod tests {
    use super::*;

    fn awaited() -> Awaited {
        Awaited {
            step: 1,
            signers: vec!["head".into(), "secretary".into()],
            zone: TimeZone::get("Asia/Jakarta").unwrap(),
            // 20 November, 01:00 in Jakarta.
            draft: Some((Kept { evidence: "x".into(), sha256: [7; 32] }, "2026-11-19T18:00:00Z".parse().unwrap())),
        }
    }

    fn said(number: &str, role: &str, on: &str, sha: u8, used: Option<&str>) -> String {
        let letter = Signed { number: number.into(), role: role.into(), on: on.parse().unwrap() };
        // 22 November, 06:00 in Jakarta, and the 21st in UTC.
        let now = "2026-11-21T23:00:00Z".parse().unwrap();
        refusal(&letter, &[sha; 32], &awaited(), used, now).unwrap_or_default()
    }

    #[test]
    fn a_letter_is_taken_by_its_number_role_day_and_file() {
        for on in ["2026-11-20", "2026-11-22"] {
            assert_eq!(said("005/7/2026", "secretary", on, 1, None), "");
        }
        let long = "9".repeat(LONGEST_NUMBER + 1);
        for (number, role, on, sha, used, expected) in [
            ("", "head", "2026-11-22", 1, None, "number is empty"),
            (" 5", "head", "2026-11-22", 1, None, "spaces around it"),
            ("5\n6", "head", "2026-11-22", 1, None, "control characters"),
            ("5\u{200b}6", "head", "2026-11-22", 1, None, "control characters"),
            ("5\u{2028}6", "head", "2026-11-22", 1, None, "control characters"),
            (long.as_str(), "head", "2026-11-22", 1, None, "more than 100 characters"),
            ("5", "kasi", "2026-11-22", 1, None, "`kasi` may not sign this letter; who may is head, secretary"),
            ("5", "head", "2026-11-23", 1, None, "dated 2026-11-23, and today is 2026-11-22"),
            ("5", "head", "2026-11-19", 1, None, "its draft was made on 2026-11-20"),
            ("5", "head", "2026-11-22", 7, None, "the draft as akund wrote it"),
            ("5", "head", "2026-11-22", 1, Some("p:1@1"), "the number 5 is used: it is that of the letter for p:1@1"),
        ] {
            let said = said(number, role, on, sha, used);
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }
}
