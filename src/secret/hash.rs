//! Password hashes, in the form in which servers store them.

mod costly;

use super::{fill_random, generate};
use crate::model::{Credential, Fault, Scheme, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md4::Md4;
use sha_crypt::{Params, PasswordHasher, PasswordVerifier, ShaCrypt};
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

/// Rounds that crypt(3) takes when a `$6$` hash names none.
const CRYPT_ROUNDS: u32 = 5000;
/// A stored hash that asks for more rounds than this is not verified: it would only burn time.
const MOST_ROUNDS: u32 = 1_000_000;
const SSHA512_PREFIX: &str = "{SSHA512}";
const SSHA512_SALT: usize = 16;
const SHA512_BYTES: usize = 64;

/// Hashes a password with a salt from the operating system. Takes about 3 ms of one core for [`Scheme::Sha512Crypt`],
/// 60 ms for [`Scheme::Bcrypt`], 20 ms and 19 MiB for [`Scheme::Argon2id`], microseconds for the others; keep it off the async
/// threads.
///
/// # Errors
/// Transient, when the operating system gives no randomness. Permanent, for a password that the scheme cannot take.
pub fn hash(password: &Secret, scheme: Scheme) -> Result<Secret, Fault> {
    match scheme {
        Scheme::Sha512Crypt => sha512_crypt(password),
        Scheme::Ssha512 => ssha512(password),
        Scheme::Bcrypt => costly::bcrypt(password),
        Scheme::Argon2id => costly::argon2id(password),
        Scheme::NtHash => Ok(nt_hash(password)),
    }
}

/// Whether `stored`, in `scheme`, is a hash of the password. Compares in constant time; text that is no such hash is
/// a plain `false`.
pub fn verify(password: &Secret, stored: &str, scheme: Scheme) -> bool {
    match scheme {
        Scheme::Sha512Crypt => {
            rounds_are_bearable(stored)
                && ShaCrypt::SHA512.verify_password(password.expose().as_bytes(), stored).is_ok()
        }
        Scheme::Ssha512 => verify_ssha512(password, stored),
        Scheme::Bcrypt => costly::verify_bcrypt(password, stored),
        Scheme::Argon2id => costly::verify_argon2id(password, stored),
        Scheme::NtHash => {
            let stored = Zeroizing::new(stored.to_ascii_uppercase());
            equal(nt_hash(password).expose().as_bytes(), stored.as_bytes())
        }
    }
}

/// A new password with its hash in each scheme, each made once.
///
/// # Errors
/// Transient, when the operating system gives no randomness.
pub fn new_credential(schemes: &[Scheme]) -> Result<Credential, Fault> {
    let password = generate::password()?;
    let mut hashes: Vec<(Scheme, Secret)> = Vec::with_capacity(schemes.len());
    for scheme in schemes {
        if !hashes.iter().any(|(made, _)| made == scheme) {
            hashes.push((*scheme, hash(&password, *scheme)?));
        }
    }
    Ok(Credential { password, hashes })
}

/// Does `work` for each item on all cores, answers in order. Blocks; for hashing and verifying whole batches.
pub fn on_every_core<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(cores).max(1);
    let work = &work;
    std::thread::scope(|scope| {
        let mut chunks = items.chunks(share);
        let own = chunks.next().unwrap_or_default();
        let others: Vec<_> =
            chunks.map(|chunk| scope.spawn(move || chunk.iter().map(work).collect::<Vec<R>>())).collect();
        let mut results: Vec<R> = own.iter().map(work).collect();
        for other in others {
            match other.join() {
                Ok(part) => results.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

/// `$6$salt$hash` as crypt(5) has it: 16 characters (96 bits) of salt, 5000 rounds, which is the default and so not named.
fn sha512_crypt(password: &Secret) -> Result<Secret, Fault> {
    let mut salt = [0u8; 12];
    fill_random(&mut salt)?;
    let params = Params::new(CRYPT_ROUNDS).map_err(|e| Fault::permanent(format!("hashing a password: {e}")))?;
    let made = ShaCrypt::new(sha_crypt::Algorithm::Sha512Crypt, params)
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map_err(|e| Fault::permanent(format!("hashing a password with SHA-512-crypt: {e}")))?;
    let mut made = String::from(made);
    let canonical: Box<str> = made.replacen(&format!("rounds={CRYPT_ROUNDS}$"), "", 1).into();
    made.zeroize();
    Ok(Secret::new(canonical))
}

fn rounds_are_bearable(stored: &str) -> bool {
    match stored.strip_prefix("$6$").and_then(|rest| rest.strip_prefix("rounds=")) {
        Some(rest) => rest.split('$').next().and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n <= MOST_ROUNDS),
        None => stored.starts_with("$6$"),
    }
}

/// `{SSHA512}` + base64(SHA-512(password + salt) + salt).
fn ssha512(password: &Secret) -> Result<Secret, Fault> {
    let mut salt = [0u8; SSHA512_SALT];
    fill_random(&mut salt)?;
    let mut raw = Zeroizing::new(Vec::with_capacity(SHA512_BYTES + SSHA512_SALT));
    raw.extend_from_slice(&*salted_sha512(password, &salt));
    raw.extend_from_slice(&salt);
    let mut text = Zeroizing::new(String::with_capacity(SSHA512_PREFIX.len() + 108));
    text.push_str(SSHA512_PREFIX);
    STANDARD.encode_string(&*raw, &mut text);
    let owned: Box<str> = text.as_str().into();
    Ok(Secret::new(owned))
}

fn salted_sha512(password: &Secret, salt: &[u8]) -> Zeroizing<[u8; SHA512_BYTES]> {
    let mut digest = Sha512::new();
    digest.update(password.expose().as_bytes());
    digest.update(salt);
    Zeroizing::new(digest.finalize().into())
}

fn verify_ssha512(password: &Secret, stored: &str) -> bool {
    let Some(encoded) = stored.strip_prefix(SSHA512_PREFIX) else { return false };
    let Ok(raw) = STANDARD.decode(encoded).map(Zeroizing::new) else { return false };
    match raw.split_at_checked(SHA512_BYTES) {
        Some((digest, salt)) if !salt.is_empty() => equal(digest, &*salted_sha512(password, salt)),
        _ => false,
    }
}

/// MD4 of the password in UTF-16LE (MS-NLMP 3.3.1, NTOWFv1), as upper-case hex.
fn nt_hash(password: &Secret) -> Secret {
    let mut wide = Zeroizing::new(Vec::with_capacity(password.expose().len() * 2));
    for unit in password.expose().encode_utf16() {
        wide.extend_from_slice(&unit.to_le_bytes());
    }
    let digest: Zeroizing<[u8; 16]> = Zeroizing::new(Md4::digest(&*wide).into());
    let mut hex = Zeroizing::new(String::with_capacity(32));
    for byte in digest.iter() {
        for nibble in [byte >> 4, byte & 15] {
            hex.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase());
        }
    }
    let owned: Box<str> = hex.as_str().into();
    Secret::new(owned)
}

/// Whether two byte strings are equal; the time taken tells only their lengths.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0u8, |sum, (x, y)| std::hint::black_box(sum | (x ^ y))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    fn openssl_passwd(password: &str, salt: &str) -> String {
        let mut child = Command::new("openssl")
            .args(["passwd", "-6", "-salt", salt, "-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("openssl(1) is needed to check hashes against another implementation");
        child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn sha512_crypt_agrees_with_the_published_vectors() {
        // The reference vectors of the SHA-crypt specification.
        for (password, stored) in [
            (
                "Hello world!",
                "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            ),
            (
                "Hello world!",
                "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
            ),
            (
                "we have a short salt string but not a short password",
                "$6$rounds=77777$short$WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0gge1a1x3yRULJ5CCaUeOxFmtlcGZelFl5CxtgfiAc0",
            ),
        ] {
            assert!(verify(&secret(password), stored, Scheme::Sha512Crypt), "{stored}");
            assert!(!verify(&secret("hello world!"), stored, Scheme::Sha512Crypt));
        }
    }

    #[test]
    fn sha512_crypt_is_what_openssl_makes_with_the_same_salt() {
        for password in ["hT4k-rxA7-pQ2m-w9Dn", "a", "sandi baru 'kutip' \"ganda\" %s", "pässwörd-ñ-密码"] {
            let made = hash(&secret(password), Scheme::Sha512Crypt).unwrap();
            let salt = made.expose().split('$').nth(2).unwrap();
            assert_eq!(salt.len(), 16);
            assert_eq!(made.expose(), openssl_passwd(password, salt));
            assert!(verify(&secret(password), &openssl_passwd(password, "abc"), Scheme::Sha512Crypt));
        }
    }

    #[test]
    fn ssha512_is_the_digest_of_password_and_salt_and_then_the_salt() {
        let made = hash(&secret("rahasia"), Scheme::Ssha512).unwrap();
        let raw = STANDARD.decode(made.expose().strip_prefix("{SSHA512}").unwrap()).unwrap();
        assert_eq!(raw.len(), 64 + 16);
        let mut input = b"rahasia".to_vec();
        input.extend_from_slice(&raw[64..]);
        assert_eq!(Sha512::digest(&input).as_slice(), &raw[..64]);
        // Another salt length is read as well: OpenLDAP's own default is 8 bytes.
        let mut short = Sha512::digest(b"rahasia12345678").to_vec();
        short.extend_from_slice(b"12345678");
        let stored = format!("{{SSHA512}}{}", STANDARD.encode(short));
        assert!(verify(&secret("rahasia"), &stored, Scheme::Ssha512));
    }

    #[test]
    fn nt_hash_agrees_with_published_vectors() {
        for (password, hex) in [
            ("", "31D6CFE0D16AE931B73C59D7E0C089C0"),
            ("password", "8846F7EAEE8FB117AD06BDD830B7586C"),
            ("Password", "A4F49C406510BDCAB6824EE7C30FD852"),
            ("clientPass", "44EBBA8D5312B8D611474411F56989AE"),
        ] {
            assert_eq!(hash(&secret(password), Scheme::NtHash).unwrap().expose(), hex);
            assert!(verify(&secret(password), &hex.to_lowercase(), Scheme::NtHash));
        }
    }

    #[test]
    fn text_that_is_no_hash_of_the_scheme_is_refused_without_a_panic() {
        for stored in [
            "",
            "$6$",
            "$6$$",
            "$6$salt",
            "$6$salt$",
            "$6$salt$tooshort",
            "$6$salt$x$y",
            "$5$salt$abc",
            "$1$a$b",
            "rahasia",
            "{SSHA512}",
            "{SSHA512}AAAA",
            "{SSHA512}?",
            "{ssha512}AAAA",
            "31D6",
            "\u{0}",
            "$6$rounds=99999999999$a$b",
            "$6$rounds=999999999$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        ] {
            for scheme in [Scheme::Sha512Crypt, Scheme::Ssha512, Scheme::NtHash] {
                assert!(!verify(&secret("rahasia"), stored, scheme), "{stored}");
            }
        }
    }

    #[test]
    fn a_new_credential_has_one_hash_for_each_scheme_asked_for() {
        let schemes = [Scheme::Sha512Crypt, Scheme::NtHash, Scheme::Sha512Crypt, Scheme::Ssha512];
        let credential = new_credential(&schemes).unwrap();
        assert_eq!(credential.hashes.len(), 3);
        for scheme in schemes {
            assert!(verify(&credential.password, credential.hash(scheme).unwrap().expose(), scheme));
        }
        assert!(!format!("{credential:?}").contains(credential.password.expose()));
    }

    #[test]
    fn work_on_every_core_answers_in_order() {
        for n in [0usize, 1, 2, 3, 7, 100] {
            let items: Vec<usize> = (0..n).collect();
            assert_eq!(on_every_core(&items, |i| i * 2), items.iter().map(|i| i * 2).collect::<Vec<_>>());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_hash_verifies_its_password_and_no_other(password in "\\PC{0,70}", other in "\\PC{0,70}") {
            for scheme in [Scheme::Sha512Crypt, Scheme::Ssha512, Scheme::NtHash] {
                let made = hash(&secret(&password), scheme).unwrap();
                prop_assert!(verify(&secret(&password), made.expose(), scheme));
                prop_assert_eq!(verify(&secret(&other), made.expose(), scheme), password == other);
            }
        }
        #[test]
        fn two_hashes_of_one_password_differ_where_there_is_a_salt(password in "[a-z]{1,20}") {
            for scheme in [Scheme::Sha512Crypt, Scheme::Ssha512] {
                let first = hash(&secret(&password), scheme).unwrap();
                let second = hash(&secret(&password), scheme).unwrap();
                prop_assert_ne!(first.expose(), second.expose());
            }
        }
        #[test]
        fn any_stored_text_is_looked_at_without_a_panic(stored in "(\\$6\\$(rounds=[0-9]{1,4}\\$)?)?\\PC{0,120}") {
            for scheme in [Scheme::Sha512Crypt, Scheme::Ssha512, Scheme::NtHash] {
                prop_assert!(!verify(&secret("x"), &stored, scheme));
            }
        }
    }
}
