//! Intake: from a file or message to typed records, with the evidence kept.

pub mod record;
pub mod signature;
pub mod spool;
