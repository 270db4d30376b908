//! HTTP as a client, set up in one place: no redirects, no proxies of the environment, no repetition, a limit on every wait,
//! and failures told apart by whether the server may have taken the request.

use crate::tls;
use reqwest::redirect::Policy;
use reqwest::{Client, Request, StatusCode, Url};
use std::path::Path;
use std::time::Duration;

/// How long a connection may take, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest answer that is read, bytes; more is cut.
const ANSWER: usize = 64 * 1024;

/// What came of a request that got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// No connection was made: the server knows nothing of it.
    NotSent(String),
    /// It was sent, or part of it was, and the answer did not come whole.
    Lost(String),
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Its status.
    pub status: StatusCode,
    /// Its body as text, at most 64 KiB.
    pub body: String,
}

/// The port that a URL leads to.
pub fn port(url: &str) -> u16 {
    Url::parse(url).ok().and_then(|url| url.port_or_known_default()).unwrap_or(443)
}

/// A client for one server, which `url` leads to. Connections are not kept: a request over one that the server has closed meanwhile is neither
/// surely sent nor surely not.
///
/// # Errors
/// A sentence, for CAs that cannot be used.
pub fn client(url: &str, ca_file: Option<&Path>, limit: Duration) -> Result<Client, String> {
    let config = tls::client_config(ca_file, port(url))?;
    Client::builder()
        .tls_backend_preconfigured((*config).clone())
        .http1_only()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT)
        .timeout(limit)
        .user_agent(concat!("akund/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("HTTP cannot be set up: {}", said(&error)))
}

/// Sends a request once and reads the whole answer.
///
/// # Errors
/// [`Unanswered`], in words that hold neither the URL nor the body.
pub async fn exchange(client: &Client, request: Request) -> Result<Answered, Unanswered> {
    let mut response = client.execute(request).await.map_err(|error| unanswered(&error))?;
    let status = response.status();
    let mut body = Vec::new();
    while body.len() < ANSWER {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Err(Unanswered::Lost(format!("its answer broke off: {}", said(&error)))),
        }
    }
    body.truncate(ANSWER);
    Ok(Answered { status, body: String::from_utf8_lossy(&body).into_owned() })
}

/// A URL for requests that carry secrets: `https`, or `http` to this machine only.
///
/// # Errors
/// The rest of a sentence about it.
pub fn protected_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    let Some(host) = url.host_str() else { return Err("is a URL without a host".into()) };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user in it: everybody who may read the configuration sees it".into());
    }
    if url.fragment().is_some() {
        return Err("has a `#` in it, and what follows is never sent".into());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(host) => Ok(url),
        "http" => Err("would carry passwords in clear text: http:// is for this machine only".into()),
        other => Err(format!("has the scheme {other}://; expected https://")),
    }
}

/// Whether a connection to this name cannot leave the machine.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Connects, and agrees on TLS where the URL asks for it; sends nothing.
///
/// # Errors
/// What went wrong, as the rest of a sentence.
pub async fn reach(url: &Url, ca_file: Option<&Path>) -> Result<(), String> {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let addresses: Vec<_> = tokio::net::lookup_host((host.as_str(), port))
        .await
        .map_err(|error| format!("its name cannot be looked up: {error}"))?
        .collect();
    let tcp = crate::tcp::connect(&addresses).await.map_err(|error| format!("it cannot be reached: {error}"))?;
    if url.scheme() == "https" {
        let connector = tokio_rustls::TlsConnector::from(tls::client_config(ca_file, port)?);
        let shaken = tokio::time::timeout(CONNECT, connector.connect(tls::server_name(&host)?, tcp)).await;
        shaken.map_err(|_| "it does not answer to TLS".to_owned())?.map_err(|error| {
            tls::cause_of(&error)
                .map_or_else(|| format!("TLS failed: {error}"), |cause| format!("it {}", tls::explain(cause)))
        })?;
    }
    Ok(())
}

fn unanswered(error: &reqwest::Error) -> Unanswered {
    let said = said(error);
    if error.is_connect() || error.is_builder() {
        Unanswered::NotSent(format!("it cannot be reached: {said}"))
    } else if error.is_timeout() {
        Unanswered::Lost("it did not answer in time".into())
    } else {
        Unanswered::Lost(format!("its answer did not come: {said}"))
    }
}

/// The innermost cause, without the URL.
fn said(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if std::ptr::addr_eq(innermost, error) {
        return "the request could not be made or understood".into();
    }
    crate::model::said::tidy(&innermost.to_string(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_go_over_tls_or_stay_on_this_machine() {
        for good in ["https://sms.example.org/send", "http://127.0.0.1:13013/x", "http://[::1]/x", "http://localhost/x"]
        {
            assert!(protected_url(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://sms.example.org/", "clear text"),
            ("http://127.0.0.1.example.org/", "clear text"),
            ("ftp://x/", "scheme"),
            ("sms.example.org", "no URL"),
            ("https://user:pass@x/", "user"),
            ("https://x/#a", "never sent"),
        ] {
            assert!(protected_url(bad).unwrap_err().contains(why), "{bad}");
        }
    }
}
