//! MS-CHAPv2 (RFC 2759 §8) and its attributes in RADIUS (RFC 2548 §2.3). Pure.

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::{Digest, Md4};
use sha1::Sha1;
use zeroize::Zeroizing;

/// Microsoft's number as a vendor.
pub const MICROSOFT: u32 = 311;
/// MS-CHAP-Error.
pub const ERROR: u8 = 2;
/// MS-CHAP-Challenge.
pub const CHALLENGE: u8 = 11;
/// MS-CHAP2-Response.
pub const RESPONSE: u8 = 25;
/// MS-CHAP2-Success.
pub const SUCCESS: u8 = 26;

/// Both sides' challenges, both random.
#[derive(Debug, Clone, Copy)]
pub struct Challenges {
    /// The authenticator's; akund is the NAS and makes it.
    pub authenticator: [u8; 16],
    /// The peer's; akund is the peer, too.
    pub peer: [u8; 16],
}

/// What goes into MS-CHAP2-Response: ident, flags, peer's challenge, eight zero bytes, response (RFC 2548 §2.3.2).
pub fn response(challenges: &Challenges, ident: u8, user: &str, password: &str) -> [u8; 50] {
    let mut value = [0; 50];
    value[0] = ident;
    value[2..18].copy_from_slice(&challenges.peer);
    value[26..].copy_from_slice(&nt_response(challenges, user, &password_hash(password)));
    value
}

/// Whether MS-CHAP2-Success shows that the server knows the password too: `S=` and 40 hex digits (RFC 2759 §5 and §8.8).
pub fn is_success(value: &[u8], challenges: &Challenges, ident: u8, user: &str, password: &str) -> bool {
    let hash = password_hash(password);
    let response = nt_response(challenges, user, &hash);
    let expected = authenticator_response(challenges, user, &hash, &response);
    let Some((theirs, rest)) = value.split_first() else { return false };
    *theirs == ident && rest.get(..42).is_some_and(|said| said.eq_ignore_ascii_case(expected.as_bytes()))
}

type Hash = Zeroizing<[u8; 16]>;

/// RFC 2759 §8.3: MD4 of the password in UTF-16LE.
fn password_hash(password: &str) -> Hash {
    let mut wide = Zeroizing::new(Vec::with_capacity(password.len() * 2));
    for unit in password.encode_utf16() {
        wide.extend_from_slice(&unit.to_le_bytes());
    }
    Zeroizing::new(Md4::digest(&*wide).into())
}

/// RFC 2759 §8.1.
fn nt_response(challenges: &Challenges, user: &str, hash: &Hash) -> [u8; 24] {
    let challenge = challenge_hash(challenges, user);
    // §8.5: the hash and five zero bytes are three keys of 56 bits.
    let mut keys = Zeroizing::new([0; 21]);
    keys[..16].copy_from_slice(&**hash);
    let mut response = [0; 24];
    for (key, block) in keys.chunks_exact(7).zip(response.chunks_exact_mut(8)) {
        let mut cipher_block = challenge.into();
        Des::new(&(*with_parity(key)).into()).encrypt_block(&mut cipher_block);
        block.copy_from_slice(&cipher_block);
    }
    response
}

/// RFC 2759 §8.2.
fn challenge_hash(challenges: &Challenges, user: &str) -> [u8; 8] {
    let digest = Sha1::new()
        .chain_update(challenges.peer)
        .chain_update(challenges.authenticator)
        .chain_update(user.as_bytes())
        .finalize();
    let mut challenge = [0; 8];
    challenge.copy_from_slice(&digest[..8]);
    challenge
}

/// 56 bits as a DES key: seven to a byte, the lowest bit is parity and not looked at.
fn with_parity(key: &[u8]) -> Zeroizing<[u8; 8]> {
    let bits = key.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let mut spread = Zeroizing::new([0; 8]);
    for (n, byte) in spread.iter_mut().enumerate() {
        let seven = bits >> (49 - 7 * n) & 0x7f;
        *byte = u8::try_from(seven << 1).unwrap_or_default();
    }
    spread
}

/// RFC 2759 §8.7.
fn authenticator_response(challenges: &Challenges, user: &str, hash: &Hash, response: &[u8; 24]) -> String {
    let hash_of_hash = Md4::digest(**hash);
    let first = Sha1::new()
        .chain_update(hash_of_hash)
        .chain_update(response)
        .chain_update(b"Magic server to client signing constant")
        .finalize();
    let second = Sha1::new()
        .chain_update(first)
        .chain_update(challenge_hash(challenges, user))
        .chain_update(b"Pad to make it do more than one iteration")
        .finalize();
    second.iter().fold("S=".to_owned(), |text, byte| text + &format!("{byte:02X}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
        let made: Vec<u8> =
            digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect();
        made.try_into().unwrap()
    }

    fn rfc() -> Challenges {
        Challenges {
            authenticator: bytes("5B 5D 7C 7D 7B 3F 2F 3E 3C 2C 60 21 32 26 26 28"),
            peer: bytes("21 40 23 24 25 5E 26 2A 28 29 5F 2B 3A 33 7C 7E"),
        }
    }

    /// RFC 2759 §9.2.
    #[test]
    fn the_rfcs_own_values_come_out() {
        let (user, password) = ("User", "clientPass");
        assert_eq!(challenge_hash(&rfc(), user), bytes("D0 2E 43 86 BC E9 12 26"));
        let hash = password_hash(password);
        assert_eq!(*hash, bytes("44 EB BA 8D 53 12 B8 D6 11 47 44 11 F5 69 89 AE"));
        let response = nt_response(&rfc(), user, &hash);
        assert_eq!(response, bytes("82 30 9E CD 8D 70 8B 5E A0 8F AA 39 81 CD 83 54 42 33 11 4A 3D 85 D6 DF"));
        assert_eq!(
            authenticator_response(&rfc(), user, &hash, &response),
            "S=407A5589115FD0D6209F510FE9C04566932CDA56"
        );
        let success = b"\x07S=407A5589115FD0D6209F510FE9C04566932CDA56";
        assert!(is_success(success, &rfc(), 7, user, password));
        assert!(!is_success(success, &rfc(), 8, user, password));
        assert!(!is_success(success, &rfc(), 7, user, "clientPasS"));
        assert!(!is_success(&success[..42], &rfc(), 7, user, password));
        assert!(!is_success(b"", &rfc(), 7, user, password));
    }

    /// RFC 2759 §9.3: DES keys made of the password hash.
    #[test]
    fn keys_are_spread_as_the_rfc_shows() {
        let without_parity = |key: [u8; 8]| key.map(|byte| byte & 0xfe);
        let hash = bytes::<16>("FC 15 6A F7 ED CD 6C 0E DD E3 33 7D 42 7F 4E AC");
        assert_eq!(*with_parity(&hash[..7]), without_parity(bytes("FD 0B 5B 5E 7F 6E 34 D9")));
        assert_eq!(*with_parity(&hash[7..14]), without_parity(bytes("0E 6E 79 67 37 EA 08 FE")));
    }

    proptest! {
        #[test]
        fn the_response_has_its_fields_where_they_belong(
            peer in any::<[u8; 16]>(), authenticator in any::<[u8; 16]>(), ident: u8, user in "\\PC{0,20}", password in "\\PC{0,40}"
        ) {
            let value = response(&Challenges { peer, authenticator }, ident, &user, &password);
            prop_assert_eq!((value[0], value[1]), (ident, 0));
            prop_assert_eq!(&value[2..18], &peer[..]);
            prop_assert_eq!(&value[18..26], &[0; 8][..]);
        }
    }
}
