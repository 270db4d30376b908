//! What the running daemon says of itself over HTTP, to any user.

use crate::config::Config;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Longest answer that is read.
const MOST: u64 = 8 * 1024 * 1024;
/// How long a command waits for what it could do without.
const AT_MOST: Duration = Duration::from_millis(500);

/// What the daemon answered: status and body.
pub type Answer = Result<(u16, String), String>;

/// Asks the daemon that listens there, which may be everywhere.
///
/// # Errors
/// A sentence: nobody answers there, not in this time, or it is not akund.
pub fn get(listen: SocketAddr, path: &str, patience: Duration) -> Answer {
    let at = reachable(listen);
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&at, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: akund\r\n\r\n").as_bytes())?;
        let mut text = String::new();
        stream.take(MOST).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = asked().map_err(|error| format!("http://{at}{path}: {error}"))?;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| format!("http://{at}{path}: that is no answer of akund's"))
}

/// Why the running daemon takes no requests, if it says that it does not.
pub fn closed(config: &Config) -> Option<String> {
    let listen = config.http.listen;
    // Port 0: nobody knows where it listens.
    let (_, body) = (listen.port() != 0).then(|| get(listen, "/readyz", AT_MOST).ok()).flatten()?;
    Some(reasons(&body)).filter(|why| !why.is_empty())
}

/// The reasons in a body of `/healthz` or `/readyz`.
pub fn reasons(body: &str) -> String {
    let said: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let said = said.and_then(|said| Some(said.get("reasons")?.as_array()?.clone())).unwrap_or_default();
    said.iter().filter_map(|reason| reason.as_str()).collect::<Vec<_>>().join("; ")
}

/// A daemon that listens everywhere is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listen.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), listen.port()),
        _ => listen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_listens_everywhere_is_asked_on_loopback() {
        for (listen, asked) in [("0.0.0.0:9", "127.0.0.1:9"), ("[::]:9", "[::1]:9"), ("10.1.2.3:9", "10.1.2.3:9")] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[test]
    fn only_a_body_with_reasons_has_some() {
        let two = "{\"status\":\"closed\",\"reasons\":[\"a\",\"b\"]}\n";
        assert_eq!([two, "ok\n", "{}", ""].map(reasons), ["a; b", "", "", ""]);
    }
}
