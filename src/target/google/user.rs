//! A user as Google shows it, and the bodies that are sent. Field names are the Directory API's (revision 20261104).

use super::layout::Wanted;
use crate::model::{AccountUid, Secret};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The `customType` of akund's mark among a user's external ids.
pub const MARK: &str = "akund";

/// What akund reads of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    /// Google's immutable id.
    pub id: String,
    /// The address.
    pub primary_email: String,
    /// Names.
    pub name: Name,
    /// Log-in refused.
    pub suspended: bool,
    /// With or, in some answers, without the leading `/`.
    pub org_unit_path: Option<String>,
    /// As Google gave them: an update replaces all of them.
    external_ids: Vec<Value>,
    /// Further addresses.
    pub aliases: Vec<String>,
    /// A super administrator.
    pub is_admin: bool,
    /// An administrator with some rights.
    pub is_delegated_admin: bool,
}

/// A user's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Name {
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
}

impl User {
    /// Which account of akund's it is, if it is marked as one.
    pub fn uid(&self) -> Option<AccountUid> {
        let mark = self.external_ids.iter().find(|id| id["customType"] == MARK)?;
        mark["value"].as_str()?.parse().ok().map(AccountUid)
    }

    /// Its external ids, and akund's mark with them.
    pub fn marked(&self, uid: AccountUid) -> Vec<Value> {
        self.external_ids.iter().filter(|id| id["customType"] != MARK).cloned().chain([mark(uid)]).collect()
    }

    /// The organisational unit with its leading `/`.
    pub fn org_unit(&self) -> String {
        let path = self.org_unit_path.as_deref().unwrap_or("/");
        if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
    }

    /// Its further addresses in lower case.
    pub fn alias_names(&self) -> impl Iterator<Item = String> {
        self.aliases.iter().map(|alias| alias.to_lowercase())
    }

    /// Whether this address is its first one.
    pub fn is_called(&self, address: &str) -> bool {
        self.primary_email.eq_ignore_ascii_case(address)
    }
}

/// What is to be changed of a user; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// A new first address.
    pub primary_email: Option<String>,
    /// Given, family and display name.
    pub name: Option<(String, String, Option<String>)>,
    /// Another unit.
    pub org_unit: Option<String>,
    /// Log-in refused, or allowed again.
    pub suspended: Option<bool>,
    /// A new password's hash, and whether it must be changed at the first log-in.
    pub password: Option<(Secret, bool)>,
    /// Its external ids, when it gets its mark.
    pub external_ids: Option<Vec<Value>>,
    /// Recovery address and phone.
    pub recovery: (Option<String>, Option<String>),
}

impl Edit {
    /// Everything of a new account but its mark.
    pub fn everything(wanted: &Wanted, password: Secret, must_change: bool) -> Self {
        Self {
            primary_email: Some(wanted.address.clone()),
            name: Some(wanted.name()),
            org_unit: Some(wanted.org_unit.clone()),
            suspended: None,
            external_ids: None,
            password: Some((password, must_change)),
            recovery: (wanted.recovery_email.clone(), wanted.recovery_phone.clone()),
        }
    }

    /// What of an account differs from what is wanted.
    pub fn of_account(user: &User, wanted: &Wanted) -> Self {
        let (given, family) = (&user.name.given_name, &user.name.family_name);
        let other_name = *given != wanted.given_name || *family != wanted.family_name;
        Self {
            primary_email: (!user.is_called(&wanted.address)).then(|| wanted.address.clone()),
            name: other_name.then(|| wanted.name()),
            org_unit: (!user.org_unit().eq_ignore_ascii_case(&wanted.org_unit)).then(|| wanted.org_unit.clone()),
            ..Self::default()
        }
    }

    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.primary_email.is_none()
            && self.name.is_none()
            && self.org_unit.is_none()
            && self.suspended.is_none()
            && self.password.is_none()
            && self.external_ids.is_none()
    }

    /// Whether it is to be seen in this user that it was done. A password never is.
    pub fn shows_in(&self, user: &User) -> bool {
        let name = |(given, family, _): &(String, String, Option<String>)| {
            *given == user.name.given_name && *family == user.name.family_name
        };
        self.password.is_none()
            && self.primary_email.as_ref().is_none_or(|address| user.is_called(address))
            && self.name.as_ref().is_none_or(name)
            && self.org_unit.as_ref().is_none_or(|path| user.org_unit().eq_ignore_ascii_case(path))
            && self.suspended.is_none_or(|suspended| user.suspended == suspended)
            && self.external_ids.as_ref().is_none_or(|ids| *ids == user.external_ids)
    }

    /// The body of `users.update`, which leaves alone what is absent.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        put("primaryEmail", self.primary_email.as_ref().map(|address| json!(address)));
        put("name", self.name.as_ref().map(name_body));
        put("orgUnitPath", self.org_unit.as_ref().map(|path| json!(path)));
        put("externalIds", self.external_ids.clone().map(Value::Array));
        put("suspended", self.suspended.map(Value::Bool));
        put("recoveryEmail", self.recovery.0.as_ref().map(|address| json!(address)));
        put("recoveryPhone", self.recovery.1.as_ref().map(|phone| json!(phone)));
        if let Some((hash, must_change)) = &self.password {
            put("password", Some(json!(hash.expose())));
            put("hashFunction", Some(json!("crypt")));
            put("changePasswordAtNextLogin", Some(json!(must_change)));
        }
        Value::Object(body)
    }

    /// The body of `users.insert`: with akund's mark.
    pub fn body_of_new(&self, uid: AccountUid) -> Value {
        let mut body = self.body();
        if let Some(map) = body.as_object_mut() {
            map.insert("externalIds".into(), json!([mark(uid)]));
        }
        body
    }
}

fn mark(uid: AccountUid) -> Value {
    json!({"type": "custom", "customType": MARK, "value": uid.to_string()})
}

fn name_body((given, family, display): &(String, String, Option<String>)) -> Value {
    let mut name = json!({"givenName": given, "familyName": family});
    if let (Some(display), Some(map)) = (display, name.as_object_mut()) {
        map.insert("displayName".into(), json!(display));
    }
    name
}
