//! (to come) `pub fn hash(password: &Secret, scheme: Scheme) -> Result<Secret, Fault>`,
//! `pub fn verify(password: &Secret, stored: &str) -> bool`
