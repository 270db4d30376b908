//! The naming rule: from a person or unit to local parts and user names, in the order in which they are tried.

use super::rules::{PersonRules, SingleName};
use super::template::Template;
use crate::model::Person;
use regex::{Regex, RegexSet};
use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Most candidates for one name. Twice this many names at most are looked up for one request.
pub const MAX_CANDIDATES: usize = 12;

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

/// Names that nobody may have.
#[derive(Debug, Default)]
pub struct Reserved {
    /// Whole names.
    pub names: BTreeSet<String>,
    /// Patterns of whole names.
    pub patterns: RegexSet,
}

impl Reserved {
    /// Whether a local part or user name is reserved for a category with these exceptions.
    pub fn holds(&self, name: &str, exceptions: &[String]) -> bool {
        (self.names.contains(name) || self.patterns.is_match(name)) && !exceptions.iter().any(|e| e == name)
    }
}

/// How a local part or a user name is made and what it may look like; for one category.
#[derive(Debug, Clone)]
pub struct NameRule {
    /// Tried in order.
    pub naming: Vec<Template>,
    /// The same for people with one name.
    pub single_naming: Vec<Template>,
    /// A wish must be one that the templates give.
    pub must_follow: bool,
    /// What the whole name must match.
    pub pattern: Regex,
    /// Longest name, in characters (ASCII).
    pub max_length: usize,
    /// Whether numbers are added.
    pub numbering: bool,
}

impl NameRule {
    /// Whether a name has the right form and length.
    pub fn fits(&self, name: &str) -> bool {
        name.len() <= self.max_length && self.pattern.is_match(name)
    }

    /// The names that the templates give, without numbers, in order.
    pub fn bases(&self, parts: &Parts) -> Vec<String> {
        let templates = if parts.family.is_none() { &self.single_naming } else { &self.naming };
        let mut bases: Vec<String> = Vec::with_capacity(templates.len());
        for base in templates.iter().filter_map(|t| t.expand(parts)) {
            let base = shortened(&base, self.max_length).to_owned();
            if self.fits(&base) && !bases.contains(&base) && bases.len() < MAX_CANDIDATES {
                bases.push(base);
            }
        }
        bases
    }

    /// Whether a wish is one of the bases, or one with a number behind it.
    pub fn follows(&self, wish: &str, bases: &[String]) -> bool {
        let stem = wish.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-');
        bases.iter().any(|b| b == wish || (self.numbering && b == stem))
    }

    /// What is tried, in order, at most [`MAX_CANDIDATES`]: the wish, what the templates give, then numbered ones.
    /// Everything but the wish itself fits the rule and is not refused by `free_to_use`.
    pub fn candidates(&self, parts: &Parts, wish: Option<&str>, free_to_use: impl Fn(&str) -> bool) -> Vec<String> {
        let bases = self.bases(parts);
        let mut found = Vec::with_capacity(MAX_CANDIDATES);
        found.extend(wish.map(str::to_owned));
        for base in &bases {
            if free_to_use(base) {
                push_new(&mut found, base.clone());
            }
        }
        let stem_of_wish = wish.filter(|w| self.fits(w) && (!self.must_follow || self.follows(w, &bases)));
        let stems: Vec<&str> = stem_of_wish.into_iter().chain(bases.first().map(String::as_str)).collect();
        if self.numbering && !stems.is_empty() {
            for (n, stem) in (2..=MAX_CANDIDATES).flat_map(|n| stems.iter().map(move |s| (n, s))) {
                let name = numbered(stem, n, self.max_length);
                if self.fits(&name) && free_to_use(&name) {
                    push_new(&mut found, name);
                }
            }
        }
        found.truncate(MAX_CANDIDATES);
        found
    }
}

fn push_new(list: &mut Vec<String>, name: String) {
    if list.len() < MAX_CANDIDATES && !list.contains(&name) {
        list.push(name);
    }
}

/// At most `max` characters, not ending in a separator. Takes ASCII.
fn shortened(name: &str, max: usize) -> &str {
    name.get(..max).unwrap_or(name).trim_end_matches(['.', '-', '_'])
}

/// The name with a number; with a hyphen between where it ends in a digit already.
fn numbered(stem: &str, n: usize, max: usize) -> String {
    let hyphen = if stem.ends_with(|c: char| c.is_ascii_digit()) { "-" } else { "" };
    let tail = format!("{hyphen}{n}");
    format!("{}{tail}", shortened(stem, max.saturating_sub(tail.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn person(name: &str) -> Person {
        Person { name: name.into(), ..Person::default() }
    }

    fn rule(naming: &[&str], single: &[&str]) -> NameRule {
        let parse = |list: &[&str]| list.iter().map(|t| Template::parse(t).unwrap()).collect::<Vec<_>>();
        NameRule {
            naming: parse(naming),
            single_naming: parse(single),
            must_follow: false,
            pattern: Regex::new("^(?:[a-z0-9]+([._-][a-z0-9]+)*)$").unwrap(),
            max_length: 20,
            numbering: true,
        }
    }

    fn candidates(name: &str, wish: Option<&str>) -> Vec<String> {
        let rule = rule(&["{given}.{family}", "{initial}{family}"], &["{given}"]);
        rule.candidates(&Parts::of(&person(name), None, &PersonRules::default()), wish, |_| true)
    }

    #[test]
    fn a_name_gives_the_templates_first_and_numbers_after() {
        let found = candidates("Budi Santoso", None);
        assert_eq!(&found[..4], ["budi.santoso", "bsantoso", "budi.santoso2", "budi.santoso3"]);
        assert_eq!(found.len(), MAX_CANDIDATES);
    }

    #[test]
    fn a_wish_comes_first_and_is_numbered_too() {
        let found = candidates("Budi Santoso", Some("budi"));
        assert_eq!(&found[..5], ["budi", "budi.santoso", "bsantoso", "budi2", "budi.santoso2"]);
    }

    #[test]
    fn one_name_uses_its_own_templates() {
        assert_eq!(candidates("Sukarno", None)[0], "sukarno");
    }

    #[test]
    fn titles_are_no_part_of_an_address() {
        for name in ["Prof. Dr. Ir. Budi Santoso, M.Kom., Ph.D", "Prof.Dr.Budi Santoso", "H. Budi Wahyu Santoso, S.T"] {
            assert_eq!(candidates(name, None)[0], "budi.santoso", "{name}");
        }
        // A title alone is a name.
        assert_eq!(candidates("Dr.", None)[0], "dr");
        assert_eq!(candidates("Ir Haji", None)[0], "haji");
    }

    #[test]
    fn accents_are_taken_off_and_other_scripts_left_out() {
        let cases = [
            ("José Muñoz", "jose.munoz"),
            ("Łukasz Groß", "lukasz.gross"),
            ("D'Angelo Al-Farabi", "dangelo.alfarabi"),
            ("Søren Ångström", "soren.angstrom"),
        ];
        for (name, expected) in cases {
            assert_eq!(candidates(name, None)[0], expected, "{name}");
        }
        assert!(candidates("Владимир Ленин", None).is_empty());
    }

    #[test]
    fn long_names_are_shortened_and_keep_their_number() {
        let found = candidates("Abdurrahmanwahidin Kusumaningratnegara", None);
        assert_eq!(found[0], "abdurrahmanwahidin.k");
        assert!(found.contains(&"abdurrahmanwahidin2".to_owned()), "{found:?}");
        assert!(found.iter().all(|n| n.len() <= 20));
    }

    #[test]
    fn a_number_behind_a_digit_has_a_hyphen() {
        assert_eq!(numbered("lab1", 2, 64), "lab1-2");
        assert_eq!(numbered("lab", 2, 64), "lab2");
    }

    #[test]
    fn only_what_the_templates_give_follows_the_rule() {
        let rule = rule(&["{given}.{family}"], &["{given}"]);
        let bases = rule.bases(&Parts::of(&person("Budi Santoso"), None, &PersonRules::default()));
        assert!(rule.follows("budi.santoso", &bases));
        assert!(rule.follows("budi.santoso7", &bases));
        assert!(!rule.follows("boss", &bases));
        assert!(!rule.follows("budi.santoso.boss", &bases));
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
        fn candidates_are_bounded_distinct_and_fit_the_rule(name in "\\PC{0,40}", wish in proptest::option::of("[a-z]{1,9}")) {
            let rule = rule(&["{given}.{family}", "{name}", "{initials}"], &["{given}"]);
            let found = rule.candidates(&Parts::of(&person(&name), None, &PersonRules::default()), wish.as_deref(), |_| true);
            prop_assert!(found.len() <= MAX_CANDIDATES);
            let mut distinct = found.clone();
            distinct.sort();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), found.len());
            prop_assert!(found.iter().all(|n| rule.fits(n)), "{:?}", found);
        }

        #[test]
        fn full_names_never_panic_and_keep_what_was_given(name in "\\PC{0,30}", given in "\\PC{0,10}", family in "\\PC{0,10}") {
            let person = Person { given_name: given, family_name: family, ..person(&name) };
            let full = full_name(&person, &PersonRules::default());
            prop_assert!(!full.given.is_empty() || name.trim().is_empty());
        }
    }
}
