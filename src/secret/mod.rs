//! Passwords: made, hashed, verified, sealed at rest.

pub mod generate;
pub mod hash;
pub mod place;
pub mod seal;

use crate::model::Fault;
use rand::TryRng;
use rand::rngs::SysRng;

/// Fills a buffer from the kernel's generator (getrandom(2)).
pub(crate) fn fill_random(buffer: &mut [u8]) -> Result<(), Fault> {
    SysRng
        .try_fill_bytes(buffer)
        .map_err(|e| Fault::transient(format!("the operating system gave no random bytes for a secret: {e}")))
}
