//! Phone numbers in E.164.

use super::letters::{self, Invalid};
use phonenumber::{Mode, country};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::panic;

/// A phone number in E.164: `+` and 8 to 15 digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Phone(String);

/// Longer input is refused before it is looked at.
const LONGEST: usize = 60;

impl Phone {
    /// Parses a number; one without a country code is read as of `country` (ISO 3166-1 alpha-2, "ID").
    /// The error reads `found "…", expected …`.
    pub fn parse(text: &str, country: &str) -> Result<Self, String> {
        Self::read(text, country).map_err(|e| e.to_string())
    }

    /// Like [`Phone::parse`], with the error in its two parts.
    ///
    /// Spaces, hyphens, dots, slashes and parentheses are skipped. The number must be possible in its country by
    /// the numbering plan's lengths and prefixes (libphonenumber's metadata).
    pub fn read(text: &str, country: &str) -> Result<Self, Invalid> {
        let like =
            if country.eq_ignore_ascii_case("ID") { "+6281234567890 or 0812-3456-7890" } else { "+6281234567890" };
        let refuse = |more: String| Invalid::new(text, format!("a phone number like {like}{more}"));
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.len() > LONGEST {
            return Err(refuse(String::new()));
        }
        if scientific(trimmed) {
            return Err(Invalid::new(text, scientific_expected("a phone number")));
        }
        let digits = dialled(trimmed).map_err(|more| refuse(format!("; {more}")))?;
        // The library has panicked on input before (RUSTSEC-2024-0369); a clerk's typing error must not stop the
        // daemon.
        let e164 = panic::catch_unwind(|| e164(&digits, country)).unwrap_or(None);
        match e164 {
            Some(number) if well_formed(&number) => Ok(Self(number)),
            _ => Err(refuse(format!(" that exists in its country's numbering plan (without +, country {country})"))),
        }
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

/// Whether a spreadsheet has turned a long number into a rounded one: `1.98501E+17`, `6,28E+12`.
pub fn scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let rounded = mantissa.contains(['.', ',']) || exponent.starts_with(['+', '-']);
    rounded && digits(&mantissa.replacen(['.', ','], "", 1)) && digits(exponent.trim_start_matches(['+', '-']))
}

/// What to say about [`scientific`] values; `what` is "a phone number", "an identifier".
pub fn scientific_expected(what: &str) -> String {
    format!("{what} with all its digits; the spreadsheet has rounded it: format the column as text and type it again")
}

/// Digits with an optional leading `+`; everything that people put between them is dropped.
fn dialled(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        match c {
            '0'..='9' => out.push(c),
            '+' if out.is_empty() => out.push(c),
            '-' | '.' | '/' | '(' | ')' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
            c if c.is_whitespace() && letters::hidden(c).is_none() => {}
            c => return Err(letters::point_at(at, c)),
        }
    }
    Ok(out)
}

fn e164(digits: &str, country: &str) -> Option<String> {
    let id: country::Id = country.to_ascii_uppercase().parse().ok()?;
    let number = phonenumber::parse(Some(id), digits).ok()?;
    number.is_valid().then(|| number.format().mode(Mode::E164).to_string())
}

fn well_formed(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

impl<'de> Deserialize<'de> for Phone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if well_formed(&text) {
            return Ok(Self(text));
        }
        let invalid = Invalid::new(&text, "a phone number in E.164: + and 8 to 15 digits");
        Err(serde::de::Error::custom(invalid))
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_as_people_write_them_become_e164() {
        for (text, country, wanted) in [
            ("081234567890", "ID", "+6281234567890"),
            ("0812-3456-7890", "ID", "+6281234567890"),
            ("0812.3456.7890", "ID", "+6281234567890"),
            (" (0812) 3456 7890 ", "ID", "+6281234567890"),
            ("+62 812\u{a0}3456\u{2013}7890", "ID", "+6281234567890"),
            ("+62 (0)812 3456 7890", "ID", "+6281234567890"),
            ("6281234567890", "ID", "+6281234567890"),
            ("81234567890", "ID", "+6281234567890"),
            ("+6281234567890", "DE", "+6281234567890"),
            ("(0341) 551354", "ID", "+62341551354"),
            ("+1 202 456 1111", "ID", "+12024561111"),
            ("030 901820", "de", "+4930901820"),
        ] {
            assert_eq!(Phone::parse(text, country).as_ref().map(Phone::as_str), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused_with_the_reason() {
        for (text, said) in [
            ("", "a phone number like +6281234567890"),
            ("6.28123E+12", "format the column as text"),
            ("6,28123e+12", "format the column as text"),
            ("0812 CALL", "character 6 is \"C\""),
            ("0812345678О0", "(U+041E, Cyrillic), which looks like \"o\""),
            ("\u{202A}+6281234567890", "U+202A, a character that turns the direction"),
            ("0812 3456 7890 ext 5", "character 16 is \"e\""),
            ("+62812+345", "character 7 is \"+\""),
            ("0812", "numbering plan"),
            ("+999123456789", "numbering plan"),
            ("+6281234567890123456789", "numbering plan"),
        ] {
            let error = Phone::parse(text, "ID").unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(Phone::parse("081234567890", "ZZ").is_err());
        assert!(Phone::parse("081234567890", "").is_err());
    }

    #[test]
    fn the_journal_gives_back_only_well_formed_numbers() {
        let phone = Phone::parse("081234567890", "ID").unwrap();
        let json = serde_json::to_string(&phone).unwrap();
        assert_eq!(serde_json::from_str::<Phone>(&json).unwrap(), phone);
        for bad in ["\"0812\"", "\"+62 812\"", "\"+0812345678\"", "\"+\"", "\"\"", "5"] {
            assert!(serde_json::from_str::<Phone>(bad).is_err(), "{bad}");
        }
        assert_eq!(phone.masked(), "+62…90");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}", digits in "[+0-9 ().;=a-z-]{0,40}") {
            for t in [text, digits] {
                if let Ok(phone) = Phone::read(&t, "ID") {
                    prop_assert!(well_formed(phone.as_str()));
                    prop_assert_eq!(Phone::read(phone.as_str(), "ID").unwrap(), phone);
                }
            }
        }
    }
}
