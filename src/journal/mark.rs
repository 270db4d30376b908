//! By which an account's uid tells which request it was made for.
//!
//! The uid is a UUID of version 7 (RFC 9562 §5.7) whose 62 last bits are not random but a digest of the request under the journal's
//! own seed: opaque to everybody else, and as unique, since no request makes two accounts. It serves a journal that was put
//! back from a backup: a request that it has forgotten and that is handed in again finds the account at the target that
//! was made for it, and takes it up instead of meeting a stranger's.

use crate::model::{AccountUid, RequestKey};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Of the variant's octet on (RFC 9562 §4.1): two bits of variant, 62 of the request's.
const VARIANT: u64 = 0b10 << 62;
const MASK: u64 = (1 << 62) - 1;

fn tag(seed: &[u8], key: &RequestKey, digest: &[u8; 32]) -> u64 {
    let mut hasher = Sha256::new();
    for part in [seed, key.procedure.as_bytes(), key.id.as_bytes(), &key.revision.to_be_bytes(), digest] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let hash: [u8; 32] = hasher.finalize().into();
    hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first)) & MASK
}

/// The uid of a request's new account: the one of `live` that was made for this very request, or a new one.
pub(super) fn uid(
    seed: &[u8],
    key: &RequestKey,
    digest: &[u8; 32],
    live: impl Iterator<Item = AccountUid>,
) -> AccountUid {
    let tag = tag(seed, key, digest);
    for uid in live {
        let (_, low) = uid.0.as_u64_pair();
        if low & MASK == tag && uid.0.get_version_num() == 7 {
            return uid;
        }
    }
    let (high, _) = Uuid::now_v7().as_u64_pair();
    AccountUid(Uuid::from_u64_pair(high, VARIANT | tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter::empty;

    fn key(id: &str, revision: u32) -> RequestKey {
        RequestKey { procedure: "p".into(), id: id.into(), revision }
    }

    #[test]
    fn a_request_knows_its_own_account_again_and_no_other() {
        let (seed, digest) = ([7; 32], [1; 32]);
        let made = uid(&seed, &key("a", 1), &digest, empty());
        assert_eq!((made.0.get_version_num(), made.0.get_variant()), (7, uuid::Variant::RFC4122));
        let strange = AccountUid(Uuid::now_v7());
        assert_eq!(uid(&seed, &key("a", 1), &digest, [strange, made].into_iter()), made);
        for other in [
            uid(&seed, &key("b", 1), &digest, [made].into_iter()),
            uid(&seed, &key("a", 2), &digest, [made].into_iter()),
            uid(&seed, &key("a", 1), &[2; 32], [made].into_iter()),
            uid(&[8; 32], &key("a", 1), &digest, [made].into_iter()),
        ] {
            assert_ne!(other, made);
        }
    }
}
