//! What an account may have: services, quota, group, end, names of the right form. Used for new accounts and changes.

use super::{Case, Sheet};
use crate::model::{Address, Quota};
use crate::procedure::candidates::domain_allowed;
use crate::procedure::file::CheckKind;
use crate::procedure::naming::NameRule;
use crate::procedure::parts::Parts;
use crate::procedure::problem::{Problem, Who};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

impl Case<'_> {
    pub(super) fn check_services(&self, services: &[String], sheet: &mut Sheet<'_>) {
        let mut problems = Vec::new();
        for service in services {
            let service_of = || service.clone();
            if !self.category.allowed_services.contains(service) {
                problems.push(Problem::ServiceNotAllowed { service: service_of() });
            } else if !self.site.targets.iter().any(|t| t.services.contains(service)) {
                problems.push(Problem::ServiceWithoutTarget { service: service_of() });
            }
        }
        sheet.check(CheckKind::Account, "services", &services.join(", "), problems);
    }

    /// A wished quota, where there is a wish.
    pub(super) fn check_quota(&self, wish: Option<Quota>, sheet: &mut Sheet<'_>) {
        let Some(wish) = wish else { return };
        let problems = match self.category.max_quota {
            None => vec![Problem::QuotaNotChosen],
            Some(most) if wish > most => vec![Problem::QuotaTooLarge],
            Some(_) => Vec::new(),
        };
        sheet.check(CheckKind::Account, "quota", "", problems);
    }

    /// A wished group, where there is a wish.
    pub(super) fn check_group(&self, wish: Option<&String>, sheet: &mut Sheet<'_>) {
        let Some(wish) = wish.filter(|g| !g.is_empty()) else { return };
        let allowed = self.category.group.as_ref() == Some(wish) || self.category.groups.contains(wish);
        let problems = if allowed { Vec::new() } else { vec![Problem::GroupNotAllowed { group: wish.clone() }] };
        sheet.check(CheckKind::Account, "group", "", problems);
    }

    /// The first instant behind the last valid day; none for an account without an end.
    pub(super) fn check_expiry(&self, wish: Option<Date>, sheet: &mut Sheet<'_>) -> Option<Timestamp> {
        let default = self.category.default_days.and_then(|d| days_after(self.today, d));
        let Some(day) = wish.or(default) else {
            if self.category.written.temporary {
                sheet.unmet(CheckKind::Expiry, "end date", vec![Problem::ExpiresMissing]);
            }
            return None;
        };
        let latest = self.category.max_days.and_then(|d| days_after(self.today, d));
        let end = self.end_of(day);
        let problems = match (latest, end) {
            _ if day < self.today => vec![Problem::ExpiresPast { day }],
            (Some(latest), _) if day > latest => vec![Problem::ExpiresTooFar { day, latest }],
            (_, None) => vec![Problem::ExpiresTooFar { day, latest: latest.unwrap_or(self.today) }],
            _ => Vec::new(),
        };
        sheet.check(CheckKind::Expiry, "end date", &day.to_string(), problems);
        end
    }

    /// The start of the day after `day` in the procedure's zone.
    fn end_of(&self, day: Date) -> Option<Timestamp> {
        let next = day.tomorrow().ok()?.to_zoned(self.procedure.zone.clone()).ok()?;
        next.start_of_day().ok().map(|z| z.timestamp())
    }

    /// Domain, form, naming rule and reserved names of a wished address.
    pub(super) fn address_problems(&self, address: &Address, parts: Option<&Parts>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !domain_allowed(address.domain(), self.category) {
            let domains = self.category.domains.iter().map(|d| d.as_str().to_owned()).collect();
            problems.push(Problem::DomainNotAllowed { address: address.to_string(), domains });
        }
        if let Some(rule) = &self.category.address {
            problems.extend(self.name_problem(address.local(), rule, parts));
        }
        problems
    }

    /// Form, naming rule and reserved names of a wished local part or user name. Without `parts` the naming rule is left out.
    pub(super) fn name_problem(&self, name: &str, rule: &NameRule, parts: Option<&Parts>) -> Option<Problem> {
        let by_rule = |parts: &Parts| rule.follows(name, &rule.bases(parts));
        let name_of = || name.to_owned();
        if self.procedure.reserved.holds(name, &self.category.written.may_use_reserved) {
            Some(Problem::NameReserved { name: name_of() })
        } else if !rule.fits(name) {
            Some(Problem::NameForm { name: name_of() })
        } else if rule.must_follow && !parts.is_none_or(by_rule) {
            Some(Problem::NameNotByRule { name: name_of() })
        } else {
            None
        }
    }

    /// Credentials must not go into the account that they open.
    pub(super) fn check_own_address(&self, own: &[&Address], sheet: &mut Sheet<'_>) {
        let people =
            [(Who::Applicant, Some(&self.record.applicant)), (Who::Responsible, self.record.responsible.as_ref())];
        let emails = people.into_iter().filter_map(|(who, person)| Some((who, person?.email.as_ref()?)));
        let problems: Vec<Problem> = emails
            .filter(|(_, email)| own.contains(email))
            .map(|(who, email)| Problem::OwnAddress { who, address: email.to_string() })
            .collect();
        sheet.check(CheckKind::Contact, "contact is not the account itself", "", problems);
    }
}

fn days_after(day: Date, days: u32) -> Option<Date> {
    day.checked_add(i64::from(days).days()).ok()
}
