//! A new account: what it has, and under which free names.

use super::{Case, MOST_ALTERNATIVES, Sheet};
use crate::model::{Account, Action, Address, Alternative, Grant, Username};
use crate::procedure::candidates::{Candidates, for_create, has_address, services};
use crate::procedure::file::CheckKind;
use crate::procedure::parts::{Parts, full_name};
use crate::procedure::problem::{Problem, quoted};
use jiff::Timestamp;

/// Address and user name as chosen.
struct Chosen {
    address: Option<Address>,
    username: Username,
}

impl Case<'_> {
    pub(super) fn check_create(&self, sheet: &mut Sheet<'_>) -> Option<Grant> {
        let wanted = &self.record.account;
        let services = services(self.record, self.category);
        self.check_services(services, sheet);
        self.check_quota(wanted.quota, sheet);
        self.check_group(wanted.group.as_ref(), sheet);
        let with_address = has_address(services, self.procedure);
        self.check_wishes(with_address, sheet);
        let ends_at = self.check_expiry(wanted.expires, sheet);
        let chosen = self.choose(with_address, sheet);
        if self.category.one_per_holder {
            let has = &self.facts.holder_has;
            let addresses = has.iter().map(|a| masked(a)).collect();
            let problems = if has.is_empty() { Vec::new() } else { vec![Problem::HolderHas { addresses }] };
            sheet.check(CheckKind::Holder, "holder has no account yet", "", problems);
        }
        if self.category.one_per_unit {
            let has = &self.facts.unit_has;
            let addresses = has.iter().map(|a| masked(a)).collect();
            let unit = &self.record.applicant.unit;
            let problem = || vec![Problem::UnitHas { unit: unit.clone(), addresses }];
            let problems = if has.is_empty() { Vec::new() } else { problem() };
            sheet.check(CheckKind::Holder, "unit has no account yet", &quoted(unit), problems);
        }
        let chosen = chosen?;
        self.check_own_address(&chosen.address.iter().collect::<Vec<_>>(), sheet);
        Some(self.grant(chosen, services, ends_at))
    }

    /// Form and rule of the wished names.
    fn check_wishes(&self, with_address: bool, sheet: &mut Sheet<'_>) {
        let wanted = &self.record.account;
        let username = wanted.username.as_ref();
        let parts = Parts::of(&self.record.applicant, username.map(Username::as_str), &self.procedure.file.person);
        if let Some(address) = &wanted.address {
            let problems = if with_address {
                self.address_problems(address, Some(&parts))
            } else {
                vec![Problem::NoAddressForServices { address: address.to_string() }]
            };
            sheet.check(CheckKind::Account, "address: domain and name", address.as_str(), problems);
        }
        if let Some(username) = username {
            let problem = self.name_problem(username.as_str(), &self.category.username, Some(&parts));
            let problems = problem.into_iter().collect();
            sheet.check(CheckKind::Account, "user name: form", username.as_str(), problems);
        }
    }

    /// The wished names where they are free, else the first free candidates; a wish that is taken is a conflict.
    fn choose(&self, with_address: bool, sheet: &mut Sheet<'_>) -> Option<Chosen> {
        let candidates = for_create(self.record, self.procedure, self.category);
        let address = if with_address { Some(self.choose_address(&candidates, sheet)?) } else { None };
        let username = self.choose_username(&candidates, address.as_ref(), sheet)?;
        Some(Chosen { address, username })
    }

    fn choose_address(&self, candidates: &Candidates, sheet: &mut Sheet<'_>) -> Option<Address> {
        let free = |a: &&Address| self.is_free(a.as_str(), self.uid);
        let wish = self.record.account.address.as_ref();
        let chosen = match wish {
            Some(wish) => Some(wish),
            None => candidates.addresses.iter().find(free),
        };
        match chosen.or(candidates.addresses.first()) {
            Some(address) => self.check_free(address.as_str(), "address", wish.is_some(), sheet),
            None => sheet.unmet(CheckKind::Account, "address", vec![Problem::NameCannotBeMade]),
        }
        let taken = chosen.filter(|c| !free(c)).is_some();
        if taken {
            let others = candidates.addresses.iter().filter(|a| Some(*a) != wish).filter(free);
            sheet.alternatives.extend(others.take(MOST_ALTERNATIVES).cloned().map(Alternative::Address));
        }
        chosen.cloned()
    }

    fn choose_username(
        &self,
        candidates: &Candidates,
        address: Option<&Address>,
        sheet: &mut Sheet<'_>,
    ) -> Option<Username> {
        let free = |u: &&Username| self.is_free(u.as_str(), self.uid);
        let wish = self.record.account.username.as_ref();
        let local = address.map(Address::local).unwrap_or_default();
        let by_local = candidates.usernames.iter().filter(|u| u.as_str() == local);
        let chosen = match wish {
            Some(wish) => Some(wish),
            None => by_local.chain(&candidates.usernames).find(free),
        };
        match chosen.or(candidates.usernames.first()) {
            Some(username) => self.check_free(username.as_str(), "user name", wish.is_some(), sheet),
            None => sheet.unmet(CheckKind::Account, "user name", vec![Problem::NameCannotBeMade]),
        }
        let taken = chosen.filter(|c| !free(c)).is_some();
        if taken {
            let others = candidates.usernames.iter().filter(|u| Some(*u) != wish).filter(free);
            sheet.alternatives.extend(others.take(MOST_ALTERNATIVES).cloned().map(Alternative::Username));
        }
        chosen.cloned()
    }

    /// The cross-check, register and live targets as two results.
    fn check_free(&self, name: &str, what: &str, wished: bool, sheet: &mut Sheet<'_>) {
        let held = self.held(name, self.uid);
        let problem = || if wished { Problem::NameTaken { name: name.to_owned() } } else { Problem::AllNamesTaken };
        let problems = |held: bool| if held { vec![problem()] } else { Vec::new() };
        sheet.check(CheckKind::Register, format!("{what} free in the register"), name, problems(held.register));
        sheet.check(CheckKind::Targets, format!("{what} free at the targets"), name, problems(held.target));
    }

    fn grant(&self, chosen: Chosen, services: &[String], ends_at: Option<Timestamp>) -> Grant {
        let Chosen { address, username } = chosen;
        let (applicant, wanted) = (&self.record.applicant, &self.record.account);
        let name = full_name(applicant, &self.procedure.file.person);
        let names = address.iter().map(|a| a.as_str()).chain([username.as_str()]).map(str::to_owned).collect();
        let mut granted: Vec<String> = Vec::with_capacity(services.len());
        for service in services.iter().filter(|s| !s.is_empty()) {
            if !granted.contains(service) {
                granted.push(service.clone());
            }
        }
        let contact = self.record.contact();
        let recovery_email = contact.email.clone().filter(|own| Some(own) != address.as_ref());
        let account = Account {
            uid: self.uid,
            address,
            username,
            aliases: Vec::new(),
            name: applicant.name.clone(),
            given_name: name.given,
            family_name: name.family,
            category: applicant.category.clone(),
            unit: applicant.unit.clone(),
            services: granted,
            ends_at,
            quota: wanted.quota.or(self.category.quota),
            group: wanted.group.clone().filter(|g| !g.is_empty()).or_else(|| self.category.group.clone()),
            recovery_email,
            recovery_phone: contact.phone.clone(),
        };
        Grant { action: Action::Create, account, names, budgeted: false, takes_away: false, adopts: None }
    }
}

/// An address or user name that only its holder recognises.
fn masked(name: &str) -> String {
    name.parse::<Address>().map_or_else(|_| format!("{}…", name.chars().take(1).collect::<String>()), |a| a.masked())
}
