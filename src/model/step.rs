//! A plan: the ordered steps that an admitted request goes through.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The journal's number of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub i64);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a step does at its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Make the password and its hashes, sealed. Lane [`Verb::MINT_LANE`].
    Mint,
    /// Of an account that akund did not make: find it at a target, and enter its immutable id in the register.
    Adopt,
    /// Bring the request's action about at a target.
    Apply,
    /// Show that what was applied really works.
    Prove,
    /// Take back exactly what this request made at a target (withdraw).
    Undo,
    /// Hand a notice over to a channel.
    Deliver,
    /// Fill the letter of notification into a draft. Lane [`Verb::LETTER_LANE`].
    Draft,
    /// Wait for the signed letter: an operator's `akund release` brings it, and no lane. Lane [`Verb::LETTER_LANE`].
    Sign,
}

impl Verb {
    /// The lane that mints credentials: the only one that is neither a target nor a channel.
    pub const MINT_LANE: &'static str = "credentials";
    /// The lane of letters, which is neither a target nor a channel either.
    pub const LETTER_LANE: &'static str = "letter";

    /// The word used in the journal, logs, metrics and outcomes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mint => "mint",
            Self::Adopt => "adopt",
            Self::Apply => "apply",
            Self::Prove => "prove",
            Self::Undo => "undo",
            Self::Deliver => "deliver",
            Self::Draft => "draft",
            Self::Sign => "sign",
        }
    }
}

/// Which message a `Deliver` step sends. Each kind is one template per language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// Address or user name, initial password, where to log in and where to change it.
    Credentials,
    /// The request was refused, and why.
    Refusal,
    /// Activate it yourself in the application, and how.
    Redirect,
    /// Please fill in the form, and where it is.
    Form,
    /// The request waits for something that is missing, and what.
    Incomplete,
    /// The address is taken; free alternatives.
    Conflict,
    /// An action other than create was carried out (suspended, resumed, changed, removed).
    Changed,
    /// Address or user name without the password, which goes another way.
    Username,
    /// To an official: the account was made, or handed over.
    Report,
    /// To an official: the draft of the letter of notification, attached.
    LetterDraft,
    /// The signed letter of notification, attached.
    Letter,
}

impl NoticeKind {
    /// All of them, for checking that each has its templates.
    pub const ALL: [Self; 11] = [
        Self::Credentials,
        Self::Refusal,
        Self::Redirect,
        Self::Form,
        Self::Incomplete,
        Self::Conflict,
        Self::Changed,
        Self::Username,
        Self::Report,
        Self::LetterDraft,
        Self::Letter,
    ];
    /// The template's name and the word in journal and outcome.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Refusal => "refusal",
            Self::Redirect => "redirect",
            Self::Form => "form",
            Self::Incomplete => "incomplete",
            Self::Conflict => "conflict",
            Self::Changed => "changed",
            Self::Username => "username",
            Self::Report => "report",
            Self::LetterDraft => "letter-draft",
            Self::Letter => "letter",
        }
    }
}

/// Whom a notice goes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipient {
    /// The applicant's own contact.
    Applicant,
    /// The responsible person's contact.
    Responsible,
    /// The account's holder, at the contact that the register has of the account.
    Holder,
    /// The official of a role, by the role's name; see [`role_text`] for where they are written to.
    Role(String),
}

/// The key of [`super::Judgement::texts`] that holds what is known of a role: its `title`, and where its official is written to.
pub fn role_text(role: &str, what: &str) -> String {
    format!("role.{role}.{what}")
}

impl Recipient {
    /// For outcomes: `applicant`, `responsible`, `holder`, or the role's name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Applicant => "applicant",
            Self::Responsible => "responsible",
            Self::Holder => "holder",
            Self::Role(role) => role,
        }
    }
}

/// What a step needs beyond its verb. Kept in the journal; holds no personal data and no secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepDetail {
    /// For `Deliver`: which message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<NoticeKind>,
    /// For `Deliver`: to whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Recipient>,
    /// For `Deliver`: the channels that it passes on to, in this order, when its own refuses for good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
    /// For `Deliver`: the channels that have refused it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// For `Deliver` of credentials: the password by itself; address and user name go another way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub apart: bool,
    /// For `Deliver`: language, "id" or "en".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// For `Mint`: the schemes that the plan's targets need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemes: Vec<super::Scheme>,
    /// For `Draft`: the template's file name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// For `Draft`, `Sign` and the notice with the draft: the roles that may sign the letter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed_by: Vec<String>,
    /// For `Deliver`: nothing waits for it, and its failure leaves the request as it is. It goes once what stands before it is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aside: bool,
    /// With `aside`: it is not needed where the request's own notice was handed over by one of these channels, for that went to
    /// the very same address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
    /// For the notice `report`: it goes when the credentials have been handed over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handed_over: bool,
    /// The number of the step in the written procedure that this one carries out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sop: Option<String>,
}

/// A channel that has refused a notice for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Refused {
    /// The channel.
    pub channel: String,
    /// What it said. No secret, no address.
    pub fault: String,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// The lane that carries it out: the name of a target or channel, or [`Verb::MINT_LANE`].
    pub lane: String,
    /// What is done there.
    pub verb: Verb,
    /// What it needs to know.
    #[serde(default)]
    pub detail: StepDetail,
}

/// An ordered list, not a graph.
pub type Plan = Vec<PlannedStep>;

/// How it was shown that an account works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// A real log-in with the credentials about to be sent (or, for suspend and remove, a refused one).
    Login,
    /// What was stored was read back through a new connection and the password verified against it.
    Stored,
    /// The account was read back through a new connection and is in the wanted state, but no password was tried: the target never
    /// shows a hash, or there is no password at hand (suspend, resume, change, remove: it was wiped once handed over).
    Observed,
}

impl Proof {
    /// The word used in outcomes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Stored => "stored",
            Self::Observed => "observed",
        }
    }
}
