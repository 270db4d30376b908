//! `akund show`

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, output};
use crate::journal::read::Reader;
use crate::model::Outcome;
use clap::Args as ClapArgs;

/// Options of `akund show`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund show B-12/Un.03/2026
  akund show generic:B-12/Un.03/2026@2 --json")]
pub struct Args {
    /// PROCEDURE:ID@REVISION; the bare id will do where it is unambiguous.
    request: String,
}

/// Shows one request.
pub fn run(common: &Common, args: &Args) -> Result<Exit, Failure> {
    let config = common.load()?;
    let reader = Reader::open(&config.journal.path)?;
    let outcome = reader.outcome(reader.resolve(&args.request)?)?;
    if common.json {
        output::json(&outcome)?;
    } else {
        print(&outcome);
    }
    Ok(Exit::Good)
}

fn print(outcome: &Outcome) {
    let request = &outcome.request;
    say!("{}:{}@{}  {}", request.procedure, request.id, request.revision, request.action);
    say!("  state     {} since {}", outcome.state, output::time(outcome.state_at));
    say!(
        "  received  {} from {} ({}, line {})",
        output::time(outcome.received_at),
        request.source,
        request.file,
        request.line
    );
    if let Some(what) = &outcome.waits_for {
        say!("  waits for {}", what.replace('-', " "));
    }
    if let Some(letter) = &outcome.letter {
        say!(
            "  letter    {}, signed by {} on {}; {}",
            letter.number,
            letter.signed_by,
            letter.signed_on,
            letter.evidence
        );
    }
    say!("  verdict   {}", outcome.verdict);
    for reason in &outcome.reasons {
        say!("            {reason}");
    }
    if !outcome.alternatives.is_empty() {
        say!("  free      {}", outcome.alternatives.join(", "));
    }
    if let Some(account) = &outcome.account {
        let name = account.address.as_deref().unwrap_or(&account.username);
        say!("  account   {name} ({})", account.services.join(", "));
    }
    say!("  uid       {}", request.uid);
    if !outcome.checklist.is_empty() {
        say!();
        let mut table = output::table(&["", "requirement", "found"]);
        for check in &outcome.checklist {
            table.add_row([if check.met { "✓" } else { "✗" }, check.requirement.as_str(), check.found.as_str()]);
        }
        say!("{table}");
    }
    if !outcome.steps.is_empty() {
        say!();
        let mut table = output::table(&["step", "state", "tries", "done", "proof", "fault or answer"]);
        for step in &outcome.steps {
            let what = match &step.notice {
                Some(notice) => {
                    let to = step.to.as_ref().map_or(String::new(), |to| format!(" to {to}"));
                    format!("{} {} {notice}{to}", step.lane, step.verb)
                }
                None => format!("{} {}", step.lane, step.verb),
            };
            table.add_row([
                what,
                step.state.clone(),
                step.attempts.to_string(),
                step.done_at.map(output::time).unwrap_or_default(),
                step.proof.clone().unwrap_or_default(),
                step.fault.clone().or_else(|| step.reply.clone()).unwrap_or_default(),
            ]);
        }
        output::keep_whole(&mut table, &[1, 3, 4]);
        say!("{table}");
    }
}
