//! Names, services, quotas and end dates.

use super::{Checker, listed};
use crate::model::{Domain, Quota};
use crate::procedure::file::Category;
use crate::procedure::naming::{NameRule, Reserved};
use crate::procedure::rules::RESERVED;
use crate::procedure::shape::Place;
use crate::procedure::template::Template;
use regex::{Regex, RegexSet};

/// The naming of one category.
pub(super) struct Names {
    pub domains: Vec<Domain>,
    pub address: Option<NameRule>,
    pub username: NameRule,
}

/// The procedure's own naming, before categories go over it.
pub(super) struct AccountRules {
    domains: Vec<Domain>,
    address: Option<NameRule>,
    username: NameRule,
}

/// What one category may have.
pub(super) struct Grants {
    pub services: Vec<String>,
    pub allowed: Vec<String>,
    pub quota: Option<Quota>,
    pub max_quota: Option<Quota>,
}

/// Longest end date that a procedure may allow, days.
const MAX_DAYS: u32 = 36_500;

impl Checker<'_> {
    pub(super) fn reserved(&mut self) -> Option<Reserved> {
        let rules = &self.file.reserved;
        let place = Place::default().key("reserved").key("patterns");
        let patterns = rules.patterns.iter().enumerate();
        let good: Vec<_> = patterns.filter_map(|(i, p)| self.pattern(p, &place.at(i))).collect();
        let patterns = RegexSet::new(good.iter().map(Regex::as_str)).ok()?;
        let built_in = if rules.defaults { RESERVED.as_slice() } else { &[] };
        let names = built_in.iter().map(|n| (*n).to_owned()).chain(rules.names.iter().map(|n| n.to_lowercase()));
        Some(Reserved { names: names.collect(), patterns })
    }

    /// `[address]` and `[username]`; none where a pattern is broken (which has been reported).
    pub(super) fn account_rules(&mut self) -> Option<AccountRules> {
        let file = self.file;
        let rules = &file.username;
        let place = Place::default().key("username");
        let address = match &file.address {
            Some(_) => Some(self.address_rule()?),
            None => None,
        };
        let own = !rules.naming.is_empty();
        let naming = match (&address, own) {
            (Some(address), false) => address.naming.clone(),
            (None, false) => self.templates(&["{given}.{family}".to_owned()], &place.key("naming")),
            (_, true) => self.templates(&rules.naming, &place.key("naming")),
        };
        // What is wrong with what is taken over has been told where it stands.
        let single_naming = match &file.address {
            Some(a) if !own && rules.single_naming.is_empty() && !a.single_naming.is_empty() => {
                address.as_ref().map(|address| address.single_naming.clone()).unwrap_or_default()
            }
            _ => {
                let single = self.templates(&rules.single_naming, &place.key("single_naming"));
                or_without_family(single, &naming)
            }
        };
        let username = NameRule {
            single_naming,
            naming,
            must_follow: rules.must_follow_naming,
            pattern: self.pattern(&rules.pattern, &place.key("pattern"))?,
            max_length: self.length(rules.max_length, &place),
            numbering: rules.numbering,
        };
        let place = Place::default().key("address").key("domains");
        let domains = file.address.as_ref().map_or_else(Vec::new, |a| self.domains(&a.domains, &place));
        Some(AccountRules { domains, address, username })
    }

    fn address_rule(&mut self) -> Option<NameRule> {
        let rules = self.file.address.as_ref()?;
        let place = Place::default().key("address");
        let allowed = self.file.services.allowed.as_ref().unwrap_or(&self.file.services.default);
        for (i, service) in rules.services.iter().enumerate() {
            let elsewhere = self.file.category.iter().flat_map(|c| c.services.iter().chain(&c.allowed_services));
            let known: Vec<&str> = allowed.iter().chain(elsewhere.flatten()).map(String::as_str).collect();
            self.known(service, &known, &place.key("services").at(i), "service");
        }
        let naming = self.templates(&rules.naming, &place.key("naming"));
        let single = self.templates(&rules.single_naming, &place.key("single_naming"));
        Some(NameRule {
            single_naming: or_without_family(single, &naming),
            naming,
            must_follow: rules.must_follow_naming,
            pattern: self.pattern(&rules.pattern, &place.key("pattern"))?,
            max_length: self.length(rules.max_length, &place),
            numbering: rules.numbering,
        })
    }

    /// The naming of a category: its own domains and templates over the procedure's.
    pub(super) fn category_names(
        &mut self,
        category: &Category,
        rules: Option<&AccountRules>,
        at: &Place,
    ) -> Option<Names> {
        let naming = category.naming.as_ref().map(|n| self.templates(n, &at.key("naming")));
        let single = category.single_naming.as_ref().map(|n| self.templates(n, &at.key("single_naming")));
        let own_domains = category.domains.as_ref().map(|d| self.domains(d, &at.key("domains")));
        let rules = rules?;
        if own_domains.is_some() && rules.address.is_none() {
            self.find(&at.key("domains"), "there are domains, but no [address]", "write [address], or leave them out");
        }
        if category.allow_subdomains.is_some() && rules.address.is_none() {
            let help = "write [address], or leave it out";
            self.find(&at.key("allow_subdomains"), "subdomains are allowed or not, but there is no [address]", help);
        }
        let over = |rule: &NameRule| {
            let own = naming.clone().map(|naming| (single.clone().unwrap_or_default(), naming));
            let (single_naming, naming) = match own {
                Some((single, naming)) => (or_without_family(single, &naming), naming),
                None => (single.clone().unwrap_or_else(|| rule.single_naming.clone()), rule.naming.clone()),
            };
            let must_follow = category.must_follow_naming.unwrap_or(rule.must_follow);
            NameRule { naming, single_naming, must_follow, ..rule.clone() }
        };
        Some(Names {
            domains: own_domains.unwrap_or_else(|| rules.domains.clone()),
            address: rules.address.as_ref().map(over),
            username: over(&rules.username),
        })
    }

    fn templates(&mut self, templates: &[String], place: &Place) -> Vec<Template> {
        let mut good = Vec::new();
        for (i, text) in templates.iter().enumerate() {
            match Template::parse(text) {
                Ok(template) => good.push(template),
                Err(error) => self.find(&place.at(i), error.message, error.help),
            }
        }
        good
    }

    fn length(&mut self, length: usize, place: &Place) -> usize {
        if !(1..=64).contains(&length) {
            let help = "expected 1 to 64 (RFC 5321 allows no longer local part)";
            self.find(&place.key("max_length"), format!("the length {length} is out of range"), help);
        }
        length
    }

    fn domains(&mut self, domains: &[String], place: &Place) -> Vec<Domain> {
        if domains.is_empty() {
            self.find(place, "no domain is named", "expected at least one, like `[\"example.ac.id\"]`");
        }
        self.unique(domains.iter().enumerate().map(|(i, d)| (d.as_str(), place.at(i))), "domain");
        let mut good = Vec::new();
        for (i, text) in domains.iter().enumerate() {
            match text.parse::<Domain>() {
                Ok(domain) if is_host_name(domain.as_str()) => good.push(domain),
                Ok(_) => {
                    self.find(&place.at(i), format!("`{text}` is not a domain"), "expected one like `example.ac.id`")
                }
                Err(cause) => self.find(&place.at(i), format!("`{text}` is not a domain: {cause}"), ""),
            }
        }
        good
    }

    /// Services and quota of a category, with the procedure's where it has none.
    pub(super) fn category_services(&mut self, category: &Category, at: &Place) -> Grants {
        let file = self.file;
        let rules = &file.services;
        let top = Place::default().key("services");
        let services = category.services.as_ref().unwrap_or(&rules.default);
        let all = rules.allowed.as_ref().unwrap_or(&rules.default);
        let allowed = category.allowed_services.as_ref().or(category.services.as_ref()).unwrap_or(all);
        let place = if category.services.is_some() { at.key("services") } else { top.key("default") };
        if services.is_empty() {
            self.find(&place, "no service is named", "expected at least one, like `[\"mail\"]`");
        }
        for (i, service) in services.iter().enumerate().filter(|(_, s)| !allowed.contains(s)) {
            let known: Vec<&str> = allowed.iter().map(String::as_str).collect();
            let message =
                format!("the service `{service}` is given by default, but not allowed for `{}`", category.name);
            self.find(&place.at(i), message, format!("allowed: {}", listed(&known)));
        }
        let own = |text: &Option<String>, key: &str| text.clone().map(|t| (t, at.key(key)));
        let general = |text: &Option<String>, key: &str| text.clone().map(|t| (t, top.key(key)));
        let quota = own(&category.quota, "quota").or_else(|| general(&rules.quota, "quota"));
        let max = own(&category.max_quota, "max_quota")
            .or_else(|| own(&category.quota, "quota"))
            .or_else(|| general(&rules.max_quota, "max_quota"))
            .or_else(|| general(&rules.quota, "quota"));
        let place = quota.as_ref().map(|(_, p)| p.clone());
        let (quota, max_quota) = (self.quota(quota), self.quota(max));
        if let (Some(quota), Some(max), Some(place)) = (quota, max_quota, place)
            && quota > max
        {
            self.find(&place, "the quota is larger than the largest that may be asked for", "raise `max_quota`");
        }
        Grants { services: services.clone(), allowed: allowed.clone(), quota, max_quota }
    }

    fn quota(&mut self, text: Option<(String, Place)>) -> Option<Quota> {
        let (text, place) = text?;
        let quota = parse_quota(&text);
        if quota.is_none() && !self.findings.iter().any(|f| f.span == Some(self.spans.of(&place))) {
            self.find(
                &place,
                format!("`{text}` is not a size"),
                "expected one like `5GB` or `500MB` (1 GB = 10^9 bytes)",
            );
        }
        quota
    }

    pub(super) fn expiry(&mut self, category: &Category, at: &Place) {
        if category.temporary && category.default_days.is_some() {
            let help = "with `temporary` the request itself must say when the account ends; leave one of them out";
            self.find(&at.key("default_days"), "`default_days` has no effect with `temporary = true`", help);
        }
        let ends = category.temporary || category.default_days.or(self.file.expiry.default_days).is_some();
        if category.max_days.is_some() && !ends {
            let help = "an account without an end would be allowed; write `temporary = true` or `default_days`";
            self.find(&at.key("max_days"), "`max_days` needs an account that ends", help);
        }
        for (key, days) in [("max_days", category.max_days), ("default_days", category.default_days)] {
            self.days(days, &at.key(key));
        }
        let max = category.max_days.or(self.file.expiry.max_days);
        if let (Some(default), Some(max)) = (category.default_days, max)
            && default > max
        {
            self.find(&at.key("default_days"), format!("{default} days are more than `max_days` ({max}) allows"), "");
        }
    }

    pub(super) fn global_expiry(&mut self) {
        let place = Place::default().key("expiry");
        let expiry = &self.file.expiry;
        let ends = expiry.default_days.is_some() || self.file.category.iter().any(|c| c.temporary);
        if expiry.max_days.is_some() && !ends {
            let help = "write `default_days` as well, or `temporary = true` in a category";
            self.find(&place.key("max_days"), "`max_days` needs an account that ends", help);
        }
        if let (Some(default), Some(max)) = (expiry.default_days, expiry.max_days)
            && default > max
        {
            self.find(
                &place.key("default_days"),
                format!("{default} days are more than `max_days` ({max}) allows"),
                "",
            );
        }
        for (key, days) in [("max_days", expiry.max_days), ("default_days", expiry.default_days)] {
            self.days(days, &place.key(key));
        }
    }

    fn days(&mut self, days: Option<u32>, place: &Place) {
        if let Some(days) = days.filter(|d| !(1..=MAX_DAYS).contains(d)) {
            self.find(place, format!("{days} days are out of range"), format!("expected 1 to {MAX_DAYS}"));
        }
    }
}

/// The templates for one name: as written, else those that need no family name, else the given name.
fn or_without_family(single: Vec<Template>, naming: &[Template]) -> Vec<Template> {
    if !single.is_empty() {
        return single;
    }
    let without: Vec<Template> = naming.iter().filter(|t| !t.uses_family()).cloned().collect();
    let given = || Template::parse("{given}").into_iter().collect();
    if without.is_empty() && !naming.is_empty() { given() } else { without }
}

/// Labels of letters, digits and inner hyphens, at least two (RFC 1123 §2.1).
fn is_host_name(text: &str) -> bool {
    let good = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.contains('.') && text.len() <= 253 && text.split('.').all(good)
}

/// `5GB`, `500 MB`, `2TB`; powers of ten.
fn parse_quota(text: &str) -> Option<Quota> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_uppercase().as_str() {
        "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok().filter(|n| *n > 0)?.checked_mul(factor).map(Quota)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_ten() {
        for (text, bytes) in
            [("5GB", Some(5_000_000_000)), ("500 mb", Some(500_000_000)), ("1TB", Some(1_000_000_000_000))]
        {
            assert_eq!(parse_quota(text), bytes.map(Quota), "{text}");
        }
        for text in ["5", "0GB", "GB", "-1GB", "5GiB", "1.5GB", "99999999999999999TB", ""] {
            assert_eq!(parse_quota(text), None, "{text}");
        }
    }

    #[test]
    fn a_host_name_has_good_labels() {
        assert!(is_host_name("uin-malang.ac.id"));
        for text in ["localhost", "a..b", "-a.id", "a_b.id", "a b.id", ".id"] {
            assert!(!is_host_name(text), "{text}");
        }
    }
}
