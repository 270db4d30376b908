//! Reading a hotspot account back, and whether it works as FreeRADIUS will see it.

use super::RadiusTables;
use super::rows::{PASSWORD_ROWS, expiration};
use crate::model::{Account, Action, Fault, Secret};
use crate::target::Work;
use crate::target::embedded::check_password;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// What the database holds of an account.
#[derive(Debug, Default)]
pub struct Stored {
    /// User name and whether it is suspended, by `akund_account`.
    account: Option<(String, bool)>,
    /// Attribute and value of every password row of the user name, in the order in which FreeRADIUS reads them.
    passwords: Vec<(String, Secret)>,
    /// Values of its `Auth-Type` rows.
    auth_types: Vec<String>,
    /// Values of its `Expiration` rows.
    expirations: Vec<String>,
    groups: Vec<String>,
    /// Whether one of its groups refuses everybody.
    group_rejects: bool,
}

pub fn read(db: &Connection, account: &Account) -> rusqlite::Result<Stored> {
    let marked: Option<(String, bool)> = db
        .prepare_cached("SELECT username, suspended FROM akund_account WHERE uid = ?1")?
        .query_row([account.uid.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    // After a removal the rows are looked for under the name that the account had; a name that somebody else has since
    // been given is theirs.
    let held_by_other: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM akund_account WHERE username = ?1 AND uid <> ?2)")?
        .query_row([account.username.as_str(), &account.uid.to_string()], |row| row.get(0))?;
    let username = match &marked {
        Some((username, _)) => username.clone(),
        None if held_by_other => return Ok(Stored::default()),
        None => account.username.as_str().to_owned(),
    };
    let passwords = db
        .prepare_cached(&format!(
            "SELECT attribute, value FROM radcheck WHERE username = ?1 AND {PASSWORD_ROWS} ORDER BY id"
        ))?
        .query_map([&username], |row| Ok((row.get(0)?, Secret::new(row.get::<_, String>(1)?))))?
        .collect::<Result<_, _>>()?;
    Ok(Stored {
        account: marked,
        passwords,
        auth_types: values(db, &username, "Auth-Type")?,
        expirations: values(db, &username, "Expiration")?,
        groups: db
            .prepare_cached("SELECT groupname FROM radusergroup WHERE username = ?1 ORDER BY priority")?
            .query_map([&username], |row| row.get(0))?
            .collect::<Result<_, _>>()?,
        group_rejects: db
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM radusergroup JOIN radgroupcheck USING (groupname)
                 WHERE username = ?1 AND attribute = 'Auth-Type' COLLATE NOCASE AND value = 'Reject' COLLATE NOCASE)",
            )?
            .query_row([&username], |row| row.get(0))?,
    })
}

fn values(db: &Connection, username: &str, attribute: &str) -> rusqlite::Result<Vec<String>> {
    db.prepare_cached("SELECT value FROM radcheck WHERE username = ?1 AND attribute = ?2 COLLATE NOCASE ORDER BY id")?
        .query_map(params![username, attribute], |row| row.get(0))?
        .collect()
}

pub fn judge(work: &Work, stored: &Stored, tables: &RadiusTables, now: Timestamp) -> Result<(), Fault> {
    let account = &work.account;
    match work.action {
        Action::Remove => return gone(account, stored),
        Action::Suspend => return closed(account, stored),
        Action::Create | Action::Change | Action::Reset | Action::Resume => {}
    }
    let Some((username, _)) = &stored.account else {
        return Err(Fault::transient(format!("account {}: its hotspot user is not there yet", account.uid)));
    };
    if matches!(work.action, Action::Create | Action::Change) {
        as_wanted(work, username, stored, tables)?;
    }
    // A change of a suspended account leaves it so; everything else must leave it open.
    if work.action == Action::Change {
        return Ok(());
    }
    let (attribute, value) = open(account, stored, now)?;
    if work.action == Action::Resume {
        return Ok(());
    }
    if attribute != tables.password_attribute() {
        return Err(Fault::permanent(format!(
            "account {}: its password is stored as {attribute} and not as {}; somebody else has changed it",
            account.uid,
            tables.password_attribute()
        )));
    }
    check_password(work, value.expose(), tables.password)
}

fn gone(account: &Account, stored: &Stored) -> Result<(), Fault> {
    if stored.account.is_none() && stored.passwords.is_empty() && stored.auth_types.is_empty() {
        return Ok(());
    }
    Err(Fault::transient(format!("account {}: its hotspot user is still there", account.uid)))
}

fn closed(account: &Account, stored: &Stored) -> Result<(), Fault> {
    let rejected = stored.auth_types.last().is_some_and(|v| v.eq_ignore_ascii_case("Reject"));
    if stored.passwords.is_empty() && (rejected || stored.account.is_none()) {
        return Ok(());
    }
    Err(Fault::transient(format!("account {}: its hotspot user still has a password or is not rejected", account.uid)))
}

/// The one password row by which the user gets in.
fn open<'s>(account: &Account, stored: &'s Stored, now: Timestamp) -> Result<&'s (String, Secret), Fault> {
    let wrong = |what: &str| Err(Fault::permanent(format!("account {}: {what}", account.uid)));
    if stored.account.as_ref().is_some_and(|(_, suspended)| *suspended) || !stored.auth_types.is_empty() {
        return wrong(
            "its hotspot user is suspended or has an Auth-Type of its own, so that its password opens nothing",
        );
    }
    if stored.group_rejects {
        return wrong("a group of its hotspot user rejects everybody, so that its password opens nothing");
    }
    if stored.expirations.iter().any(|end| end.parse::<i64>().is_ok_and(|end| end <= now.as_second())) {
        return wrong("it has ended already, so that its password opens nothing");
    }
    match stored.passwords.as_slice() {
        [row] => Ok(row),
        [] => Err(Fault::transient(format!("account {}: its hotspot user has no password row yet", account.uid))),
        _ => wrong("its hotspot user has more than one password row, and FreeRADIUS would take the first"),
    }
}

fn as_wanted(work: &Work, username: &str, stored: &Stored, tables: &RadiusTables) -> Result<(), Fault> {
    let differs = |what: &str| {
        Err(Fault::permanent(format!(
            "account {}: {what} stored is not the one written; somebody else has changed it",
            work.account.uid
        )))
    };
    if username != work.account.username.as_str() {
        return differs("the user name");
    }
    if stored.expirations != expiration(work).into_iter().collect::<Vec<_>>() {
        return differs("the Expiration");
    }
    if tables.group(work).is_some_and(|group| !stored.groups.iter().any(|g| g == group)) {
        return differs("the group");
    }
    Ok(())
}
