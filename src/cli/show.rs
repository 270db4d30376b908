//! `akund show`

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, output};
use crate::journal::read::Reader;
use crate::model::{Outcome, OutcomeStep};
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
    let request = reader.resolve(&args.request)?;
    let outcome = reader.outcome(request)?;
    if common.json {
        output::json(&outcome)?;
    } else {
        print(&outcome);
        for post in reader.posts(request)? {
            let said = post.said.map_or_else(String::new, |said| format!(": {said}"));
            let when = post.done_at.map_or_else(String::new, |at| format!(" at {}", output::time(at)));
            say!(
                "  outcome   {} {}{when}, {}, delivery {}{said}",
                post.outlet,
                post.state,
                match post.attempts {
                    1 => "1 try".to_owned(),
                    tries => format!("{tries} tries"),
                },
                post.delivery
            );
        }
    }
    Ok(Exit::Good)
}

/// The last fault, or the next system's answer; before it the channels that refused, after it whether the notice arrived.
fn said(step: &OutcomeStep) -> String {
    let mut lines: Vec<String> = step.refused.iter().map(|r| format!("{} refused: {}", r.channel, r.fault)).collect();
    lines.extend(step.fault.clone().or_else(|| step.reply.clone()));
    if let Some(arrival) = &step.arrival {
        let at = step.arrival_at.map_or_else(String::new, |at| format!(" {}", output::time(at)));
        let why = step.arrival_note.as_ref().map_or_else(String::new, |note| format!(": {note}"));
        lines.push(format!("arrival {arrival}{at}{why}"));
    }
    lines.join("\n")
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
    if let Some(at) = outcome.personal_data_removed_at {
        say!("  personal  removed by retention on {}", output::time(at));
    }
    if let Some(what) = &outcome.waits_for {
        let what = if what == "signed-letter" { "a signed letter" } else { what };
        say!("  waits for {what}");
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
        if account.address.is_some() {
            say!("  user name {}", account.username);
        }
    }
    say!("  uid       {}", request.uid);
    if let Some(original) = &request.redelivers {
        say!("  redelivers {original}");
    }
    if !request.redelivered_by.is_empty() {
        say!("  redelivered by {}", request.redelivered_by.join(", "));
    }
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
                said(step),
            ]);
        }
        output::keep_whole(&mut table, &[1, 3, 4]);
        say!("{table}");
    }
    times(outcome);
}

/// The written procedure's table beside what happened, and its deadlines.
fn times(outcome: &Outcome) {
    let minutes = |minutes: Option<u32>| minutes.map(|minutes| minutes.to_string()).unwrap_or_default();
    let time = |at: Option<jiff::Timestamp>| at.map(output::time).unwrap_or_default();
    if !outcome.table.is_empty() {
        say!();
        let mut table = output::table(&["sop", "step", "planned min", "actual min", "ended", ""]);
        for row in &outcome.table {
            table.add_row([
                row.step.clone(),
                row.title.clone(),
                minutes(row.planned_minutes),
                minutes(row.actual_minutes),
                time(row.ended_at),
                if row.late { "LATE" } else { "" }.to_owned(),
            ]);
        }
        output::keep_whole(&mut table, &[0, 4, 5]);
        say!("{table}");
    }
    for deadline in &outcome.deadlines {
        let met = match (deadline.met_at, deadline.no_longer_due_at) {
            (Some(at), _) => format!("met {}", output::time(at)),
            (None, Some(at)) => format!("no longer due since {}", output::time(at)),
            (None, None) => "not met yet".into(),
        };
        let late = if deadline.late { "  LATE" } else { "" };
        say!("  deadline  {}", deadline.name);
        say!("            by {}, {met}{late}", output::time(deadline.due_at));
    }
}
