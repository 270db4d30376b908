//! Outcome documents posted to a ticket system, and nothing else.
//!
//! Each document is a POST of the very bytes of the outcome file, signed as Standard Webhooks has it
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>), for which there are libraries in most
//! languages:
//!
//! * `webhook-id`: the delivery, the same with every repetition. Who has seen it already answers 200 and does nothing.
//! * `webhook-timestamp`: when this attempt was made, seconds since 1970. Refuse what is older than some minutes.
//! * `webhook-signature`: `v1,` and the base64 of HMAC-SHA-256 over `ID.TIMESTAMP.BODY`.
//!
//! Any answer of 200 to 299 takes the document. Redirects are not followed.

use super::{NotTaken, Outlet};
use crate::config::channel::WebhookConfig;
use crate::model::said::tidy;
use crate::model::{Answer, Fault, Finding, Posting, Secret};
use crate::web::{self, Unanswered};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request, Url};
use sha2::Sha256;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// What a secret in the form of Standard Webhooks begins with; the rest is base64.
const PREFIX: &str = "whsec_";
/// Documents on their way at once.
const BATCH: usize = 4;
/// Shorter secrets are guessed.
const SHORTEST: usize = 16;

/// `kind = "webhook"`
pub struct Webhook {
    name: String,
    url: Url,
    key: Zeroizing<Vec<u8>>,
    ca_file: Option<PathBuf>,
    client: Client,
}

impl Webhook {
    /// Checks the configuration and reads the secret. Connects to nothing. Errors are sentences.
    pub fn open(
        name: &str,
        config: &WebhookConfig,
        read_secret: &dyn Fn(&Path) -> Result<Secret, String>,
    ) -> Result<Self, String> {
        let problem = |cause: String| format!("channel {name}: {cause}");
        let secret = read_secret(&config.secret_file).map_err(problem)?;
        Ok(Self {
            name: name.to_owned(),
            url: web::protected_url(&config.url).map_err(|why| problem(format!("url {why}")))?,
            key: key(&secret).map_err(problem)?,
            ca_file: config.ca_file.clone(),
            client: web::client(&config.url, config.ca_file.as_deref(), Duration::from_secs(config.timeout_seconds))
                .map_err(problem)?,
        })
    }

    fn request(&self, posting: &Posting, now: Timestamp) -> Result<Request, Fault> {
        let unfit = || Fault::permanent("the document cannot be signed");
        let (id, at) = (posting.delivery.clone(), now.as_second().to_string());
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(|_| unfit())?;
        for part in [id.as_bytes(), b".", at.as_bytes(), b".", &posting.body] {
            mac.update(part);
        }
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let mut request = Request::new(Method::POST, self.url.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", signature)] {
            headers.insert(name, HeaderValue::from_str(&value).map_err(|_| unfit())?);
        }
        *request.body_mut() = Some(posting.body.clone().into());
        Ok(request)
    }

    async fn hand_over(&self, posting: &Posting) -> Result<String, NotTaken> {
        let request = self.request(posting, Timestamp::now())?;
        let place = format!("webhook {}", self.url.host_str().unwrap_or_default());
        let answered = match web::exchange(&self.client, request).await {
            Ok(answered) => answered,
            Err(Unanswered::NotSent(why)) => return Err(Fault::transient(format!("{place}: {why}")).into()),
            Err(Unanswered::Lost(why)) => return Err(Fault::unknown(format!("{place}: {why}")).into()),
        };
        let said = format!("{} {}", answered.status.as_u16(), tidy(&answered.body, ""));
        let fault = format!("{place} answered {}", said.trim_end());
        Err(match answered.status.as_u16() {
            200..=299 => return Ok(said.trim_end().to_owned()),
            // It will never take this document.
            400 | 410 | 413 | 415 | 422 => Fault::permanent(fault).into(),
            // Forbidden, in conflict with what it has, locked (RFC 9110, RFC 4918): this document, and for now.
            403 | 409 | 423 => NotTaken::Refused(Fault::transient(fault)),
            301..=308 => {
                Fault::transient(format!("{fault}: redirects are not followed; set url to the final address")).into()
            }
            // A wrong secret or address is the operator's to mend, and costs no document.
            _ => Fault::transient(fault).into(),
        })
    }

    /// Looks whether it can be used; posts nothing.
    pub async fn check(&self) -> Vec<Finding> {
        let place = self.url.host_str().unwrap_or_default().to_owned();
        let reached = web::reach(&self.url, self.ca_file.as_deref()).await;
        vec![
            reached
                .map(|()| format!("webhook {place} can be reached; nothing was posted"))
                .map_err(|why| format!("webhook {place}: {why}")),
        ]
    }
}

/// The bytes that sign.
fn key(secret: &Secret) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = secret.expose();
    let bytes = match text.strip_prefix(PREFIX) {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map_err(|_| format!("the secret begins with {PREFIX}, and what follows is not base64"))?,
        None => text.as_bytes().to_vec(),
    };
    let bytes = Zeroizing::new(bytes);
    if bytes.len() < SHORTEST {
        return Err(format!(
            "the secret is shorter than {SHORTEST} bytes, and can be guessed: make one with `openssl rand -hex 32`"
        ));
    }
    Ok(bytes)
}

impl Outlet for Webhook {
    fn name(&self) -> &str {
        &self.name
    }
    fn batch(&self) -> usize {
        BATCH
    }
    fn post<'a>(&'a self, postings: &'a [Posting]) -> Answer<'a, Vec<Result<String, NotTaken>>> {
        Box::pin(join_all(postings.iter().map(|posting| self.hand_over(posting))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_signed_as_standard_webhooks_has_it() {
        // Secret, time stamp and body of the specification's example; the signature is what Python's hmac makes of them with this id.
        let config = WebhookConfig {
            url: "https://tickets.example.org/akund".into(),
            secret_file: "x".into(),
            ca_file: None,
            sources: Vec::new(),
            timeout_seconds: 5,
        };
        let secret = |_: &Path| Ok(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let webhook = Webhook::open("tickets", &config, &secret).unwrap();
        let delivery = uuid::Uuid::nil().to_string();
        let now = Timestamp::from_second(1_614_265_330).unwrap();
        let body = br#"{"test": 2432232314}"#.to_vec();
        let posting = Posting { id: 1, delivery: delivery.clone(), attempt: 1, first_at: now, body };
        let request = webhook.request(&posting, now).unwrap();
        let expected = "v1,Y5/uRWupLQOPxe4D5mBYrd9dRGhY+xtWrnxDwy59WDE=";
        assert_eq!(request.headers()["webhook-signature"], expected);
        assert_eq!(request.headers()["webhook-id"], delivery.as_str());
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused() {
        for (secret, good) in [
            ("short", false),
            ("whsec_!", false),
            ("0123456789abcdef", true),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true),
        ] {
            assert_eq!(key(&Secret::new(secret)).is_ok(), good, "{secret}");
        }
    }
}
