//! A request record, version 1, parsed: the types that everything behind the edge works with.
//!
//! They are made only by [`crate::intake::record`], which reports what is wrong with file, line, column
//! and field. `Serialize`/`Deserialize` here are the journal's own round trip, not the outside format.

use super::{Address, Phone, Quota, Recipient, Username};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// akund's own opaque id of a request; may stand in events and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestUid(pub Uuid);

impl fmt::Display for RequestUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `PROCEDURE:ID@REVISION`. With the procedure, the sender's id is the idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestKey {
    /// The procedure's name.
    pub procedure: String,
    /// The sender's own id: ticket or letter number. 1 to 200 characters, no control characters, not blank.
    pub id: String,
    /// From 1.
    pub revision: u32,
}

impl fmt::Display for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}@{}", self.procedure, self.id, self.revision)
    }
}

impl std::str::FromStr for RequestKey {
    type Err = String;
    /// Reads back what `Display` writes. An id may hold `:` and `@`, a procedure's name may not hold `:`.
    fn from_str(text: &str) -> Result<Self, String> {
        let like = || format!("found {}, expected PROCEDURE:ID@REVISION", super::letters::quoted(text));
        let (procedure, rest) = text.split_once(':').ok_or_else(like)?;
        let (id, revision) = rest.rsplit_once('@').ok_or_else(like)?;
        let revision = revision.parse().ok().filter(|r| *r >= 1).ok_or_else(like)?;
        if procedure.is_empty() || id.is_empty() {
            return Err(like());
        }
        Ok(Self { procedure: procedure.into(), id: id.into(), revision })
    }
}

/// What a request asks for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A new account.
    #[default]
    Create,
    /// New values for an existing one.
    Change,
    /// A new password.
    Reset,
    /// Log-in refused until resumed.
    Suspend,
    /// Log-in allowed again.
    Resume,
    /// The account ends.
    Remove,
}

impl Action {
    /// The word in records, events and outcomes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Reset => "reset",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Remove => "remove",
        }
    }
    /// Whether it hands out a new password.
    pub fn mints(self) -> bool {
        matches!(self, Self::Create | Self::Reset)
    }
}

/// The applicant, or the responsible person of an account that is not a person's. Texts are trimmed, NFC,
/// free of control characters; empty where the record left them out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Person {
    /// One name is enough. At most 200 characters.
    pub name: String,
    /// May be empty: the procedure's single-name rule fills it where a target needs it.
    pub given_name: String,
    /// Likewise.
    pub family_name: String,
    /// One of the procedure's own list (applicant only).
    pub category: String,
    /// NIM, NIP or unit code.
    pub identifier: String,
    /// Work unit or faculty.
    pub unit: String,
    /// Where credentials may go; never the address being made.
    pub email: Option<Address>,
    /// E.164.
    pub phone: Option<Phone>,
}

/// `[account]`: what is wanted. For actions other than create it names the account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WantedAccount {
    /// Wanted address; none: the naming rule chooses.
    pub address: Option<Address>,
    /// Hotspot user name; none: the local part of the address.
    pub username: Option<Username>,
    /// Empty: the procedure's default.
    pub services: Vec<String>,
    /// Last valid day, in the procedure's time zone.
    pub expires: Option<Date>,
    /// Mailbox size.
    pub quota: Option<Quota>,
    /// Hotspot profile.
    pub group: Option<String>,
}

/// `[change]`: the new values, with action = "change".
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Change {
    /// New address.
    pub address: Option<Address>,
    /// New display name.
    pub name: Option<String>,
    /// New mailbox size.
    pub quota: Option<Quota>,
    /// New hotspot profile.
    pub group: Option<String>,
    /// New last valid day.
    pub expires: Option<Date>,
    /// The new, whole list of aliases.
    pub aliases: Option<Vec<Address>>,
}

/// `[[document]]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Document {
    /// letter, form, ticket, disposition …: the procedure's own list.
    pub kind: String,
    /// Letter or form number.
    pub number: String,
    /// Its date.
    pub date: Option<Date>,
    /// Number in the register of incoming letters.
    pub register: String,
    /// Who signed it.
    pub signed_by: String,
}

/// An official's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Go ahead.
    Approved,
    /// No, with a reason.
    Refused,
}

/// `[[approval]]`, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// A role of the procedure.
    pub role: String,
    /// Who decided.
    pub by: String,
    /// What.
    pub decision: Decision,
    /// Required with a refusal.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// One whole record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its idempotency key and revision.
    pub key: RequestKey,
    /// What it asks for.
    pub action: Action,
    /// Who asks.
    pub applicant: Person,
    /// Who answers for the account.
    pub responsible: Option<Person>,
    /// What is wanted.
    pub account: WantedAccount,
    /// New values.
    pub change: Option<Change>,
    /// Documents named.
    pub documents: Vec<Document>,
    /// Decisions taken, in order.
    pub approvals: Vec<Approval>,
}

impl Record {
    /// Who gets what is said about this request: the responsible person where there is one, else the applicant.
    pub fn contact(&self) -> &Person {
        self.responsible.as_ref().unwrap_or(&self.applicant)
    }
    /// Whom of those it names a notice for this recipient goes to.
    pub fn person(&self, to: &Recipient) -> &Person {
        if *to == Recipient::Responsible { self.contact() } else { &self.applicant }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_as_it_is_written() {
        for id in ["B-12/Un.03/2026", "a@b", "a:b", "x"] {
            let key = RequestKey { procedure: "unja-email".into(), id: id.into(), revision: 2 };
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for bad in ["", "x", "p:x", ":x@1", "p:@1", "p:x@0", "p:x@-1", "p:x@1.5"] {
            assert!(bad.parse::<RequestKey>().is_err(), "{bad}");
        }
    }
}
