//! `akund audit`

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, output};
use crate::journal::Head;
use crate::journal::audit::last_head;
use crate::journal::read::Reader;
use clap::{Args as ClapArgs, Subcommand};

/// Options of `akund audit`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund audit verify
  akund audit verify --head 1042:9f2c…   a head kept from an outcome document or the system journal
  akund audit show B-12/Un.03/2026")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Find a changed, removed, inserted or cut-off event.
    #[command(after_help = "\
Examples:
  akund audit verify
  akund audit verify --head 1042:9f2c…   a head kept from an outcome document or the system journal")]
    Verify {
        /// A head that was kept outside, SEQ:HASH: finds a record that was cut off or rewritten as a whole. Without it, the one in
        /// `journal.head` beside the journal, which whoever cuts the journal can cut, too.
        #[arg(long, value_name = "SEQ:HASH")]
        head: Option<Head>,
    },
    /// Show events, of one request or the last ones.
    #[command(after_help = "\
Examples:
  akund audit show --most 20
  akund audit show --kind order          who ordered what, and why: retries, withdrawals, pauses …
  akund audit show B-12/Un.03/2026")]
    Show {
        /// PROCEDURE:ID@REVISION; without it, all.
        request: Option<String>,
        /// Only events of this kind (received, state, done, stuck, order …).
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// At most this many, the newest.
        #[arg(long, default_value_t = 100, value_name = "N")]
        most: usize,
    },
}

/// Verifies or shows the audit record.
pub fn run(common: &Common, args: &Args) -> Result<Exit, Failure> {
    let config = common.load()?;
    let reader = Reader::open(&config.journal.path)?;
    match &args.what {
        // Read before the journal is: it may go on meanwhile.
        What::Verify { head } => verify(common, &reader, head.or_else(|| last_head(&config.journal.path))),
        What::Show { request, kind, most } => show(common, &reader, (request.as_deref(), kind.as_deref()), *most),
    }
}

fn verify(common: &Common, reader: &Reader, head: Option<Head>) -> Result<Exit, Failure> {
    let verified = reader.verify(head)?;
    if common.json {
        output::json(&verified)?;
    } else if verified.good {
        say!("{}, unbroken; head {}", output::counted(verified.events, "event"), verified.head);
    } else {
        say!("the audit record was tampered with:");
        verified.deviations.iter().for_each(|deviation| say!("  {deviation}"));
    }
    Ok(if verified.good { Exit::Good } else { Exit::Negative })
}

fn show(
    common: &Common,
    reader: &Reader,
    (request, kind): (Option<&str>, Option<&str>),
    most: usize,
) -> Result<Exit, Failure> {
    let request = request.map(|reference| reader.resolve(reference)).transpose()?;
    let events = reader.events(request, kind, most)?;
    if common.json {
        output::json(&events)?;
        return Ok(Exit::Good);
    }
    for event in events {
        let detail = detail(&event.detail);
        let order = event.order.map_or_else(String::new, |order| format!(" by={} reason={:?}", order.by, order.reason));
        say!("{:>8}  {}  {:<10} {} {detail}{order}", event.seq, output::time(event.at), event.kind, event.subject);
    }
    Ok(Exit::Good)
}

/// `key=value …`: what has no value is left out, digests are shortened. All of it is in `--json`.
fn detail(detail: &serde_json::Value) -> String {
    use serde_json::Value;
    let said = |(key, value): (&String, &Value)| match value {
        Value::Null => None,
        Value::String(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Some(format!("{key}={:.12}…", text))
        }
        Value::String(text) if text.contains(' ') => Some(format!("{key}={text:?}")),
        Value::String(text) => Some(format!("{key}={text}")),
        other => Some(format!("{key}={other}")),
    };
    match detail {
        Value::Object(fields) => fields.iter().filter_map(said).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}
