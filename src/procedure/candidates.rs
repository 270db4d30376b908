//! The names that a request may end up with, in the order in which they are tried. The same list is looked up before
//! judging and chosen from while judging, so that nothing is ever chosen or offered that was not asked about.

use super::compiled::{CategoryRules, Procedure};
use super::naming::MAX_CANDIDATES;
use super::parts::Parts;
use crate::model::{Action, Address, Domain, Record, Username};

/// Most names that [`names_to_look_up`] gives.
pub const MAX_NAMES: usize = 2 * MAX_CANDIDATES;

/// Most aliases that one change may name.
pub(super) const MAX_ALIASES: usize = 10;

/// Candidates for a new account.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// The wish first, if there is one. Empty where the account has no address.
    pub addresses: Vec<Address>,
    /// The wish first, if there is one.
    pub usernames: Vec<Username>,
}

/// The names that must be asked about, in register and targets, before a record is judged: the wanted address and user
/// name, what the naming rule would choose or offer, new addresses and aliases of a change. Lower case, each once, at
/// most [`MAX_NAMES`].
pub fn names_to_look_up(record: &Record, procedure: &Procedure) -> Vec<String> {
    let Some(category) = procedure.category(record) else { return Vec::new() };
    let mut names = Vec::with_capacity(MAX_NAMES);
    let mut add = |name: &str| {
        if names.len() < MAX_NAMES && !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
    };
    if record.action == Action::Create {
        let candidates = for_create(record, procedure, category);
        candidates.addresses.iter().for_each(|a| add(a.as_str()));
        candidates.usernames.iter().for_each(|u| add(u.as_str()));
    } else {
        record.account.address.iter().for_each(|a| add(a.as_str()));
        record.account.username.iter().for_each(|u| add(u.as_str()));
        for_change(record, procedure, category).iter().for_each(|a| add(a.as_str()));
        aliases(record).iter().for_each(|a| add(a.as_str()));
    }
    names
}

/// The unit to look up in the register, where the procedure gives each unit one account only.
pub fn unit_to_look_up<'r>(record: &'r Record, procedure: &Procedure) -> Option<&'r str> {
    let wanted = record.action == Action::Create && procedure.category(record)?.one_per_unit;
    Some(record.applicant.unit.as_str()).filter(|unit| wanted && !unit.is_empty())
}

/// The aliases of a change.
pub(super) fn aliases(record: &Record) -> &[Address] {
    record.change.as_ref().and_then(|c| c.aliases.as_deref()).unwrap_or_default()
}

/// The services of a new account: the wish, or the category's default.
pub(super) fn services<'a>(record: &'a Record, category: &'a CategoryRules) -> &'a [String] {
    if record.account.services.is_empty() { &category.services } else { &record.account.services }
}

/// Whether an account with these services has an address.
pub(super) fn has_address(services: &[String], procedure: &Procedure) -> bool {
    procedure.file.address.as_ref().is_some_and(|rules| rules.services.iter().any(|s| services.contains(s)))
}

/// Whether an address may be made in a domain.
pub(super) fn domain_allowed(domain: &str, category: &CategoryRules) -> bool {
    let under = |d: &Domain| domain.strip_suffix(d.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
    category.domains.iter().any(|d| d.as_str() == domain || (category.subdomains && under(d)))
}

/// Candidates for a new account, at most [`MAX_CANDIDATES`] of each kind.
pub(super) fn for_create(record: &Record, procedure: &Procedure, category: &CategoryRules) -> Candidates {
    let wish = record.account.username.as_ref();
    let parts = Parts::of(&record.applicant, wish.map(Username::as_str), &procedure.file.person);
    let addresses = if has_address(services(record, category), procedure) {
        addresses(&parts, record.account.address.as_ref(), procedure, category)
    } else {
        Vec::new()
    };
    let usernames = usernames(&parts, wish, &addresses, procedure, category);
    Candidates { addresses, usernames }
}

/// Candidates for the new address of a change: the wish and what may be offered instead. Empty where none is wished.
pub(super) fn for_change(record: &Record, procedure: &Procedure, category: &CategoryRules) -> Vec<Address> {
    let wish = record.change.as_ref().and_then(|c| c.address.as_ref());
    if record.action != Action::Change || wish.is_none() {
        return Vec::new();
    }
    addresses(&Parts::of(&record.applicant, None, &procedure.file.person), wish, procedure, category)
}

fn addresses(parts: &Parts, wish: Option<&Address>, procedure: &Procedure, category: &CategoryRules) -> Vec<Address> {
    let Some(rule) = &category.address else { return Vec::new() };
    let wished_domain = wish.map(Address::domain).filter(|d| domain_allowed(d, category));
    let Some(domain) = wished_domain.or(category.domains.first().map(Domain::as_str)) else { return Vec::new() };
    let may_use = &category.written.may_use_reserved;
    let locals = rule.candidates(parts, wish.map(Address::local), |n| !procedure.reserved.holds(n, may_use));
    let behind_wish = locals.iter().skip(usize::from(wish.is_some()));
    let made = behind_wish.filter_map(|local| format!("{local}@{domain}").parse::<Address>().ok());
    wish.cloned().into_iter().chain(made).collect()
}

/// The wish and its kin; without a wish the local parts of the addresses, then what the rule gives.
fn usernames(
    parts: &Parts,
    wish: Option<&Username>,
    addresses: &[Address],
    procedure: &Procedure,
    category: &CategoryRules,
) -> Vec<Username> {
    let rule = &category.username;
    let may_use = &category.written.may_use_reserved;
    let usable = |n: &str| rule.fits(n) && !procedure.reserved.holds(n, may_use);
    let mut found: Vec<Username> = Vec::with_capacity(MAX_CANDIDATES);
    let mut add = |username: Option<Username>| {
        if let Some(u) = username.filter(|u| found.len() < MAX_CANDIDATES && !found.contains(u)) {
            found.push(u);
        }
    };
    add(wish.cloned());
    if wish.is_none() {
        let locals = addresses.iter().map(Address::local).filter(|l| usable(l));
        locals.for_each(|l| add(l.parse().ok()));
    }
    if wish.is_some() || addresses.is_empty() {
        let names = rule.candidates(parts, wish.map(Username::as_str), usable);
        names.iter().skip(usize::from(wish.is_some())).for_each(|n| add(n.parse().ok()));
    } else {
        rule.bases(parts).iter().filter(|n| usable(n)).for_each(|n| add(n.parse().ok()));
    }
    found
}
