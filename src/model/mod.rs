//! The domain's types. Pure: nothing here touches the disk, the network or the clock, and nothing here
//! knows any other module of akund.

pub mod account;
pub mod address;
pub mod answer;
pub mod entry;
pub mod fault;
pub mod hex;
pub mod letters;
pub mod outcome;
pub mod phone;
pub mod request;
pub mod retention;
pub mod said;
pub mod secret;
pub mod specimen;
pub mod step;
pub mod verdict;

pub use account::{Account, AccountUid, Credential, Quota, Scheme};
pub use address::{Address, Domain, Username};
pub use answer::{Answer, Finding};
pub use fault::{Fault, FaultClass};
pub use letters::Invalid;
pub use outcome::{Outcome, OutcomeAccount, OutcomeLetter, OutcomeRequest, OutcomeStep, Posting};
pub use phone::Phone;
pub use request::{Action, Approval, Decision, Document, Person, Record, RequestKey, RequestUid};
pub use secret::Secret;
pub use specimen::Specimen;
pub use step::{NoticeKind, Plan, PlannedStep, Proof, Recipient, Refused, StepDetail, StepId, Verb, role_text};
pub use verdict::{Alternative, Check, Evidence, Facts, Grant, HoldReason, Judgement, NameFact, TakenAway, Verdict};
