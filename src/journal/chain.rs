//! The hash chain over events. Pure.
//!
//! `hash(n) = SHA-256(hash(n-1) ‖ seq ‖ at ‖ len(subject) ‖ subject ‖ len(kind) ‖ kind ‖ len(detail) ‖ detail)`,
//! integers as big-endian u64. The first event follows on 32 zero bytes. Every field is length-prefixed, so no two
//! different events feed the same bytes.
//!
//! A chain alone does not show a cut tail: its head is therefore written to outcome documents and to the system
//! journal, and `akund audit verify --head SEQ:HASH` compares.

use crate::model::hex::{hex, unhex};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// The end of the chain: the last event's number and hash. `SEQ:HASH` in documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the last event; 0 before the first.
    pub seq: u64,
    /// Its hash; zeros before the first.
    pub hash: Hash,
}

impl Head {
    /// Before the first event.
    pub const START: Self = Self { seq: 0, hash: [0; 32] };
}

/// One event as it is hashed.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// Microseconds since 1970.
    pub at: i64,
    /// The opaque uid of what it is about; empty where it is about akund itself.
    pub subject: &'a [u8],
    /// What happened.
    pub kind: &'a str,
    /// JSON, without personal data.
    pub detail: &'a str,
}

/// The head after one more event.
pub fn extend(head: &Head, link: &Link<'_>) -> Head {
    let seq = head.seq + 1;
    let mut hasher = Sha256::new();
    hasher.update(head.hash);
    hasher.update(seq.to_be_bytes());
    hasher.update(link.at.to_be_bytes());
    for part in [link.subject, link.kind.as_bytes(), link.detail.as_bytes()] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    Head { seq, hash: hasher.finalize().into() }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, hex(&self.hash))
    }
}

impl FromStr for Head {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("`{text}` is no chain head: expected SEQ:HASH with a hash of 64 hex digits");
        let (seq, hash) = text.split_once(':').ok_or_else(expected)?;
        let seq = seq.parse().map_err(|_| expected())?;
        let hash = unhex(hash).and_then(|bytes| bytes.try_into().ok()).ok_or_else(expected)?;
        Ok(Self { seq, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link<'a>(kind: &'a str, detail: &'a str) -> Link<'a> {
        Link { at: 7, subject: b"0123456789abcdef", kind, detail }
    }

    #[test]
    fn a_head_reads_back_what_it_prints() {
        let head = extend(&Head::START, &link("received", "{}"));
        assert_eq!(head.to_string().parse::<Head>(), Ok(head));
        for bad in ["", "1", "1:", "x:00", "1:zz", "1:00", "1:é00"] {
            assert!(bad.parse::<Head>().is_err(), "{bad}");
        }
    }

    #[test]
    fn moving_a_byte_between_fields_changes_the_hash() {
        let a = extend(&Head::START, &link("ab", "c"));
        let b = extend(&Head::START, &link("a", "bc"));
        assert_ne!(a.hash, b.hash);
    }

    #[test]
    fn each_event_depends_on_all_before_it() {
        let one = extend(&Head::START, &link("a", ""));
        let other = extend(&Head::START, &link("b", ""));
        assert_ne!(extend(&one, &link("c", "")).hash, extend(&other, &link("c", "")).hash);
    }
}
