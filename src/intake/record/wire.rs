//! The record as it stands outside, as types: the JSON Schema is made from them, and the digest of a record's content.
//!
//! The reader does not use them, because it has to name places; a test keeps the two in step.

use crate::model::request::{Change, WantedAccount};
use crate::model::{self, Action, Decision, Person};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// An approved request, version 1: who wants which account, and who decided. The same fields in TOML, JSON,
/// JSON Lines (one record a line) and CSV (dotted field names as header, lists separated by |).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "akund request record", deny_unknown_fields)]
pub struct RequestRecord {
    /// Version of the format: 1. A CSV file may leave the column out.
    #[schemars(range(min = 1, max = 1))]
    pub akund: u32,
    /// The sender's own ticket or letter number, unique in the procedure.
    #[schemars(length(min = 1, max = 200))]
    pub id: String,
    /// A corrected request keeps its id and counts up.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub revision: u32,
    /// The procedure that decides.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub procedure: String,
    /// What is asked for.
    #[serde(default)]
    pub action: Action,
    /// Who asks.
    pub applicant: Applicant,
    /// Who answers for the account; required by procedures where the account is not a person's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responsible: Option<Responsible>,
    /// The account that is wanted; for actions other than create, the account meant.
    #[serde(default, skip_serializing_if = "Wanted::is_empty")]
    pub account: Wanted,
    /// The new values, with action = "change" only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<NewValues>,
    /// Letters, forms, tickets and dispositions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub document: Vec<Document>,
    /// Decisions, in the order in which they were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub approval: Vec<Approval>,
}

/// Who asks for the account.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(deny_unknown_fields)]
pub struct Applicant {
    /// One name is enough.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// Where a target needs it and it is left out, the procedure's rule fills it in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub given_name: String,
    /// Likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub family_name: String,
    /// One of the procedure's own list: student, lecturer, staff, unit …
    #[schemars(length(min = 1, max = 64))]
    pub category: String,
    /// Student number, staff number or unit code, as text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub identifier: String,
    /// Work unit or faculty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub unit: String,
    /// Where the credentials may go; never the address being made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 254))]
    pub email: Option<String>,
    /// With country code, or as dialled in the procedure's country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// Who answers for an account that is not a person's.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(deny_unknown_fields)]
pub struct Responsible {
    /// One name is enough.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// Staff number, as text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub identifier: String,
    /// Where the credentials go.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 254))]
    pub email: Option<String>,
    /// With country code, or as dialled in the procedure's country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// The account that is wanted.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(deny_unknown_fields)]
pub struct Wanted {
    /// Left out: the procedure's naming rule chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 254))]
    pub address: Option<String>,
    /// For hotspot accounts. Left out: what stands before the @.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub username: Option<String>,
    /// mail, hotspot … Left out: the procedure's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub services: Vec<String>,
    /// Last valid day, year-month-day, in the procedure's time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date"))]
    pub expires: Option<String>,
    /// Mailbox size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Size>,
    /// Hotspot profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub group: Option<String>,
}

impl Wanted {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A size: bytes, or text with a unit ("5GB", "500 MB", "2GiB"; 1 GB = 10^9 bytes, 1 GiB = 2^30).
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Size {
    /// Bytes.
    Bytes(#[schemars(range(min = 1, max = 1_000_000_000_000_000_u64))] u64),
    /// With a unit.
    Text(#[schemars(regex(pattern = r"^[0-9]+\s*([kKmMgGtT][iI]?)?[bB]?$"))] String),
}

/// New values of an account.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(deny_unknown_fields)]
pub struct NewValues {
    /// New address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 254))]
    pub address: Option<String>,
    /// New display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub name: Option<String>,
    /// New mailbox size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Size>,
    /// New hotspot profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub group: Option<String>,
    /// New last valid day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date"))]
    pub expires: Option<String>,
    /// The new, whole list of aliases.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub aliases: Option<Vec<String>>,
}

/// A document that the request rests on.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(deny_unknown_fields)]
pub struct Document {
    /// letter, form, ticket, disposition …: the procedure's own list.
    #[schemars(length(min = 1, max = 64))]
    pub kind: String,
    /// Its number.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub number: String,
    /// Its date, year-month-day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date"))]
    pub date: Option<String>,
    /// Its number in the register of incoming letters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub register: String,
    /// Who signed it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub signed_by: String,
}

/// One official's decision.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(deny_unknown_fields)]
pub struct Approval {
    /// A role of the procedure.
    #[schemars(length(min = 1, max = 64))]
    pub role: String,
    /// Who decided.
    #[schemars(length(min = 1, max = 200))]
    pub by: String,
    /// What was decided.
    pub decision: Decision,
    /// Required with a refusal. May have several lines.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2000))]
    pub reason: String,
    /// When: RFC 3339, or without an offset in the procedure's time zone.
    #[schemars(length(min = 16, max = 40))]
    pub at: String,
}

/// The revision of a record that says none; for the schema's default.
fn one() -> u32 {
    1
}

/// JSON Schema (2020-12) of the request record.
pub(super) fn schema() -> Value {
    let mut schema = schemars::schema_for!(RequestRecord).to_value();
    without_null(&mut schema);
    schema
}

/// A field that is not there is left out, never `null`: takes the `null` that an `Option` brings out of the schema.
fn without_null(schema: &mut Value) {
    if let Value::Array(items) = schema {
        items.iter_mut().for_each(without_null);
    }
    let Value::Object(map) = schema else { return };
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|t| t != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
        choices.retain(|c| c["type"] != "null");
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            map.shift_remove("anyOf");
            map.extend(only);
        }
    }
    map.retain(|key, value| key != "default" || !value.is_null());
    map.values_mut().for_each(without_null);
}

/// SHA-256 of the record's content in one fixed form: the outside names in fixed order, defaults filled in, dates
/// ISO, instants in UTC, sizes in bytes. Independent of the file's format, spelling and order of keys.
pub(super) fn content_digest(record: &model::Record) -> [u8; 32] {
    // The wire types have text keys only, so that serde_json cannot fail on them.
    let form = serde_json::to_vec(&RequestRecord::from(record)).unwrap_or_else(|_| format!("{record:?}").into_bytes());
    Sha256::new().chain_update(b"akund request record 1\n").chain_update(form).finalize().into()
}

fn text<T: ToString>(value: Option<&T>) -> Option<String> {
    value.map(ToString::to_string)
}

impl From<&model::Record> for RequestRecord {
    fn from(record: &model::Record) -> Self {
        Self {
            akund: 1,
            id: record.key.id.clone(),
            revision: record.key.revision,
            procedure: record.key.procedure.clone(),
            action: record.action,
            applicant: Applicant::from(&record.applicant),
            responsible: record.responsible.as_ref().map(Responsible::from),
            account: Wanted::from(&record.account),
            change: record.change.as_ref().map(NewValues::from),
            document: record.documents.iter().map(Document::from).collect(),
            approval: record.approvals.iter().map(Approval::from).collect(),
        }
    }
}

impl From<&Person> for Applicant {
    fn from(person: &Person) -> Self {
        Self {
            name: person.name.clone(),
            given_name: person.given_name.clone(),
            family_name: person.family_name.clone(),
            category: person.category.clone(),
            identifier: person.identifier.clone(),
            unit: person.unit.clone(),
            email: text(person.email.as_ref()),
            phone: text(person.phone.as_ref()),
        }
    }
}

impl From<&Person> for Responsible {
    fn from(person: &Person) -> Self {
        Self {
            name: person.name.clone(),
            identifier: person.identifier.clone(),
            email: text(person.email.as_ref()),
            phone: text(person.phone.as_ref()),
        }
    }
}

impl From<&WantedAccount> for Wanted {
    fn from(account: &WantedAccount) -> Self {
        Self {
            address: text(account.address.as_ref()),
            username: text(account.username.as_ref()),
            services: account.services.clone(),
            expires: text(account.expires.as_ref()),
            quota: account.quota.map(|q| Size::Bytes(q.0)),
            group: account.group.clone(),
        }
    }
}

impl From<&Change> for NewValues {
    fn from(change: &Change) -> Self {
        Self {
            address: text(change.address.as_ref()),
            name: change.name.clone(),
            quota: change.quota.map(|q| Size::Bytes(q.0)),
            group: change.group.clone(),
            expires: text(change.expires.as_ref()),
            aliases: change.aliases.as_ref().map(|list| list.iter().map(ToString::to_string).collect()),
        }
    }
}

impl From<&model::Document> for Document {
    fn from(document: &model::Document) -> Self {
        Self {
            kind: document.kind.clone(),
            number: document.number.clone(),
            date: text(document.date.as_ref()),
            register: document.register.clone(),
            signed_by: document.signed_by.clone(),
        }
    }
}

impl From<&model::Approval> for Approval {
    fn from(approval: &model::Approval) -> Self {
        Self {
            role: approval.role.clone(),
            by: approval.by.clone(),
            decision: approval.decision,
            reason: approval.reason.clone(),
            at: approval.at.to_string(),
        }
    }
}
