//! Mail addresses, domains and user names, normalised. A value of these types has passed every rule on this page,
//! also when it comes out of the journal: `Deserialize` validates.

use super::letters::{self, Invalid};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use unicode_security::{GeneralSecurityProfile, MixedScript};

/// A domain name: lower-case ASCII (A-labels, UTS 46 with STD3 rules), at least two labels of at most 63 octets, at
/// most 253 in all, no trailing dot, no IP address. A label's letters are of one script, and no label in another
/// script looks like one in ASCII (UTS 39).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Domain(String);

/// A mail address: ASCII, lower case, `local@domain` (RFC 5321 §4.1.2 dot-string form), at most 254 octets, of which
/// 64 before the `@` (RFC 5321 §4.5.3.1). Before the `@` only `a`–`z`, digits and `. _ + - ' =`, beginning with a
/// letter, digit or `_`: what else RFC 5322 allows means something to shells, paths, maps or mail routing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Address(String);

/// A user name: lower-case ASCII letters, digits, `.`, `-`, `_`; begins with a letter or digit; 1 to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Username(String);

impl Address {
    /// The part before the `@`.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or(self.0.as_str(), |(l, _)| l)
    }
    /// The part behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, d)| d)
    }
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// For logs: the first character of the local part, and the domain (`h…@example.org`).
    pub fn masked(&self) -> String {
        let first: String = self.local().chars().take(1).collect();
        format!("{first}…@{}", self.domain())
    }
}

impl Domain {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Username {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a good address looks like, for messages.
const LIKE: &str = "an address like name@example.org";
/// Longer input is refused before it is looked at.
const LONGEST: usize = 1000;

impl Address {
    /// Trims, normalises (NFC, lower case, A-labels) and checks; see the type for the rules.
    pub fn read(text: &str) -> Result<Self, Invalid> {
        let refuse = |expected: String| Invalid::new(text, expected);
        let clean = visible(text, LIKE).map_err(refuse)?;
        let (local, domain) = match clean.split_once('@') {
            None => return Err(refuse(LIKE.into())),
            Some((_, d)) if d.contains('@') => return Err(refuse(format!("{LIKE}, with one @ only"))),
            Some((l, d)) => (l.to_ascii_lowercase(), d),
        };
        check_local(&local).map_err(refuse)?;
        let domain = domain_of(domain).map_err(|e| refuse(format!("{e} after the @")))?;
        if local.len() + 1 + domain.len() > 254 {
            return Err(refuse("an address of at most 254 characters".into()));
        }
        Ok(Self(format!("{local}@{domain}")))
    }
}

impl Domain {
    /// Trims, normalises and checks; see the type for the rules.
    pub fn read(text: &str) -> Result<Self, Invalid> {
        let like = "a domain name like example.org";
        visible(text, like).and_then(|clean| domain_of(&clean)).map(Self).map_err(|e| Invalid::new(text, e))
    }
}

impl Username {
    /// Trims, lower-cases and checks; see the type for the rules.
    pub fn read(text: &str) -> Result<Self, Invalid> {
        let refuse = |expected: String| Invalid::new(text, expected);
        let clean = visible(text, "a user name").map_err(refuse)?.to_ascii_lowercase();
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
        if let Some((at, c)) = clean.chars().enumerate().find(|(_, c)| !allowed(*c)) {
            let at = letters::point_at(at, c);
            return Err(refuse(format!("a user name of the letters a to z, digits and . - _ only; {at}")));
        }
        if !clean.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(refuse("a user name that begins with a letter or digit".into()));
        }
        if clean.len() > 64 {
            return Err(refuse(format!("a user name of at most 64 characters (this has {})", clean.len())));
        }
        Ok(Self(clean))
    }
}

/// Trimmed and in NFC, if it is not empty and hides nothing. The error is what was expected.
fn visible(text: &str, like: &str) -> Result<String, String> {
    if text.len() > LONGEST {
        return Err(like.into());
    }
    let clean = letters::nfc(text.trim());
    if clean.is_empty() {
        return Err(like.into());
    }
    match clean.chars().enumerate().find(|(_, c)| letters::hidden(*c).is_some() || letters::joiner(*c)) {
        Some((at, c)) => Err(format!("{like}, without hidden characters; {}", letters::point_at(at, c))),
        None => Ok(clean),
    }
}

/// The part before the `@`, in lower case.
fn check_local(local: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._+-'=".contains(c);
    if local.is_empty() {
        return Err(format!("{LIKE}, with something before the @"));
    }
    if let Some((at, c)) = local.chars().enumerate().find(|(_, c)| !allowed(*c)) {
        let at = letters::point_at(at, c);
        return Err(format!("only the letters a to z, digits and . _ + - ' = before the @; {at}"));
    }
    if local.len() > 64 {
        return Err(format!("at most 64 characters before the @ (this has {})", local.len()));
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err("no dot at the beginning or end of the part before the @, and no two dots in a row".into());
    }
    if !local.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        return Err("an address that begins with a letter, a digit or _".into());
    }
    Ok(())
}

/// The A-label form of a domain that [`visible`] has passed.
fn domain_of(text: &str) -> Result<String, String> {
    if is_plain(text) { Ok(text.to_owned()) } else { normalised(text) }
}

/// Whether a domain is written in its A-label form already, with nothing in it that needs a closer look. Every name that comes out of
/// the journal is read again, and nearly every one is plain.
fn is_plain(text: &str) -> bool {
    let plain = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
            && bytes.get(2..4) != Some(b"--")
    };
    let last = text.rsplit_once('.').map(|(_, last)| last);
    text.len() <= 253
        && last.is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()))
        && text.split('.').all(plain)
}

/// The A-label form of any domain that may have one.
fn normalised(text: &str) -> Result<String, String> {
    if text.starts_with('[') || text.parse::<IpAddr>().is_ok() {
        return Err("a domain name like example.org, not an IP address,".into());
    }
    let ascii = idna::domain_to_ascii_strict(text).map_err(|_| why_not_idna(text))?;
    let labels: Vec<&str> = ascii.split('.').collect();
    if labels.len() < 2 {
        return Err("a full domain name like example.org".into());
    }
    if labels.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
        return Err("a domain name like example.org, not an IP address,".into());
    }
    if labels.iter().any(|l| l.starts_with("xn--")) {
        let (unicode, _) = idna::domain_to_unicode(&ascii);
        unicode.split('.').filter(|l| !l.is_ascii()).try_for_each(check_label)?;
    }
    Ok(ascii)
}

/// UTS 46 processing says only that it failed; this says which of its rules, where a person can see it.
fn why_not_idna(text: &str) -> String {
    let like = "a domain name like example.org";
    let odd = |c: &char| c.is_ascii() && !c.is_ascii_alphanumeric() && !".-".contains(*c);
    if let Some((at, c)) = text.chars().enumerate().find(|(_, c)| odd(c)) {
        return format!("{like} of letters, digits and hyphens; {}", letters::point_at(at, c));
    }
    if text.ends_with('.') {
        return format!("{like} without a dot at the end");
    }
    if text.split('.').any(str::is_empty) {
        return format!("{like} with something between its dots");
    }
    if let Some(label) = text.split('.').find(|l| l.is_ascii() && l.len() > 63) {
        return format!("{like} with at most 63 characters between dots (one has {})", label.len());
    }
    if text.is_ascii() && text.len() > 253 {
        return format!("{like} of at most 253 characters (this has {})", text.len());
    }
    if text.split('.').any(|l| l.starts_with('-') || l.ends_with('-')) {
        return format!("{like} without a hyphen at either end of a part");
    }
    format!("{like}; this breaks the rules for internationalised names (UTS 46)")
}

/// A label in its Unicode form: of one script, of ordinary letters, and no twin of an ASCII label.
fn check_label(label: &str) -> Result<(), String> {
    let foreign = label.chars().enumerate().find(|(_, c)| !c.is_ascii());
    let which = foreign.map(|(at, c)| letters::point_at(at, c)).unwrap_or_default();
    let label_quoted = letters::quoted(label);
    if !label.is_single_script() {
        return Err(format!(
            "letters of one script in each part of the domain; {label_quoted} mixes scripts: its {which},"
        ));
    }
    if let Some((at, c)) = label.chars().enumerate().find(|(_, c)| *c != '-' && !c.identifier_allowed()) {
        return Err(format!("letters that are in everyday use; in {label_quoted} {},", letters::point_at(at, c)));
    }
    let skeleton: String = unicode_security::skeleton(label).collect();
    if skeleton.is_ascii() {
        return Err(format!(
            "a domain that cannot be mistaken; {label_quoted} looks like \"{skeleton}\": its {which},"
        ));
    }
    Ok(())
}

macro_rules! checked_text {
    ($($type:ident),*) => {$(
        impl FromStr for $type {
            type Err = String;
            /// The error reads `found "…", expected …`.
            fn from_str(text: &str) -> Result<Self, String> {
                Self::read(text).map_err(|e| e.to_string())
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
                Self::read(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}
checked_text!(Address, Domain, Username);

#[cfg(test)]
mod tests;
