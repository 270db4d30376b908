//! (to come) `pub fn password() -> Result<Secret, Fault>`
