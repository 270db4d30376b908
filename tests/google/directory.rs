//! What the test server knows: users, groups and units, and how late it shows them.

use super::description::Call;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// A user as it really is.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub id: String,
    pub fields: Map<String, Value>,
    pub aliases: BTreeSet<String>,
    pub deleted: bool,
}

/// A user with what is to be seen of it.
pub struct Stored {
    pub user: User,
    made: Instant,
    /// From when on what was to be seen; the first time nothing was before.
    shown: Vec<(Instant, Option<User>)>,
}

/// An answer: status and body.
pub type Reply = (u16, Value);

/// Everything there is.
pub struct Directory {
    pub users: Vec<Stored>,
    pub groups: BTreeMap<String, BTreeSet<String>>,
    pub org_units: BTreeSet<String>,
    pub domains: Vec<String>,
    /// How long a change stays out of sight.
    pub lag: Duration,
    /// How long a new user can't be changed.
    pub unfinished: Duration,
    /// Addresses of private accounts, which are invited.
    pub private: BTreeSet<String>,
    next_id: u64,
}

pub fn refusal(code: u16, reason: &str, message: &str) -> Reply {
    let detail = json!([{"domain": "global", "reason": reason, "message": message}]);
    (code, json!({"error": {"code": code, "message": message, "errors": detail}}))
}

fn not_found(key: &str) -> Reply {
    refusal(404, "notFound", &format!("Resource Not Found: {key}"))
}

fn duplicate() -> Reply {
    refusal(409, "duplicate", "Entity already exists.")
}

fn invalid(what: &str) -> Reply {
    refusal(400, "invalid", &format!("Invalid Input: {what}"))
}

impl User {
    pub fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }
    pub fn email(&self) -> &str {
        self.text("primaryEmail")
    }
    pub fn suspended(&self) -> bool {
        self.fields.get("suspended").and_then(Value::as_bool).unwrap_or(false)
    }
    /// The values of external ids of this custom type.
    pub fn external(&self, kind: &str) -> Vec<&str> {
        let ids = self.fields.get("externalIds").and_then(Value::as_array);
        let of_kind = ids.into_iter().flatten().filter(|id| id["customType"] == kind);
        of_kind.filter_map(|id| id["value"].as_str()).collect()
    }
    /// By a key in lower case.
    fn is_called(&self, key: &str) -> bool {
        self.id == key || self.email() == key || self.aliases.contains(key)
    }
    /// As Google shows it: without the password, and the unit without its slash where it stands below the top.
    fn shown(&self) -> Value {
        let mut fields = self.fields.clone();
        for hidden in ["password", "hashFunction"] {
            fields.remove(hidden);
        }
        let given = fields["name"]["givenName"].as_str().unwrap().to_owned();
        fields["name"]["fullName"] = json!(format!("{given} {}", fields["name"]["familyName"].as_str().unwrap()));
        if let Some(path) = self.text("orgUnitPath").strip_prefix('/').filter(|path| !path.is_empty()) {
            fields.insert("orgUnitPath".into(), json!(path));
        }
        fields.insert("id".into(), json!(self.id));
        fields.insert("kind".into(), json!("admin#directory#user"));
        fields.insert("etag".into(), json!("\"e\""));
        if !self.aliases.is_empty() {
            fields.insert("aliases".into(), json!(self.aliases));
        }
        Value::Object(fields)
    }
}

impl Stored {
    fn seen(&self, now: Instant) -> Option<&User> {
        self.shown.iter().rev().find(|(from, _)| *from <= now).and_then(|(_, user)| user.as_ref())
    }
}

impl Directory {
    pub fn new(domains: &[&str]) -> Self {
        Self {
            users: Vec::new(),
            groups: BTreeMap::new(),
            org_units: BTreeSet::new(),
            domains: domains.iter().map(|d| (*d).to_owned()).collect(),
            lag: Duration::ZERO,
            unfinished: Duration::ZERO,
            private: BTreeSet::new(),
            next_id: 100_000_000_000_000_000,
        }
    }

    /// Those that are there.
    pub fn living(&self) -> impl Iterator<Item = &User> {
        self.users.iter().map(|stored| &stored.user).filter(|user| !user.deleted)
    }

    pub fn living_mut(&mut self, email: &str) -> &mut Stored {
        self.users.iter_mut().find(|s| !s.user.deleted && s.user.email() == email).unwrap()
    }

    /// Puts a user there by hand; seen at once.
    pub fn put(&mut self, fields: Value) -> String {
        let id = self.id();
        let user = User {
            id: id.clone(),
            fields: fields.as_object().unwrap().clone(),
            aliases: BTreeSet::new(),
            deleted: false,
        };
        let now = Instant::now();
        self.users.push(Stored { made: now, shown: vec![(now, Some(user.clone()))], user });
        id
    }

    /// Changes a user by hand; seen at once.
    pub fn by_hand(&mut self, email: &str, change: impl FnOnce(&mut User)) {
        let stored = self.living_mut(email);
        change(&mut stored.user);
        stored.shown.push((Instant::now(), (!stored.user.deleted).then(|| stored.user.clone())));
    }

    fn id(&mut self) -> String {
        self.next_id += 1;
        self.next_id.to_string()
    }

    fn taken(&self, name: &str, but: Option<&str>) -> bool {
        let name = name.to_lowercase();
        let by_user = self.living().any(|user| Some(user.id.as_str()) != but && user.is_called(&name));
        by_user || self.groups.contains_key(&name)
    }

    /// Carries a call out.
    pub fn answer(&mut self, call: &Call, now: Instant) -> Reply {
        let key = |name: &str| call.path.get(name).cloned().unwrap_or_default();
        match call.id.as_str() {
            "directory.users.insert" => self.insert(call, now),
            "directory.users.get" => self.get(&key("userKey"), now),
            "directory.users.list" => self.list(call, now),
            "directory.users.update" => self.update(&key("userKey"), &call.body, now),
            "directory.users.delete" => self.change(&key("userKey"), now, |user| {
                user.deleted = true;
                (204, Value::Null)
            }),
            "directory.users.undelete" => self.undelete(&key("userKey"), &call.body, now),
            "directory.users.aliases.insert" => self.add_alias(&key("userKey"), &call.body, now),
            "directory.users.aliases.delete" => self.change(&key("userKey"), now, |user| {
                if user.aliases.remove(&key("alias").to_lowercase()) { (204, Value::Null) } else { not_found("alias") }
            }),
            "directory.members.insert"
            | "directory.members.get"
            | "directory.members.delete"
            | "directory.members.list" => self.members(call, now),
            "directory.orgunits.get" => {
                let path = format!("/{}", key("orgUnitPath"));
                if self.org_units.contains(&path) {
                    (200, json!({"kind": "admin#directory#orgUnit", "orgUnitPath": path}))
                } else {
                    refusal(404, "notFound", "Org unit not found")
                }
            }
            other => panic!("the test server does not know {other}"),
        }
    }

    /// What Google would say of these values.
    fn wrong(&self, fields: &Map<String, Value>) -> Option<Reply> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        if let Some(email) = text("primaryEmail") {
            let Some((local, domain)) = email.split_once('@') else { return Some(invalid("primary_user_email")) };
            if !self.domains.iter().any(|d| d == domain) {
                return Some(refusal(403, "forbidden", "Not Authorized to access this resource/api"));
            }
            if !local.chars().all(|c| c.is_ascii_alphanumeric() || "-_.'".contains(c)) || local.contains("..") {
                return Some(invalid("primary_user_email"));
            }
        }
        if let Some(name) = fields.get("name") {
            for part in ["givenName", "familyName"] {
                let length = name[part].as_str().unwrap_or_default().chars().count();
                if length == 0 || length > 60 {
                    return Some(refusal(400, "invalid", &format!("Invalid Given/Family Name: {part}")));
                }
            }
        }
        if let Some(path) = text("orgUnitPath")
            && path != "/"
            && !self.org_units.contains(path)
        {
            return Some(invalid("INVALID_OU_ID"));
        }
        if let Some(hash) = text("password") {
            let parts: Vec<&str> = hash.split('$').collect();
            let good = text("hashFunction") == Some("crypt")
                && matches!(parts[..], ["", "6", salt, hash] if !salt.is_empty() && hash.len() == 86);
            if !good {
                return Some(invalid("password"));
            }
        }
        if let Some(phone) = text("recoveryPhone")
            && !(phone.starts_with('+') && phone[1..].bytes().all(|b| b.is_ascii_digit()))
        {
            return Some(invalid("recovery_phone"));
        }
        if text("recoveryEmail").is_some_and(|own| Some(own) == text("primaryEmail")) {
            return Some(invalid("recovery_email"));
        }
        None
    }

    fn insert(&mut self, call: &Call, now: Instant) -> Reply {
        let fields = call.body.as_object().unwrap().clone();
        if let Some(wrong) = self.wrong(&fields) {
            return wrong;
        }
        let email = fields["primaryEmail"].as_str().unwrap().to_owned();
        if self.private.contains(&email) {
            return (202, json!({}));
        }
        if self.taken(&email, None) {
            return duplicate();
        }
        let mut all = json!({"suspended": false, "archived": false, "isAdmin": false, "orgUnitPath": "/"})
            .as_object()
            .unwrap()
            .clone();
        all.extend(fields);
        let user = User { id: self.id(), fields: all, aliases: BTreeSet::new(), deleted: false };
        let shown = user.shown();
        self.users.push(Stored { made: now, shown: vec![(now + self.lag, Some(user.clone()))], user });
        (200, shown)
    }

    fn get(&self, key: &str, now: Instant) -> Reply {
        if let Some((_, domain)) = key.split_once('@')
            && !self.domains.iter().any(|d| d == domain)
        {
            return refusal(403, "forbidden", "Not Authorized to access this resource/api");
        }
        let key = key.to_lowercase();
        let seen = self.users.iter().filter_map(|stored| stored.seen(now)).find(|user| user.is_called(&key));
        seen.map_or_else(|| not_found("userKey"), |user| (200, user.shown()))
    }

    fn list(&self, call: &Call, now: Instant) -> Reply {
        let asked = |name: &str| call.query.get(name).map(String::as_str);
        let domain = asked("domain");
        if asked("customer") != Some("my_customer") && domain.is_none() {
            return refusal(400, "badRequest", "Bad Request");
        }
        if domain.is_some_and(|domain| !self.domains.iter().any(|d| d == domain)) {
            return refusal(404, "notFound", "Domain not found.");
        }
        let deleted = asked("showDeleted") == Some("true");
        let wanted = asked("query").map(|query| {
            query
                .strip_prefix("externalId='")
                .and_then(|q| q.strip_suffix('\''))
                .unwrap_or_else(|| panic!("a search that is not known: {query}"))
        });
        let fits = |user: &&User| wanted.is_none_or(|id| user.external("akund").contains(&id));
        let all: Vec<Value> = if deleted {
            self.users.iter().map(|s| &s.user).filter(|u| u.deleted).filter(fits).map(User::shown).collect()
        } else {
            self.users.iter().filter_map(|s| s.seen(now)).filter(fits).map(User::shown).collect()
        };
        let size: usize = asked("maxResults").map_or(100, |n| n.parse().unwrap());
        let from: usize = asked("pageToken").map_or(0, |t| t.strip_prefix("page").unwrap().parse().unwrap());
        let mut page = json!({"kind": "admin#directory#users"});
        let users: Vec<Value> = all.iter().skip(from).take(size).cloned().collect();
        if !users.is_empty() {
            page["users"] = json!(users);
        }
        if from + size < all.len() {
            page["nextPageToken"] = json!(format!("page{}", from + size));
        }
        (200, page)
    }

    /// Changes a living user, if it may be changed yet; what it looks like is seen after a while.
    fn change(&mut self, key: &str, now: Instant, change: impl FnOnce(&mut User) -> Reply) -> Reply {
        let (lag, unfinished) = (self.lag, self.unfinished);
        let key = &key.to_lowercase();
        let Some(stored) = self.users.iter_mut().find(|s| !s.user.deleted && s.user.is_called(key)) else {
            return not_found("userKey");
        };
        if now < stored.made + unfinished {
            return refusal(412, "conditionNotMet", "User creation is not complete.");
        }
        let reply = change(&mut stored.user);
        stored.shown.push((now + lag, (!stored.user.deleted).then(|| stored.user.clone())));
        reply
    }

    fn update(&mut self, key: &str, body: &Value, now: Instant) -> Reply {
        let fields = body.as_object().unwrap().clone();
        let key = &key.to_lowercase();
        let id = self.living().find(|user| user.is_called(key)).map(|user| user.id.clone());
        if let Some(wrong) = self.wrong(&fields) {
            return wrong;
        }
        let new = fields.get("primaryEmail").and_then(Value::as_str);
        if new.is_some_and(|new| self.taken(new, id.as_deref())) {
            return duplicate();
        }
        self.change(key, now, |user| {
            let old = user.email().to_owned();
            user.fields.extend(fields);
            if user.email() != old {
                let new = user.email().to_owned();
                user.aliases.remove(&new);
                user.aliases.insert(old);
            }
            (200, user.shown())
        })
    }

    fn undelete(&mut self, id: &str, body: &Value, now: Instant) -> Reply {
        let lag = self.lag;
        let found = self.users.iter().find(|s| s.user.deleted && s.user.id == id).map(|s| s.user.email().to_owned());
        let Some(email) = found else { return not_found("userKey") };
        if self.taken(&email, None) {
            return duplicate();
        }
        let Some(path) = body["orgUnitPath"].as_str().filter(|p| *p == "/" || self.org_units.contains(*p)) else {
            return invalid("INVALID_OU_ID");
        };
        let stored = self.users.iter_mut().find(|s| s.user.id == id).unwrap();
        stored.user.deleted = false;
        stored.user.fields.insert("orgUnitPath".into(), json!(path));
        stored.shown.push((now + lag, Some(stored.user.clone())));
        (204, Value::Null)
    }

    fn add_alias(&mut self, key: &str, body: &Value, now: Instant) -> Reply {
        let alias = body["alias"].as_str().unwrap().to_lowercase();
        if self.taken(&alias, None) {
            return duplicate();
        }
        self.change(key, now, |user| {
            user.aliases.insert(alias.clone());
            (201, json!({"kind": "admin#directory#alias", "alias": alias, "primaryEmail": user.email(), "id": user.id}))
        })
    }

    fn members(&mut self, call: &Call, now: Instant) -> Reply {
        let group = call.path["groupKey"].to_lowercase();
        if !self.groups.contains_key(&group) {
            return not_found("groupKey");
        }
        let key = call.path.get("memberKey").map(String::as_str).or(call.body["email"].as_str()).unwrap_or_default();
        let id =
            self.users.iter().filter_map(|s| s.seen(now)).find(|user| user.is_called(&key)).map(|user| user.id.clone());
        let members = self.groups.get_mut(&group).unwrap();
        let is_in = id.as_ref().is_some_and(|id| members.contains(id));
        let shown =
            json!({"kind": "admin#directory#member", "id": id, "role": "MEMBER", "type": "USER", "status": "ACTIVE"});
        match (call.id.as_str(), id) {
            ("directory.members.list", _) => (200, json!({"kind": "admin#directory#members"})),
            ("directory.members.insert", None) => not_found("memberKey"),
            ("directory.members.insert", Some(_)) if is_in => refusal(409, "duplicate", "Member already exists."),
            ("directory.members.insert", Some(id)) => {
                members.insert(id);
                (200, shown)
            }
            (_, _) if !is_in => not_found("memberKey"),
            ("directory.members.delete", Some(id)) => {
                members.remove(&id);
                (204, Value::Null)
            }
            _ => (200, shown),
        }
    }
}
