//! Intake: from a file or message to typed records, with the evidence kept.
//!
//! [`spool`] takes dropped files with provenance and [`signature`] says who signed them; [`record`] parses their bytes.
//! None of the three knows another, but for the spool asking for signatures.

pub mod record;
pub mod signature;
pub mod spool;
