//! Reading the mail tables, and writing what has changed. Runs inside the caller's transaction.

use super::picture::{Mailbox, Picture};
use crate::model::AccountUid;
use crate::sql::{Engine, Row, Session, Trouble, Value, many};
use crate::target::{Found, Held, HeldState};
use std::collections::{HashMap, HashSet};

const MAILBOX: &str = "address, uid, password, home, quota, enabled, ends_at";

/// The tables, for each engine.
pub fn ddl(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => include_str!("../../../config/integration/sql/mail.sqlite.sql"),
        Engine::Postgres => include_str!("../../../config/integration/sql/mail.postgresql.sql"),
        Engine::MariaDb => include_str!("../../../config/integration/sql/mail.mysql.sql"),
    }
}

pub fn find(db: &mut dyn Session, names: &[String]) -> Result<Vec<Found>, Trouble> {
    let found =
        |(name, mark): (String, Option<String>)| Found { name, uid: mark.and_then(|t| t.parse().ok()).map(AccountUid) };
    Ok(holders(db, names)?.into_iter().map(found).collect())
}

/// Every mailbox.
pub fn list(db: &mut dyn Session) -> Result<Vec<Held>, Trouble> {
    let rows = db.rows("SELECT address, uid, enabled FROM mailboxes", &[])?;
    rows.into_iter()
        .map(|mut row| {
            let uid = row.maybe_text(1)?.and_then(|text| text.parse().ok()).map(AccountUid);
            let state = HeldState::of(row.integer(2)? == 0);
            Ok(Held { name: row.text(0)?, uid, external_id: None, state, way_in: None })
        })
        .collect()
}

/// Which of these accounts there are.
pub fn marked(db: &mut dyn Session, uids: &[String]) -> Result<Vec<String>, Trouble> {
    let rows = many::select(db, "SELECT uid FROM mailboxes", "uid", &values(uids), "")?;
    rows.into_iter().map(|mut row| row.text(0)).collect()
}

/// Every address of these that is a mailbox's or an alias, in lower case, and the account id that marks it.
fn holders(db: &mut dyn Session, names: &[String]) -> Result<Vec<(String, Option<String>)>, Trouble> {
    let key = db.engine().folded("address");
    let mut rows = many::select_named(db, "SELECT address, uid FROM mailboxes", &key, names, 0, "")?;
    rows.extend(many::select_named(db, "SELECT address, uid FROM aliases", &key, names, 0, "")?);
    let mut holders = Vec::with_capacity(rows.len());
    for (name, mut row) in rows {
        holders.push((name, row.maybe_text(1)?));
    }
    Ok(holders)
}

pub fn load(
    db: &mut dyn Session,
    picture: &mut Picture,
    names: &HashSet<String>,
    homes: &HashSet<String>,
    domains: &HashSet<String>,
) -> Result<(), Trouble> {
    let uids = values(picture.own.keys());
    for row in many::select(db, &format!("SELECT {MAILBOX} FROM mailboxes"), "uid", &uids, "")? {
        let (uid, mailbox) = mailbox(row)?;
        picture.own.entry(uid).or_default().before.mailbox = Some(mailbox);
    }
    for mut row in many::select(db, "SELECT uid, address, destination FROM aliases", "uid", &uids, "")? {
        let own = picture.own.entry(row.text(0)?).or_default();
        own.before.aliases.insert(row.text(1)?, row.text(2)?);
    }
    let names: Vec<String> = names.iter().cloned().collect();
    for (name, holder) in holders(db, &names)? {
        picture.taken.entry(name).or_default().push(holder);
    }
    for mut row in many::select(db, "SELECT home FROM mailboxes", "home", &values(homes), "")? {
        picture.homes.insert(row.text(0)?);
    }
    for mut row in many::select(db, "SELECT home, uid FROM retired_homes", "home", &values(homes), "")? {
        picture.retired.insert(row.text(0)?, row.text(1)?);
    }
    let key = db.engine().folded("domain");
    for mut row in many::select(db, "SELECT domain FROM domains", &key, &values(domains), "")? {
        picture.domains.insert(row.text(0)?.to_ascii_lowercase());
    }
    Ok(())
}

/// Mailboxes of these addresses (in lower case) that bear no mark.
pub fn load_unmarked(db: &mut dyn Session, picture: &mut Picture, names: &HashSet<String>) -> Result<(), Trouble> {
    if names.is_empty() {
        return Ok(());
    }
    let key = db.engine().folded("address");
    let select = "SELECT address, coalesce(uid, ''), password, home, quota, enabled, ends_at FROM mailboxes";
    let names: Vec<String> = names.iter().cloned().collect();
    for (name, row) in many::select_named(db, select, &key, &names, 0, "")? {
        let (mark, mailbox) = mailbox(row)?;
        if mark.is_empty() {
            picture.unmarked.entry(name).or_default().push(mailbox);
        }
    }
    Ok(())
}

fn mailbox(mut row: Row) -> Result<(String, Mailbox), Trouble> {
    let mailbox = Mailbox {
        address: row.text(0)?,
        password: row.secret(2)?,
        home: row.text(3)?,
        quota: row.maybe_integer(4)?,
        enabled: row.integer(5)? != 0,
        ends_at: row.maybe_integer(6)?,
    };
    Ok((row.text(1)?, mailbox))
}

/// Writes what has changed: first what goes, so that its names are free.
pub fn store(db: &mut dyn Session, picture: &Picture) -> Result<(), Trouble> {
    for (address, uid) in &picture.claimed {
        db.run("UPDATE mailboxes SET uid = ? WHERE address = ? AND uid IS NULL", &[uid.into(), address.into()])?;
    }
    let changes = Changes::of(picture);
    many::insert_missing(
        db,
        "retired_homes",
        "home, uid, retired_at",
        picture.retiring.iter().map(|(home, uid, at)| vec![home.into(), uid.into(), (*at).into()]).collect(),
    )?;
    many::change(db, "DELETE FROM mailboxes", &[], "uid", &values(changes.gone.iter().copied()))?;
    many::change(db, "DELETE FROM aliases", &[], "address", &values(changes.aliases_gone.iter().copied()))?;
    for (uid, mailbox) in &changes.changed {
        let mut row = row_of(uid, mailbox);
        row.push((*uid).into());
        db.run(
            "UPDATE mailboxes SET address = ?, uid = ?, password = ?, home = ?, quota = ?, enabled = ?, ends_at = ? WHERE uid = ?",
            &row,
        )?;
    }
    many::insert(db, "mailboxes", MAILBOX, changes.new.iter().map(|(uid, mailbox)| row_of(uid, mailbox)).collect())?;
    many::insert(db, "aliases", "address, destination, uid", changes.aliases_new)?;
    let domains = picture.new_domains.iter().map(|(domain, uid)| vec![domain.into(), uid.into()]).collect();
    many::insert_missing(db, "domains", "domain, uid", domains)?;
    forget_domains(db, &picture.leaving)
}

/// Takes away the domains that came with these accounts and that nobody has an address in.
fn forget_domains(db: &mut dyn Session, uids: &[String]) -> Result<(), Trouble> {
    if uids.is_empty() {
        return Ok(());
    }
    let mut empty = Vec::new();
    for mut row in many::select(db, "SELECT domain FROM domains", "uid", &values(uids), "")? {
        let domain = row.text(0)?;
        let pattern = Value::from(format!("%@{}", domain.to_ascii_lowercase()));
        let address = db.engine().folded("address");
        let lives = |table: &str| format!("SELECT 1 FROM {table} WHERE {address} LIKE ? LIMIT 1");
        if db.rows(&lives("mailboxes"), std::slice::from_ref(&pattern))?.is_empty()
            && db.rows(&lives("aliases"), &[pattern])?.is_empty()
        {
            empty.push(domain.into());
        }
    }
    many::change(db, "DELETE FROM domains", &[], "domain", &empty).map(|_| ())
}

fn row_of(uid: &str, mailbox: &Mailbox) -> Vec<Value> {
    vec![
        (&mailbox.address).into(),
        uid.into(),
        (&mailbox.password).into(),
        (&mailbox.home).into(),
        mailbox.quota.into(),
        i64::from(mailbox.enabled).into(),
        mailbox.ends_at.into(),
    ]
}

#[derive(Default)]
struct Changes<'p> {
    gone: Vec<&'p String>,
    new: Vec<(&'p String, &'p Mailbox)>,
    changed: Vec<(&'p String, &'p Mailbox)>,
    aliases_gone: Vec<&'p String>,
    aliases_new: Vec<Vec<Value>>,
}

impl<'p> Changes<'p> {
    fn of(picture: &'p Picture) -> Self {
        let mut changes = Self::default();
        for (uid, own) in &picture.own {
            match (&own.before.mailbox, &own.now.mailbox) {
                (Some(_), None) => changes.gone.push(uid),
                (None, Some(now)) => changes.new.push((uid, now)),
                (Some(before), Some(now)) if !before.same(now) => changes.changed.push((uid, now)),
                _ => {}
            }
            let differs =
                |a: &HashMap<&String, &String>, (name, to): &(&'p String, &'p String)| a.get(name) != Some(to);
            let (before, now): (HashMap<_, _>, HashMap<_, _>) =
                (own.before.aliases.iter().collect(), own.now.aliases.iter().collect());
            changes.aliases_gone.extend(own.before.aliases.iter().filter(|e| differs(&now, e)).map(|(name, _)| name));
            let new = own.now.aliases.iter().filter(|e| differs(&before, e));
            changes.aliases_new.extend(new.map(|(name, to)| vec![name.into(), to.into(), uid.into()]));
        }
        changes
    }
}

fn values<'t>(texts: impl IntoIterator<Item = &'t String>) -> Vec<Value> {
    texts.into_iter().map(Value::from).collect()
}
