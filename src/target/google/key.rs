//! A service account's key, as Google's console gives it out.

use crate::model::Secret;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The audience of every assertion, wherever the token endpoint is (as Google's own libraries have it).
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
/// How long an assertion holds, seconds: the longest that Google takes.
const HOLDS: i64 = 3600;

/// What akund needs of the key file.
pub struct ServiceAccount {
    /// The service account's address.
    pub email: String,
    /// Its numeric id, by which the delegation names it; empty where the file has none.
    pub client_id: String,
    key_id: String,
    key: EncodingKey,
}

/// The file. What else is in it is not needed.
#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    #[serde(default)]
    client_id: String,
    private_key_id: String,
    private_key: Zeroizing<String>,
}

/// The claims of RFC 7523 §3, with `sub` for the delegation.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

impl ServiceAccount {
    /// Reads the file's text.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence that holds nothing of it.
    pub fn read(text: &Secret) -> Result<Self, String> {
        let file: KeyFile = serde_json::from_str(text.expose()).map_err(|e| {
            let place = format!("line {}, column {}", e.line(), e.column());
            format!(
                "key_file holds no service account's key ({place}): make one in Google's console, IAM > Service accounts > Keys, as JSON"
            )
        })?;
        if file.kind != "service_account" {
            return Err(
                "key_file holds a key of another type than \"service_account\": it must be a service account's".into(),
            );
        }
        let key = EncodingKey::from_rsa_pem(file.private_key.as_bytes())
            .map_err(|_| "the private_key in key_file is no RSA key in PEM form".to_owned())?;
        Ok(Self { email: file.client_email, client_id: file.client_id, key_id: file.private_key_id, key })
    }

    /// An assertion that the service account acts as `subject` with these scopes.
    ///
    /// # Errors
    /// A sentence: the key cannot sign.
    pub fn assertion(&self, subject: &str, scope: &str, now: i64) -> Result<Secret, String> {
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::RS256) };
        let claims = Claims { iss: &self.email, sub: subject, scope, aud: AUDIENCE, iat: now, exp: now + HOLDS };
        jsonwebtoken::encode(&header, &claims, &self.key)
            .map(Secret::new)
            .map_err(|e| format!("the private_key in key_file cannot sign: {e}"))
    }
}
