//! Actions on an account that akund did not make: where the procedure allows them (`adopt`), it is adopted first.
//!
//! Nobody at a target knows whose such an account is. So what is known must agree: the register's list, if the account is in
//! one, names the applicant; else the approvals that the procedure requires are the authority, and without any it is held.

use super::{Case, Sheet};
use crate::model::{Account, Action, Address, Grant, NameFact, Username};
use crate::procedure::file::{CheckKind, Field};
use crate::procedure::parts::full_name;
use crate::procedure::problem::{Problem, quoted};
use std::collections::BTreeSet;

impl Case<'_> {
    /// Whether the procedure lets akund do this to accounts that it did not make.
    pub(super) fn may_adopt(&self) -> bool {
        self.procedure.file.adopt.contains(&self.record.action)
    }

    /// What the request calls the account.
    fn called(&self) -> Option<&str> {
        let wanted = &self.record.account;
        wanted.address.as_ref().map(Address::as_str).or(wanted.username.as_ref().map(Username::as_str))
    }

    /// An account that was entered from a list: no target's entry bears akund's mark.
    pub(super) fn check_listed(&self, listed: &Account, sheet: &mut Sheet<'_>) -> Option<Grant> {
        let held = self.held_at();
        if !self.may_adopt() {
            let name = listed.address.as_ref().map_or(listed.username.as_str(), Address::as_str);
            let problem = Problem::AccountNotOurs { name: quoted(name), targets: held.into_iter().collect() };
            sheet.unmet(CheckKind::Register, "account was made by akund", vec![problem]);
            return None;
        }
        sheet.met(CheckKind::Register, "account may be adopted", listed.username.as_str());
        let same = listed.category == self.record.applicant.category;
        let other = if same { Vec::new() } else { vec![Problem::AccountOfOtherCategory] };
        sheet.check(CheckKind::Account, "account is of this category", "", other);
        if let Some(wished) = self.record.account.username.as_ref().filter(|wished| **wished != listed.username) {
            let problem = Problem::AdoptionUnclear { name: quoted(wished.as_str()) };
            sheet.unmet(CheckKind::Register, "address and user name are one account's", vec![problem]);
        }
        let services = if listed.services.is_empty() { None } else { Some(&listed.services) };
        self.adopted(listed.clone(), services, self.facts.no_holder, sheet)
    }

    /// An account that a target has and the register has not.
    pub(super) fn check_unlisted(&self, sheet: &mut Sheet<'_>) -> Option<Grant> {
        let problem = self.not_in_the_register();
        if !(self.may_adopt() && matches!(problem, Problem::AccountNotOurs { .. })) {
            sheet.unmet(CheckKind::Register, "account is in the register", vec![problem]);
            return None;
        }
        let wanted = &self.record.account;
        let local = || wanted.address.as_ref()?.local().parse().ok();
        let Some(username) = wanted.username.clone().or_else(local) else {
            let problem = Problem::FieldMissing { field: Field::AccountUsername };
            sheet.unmet(CheckKind::Register, "account may be adopted", vec![problem]);
            return None;
        };
        sheet.met(CheckKind::Register, "account may be adopted", username.as_str());
        let person = &self.record.applicant;
        let full = full_name(person, &self.procedure.file.person);
        let known = Account {
            address: wanted.address.clone(),
            name: person.name.clone(),
            given_name: full.given,
            family_name: full.family,
            category: person.category.clone(),
            unit: person.unit.clone(),
            ..Account::bare(self.uid, username)
        };
        self.adopted(known, None, true, sheet)
    }

    /// An account that a target has and the register has not is not akund's to act on.
    fn not_in_the_register(&self) -> Problem {
        let wanted = &self.record.account;
        let names = wanted.address.iter().map(Address::as_str).chain(wanted.username.iter().map(Username::as_str));
        let held: Vec<&NameFact> = names.filter_map(|name| self.facts.names.get(name)).flatten().collect();
        let targets: BTreeSet<String> = held_at(held.iter().copied());
        // What the register has under another procedure is out of reach, and nobody is told of it.
        let registered = held.iter().any(|fact| matches!(fact, NameFact::Register { .. }));
        match self.called() {
            Some(name) if !targets.is_empty() && !registered => {
                Problem::AccountNotOurs { name: quoted(name), targets: targets.into_iter().collect() }
            }
            _ => Problem::NoSuchAccount,
        }
    }

    /// The targets that know one of the names in the request.
    fn held_at(&self) -> BTreeSet<String> {
        let wanted = &self.record.account;
        let names = wanted.address.iter().map(Address::as_str).chain(wanted.username.iter().map(Username::as_str));
        held_at(names.filter_map(|name| self.facts.names.get(name)).flatten())
    }

    /// Everything else that must be so before an account is adopted, and what is then asked of it.
    fn adopted(
        &self,
        mut known: Account,
        listed: Option<&Vec<String>>,
        no_holder: bool,
        sheet: &mut Sheet<'_>,
    ) -> Option<Grant> {
        let (action, wanted) = (self.record.action, &self.record.account);
        self.check_reach(&known, sheet);
        self.check_vouched(no_holder, sheet);
        known.services = self.services_of(listed);
        self.check_services(&known.services, sheet);
        self.check_found(&known, sheet);
        if matches!(action, Action::Reset | Action::Resume) && known.ends_at.is_some_and(|end| end <= self.now) {
            sheet.unmet(CheckKind::Expiry, "end date", vec![Problem::AccountEnded]);
        }
        let mut account = known.clone();
        if action == Action::Change {
            self.check_change(&mut account, sheet);
        }
        if action.mints() {
            let own: Vec<&Address> = account.address.iter().chain(&account.aliases).collect();
            self.check_own_address(&own, sheet);
        }
        let budgeted = self.spends_budget(&known, &account, true);
        if budgeted {
            self.check_budget(&account, sheet);
        }
        // A user name that the request does not say is a guess, or the list's, which has it already.
        let username = Some(account.username.as_str()).filter(|_| wanted.username.is_some());
        let addresses = account.address.iter().chain(&account.aliases).map(Address::as_str);
        let names = addresses.chain(username).map(str::to_owned).collect();
        // Of such an account no contact of the holder is known.
        Some(Grant { action, account, names, budgeted, takes_away: false, adopts: Some(Box::new(known)) })
    }

    /// A procedure reaches its own domains only, and no name that it reserves: `postmaster` is not somebody's account.
    fn check_reach(&self, known: &Account, sheet: &mut Sheet<'_>) {
        let reach = |p: &Problem| matches!(p, Problem::DomainNotAllowed { .. } | Problem::NameReserved { .. });
        let address = known.address.iter().flat_map(|address| self.address_problems(address, None));
        let username = self.name_problem(known.username.as_str(), &self.category.username, None);
        let problems = address.chain(username).filter(reach).collect();
        sheet.check(CheckKind::Account, "account is within the procedure's reach", "", problems);
    }

    /// The new password, or the change, is the holder's: the register says who that is, or somebody approved it.
    fn check_vouched(&self, no_holder: bool, sheet: &mut Sheet<'_>) {
        let problems = match no_holder {
            false if self.facts.other_holder => vec![Problem::AdoptionOfOtherHolder],
            true if self.required_approvals().next().is_none() => vec![Problem::AdoptionUnapproved],
            _ => Vec::new(),
        };
        sheet.check(CheckKind::Holder, "account is the applicant's", "", problems);
    }

    /// The wish, else what the list says, else those of the targets that know it.
    fn services_of(&self, listed: Option<&Vec<String>>) -> Vec<String> {
        let wished = &self.record.account.services;
        if !wished.is_empty() {
            return wished.clone();
        }
        let held = self.held_at();
        let of_targets = || {
            let targets = self.site.targets.iter().filter(|target| held.contains(&target.name));
            let mut services: Vec<String> = targets.flat_map(|target| &target.services).cloned().collect();
            services.retain(|service| self.category.allowed_services.contains(service));
            services.sort();
            services.dedup();
            services
        };
        listed.cloned().unwrap_or_else(of_targets)
    }

    /// Every target of its services must know the account by a name that the request itself says: what a user name made of an
    /// address finds may be somebody else's.
    fn check_found(&self, known: &Account, sheet: &mut Sheet<'_>) {
        let held = self.held_at();
        let serves =
            |target: &&crate::procedure::SiteTarget| known.services.iter().any(|s| target.services.contains(s));
        let missing: Vec<String> = self
            .site
            .targets
            .iter()
            .filter(serves)
            .filter(|target| !held.contains(&target.name))
            .map(|target| target.name.clone())
            .collect();
        let nowhere = known.services.is_empty();
        let problem = || vec![Problem::AdoptionNotFound { targets: missing.clone() }];
        let problems = if missing.is_empty() && !nowhere { Vec::new() } else { problem() };
        sheet.check(CheckKind::Targets, "account is at its targets", &known.services.join(", "), problems);
    }
}

fn held_at<'f>(facts: impl Iterator<Item = &'f NameFact>) -> BTreeSet<String> {
    let target = |fact: &NameFact| match fact {
        NameFact::Target { target } => Some(target.clone()),
        NameFact::Register { .. } => None,
    };
    facts.filter_map(target).collect()
}
