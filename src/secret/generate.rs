//! Passwords from the operating system's randomness, made for people who read them off paper or a phone.

use super::fill_random;
use crate::model::{Fault, Secret};
use zeroize::Zeroizing;

/// What a password is made of: no `0 O o`, `1 l I i`, and of each further pair that is mixed up in print or
/// handwriting (`5 s`, `2 z`, `9 g q`, `6 G`, `8 B`, `u v`, and letters whose two cases have one shape) at most one.
const ALPHABET: &[u8; 34] = b"abcdefhjkmnprtwxyADEHLNQRT23456789";
const GROUPS: usize = 4;
const PER_GROUP: usize = 4;

/// A new password: four groups of four, as in `hT4k-rxA7-…`.
///
/// Sixteen characters drawn evenly and independently from 34 are 81.4 bits; a draw without a
/// small letter, a capital and a digit is thrown away whole, which costs less than 0.04 bits and satisfies the complexity
/// rules of common servers. So at least 81 bits.
///
/// # Errors
/// Transient, when the operating system gives no randomness.
pub fn password() -> Result<Secret, Fault> {
    loop {
        let text = draw()?;
        if has_every_kind(&text) {
            let owned: Box<str> = text.as_str().into();
            return Ok(Secret::new(owned));
        }
    }
}

fn draw() -> Result<Zeroizing<String>, Fault> {
    let mut text = Zeroizing::new(String::with_capacity(GROUPS * (PER_GROUP + 1)));
    let mut random = Zeroizing::new([0u8; 32]);
    let mut drawn = 0;
    while drawn < GROUPS * PER_GROUP {
        fill_random(&mut *random)?;
        for symbol in random.iter().filter_map(|byte| symbol(*byte)).take(GROUPS * PER_GROUP - drawn) {
            if drawn > 0 && drawn % PER_GROUP == 0 {
                text.push('-');
            }
            text.push(symbol);
            drawn += 1;
        }
    }
    Ok(text)
}

/// The character that a random byte stands for; none above the largest multiple of the alphabet's size, so that each is
/// equally likely.
fn symbol(byte: u8) -> Option<char> {
    let size = ALPHABET.len();
    let even = 256 - 256 % size;
    let byte = usize::from(byte);
    if byte < even { ALPHABET.get(byte % size).map(|c| char::from(*c)) } else { None }
}

fn has_every_kind(text: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| text.as_bytes().iter().any(kind);
    has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn the_alphabet_has_no_look_alikes_and_no_character_twice() {
        let set: HashSet<u8> = ALPHABET.iter().copied().collect();
        assert_eq!(set.len(), ALPHABET.len());
        for forbidden in b"0Oo1lIi" {
            assert!(!set.contains(forbidden), "{}", char::from(*forbidden));
        }
        for group in ["5sS", "2zZ", "9gq", "6G", "8B", "uvUV", "cC", "kK", "pP", "wW", "xX", "yY", "jJ", "mM", "fF"] {
            assert!(group.bytes().filter(|c| set.contains(c)).count() <= 1, "{group}");
        }
    }

    #[test]
    fn every_byte_maps_evenly_to_the_alphabet() {
        let mut counts: HashMap<char, usize> = HashMap::new();
        for symbol in (0..=255u8).filter_map(symbol) {
            *counts.entry(symbol).or_default() += 1;
        }
        assert_eq!(counts.len(), ALPHABET.len());
        assert!(counts.values().all(|n| *n == 256 / ALPHABET.len()));
    }

    #[test]
    fn the_entropy_is_at_least_81_bits() {
        let n = ALPHABET.len() as f64;
        let without = |kind: fn(&u8) -> bool| (ALPHABET.iter().filter(|c| !kind(c)).count() as f64 / n).powi(16);
        let thrown_away =
            without(u8::is_ascii_lowercase) + without(u8::is_ascii_uppercase) + without(u8::is_ascii_digit);
        assert!(16.0 * n.log2() + (1.0 - thrown_away).log2() >= 81.0);
    }

    #[test]
    fn passwords_have_the_promised_form_and_do_not_repeat() {
        let mut seen = HashSet::new();
        let mut first = HashSet::new();
        for _ in 0..2000 {
            let password = password().unwrap();
            let text = password.expose();
            let groups: Vec<&str> = text.split('-').collect();
            assert_eq!(groups.iter().map(|g| g.len()).collect::<Vec<_>>(), [4, 4, 4, 4]);
            assert!(groups.iter().all(|g| g.bytes().all(|c| ALPHABET.contains(&c))));
            assert!(has_every_kind(text));
            assert!(seen.insert(text.to_owned()));
            first.insert(text.as_bytes()[0]);
        }
        assert_eq!(first.len(), ALPHABET.len(), "every character comes first in 2000 draws");
    }
}
