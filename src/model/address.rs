//! Mail addresses, domains and user names, normalised.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A domain name: lower-case ASCII (A-labels), no trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Domain(String);

/// A mail address: ASCII, lower case, `local@domain` (RFC 5321 §4.1.2 dot-string form, at most 64 + 1 + 189 octets).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

/// A user name: lower-case ASCII letters, digits, `.`, `-`, `_`; begins with a letter or digit; 1 to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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

// --- to be widened by the record work package: full rules, good sentences ---

impl std::str::FromStr for Domain {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("expected a domain name".into());
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}
impl std::str::FromStr for Address {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once('@') {
            Some((l, d)) if !l.is_empty() && !d.is_empty() => Ok(Self(text.to_ascii_lowercase())),
            _ => Err("expected an address like name@example.org".into()),
        }
    }
}
impl std::str::FromStr for Username {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("expected a user name".into());
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}
