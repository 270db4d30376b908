//! What the RADIUS tables hold of a batch's accounts and of the names they want, and what they shall hold.

use super::attributes::{Attribute, Place};
use super::held::{Group, Known, Membership, Named, Own, Pair, SUSPENDED};
use super::{LONGEST_NAME, RadiusTables, name_fits, tables};
use crate::model::{Account, Fault, Secret, Username};
use crate::sql::{Engine, Session, Trouble};
use crate::target::Work;
use crate::target::work::{end_seconds, masked};
use std::collections::{BTreeSet, HashMap};

/// FreeRADIUS 3 keeps times in 32 bits.
const LATEST_EXPIRATION: i64 = u32::MAX as i64;

/// Rows, and what becomes of them.
#[derive(Debug)]
pub struct Picture {
    pub(super) engine: Engine,
    /// By account id as text.
    pub(super) accounts: HashMap<String, Own>,
    /// Everything that is said of a user name; by the name in lower case.
    pub(super) names: HashMap<String, Named>,
    /// Everything that is said of a group.
    pub(super) groups: HashMap<String, Group>,
    /// Numbers of rows to delete: of `radcheck`, of `radreply`.
    pub(super) gone: HashMap<Place, Vec<i64>>,
    /// Memberships to delete: user name and group.
    pub(super) left: Vec<(String, String)>,
    /// User names to replace, in this order.
    pub(super) renames: Vec<(String, String)>,
}

impl Picture {
    /// Reads what there is.
    pub fn load(db: &mut dyn Session, batch: &[Work], settings: &RadiusTables) -> Result<Self, Trouble> {
        let mut picture = Self {
            engine: db.engine(),
            accounts: batch.iter().map(|work| (work.account.uid.to_string(), Own::default())).collect(),
            names: HashMap::new(),
            groups: HashMap::new(),
            gone: HashMap::new(),
            left: Vec::new(),
            renames: Vec::new(),
        };
        let accounts = batch.iter().flat_map(|work| work.adopted.as_deref().into_iter().chain([&work.account]));
        let names = accounts.map(|account| account.username.as_str().to_ascii_lowercase());
        // What no column takes is not asked for: the question would fail, and with it the batch.
        let groups = batch.iter().filter_map(|work| settings.group(work)).filter(|group| name_fits(group));
        let groups = groups.map(ToOwned::to_owned);
        tables::load(db, &mut picture, names.collect(), groups.collect(), settings)?;
        for own in picture.accounts.values_mut() {
            own.now = own.before.clone();
        }
        Ok(picture)
    }

    pub(super) fn known(&self, uid: &str) -> Option<&Known> {
        self.accounts.get(uid).and_then(|own| own.now.as_ref())
    }

    /// Whether there is a user to set a password for. Administrations of RADIUS delete one from FreeRADIUS's own tables only: it is
    /// lost then, with its limits, although akund's table still has it. A suspended one has nothing to open, and stays so.
    pub(super) fn is_there(&self, uid: &str) -> bool {
        let has_rows = |known: &Known| self.pairs(Place::Check, &known.username).next().is_some();
        self.known(uid).is_some_and(|known| known.suspended || has_rows(known))
    }

    pub(super) fn pairs(&self, place: Place, username: &str) -> impl Iterator<Item = &Pair> {
        let named = self.names.get(&username.to_ascii_lowercase());
        let pairs = named.and_then(|named| named.pairs.get(&place));
        pairs.into_iter().flatten().filter(move |pair| self.same_user(&pair.name, username))
    }

    pub(super) fn same_user(&self, a: &str, b: &str) -> bool {
        a == b || (self.engine.ignores_case() && a.eq_ignore_ascii_case(b))
    }

    pub(super) fn expect_known(&mut self, uid: &str) -> Result<&mut Known, Fault> {
        self.accounts.get_mut(uid).and_then(|own| own.now.as_mut()).ok_or_else(|| {
            Fault::permanent(format!("account {uid}: it has no hotspot user here; it was removed, or never made here"))
        })
    }

    pub fn create(&mut self, work: &Work, settings: &RadiusTables) -> Result<(), Fault> {
        let uid = work.account.uid.to_string();
        let password = settings.wanted_password(work)?;
        let name = fitting_name(work, settings)?;
        self.refuse_foreign_profile(work, settings)?;
        match self.known(&uid).map(|known| known.username.clone()) {
            Some(earlier) => self.rename(&uid, &earlier, name)?,
            None => {
                self.refuse_taken_name(name, &uid)?;
                self.named(name.as_str()).holders.push(uid.clone());
                let known = Known {
                    username: name.as_str().to_owned(),
                    groupname: None,
                    suspended: false,
                    held: None,
                    written: BTreeSet::new(),
                };
                self.accounts.entry(uid.clone()).or_default().now = Some(known);
            }
        }
        self.clear_password(name.as_str());
        self.drop_pairs(Place::Reply, name.as_str(), Pair::is_notice);
        let known = self.expect_known(&uid)?;
        (known.suspended, known.held) = (false, None);
        self.add_check(name.as_str(), settings.password_attribute(), password);
        self.settle(work, settings)
    }

    /// New values for an account; its password, and whether it is suspended, stay.
    pub fn change(&mut self, work: &Work, settings: &RadiusTables) -> Result<(), Fault> {
        let uid = work.account.uid.to_string();
        let name = fitting_name(work, settings)?;
        let earlier = self.expect_known(&uid)?.username.clone();
        self.refuse_foreign_profile(work, settings)?;
        self.rename(&uid, &earlier, name)?;
        self.settle(work, settings)
    }

    pub fn reset(&mut self, work: &Work, settings: &RadiusTables) -> Result<(), Fault> {
        let uid = work.account.uid.to_string();
        let password = settings.wanted_password(work)?;
        let known = self.expect_known(&uid)?;
        if known.suspended {
            known.held = Some((settings.password_attribute().to_owned(), password));
            return Ok(());
        }
        let username = known.username.clone();
        self.drop_in_any_case(Place::Check, &username, Pair::is_password);
        self.add_check(&username, settings.password_attribute(), password);
        Ok(())
    }

    /// Every password goes: one that somebody else has added would be a way in that nobody thinks of. Akund's own comes back with
    /// [`Self::resume`].
    pub fn suspend(&mut self, uid: &str, settings: &RadiusTables) -> Result<(), Fault> {
        let known = self.expect_known(uid)?;
        let (username, was) = (known.username.clone(), std::mem::replace(&mut known.suspended, true));
        if !was {
            let rows = || self.pairs(Place::Check, &username).filter(|pair| pair.is_password());
            let row = rows().find(|pair| pair.is(settings.password_attribute())).or_else(|| rows().next());
            let row = row.map(|pair| (pair.attribute.clone(), pair.value.clone()));
            self.expect_known(uid)?.held = row;
        }
        self.clear_password(&username);
        self.add_check(&username, "Auth-Type", Secret::new("Reject"));
        if !self.pairs(Place::Reply, &username).any(Pair::is_notice) {
            let notice = Pair::of(&username, &Attribute { op: "+=", ..Attribute::new("Reply-Message", SUSPENDED) });
            self.named(&username).pairs.entry(Place::Reply).or_default().push(notice);
        }
        Ok(())
    }

    pub fn resume(&mut self, uid: &str) -> Result<(), Fault> {
        let known = self.expect_known(uid)?;
        if !std::mem::replace(&mut known.suspended, false) {
            return Ok(());
        }
        let (username, held) = (known.username.clone(), known.held.take());
        // Also what somebody has added since: with the bar it is no way in, without it, it would be.
        self.clear_password(&username);
        self.drop_pairs(Place::Reply, &username, Pair::is_notice);
        if let Some((attribute, value)) = held {
            self.add_check(&username, &attribute, value);
        }
        Ok(())
    }

    /// The account goes with all that was said of its user name, so that nobody who gets the name later inherits any of it.
    pub fn remove(&mut self, uid: &str) {
        let Some(known) = self.forget(uid) else { return };
        self.drop_in_any_case(Place::Check, &known.username, |_| true);
        self.drop_in_any_case(Place::Reply, &known.username, |_| true);
        self.leave(&known.username, |_| true);
    }

    /// Only what [`Self::create`] wrote; rows that somebody else has added for the user name stay, whatever they say.
    pub fn undo(&mut self, work: &Work, settings: &RadiusTables) {
        let Some(known) = self.forget(&work.account.uid.to_string()) else { return };
        match self.own_password(&known.username, work, settings) {
            Some(id) if !known.suspended => {
                self.drop_pairs(Place::Check, &known.username, |pair| pair.id == Some(id));
            }
            _ => {}
        }
        if known.suspended {
            self.drop_first(&known.username, Pair::is_reject);
            self.drop_pairs(Place::Reply, &known.username, Pair::is_notice);
        }
        if let Some(end) = expiration(work) {
            self.drop_first(&known.username, |pair| pair.is("Expiration") && pair.value.expose() == end);
        }
        for (place, attribute) in &known.written {
            self.drop_pairs(*place, &known.username, |pair| pair.is(attribute));
        }
        self.leave(&known.username, |group| Some(group) == known.groupname.as_deref());
    }

    /// The row with the account's password: where it is at hand, the one that says it; else the first of its kind, for akund's
    /// was there before any that was added for a user who was there.
    fn own_password(&self, username: &str, work: &Work, settings: &RadiusTables) -> Option<i64> {
        let wanted = settings.wanted_password(work).ok();
        let kind = |pair: &&Pair| pair.is(settings.password_attribute());
        let says = |pair: &&Pair| wanted.as_ref().is_some_and(|wanted| wanted.expose() == pair.value.expose());
        let rows = || self.pairs(Place::Check, username).filter(kind);
        rows().find(says).or_else(|| rows().next())?.id
    }

    fn drop_first(&mut self, username: &str, which: impl Fn(&Pair) -> bool) {
        let first = self.pairs(Place::Check, username).find(|pair| which(pair)).and_then(|pair| pair.id);
        if let Some(id) = first {
            self.drop_pairs(Place::Check, username, |pair| pair.id == Some(id));
        }
    }

    fn forget(&mut self, uid: &str) -> Option<Known> {
        let known = self.accounts.get_mut(uid)?.now.take()?;
        self.named(&known.username).holders.retain(|holder| holder != uid);
        Some(known)
    }

    /// End, group and attributes as wanted.
    fn settle(&mut self, work: &Work, settings: &RadiusTables) -> Result<(), Fault> {
        let uid = work.account.uid.to_string();
        let username = work.account.username.as_str();
        let expiration: Vec<Attribute> =
            expiration(work).map(|end| Attribute::new("Expiration", end)).into_iter().collect();
        self.set_pairs(Place::Check, username, &BTreeSet::from(["Expiration".to_owned()]), &expiration);
        let earlier = self.expect_known(&uid)?.written.clone();
        let mut written = BTreeSet::new();
        for place in [Place::Check, Place::Reply] {
            let wanted = settings.attributes.of(place);
            let now: BTreeSet<String> = wanted.iter().map(|attribute| attribute.name.clone()).collect();
            let before = earlier.iter().filter(|(p, _)| *p == place).map(|(_, attribute)| attribute.clone());
            self.set_pairs(place, username, &before.chain(now.iter().cloned()).collect(), wanted);
            written.extend(now.into_iter().map(|attribute| (place, attribute)));
        }
        self.expect_known(&uid)?.written = written;
        self.set_group(&uid, username, settings.group(work))?;
        self.set_profile(work, settings);
        Ok(())
    }

    /// Makes the rows of these attributes the wanted ones; leaves them alone if they are.
    pub(super) fn set_pairs(&mut self, place: Place, username: &str, owned: &BTreeSet<String>, wanted: &[Attribute]) {
        let concerns = |pair: &Pair| owned.iter().any(|attribute| pair.is(attribute));
        let there: Vec<&Pair> = self.pairs(place, username).filter(|pair| concerns(pair)).collect();
        if super::attributes::same(&there, wanted) {
            return;
        }
        self.drop_pairs(place, username, concerns);
        let pairs = self.named(username).pairs.entry(place).or_default();
        pairs.extend(wanted.iter().map(|attribute| Pair::of(username, attribute)));
    }

    pub(super) fn set_group(&mut self, uid: &str, username: &str, wanted: Option<&str>) -> Result<(), Fault> {
        let earlier = std::mem::replace(&mut self.expect_known(uid)?.groupname, wanted.map(ToOwned::to_owned));
        if earlier.as_deref() != wanted {
            self.leave(username, |group| Some(group) == earlier.as_deref());
        }
        let Some(wanted) = wanted else { return Ok(()) };
        let memberships = &mut self.named(username).memberships;
        if !memberships.iter().any(|m| m.username == username && m.groupname == wanted) {
            memberships.push(Membership { read_as: None, username: username.to_owned(), groupname: wanted.to_owned() });
        }
        Ok(())
    }

    fn refuse_taken_name(&self, name: &Username, uid: &str) -> Result<(), Fault> {
        let Some(named) = self.names.get(&name.as_str().to_ascii_lowercase()) else { return Ok(()) };
        let by_hand = named.pairs.values().any(|pairs| !pairs.is_empty()) || !named.memberships.is_empty();
        let why = match named.holders.iter().find(|holder| *holder != uid) {
            Some(other) => format!("belongs to account {other}"),
            None if by_hand => "was put here by hand".into(),
            None => return Ok(()),
        };
        Err(Fault::conflict(format!("account {uid}: the user name {} {why}", masked(name.as_str()))))
    }

    /// A new user name takes along all that was said of the old one.
    fn rename(&mut self, uid: &str, old: &str, new: &Username) -> Result<(), Fault> {
        if old == new.as_str() {
            return Ok(());
        }
        self.refuse_taken_name(new, uid)?;
        let (ignores_case, new) = (self.engine.ignores_case(), new.as_str());
        let is_old = |name: &str| name == old || (ignores_case && name.eq_ignore_ascii_case(old));
        let mut moved = Named { holders: vec![uid.to_owned()], ..Named::default() };
        let from = self.named(old);
        from.holders.retain(|holder| holder != uid);
        for (place, pairs) in &mut from.pairs {
            let mine =
                pairs.extract_if(.., |pair| is_old(&pair.name)).map(|pair| Pair { name: new.to_owned(), ..pair });
            moved.pairs.insert(*place, mine.collect());
        }
        let mine = from.memberships.extract_if(.., |membership| is_old(&membership.username));
        moved.memberships = mine.map(|membership| Membership { username: new.to_owned(), ..membership }).collect();
        self.names.insert(new.to_ascii_lowercase(), moved);
        self.renames.push((old.to_owned(), new.to_owned()));
        self.expect_known(uid)?.username = new.to_owned();
        Ok(())
    }

    fn named(&mut self, username: &str) -> &mut Named {
        self.names.entry(username.to_ascii_lowercase()).or_default()
    }

    fn clear_password(&mut self, username: &str) {
        self.drop_in_any_case(Place::Check, username, |pair| pair.is_password() || pair.is_reject());
    }

    fn add_check(&mut self, username: &str, attribute: &str, value: Secret) {
        let pair =
            Pair { id: None, name: username.to_owned(), attribute: attribute.to_owned(), op: ":=".to_owned(), value };
        self.named(username).pairs.entry(Place::Check).or_default().push(pair);
    }

    fn drop_pairs(&mut self, place: Place, username: &str, which: impl Fn(&Pair) -> bool) {
        let ignores_case = self.engine.ignores_case();
        let is_theirs = |name: &str| name == username || (ignores_case && name.eq_ignore_ascii_case(username));
        self.drop_in_any_case(place, username, |pair| is_theirs(&pair.name) && which(pair));
    }

    /// Names that differ in case only are one name to people, whatever the engine takes them for: a password under another one is a way
    /// in, too.
    fn drop_in_any_case(&mut self, place: Place, username: &str, which: impl Fn(&Pair) -> bool) {
        let Some(named) = self.names.get_mut(&username.to_ascii_lowercase()) else { return };
        let pairs = named.pairs.entry(place).or_default();
        let dropped = pairs.extract_if(.., |pair| which(pair));
        self.gone.entry(place).or_default().extend(dropped.filter_map(|pair| pair.id));
    }

    fn leave(&mut self, username: &str, which: impl Fn(&str) -> bool) {
        let ignores_case = self.engine.ignores_case();
        let is_theirs = |name: &str| name == username || (ignores_case && name.eq_ignore_ascii_case(username));
        let Some(named) = self.names.get_mut(&username.to_ascii_lowercase()) else { return };
        let left = named.memberships.extract_if(.., |m| is_theirs(&m.username) && which(&m.groupname));
        self.left.extend(left.filter_map(|m| m.read_as.map(|username| (username, m.groupname))));
    }
}

pub(super) fn fitting_name<'w>(work: &'w Work, settings: &RadiusTables) -> Result<&'w Username, Fault> {
    let refuse = |what: &str| {
        Err(Fault::permanent(format!(
            "account {}: its {what} must have 1 to {LONGEST_NAME} characters and no control character",
            work.account.uid
        )))
    };
    if !name_fits(work.account.username.as_str()) {
        return refuse("user name");
    }
    if settings.group(work).is_some_and(|group| !name_fits(group)) {
        return refuse("group");
    }
    Ok(&work.account.username)
}

/// What `Expiration` says: seconds since 1970, as digits.
pub fn expiration(work: &Work) -> Option<String> {
    end_text(&work.account)
}

pub(super) fn end_text(account: &Account) -> Option<String> {
    end_seconds(account).map(|s| s.clamp(1, LATEST_EXPIRATION).to_string())
}
