//! HTTP as akund speaks it to Google: no redirects, no repetitions, no proxies, answers of bounded size.

use crate::model::said::tidy;
use crate::tls;
use reqwest::{Client, RequestBuilder, Response, header, redirect, retry};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The longest answer that is read, bytes: a page of 500 users is about one million.
const LARGEST: usize = 16 * 1024 * 1024;
/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// A client; its clones share its connections.
pub struct Http {
    client: Client,
    tls: Arc<rustls::ClientConfig>,
    timeout: Duration,
}

/// An answer, whatever it says.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
    /// The server's clock, seconds since 1970.
    pub date: Option<i64>,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// No answer.
#[derive(Debug)]
pub struct Unanswered {
    /// Whether the call may have reached the server.
    pub sent: bool,
    /// Why, as the rest of a sentence.
    pub said: String,
}

impl Http {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// A sentence: a CA file that cannot be used, no CAs of the system's.
    pub fn new(root_url: &str, timeout: Duration, ca_file: Option<&Path>) -> Result<Self, String> {
        let mut config = tls::client_config(ca_file, crate::web::port(root_url))?.as_ref().clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let tls = Arc::new(config);
        Ok(Self { client: client(&tls, timeout)?, tls, timeout })
    }

    /// One with connections of its own.
    ///
    /// # Errors
    /// A sentence: it cannot be set up.
    pub fn anew(&self) -> Result<Self, String> {
        Ok(Self { client: client(&self.tls, self.timeout)?, tls: self.tls.clone(), timeout: self.timeout })
    }

    /// Begins a request.
    pub fn request(&self, method: reqwest::Method, url: reqwest::Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Posts a form.
    ///
    /// # Errors
    /// That no answer came.
    pub async fn post_form(&self, url: &str, form: &[(&str, &str)]) -> Result<Answer, Unanswered> {
        self.send(self.client.post(url).form(form)).await
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// That no whole answer came.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, Unanswered> {
        let mut response = request.send().await.map_err(unanswered)?;
        let status = response.status().as_u16();
        let date = text(&response, &header::DATE).and_then(seconds);
        let now = jiff::Timestamp::now().as_second();
        let retry_after = text(&response, &header::RETRY_AFTER).and_then(|v| super::answer::retry_after(v, now));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
            if body.len() + chunk.len() > LARGEST {
                return Err(Unanswered { sent: true, said: format!("answers with more than {LARGEST} bytes") });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body, date, retry_after })
    }
}

fn client(tls: &Arc<rustls::ClientConfig>, timeout: Duration) -> Result<Client, String> {
    Client::builder()
        .tls_backend_preconfigured(tls.as_ref().clone())
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT.min(timeout))
        .timeout(timeout)
        .user_agent(concat!("akund/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| format!("HTTP cannot be set up: {e}"))
}

fn text<'r>(response: &'r Response, name: &header::HeaderName) -> Option<&'r str> {
    response.headers().get(name)?.to_str().ok()
}

fn seconds(date: &str) -> Option<i64> {
    Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_second())
}

fn unanswered(error: reqwest::Error) -> Unanswered {
    let error = error.without_url();
    let sent = !(error.is_connect() || error.is_builder());
    let mut source: Option<&dyn Error> = error.source();
    let mut last = error.to_string();
    while let Some(inner) = source {
        if let Some(tls) = inner.downcast_ref::<std::io::Error>().and_then(tls::cause_of) {
            return Unanswered { sent, said: tls::explain(tls) };
        }
        last = inner.to_string();
        source = inner.source();
    }
    let said = match (error.is_timeout(), sent) {
        (true, true) => "gives no answer in time".to_owned(),
        (true, false) => "cannot be reached in time".to_owned(),
        (false, true) => format!("breaks the connection ({})", tidy(&last, "")),
        (false, false) => format!("cannot be reached ({})", tidy(&last, "")),
    };
    Unanswered { sent, said }
}
