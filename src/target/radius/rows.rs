//! The rows of hotspot accounts. Every function runs inside the caller's savepoint.

use super::{LONGEST_NAME, RadiusTables, name_fits};
use crate::model::{AccountUid, Fault, Secret, Username};
use crate::target::embedded::{end_seconds, masked, wanted_hash};
use crate::target::sqlite::Stop;
use crate::target::{Found, Work};
use rusqlite::{Connection, OptionalExtension, params};

/// Every row that decides by which password a user gets in. With two of them FreeRADIUS takes the first.
pub const PASSWORD_ROWS: &str = "(attribute LIKE '%-Password' OR attribute = 'Password-With-Header' COLLATE NOCASE)";
/// The row that refuses a suspended user.
const REJECT_ROW: &str = "attribute = 'Auth-Type' COLLATE NOCASE AND value = 'Reject' COLLATE NOCASE";
/// FreeRADIUS 3 keeps times in 32 bits.
const LATEST_EXPIRATION: i64 = u32::MAX as i64;

pub fn find(db: &Connection, names: &str) -> rusqlite::Result<Vec<Found>> {
    let mut query = db.prepare_cached(
        "SELECT asked.value, (SELECT uid FROM akund_account AS a WHERE a.username = asked.value)
         FROM json_each(?1) AS asked
         WHERE EXISTS (SELECT 1 FROM akund_account AS a WHERE a.username = asked.value)
            OR EXISTS (SELECT 1 FROM radcheck AS c WHERE c.username = asked.value COLLATE NOCASE)
            OR EXISTS (SELECT 1 FROM radreply AS r WHERE r.username = asked.value COLLATE NOCASE)
            OR EXISTS (SELECT 1 FROM radusergroup AS g WHERE g.username = asked.value COLLATE NOCASE)",
    )?;
    let rows = query.query_map([names], |row| {
        let uid: Option<String> = row.get(1)?;
        Ok(Found { name: row.get(0)?, uid: uid.and_then(|t| t.parse().ok()).map(AccountUid) })
    })?;
    rows.collect()
}

/// An account as `akund_account` has it.
struct Known {
    username: String,
    groupname: Option<String>,
    suspended: bool,
}

fn known(db: &Connection, uid: &str) -> rusqlite::Result<Option<Known>> {
    db.prepare_cached("SELECT username, groupname, suspended FROM akund_account WHERE uid = ?1")?
        .query_row([uid], |row| Ok(Known { username: row.get(0)?, groupname: row.get(1)?, suspended: row.get(2)? }))
        .optional()
}

fn expect_known(db: &Connection, uid: &str) -> Result<Known, Stop> {
    known(db, uid)?.ok_or_else(|| {
        Fault::permanent(format!("account {uid}: it has no hotspot user here; it was removed, or never made here"))
            .into()
    })
}

pub fn create(db: &Connection, work: &Work, tables: &RadiusTables) -> Result<(), Stop> {
    let uid = work.account.uid.to_string();
    let hash = wanted_hash(work, tables.password)?;
    let name = fitting_name(work, tables)?;
    let Some(known) = known(db, &uid)? else {
        return create_new(db, work, tables, name, hash);
    };
    rename(db, &uid, &known.username, name)?;
    clear_password(db, name.as_str())?;
    db.prepare_cached(
        "UPDATE akund_account SET suspended = 0, held_attribute = NULL, held_value = NULL WHERE uid = ?1",
    )?
    .execute([&uid])?;
    add_check(db, name.as_str(), tables.password_attribute(), hash.expose())?;
    set_expiration(db, work)?;
    set_group(db, &uid, work, tables)
}

fn create_new(db: &Connection, work: &Work, tables: &RadiusTables, name: &Username, hash: &Secret) -> Result<(), Stop> {
    let uid = work.account.uid.to_string();
    let group = tables.group(work);
    refuse_taken_name(db, name, &uid)?;
    db.prepare_cached("INSERT INTO akund_account (uid, username, groupname) VALUES (?1, ?2, ?3)")?.execute(params![
        uid,
        name.as_str(),
        group
    ])?;
    add_check(db, name.as_str(), tables.password_attribute(), hash.expose())?;
    if let Some(value) = expiration(work) {
        add_check(db, name.as_str(), "Expiration", &value)?;
    }
    match group {
        Some(group) => Ok(add_group(db, name.as_str(), group)?),
        None => Ok(()),
    }
}

/// New values for an account; its password, and whether it is suspended, stay.
pub fn change(db: &Connection, work: &Work, tables: &RadiusTables) -> Result<(), Stop> {
    let uid = work.account.uid.to_string();
    let name = fitting_name(work, tables)?;
    let known = expect_known(db, &uid)?;
    rename(db, &uid, &known.username, name)?;
    set_expiration(db, work)?;
    set_group(db, &uid, work, tables)
}

pub fn reset(db: &Connection, work: &Work, tables: &RadiusTables) -> Result<(), Stop> {
    let uid = work.account.uid.to_string();
    let hash = wanted_hash(work, tables.password)?;
    let known = expect_known(db, &uid)?;
    if known.suspended {
        db.prepare_cached("UPDATE akund_account SET held_attribute = ?2, held_value = ?3 WHERE uid = ?1")?
            .execute([uid.as_str(), tables.password_attribute(), hash.expose()])?;
        return Ok(());
    }
    db.prepare_cached(&format!("DELETE FROM radcheck WHERE username = ?1 AND {PASSWORD_ROWS}"))?
        .execute([&known.username])?;
    Ok(add_check(db, &known.username, tables.password_attribute(), hash.expose())?)
}

pub fn suspend(db: &Connection, uid: &str) -> Result<(), Stop> {
    let known = expect_known(db, uid)?;
    if !known.suspended {
        db.prepare_cached(&format!(
            "UPDATE akund_account SET suspended = 1, (held_attribute, held_value) =
                 (SELECT attribute, value FROM radcheck WHERE radcheck.username = ?2 AND {PASSWORD_ROWS} ORDER BY id LIMIT 1)
             WHERE uid = ?1"
        ))?
        .execute([uid, known.username.as_str()])?;
    }
    clear_password(db, &known.username)?;
    Ok(add_check(db, &known.username, "Auth-Type", "Reject")?)
}

pub fn resume(db: &Connection, uid: &str) -> Result<(), Stop> {
    let known = expect_known(db, uid)?;
    if !known.suspended {
        return Ok(());
    }
    db.prepare_cached(&format!("DELETE FROM radcheck WHERE username = ?1 AND {REJECT_ROW}"))?
        .execute([&known.username])?;
    db.prepare_cached(
        "INSERT INTO radcheck (username, attribute, op, value)
         SELECT ?2, held_attribute, ':=', held_value FROM akund_account WHERE uid = ?1 AND held_value IS NOT NULL",
    )?
    .execute([uid, known.username.as_str()])?;
    db.prepare_cached(
        "UPDATE akund_account SET suspended = 0, held_attribute = NULL, held_value = NULL WHERE uid = ?1",
    )?
    .execute([uid])?;
    Ok(())
}

/// The account goes with all that was said of its user name, so that nobody who gets the name later inherits any of it.
pub fn remove(db: &Connection, uid: &str) -> rusqlite::Result<()> {
    let Some(known) = known(db, uid)? else { return Ok(()) };
    for table in ["radcheck", "radreply", "radusergroup"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE username = ?1"))?.execute([&known.username])?;
    }
    forget(db, uid)
}

/// Only what [`create`] wrote; rows that somebody else has added for the user name stay.
pub fn undo(db: &Connection, uid: &str) -> rusqlite::Result<()> {
    let Some(known) = known(db, uid)? else { return Ok(()) };
    clear_password(db, &known.username)?;
    db.prepare_cached("DELETE FROM radcheck WHERE username = ?1 AND attribute = 'Expiration'")?
        .execute([&known.username])?;
    drop_group(db, &known.username, known.groupname.as_deref())?;
    forget(db, uid)
}

fn forget(db: &Connection, uid: &str) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM akund_account WHERE uid = ?1")?.execute([uid])?;
    Ok(())
}

fn fitting_name<'w>(work: &'w Work, tables: &RadiusTables) -> Result<&'w Username, Fault> {
    let refuse = |what: &str| {
        Err(Fault::permanent(format!(
            "account {}: its {what} must have 1 to {LONGEST_NAME} characters and no control character",
            work.account.uid
        )))
    };
    if !name_fits(work.account.username.as_str()) {
        return refuse("user name");
    }
    if tables.group(work).is_some_and(|group| !name_fits(group)) {
        return refuse("group");
    }
    Ok(&work.account.username)
}

fn refuse_taken_name(db: &Connection, name: &Username, uid: &str) -> Result<(), Stop> {
    let holder: Option<String> = db
        .prepare_cached("SELECT uid FROM akund_account WHERE username = ?1 AND uid <> ?2")?
        .query_row([name.as_str(), uid], |row| row.get(0))
        .optional()?;
    let by_hand: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM radcheck WHERE username = ?1 COLLATE NOCASE)
                 OR EXISTS (SELECT 1 FROM radreply WHERE username = ?1 COLLATE NOCASE)
                 OR EXISTS (SELECT 1 FROM radusergroup WHERE username = ?1 COLLATE NOCASE)",
        )?
        .query_row([name.as_str()], |row| row.get(0))?;
    let why = match (holder, by_hand) {
        (Some(other), _) => format!("belongs to account {other}"),
        (None, true) => "was put here by hand".into(),
        (None, false) => return Ok(()),
    };
    Err(Fault::conflict(format!("account {uid}: the user name {} {why}", masked(name.as_str()))).into())
}

/// A new user name takes along all that was said of the old one.
fn rename(db: &Connection, uid: &str, old: &str, new: &Username) -> Result<(), Stop> {
    if old == new.as_str() {
        return Ok(());
    }
    refuse_taken_name(db, new, uid)?;
    for table in ["radcheck", "radreply", "radusergroup"] {
        db.prepare_cached(&format!("UPDATE {table} SET username = ?2 WHERE username = ?1"))?
            .execute([old, new.as_str()])?;
    }
    db.prepare_cached("UPDATE akund_account SET username = ?2 WHERE uid = ?1")?.execute([uid, new.as_str()])?;
    Ok(())
}

fn clear_password(db: &Connection, username: &str) -> rusqlite::Result<()> {
    db.prepare_cached(&format!("DELETE FROM radcheck WHERE username = ?1 AND ({PASSWORD_ROWS} OR {REJECT_ROW})"))?
        .execute([username])?;
    Ok(())
}

fn add_check(db: &Connection, username: &str, attribute: &str, value: &str) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO radcheck (username, attribute, op, value) VALUES (?1, ?2, ':=', ?3)")?
        .execute([username, attribute, value])?;
    Ok(())
}

/// What `Expiration` says: seconds since 1970, as digits.
pub fn expiration(work: &Work) -> Option<String> {
    end_seconds(&work.account).map(|s| s.clamp(1, LATEST_EXPIRATION).to_string())
}

fn set_expiration(db: &Connection, work: &Work) -> rusqlite::Result<()> {
    let username = work.account.username.as_str();
    db.prepare_cached("DELETE FROM radcheck WHERE username = ?1 AND attribute = 'Expiration'")?.execute([username])?;
    match expiration(work) {
        Some(value) => add_check(db, username, "Expiration", &value),
        None => Ok(()),
    }
}

fn drop_group(db: &Connection, username: &str, group: Option<&str>) -> rusqlite::Result<()> {
    if let Some(group) = group {
        db.prepare_cached("DELETE FROM radusergroup WHERE username = ?1 AND groupname = ?2")?
            .execute([username, group])?;
    }
    Ok(())
}

fn add_group(db: &Connection, username: &str, group: &str) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO radusergroup (username, groupname, priority) VALUES (?1, ?2, 1)")?
        .execute([username, group])?;
    Ok(())
}

fn set_group(db: &Connection, uid: &str, work: &Work, tables: &RadiusTables) -> Result<(), Stop> {
    let username = work.account.username.as_str();
    let wanted = tables.group(work);
    let earlier = known(db, uid)?.and_then(|k| k.groupname);
    drop_group(db, username, earlier.as_deref())?;
    drop_group(db, username, wanted)?;
    if let Some(group) = wanted {
        add_group(db, username, group)?;
    }
    if wanted != earlier.as_deref() {
        db.prepare_cached("UPDATE akund_account SET groupname = ?2 WHERE uid = ?1")?.execute(params![uid, wanted])?;
    }
    Ok(())
}
