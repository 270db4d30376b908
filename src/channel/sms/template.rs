//! Any HTTP gateway, by a template in the configuration.
//!
//! Values get into a request by construction: a query and a form are encoded pair by pair, JSON is a tree whose strings are
//! filled, a header cannot hold a line break. None can break out of its place.

use super::{addressed, shown, unanswered};
use crate::channel::{Channel, Envelope, HandedOver, Uncertain};
use crate::config::channel::{AnswerConfig, FieldConfig, SmsHttpConfig};
use crate::model::{Answer, Fault, Finding, Phone, Secret};
use crate::web::{self, Answered};
use regex::Regex;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Url};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// What a template may hold.
pub const PLACEHOLDERS: [&str; 7] = ["{to}", "{to_digits}", "{to_local}", "{text}", "{id}", "{secret}", "{unicode}"];

/// `kind = "sms-http"`
pub struct Gateway {
    name: String,
    method: Method,
    url: Url,
    query: Vec<(String, String)>,
    headers: Vec<(HeaderName, String)>,
    body: Body,
    login: Option<String>,
    secret: Option<Secret>,
    reading: Reading,
    ca_file: Option<PathBuf>,
    max_parts: usize,
    parallel: usize,
    client: Client,
}

enum Body {
    None,
    Json(Value),
    Form(Vec<(String, String)>),
}

/// The values for one message.
struct Values<'a> {
    phone: &'a Phone,
    text: &'a str,
    id: String,
    secret: &'a str,
    unicode: bool,
}

impl Values<'_> {
    fn fill(&self, template: &str) -> String {
        let digits = self.phone.as_str().trim_start_matches('+');
        let mut out = String::with_capacity(template.len() + self.text.len());
        let mut rest = template;
        // From left to right, once: a value that looks like a placeholder stays as it is.
        while let Some(begin) = rest.find('{') {
            let (before, from) = rest.split_at(begin);
            out.push_str(before);
            let Some(found) = PLACEHOLDERS.iter().find(|known| from.starts_with(**known)) else {
                out.push('{');
                rest = from.get(1..).unwrap_or_default();
                continue;
            };
            match *found {
                "{to}" => out.push_str(self.phone.as_str()),
                "{to_digits}" => out.push_str(digits),
                // As people dial it at home: Indonesia's country code gives way to 0.
                "{to_local}" => match digits.strip_prefix("62") {
                    Some(local) => out.extend(["0", local]),
                    None => out.push_str(self.phone.as_str()),
                },
                "{text}" => out.push_str(self.text),
                "{id}" => out.push_str(&self.id),
                "{secret}" => out.push_str(self.secret),
                _ => out.push_str(if self.unicode { "1" } else { "0" }),
            }
            rest = from.get(found.len()..).unwrap_or_default();
        }
        out.push_str(rest);
        out
    }

    fn fill_json(&self, template: &Value) -> Value {
        match template {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.fill_json(item)).collect()),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(key, value)| (key.clone(), self.fill_json(value))).collect())
            }
            plain => plain.clone(),
        }
    }
}

impl Gateway {
    /// Checks the configuration and reads the secrets. Connects to nothing. Errors are sentences.
    pub fn open(
        name: &str,
        config: &SmsHttpConfig,
        read_secret: &dyn Fn(&Path) -> Result<Secret, String>,
    ) -> Result<Self, String> {
        let problem = |cause: String| format!("channel {name}: {cause}");
        let (url, query) = split_url(&config.url).map_err(problem)?;
        let secret = config.secret_file.as_deref().map(read_secret).transpose().map_err(problem)?;
        let login = match (&config.username, &config.password_file) {
            (Some(username), Some(file)) => {
                let password = read_secret(file).map_err(problem)?;
                let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
                use base64::Engine as _;
                Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair.as_bytes())))
            }
            _ => None,
        };
        let headers = config.headers.iter().map(|(key, value)| {
            let name = HeaderName::try_from(key.as_str()).map_err(|_| format!("{key:?} is no name of a header"))?;
            Ok((name, value.clone()))
        });
        let method = config.method.to_ascii_uppercase();
        Ok(Self {
            name: name.to_owned(),
            method: Method::from_bytes(method.as_bytes()).map_err(|_| problem(format!("{method} is no method")))?,
            url,
            query,
            headers: headers.collect::<Result<_, String>>().map_err(problem)?,
            body: match (&config.json, &config.form) {
                (Some(json), _) => Body::Json(json.clone()),
                (None, Some(form)) => Body::Form(form.clone().into_iter().collect()),
                (None, None) => Body::None,
            },
            login,
            secret,
            reading: Reading::of(&config.answer).map_err(problem)?,
            ca_file: config.ca_file.clone(),
            max_parts: config.max_segments,
            parallel: config.connections,
            client: web::client(&config.url, config.ca_file.as_deref(), Duration::from_secs(config.timeout_seconds))
                .map_err(problem)?,
        })
    }

    fn request(&self, values: &Values<'_>) -> Result<Request, Fault> {
        let mut url = self.url.clone();
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(self.query.iter().map(|(key, value)| (key, values.fill(value))));
        }
        let mut request = Request::new(self.method.clone(), url);
        let headers: &mut HeaderMap = request.headers_mut();
        let filled = self.headers.iter().map(|(name, value)| (name.clone(), values.fill(value)));
        for (name, value) in filled.chain(self.login.clone().map(|login| (AUTHORIZATION, login))) {
            let mut value =
                HeaderValue::from_str(&value).map_err(|_| Fault::permanent("a header cannot hold its value"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let (kind, body) = match &self.body {
            Body::None => return Ok(request),
            Body::Json(template) => ("application/json", values.fill_json(template).to_string()),
            Body::Form(pairs) => {
                // The one encoder there is for application/x-www-form-urlencoded: a URL's.
                let mut form = Url::parse("http://form/").map_err(|_| Fault::permanent("a form cannot be made"))?;
                form.query_pairs_mut().extend_pairs(pairs.iter().map(|(key, value)| (key, values.fill(value))));
                ("application/x-www-form-urlencoded", form.query().unwrap_or_default().to_owned())
            }
        };
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
        *request.body_mut() = Some(body.into());
        Ok(request)
    }

    async fn hand_over(&self, notice: &Envelope) -> Result<HandedOver, Fault> {
        let (phone, taken) = addressed(notice, self.max_parts)?;
        let text = notice.text.expose();
        let values = Values {
            phone,
            text,
            id: notice.message_id.split('@').next().unwrap_or_default().to_owned(),
            secret: self.secret.as_ref().map_or("", Secret::expose),
            unicode: taken.alphabet == super::segments::Alphabet::Ucs2,
        };
        let request = self.request(&values)?;
        let gateway = super::kannel::gateway(&self.url);
        let answered = web::exchange(&self.client, request).await.map_err(|why| unanswered(&gateway, phone, why))?;
        let said = shown(&answered.body, phone, text);
        let status = answered.status.as_u16();
        match self.reading.read(&answered) {
            Meaning::Taken(id) => {
                let id = id.map(|id| shown(&id, phone, text));
                let reply = id.as_ref().map_or_else(|| said.clone(), |id| format!("message {id}"));
                Ok(HandedOver { reply: format!("{status} {reply} ({taken})"), reference: None })
            }
            Meaning::Fault(make) => {
                Err(make(format!("gateway {gateway} answered for {}: {status} {said}", phone.masked())))
            }
        }
    }

    async fn look(&self) -> Vec<Finding> {
        let gateway = super::kannel::gateway(&self.url);
        let reached = web::reach(&self.url, self.ca_file.as_deref()).await;
        vec![
            reached
                .map(|()| format!("{gateway} can be reached; whether it takes messages shows with --send-to"))
                .map_err(|why| format!("{gateway}: {why}")),
        ]
    }
}

/// The URL without its query, and the query's pairs. Placeholders stand in the values of the query only.
///
/// # Errors
/// The rest of a sentence.
pub fn split_url(text: &str) -> Result<(Url, Vec<(String, String)>), String> {
    let mut url = web::protected_url(text).map_err(|why| format!("url {why}"))?;
    let query: Vec<(String, String)> =
        url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
    url.set_query(None);
    let head = text.split('?').next().unwrap_or_default();
    if head.contains(['{', '}']) || query.iter().any(|(key, _)| key.contains(['{', '}'])) {
        return Err("url has a placeholder outside the values of its query".into());
    }
    Ok((url, query))
}

/// A `{…}` of a template that is none of [`PLACEHOLDERS`], if there is one.
pub fn unknown_placeholder(template: &str) -> Option<String> {
    let known = PLACEHOLDERS.iter().fold(template.to_owned(), |text, known| text.replace(known, ""));
    let begin = known.find('{')?;
    let rest = known.get(begin..).unwrap_or_default();
    let end = rest.find('}').map_or(rest.len(), |end| end + 1);
    Some(rest.get(..end).unwrap_or_default().to_owned())
}

/// Every template in a body.
pub fn strings(body: &Value) -> Vec<&str> {
    match body {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// How an answer is read.
struct Reading {
    success_status: Vec<u16>,
    permanent_status: Vec<u16>,
    temporary_status: Vec<u16>,
    success: Match,
    permanent: Match,
    temporary: Match,
    id: Option<String>,
    id_pattern: Option<Regex>,
}

/// What must be in the body: a value of a field of JSON, a pattern, or nothing.
struct Match {
    field: Option<FieldConfig>,
    pattern: Option<Regex>,
}

enum Meaning {
    Taken(Option<String>),
    Fault(fn(String) -> Fault),
}

/// Compiles a pattern of an answer.
///
/// # Errors
/// The rest of a sentence.
pub fn pattern(key: &str, pattern: Option<&String>) -> Result<Option<Regex>, String> {
    pattern.map(|p| Regex::new(p).map_err(|e| format!("{key} is no pattern: {e}"))).transpose()
}

impl Match {
    fn of(key: &str, field: Option<&FieldConfig>, text: Option<&String>) -> Result<Self, String> {
        Ok(Self { field: field.cloned(), pattern: pattern(key, text)? })
    }
    fn is_empty(&self) -> bool {
        self.field.is_none() && self.pattern.is_none()
    }
    fn holds(&self, body: &str, json: Option<&Value>) -> bool {
        let field = self.field.as_ref().is_none_or(|field| {
            let found = json.and_then(|json| json.pointer(&field.at)).map(word);
            found.is_some_and(|found| field.is.contains(&found))
        });
        !self.is_empty() && field && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(body))
    }
}

/// A value of JSON as it is written in the configuration: text without its quotes.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

impl Reading {
    fn of(config: &AnswerConfig) -> Result<Self, String> {
        let prefix = |key: &str| format!("answer.{key}");
        Ok(Self {
            success_status: config.success_status.clone(),
            permanent_status: config.permanent_status.clone(),
            temporary_status: config.temporary_status.clone(),
            success: Match::of(&prefix("success_pattern"), config.success.as_ref(), config.success_pattern.as_ref())?,
            permanent: Match::of(
                &prefix("permanent_pattern"),
                config.permanent.as_ref(),
                config.permanent_pattern.as_ref(),
            )?,
            temporary: Match::of(
                &prefix("temporary_pattern"),
                config.temporary.as_ref(),
                config.temporary_pattern.as_ref(),
            )?,
            id: config.id.clone(),
            id_pattern: pattern("answer.id_pattern", config.id_pattern.as_ref())?,
        })
    }

    /// The words of the gateway's own first, then its status; what fits nothing is not known to be a refusal.
    fn read(&self, answered: &Answered) -> Meaning {
        let (status, body) = (answered.status.as_u16(), answered.body.as_str());
        let json: Option<Value> = serde_json::from_str(body).ok();
        if self.permanent.holds(body, json.as_ref()) {
            return Meaning::Fault(Fault::permanent);
        }
        if self.temporary.holds(body, json.as_ref()) {
            return Meaning::Fault(Fault::transient);
        }
        if self.success_status.contains(&status) && (self.success.is_empty() || self.success.holds(body, json.as_ref()))
        {
            return Meaning::Taken(self.id(body, json.as_ref()));
        }
        match status {
            status if self.permanent_status.contains(&status) => Meaning::Fault(Fault::permanent),
            status if self.temporary_status.contains(&status) => Meaning::Fault(Fault::transient),
            // The URL is another one now: nothing was done here. 302 and 303 often follow what was done.
            301 | 307 | 308 => Meaning::Fault(Fault::transient),
            _ => Meaning::Fault(Fault::unknown),
        }
    }

    fn id(&self, body: &str, json: Option<&Value>) -> Option<String> {
        let field = self.id.as_ref().and_then(|at| json?.pointer(at)).filter(|v| !v.is_null()).map(word);
        field.or_else(|| {
            let found = self.id_pattern.as_ref()?.captures(body)?;
            found.get(1).or_else(|| found.get(0)).map(|id| id.as_str().to_owned())
        })
    }
}

impl Channel for Gateway {
    fn name(&self) -> &str {
        &self.name
    }
    fn carries_email(&self) -> bool {
        false
    }
    fn uncertain(&self) -> Uncertain {
        Uncertain::Stuck
    }
    fn parallel(&self) -> usize {
        self.parallel
    }
    fn send<'a>(&'a self, notice: &'a Envelope) -> Answer<'a, Result<HandedOver, Fault>> {
        Box::pin(self.hand_over(notice))
    }
    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
        Box::pin(self.look())
    }
}

#[cfg(test)]
mod tests;
