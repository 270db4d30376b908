//! Names of files: which are records, and which names akund itself gives.

use crate::durable::NAME_MAX;
use crate::model::hex::hex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Longest encoded component, bytes; what is longer is cut and hashed.
const COMPONENT_MAX: usize = 200;

/// What a detached signature's name ends in.
pub(super) const SIGNATURE_SUFFIX: &str = ".sig";

/// What the name of a rejection's reason ends in.
pub(super) const REASON_SUFFIX: &str = ".reason.txt";

/// Whether a name may be a record's: not hidden, not a writer's temporary, not a signature.
pub fn is_record_name(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let ends = |suffix: &str| name.ends_with(suffix.as_bytes());
    !(name.is_empty() || name.starts_with(b".") || [".tmp", ".part", "~", SIGNATURE_SUFFIX].into_iter().any(ends))
}

/// The name of what a signature's name signs.
pub(super) fn signed_name(name: &OsStr) -> Option<&OsStr> {
    name.as_bytes().strip_suffix(SIGNATURE_SUFFIX.as_bytes()).map(OsStr::from_bytes)
}

/// `NAME.sig`.
pub(super) fn signature_name(name: &OsStr) -> OsString {
    let mut whole = name.to_owned();
    whole.push(SIGNATURE_SUFFIX);
    whole
}

/// One component of a path for any text: percent-encoded (RFC 3986), never empty, `.`, `..` or hidden, at most 200 bytes.
///
/// Percent-decoding gives the text back. Two exceptions, told by the `+` that no other encoding holds: the empty text is `+`, and an
/// encoding over 200 bytes is cut and ends in `+` and the text's SHA-256. No two texts share a component.
pub fn encode_component(text: &str) -> String {
    if text.is_empty() {
        return "+".to_owned();
    }
    let mut encoded = utf8_percent_encode(text, RESERVED).to_string();
    if encoded.starts_with('.') {
        encoded.replace_range(..1, "%2E");
    }
    if encoded.len() <= COMPONENT_MAX {
        return encoded;
    }
    let mut cut = COMPONENT_MAX - 65;
    // Not in the middle of %XX.
    while encoded.as_bytes()[cut - 2..cut].contains(&b'%') {
        cut -= 1;
    }
    format!("{}+{}", &encoded[..cut], hex(&Sha256::digest(text)))
}

/// A dropped file's name as akund writes, shows and logs it: itself where it is UTF-8 and shows as what it is; else each
/// byte of an odd character as `%XX`.
pub fn safe_name(name: &OsStr) -> String {
    let mut safe = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_odd(c) {
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| push_byte(&mut safe, b));
            } else {
                safe.push(c);
            }
        }
        chunk.invalid().iter().for_each(|&b| push_byte(&mut safe, b));
    }
    safe
}

fn push_byte(text: &mut String, byte: u8) {
    text.push_str(&format!("%{byte:02X}"));
}

/// Control characters, and those that turn the direction of writing or cannot be seen.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c, '/' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `PREFIX` + `name` + `suffix` within what a file name may have; a name too long loses its middle, and gets some of its hash instead.
pub(super) fn fit(prefix: &str, name: &str, suffix: &str) -> String {
    let room = NAME_MAX.saturating_sub(prefix.len() + suffix.len());
    if name.len() <= room {
        return format!("{prefix}{name}{suffix}");
    }
    let (_, extension) = split_extension(name);
    let hash = &hex(&Sha256::digest(name))[..16];
    let kept = room.saturating_sub(hash.len() + 1 + extension.len());
    format!("{prefix}{}-{hash}{extension}{suffix}", &name[..name.floor_char_boundary(kept)])
}

/// `PREFIX` + `name`, cut so that `suffix` can follow: what is called by it with this suffix and without it belongs together.
pub(super) fn fit_before(suffix: &str, prefix: &str, name: &str) -> String {
    let mut whole = fit(prefix, name, suffix);
    whole.truncate(whole.len() - suffix.len());
    whole
}

/// `a.toml` and 2 → `a-2.toml`: the extension says what the file is. 1 is the name itself.
pub(super) fn numbered(name: &str, number: u64) -> String {
    if number <= 1 {
        return name.to_owned();
    }
    let (stem, extension) = split_extension(name);
    format!("{stem}-{number}{extension}")
}

/// The extension with its dot, if it has 1 to 15 bytes; a leading dot begins none.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && (2..=16).contains(&(name.len() - dot)) => name.split_at(dot),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn hidden_temporary_and_signature_names_are_no_records() {
        for name in ["a.toml", "a", "a.tmp.toml", "sig", "~a", "part", "B-12 2026.csv"] {
            assert!(is_record_name(OsStr::new(name)), "{name}");
        }
        for name in ["", ".", "..", ".a.toml", "a.tmp", "a.part", "a.toml~", "a.toml.sig", ".tmp", "~"] {
            assert!(!is_record_name(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn components_are_what_a_person_would_expect() {
        for (text, expected) in [
            ("uin-malang-email", "uin-malang-email"),
            ("B-12/Un.03/2026", "B-12%2FUn.03%2F2026"),
            ("a@2", "a%402"),
            (".", "%2E"),
            ("..", "%2E."),
            (".hidden", "%2Ehidden"),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            ("", "+"),
            ("+", "%2B"),
            ("surat é\0\n", "surat%20%C3%A9%00%0A"),
        ] {
            assert_eq!(encode_component(text), expected);
        }
    }

    #[test]
    fn odd_bytes_in_names_are_shown_as_numbers() {
        for (name, expected) in [
            (&b"surat tugas.toml"[..], "surat tugas.toml"),
            ("résumé.toml".as_bytes(), "résumé.toml"),
            (b"a\nb", "a%0Ab"),
            (b"a\xff\xfeb", "a%FF%FEb"),
            ("gpj\u{202e}lmot".as_bytes(), "gpj%E2%80%AElmot"),
            (b"-rf", "-rf"),
        ] {
            assert_eq!(safe_name(&OsString::from_vec(name.to_vec())), expected);
        }
    }

    #[test]
    fn numbers_go_before_the_extension() {
        for (name, number, expected) in [
            ("a.toml", 1, "a.toml"),
            ("a.toml", 2, "a-2.toml"),
            ("a", 3, "a-3"),
            ("surat no. 5 perihal pembuatan email", 2, "surat no. 5 perihal pembuatan email-2"),
            ("a.tar.gz", 2, "a.tar-2.gz"),
        ] {
            assert_eq!(numbered(name, number), expected);
        }
    }

    proptest! {
        #[test]
        fn a_component_is_safe_and_decodes_to_its_text(text in "(\\PC|[./%+@\\x00-\\x1f]){0,300}") {
            let encoded = encode_component(&text);
            prop_assert!(!encoded.is_empty() && encoded.len() <= 200);
            prop_assert!(!encoded.starts_with('.'));
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_graphic() && b != b'/'));
            if encoded.contains('+') {
                prop_assert!(text.is_empty() || utf8_percent_encode(&text, RESERVED).count() > 0);
                prop_assert!(text.is_empty() || encoded.ends_with(&hex(&Sha256::digest(&text))));
            } else {
                prop_assert_eq!(percent_decode_str(&encoded).decode_utf8().unwrap(), text);
            }
        }

        #[test]
        fn no_two_texts_share_a_component(a in "[a.%+/2E]{0,6}", b in "[a.%+/2E]{0,6}", tail in "(|[é/]{120})") {
            let (a, b) = (format!("{tail}{a}"), format!("{tail}{b}"));
            prop_assert_eq!(a == b, encode_component(&a) == encode_component(&b));
        }

        #[test]
        fn a_fitted_name_is_never_too_long_and_keeps_its_extension(name in "\\PC{1,255}", number in 1u64..2000) {
            let fitted = fit("", &numbered(&format!("{name}.toml"), number), REASON_SUFFIX);
            prop_assert!(fitted.len() <= NAME_MAX);
            prop_assert!(fitted.ends_with(".toml.reason.txt"));
        }

        #[test]
        fn a_safe_name_is_one_component_without_control_characters(name in prop::collection::vec(1u8.., 1..100)) {
            let safe = safe_name(&OsString::from_vec(name));
            prop_assert!(!safe.contains('/') && !safe.chars().any(char::is_control));
        }
    }
}
