//! Google's own machine-readable description of the calls, as a judge of what a client sends: each path, query and body.
//!
//! `admin.directory_v1.json` is revision 20261104 of the Directory API's discovery document, cut down to what is here and without
//! its texts; Google publishes it under the Apache License 2.0 (google-api-python-client 2.202.0).

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The description.
pub struct Description(Value);

/// A call that the description knows.
#[derive(Debug, Clone)]
pub struct Call {
    /// `directory.users.insert`
    pub id: String,
    /// From the path, decoded.
    pub path: BTreeMap<String, String>,
    /// From the query, decoded.
    pub query: BTreeMap<String, String>,
    /// The body; null where there is none.
    pub body: Value,
    /// Any one of these will do.
    pub scopes: Vec<String>,
}

/// Properties that the description calls `any`, and what their items are.
const ITEMS: [(&str, &str); 14] = [
    ("externalIds", "UserExternalId"),
    ("emails", "UserEmail"),
    ("phones", "UserPhone"),
    ("organizations", "UserOrganization"),
    ("addresses", "UserAddress"),
    ("relations", "UserRelation"),
    ("locations", "UserLocation"),
    ("ims", "UserIm"),
    ("websites", "UserWebsite"),
    ("keywords", "UserKeyword"),
    ("languages", "UserLanguage"),
    ("posixAccounts", "UserPosixAccount"),
    ("sshPublicKeys", "UserSshPublicKey"),
    ("notes", "UserAbout"),
];

impl Description {
    pub fn new() -> Self {
        Self(serde_json::from_str(include_str!("admin.directory_v1.json")).unwrap())
    }

    /// The call, or what is wrong with it.
    pub fn judge(
        &self,
        verb: &str,
        target: &str,
        headers: &BTreeMap<String, String>,
        body: &[u8],
    ) -> Result<Call, String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix('/').ok_or("a path that does not begin with /")?;
        let mut found: Vec<(&Value, BTreeMap<String, String>)> =
            self.methods().into_iter().filter_map(|m| Some((m, matches(m, verb, path)?))).collect();
        // The one with the fewest variables is meant.
        found.sort_by_key(|(_, variables)| variables.len());
        let (method, variables) = found.into_iter().next().ok_or_else(|| format!("no such call: {verb} {path}"))?;
        let id = method["id"].as_str().unwrap().to_owned();
        let query = self.query(method, query).map_err(|e| format!("{id}: {e}"))?;
        let body = self.body(method, &id, headers, body).map_err(|e| format!("{id}: {e}"))?;
        let scopes = method["scopes"].as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect();
        Ok(Call { id, path: variables, query, body, scopes })
    }

    fn methods(&self) -> Vec<&Value> {
        let mut found = Vec::new();
        let mut resources: Vec<&Value> = self.0["resources"].as_object().unwrap().values().collect();
        while let Some(resource) = resources.pop() {
            found.extend(resource.get("methods").and_then(Value::as_object).into_iter().flat_map(Map::values));
            resources.extend(resource.get("resources").and_then(Value::as_object).into_iter().flat_map(Map::values));
        }
        found
    }

    fn query(&self, method: &Value, query: &str) -> Result<BTreeMap<String, String>, String> {
        let mut given = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| format!("query {pair:?} without ="))?;
            let (name, value) = (decoded(&name.replace('+', " "))?, decoded(&value.replace('+', " "))?);
            let known = method["parameters"].get(&name).filter(|p| p["location"] == "query");
            let rules = known
                .or_else(|| self.0["parameters"].get(&name))
                .ok_or_else(|| format!("unknown query parameter {name}"))?;
            check_parameter(&name, &value, rules)?;
            if given.insert(name.clone(), value).is_some() {
                return Err(format!("query parameter {name} stands twice"));
            }
        }
        Ok(given)
    }

    fn body(&self, method: &Value, id: &str, headers: &BTreeMap<String, String>, body: &[u8]) -> Result<Value, String> {
        let Some(schema) = method["request"]["$ref"].as_str() else {
            return if body.is_empty() { Ok(Value::Null) } else { Err("a body where none belongs".into()) };
        };
        if headers.get("content-type").map(String::as_str) != Some("application/json") {
            return Err(format!("content-type {:?}", headers.get("content-type")));
        }
        let value: Value = serde_json::from_slice(body).map_err(|e| format!("the body is no JSON: {e}"))?;
        self.check(schema, &value, id, "")?;
        Ok(value)
    }

    /// Holds a value against a schema: unknown and read-only fields, types, and what this call requires.
    fn check(&self, schema: &str, value: &Value, id: &str, at: &str) -> Result<(), String> {
        let properties =
            self.0["schemas"][schema]["properties"].as_object().ok_or_else(|| format!("no schema {schema}"))?;
        let fields = value.as_object().ok_or_else(|| format!("{at} must be an object"))?;
        for (name, rules) in properties {
            let required = rules["annotations"]["required"].as_array().is_some_and(|ids| ids.iter().any(|r| r == id));
            let given = fields.get(name).is_some_and(|v| !v.is_null() && v.as_str() != Some(""));
            if required && !given {
                return Err(format!("required field {at}{name} is missing"));
            }
        }
        for (name, value) in fields {
            let rules = properties.get(name).ok_or_else(|| format!("unknown field {at}{name}"))?;
            if rules["readOnly"] == true {
                return Err(format!("read-only field {at}{name}"));
            }
            self.check_value(name, value, rules, id, &format!("{at}{name}"))?;
        }
        Ok(())
    }

    fn check_value(&self, name: &str, value: &Value, rules: &Value, id: &str, at: &str) -> Result<(), String> {
        if let Some(schema) = rules["$ref"].as_str() {
            return self.check(schema, value, id, &format!("{at}."));
        }
        let fits = match rules["type"].as_str() {
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64(),
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("any") => {
                let (_, schema) =
                    ITEMS.iter().find(|(field, _)| *field == name).ok_or_else(|| format!("no rules for {at}"))?;
                for (n, item) in value.as_array().ok_or_else(|| format!("{at} must be a list"))?.iter().enumerate() {
                    self.check(schema, item, id, &format!("{at}[{n}]."))?;
                }
                true
            }
            other => return Err(format!("no rules for type {other:?} of {at}")),
        };
        if fits { Ok(()) } else { Err(format!("{at} must be {}, not {value}", rules["type"])) }
    }
}

fn check_parameter(name: &str, value: &str, rules: &Value) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("query parameter {name}={value}: {what}"));
    if let Some(words) = rules["enum"].as_array()
        && !words.iter().any(|word| word == value)
    {
        return wrong("no word that is known");
    }
    let limit = |key: &str| rules[key].as_str().and_then(|text| text.parse::<i64>().ok());
    match rules["type"].as_str() {
        Some("string") => Ok(()),
        Some("boolean") if matches!(value, "true" | "false") => Ok(()),
        Some("integer") => match value.parse::<i64>() {
            Ok(n) if limit("minimum").is_none_or(|l| n >= l) && limit("maximum").is_none_or(|l| n <= l) => Ok(()),
            _ => wrong("out of range"),
        },
        _ => wrong("of another type"),
    }
}

/// The variables of a path that fits the method's; every part must be encoded as one.
fn matches(method: &Value, verb: &str, path: &str) -> Option<BTreeMap<String, String>> {
    if method["httpMethod"] != verb {
        return None;
    }
    let mut variables = BTreeMap::new();
    let mut parts = path.split('/');
    let template: Vec<&str> = method["path"].as_str()?.split('/').collect();
    for wanted in &template {
        if let Some(name) = wanted.strip_prefix("{+").and_then(|w| w.strip_suffix('}')) {
            let rest: Vec<&str> = parts.by_ref().collect();
            variables.insert(name.to_owned(), decoded(&rest.join("/")).ok().filter(|rest| !rest.is_empty())?);
        } else if let Some(name) = wanted.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
            let part = parts.next().filter(|part| !part.is_empty() && well_encoded(part))?;
            variables.insert(name.to_owned(), decoded(part).ok()?);
        } else if parts.next()? != *wanted {
            return None;
        }
    }
    parts.next().is_none().then_some(variables)
}

/// Only unreserved characters and `%XX` (RFC 3986 §2): what is more may mean something on the way.
fn well_encoded(part: &str) -> bool {
    part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b))
}

fn decoded(text: &str) -> Result<String, String> {
    percent_decode_str(text).decode_utf8().map(|t| t.into_owned()).map_err(|_| format!("{text:?} is no UTF-8"))
}

mod tests {
    use super::*;

    fn judged(verb: &str, target: &str, body: &str) -> Result<Call, String> {
        let json = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
        Description::new().judge(verb, target, &json, body.as_bytes())
    }

    #[test]
    fn the_judge_knows_good_calls_from_bad_ones() {
        let user = r#"{"primaryEmail":"a@b.org","name":{"givenName":"A","familyName":"B"},"password":"x"}"#;
        assert_eq!(judged("POST", "/admin/directory/v1/users", user).unwrap().id, "directory.users.insert");
        let get = judged("GET", "/admin/directory/v1/users/a%40b.org?projection=full", "").unwrap();
        assert_eq!((get.id.as_str(), get.path["userKey"].as_str()), ("directory.users.get", "a@b.org"));
        let unit = judged("GET", "/admin/directory/v1/customer/my_customer/orgunits/Staf/Dosen%20Tetap", "").unwrap();
        assert_eq!(unit.path["orgUnitPath"], "Staf/Dosen Tetap");
        for (verb, target, body, says) in [
            ("POST", "/admin/directory/v1/users", "{}", "required field"),
            ("POST", "/admin/directory/v1/users", &user.replace("\"A\"", "\"\""), "required field name.givenName"),
            ("POST", "/admin/directory/v1/users", &user[1..], "the body is no JSON"),
            ("POST", "/admin/directory/v1/users", &user.replace("\"password\"", "\"pass\""), "required field password"),
            ("PUT", "/admin/directory/v1/users/1", r#"{"suspended":"true"}"#, "must be"),
            ("PUT", "/admin/directory/v1/users/1", r#"{"suspendedd":true}"#, "unknown field"),
            ("PUT", "/admin/directory/v1/users/1", r#"{"isAdmin":true}"#, "read-only"),
            (
                "PUT",
                "/admin/directory/v1/users/1",
                r#"{"externalIds":[{"kind":"x"}]}"#,
                "unknown field externalIds[0].kind",
            ),
            ("PUT", "/admin/directory/v1/users/1", r#"{"externalIds":{"value":"x"}}"#, "must be a list"),
            ("GET", "/admin/directory/v1/users/a@b.org", "", "no such call"),
            ("GET", "/admin/directory/v1/users/1?projection=all", "", "no word"),
            ("GET", "/admin/directory/v1/users?maxResults=501", "", "out of range"),
            ("GET", "/admin/directory/v1/users/1?fancy=1", "", "unknown query parameter"),
            ("DELETE", "/admin/directory/v1/users/1", "{}", "a body where none belongs"),
            ("GET", "/admin/directory/v2/users/1", "", "no such call"),
        ] {
            let told = judged(verb, target, body).unwrap_err();
            assert!(told.contains(says), "{verb} {target} {body}: {told}");
        }
    }
}
