//! The rows of mail accounts. Every function runs inside the caller's savepoint.

use crate::model::{Account, AccountUid, Address, Fault, Scheme};
use crate::target::embedded::{end_seconds, wanted_hash};
use crate::target::home::HomeTemplate;
use crate::target::sqlite::Stop;
use crate::target::{Found, Work};
use rusqlite::{Connection, OptionalExtension, named_params, params};

/// Whether an account may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enabled {
    /// It may.
    Yes,
    /// It may not; mail still arrives.
    No,
}

pub fn find(db: &Connection, names: &str) -> rusqlite::Result<Vec<Found>> {
    let mut query = db.prepare_cached(
        "SELECT asked.value, m.uid FROM json_each(?1) AS asked JOIN mailboxes AS m ON m.address = asked.value
         UNION ALL
         SELECT asked.value, a.uid FROM json_each(?1) AS asked JOIN aliases AS a ON a.address = asked.value",
    )?;
    let rows = query.query_map([names], |row| Ok(Found { name: row.get(0)?, uid: parse_uid(row.get(1)?) }))?;
    rows.collect()
}

fn parse_uid(text: Option<String>) -> Option<AccountUid> {
    text.and_then(|t| t.parse().ok()).map(AccountUid)
}

pub fn create(db: &Connection, work: &Work, scheme: Scheme, template: &HomeTemplate) -> Result<(), Stop> {
    let account = &work.account;
    let uid = account.uid.to_string();
    let address = address_of(account)?;
    let hash = wanted_hash(work, scheme)?;
    refuse_taken_names(db, account, address, &uid)?;
    add_domains(db, account, address, &uid)?;
    let home = match home_of(db, &uid)? {
        Some(home) => home,
        None => free_home(db, template.home(address, &uid)?, &uid)?,
    };
    db.prepare_cached(
        "INSERT INTO mailboxes (address, uid, password, home, quota, enabled, ends_at)
         VALUES (:address, :uid, :password, :home, :quota, 1, :ends_at)
         ON CONFLICT (uid) DO UPDATE SET address = excluded.address, password = excluded.password,
             quota = excluded.quota, enabled = 1, ends_at = excluded.ends_at",
    )?
    .execute(named_params! {
        ":address": address.as_str(), ":uid": uid, ":password": hash.expose(), ":home": home,
        ":quota": quota(account), ":ends_at": end_seconds(account),
    })?;
    set_aliases(db, account, address, &uid)
}

/// New values for an account; its password, its home and whether it is enabled stay.
pub fn change(db: &Connection, work: &Work) -> Result<(), Stop> {
    let account = &work.account;
    let uid = account.uid.to_string();
    let address = address_of(account)?;
    refuse_taken_names(db, account, address, &uid)?;
    let changed = db
        .prepare_cached("UPDATE mailboxes SET address = ?2, quota = ?3, ends_at = ?4 WHERE uid = ?1")?
        .execute(params![uid, address.as_str(), quota(account), end_seconds(account)])?;
    expect_account(changed, &uid)?;
    add_domains(db, account, address, &uid)?;
    set_aliases(db, account, address, &uid)
}

pub fn reset(db: &Connection, work: &Work, scheme: Scheme) -> Result<(), Stop> {
    let uid = work.account.uid.to_string();
    let hash = wanted_hash(work, scheme)?;
    let changed =
        db.prepare_cached("UPDATE mailboxes SET password = ?2 WHERE uid = ?1")?.execute(params![uid, hash.expose()])?;
    expect_account(changed, &uid)
}

pub fn set_enabled(db: &Connection, uid: &str, enabled: Enabled) -> Result<(), Stop> {
    let changed = db
        .prepare_cached("UPDATE mailboxes SET enabled = ?2 WHERE uid = ?1")?
        .execute(params![uid, enabled == Enabled::Yes])?;
    expect_account(changed, uid)
}

/// The account's rows go; its mail on the disk is not touched, and its home is nobody else's.
pub fn remove(db: &Connection, uid: &str) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO retired_homes (home, uid, retired_at)
         SELECT home, uid, CAST(strftime('%s', 'now') AS INTEGER) FROM mailboxes WHERE uid = ?1 ON CONFLICT DO NOTHING",
    )?
    .execute([uid])?;
    db.prepare_cached("DELETE FROM mailboxes WHERE uid = ?1")?.execute([uid])?;
    db.prepare_cached("DELETE FROM aliases WHERE uid = ?1")?.execute([uid])?;
    Ok(())
}

/// Domains that came with this account go with it, unless somebody else has moved in.
pub fn forget_domains(db: &Connection, uid: &str) -> rusqlite::Result<()> {
    db.prepare_cached(
        "DELETE FROM domains WHERE uid = ?1
         AND NOT EXISTS (SELECT 1 FROM mailboxes WHERE address LIKE '%@' || domain)
         AND NOT EXISTS (SELECT 1 FROM aliases WHERE address LIKE '%@' || domain)",
    )?
    .execute([uid])?;
    Ok(())
}

fn address_of(account: &Account) -> Result<&Address, Fault> {
    account.address.as_ref().ok_or_else(|| Fault::permanent(format!("account {}: it has no mail address", account.uid)))
}

fn quota(account: &Account) -> Option<i64> {
    account.quota.map(|q| i64::try_from(q.0).unwrap_or(i64::MAX))
}

fn expect_account(changed: usize, uid: &str) -> Result<(), Stop> {
    match changed {
        0 => {
            Err(Fault::permanent(format!("account {uid}: it has no mailbox here; it was removed, or never made here"))
                .into())
        }
        _ => Ok(()),
    }
}

/// Its further addresses, without the main one and without repetition.
pub fn wanted_aliases<'a>(account: &'a Account, address: &Address) -> Vec<&'a Address> {
    let mut aliases: Vec<&Address> = account.aliases.iter().filter(|a| *a != address).collect();
    aliases.sort();
    aliases.dedup();
    aliases
}

/// An address that is another account's, or was put here by hand, as a mailbox or as an alias, is a conflict.
fn refuse_taken_names(db: &Connection, account: &Account, address: &Address, uid: &str) -> Result<(), Stop> {
    let mut query = db.prepare_cached(
        "SELECT uid FROM mailboxes WHERE address = ?1 AND uid IS NOT ?2
         UNION ALL SELECT uid FROM aliases WHERE address = ?1 AND uid IS NOT ?2 LIMIT 1",
    )?;
    for name in std::iter::once(address).chain(wanted_aliases(account, address)) {
        if let Some(holder) = query.query_row([name.as_str(), uid], |row| row.get::<_, Option<String>>(0)).optional()? {
            let holder = holder.map_or("was put here by hand".into(), |other| format!("belongs to account {other}"));
            return Err(Fault::conflict(format!("account {uid}: {} {holder}", name.masked())).into());
        }
    }
    Ok(())
}

fn add_domains(db: &Connection, account: &Account, address: &Address, uid: &str) -> rusqlite::Result<()> {
    let mut insert = db.prepare_cached("INSERT INTO domains (domain, uid) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    let mut domains: Vec<&str> = std::iter::once(address).chain(&account.aliases).map(Address::domain).collect();
    domains.sort_unstable();
    domains.dedup();
    for domain in domains {
        insert.execute([domain, uid])?;
    }
    Ok(())
}

fn home_of(db: &Connection, uid: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT home FROM mailboxes WHERE uid = ?1")?.query_row([uid], |row| row.get(0)).optional()
}

/// The wanted home, or, where it is or was somebody else's, one marked with this account's id.
fn free_home(db: &Connection, wanted: String, uid: &str) -> Result<String, Stop> {
    let taken: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM mailboxes WHERE home = ?1)
                 OR EXISTS (SELECT 1 FROM retired_homes WHERE home = ?1 AND uid <> ?2)",
        )?
        .query_row([&wanted, uid], |row| row.get(0))?;
    Ok(if taken { format!("{wanted}.{uid}") } else { wanted })
}

fn set_aliases(db: &Connection, account: &Account, address: &Address, uid: &str) -> Result<(), Stop> {
    let wanted = wanted_aliases(account, address);
    let keep = serde_json::Value::from(wanted.iter().map(|a| a.as_str()).collect::<Vec<_>>());
    db.prepare_cached("DELETE FROM aliases WHERE uid = ?1 AND address NOT IN (SELECT value FROM json_each(?2))")?
        .execute(params![uid, keep.to_string()])?;
    let mut insert = db.prepare_cached(
        "INSERT INTO aliases (address, destination, uid) VALUES (?1, ?2, ?3)
         ON CONFLICT (address) DO UPDATE SET destination = excluded.destination",
    )?;
    for alias in wanted {
        insert.execute([alias.as_str(), address.as_str(), uid])?;
    }
    Ok(())
}
