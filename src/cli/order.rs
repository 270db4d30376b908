//! `akund retry | release | withdraw | pause | unpause`: an order is written into the journal, and the daemon is woken
//! to carry it out. Without a daemon the order is kept, and carried out at its next start.

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, output};
use crate::config::Config;
use crate::journal::orders::{self, NewOrder, OrderResult, OrderVerb};
use crate::journal::read::Reader;
use crate::model::entry::Import;
use clap::Args as ClapArgs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An order on one request.
#[derive(Debug, ClapArgs)]
pub struct OnRequest {
    /// PROCEDURE:ID@REVISION; the bare id will do where it is unambiguous.
    request: String,
    /// Why; kept with the order.
    #[arg(long, default_value = "")]
    reason: String,
}

/// An order on lanes.
#[derive(Debug, ClapArgs)]
pub struct OnLane {
    /// The lane (the name of a target or channel, or `credentials`); without it, all.
    lane: Option<String>,
    /// Why; kept with the order.
    #[arg(long, default_value = "")]
    reason: String,
}

/// Orders something of one request.
pub fn on_request(common: &Common, verb: OrderVerb, args: &OnRequest) -> Result<Exit, Failure> {
    let config = common.load()?;
    // A reference that fits nothing is told at once, daemon or not.
    Reader::open(&config.journal.path)?.resolve(&args.request)?;
    order(common, &config, verb, &args.request, &args.reason)
}

/// Orders something of a lane.
pub fn on_lane(common: &Common, verb: OrderVerb, args: &OnLane) -> Result<Exit, Failure> {
    let config = common.load()?;
    order(common, &config, verb, args.lane.as_deref().unwrap_or(""), &args.reason)
}

fn order(common: &Common, config: &Config, verb: OrderVerb, argument: &str, reason: &str) -> Result<Exit, Failure> {
    let result = place(config, verb, argument, reason, &[])?;
    tell(common, &result.0, result.1)
}

/// Places an order, with what is to be imported, wakes the daemon, and gives what came of it; and why no daemon was woken.
pub(super) fn place(
    config: &Config,
    verb: OrderVerb,
    argument: &str,
    reason: &str,
    imports: &[Import],
) -> Result<(OrderResult, Option<std::io::Error>), Failure> {
    let path = &config.journal.path;
    // Who gives the order, before the process becomes somebody else.
    let (login_uid, login) = (login_uid(), login_name());
    become_owner(path)?;
    let new = NewOrder { login_uid, login, verb, argument: argument.to_owned(), reason: reason.to_owned() };
    let number = orders::place_import(path, &new, imports)?;
    let woken = wake(&config.control.socket);
    Ok((orders::result(path, number)?, woken.err()))
}

pub(super) fn tell(common: &Common, result: &OrderResult, not_woken: Option<std::io::Error>) -> Result<Exit, Failure> {
    if common.json {
        output::json(result)?;
    } else {
        match (result.state.as_str(), not_woken) {
            ("new", Some(_)) => say!(
                "order {} is kept in the journal; no daemon is running, and it is carried out when one starts",
                result.order
            ),
            ("new", None) => say!("order {} is taken, but not yet carried out", result.order),
            ("refused", _) => say!("refused: {}", result.result),
            _ => say!("{}", result.result),
        }
    }
    Ok(match result.state.as_str() {
        "done" => Exit::Good,
        "refused" => Exit::Negative,
        _ => Exit::TryAgain,
    })
}

/// Wakes the daemon and waits until it has carried out what is in the journal: it closes the connection then.
fn wake(socket: &Path) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"orders\n")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    Ok(())
}

/// The uid of the log-in session (proc(5), /proc/self/loginuid), which su and sudo keep.
fn login_uid() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/self/loginuid").ok()?;
    text.trim().parse().ok().filter(|uid| *uid != u32::MAX)
}

fn login_name() -> String {
    let uid = login_uid().map_or_else(nix::unistd::getuid, nix::unistd::Uid::from_raw);
    nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// root goes on as the journal's owner, so that no file of root's appears beside it that the daemon could not write.
fn become_owner(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = std::fs::metadata(path) else { return Ok(()) };
    if !nix::unistd::geteuid().is_root() || metadata.uid() == 0 {
        return Ok(());
    }
    let cannot = |error: nix::Error| {
        Failure::new(Exit::NotPermitted, format!("root cannot go on as the journal's owner: {error}"))
    };
    let (uid, gid) = (nix::unistd::Uid::from_raw(metadata.uid()), nix::unistd::Gid::from_raw(metadata.gid()));
    nix::unistd::setgroups(&[gid]).map_err(cannot)?;
    nix::unistd::setgid(gid).map_err(cannot)?;
    nix::unistd::setuid(uid).map_err(cannot)
}
