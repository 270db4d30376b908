//! Intake: from a file or message to typed records, with the evidence kept.
//!
//! [`spool`] takes dropped files and [`amqp`] messages, with provenance; [`signature`] says who signed them; [`record`] parses
//! their bytes. Both are a [`Source`]; none of these modules knows another, but that both ask for signatures, and that evidence of
//! messages is kept in the spool, too.

use crate::intake::signature::VerifiedSigner;
use jiff::Timestamp;
use std::io;

pub mod amqp;
pub mod record;
pub mod signature;
pub mod spool;

/// What was handed in: the bytes of a file or a message, and where they come from.
pub trait Handed: Send + Sync + 'static {
    /// The source's name.
    fn source(&self) -> &str;
    /// Its name, safe to show and to log; its extension is the record's form.
    fn name(&self) -> &str;
    /// What was read; empty once it was let go.
    fn bytes(&self) -> &[u8];
    /// How many bytes were read.
    fn size(&self) -> u64;
    /// Lets the bytes go: they are kept as evidence, and only some of them ever go back.
    fn let_go(&mut self);
    /// Of the bytes.
    fn sha256(&self) -> [u8; 32];
    /// When it was read.
    fn received(&self) -> Timestamp;
    /// Who signed it; always there where the source requires signatures. Whether the signer holds an approving role of the
    /// record is the caller's to ask ([`VerifiedSigner::holds`]).
    fn signer(&self) -> Option<&VerifiedSigner>;
    /// Whether it may have been handed over before: the journal is then asked whether it was given back.
    fn again(&self) -> bool {
        false
    }
    /// The detached signature as it came, for the evidence.
    fn signature_bytes(&self) -> Option<&[u8]>;
}

/// Where requests are handed in, as far as admission gives something back to it.
///
/// An implementation must not decide what is taken, nor acknowledge anything by itself: evidence, then the journal's commit, then
/// [`Source::acknowledge`].
pub trait Source: Send + Sync {
    /// What it hands over.
    type Item: Handed;

    /// Gives back to the submitter what could not be accepted, durably: `bytes` of it where that is not all of it. `known` says that
    /// the journal has it as given back already ([`Handed::again`]).
    ///
    /// # Errors
    /// It could not be given back; it is tried again, and so must not be acknowledged.
    fn give_back(
        &self,
        item: Self::Item,
        bytes: Option<Vec<u8>>,
        reason: String,
        known: bool,
    ) -> impl Future<Output = io::Result<(Self::Item, GivenBack)>> + Send;

    /// Takes away what the journal has.
    ///
    /// # Errors
    /// What was not reached is handed over again, as a duplicate.
    fn acknowledge(&self, items: Vec<Self::Item>) -> impl Future<Output = io::Result<()>> + Send;
}

/// What became of something that was given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenBack {
    /// Where its submitter finds the reasons.
    pub place: String,
    /// The very same had been given back before: before a crash, or because it stays where it is.
    pub repeated: bool,
}
