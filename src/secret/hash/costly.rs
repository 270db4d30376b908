//! The hashes that are costly by design: bcrypt and Argon2id.

use crate::model::{Fault, Secret};
use crate::secret::fill_random;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use zeroize::Zeroize;

/// bcrypt: 2^10 rounds, 60 ms of one core.
const COST: u32 = 10;
/// A stored hash that asks for more is not verified: it would only burn time and memory.
const MOST_COST: u32 = 14;
/// Argon2id: 19 MiB, two passes, one lane (OWASP's second recommendation; the library's default); 20 ms of one core.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 16;
const SALT: usize = 16;

/// `$2b$10$` + salt and hash. A password of more than 72 bytes is refused: bcrypt would ignore the rest.
pub fn bcrypt(password: &Secret) -> Result<Secret, Fault> {
    let mut salt = [0u8; SALT];
    fill_random(&mut salt)?;
    let mut made = bcrypt::non_truncating_hash_with_salt(password.expose(), COST, salt)
        .map_err(|e| Fault::permanent(format!("hashing a password with bcrypt: {e}")))?
        .to_string();
    let owned: Box<str> = made.as_str().into();
    made.zeroize();
    Ok(Secret::new(owned))
}

pub fn verify_bcrypt(password: &Secret, stored: &str) -> bool {
    let cost = stored.split('$').nth(2).and_then(|cost| cost.parse::<u32>().ok());
    cost.is_some_and(|cost| cost <= MOST_COST)
        && bcrypt::non_truncating_verify(password.expose(), stored).unwrap_or(false)
}

/// `$argon2id$v=19$m=19456,t=2,p=1$salt$hash` (the PHC string format).
pub fn argon2id(password: &Secret) -> Result<Secret, Fault> {
    let mut salt = [0u8; SALT];
    fill_random(&mut salt)?;
    let broken = |e: &dyn std::fmt::Display| Fault::permanent(format!("hashing a password with Argon2id: {e}"));
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|e| broken(&e))?;
    let mut made = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map_err(|e| broken(&e))?
        .to_string();
    let owned: Box<str> = made.as_str().into();
    made.zeroize();
    Ok(Secret::new(owned))
}

pub fn verify_argon2id(password: &Secret, stored: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(stored) else { return false };
    let Ok(params) = Params::try_from(&parsed) else { return false };
    parsed.algorithm.as_str() == "argon2id"
        && params.m_cost() <= MOST_MEMORY_KIB
        && params.t_cost() <= MOST_PASSES
        && Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bcrypt_agrees_with_published_vectors() {
        // From the test suite of crypt_blowfish.
        for (password, stored) in [
            ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
            ("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
            ("", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"),
        ] {
            assert!(verify_bcrypt(&Secret::new(password), stored), "{stored}");
            assert!(!verify_bcrypt(&Secret::new("U*V"), stored));
        }
    }

    #[test]
    fn argon2id_agrees_with_the_reference_implementation() {
        // From the test suite of phc-winner-argon2 (version 1.3, Argon2id).
        let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify_argon2id(&Secret::new("password"), stored));
        assert!(!verify_argon2id(&Secret::new("Password"), stored));
    }

    #[test]
    fn a_password_is_verified_by_its_own_hash_only() {
        for (make, verify) in [
            (bcrypt as fn(&Secret) -> Result<Secret, Fault>, verify_bcrypt as fn(&Secret, &str) -> bool),
            (argon2id, verify_argon2id),
        ] {
            let password = Secret::new("hT4k-rxA7-pQ2m-w9Dn");
            let (first, second) = (make(&password).unwrap(), make(&password).unwrap());
            assert_ne!(first.expose(), second.expose());
            assert!(verify(&password, first.expose()) && verify(&password, second.expose()));
            assert!(!verify(&Secret::new("hT4k-rxA7-pQ2m-w9D"), first.expose()));
        }
        assert!(bcrypt(&Secret::new("x".repeat(73))).is_err(), "what bcrypt would ignore is refused");
    }

    #[test]
    fn text_that_is_no_bearable_hash_is_refused_without_a_panic() {
        for stored in [
            "",
            "$2b$",
            "$2b$10$",
            "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2b$10$short",
            "$argon2id$",
            "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=65536,t=4000000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        ] {
            let password = Secret::new("password");
            assert!(!verify_bcrypt(&password, stored) && !verify_argon2id(&password, stored), "{stored}");
        }
    }
}
