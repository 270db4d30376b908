//! The procedure file as it is written: serde types, and nothing that decides.
//!
//! `config/procedures/generic.toml` is the commented template; `akund schema procedure` prints the JSON Schema made
//! from these types. Every table refuses unknown keys. What is optional here and what it defaults to is said at the field.

mod table;

pub use table::{CalendarRules, CheckKind, DeadlineRule, Milestone, SopStep};

use super::rules::{
    AddressRules, Delivery, Expiry, LetterRules, PersonRules, ReportRule, ReservedNames, ServiceRules, UsernameRules,
};
use crate::model::Action;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The language of sentences and notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// Indonesian.
    #[default]
    Id,
    /// English.
    En,
}

impl Language {
    /// ISO 639-1, as in `StepDetail::language`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::En => "en",
        }
    }
}

/// A procedure file, format version 1.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Format version: 1.
    pub akund: u32,
    /// The procedure's name; the file is called `NAME.toml`. Lower-case letters, digits and `-`.
    pub name: String,
    /// What the procedure is called, for people.
    pub title: String,
    /// The same in English.
    pub title_en: Option<String>,
    /// Who issued it; signs the notices.
    pub institution: String,
    /// The same in English.
    pub institution_en: Option<String>,
    /// Number of the written document (SOP) that this file carries.
    pub sop: Option<String>,
    /// Language of reasons and notices. Default `id`.
    #[serde(default)]
    pub language: Language,
    /// ISO 3166-1 alpha-2; phone numbers without a country code are read as of this country. Default `ID`.
    #[serde(default = "indonesia")]
    pub country: String,
    /// IANA name; days begin and end in it. Default `Asia/Jakarta`.
    #[serde(default = "jakarta")]
    pub time_zone: String,
    /// What may be asked for. Default `["create"]`.
    #[serde(default = "create_only")]
    pub actions: Vec<Action>,
    /// Of `actions`, those that akund may carry out on accounts that it did not make: such an account is found by its address or user
    /// name, entered in the register with its target's immutable id, and is akund's to act on from then on. The register must
    /// know the applicant as its holder, or the procedure require an approval. Default none: such requests are held.
    #[serde(default)]
    pub adopt: Vec<Action>,
    /// Nobody may give two of the approvals that a request needs. Default false.
    #[serde(default)]
    pub nobody_twice: bool,
    /// A holder (by identifier) may have one account of this procedure. Default false.
    #[serde(default)]
    pub one_account_per_holder: bool,
    /// A unit (by `applicant.unit`, in any case) may have one account of this procedure. Default false.
    #[serde(default)]
    pub one_account_per_unit: bool,
    /// Texts for notices, by key. `KEY_en` (or `KEY_id`) goes before `KEY` in that language.
    #[serde(default)]
    pub texts: BTreeMap<String, String>,
    /// How the names of people are read.
    #[serde(default)]
    pub person: PersonRules,
    /// Who may ask, and what becomes of it.
    pub category: Vec<Category>,
    /// Roles that decide.
    #[serde(default)]
    pub role: Vec<Role>,
    /// Approvals that a request needs, in this order.
    #[serde(default)]
    pub approval: Vec<ApprovalRule>,
    /// Kinds of documents that a request may name, and which of them it must.
    #[serde(default)]
    pub document: Vec<DocumentRule>,
    /// Mail addresses. Without it no account of this procedure has one.
    pub address: Option<AddressRules>,
    /// User names.
    #[serde(default)]
    pub username: UsernameRules,
    /// Names that nobody may have as local part, user name or alias.
    #[serde(default)]
    pub reserved: ReservedNames,
    /// Services, quotas and groups.
    pub services: ServiceRules,
    /// End dates, where the category does not say otherwise.
    #[serde(default)]
    pub expiry: Expiry,
    /// How credentials and news leave.
    pub delivery: Delivery,
    /// Officials who are told.
    #[serde(default)]
    pub report: Vec<ReportRule>,
    /// The letter of notification. Without it there is none.
    pub letter: Option<LetterRules>,
    /// The written procedure's own table of steps.
    #[serde(default)]
    pub step: Vec<SopStep>,
    /// When people work.
    #[serde(default)]
    pub calendar: CalendarRules,
    /// What must be done in time, beyond the minutes of single steps.
    #[serde(default)]
    pub deadline: Vec<DeadlineRule>,
}

/// What becomes of a category's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RouteKind {
    /// The account is made.
    Provision,
    /// The applicant is told to activate it in the application; needs `instructions`.
    Redirect,
    /// Refused; needs `reason`.
    Refuse,
    /// As `provision` once the form is named in the request; until then the form is sent and the request held.
    Form,
}

/// `[[category]]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// The word in `applicant.category`.
    pub name: String,
    /// For people; default: the name.
    pub title: Option<String>,
    /// The same in English.
    pub title_en: Option<String>,
    /// What becomes of its requests.
    pub route: RouteKind,
    /// Key in `[texts]`: what the applicant is told with routes `redirect` (required) and `form`.
    pub instructions: Option<String>,
    /// Key in `[texts]`: why, with route `refuse`.
    pub reason: Option<String>,
    /// With route `form`: kind of the document that must be named. Default `form`.
    #[serde(default = "form")]
    pub form: String,
    /// With route `form`: the actions that need it. Default `["create", "change"]`.
    #[serde(default = "create_and_change")]
    pub form_actions: Vec<Action>,
    /// Sources that go another way.
    #[serde(default)]
    pub source: Vec<SourceRoute>,
    /// Language of reasons and notices to this category; default: the procedure's.
    pub language: Option<Language>,
    /// The request must name a responsible person. Default false.
    #[serde(default)]
    pub responsible: bool,
    /// A person must look at each request and release it. Default false.
    #[serde(default)]
    pub review: bool,
    /// Over the procedure's.
    pub one_account_per_holder: Option<bool>,
    /// Over the procedure's.
    pub one_account_per_unit: Option<bool>,
    /// Fields that must not be empty.
    #[serde(default)]
    pub required: Vec<Field>,
    /// Regular expression that the whole identifier must match.
    pub identifier_pattern: Option<String>,
    /// What the identifier is, for people ("NIP, 18 angka").
    pub identifier_means: Option<String>,
    /// The same in English.
    pub identifier_means_en: Option<String>,
    /// The account ends: `account.expires` is required. Default false.
    #[serde(default)]
    pub temporary: bool,
    /// The last valid day is at most this many days away. Needs `temporary` or `default_days`.
    pub max_days: Option<u32>,
    /// Where the request names no last valid day: this many days from today.
    pub default_days: Option<u32>,
    /// Services where the request names none; default: `services.default`.
    pub services: Option<Vec<String>>,
    /// Services that may be asked for; default: its `services`, or else `services.allowed`.
    pub allowed_services: Option<Vec<String>>,
    /// Mailbox size where the request names none ("5GB"; 1 GB = 10^9 bytes); default: `services.quota`.
    pub quota: Option<String>,
    /// Largest mailbox that may be asked for; default: its `quota`, or else `services.max_quota`.
    pub max_quota: Option<String>,
    /// Hotspot profile where the request names none; default: `services.group`.
    pub group: Option<String>,
    /// Further profiles that may be asked for; default: `services.groups`.
    pub groups: Option<Vec<String>>,
    /// Domains, over `address.domains`; the first is used where the request wishes no address.
    pub domains: Option<Vec<String>>,
    /// Over `address.allow_subdomains`.
    pub allow_subdomains: Option<bool>,
    /// Naming rule, over those of `[address]` and `[username]`.
    pub naming: Option<Vec<String>>,
    /// The same for people with one name.
    pub single_naming: Option<Vec<String>>,
    /// Over `address.must_follow_naming` and `username.must_follow_naming`.
    pub must_follow_naming: Option<bool>,
    /// Reserved names that this category may have all the same.
    #[serde(default)]
    pub may_use_reserved: Vec<String>,
}

/// `[[category.source]]`: "the source decides".
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceRoute {
    /// The source's name (`[[source]]` in the configuration; its spool directory).
    pub source: String,
    /// What becomes of this category's requests when they come from it.
    pub route: RouteKind,
    /// As in the category, over it.
    pub instructions: Option<String>,
    /// As in the category, over it.
    pub reason: Option<String>,
    /// Kinds of documents that this source's requests need not name.
    #[serde(default)]
    pub without_documents: Vec<String>,
    /// Roles whose approval this source's requests need not carry.
    #[serde(default)]
    pub without_approvals: Vec<String>,
}

/// A field of the request record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Field {
    /// Given name.
    #[serde(rename = "applicant.given_name")]
    ApplicantGivenName,
    /// Family name.
    #[serde(rename = "applicant.family_name")]
    ApplicantFamilyName,
    /// NIM, NIP or unit code.
    #[serde(rename = "applicant.identifier")]
    ApplicantIdentifier,
    /// Work unit or faculty.
    #[serde(rename = "applicant.unit")]
    ApplicantUnit,
    /// The applicant's own e-mail address.
    #[serde(rename = "applicant.email")]
    ApplicantEmail,
    /// The applicant's phone.
    #[serde(rename = "applicant.phone")]
    ApplicantPhone,
    /// The responsible person's name.
    #[serde(rename = "responsible.name")]
    ResponsibleName,
    /// The responsible person's NIP or NIM.
    #[serde(rename = "responsible.identifier")]
    ResponsibleIdentifier,
    /// The responsible person's e-mail address.
    #[serde(rename = "responsible.email")]
    ResponsibleEmail,
    /// The responsible person's phone.
    #[serde(rename = "responsible.phone")]
    ResponsiblePhone,
    /// Wanted address.
    #[serde(rename = "account.address")]
    AccountAddress,
    /// Wanted user name.
    #[serde(rename = "account.username")]
    AccountUsername,
    /// Wanted services.
    #[serde(rename = "account.services")]
    AccountServices,
    /// Last valid day.
    #[serde(rename = "account.expires")]
    AccountExpires,
    /// Mailbox size.
    #[serde(rename = "account.quota")]
    AccountQuota,
    /// Hotspot profile.
    #[serde(rename = "account.group")]
    AccountGroup,
}

impl Field {
    /// The dotted name, as in records and procedure files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApplicantGivenName => "applicant.given_name",
            Self::ApplicantFamilyName => "applicant.family_name",
            Self::ApplicantIdentifier => "applicant.identifier",
            Self::ApplicantUnit => "applicant.unit",
            Self::ApplicantEmail => "applicant.email",
            Self::ApplicantPhone => "applicant.phone",
            Self::ResponsibleName => "responsible.name",
            Self::ResponsibleIdentifier => "responsible.identifier",
            Self::ResponsibleEmail => "responsible.email",
            Self::ResponsiblePhone => "responsible.phone",
            Self::AccountAddress => "account.address",
            Self::AccountUsername => "account.username",
            Self::AccountServices => "account.services",
            Self::AccountExpires => "account.expires",
            Self::AccountQuota => "account.quota",
            Self::AccountGroup => "account.group",
        }
    }
}

/// `[[role]]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The word in `approval.role`.
    pub name: String,
    /// For people.
    pub title: String,
    /// The same in English.
    pub title_en: Option<String>,
    /// Roles whose decision is as good as this one's (and, in turn, their alternatives').
    #[serde(default)]
    pub alternatives: Vec<String>,
    /// Roles that act for this one while it is vacant or absent; the checklist says so.
    #[serde(default)]
    pub acting: Vec<String>,
    /// Where its official is written to: reports, drafts of letters.
    pub email: Option<String>,
}

/// `[[approval]]`: one link of the chain.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRule {
    /// The role that decides.
    pub role: String,
    /// The decision may be at most this many days old.
    pub max_age_days: Option<u32>,
    /// The record must be signed (`NAME.sig`) by a key that holds the approving role, even where its source asks for no
    /// signature. A record has one signature: mark the decision that counts most. Default false.
    #[serde(default)]
    pub signed: bool,
    /// Only these categories. Default: all.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Only these actions. Default: all.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Number of the SOP step, for the checklist.
    pub step: Option<String>,
}

/// A detail of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentField {
    /// Letter or form number.
    Number,
    /// Its date.
    Date,
    /// Number in the register of incoming letters.
    Register,
    /// Who signed it.
    SignedBy,
}

/// `[[document]]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentRule {
    /// The word in `document.kind`.
    pub kind: String,
    /// For people.
    pub title: String,
    /// The same in English.
    pub title_en: Option<String>,
    /// It may be named but need not (route `form` still needs its form). Default false.
    #[serde(default)]
    pub optional: bool,
    /// Details that must be there wherever it is named.
    #[serde(default)]
    pub needs: Vec<DocumentField>,
    /// It may be dated at most this many days back.
    pub max_age_days: Option<u32>,
    /// Required of these categories only. Default: all.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Required with these actions only. Default: all.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Number of the SOP step, for the checklist.
    pub step: Option<String>,
}

fn indonesia() -> String {
    "ID".into()
}
fn jakarta() -> String {
    "Asia/Jakarta".into()
}
fn create_only() -> Vec<Action> {
    vec![Action::Create]
}
fn create_and_change() -> Vec<Action> {
    vec![Action::Create, Action::Change]
}
fn form() -> String {
    "form".into()
}
