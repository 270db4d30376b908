//! Actions on an account that exists: its state, the change applied, and whether new names are free.

use super::{Case, MOST_ALTERNATIVES, Sheet};
use crate::model::entry::IMPORTED;
use crate::model::request::Change;
use crate::model::{Account, Action, Address, Alternative, Grant, Person};
use crate::procedure::candidates::{MAX_ALIASES, aliases, for_change, has_address};
use crate::procedure::file::CheckKind;
use crate::procedure::parts::{Parts, full_name};
use crate::procedure::problem::{Problem, quoted};

impl Case<'_> {
    pub(super) fn check_existing(&self, sheet: &mut Sheet<'_>) -> Option<Grant> {
        let (Some(account), Some(state)) = (&self.facts.account, self.facts.account_state.as_deref()) else {
            return self.check_unlisted(sheet);
        };
        if state == IMPORTED {
            return self.check_listed(account, sheet);
        }
        sheet.met(CheckKind::Register, "account is in the register", account.username.as_str());
        if self.facts.adopted && !self.may_adopt() {
            let name = account.address.as_ref().map_or(account.username.as_str(), Address::as_str);
            let problem = Problem::AccountNotOurs { name: quoted(name), targets: Vec::new() };
            sheet.unmet(CheckKind::Register, "account was made by akund", vec![problem]);
        }
        self.check_fitting(account, state, sheet);
        let action = self.record.action;
        let (before, mut account) = (account, account.clone());
        if action == Action::Change {
            self.check_change(&mut account, sheet);
        }
        if action.mints() {
            let own: Vec<&Address> = account.address.iter().chain(&account.aliases).collect();
            self.check_own_address(&own, sheet);
        }
        let addresses = account.address.iter().chain(&account.aliases).map(Address::as_str);
        // The user name of an adopted account may be one that akund made of its address.
        let username = Some(account.username.as_str()).filter(|_| !self.facts.adopted);
        let names = addresses.chain(username).map(str::to_owned).collect();
        let budgeted = self.spends_budget(before, &account, self.facts.adopted);
        if budgeted {
            self.check_budget(&account, sheet);
        }
        let takes_away = action == Action::Reset || takes_away(action, before, &account);
        Some(Grant { action, account, names, budgeted, takes_away, adopts: None })
    }

    /// Whether it takes something away that nobody approved by itself. The removal of an account that akund did not make always
    /// counts: nothing brings it back.
    pub(super) fn spends_budget(&self, before: &Account, after: &Account, foreign: bool) -> bool {
        let action = self.record.action;
        takes_away(action, before, after)
            && (self.required_approvals().next().is_none() || (foreign && action == Action::Remove))
    }

    /// The change budget of every target that the account stands at.
    pub(super) fn check_budget(&self, account: &Account, sheet: &mut Sheet<'_>) {
        let targets = self.site.targets.iter().filter(|t| t.services.iter().any(|s| account.services.contains(s)));
        let used_up = targets.filter_map(|t| Some((&t.name, self.facts.taken_away.get(&t.name)?)));
        let problems = used_up
            .filter(|(_, taken)| taken.is_used_up())
            .map(|(target, taken)| Problem::BudgetUsedUp { target: target.clone(), budget: taken.budget() })
            .collect();
        sheet.check(CheckKind::Account, "change budget", "", problems);
    }

    /// The account's state, its category, its end and its services.
    fn check_fitting(&self, account: &Account, state: &str, sheet: &mut Sheet<'_>) {
        let action = self.record.action;
        let fits = match action {
            Action::Create => false,
            Action::Change | Action::Remove => matches!(state, "active" | "suspended"),
            Action::Reset | Action::Suspend => state == "active",
            Action::Resume => state == "suspended",
        };
        let unfit = || vec![Problem::AccountState { action, state: state.to_owned() }];
        sheet.check(CheckKind::Account, "account state", state, if fits { Vec::new() } else { unfit() });
        // Who may act on lecturers' accounts is a matter of the category: it must be the account's own.
        let same = account.category == self.record.applicant.category;
        let other = if same { Vec::new() } else { vec![Problem::AccountOfOtherCategory] };
        sheet.check(CheckKind::Account, "account is of this category", "", other);
        if action.mints() {
            // The new password goes where the record says: that must be the holder of the account.
            let unknown = self.facts.adopted && self.facts.no_holder;
            let other = match (unknown, self.facts.other_holder) {
                (true, _) if self.required_approvals().next().is_none() => vec![Problem::AdoptionUnapproved],
                (false, true) => vec![Problem::AccountOfOtherHolder],
                _ => Vec::new(),
            };
            sheet.check(CheckKind::Holder, "account is the applicant's", "", other);
        }
        if matches!(action, Action::Reset | Action::Resume) && account.ends_at.is_some_and(|end| end <= self.now) {
            sheet.unmet(CheckKind::Expiry, "end date", vec![Problem::AccountEnded]);
        }
        let unserved = |s: &&String| !self.site.targets.iter().any(|t| t.services.contains(s));
        let problems = account.services.iter().filter(unserved);
        let problems = problems.map(|s| Problem::ServiceWithoutTarget { service: s.clone() }).collect();
        sheet.check(CheckKind::Account, "services", &account.services.join(", "), problems);
    }

    pub(super) fn check_change(&self, account: &mut Account, sheet: &mut Sheet<'_>) {
        let nothing = Change::default();
        let change = self.record.change.as_ref().unwrap_or(&nothing);
        if *change == nothing {
            sheet.unmet(CheckKind::Fields, "change", vec![Problem::NothingToChange]);
            return;
        }
        self.check_quota(change.quota, sheet);
        self.check_group(change.group.as_ref(), sheet);
        if let Some(day) = change.expires {
            account.ends_at = self.check_expiry(Some(day), sheet);
        }
        if let Some(name) = change.name.as_ref().filter(|n| !n.trim().is_empty()) {
            let renamed = Person { name: name.clone(), ..Person::default() };
            let full = full_name(&renamed, &self.procedure.file.person);
            (account.name, account.given_name, account.family_name) = (name.clone(), full.given, full.family);
        }
        account.quota = change.quota.or(account.quota);
        account.group = change.group.clone().filter(|g| !g.is_empty()).or_else(|| account.group.take());
        self.change_addresses(change, account, sheet);
    }

    fn change_addresses(&self, change: &Change, account: &mut Account, sheet: &mut Sheet<'_>) {
        let old = account.address.clone();
        if let Some(new) = &change.address {
            self.check_new_address(new, account, sheet);
            account.address = Some(new.clone());
        }
        if let Some(new) = &change.aliases {
            self.check_aliases(account, sheet);
            account.aliases.clear();
            new.iter().take(MAX_ALIASES).for_each(|a| add_new(&mut account.aliases, a));
        }
        let keep = self.procedure.file.address.as_ref().is_some_and(|a| a.keep_old_as_alias);
        if let Some(old) = old.filter(|_| keep) {
            add_new(&mut account.aliases, &old);
        }
        let address = account.address.clone();
        account.aliases.retain(|a| Some(a) != address.as_ref());
    }

    fn check_new_address(&self, new: &Address, account: &Account, sheet: &mut Sheet<'_>) {
        let parts = Parts::of(&self.record.applicant, None, &self.procedure.file.person);
        let problems = if has_address(&account.services, self.procedure) {
            self.address_problems(new, Some(&parts))
        } else {
            vec![Problem::NoAddressForServices { address: new.to_string() }]
        };
        sheet.check(CheckKind::Account, "address: domain and name", new.as_str(), problems);
        self.check_new_name(new, "address", account, sheet);
        if !self.is_free(new.as_str(), account.uid) {
            let candidates = for_change(self.record, self.procedure, self.category);
            let free = candidates.iter().filter(|a| *a != new && self.is_free(a.as_str(), account.uid));
            sheet.alternatives.extend(free.take(MOST_ALTERNATIVES).cloned().map(Alternative::Address));
        }
    }

    fn check_aliases(&self, account: &Account, sheet: &mut Sheet<'_>) {
        let aliases = aliases(self.record);
        let mut problems: Vec<Problem> = Vec::new();
        if aliases.len() > MAX_ALIASES {
            problems.push(Problem::TooManyAliases { most: MAX_ALIASES });
        }
        // Only as many are looked at as are looked up.
        let aliases = aliases.iter().take(MAX_ALIASES);
        problems.extend(aliases.clone().flat_map(|a| self.address_problems(a, None)));
        sheet.check(CheckKind::Account, "aliases: domains and names", "", problems);
        for alias in aliases {
            self.check_new_name(alias, "alias", account, sheet);
        }
    }

    fn check_new_name(&self, name: &Address, what: &str, account: &Account, sheet: &mut Sheet<'_>) {
        let held = self.held(name.as_str(), account.uid);
        let problems = |held: bool| if held { vec![Problem::NameTaken { name: name.to_string() }] } else { Vec::new() };
        let own = account.address.as_ref() == Some(name) || account.aliases.contains(name);
        sheet.check(
            CheckKind::Register,
            format!("{what} free in the register"),
            name.as_str(),
            problems(held.register),
        );
        // What the account has already is at the targets, and is its own.
        sheet.check(
            CheckKind::Targets,
            format!("{what} free at the targets"),
            name.as_str(),
            problems(held.target && !own),
        );
    }
}

/// Whether the holder has less after it.
fn takes_away(action: Action, before: &Account, after: &Account) -> bool {
    let ends_earlier = after.ends_at.is_some_and(|end| before.ends_at.is_none_or(|old| end < old));
    matches!(action, Action::Suspend | Action::Remove) || (action == Action::Change && ends_earlier)
}

fn add_new(list: &mut Vec<Address>, address: &Address) {
    if !list.contains(address) {
        list.push(address.clone());
    }
}
