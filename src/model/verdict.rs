//! What judging a request gives, and the facts it is judged by.

use super::{Account, AccountUid, Action, Address, Plan, Record, Username};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who holds a name (an address or a user name), as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "held-by")]
pub enum NameFact {
    /// The register: an account of akund's, or one reserved for a request under way.
    Register {
        /// The account that has it.
        account: AccountUid,
        /// The key of the request that made or reserved it, as text.
        request: String,
    },
    /// A live target knows it, and akund did not make it (or an alias of another account).
    Target {
        /// The target's name.
        target: String,
    },
}

/// What is known at the moment of judging. Collected by acting code, so that judging stays pure.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The source that handed the record in.
    pub source: String,
    /// For each asked-about name that is held: by whom. A name not listed is free in register and targets.
    pub names: BTreeMap<String, Vec<NameFact>>,
    /// For actions on an existing account: the account, if the register has it.
    pub account: Option<Account>,
    /// Its state in the register ("active", "suspended", "removed"), if any.
    pub account_state: Option<String>,
    /// With an account: whether the record's identifier is not the one that the account was made for.
    pub other_holder: bool,
    /// With an account: whether the register does not say who holds it. Only of imported and adopted ones.
    pub no_holder: bool,
    /// With an account: whether akund adopted it, and did not make it.
    pub adopted: bool,
    /// Other active accounts of the same holder (identifier) and procedure: their addresses.
    pub holder_has: Vec<String>,
    /// Where the unit was asked about: its active accounts of this procedure, some of their addresses or user names.
    pub unit_has: Vec<String>,
    /// Of the roles that the record's approvals name, those that the key which signed the record may sign as.
    pub signed_as: Vec<String>,
    /// For actions on an existing account, by target: how far its change budget is used up. A target without any entry has all of it.
    pub taken_away: BTreeMap<String, TakenAway>,
}

/// How far the change budget of a target is used up: changes that take something away and that nobody approved one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TakenAway {
    /// Such changes in the last 24 hours.
    pub in_a_day: u64,
    /// Accounts that stand at the target, suspended ones included.
    pub accounts: u64,
}

impl TakenAway {
    /// The budget whatever the number of accounts.
    pub const LEAST: u64 = 20;

    /// The larger of 20 and 5 % of the accounts.
    pub fn budget(self) -> u64 {
        Self::LEAST.max(self.accounts / 20)
    }

    /// Whether one more change would go beyond the budget.
    pub fn is_used_up(self) -> bool {
        self.in_a_day >= self.budget()
    }
}

/// One line of the checklist: a requirement and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Check {
    /// The requirement, in a few words ("approval: head", "address free in the register").
    pub requirement: String,
    /// Whether it is met.
    pub met: bool,
    /// What was found; for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub found: String,
    /// The number of the SOP step it belongs to, if the procedure numbers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sop: Option<String>,
    /// What it was held against; not part of the record that is kept.
    #[serde(skip)]
    pub held_against: Evidence,
}

/// What a requirement is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evidence {
    /// The record and the procedure alone.
    #[default]
    Record,
    /// What the register and the targets hold, too.
    Accounts,
}

/// What a permitted request may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What is asked for.
    pub action: Action,
    /// The account as targets shall hold it. For `create` its `uid` is the one the caller proposed.
    pub account: Account,
    /// The names that this request reserves: its address and aliases, its user name. Lower case.
    pub names: Vec<String>,
    /// It takes something away and nobody approved it by itself: it counts against the change budget.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub budgeted: bool,
    /// It takes something from the account's holder: the account itself, for a time or for good, days of it, or the password.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_away: bool,
    /// Of an account that akund did not make and may act on from now on: what is known of it before. Its targets name it first
    /// ([`super::Verb::Adopt`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopts: Option<Box<Account>>,
}

/// A free name that would do instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Alternative {
    /// An address.
    Address(Address),
    /// A user name.
    Username(Username),
}

/// Why a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldReason {
    /// The form is missing: it was sent; a higher revision supplies it.
    Form,
    /// An approval or a document is missing: only a higher revision supplies it.
    Incomplete,
    /// The procedure wants a person to look: `akund release` lets it go.
    Review,
}

impl HoldReason {
    /// Whether `akund release` may move it: never for what is missing.
    pub fn releasable(self) -> bool {
        matches!(self, Self::Review)
    }
    /// The word in outcomes and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Incomplete => "incomplete",
            Self::Review => "review",
        }
    }
}

/// What judging a request gave. Sentences are for people, in the procedure's language.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// Go ahead.
    Permit {
        /// With this.
        grant: Grant,
    },
    /// Activate it yourself in the application.
    Redirect {
        /// Name of the instructions in the procedure (the category's route).
        instructions: String,
    },
    /// No.
    Refuse {
        /// Each reason, a sentence.
        reasons: Vec<String>,
    },
    /// A name is taken.
    Conflict {
        /// Each reason, a sentence.
        reasons: Vec<String>,
        /// Free names by the naming rule.
        alternatives: Vec<Alternative>,
    },
    /// Not yet.
    Hold {
        /// Why, as data.
        reason: HoldReason,
        /// What is missing or to be looked at; sentences.
        missing: Vec<String>,
        /// What would be granted on release; only with [`HoldReason::Review`].
        grant: Option<Grant>,
    },
}

impl Verdict {
    /// The word in events, outcomes and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Permit { .. } => "permit",
            Self::Redirect { .. } => "redirect",
            Self::Refuse { .. } => "refuse",
            Self::Conflict { .. } => "conflict",
            Self::Hold { .. } => "hold",
        }
    }
    /// The grant, if there is one.
    pub fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Permit { grant } | Self::Hold { grant: Some(grant), .. } => Some(grant),
            _ => None,
        }
    }
}

/// The key of [`Judgement::texts`] that holds the name of the procedure's time zone, for days in notices.
pub const TIME_ZONE: &str = "time_zone";

/// The key of [`Judgement::texts`] that holds what the written procedure allows, as JSON (`procedure::standard::Standard`).
pub const STANDARD: &str = "akund_standard";

/// The key of [`Judgement::texts`] that holds the domains in which the applicant's category has addresses, with spaces between
/// them: notices may show an address in one of these whole.
pub const DOMAINS: &str = "domains";

/// A verdict with all that goes with it into the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// A result for each requirement.
    pub checklist: Vec<Check>,
    /// SHA-256 of the procedure file, hex.
    pub procedure_sha256: String,
    /// The plan of the grant; empty where there is none. With `Hold` it runs only after release.
    pub plan: Plan,
    /// The notices that tell the applicant of any other verdict; they run at once. Empty with `Permit`.
    pub notices: Plan,
    /// The procedure's own texts for notices (institution, log-in URL, instructions, obligations …), kept
    /// with the request so that a later edit of the file never changes what a running plan says.
    pub texts: BTreeMap<String, String>,
}

/// Judges and plans one record; called by the journal inside the transaction that records the verdict,
/// so that two rows that want the same address cannot both get it.
pub type Decide<'a> = dyn Fn(&Record, &Facts) -> Judgement + Send + 'a;
