//! What Google's refusals mean. Pure.
//!
//! The HTTP status and the first error's `reason` decide, then the words: the same status has several meanings, and some answers
//! come from a proxy before the API and are no JSON at all.

use crate::model::said::tidy;
use serde::Deserialize;
use std::time::Duration;

/// What a call was refused with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it means.
    pub kind: Kind,
    /// HTTP status.
    pub status: u16,
    /// Google's words, on one line, addresses masked.
    pub said: String,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 400: the values will not do.
    Invalid,
    /// 401: the access token will not do.
    Token,
    /// 403: not this administrator, or an address in a domain that is not this account's.
    Forbidden,
    /// 403: the API is switched off.
    SwitchedOff,
    /// 404: something that was named is not there.
    Missing(Missing),
    /// 409: the name is taken; or what was asked for was done, and Google lost count.
    Taken,
    /// 412: the account was made a moment ago and can't be changed yet.
    NotComplete,
    /// 412, otherwise.
    Precondition,
    /// 403 or 429, or a 503 that says so: too many calls.
    SlowDown,
    /// 403: no more today.
    DailyLimit,
    /// 5xx, and whatever else leaves open whether it was done.
    Broken,
    /// Any other.
    Other,
}

/// What a 404 says is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A group.
    Group,
    /// A member of a group.
    Member,
    /// A mail domain.
    Domain,
    /// An organisational unit.
    OrgUnit,
    /// A user, or it does not say.
    User,
}

#[derive(Deserialize, Default)]
struct Body {
    error: Error,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Error {
    message: String,
    errors: Vec<Detail>,
    status: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Detail {
    reason: String,
}

impl Refusal {
    /// Reads an answer whose status is not 2xx.
    pub fn read(status: u16, body: &[u8]) -> Self {
        let parsed: Option<Body> = serde_json::from_slice(body).ok();
        let (reason, message) = match &parsed {
            Some(Body { error }) => {
                let reason = error.errors.first().map_or(error.status.as_str(), |detail| detail.reason.as_str());
                (reason.to_owned(), error.message.clone())
            }
            None => (String::new(), plain_text(body)),
        };
        let kind = kind(status, &reason, &message, parsed.is_some());
        let named = if reason.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status} {reason}") };
        let words = tidy(&message, "");
        Self { kind, status, said: if words.is_empty() { named } else { format!("{named}: {words}") } }
    }

    /// An answer that should have been good and cannot be read: a proxy's page, or one that was cut.
    pub fn unreadable(status: u16, why: &str) -> Self {
        Self {
            kind: Kind::Broken,
            status,
            said: format!("HTTP {status} with an answer that is no JSON of the API's ({why})"),
        }
    }

    /// Whether a call that changes something may have been carried out all the same.
    pub fn leaves_open(&self) -> bool {
        matches!(self.kind, Kind::Broken | Kind::Taken | Kind::NotComplete | Kind::Precondition)
    }
}

fn kind(status: u16, reason: &str, message: &str, is_json: bool) -> Kind {
    let says = |words: &str| message.contains(words);
    match status {
        401 => Kind::Token,
        403 => match reason {
            "userRateLimitExceeded" | "rateLimitExceeded" | "quotaExceeded" | "RESOURCE_EXHAUSTED" => Kind::SlowDown,
            "dailyLimitExceeded" | "dailyLimitExceededUnreg" => Kind::DailyLimit,
            "domainCannotUseApis" | "accessNotConfigured" | "SERVICE_DISABLED" => Kind::SwitchedOff,
            _ if !is_json && (says("Request rate higher than configured") || says("Quota exceeded")) => Kind::SlowDown,
            _ => Kind::Forbidden,
        },
        404 if says("groupKey") => Kind::Missing(Missing::Group),
        404 if says("memberKey") => Kind::Missing(Missing::Member),
        404 if says("Domain not found") => Kind::Missing(Missing::Domain),
        404 if says("orgUnitPath") || says("Org unit") => Kind::Missing(Missing::OrgUnit),
        // An API always says it in JSON. A page is a proxy's, which knows nothing of the user.
        404 if is_json => Kind::Missing(Missing::User),
        404 | 408 => Kind::Broken,
        409 => Kind::Taken,
        412 if says("User creation is not complete") => Kind::NotComplete,
        412 => Kind::Precondition,
        429 => Kind::SlowDown,
        503 if says("Quota exceeded") || says("rate") => Kind::SlowDown,
        500.. => Kind::Broken,
        400 => Kind::Invalid,
        _ => Kind::Other,
    }
}

/// The text of a page without its tags.
fn plain_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..4096).unwrap_or(body));
    let mut words = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                words.push(' ');
            }
            c if !inside => words.push(c),
            _ => {}
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How long `Retry-After` says (RFC 9110 §10.2.3): seconds, or a date; `now` in seconds since 1970.
pub fn retry_after(value: &str, now: i64) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let then = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_second();
    Some(Duration::from_secs(u64::try_from(then - now).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(reason: &str, message: &str) -> String {
        format!(
            r#"{{"error":{{"code":0,"message":"{message}","errors":[{{"domain":"global","reason":"{reason}","message":"{message}"}}]}}}}"#
        )
    }

    #[test]
    fn status_reason_and_words_decide_what_a_refusal_means() {
        for (status, body, kind) in [
            (400, json("invalid", "Invalid Given/Family Name: FamilyName"), Kind::Invalid),
            (400, json("required", "Missing required field"), Kind::Invalid),
            (401, json("authError", "Invalid Credentials"), Kind::Token),
            (403, json("forbidden", "Not Authorized to access this resource/api"), Kind::Forbidden),
            (403, json("domainCannotUseApis", "x"), Kind::SwitchedOff),
            (403, json("accessNotConfigured", "x"), Kind::SwitchedOff),
            (403, json("userRateLimitExceeded", "x"), Kind::SlowDown),
            (403, json("rateLimitExceeded", "x"), Kind::SlowDown),
            (403, json("quotaExceeded", "x"), Kind::SlowDown),
            (403, json("dailyLimitExceeded", "x"), Kind::DailyLimit),
            (403, json("limitExceeded", "Domain user limit reached"), Kind::Forbidden),
            (403, "Request rate higher than configured".into(), Kind::SlowDown),
            (403, "Invalid domain.".into(), Kind::Forbidden),
            (404, json("notFound", "Resource Not Found: userKey"), Kind::Missing(Missing::User)),
            (404, json("notFound", "Resource Not Found: groupKey"), Kind::Missing(Missing::Group)),
            (404, json("notFound", "Resource Not Found: memberKey"), Kind::Missing(Missing::Member)),
            (404, json("notFound", "Domain not found."), Kind::Missing(Missing::Domain)),
            (404, json("notFound", "Org unit not found"), Kind::Missing(Missing::OrgUnit)),
            (404, "<html><h1>Not Found</h1></html>".into(), Kind::Broken),
            (409, json("duplicate", "Entity already exists."), Kind::Taken),
            (412, json("conditionNotMet", "User creation is not complete."), Kind::NotComplete),
            (412, json("conditionNotMet", "Cyclic memberships not allowed"), Kind::Precondition),
            (429, json("rateLimitExceeded", "x"), Kind::SlowDown),
            (429, "slow".into(), Kind::SlowDown),
            (500, json("backendError", "x"), Kind::Broken),
            (502, "<title>502 Bad Gateway</title>".into(), Kind::Broken),
            (503, json("backendError", "Service unavailable. Please try again"), Kind::Broken),
            (503, "Quota exceeded for the current request".into(), Kind::SlowDown),
            (504, String::new(), Kind::Broken),
            (302, String::new(), Kind::Other),
        ] {
            let refusal = Refusal::read(status, body.as_bytes());
            assert_eq!(refusal.kind, kind, "{status} {body}");
            assert!(refusal.said.starts_with(&format!("HTTP {status}")), "{}", refusal.said);
        }
    }

    #[test]
    fn what_google_says_of_somebody_is_masked() {
        let refusal = Refusal::read(400, json("invalid", "Invalid Input: humas@example.org").as_bytes());
        assert_eq!(refusal.said, "HTTP 400 invalid: Invalid Input: h…@example.org");
        let refusal = Refusal::read(502, b"<html><head><title>502</title></head><body>Bad Gateway</body></html>");
        assert_eq!(refusal.said, "HTTP 502: 502 Bad Gateway");
        assert_eq!(Refusal::read(504, b"").said, "HTTP 504");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("120", 0), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Thu, 01 Jan 1970 00:02:00 GMT", 60), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Thu, 01 Jan 1970 00:00:10 GMT", 60), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", 0), None);
    }
}
