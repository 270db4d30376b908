//! `akund retry | release | arrived | withdraw | pause | unpause`: an order is written into the journal, and the daemon is woken
//! to carry it out. Without a daemon the order is kept, and carried out at its next start.

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, output};
use crate::channel::letter;
use crate::config::Config;
use crate::journal::arrived::Arrived;
use crate::journal::letters::{NewLetter, Signed};
use crate::journal::orders::{self, NewOrder, OrderResult, OrderVerb};
use crate::journal::read::Reader;
use crate::model::entry::Import;
use crate::register;
use clap::Args as ClapArgs;
use jiff::civil::Date;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An order on one request.
#[derive(Debug, ClapArgs)]
pub struct OnRequest {
    /// PROCEDURE:ID@REVISION; the bare id will do where it is unambiguous.
    pub(super) request: String,
    /// Why; kept with the order.
    #[arg(long, default_value = "")]
    pub(super) reason: String,
}

/// Examples of `akund release`.
pub const RELEASE_EXAMPLES: &str = "\
Examples:
  akund list --state held
  akund release B-12/Un.03/2026 --reason \"looked at, is in order\"
  akund list --state waiting
  akund release B-12/Un.03/2026 --letter surat.pdf --number 005/123/2026 --signed-by head --signed-on 2026-11-20";

/// An order to let a request go.
#[derive(Debug, ClapArgs)]
pub struct ReleaseArgs {
    #[command(flatten)]
    on: OnRequest,
    /// The signed letter that the request waits for: a PDF or a Word file.
    #[arg(long, value_name = "FILE", requires_all = ["number", "signed_by", "signed_on"])]
    letter: Option<PathBuf>,
    /// The letter's number in the register of outgoing letters.
    #[arg(long, requires = "letter")]
    number: Option<String>,
    /// The role that signed it.
    #[arg(long, value_name = "ROLE", requires = "letter")]
    signed_by: Option<String>,
    /// The day on which it was signed, YYYY-MM-DD.
    #[arg(long, value_name = "DATE", value_parser = day, requires = "letter")]
    signed_on: Option<Date>,
}

/// Examples of `akund arrived`.
pub const ARRIVED_EXAMPLES: &str = "\
Examples:
  akund arrived B-12/Un.03/2026 --reason \"the applicant has logged in\"
  akund arrived B-12/Un.03/2026 --channel sms --reason \"the gateway's log has it\"

Of a notice that is stuck since it may have been taken (an answer that was lost, a backup that was put back): it counts
as handed over, nothing is sent again, and the request goes on. If it did not arrive: akund retry.";

/// An order that says that a notice arrived.
#[derive(Debug, ClapArgs)]
pub struct ArrivedArgs {
    /// PROCEDURE:ID@REVISION; the bare id will do where it is unambiguous.
    request: String,
    /// Only what went by this channel; needed where notices of several channels may have been taken.
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<String>,
    /// How it is known that it arrived; kept with the order.
    #[arg(long)]
    reason: String,
}

/// A day as everywhere in akund's requests.
fn day(text: &str) -> Result<Date, String> {
    let expected = "expected a day as YYYY-MM-DD (year-month-day), such as 2026-11-22";
    let iso = text.len() == 10 && text.as_bytes().get(4) == Some(&b'-');
    text.parse().ok().filter(|_| iso).ok_or_else(|| match register::read_day(text) {
        Some(meant) if !iso => format!("{expected}; if that is day-month-year, write {meant}"),
        _ => expected.to_owned(),
    })
}

/// An order on lanes; an outlet of outcome documents is one, too.
#[derive(Debug, ClapArgs)]
pub struct OnLane {
    /// The lane: the name of a target or channel, `credentials`, `letter`, or the webhook or queue that outcome documents go to; without
    /// it, all.
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
    order(common, &config, (verb, &args.request, &args.reason), None)
}

/// Orders that a request goes on, with its signed letter where it waits for one.
pub fn release(common: &Common, args: &ReleaseArgs) -> Result<Exit, Failure> {
    let config = common.load()?;
    let on = &args.on;
    Reader::open(&config.journal.path)?.resolve(&on.request)?;
    let letter = match (&args.letter, &args.number, &args.signed_by, args.signed_on) {
        (Some(file), Some(number), Some(role), Some(day)) => {
            let signed = Signed { number: number.trim().to_owned(), role: role.clone(), on: day };
            Some(NewLetter { signed, bytes: read_letter(file)? })
        }
        _ => None,
    };
    order(common, &config, (OrderVerb::Release, &on.request, &on.reason), letter)
}

/// Orders that a notice counts as handed over.
pub fn arrived(common: &Common, args: &ArrivedArgs) -> Result<Exit, Failure> {
    if args.reason.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "--reason says how it is known, and must not be empty"));
    }
    let config = common.load()?;
    Reader::open(&config.journal.path)?.resolve(&args.request)?;
    let what = Arrived { request: args.request.clone(), channel: args.channel.clone() };
    let argument = serde_json::to_string(&what).map_err(|e| Failure::new(Exit::InputOutput, e.to_string()))?;
    order(common, &config, (OrderVerb::Arrived, &argument, &args.reason), None)
}

/// Read by whoever gives the order, before the process becomes somebody else.
fn read_letter(file: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| Failure::new(Exit::InputOutput, format!("{}: {error}", file.display()));
    let bad = |why: String| Failure::new(Exit::BadInput, format!("{}: {why}", file.display()));
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err(bad("it is not a regular file".into()));
    }
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(letter::LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    letter::Kind::of(&bytes).map_err(bad)?;
    Ok(bytes)
}

/// Orders something of a lane.
pub fn on_lane(common: &Common, verb: OrderVerb, args: &OnLane) -> Result<Exit, Failure> {
    let config = common.load()?;
    order(common, &config, (verb, args.lane.as_deref().unwrap_or(""), &args.reason), None)
}

fn order(
    common: &Common,
    config: &Config,
    what: (OrderVerb, &str, &str),
    letter: Option<NewLetter>,
) -> Result<Exit, Failure> {
    let result = place(config, what, letter, &[])?;
    tell(common, &result.0, result.1)
}

/// Places an order, with the letter or what is to be imported, wakes the daemon, and gives what came of it; and why no daemon
/// was woken.
pub(super) fn place(
    config: &Config,
    what: (OrderVerb, &str, &str),
    letter: Option<NewLetter>,
    imports: &[Import],
) -> Result<(OrderResult, Option<std::io::Error>), Failure> {
    let rows = imports.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
    place_rows(config, what, letter, &rows.map_err(|error| Failure::new(Exit::InputOutput, error.to_string()))?)
}

/// As [`place`], with what it is about, row by row, each a JSON document.
pub(super) fn place_rows(
    config: &Config,
    (verb, argument, reason): (OrderVerb, &str, &str),
    letter: Option<NewLetter>,
    rows: &[String],
) -> Result<(OrderResult, Option<std::io::Error>), Failure> {
    let path = &config.journal.path;
    // Who gives the order, before the process becomes somebody else.
    let (login_uid, login) = (login_uid(), login_name());
    become_owner(path)?;
    let new = NewOrder { login_uid, login, verb, argument: argument.to_owned(), reason: reason.to_owned(), letter };
    let number = orders::place_rows(path, &new, rows)?;
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
pub(super) fn wake(socket: &Path) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"orders\n")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    Ok(())
}

/// Whether no daemon listens there. Where that cannot be told (the socket is not for this user) it is no.
pub(super) fn is_away(socket: &Path) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    UnixStream::connect(socket).is_err_and(|error| matches!(error.kind(), NotFound | ConnectionRefused))
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
pub(super) fn become_owner(path: &Path) -> Result<(), Failure> {
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

#[cfg(test)]
mod tests {
    use super::day;

    #[test]
    fn a_day_is_year_month_day_and_any_other_form_is_told_which() {
        assert_eq!(day("2026-11-22"), Ok("2026-11-22".parse().unwrap()));
        for other in ["22-11-2026", "22/11/2026"] {
            let said = day(other).unwrap_err();
            assert!(said.contains("YYYY-MM-DD") && said.ends_with("write 2026-11-22"), "{other}: {said}");
        }
        for bad in ["", "2026-13-01", "2026-02-30", "today", "20261122"] {
            assert!(day(bad).unwrap_err().contains("YYYY-MM-DD"), "{bad}");
        }
    }
}
