//! The naming rule: from a person or unit to local parts and user names, in the order in which they are tried.

use super::parts::Parts;
use super::template::Template;
use regex::{Regex, RegexSet};
use std::collections::BTreeSet;

/// Most candidates for one name. Twice this many names at most are looked up for one request.
pub const MAX_CANDIDATES: usize = 12;

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
    use crate::model::Person;
    use crate::procedure::rules::PersonRules;
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
    }
}
