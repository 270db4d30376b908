//! Passwords: made, hashed, verified, sealed at rest.

pub mod generate;
pub mod hash;
pub mod seal;
