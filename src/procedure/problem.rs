//! Everything that judging can find wrong, as data; the sentences are in [`super::sentences`].

use super::file::{DocumentField, Field};
use crate::model::Action;
use jiff::civil::Date;

/// What a problem leads to. Where there are several, the first of these decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// It cannot be granted as it stands.
    Refuse,
    /// The form is sent.
    Form,
    /// Something is missing that a higher revision supplies.
    Incomplete,
    /// A name is somebody else's.
    Conflict,
    /// Nothing is missing, but a person must look.
    Review,
}

/// Whose contact or field it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Applicant,
    Responsible,
}

/// One problem. Texts that the record brought are shown through [`quoted`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    UnknownCategory { category: String },
    CategoryRefused { reason: String },
    ActionNotAllowed { action: Action },
    ApprovalRefused { title: String, reason: String },
    IdentifierForm { identifier: String, means: Option<String> },
    OwnAddress { who: Who, address: String },
    DomainNotAllowed { address: String, domains: Vec<String> },
    NameReserved { name: String },
    NameForm { name: String },
    NameNotByRule { name: String },
    NoAddressForServices { address: String },
    ServiceNotAllowed { service: String },
    ServiceWithoutTarget { service: String },
    QuotaTooLarge,
    QuotaNotChosen,
    GroupNotAllowed { group: String },
    ExpiresPast { day: Date },
    ExpiresTooFar { day: Date, latest: Date },
    NoSuchAccount,
    AccountNotOurs { name: String, targets: Vec<String> },
    AccountState { action: Action, state: String },
    AccountOfOtherCategory,
    AccountOfOtherHolder,
    AdoptionOfOtherHolder,
    AdoptionUnapproved,
    AdoptionUnclear { name: String },
    AdoptionNotFound { targets: Vec<String> },
    AccountEnded,
    TooManyAliases { most: usize },
    FieldMissing { field: Field },
    ResponsibleMissing,
    ExpiresMissing,
    DocumentMissing { title: String },
    DocumentDetailMissing { title: String, field: DocumentField },
    DocumentInFuture { title: String },
    DocumentTooOld { title: String, days: u32 },
    DocumentAfterApprovals { title: String },
    DocumentUnknown { kind: String },
    ApprovalMissing { title: String },
    ApprovalOutOfOrder { title: String, after: String },
    ApprovalsBackwards { earlier: String, later: String },
    ApprovalInFuture { title: String },
    ApprovalTooOld { title: String, days: u32 },
    ApprovalUnknownRole { role: String },
    ApprovalWithoutName { title: String },
    ApprovalUnsigned { title: String },
    SamePersonTwice { by: String },
    NoContact { who: Who, email: bool, phone: bool },
    NothingToChange,
    NameCannotBeMade,
    FormMissing { title: String },
    NameTaken { name: String },
    AllNamesTaken,
    HolderHas { addresses: Vec<String> },
    UnitHas { unit: String, addresses: Vec<String> },
    BudgetUsedUp { target: String, budget: u64 },
}

impl Problem {
    /// What it leads to.
    pub fn class(&self) -> Class {
        match self {
            Self::UnknownCategory { .. }
            | Self::CategoryRefused { .. }
            | Self::ActionNotAllowed { .. }
            | Self::ApprovalRefused { .. }
            | Self::IdentifierForm { .. }
            | Self::OwnAddress { .. }
            | Self::DomainNotAllowed { .. }
            | Self::NameReserved { .. }
            | Self::NameForm { .. }
            | Self::NameNotByRule { .. }
            | Self::NoAddressForServices { .. }
            | Self::ServiceNotAllowed { .. }
            | Self::ServiceWithoutTarget { .. }
            | Self::QuotaTooLarge
            | Self::QuotaNotChosen
            | Self::GroupNotAllowed { .. }
            | Self::ExpiresPast { .. }
            | Self::ExpiresTooFar { .. }
            | Self::NoSuchAccount
            | Self::AccountState { .. }
            | Self::AccountOfOtherCategory
            | Self::AccountOfOtherHolder
            | Self::AccountEnded
            | Self::TooManyAliases { .. } => Class::Refuse,
            Self::FormMissing { .. } => Class::Form,
            Self::FieldMissing { .. }
            | Self::ResponsibleMissing
            | Self::ExpiresMissing
            | Self::DocumentMissing { .. }
            | Self::DocumentDetailMissing { .. }
            | Self::DocumentInFuture { .. }
            | Self::DocumentTooOld { .. }
            | Self::DocumentAfterApprovals { .. }
            | Self::DocumentUnknown { .. }
            | Self::ApprovalMissing { .. }
            | Self::ApprovalOutOfOrder { .. }
            | Self::ApprovalsBackwards { .. }
            | Self::ApprovalInFuture { .. }
            | Self::ApprovalTooOld { .. }
            | Self::ApprovalUnknownRole { .. }
            | Self::ApprovalWithoutName { .. }
            | Self::ApprovalUnsigned { .. }
            | Self::SamePersonTwice { .. }
            | Self::NoContact { .. }
            | Self::NothingToChange
            | Self::NameCannotBeMade
            | Self::AdoptionOfOtherHolder
            | Self::AdoptionUnapproved
            | Self::AdoptionUnclear { .. }
            | Self::AdoptionNotFound { .. }
            | Self::AccountNotOurs { .. } => Class::Incomplete,
            Self::NameTaken { .. } | Self::AllNamesTaken | Self::HolderHas { .. } | Self::UnitHas { .. } => {
                Class::Conflict
            }
            Self::BudgetUsedUp { .. } => Class::Review,
        }
    }
}

/// Longest piece of a record's text in a sentence, characters.
const LONGEST_QUOTE: usize = 80;

/// A record's text for a sentence that goes to people: at most 80 characters, one line, no links.
pub(super) fn quoted(text: &str) -> String {
    bounded(text, LONGEST_QUOTE)
}

/// At most `most` characters, one line, no links.
pub(super) fn bounded(text: &str, most: usize) -> String {
    let is_link = |word: &str| word.contains("://") || word.to_ascii_lowercase().starts_with("www.");
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    let mut plain = String::with_capacity(text.len().min(4 * most));
    for (n, word) in words.enumerate() {
        if n > 0 {
            plain.push(' ');
        }
        plain.push_str(if is_link(word) { "(…)" } else { word });
    }
    match plain.char_indices().nth(most) {
        Some((cut, _)) => format!("{}…", plain.get(..cut).unwrap_or_default()),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_records_text_is_bounded_and_carries_no_links() {
        assert_eq!(quoted("see https://evil.example/x\nor WWW.evil.example now"), "see (…) or (…) now");
        assert_eq!(quoted(&"é".repeat(200)).chars().count(), LONGEST_QUOTE + 1);
    }

    proptest! {
        #[test]
        fn any_text_can_be_quoted_on_one_line(text in "(?s).{0,300}") {
            let quoted = quoted(&text);
            prop_assert!(quoted.chars().count() <= LONGEST_QUOTE + 1);
            prop_assert!(!quoted.chars().any(char::is_control) && !quoted.contains("://"));
        }
    }
}
