//! `akund list`

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, asked, output};
use crate::journal::State;
use crate::journal::read::Reader;
use crate::model::Outcome;
use crate::procedure::standard;
use clap::Args as ClapArgs;
use jiff::{Timestamp, ToSpan};

/// Options of `akund list`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund list                              the newest 50
  akund list --state stuck --state held   what needs a person
  akund list --overdue --days 7           what took longer than the procedure allows; exit code 1 if anything did
  akund list --json --most 1000           for a script")]
pub struct Args {
    /// Only requests in this state; may be repeated. States: refused redirected conflicted held working waiting stuck done withdrawing withdrawn.
    #[arg(long, value_parser = state, value_name = "STATE")]
    state: Vec<State>,
    /// At most this many, the newest first.
    #[arg(long, default_value_t = 50, value_name = "N")]
    most: usize,
    /// Only what takes, or took, longer than the written procedure allows: steps and deadlines, planned and actual.
    #[arg(long, conflicts_with = "state")]
    overdue: bool,
    /// With --overdue: requests that are on their way, and those done in so many days.
    #[arg(long, default_value_t = 30, value_name = "N", requires = "overdue")]
    days: u16,
}

fn state(word: &str) -> Result<State, String> {
    State::from_word(word).ok_or_else(|| format!("expected one of {}", State::ALL.map(State::as_str).join(", ")))
}

/// Lists requests.
pub fn run(common: &Common, args: &Args) -> Result<Exit, Failure> {
    let config = common.load()?;
    if args.overdue {
        return overdue(common, args, &Reader::open(&config.journal.path)?);
    }
    let listed = Reader::open(&config.journal.path)?.list(&args.state, args.most)?;
    if common.json {
        output::json(&listed)?;
        return Ok(Exit::Good);
    }
    let closed = asked::closed(&config).map(|why| format!("akund takes no requests now: {why}"));
    if listed.is_empty() {
        say!("no requests");
        closed.iter().for_each(|closed| say!("{closed}"));
        return Ok(Exit::Good);
    }
    let mut table = output::table(&["request", "action", "state", "since", "source", "step", "last fault"]);
    for one in listed {
        table.add_row([
            one.request,
            one.action,
            one.state,
            output::time(one.state_at),
            one.source,
            one.step.or_else(|| one.waits_for.map(|request| format!("waits for {request}"))).unwrap_or_default(),
            one.fault.unwrap_or_default(),
        ]);
    }
    output::keep_whole(&mut table, &[0, 2, 3]);
    say!("{table}");
    closed.iter().for_each(|closed| say!("{closed}"));
    Ok(Exit::Good)
}

/// One deviation from the written procedure's standard.
#[derive(Debug, serde::Serialize)]
struct Late {
    request: String,
    state: String,
    step: String,
    planned: String,
    actual: String,
    since: Timestamp,
}

fn overdue(common: &Common, args: &Args, reader: &Reader) -> Result<Exit, Failure> {
    let now = Timestamp::now();
    let since = now.checked_sub((i64::from(args.days) * 24).hours()).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut all = Vec::new();
    for request in reader.since(since)? {
        let late = reader.course(request)?.is_some_and(|(standard, course)| standard::is_late(&standard, &course, now));
        if late {
            all.extend(self::late(&reader.outcome(request)?, now));
        }
        if all.len() >= args.most {
            break;
        }
    }
    if common.json {
        output::json(&all)?;
    } else if all.is_empty() {
        say!("nothing took longer than its procedure allows");
    } else {
        let mut table = output::table(&["request", "state", "step", "planned", "actual", "since"]);
        for one in &all {
            table.add_row([&one.request, &one.state, &one.step, &one.planned, &one.actual, &output::time(one.since)]);
        }
        output::keep_whole(&mut table, &[0, 5]);
        say!("{table}");
    }
    Ok(if all.is_empty() { Exit::Good } else { Exit::Negative })
}

fn late(outcome: &Outcome, now: Timestamp) -> Vec<Late> {
    let key = &outcome.request;
    let name = format!("{}:{}@{}", key.procedure, key.id, key.revision);
    let minutes = |minutes: Option<u32>| minutes.map(|minutes| format!("{minutes} min")).unwrap_or_default();
    let rows = outcome.table.iter().filter(|row| row.late).map(|row| Late {
        request: name.clone(),
        state: outcome.state.clone(),
        step: format!("{} {}", row.step, row.title),
        planned: minutes(row.planned_minutes),
        actual: minutes(row.actual_minutes),
        since: row.began_at.unwrap_or(now),
    });
    let deadlines = outcome.deadlines.iter().filter(|deadline| deadline.late).map(|deadline| Late {
        request: name.clone(),
        state: outcome.state.clone(),
        step: deadline.name.clone(),
        planned: format!("by {}", output::time(deadline.due_at)),
        actual: match (deadline.met_at, deadline.no_longer_due_at) {
            (Some(at), _) => format!("met {}", output::time(at)),
            (None, Some(at)) => format!("ended {}", output::time(at)),
            (None, None) => "open".into(),
        },
        since: deadline.from_at,
    });
    rows.chain(deadlines).collect()
}
