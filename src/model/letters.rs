//! Characters that mislead: hidden ones, and letters that look like others (UTS 39).

use std::fmt::Write as _;
use unicode_normalization::UnicodeNormalization;
use unicode_security::mixed_script::AugmentedScriptSet;

/// A text that breaks the rule of the type that it should become. `Display` is a clause for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {found}, expected {expected}")]
pub struct Invalid {
    /// What stood there, in quotation marks, shortened, hidden characters made visible.
    pub found: String,
    /// What should have: reads on from "expected".
    pub expected: String,
}

impl Invalid {
    /// `found` is quoted here.
    pub fn new(found: &str, expected: impl Into<String>) -> Self {
        Self { found: quoted(found), expected: expected.into() }
    }
}

/// At most this many characters of a bad value are shown.
const SHOWN: usize = 60;

/// A value in quotation marks for a message: one line, at most 60 characters, hidden characters as `\u{…}`.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for (n, c) in text.chars().enumerate() {
        if n == SHOWN {
            out.push('…');
            break;
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if hidden(c).is_some() => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The text in Unicode's normal form C. ASCII is in it already, and nearly everything is ASCII.
pub fn nfc(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}

/// What a character is that cannot be seen, or that changes how its neighbours are shown; `None` for
/// ordinary ones. The joiners U+200C and U+200D count as hidden only in addresses, see [`joiner`].
pub fn hidden(c: char) -> Option<&'static str> {
    match c {
        // Nearly everything.
        ' '..='~' => None,
        '\0' => Some("the NUL character"),
        '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some("a line break"),
        '\t' => Some("a tab"),
        c if c.is_control() => Some("a control character"),
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
            Some("a character that turns the direction of text")
        }
        '\u{AD}'
        | '\u{34F}'
        | '\u{115F}'
        | '\u{1160}'
        | '\u{180B}'..='\u{180F}'
        | '\u{200B}'
        | '\u{2060}'..='\u{2065}'
        | '\u{206A}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E0FFF}' => Some("an invisible character"),
        _ => None,
    }
}

/// Zero-width joiners: needed to write some scripts, of no use in an address.
pub fn joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

/// `"а" (U+0430, Cyrillic)`; the character itself is left out where it cannot be seen.
pub fn describe(c: char) -> String {
    let code = u32::from(c);
    match hidden(c) {
        Some(what) => format!("U+{code:04X}, {what}"),
        None if joiner(c) => format!("U+{code:04X}, an invisible character"),
        None if c == ' ' => "a space".into(),
        None if c.is_ascii() => format!("\"{c}\""),
        None => format!("\"{c}\" (U+{code:04X}, {})", script(c)),
    }
}

/// The Unicode name of a character's script ("Cyrillic"); "symbol" for those that belong to all scripts.
pub fn script(c: char) -> String {
    let set = AugmentedScriptSet::for_char(c);
    if set.is_all() {
        return "symbol".into();
    }
    set.base.iter().next().map_or_else(|| "symbol".into(), |s| s.full_name().replace('_', " "))
}

/// The lower-case ASCII that a non-ASCII character looks like, or stands for with its accents taken off.
pub fn ascii_twin(c: char) -> Option<String> {
    let twin = |text: String| (!c.is_ascii() && text.chars().all(|c| c.is_ascii_graphic())).then_some(text);
    let skeleton: String = unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).collect();
    twin(skeleton.to_ascii_lowercase()).filter(|t| !t.is_empty()).or_else(|| {
        let bare: String = std::iter::once(c).nfkd().filter(char::is_ascii).collect();
        twin(bare.to_ascii_lowercase()).filter(|t| !t.is_empty())
    })
}

/// "character 2 is "а" (U+0430, Cyrillic), which looks like "a"". `at` counts from 0.
pub fn point_at(at: usize, c: char) -> String {
    match ascii_twin(c) {
        Some(twin) => format!("character {} is {}, which looks like \"{twin}\"", at + 1, describe(c)),
        None => format!("character {} is {}", at + 1, describe(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_alike_is_named_with_its_code_its_script_and_the_letter_that_it_resembles() {
        for (c, said) in [
            ('а', "character 1 is \"а\" (U+0430, Cyrillic), which looks like \"a\""),
            ('ο', "character 1 is \"ο\" (U+03BF, Greek), which looks like \"o\""),
            ('é', "character 1 is \"é\" (U+00E9, Latin), which looks like \"e\""),
            ('ａ', "character 1 is \"ａ\" (U+FF41, Latin), which looks like \"a\""),
            ('漢', "character 1 is \"漢\" (U+6F22, Han)"),
            ('%', "character 1 is \"%\""),
            ('\u{202E}', "character 1 is U+202E, a character that turns the direction of text"),
        ] {
            assert_eq!(point_at(0, c), said);
        }
    }

    #[test]
    fn a_shown_value_is_one_short_line_without_hidden_characters() {
        assert_eq!(quoted("a\r\nb\0\u{202E}c"), "\"a\\r\\nb\\u{0}\\u{202e}c\"");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), SHOWN + 3);
    }
}
