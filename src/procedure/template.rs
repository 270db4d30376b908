//! Templates of the naming rule: `{given}.{family}`.

use super::parts::Parts;

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Placeholder(Placeholder),
}

/// What may stand in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    Given,
    Family,
    Initial,
    FamilyInitial,
    Name,
    Initials,
    Unit,
    UnitInitials,
    Identifier,
    Username,
}

/// The words that may stand in braces, for messages.
const PLACEHOLDERS: [(&str, Placeholder); 10] = [
    ("given", Placeholder::Given),
    ("family", Placeholder::Family),
    ("initial", Placeholder::Initial),
    ("family_initial", Placeholder::FamilyInitial),
    ("name", Placeholder::Name),
    ("initials", Placeholder::Initials),
    ("unit", Placeholder::Unit),
    ("unit_initials", Placeholder::UnitInitials),
    ("identifier", Placeholder::Identifier),
    ("username", Placeholder::Username),
];

/// Why a template cannot be read: what was found, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// What was found.
    pub message: String,
    /// What was expected.
    pub help: String,
}

impl Template {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (literal, behind) = rest.split_at(open);
            push_literal(&mut pieces, literal, text)?;
            let Some((word, after)) = behind.strip_prefix('{').and_then(|b| b.split_once('}')) else {
                return Err(TemplateError {
                    message: format!("`{text}` has a brace without its partner"),
                    help: "expected a placeholder in braces, like `{given}`".into(),
                });
            };
            pieces.push(Piece::Placeholder(placeholder(word)?));
            rest = after;
        }
        push_literal(&mut pieces, rest, text)?;
        if pieces.is_empty() {
            return Err(TemplateError { message: "the template is empty".into(), help: expected() });
        }
        Ok(Self(pieces))
    }

    /// Whether it needs a family name.
    pub fn uses_family(&self) -> bool {
        let family = [Placeholder::Family, Placeholder::FamilyInitial].map(Piece::Placeholder);
        self.0.iter().any(|p| family.contains(p))
    }

    /// The name it gives; none where a placeholder stands for nothing.
    pub fn expand(&self, parts: &Parts) -> Option<String> {
        let mut name = String::with_capacity(32);
        for piece in &self.0 {
            let before = name.len();
            match piece {
                Piece::Literal(text) => name.push_str(text),
                Piece::Placeholder(p) => p.put(parts, &mut name),
            }
            if name.len() == before {
                return None;
            }
        }
        Some(name)
    }
}

impl Placeholder {
    fn put(self, parts: &Parts, name: &mut String) {
        let family = parts.family.as_deref().unwrap_or_default();
        match self {
            Self::Given => name.push_str(&parts.given),
            Self::Family => name.push_str(family),
            Self::Initial => name.extend(parts.given.chars().take(1)),
            Self::FamilyInitial => name.extend(family.chars().take(1)),
            Self::Name => name.push_str(&parts.words.join(".")),
            Self::Initials => name.extend(parts.words.iter().filter_map(|w| w.chars().next())),
            Self::Unit => name.push_str(&parts.unit.join("-")),
            Self::UnitInitials => name.extend(parts.unit.iter().filter_map(|w| w.chars().next())),
            Self::Identifier => name.push_str(&parts.identifier),
            Self::Username => name.push_str(&parts.username),
        }
    }
}

fn push_literal(pieces: &mut Vec<Piece>, literal: &str, text: &str) -> Result<(), TemplateError> {
    if let Some(odd) = literal.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '-' | '_')) {
        return Err(TemplateError {
            message: format!("`{text}` has `{odd}` between its placeholders"),
            help: "expected lower-case letters, digits, `.`, `-` or `_`".into(),
        });
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.to_owned()));
    }
    Ok(())
}

fn placeholder(word: &str) -> Result<Placeholder, TemplateError> {
    PLACEHOLDERS.iter().find(|(known, _)| *known == word).map(|(_, p)| *p).ok_or_else(|| TemplateError {
        message: format!("unknown placeholder `{{{word}}}`"),
        help: format!("{}{}", super::shape::suggestion(word, PLACEHOLDERS.iter().map(|(k, _)| *k)), expected()),
    })
}

fn expected() -> String {
    let words: Vec<String> = PLACEHOLDERS.iter().map(|(k, _)| format!("{{{k}}}")).collect();
    format!("placeholders: {}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts {
        Parts {
            given: "budi".into(),
            family: Some("santoso".into()),
            words: vec!["budi".into(), "wahyu".into(), "santoso".into()],
            unit: vec!["biro".into(), "humas".into()],
            identifier: "1985".into(),
            username: String::new(),
        }
    }

    #[test]
    fn each_placeholder_stands_for_what_it_says() {
        let cases = [
            ("{given}.{family}", "budi.santoso"),
            ("{initial}{family}", "bsantoso"),
            ("{given}{family_initial}", "budis"),
            ("{name}", "budi.wahyu.santoso"),
            ("{initials}-{identifier}", "bws-1985"),
            ("unit.{unit}", "unit.biro-humas"),
            ("{unit_initials}", "bh"),
        ];
        for (template, expected) in cases {
            assert_eq!(Template::parse(template).unwrap().expand(&parts()).as_deref(), Some(expected), "{template}");
        }
    }

    #[test]
    fn a_template_whose_placeholder_stands_for_nothing_gives_no_name() {
        assert_eq!(Template::parse("{username}").unwrap().expand(&parts()), None);
        let single = Parts { family: None, ..parts() };
        assert_eq!(Template::parse("{given}.{family}").unwrap().expand(&single), None);
    }

    #[test]
    fn a_bad_template_says_what_was_expected() {
        let said = |t: &str| Template::parse(t).map_err(|e| format!("{}; {}", e.message, e.help)).unwrap_err();
        assert!(
            said("{givn}").starts_with("unknown placeholder `{givn}`; did you mean `given`?"),
            "{}",
            said("{givn}")
        );
        assert!(said("{given").contains("without its partner"));
        assert!(said("given}").contains("without its partner"));
        assert!(said("{given}@x").contains("has `@`"));
        assert!(said("").contains("empty"));
    }
}
