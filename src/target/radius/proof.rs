//! Whether a hotspot account works as FreeRADIUS will see it.

use super::RadiusTables;
use super::attributes::Place;
use super::held::{Known, Pair};
use super::picture::{Picture, expiration};
use crate::model::{Account, Action, Fault};
use crate::target::Work;
use jiff::Timestamp;

/// What the tables hold of an account.
#[derive(Debug, Default)]
struct Stored<'p> {
    account: Option<&'p Known>,
    /// Every password row of the user name, in the order in which FreeRADIUS reads them.
    passwords: Vec<&'p Pair>,
    /// Values of its `Auth-Type` rows.
    auth_types: Vec<&'p str>,
    /// Values of its `Expiration` rows.
    expirations: Vec<&'p str>,
    groups: Vec<&'p str>,
    /// Whether one of its groups refuses everybody.
    group_rejects: bool,
}

impl<'p> Stored<'p> {
    fn of(account: &Account, picture: &'p Picture) -> Self {
        let uid = account.uid.to_string();
        let known = picture.known(&uid);
        // After a removal the rows are looked for under the name that the account had; a name that somebody else has since
        // been given is theirs.
        let username = known.map_or(account.username.as_str(), |known| known.username.as_str());
        let named = picture.names.get(&username.to_ascii_lowercase());
        let held_by_other = named.is_some_and(|named| named.holders.iter().any(|holder| *holder != uid));
        if known.is_none() && held_by_other {
            return Self::default();
        }
        let values = |attribute: &str| {
            let rows = picture.pairs(Place::Check, username).filter(|pair| pair.is(attribute));
            rows.map(|pair| pair.value.expose()).collect()
        };
        let memberships = named.into_iter().flat_map(|named| &named.memberships);
        let groups: Vec<&str> = memberships
            .filter(|membership| picture.same_user(&membership.username, username))
            .map(|membership| membership.groupname.as_str())
            .collect();
        Self {
            account: known,
            passwords: picture.pairs(Place::Check, username).filter(|pair| pair.is_password()).collect(),
            auth_types: values("Auth-Type"),
            expirations: values("Expiration"),
            group_rejects: groups.iter().any(|group| rejects(picture, group)),
            groups,
        }
    }
}

fn rejects(picture: &Picture, group: &str) -> bool {
    let rows = picture.groups.get(group).and_then(|group| group.pairs.get(&Place::Check));
    rows.into_iter().flatten().any(|pair| pair.is("Auth-Type") && pair.value.expose().eq_ignore_ascii_case("Reject"))
}

/// Whether what is stored is as wanted, but for the password.
pub fn as_wanted(work: &Work, picture: &Picture, settings: &RadiusTables, now: Timestamp) -> Result<(), Fault> {
    let account = &work.account;
    let stored = Stored::of(account, picture);
    match work.action {
        Action::Remove => return gone(account, &stored),
        Action::Suspend => return closed(account, &stored),
        Action::Create | Action::Change | Action::Reset | Action::Resume => {}
    }
    let Some(known) = stored.account else {
        return Err(Fault::permanent(format!(
            "account {}: its hotspot user is gone; it was there when it was written",
            account.uid
        )));
    };
    if let (Action::Change, Some(known)) = (work.action, &work.adopted) {
        if let Some(what) = super::adopt::differs(known, account, &stored.expirations, &stored.groups, settings) {
            return Err(Fault::permanent(format!(
                "account {}: {what} stored is not the one written; somebody else has changed it",
                account.uid
            )));
        }
    } else if matches!(work.action, Action::Create | Action::Change) {
        as_written(work, &known.username, &stored, settings)?;
        attributes_as_written(work, &known.username, picture, settings)?;
    }
    // A change of a suspended account leaves it so; everything else must leave it open.
    if work.action == Action::Change {
        return Ok(());
    }
    let password = open(account, &stored, now)?;
    if work.action == Action::Resume || password.attribute == settings.password_attribute() {
        return Ok(());
    }
    Err(Fault::permanent(format!(
        "account {}: its password is stored as {} and not as {}; somebody else has changed it",
        account.uid,
        password.attribute,
        settings.password_attribute()
    )))
}

/// Whether the password opens what is stored.
pub fn opens(work: &Work, picture: &Picture, settings: &RadiusTables) -> Result<(), Fault> {
    if !work.action.mints() {
        return Ok(());
    }
    let account = &work.account;
    settings.check_password(work, &password(account, &Stored::of(account, picture))?.value)
}

fn gone(account: &Account, stored: &Stored<'_>) -> Result<(), Fault> {
    if stored.account.is_none() && stored.passwords.is_empty() && stored.auth_types.is_empty() {
        return Ok(());
    }
    Err(Fault::transient(format!("account {}: its hotspot user is still there", account.uid)))
}

fn closed(account: &Account, stored: &Stored<'_>) -> Result<(), Fault> {
    let rejected = stored.auth_types.last().is_some_and(|v| v.eq_ignore_ascii_case("Reject"));
    if stored.passwords.is_empty() && (rejected || stored.account.is_none()) {
        return Ok(());
    }
    Err(Fault::transient(format!("account {}: its hotspot user still has a password or is not rejected", account.uid)))
}

/// The one password row by which the user gets in.
fn open<'p>(account: &Account, stored: &Stored<'p>, now: Timestamp) -> Result<&'p Pair, Fault> {
    let wrong = |what: &str| Err(Fault::permanent(format!("account {}: {what}", account.uid)));
    if stored.account.is_some_and(|known| known.suspended) || !stored.auth_types.is_empty() {
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
    password(account, stored)
}

fn password<'p>(account: &Account, stored: &Stored<'p>) -> Result<&'p Pair, Fault> {
    match stored.passwords.as_slice() {
        [row] => Ok(*row),
        [] => Err(Fault::transient(format!("account {}: its hotspot user has no password row yet", account.uid))),
        _ => Err(Fault::permanent(format!(
            "account {}: its hotspot user has more than one password row, and FreeRADIUS would take the first",
            account.uid
        ))),
    }
}

fn as_written(work: &Work, username: &str, stored: &Stored<'_>, settings: &RadiusTables) -> Result<(), Fault> {
    let differs = |what: &str| {
        Err(Fault::permanent(format!(
            "account {}: {what} stored is not the one written; somebody else has changed it",
            work.account.uid
        )))
    };
    if username != work.account.username.as_str() {
        return differs("the user name");
    }
    if stored.expirations != expiration(work).iter().map(String::as_str).collect::<Vec<_>>() {
        return differs("the Expiration");
    }
    if settings.group(work).is_some_and(|group| !stored.groups.contains(&group)) {
        return differs("the group");
    }
    Ok(())
}

/// Every attribute that the configuration adds to accounts stands there, with its value.
fn attributes_as_written(work: &Work, username: &str, picture: &Picture, settings: &RadiusTables) -> Result<(), Fault> {
    for place in [Place::Check, Place::Reply] {
        for wanted in settings.attributes.of(place) {
            let says = |pair: &Pair| pair.is(&wanted.name) && pair.value.expose() == wanted.value;
            if !picture.pairs(place, username).any(says) {
                return Err(Fault::permanent(format!(
                    "account {}: its {} is not the one written; somebody else has changed it",
                    work.account.uid, wanted.name
                )));
            }
        }
    }
    Ok(())
}
