//! Whether a mail account works as the servers will see it.

use super::picture::{Held, Mailbox, Picture, quota, wanted_aliases};
use crate::model::{Account, Action, Fault, Scheme};
use crate::target::Work;
use crate::target::work::{check_password, end_seconds};
use jiff::Timestamp;

/// Whether what is stored is as wanted, but for the password.
pub fn as_wanted(work: &Work, picture: &Picture, now: Timestamp) -> Result<(), Fault> {
    let account = &work.account;
    let nothing = Held::default();
    let held = picture.held(&account.uid.to_string()).unwrap_or(&nothing);
    match work.action {
        Action::Remove => return gone(account, held),
        Action::Suspend => return closed(account, held),
        Action::Create | Action::Change | Action::Reset | Action::Resume => {}
    }
    let mailbox = mailbox(account, held)?;
    if work.action == Action::Change && work.adopted.is_some() {
        super::adopt::as_written(work, mailbox, held)?;
    } else if matches!(work.action, Action::Create | Action::Change) {
        as_written(account, mailbox, held)?;
    }
    // A change of a suspended or ended account leaves it so; everything else must leave it open.
    if work.action == Action::Change { Ok(()) } else { open(account, mailbox, picture, now) }
}

/// Whether the password opens what is stored.
pub fn opens(work: &Work, picture: &Picture, scheme: Scheme) -> Result<(), Fault> {
    if !work.action.mints() {
        return Ok(());
    }
    let nothing = Held::default();
    let held = picture.held(&work.account.uid.to_string()).unwrap_or(&nothing);
    check_password(work, mailbox(&work.account, held)?.password.expose(), scheme)
}

fn mailbox<'h>(account: &Account, held: &'h Held) -> Result<&'h Mailbox, Fault> {
    held.mailbox.as_ref().ok_or_else(|| {
        Fault::permanent(format!("account {}: its mailbox is gone; it was there when it was written", account.uid))
    })
}

fn gone(account: &Account, held: &Held) -> Result<(), Fault> {
    if held.mailbox.is_none() && held.aliases.is_empty() {
        return Ok(());
    }
    Err(Fault::transient(format!("account {}: its mailbox or an alias of it is still there", account.uid)))
}

fn closed(account: &Account, held: &Held) -> Result<(), Fault> {
    match &held.mailbox {
        Some(mailbox) if mailbox.enabled => {
            Err(Fault::transient(format!("account {}: it can still log in; its mailbox is not disabled", account.uid)))
        }
        _ => Ok(()),
    }
}

fn open(account: &Account, mailbox: &Mailbox, picture: &Picture, now: Timestamp) -> Result<(), Fault> {
    let wrong = |what: &str| Err(Fault::permanent(format!("account {}: {what}", account.uid)));
    if !mailbox.enabled {
        return wrong("its mailbox is disabled, so that its password opens nothing");
    }
    if mailbox.ends_at.is_some_and(|end| end <= now.as_second()) {
        return wrong("it has ended already, so that its password opens nothing");
    }
    let domain = account.address.as_ref().map_or("", |a| a.domain());
    if !picture.domains.contains(domain) {
        return wrong("the domain of its address is not in the table of domains, so that Postfix takes no mail for it");
    }
    Ok(())
}

fn as_written(account: &Account, mailbox: &Mailbox, held: &Held) -> Result<(), Fault> {
    let differs = |what: &str| {
        Err(Fault::permanent(format!(
            "account {}: {what} stored is not the one written; somebody else has changed it",
            account.uid
        )))
    };
    let Some(address) = account.address.as_ref().filter(|a| a.as_str() == mailbox.address) else {
        return differs("the address");
    };
    if mailbox.quota != quota(account) {
        return differs("the quota");
    }
    if mailbox.ends_at != end_seconds(account) {
        return differs("the end date");
    }
    let wanted = wanted_aliases(account, address);
    let same = wanted.len() == held.aliases.len()
        && wanted.iter().zip(&held.aliases).all(|(w, (a, to))| w.as_str() == a && to == address.as_str());
    if same { Ok(()) } else { differs("the set of aliases") }
}
