//! `akund list`

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, output};
use crate::journal::State;
use crate::journal::read::Reader;
use clap::Args as ClapArgs;

/// Options of `akund list`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund list                              the newest 50
  akund list --state stuck --state held   what needs a person
  akund list --json --most 1000           for a script")]
pub struct Args {
    /// Only requests in this state; may be repeated. States: refused redirected conflicted held working waiting stuck done withdrawing withdrawn.
    #[arg(long, value_parser = state, value_name = "STATE")]
    state: Vec<State>,
    /// At most this many, the newest first.
    #[arg(long, default_value_t = 50, value_name = "N")]
    most: usize,
}

fn state(word: &str) -> Result<State, String> {
    State::from_word(word).ok_or_else(|| format!("expected one of {}", State::ALL.map(State::as_str).join(", ")))
}

/// Lists requests.
pub fn run(common: &Common, args: &Args) -> Result<Exit, Failure> {
    let config = common.load()?;
    let listed = Reader::open(&config.journal.path)?.list(&args.state, args.most)?;
    if common.json {
        output::json(&listed)?;
        return Ok(Exit::Good);
    }
    if listed.is_empty() {
        say!("no requests");
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
            one.step.unwrap_or_default(),
            one.fault.unwrap_or_default(),
        ]);
    }
    output::keep_whole(&mut table, &[0, 2, 3]);
    say!("{table}");
    Ok(Exit::Good)
}
