//! The parts of a person's or unit's name, from which names are made.

use super::rules::{PersonRules, SingleName};
use crate::model::Person;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Given and family name, as a target gets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullName {
    /// Never empty where the name is not.
    pub given: String,
    /// By the single-name rule where there is one name only.
    pub family: String,
}

/// What placeholders stand for: ASCII lower-case words.
#[derive(Debug, Default)]
pub struct Parts {
    /// First word of the given name.
    pub given: String,
    /// Last word of the family name; none for people with one name.
    pub family: Option<String>,
    /// All words of the name without titles.
    pub words: Vec<String>,
    /// The words of the unit.
    pub unit: Vec<String>,
    /// NIM, NIP or unit code.
    pub identifier: String,
    /// The wanted user name.
    pub username: String,
}

impl Parts {
    /// The parts of a person's (or unit's) record.
    pub fn of(person: &Person, username: Option<&str>, rules: &PersonRules) -> Self {
        let words = name_words(&person.name, rules);
        let given = name_words(&person.given_name, rules);
        let family = name_words(&person.family_name, rules);
        let single = words.len() <= 1 && family.is_empty();
        let last = family.last().or(words.last()).cloned();
        Self {
            given: given.first().or(words.first()).cloned().unwrap_or_default(),
            family: if single { None } else { last },
            words: if words.is_empty() { given.into_iter().chain(family).collect() } else { words },
            unit: slug_words(&person.unit, |c| !c.is_alphanumeric()),
            identifier: ascii(&person.identifier),
            username: username.unwrap_or_default().to_owned(),
        }
    }
}

/// Given and family name: as the record has them, else split at the last word, titles left out.
pub fn full_name(person: &Person, rules: &PersonRules) -> FullName {
    let (given, family) = (person.given_name.trim(), person.family_name.trim());
    let bare = without_titles(&person.name, rules);
    let bare = if bare.is_empty() { person.name.trim() } else { bare };
    let (given, family) = match (given.is_empty(), family.is_empty()) {
        (false, false) => (given, family),
        (false, true) => (given, bare.strip_prefix(given).map_or("", str::trim)),
        (true, false) => (bare.strip_suffix(family).map(str::trim).filter(|g| !g.is_empty()).unwrap_or(bare), family),
        (true, true) => bare.rsplit_once(char::is_whitespace).map_or((bare, ""), |(g, f)| (g.trim_end(), f)),
    };
    let family = match (family.is_empty(), rules.single_name) {
        (false, _) => family,
        (true, SingleName::Repeat) => given,
        (true, SingleName::Dash) => "-",
        (true, SingleName::GivenOnly) => "",
    };
    FullName { given: given.to_owned(), family: family.to_owned() }
}

/// The name without leading titles and without what follows a comma.
fn without_titles<'n>(name: &'n str, rules: &PersonRules) -> &'n str {
    let mut rest = name.split(',').next().unwrap_or(name).trim();
    loop {
        let end = rest.find(|c: char| c.is_whitespace() || c == '.').unwrap_or(rest.len());
        let (first, behind) = rest.split_at(end);
        let behind = behind.trim_start_matches(|c: char| c.is_whitespace() || c == '.');
        if behind.is_empty() || !rules.titles.iter().any(|t| t.trim_end_matches('.').eq_ignore_ascii_case(first)) {
            return rest;
        }
        rest = behind;
    }
}

fn name_words(name: &str, rules: &PersonRules) -> Vec<String> {
    slug_words(without_titles(name, rules), |c| c.is_whitespace() || c == '.')
}

fn slug_words(text: &str, split: impl Fn(char) -> bool) -> Vec<String> {
    text.split(split).map(ascii).filter(|w| !w.is_empty()).collect()
}

/// ASCII lower-case letters and digits only: accents are taken off, letters of other scripts left out.
pub fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)) {
        match c {
            'a'..='z' | '0'..='9' => plain.push(c),
            'A'..='Z' => plain.push(c.to_ascii_lowercase()),
            _ => plain.push_str(spelled(c)),
        }
    }
    plain
}

/// Latin letters that no normal form takes apart, as they are usually spelled in ASCII.
fn spelled(c: char) -> &'static str {
    match c {
        'ß' | 'ẞ' => "ss",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'ø' | 'Ø' => "o",
        'đ' | 'Đ' | 'ð' | 'Ð' => "d",
        'þ' | 'Þ' => "th",
        'ł' | 'Ł' => "l",
        'ı' => "i",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn person(name: &str) -> Person {
        Person { name: name.into(), ..Person::default() }
    }

    #[test]
    fn given_and_family_names_follow_the_single_name_rule() {
        let full = |name: &str, given: &str, family: &str, single_name| {
            let rules = PersonRules { single_name, ..PersonRules::default() };
            let person = Person { given_name: given.into(), family_name: family.into(), ..person(name) };
            let full = full_name(&person, &rules);
            (full.given, full.family)
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(full("Sukarno", "", "", SingleName::Repeat), pair("Sukarno", "Sukarno"));
        assert_eq!(full("Sukarno", "", "", SingleName::Dash), pair("Sukarno", "-"));
        assert_eq!(full("Sukarno", "", "", SingleName::GivenOnly), pair("Sukarno", ""));
        assert_eq!(full("Dr. Siti Nur Aini, M.Si", "", "", SingleName::Repeat), pair("Siti Nur", "Aini"));
        assert_eq!(full("Siti Nur Aini", "Siti", "", SingleName::Repeat), pair("Siti", "Nur Aini"));
        assert_eq!(full("Siti Nur Aini", "", "Aini", SingleName::Repeat), pair("Siti Nur", "Aini"));
        assert_eq!(full("Aini", "", "Aini", SingleName::Repeat), pair("Aini", "Aini"));
        assert_eq!(full("Siti", "Siti", "", SingleName::Repeat), pair("Siti", "Siti"));
    }

    proptest! {
        #[test]
        fn full_names_never_panic_and_keep_what_was_given(name in "\\PC{0,30}", given in "\\PC{0,10}", family in "\\PC{0,10}") {
            let person = Person { given_name: given, family_name: family, ..person(&name) };
            let full = full_name(&person, &PersonRules::default());
            prop_assert!(!full.given.is_empty() || name.trim().is_empty());
        }
    }
}
