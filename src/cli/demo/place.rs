//! Where the demo can be asked how it is, and what to type there.

use super::super::exit::{Exit, Failure};
use super::super::output::say;
use super::in_shell;
use crate::config::{Config, HttpConfig};
use crate::durable;
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::TcpListener;

/// Ends the line of the demo's configuration that it may change.
pub const OURS: &str = "# where that port is taken, `akund demo` writes a free one here";
/// How it ended once, with port 0.
const ONCE: &str = "# a free port; it is printed at start";

/// Listens at the address in the demo's own configuration, or where that is taken at a free port beside it, and puts that into
/// `config`. None where somebody has written the address: then it is the daemon's to say what is wrong with it.
///
/// # Errors
/// No port can be listened at.
pub async fn listen(config: &mut Config, text: &str) -> Result<Option<TcpListener>, Failure> {
    let mut wanted = config.http.listen;
    if rewritten(text, wanted, wanted).is_none() {
        return Ok(None);
    }
    if wanted.port() == 0 {
        wanted.set_port(HttpConfig::default().listen.port());
    }
    let listener = match TcpListener::bind(wanted).await {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => TcpListener::bind((wanted.ip(), 0)).await,
        other => other,
    };
    let failed = |error| Failure::new(Exit::Unavailable, format!("[http] listen {wanted}: {error}"));
    let listener = listener.map_err(failed)?;
    config.http.listen = listener.local_addr().map_err(failed)?;
    Ok(Some(listener))
}

/// Notes the address where akund listens, so that commands with this configuration find it.
pub fn note(path: &Path, text: &str, from: SocketAddr, to: SocketAddr) -> Result<(), Failure> {
    match rewritten(text, from, to).filter(|new| new != text) {
        Some(new) => Ok(durable::replace(path, new.as_bytes(), 0o644)?),
        None => Ok(()),
    }
}

/// The configuration with another address in the demo's own line; none without that line. Pure.
fn rewritten(text: &str, from: SocketAddr, to: SocketAddr) -> Option<String> {
    let (old, new) = (format!("listen = \"{from}\""), format!("listen = \"{to}\""));
    let ours = |line: &str| line.starts_with(&old) && (line.ends_with(OURS) || line.ends_with(ONCE));
    let line = text.lines().find(|line| ours(line))?;
    Some(text.replace(line, &format!("{new:<32}{OURS}")))
}

/// The program and the demo's configuration, as they are typed.
pub fn akund(config: &Path) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "akund".into());
    format!("{} --config {}", in_shell(&program), in_shell(&config.display().to_string()))
}

/// What to try while the demo runs.
pub fn try_out(config: &Path, http: SocketAddr) {
    let akund = akund(config);
    say!("\nstatus page                http://{http}/");
    say!("\nTry, in another terminal:\n");
    for command in ["check", "check --nagios", "list", "register find humas"] {
        say!("  {akund} {command}");
    }
    say!("  curl -fsS http://{http}/healthz\n  curl -fsS http://{http}/metrics");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_line_that_the_demo_wrote_gets_another_port() {
        let [from, to]: [SocketAddr; 2] = ["127.0.0.1:9380", "127.0.0.1:45678"].map(|at| at.parse().unwrap());
        let text = super::super::samples::CONFIG;
        let new = rewritten(text, from, to).expect("the demo's own line");
        assert!(new.contains("\nlisten = \"127.0.0.1:45678\" ") && !new.contains("9380"), "{new}");
        assert_eq!(rewritten(&new, to, from).as_deref(), Some(text), "and back");
        let once = text.replace("127.0.0.1:9380", "127.0.0.1:0").replace(OURS, ONCE);
        assert_eq!(rewritten(&once, "127.0.0.1:0".parse().unwrap(), from).as_deref(), Some(text));
        for theirs in [text.replace(OURS, ""), text.replace("9380", "8080"), text.replace(OURS, "# mine")] {
            assert_eq!(rewritten(&theirs, from, to), None, "{theirs}");
        }
    }
}
