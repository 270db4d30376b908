//! Personal data in texts that are shown: masked.
//!
//! A request is shown by its id, which is a letter's or a ticket's number. A source may have put a person's number (NIK, NIP, NIM, a
//! phone) or an address into it all the same, and a server's sentence may name the account: those are masked here.

use crate::model::said::masked;

/// Longest text that is shown, characters.
const LONGEST: usize = 300;
/// A run of so many digits may be a person's: a NIM has 8 or more, a phone 10, a NIK 16, a NIP 18.
const DIGITS: usize = 8;
/// A name of fewer letters would be found within words.
const SHORTEST: usize = 3;

/// One line without control characters, in which each address, each long number and each of `names` is masked.
pub fn mask(text: &str, names: &[String]) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() || is_bidi(c) { ' ' } else { c }).collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::with_capacity(line.len());
    let mut rest = line.as_str();
    while !rest.is_empty() {
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        out.push_str(&word(run, names));
        let next = tail.chars().next().map_or(0, char::len_utf8);
        let (separator, tail) = tail.split_at(next);
        out.push_str(separator);
        rest = tail;
    }
    match out.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", out.get(..end).unwrap_or_default()),
        None => out,
    }
}

/// Characters that a browser would use to turn the order of what follows (Unicode TR 9).
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || "@.+_-".contains(c)
}

fn word(run: &str, names: &[String]) -> String {
    let bare = run.trim_matches(|c: char| !c.is_alphanumeric());
    let is_name = |name: &String| {
        let local = name.split('@').next().unwrap_or_default();
        local.chars().count() >= SHORTEST && (bare.eq_ignore_ascii_case(local) || bare.eq_ignore_ascii_case(name))
    };
    // An address has its local part before the @; what begins with @ is a domain, and `…@2` is a revision.
    let address = run.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
    if address || names.iter().any(is_name) {
        return masked(run);
    }
    digits(run)
}

/// The last two of a long run of digits stay: enough to tell two of them apart in a talk.
fn digits(run: &str) -> String {
    let mut out = String::with_capacity(run.len());
    let mut number: Vec<char> = Vec::new();
    for c in run.chars().chain([' ']) {
        if c.is_numeric() {
            number.push(c);
            continue;
        }
        match number.len() {
            DIGITS.. => out.extend(['…'].iter().chain(number.iter().skip(number.len() - 2))),
            _ => out.extend(&number),
        }
        number.clear();
        out.push(c);
    }
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_long_numbers_and_the_accounts_names_are_masked() {
        let names = ["humas.rektorat@uin.example.ac.id".to_owned(), "budi77".to_owned()];
        for (text, wanted) in [
            ("550 5.1.1 <Siti.Aminah@example.org>: unknown", "550 5.1.1 <S…@example.org>: unknown"),
            ("entry uid=budi77,ou=people exists", "entry uid=b…,ou=people exists"),
            ("user BUDI77 exists", "user B… exists"),
            ("humas.rektorat is taken", "h… is taken"),
            ("siakad:198501012015041003@1", "siakad:…03@1"),
            ("SIAKAD-20261234", "SIAKAD-…34"),
            ("+6281234567890 is no phone", "+…90 is no phone"),
            ("uin-malang-email:B-12/Un.03/2026@1", "uin-malang-email:B-12/Un.03/2026@1"),
            (
                "connection to 127.0.0.1:636 refused (os error 111)",
                "connection to 127.0.0.1:636 refused (os error 111)",
            ),
            ("a\u{202e}b\r\nc", "a b c"),
        ] {
            assert_eq!(mask(text, &names), wanted);
        }
    }

    #[test]
    fn a_text_is_never_longer_than_can_be_shown() {
        assert_eq!(mask(&"ab ".repeat(5_000), &[]).chars().count(), LONGEST + 1);
    }

    #[test]
    fn a_short_name_does_not_mask_other_words() {
        assert_eq!(mask("a server is down", &["a@example.org".to_owned()]), "a server is down");
    }
}
