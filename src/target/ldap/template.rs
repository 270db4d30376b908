//! Templates over an account: text with `{field}`. What they give is a value, never syntax: escaping is `name`'s.

use crate::model::Account;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Seconds from 1601, where Windows begins to count, to 1970.
const WINDOWS_EPOCH: i64 = 11_644_473_600;

/// A template, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    GivenName,
    FamilyName,
    Username,
    Address,
    Local,
    Domain,
    Aliases,
    Category,
    Unit,
    Uid,
    Quota,
    Group,
    EndsAt,
    EndsAtUnix,
    EndsAtDays,
    EndsAtFiletime,
}

const FIELDS: [(&str, Field); 17] = [
    ("name", Field::Name),
    ("given_name", Field::GivenName),
    ("family_name", Field::FamilyName),
    ("username", Field::Username),
    ("address", Field::Address),
    ("local", Field::Local),
    ("domain", Field::Domain),
    ("aliases", Field::Aliases),
    ("category", Field::Category),
    ("unit", Field::Unit),
    ("uid", Field::Uid),
    ("quota", Field::Quota),
    ("group", Field::Group),
    ("ends_at", Field::EndsAt),
    ("ends_at_unix", Field::EndsAtUnix),
    ("ends_at_days", Field::EndsAtDays),
    ("ends_at_filetime", Field::EndsAtFiletime),
];

/// What a template's values are, where that makes them names that only one account may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// A user name.
    User,
    /// An address, or all aliases.
    Address,
}

impl Template {
    /// Reads a template; `{{` and `}}` are braces themselves.
    ///
    /// # Errors
    /// A sentence: a brace without its other half, or a field that there is not.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                literal.push(c);
                rest = after;
            } else if c == '{' {
                let (name, after) = rest
                    .split_at(1)
                    .1
                    .split_once('}')
                    .ok_or_else(|| format!("{text:?} has a brace without its other half"))?;
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(Part::Field(field(name, text)?));
                rest = after;
            } else if c == '}' {
                return Err(format!("{text:?} has a brace without its other half"));
            } else {
                literal.push(c);
                rest = rest.split_at(c.len_utf8()).1;
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// The values for an account: none where it lacks what the template needs or nothing but spaces comes of it; with
    /// `{aliases}` one for each.
    pub fn values(&self, account: &Account) -> Vec<String> {
        let mut values = if self.0.contains(&Part::Field(Field::Aliases)) {
            account.aliases.iter().filter_map(|alias| self.value(account, alias.as_str())).collect()
        } else {
            self.value(account, "").into_iter().collect::<Vec<_>>()
        };
        values.retain(|v| !v.trim().is_empty());
        values
    }

    fn value(&self, account: &Account, alias: &str) -> Option<String> {
        self.0.iter().map(|part| part.text(account, alias)).collect()
    }

    /// Whether its values are names, and nothing beside.
    pub fn names(&self) -> Option<Names> {
        match self.0.as_slice() {
            [Part::Field(Field::Username)] => Some(Names::User),
            [Part::Field(Field::Address | Field::Aliases)] => Some(Names::Address),
            _ => None,
        }
    }

    /// Whether it tells when the account ends.
    pub fn has_end(&self) -> bool {
        let end =
            |f: &Field| matches!(f, Field::EndsAt | Field::EndsAtUnix | Field::EndsAtDays | Field::EndsAtFiletime);
        self.0.iter().any(|part| matches!(part, Part::Field(f) if end(f)))
    }

    /// Whether it gives each account a value of its own.
    pub fn tells_apart(&self) -> bool {
        let own = |f: &Field| matches!(f, Field::Username | Field::Address | Field::Uid | Field::Name | Field::Local);
        self.0.iter().any(|part| matches!(part, Part::Field(f) if own(f)))
    }
}

fn field(name: &str, text: &str) -> Result<Field, String> {
    FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field).ok_or_else(|| {
        let known: Vec<String> = FIELDS.iter().map(|(known, _)| format!("{{{known}}}")).collect();
        format!("{text:?} has {{{name}}}; known are {}", known.join(", "))
    })
}

impl Part {
    /// None: the account has no such thing.
    fn text(&self, account: &Account, alias: &str) -> Option<String> {
        let field = match self {
            Self::Text(text) => return Some(text.clone()),
            Self::Field(field) => field,
        };
        let address = account.address.as_ref();
        Some(match field {
            Field::Name => account.name.clone(),
            Field::GivenName => account.given_name.clone(),
            Field::FamilyName => account.family_name.clone(),
            Field::Username => account.username.to_string(),
            Field::Address => address?.to_string(),
            Field::Local => address?.local().to_owned(),
            Field::Domain => address?.domain().to_owned(),
            Field::Aliases => alias.to_owned(),
            Field::Category => account.category.clone(),
            Field::Unit => account.unit.clone(),
            Field::Uid => account.uid.to_string(),
            Field::Quota => account.quota?.0.to_string(),
            Field::Group => account.group.clone()?,
            Field::EndsAt => generalized(account.ends_at?),
            Field::EndsAtUnix => account.ends_at?.as_second().to_string(),
            Field::EndsAtDays => account.ends_at?.as_second().div_euclid(86_400).to_string(),
            Field::EndsAtFiletime => match account.ends_at {
                Some(end) => end.as_second().checked_add(WINDOWS_EPOCH)?.checked_mul(10_000_000)?.to_string(),
                // `accountExpires` cannot be taken away; this is how it says never ([MS-ADA1] 2.1).
                None => i64::MAX.to_string(),
            },
        })
    }
}

/// GeneralizedTime (RFC 4517 §3.3.13).
pub fn generalized(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%SZ").to_string()
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
