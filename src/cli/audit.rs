//! `akund audit`

use super::exit::{Exit, Failure};
use super::{Common, output};
use crate::journal::Head;
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
    Verify {
        /// A head that was kept outside, SEQ:HASH: finds a record that was cut off or rewritten as a whole.
        #[arg(long, value_name = "SEQ:HASH")]
        head: Option<Head>,
    },
    /// Show events, of one request or the last ones.
    Show {
        /// PROCEDURE:ID@REVISION; without it, all.
        request: Option<String>,
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
        What::Verify { head } => verify(common, &reader, *head),
        What::Show { request, most } => show(common, &reader, request.as_deref(), *most),
    }
}

fn verify(common: &Common, reader: &Reader, head: Option<Head>) -> Result<Exit, Failure> {
    let verified = reader.verify(head)?;
    if common.json {
        output::json(&verified)?;
    } else if verified.good {
        println!("{} events, unbroken; head {}", verified.events, verified.head);
    } else {
        println!("the audit record was tampered with:");
        verified.deviations.iter().for_each(|deviation| println!("  {deviation}"));
    }
    Ok(if verified.good { Exit::Good } else { Exit::Negative })
}

fn show(common: &Common, reader: &Reader, request: Option<&str>, most: usize) -> Result<Exit, Failure> {
    let request = request.map(|reference| reader.resolve(reference)).transpose()?;
    let events = reader.events(request, most)?;
    if common.json {
        output::json(&events)?;
        return Ok(Exit::Good);
    }
    for event in events {
        println!("{:>8}  {}  {:<10} {} {}", event.seq, output::time(event.at), event.kind, event.subject, event.detail);
    }
    Ok(Exit::Good)
}
