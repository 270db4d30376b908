//! What notices and letters both say.

use crate::journal::NoticeFacts;
use crate::model::{Account, role_text};
use jiff::ToSpan;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// The last day on which the account is valid, in the procedure's zone.
pub fn last_day(account: &Account, facts: &NoticeFacts) -> Option<jiff::civil::Date> {
    let zone = facts.texts.get(crate::model::verdict::TIME_ZONE).and_then(|name| TimeZone::get(name).ok());
    let last = account.ends_at?.checked_sub(1.second()).ok()?;
    Some(last.to_zoned(zone.unwrap_or(TimeZone::UTC)).date())
}

/// What roles are called, for people.
pub fn titles(roles: &[String], texts: &BTreeMap<String, String>) -> Vec<String> {
    roles.iter().map(|role| texts.get(&role_text(role, "title")).unwrap_or(role).clone()).collect()
}
