//! Reading a mail account back, and whether it works as the servers will see it.

use super::rows::wanted_aliases;
use crate::model::{Account, Action, Fault, Scheme, Secret};
use crate::target::Work;
use crate::target::embedded::{check_password, end_seconds};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

/// What the database holds of an account.
#[derive(Debug, Default)]
pub struct Stored {
    mailbox: Option<Mailbox>,
    /// Address and destination.
    aliases: Vec<(String, String)>,
    /// Whether Postfix takes mail for the address's domain.
    domain: bool,
}

#[derive(Debug)]
struct Mailbox {
    address: String,
    password: Secret,
    quota: Option<i64>,
    enabled: bool,
    ends_at: Option<i64>,
}

pub fn read(db: &Connection, account: &Account) -> rusqlite::Result<Stored> {
    let uid = account.uid.to_string();
    let mailbox = db
        .prepare_cached("SELECT address, password, quota, enabled, ends_at FROM mailboxes WHERE uid = ?1")?
        .query_row([&uid], |row| {
            Ok(Mailbox {
                address: row.get(0)?,
                password: Secret::new(row.get::<_, String>(1)?),
                quota: row.get(2)?,
                enabled: row.get(3)?,
                ends_at: row.get(4)?,
            })
        })
        .optional()?;
    let aliases = db
        .prepare_cached("SELECT address, destination FROM aliases WHERE uid = ?1 ORDER BY address")?
        .query_map([&uid], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let domain = account.address.as_ref().map_or("", |a| a.domain());
    let domain = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM domains WHERE domain = ?1)")?
        .query_row([domain], |row| row.get(0))?;
    Ok(Stored { mailbox, aliases, domain })
}

pub fn judge(work: &Work, stored: &Stored, scheme: Scheme, now: Timestamp) -> Result<(), Fault> {
    let account = &work.account;
    match work.action {
        Action::Remove => return gone(account, stored),
        Action::Suspend => return closed(account, stored),
        Action::Create | Action::Change | Action::Reset | Action::Resume => {}
    }
    let Some(mailbox) = &stored.mailbox else {
        return Err(Fault::transient(format!("account {}: its mailbox is not there yet", account.uid)));
    };
    if matches!(work.action, Action::Create | Action::Change) {
        as_wanted(account, mailbox, stored)?;
    }
    if matches!(work.action, Action::Create | Action::Reset) {
        check_password(work, mailbox.password.expose(), scheme)?;
    }
    // A change of a suspended or ended account leaves it so; everything else must leave it open.
    if work.action == Action::Change { Ok(()) } else { open(account, mailbox, stored, now) }
}

fn gone(account: &Account, stored: &Stored) -> Result<(), Fault> {
    if stored.mailbox.is_none() && stored.aliases.is_empty() {
        return Ok(());
    }
    Err(Fault::transient(format!("account {}: its mailbox or an alias of it is still there", account.uid)))
}

fn closed(account: &Account, stored: &Stored) -> Result<(), Fault> {
    match &stored.mailbox {
        Some(mailbox) if mailbox.enabled => {
            Err(Fault::transient(format!("account {}: it can still log in; its mailbox is not disabled", account.uid)))
        }
        _ => Ok(()),
    }
}

fn open(account: &Account, mailbox: &Mailbox, stored: &Stored, now: Timestamp) -> Result<(), Fault> {
    let wrong = |what: &str| Err(Fault::permanent(format!("account {}: {what}", account.uid)));
    if !mailbox.enabled {
        return wrong("its mailbox is disabled, so that its password opens nothing");
    }
    if mailbox.ends_at.is_some_and(|end| end <= now.as_second()) {
        return wrong("it has ended already, so that its password opens nothing");
    }
    if !stored.domain {
        return wrong("the domain of its address is not in the table of domains, so that Postfix takes no mail for it");
    }
    Ok(())
}

fn as_wanted(account: &Account, mailbox: &Mailbox, stored: &Stored) -> Result<(), Fault> {
    let differs = |what: &str| {
        Err(Fault::permanent(format!(
            "account {}: {what} stored is not the one written; somebody else has changed it",
            account.uid
        )))
    };
    let Some(address) = account.address.as_ref().filter(|a| a.as_str() == mailbox.address) else {
        return differs("the address");
    };
    if mailbox.quota != account.quota.map(|q| i64::try_from(q.0).unwrap_or(i64::MAX)) {
        return differs("the quota");
    }
    if mailbox.ends_at != end_seconds(account) {
        return differs("the end date");
    }
    let wanted = wanted_aliases(account, address);
    let same = wanted.len() == stored.aliases.len()
        && wanted.iter().zip(&stored.aliases).all(|(w, (a, to))| w.as_str() == a && to == address.as_str());
    if same { Ok(()) } else { differs("the set of aliases") }
}
