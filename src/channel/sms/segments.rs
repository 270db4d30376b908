//! How many parts of a text message a text takes: GSM 7-bit or UCS-2 (3GPP TS 23.038 §6.2.1, TS 23.040 §9.2.3.24.1). Pure.

use std::fmt;

/// The default alphabet's characters (TS 23.038 §6.2.1), one septet each.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Those of the extension table (§6.2.1.1): an escape and a septet.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// By which alphabet a text travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// GSM 7-bit: 160 septets, or 153 in each of several parts.
    Gsm7,
    /// UCS-2: 70 code units, or 67 in each of several parts.
    Ucs2,
}

impl Alphabet {
    /// Units in a message of one part, and in each of several: six octets of each go to the header that joins them.
    fn room(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }

    fn units(self, c: char) -> usize {
        match self {
            Self::Gsm7 if EXTENDED.contains(c) => 2,
            Self::Gsm7 => 1,
            Self::Ucs2 => c.len_utf16(),
        }
    }
}

/// What a text takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// The alphabet.
    pub alphabet: Alphabet,
    /// Septets or code units in all.
    pub units: usize,
    /// Parts.
    pub parts: usize,
}

impl fmt::Display for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alphabet = match self.alphabet {
            Alphabet::Gsm7 => "GSM 7-bit",
            Alphabet::Ucs2 => "UCS-2",
        };
        write!(f, "{} part{} ({alphabet}, {} units)", self.parts, if self.parts == 1 { "" } else { "s" }, self.units)
    }
}

/// The alphabet that a text needs: one character outside GSM 7-bit makes all of it UCS-2.
pub fn alphabet(text: &str) -> Alphabet {
    if text.chars().all(|c| BASIC.contains(c) || EXTENDED.contains(c)) { Alphabet::Gsm7 } else { Alphabet::Ucs2 }
}

/// What a text takes.
pub fn segments(text: &str) -> Segments {
    let alphabet = alphabet(text);
    let units = text.chars().map(|c| alphabet.units(c)).sum();
    Segments { alphabet, units, parts: split(text).len() }
}

/// The parts of a text; an escape and its septet, and a pair of surrogates, are never parted.
pub fn split(text: &str) -> Vec<&str> {
    let alphabet = alphabet(text);
    let (one, of_several) = alphabet.room();
    if text.chars().map(|c| alphabet.units(c)).sum::<usize>() <= one {
        return vec![text];
    }
    let (mut parts, mut begin, mut used) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        let units = alphabet.units(c);
        if used + units > of_several {
            parts.push(text.get(begin..at).unwrap_or_default());
            (begin, used) = (at, 0);
        }
        used += units;
    }
    parts.push(text.get(begin..).unwrap_or_default());
    parts
}

/// Free text with the marks that would make a message UCS-2 (typographic quotes, dashes, accents) written plainly.
pub fn plainly(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    let mut out = String::with_capacity(text.len());
    for c in text.nfc() {
        match c {
            c if BASIC.contains(c) || EXTENDED.contains(c) => out.push(c),
            '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{2032}' | '`' | '\u{b4}' => out.push('\''),
            '\u{201c}'..='\u{201e}' | '\u{2033}' | '«' | '»' => out.push('"'),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => out.push('-'),
            '\u{2026}' => out.push_str("..."),
            '\u{2022}' | '·' => out.push('-'),
            c if c.is_whitespace() => out.push(' '),
            c => {
                let bare: String =
                    std::iter::once(c).nfkd().filter(|d| !unicode_normalization::char::is_combining_mark(*d)).collect();
                out.push_str(if bare.is_empty() { "?" } else { &bare });
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_alphabet_has_its_127_characters_and_the_extension_its_ten() {
        assert_eq!((BASIC.chars().count(), EXTENDED.chars().count()), (127, 10));
    }

    #[test]
    fn texts_take_as_many_parts_as_the_networks_count() {
        for (text, alphabet, units, parts) in [
            ("a".repeat(160), Alphabet::Gsm7, 160, 1),
            ("a".repeat(161), Alphabet::Gsm7, 161, 2),
            ("a".repeat(306), Alphabet::Gsm7, 306, 2),
            ("a".repeat(307), Alphabet::Gsm7, 307, 3),
            ("€".repeat(80), Alphabet::Gsm7, 160, 1),
            // 153 septets hold 76 pairs: the last septet of a part stays empty.
            ("€".repeat(153), Alphabet::Gsm7, 306, 3),
            ("ş".repeat(70), Alphabet::Ucs2, 70, 1),
            ("ş".repeat(71), Alphabet::Ucs2, 71, 2),
            ("ş".repeat(135), Alphabet::Ucs2, 135, 3),
            ("😀".repeat(35), Alphabet::Ucs2, 70, 1),
            ("😀".repeat(36), Alphabet::Ucs2, 72, 2),
            ("😀".repeat(67), Alphabet::Ucs2, 134, 3),
            (String::new(), Alphabet::Gsm7, 0, 1),
            ("`".into(), Alphabet::Ucs2, 1, 1),
        ] {
            assert_eq!(segments(&text), Segments { alphabet, units, parts }, "{text}");
        }
    }

    #[test]
    fn free_text_is_written_plainly() {
        for (text, plain) in
            [("“Zoë’s” – Dvořák…", "\"Zoe's\" - Dvorak..."), ("Ñandú é à", "Ñandu é à"), ("a@b_c", "a@b_c")]
        {
            assert_eq!(plainly(text), plain);
        }
    }

    proptest! {
        #[test]
        fn the_parts_are_the_text_and_none_is_too_long(text in "[a-z€{}\\[~é😀ş ]{0,400}") {
            let parts = split(&text);
            prop_assert_eq!(parts.concat(), text.clone());
            let alphabet = alphabet(&text);
            let (one, several) = alphabet.room();
            let room = if parts.len() == 1 { one } else { several };
            for part in &parts {
                prop_assert!(part.chars().map(|c| alphabet.units(c)).sum::<usize>() <= room);
            }
            prop_assert_eq!(segments(&text).parts, parts.len());
        }
    }
}
