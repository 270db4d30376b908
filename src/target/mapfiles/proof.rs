//! Reading accounts back, and whether they work as the servers will see them: the texts by new reads, Postfix's maps by asking
//! Postfix.

use super::Shared;
use super::accounts::{Held, Maps, Which, interest, wanted_aliases};
use super::entry::State;
use super::login::quota;
use crate::model::{Account, Action, Address, Fault, Scheme};
use crate::target::Work;
use crate::target::work::{check_password, end_seconds};
use std::collections::HashMap;

/// What the files hold of an account.
#[derive(Debug)]
pub struct Stored {
    held: Option<Held>,
    /// Lines of it in the passwd-file, live ones and all.
    logins: (usize, usize),
    /// Whether any map still has an entry of it.
    any: bool,
    /// What Postfix answers: the mailbox of its address,
    mailbox: Option<String>,
    /// each of its aliases,
    aliases: Vec<(Address, Option<String>)>,
    /// the alias of its own address,
    itself: Option<String>,
    /// the catch-all of its domain,
    catch_all: Option<String>,
    /// and its domain.
    domain: bool,
}

/// What Postfix finds in each of its maps.
struct Answers(HashMap<Which, HashMap<String, String>>);

impl Answers {
    fn of(&self, which: Which, key: &str) -> Option<String> {
        self.0.get(&which).and_then(|found| found.get(key)).cloned()
    }
}

/// Reads a batch back.
pub fn read_back<'w>(shared: &Shared, batch: &'w [Work]) -> Result<Vec<(&'w Work, Stored)>, Fault> {
    let maps = shared.read(interest(batch.iter().map(|work| &work.account), &shared.rules))?;
    let answers = ask_postfix(shared, batch)?;
    Ok(batch.iter().map(|work| (work, stored(&maps, &answers, &work.account))).collect())
}

fn ask_postfix(shared: &Shared, batch: &[Work]) -> Result<Answers, Fault> {
    let mut keys: HashMap<Which, Vec<String>> = HashMap::new();
    for account in batch.iter().map(|work| &work.account) {
        let mut ask = |which, key: String| keys.entry(which).or_default().push(key);
        if let Some(address) = &account.address {
            ask(Which::Mailboxes, address.to_string());
            ask(Which::Aliases, address.to_string());
            ask(Which::Aliases, catch_all(address));
            ask(Which::Domains, address.domain().to_owned());
        }
        account.aliases.iter().for_each(|alias| ask(Which::Aliases, alias.to_string()));
    }
    let mut answers = HashMap::new();
    for (which, mut keys) in keys {
        keys.sort();
        keys.dedup();
        let Some(map) = shared.disk.map(which) else { continue };
        let found = shared.disk.postmap.query(map, &keys).map_err(|why| shared.disk.fault(why))?;
        answers.insert(which, found);
    }
    Ok(Answers(answers))
}

fn catch_all(address: &Address) -> String {
    format!("@{}", address.domain())
}

fn stored(maps: &Maps, answers: &Answers, account: &Account) -> Stored {
    let passwd = maps.sheet(Which::Passwd);
    let live = passwd.of(account.uid).filter(|entry| entry.state == State::Live).count();
    let address = account.address.as_ref();
    let asked = |which, key: &str| answers.of(which, key);
    let aliases = address.map_or_else(Vec::new, |address| wanted_aliases(account, address));
    Stored {
        held: maps.held(account.uid, address),
        logins: (live, passwd.of(account.uid).count()),
        any: [Which::Passwd, Which::Aliases, Which::Mailboxes]
            .iter()
            .any(|w| maps.sheet(*w).of(account.uid).next().is_some()),
        mailbox: address.and_then(|a| asked(Which::Mailboxes, a.as_str())),
        itself: address.and_then(|a| asked(Which::Aliases, a.as_str())),
        catch_all: address.and_then(|a| asked(Which::Aliases, &catch_all(a))),
        domain: address.is_some_and(|a| asked(Which::Domains, a.domain()).is_some()),
        aliases: aliases.into_iter().map(|alias| (alias.clone(), asked(Which::Aliases, alias.as_str()))).collect(),
    }
}

/// Whether the files are as the work wants them, the password apart.
pub fn as_wanted(work: &Work, stored: &Stored, now: i64) -> Result<(), Fault> {
    let account = &work.account;
    let not_yet = |what: &str| Err(Fault::transient(format!("account {}: {what}", account.uid)));
    match (work.action, &stored.held) {
        (Action::Remove, _) if stored.any => not_yet("its mailbox or an alias of it is still there"),
        (Action::Suspend, held) if stored.logins.0 > 0 && !held.as_ref().is_some_and(|held| held.login.locked) => {
            not_yet("it can still log in; its password is not locked")
        }
        (Action::Remove | Action::Suspend, _) => Ok(()),
        (_, None) => Err(Fault::permanent(format!(
            "account {}: its mailbox is gone; it was there when it was written",
            account.uid
        ))),
        (action, Some(held)) => {
            if action == Action::Change && work.adopted.is_some() {
                if let Some(what) = super::adopt::differs(work, held) {
                    return Err(Fault::permanent(format!(
                        "account {}: {what} stored is not the one written; somebody else has changed it",
                        account.uid
                    )));
                }
            } else if matches!(action, Action::Create | Action::Change) {
                like_the_account(account, held, stored)?;
            }
            // A change of a suspended or ended account leaves it so; everything else must leave it open.
            if action == Action::Change {
                reachable(account, held, stored, now)
            } else {
                open(account, held, stored, now)
            }
        }
    }
}

/// Whether the password about to be handed over is the stored one, where there is one.
pub fn password_opens(work: &Work, stored: &Stored, scheme: Scheme) -> Result<(), Fault> {
    match (&stored.held, work.action) {
        (Some(held), Action::Create | Action::Reset) => check_password(work, held.login.bare_hash(), scheme),
        _ => Ok(()),
    }
}

fn open(account: &Account, held: &Held, stored: &Stored, now: i64) -> Result<(), Fault> {
    let wrong = |what: &str| Err(Fault::permanent(format!("account {}: {what}", account.uid)));
    if held.login.locked {
        return wrong("its password is locked, and opens nothing");
    }
    if held.ends_at.is_some_and(|end| end <= now) {
        return wrong("it has ended already, so that its password opens nothing");
    }
    if stored.logins != (1, 1) {
        return wrong("the passwd-file has its line commented out, or more than one; somebody else has changed it");
    }
    reachable(account, held, stored, now)
}

/// Whether Postfix takes mail for it, and sends it to its mailbox; not where it has ended.
fn reachable(account: &Account, held: &Held, stored: &Stored, now: i64) -> Result<(), Fault> {
    let wrong = |what: &str| Err(Fault::permanent(format!("account {}: {what}", account.uid)));
    let ended = held.ends_at.is_some_and(|end| end <= now);
    if ended {
        return if stored.mailbox.is_some() {
            wrong("it has ended, and Postfix still takes mail for it")
        } else {
            Ok(())
        };
    }
    if stored.mailbox.is_none() {
        return wrong("Postfix does not find its mailbox (postmap -q on the mailboxes)");
    }
    if !stored.domain {
        return wrong("Postfix does not find its domain (postmap -q on the domains), and takes no mail for it");
    }
    let itself = account.address.as_ref().map(Address::as_str);
    match (&stored.itself, &stored.catch_all) {
        (Some(to), _) if Some(to.as_str()) != itself => wrong("an alias sends its mail elsewhere"),
        (None, Some(_)) => wrong("the catch-all of its domain takes its mail; it needs an alias to itself"),
        _ => Ok(()),
    }
}

fn like_the_account(account: &Account, held: &Held, stored: &Stored) -> Result<(), Fault> {
    let differs = |what: &str| {
        Err(Fault::permanent(format!(
            "account {}: {what} stored is not the one written; somebody else has changed it",
            account.uid
        )))
    };
    let Some(address) = account.address.as_ref().filter(|a| **a == held.address) else { return differs("the address") };
    if held.login.quota != quota(account.quota) {
        return differs("the quota");
    }
    if held.ends_at != end_seconds(account) {
        return differs("the end date");
    }
    if held.aliases != wanted_aliases(account, address) {
        return differs("the set of aliases");
    }
    let live = stored.logins.0 > 0;
    if live && stored.aliases.iter().any(|(_, to)| to.as_deref() != Some(address.as_str())) {
        return differs("an alias, as Postfix finds it,");
    }
    Ok(())
}
