//! What the token endpoint's refusals mean to the sysadmin who has to mend them. Pure.
//!
//! They are OAuth's errors (RFC 6749 §5.2) with Google's descriptions, which several causes share.

use crate::model::said::tidy;
use serde::Deserialize;

/// An answer of the token endpoint that is no token.
pub struct Refused {
    status: u16,
    error: String,
    description: String,
}

/// What was asked for.
pub struct Who<'a> {
    /// The service account.
    pub email: &'a str,
    /// Its numeric id; may be empty.
    pub client_id: &'a str,
    /// The administrator as whom it acts.
    pub subject: &'a str,
    /// The scopes, separated by blanks.
    pub scope: &'a str,
    /// The token endpoint.
    pub url: &'a str,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    error: String,
    error_description: String,
}

/// A clock that is further off than this is named as the cause, seconds.
const FAR_OFF: i64 = 30;

impl Refused {
    /// Reads status and body.
    pub fn read(status: u16, body: &[u8]) -> Self {
        let Body { error, error_description } = serde_json::from_slice(body).unwrap_or_default();
        Self { status, error, description: error_description }
    }

    /// Whether asking again, unchanged, may help.
    pub fn may_pass(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504)
            || matches!(self.error.as_str(), "internal_failure" | "server_error" | "temporarily_unavailable")
    }

    /// The sentence. `skew`: how many seconds this machine's clock is ahead of Google's, where that is known.
    pub fn told(&self, who: &Who<'_>, skew: Option<i64>) -> String {
        let words = tidy(&format!("{} {}", self.error, self.description), "");
        let words = if words.is_empty() { format!("HTTP {}", self.status) } else { words };
        format!("Google gives no access token: {} ({words})", self.cause(who, skew))
    }

    fn cause(&self, who: &Who<'_>, skew: Option<i64>) -> String {
        let says = |text: &str| self.description.to_lowercase().contains(text);
        let id = if who.client_id.is_empty() { who.email } else { who.client_id };
        match self.error.as_str() {
            _ if self.may_pass() => "its token endpoint is in trouble, and is asked again".into(),
            "unauthorized_client" | "access_denied" => format!(
                "the service account is not delegated with these scopes; in the Admin console, Security > API controls > Domain-wide \
                 delegation, add client id {id} with exactly: {}",
                who.scope.replace(' ', ",")
            ),
            "invalid_scope" => format!("it does not know one of the scopes {}", who.scope),
            "invalid_grant" if says("reasonable timeframe") || says("short-lived") => clock(skew),
            "invalid_grant" if says("signature") => format!(
                "the key in key_file is not, or no longer, a key of {}; make a new one in Google's console and delete the old",
                who.email
            ),
            "invalid_grant" if says("no valid verifier") || says("account not found") => {
                format!("there is no service account {}, or its key was deleted", who.email)
            }
            "invalid_grant" if says("account has been deleted") => {
                format!("the administrator {} (subject) has been deleted", crate::model::said::masked(who.subject))
            }
            "invalid_grant" | "invalid_request" if says("email") || says("user id") || says("impersonation") => {
                format!(
                    "{} (subject) is no user of the Workspace account: it must be an administrator's primary address",
                    crate::model::said::masked(who.subject)
                )
            }
            "invalid_grant" => "it does not take the assertion".into(),
            "" => format!("{} does not answer as a token endpoint does; look at token_url", who.url),
            _ => "it refuses".into(),
        }
    }
}

fn clock(skew: Option<i64>) -> String {
    match skew {
        Some(ahead) if ahead.abs() > FAR_OFF => {
            let how = if ahead > 0 { "ahead of" } else { "behind" };
            format!("this machine's clock is {} s {how} Google's; let it be set by NTP", ahead.abs())
        }
        _ => "it does not take the assertion's times; let this machine's clock be set by NTP".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Who<'static> = Who {
        email: "akund@p.iam.gserviceaccount.com",
        client_id: "1122",
        subject: "admin@example.org",
        scope: "a b",
        url: "https://token/",
    };

    fn told(status: u16, error: &str, description: &str, skew: Option<i64>) -> (String, bool) {
        let body = format!(r#"{{"error":"{error}","error_description":"{description}"}}"#);
        let refused = Refused::read(status, body.as_bytes());
        (refused.told(&WHO, skew), refused.may_pass())
    }

    #[test]
    fn each_refusal_says_what_to_mend_and_where() {
        for (status, error, description, says) in [
            (
                401,
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method",
                "client id 1122",
            ),
            (401, "unauthorized_client", "", "exactly: a,b"),
            (403, "access_denied", "Requested client not authorized.", "Domain-wide delegation"),
            (400, "invalid_grant", "Invalid email or User ID", "a…@example.org (subject) is no user"),
            (400, "invalid_grant", "Not a valid email.", "is no user"),
            (400, "invalid_request", "Invalid impersonation \\\"sub\\\" field", "is no user"),
            (400, "invalid_grant", "Invalid JWT: No valid verifier found for issuer", "no service account akund@p.iam"),
            (400, "invalid_grant", "Invalid JWT Signature.", "not, or no longer, a key of akund@p.iam"),
            (400, "invalid_grant", "The account has been deleted.", "has been deleted"),
            (400, "invalid_scope", "x", "does not know one of the scopes"),
            (404, "", "", "look at token_url"),
        ] {
            let (told, may_pass) = told(status, error, description, None);
            assert!(told.contains(says) && !may_pass, "{told}");
            assert!(!told.contains("admin@example.org"), "{told}");
        }
    }

    #[test]
    fn a_clock_that_is_off_is_named_with_how_much() {
        let words = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe";
        for (skew, says) in [
            (Some(420), "420 s ahead of"),
            (Some(-4000), "4000 s behind"),
            (Some(1), "does not take the assertion's times"),
            (None, "set by NTP"),
        ] {
            let (told, _) = told(400, "invalid_grant", words, skew);
            assert!(told.contains(says), "{told}");
        }
    }

    #[test]
    fn trouble_at_google_is_not_blamed_on_the_configuration() {
        for (status, error) in [(400, "internal_failure"), (503, ""), (429, "rate_limit"), (500, "server_error")] {
            let (told, may_pass) = told(status, error, "Backend Error", None);
            assert!(may_pass && told.contains("is asked again"), "{told}");
        }
    }
}
