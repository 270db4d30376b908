//! `akund retry`: one request, or with one order all that an outage left stuck in a lane.

use super::exit::{Exit, Failure};
use super::order::{self, OnRequest};
use super::output::say;
use super::{Common, output};
use crate::config::Config;
use crate::journal::bulk::{Counted, Outage};
use crate::journal::orders::OrderVerb;
use crate::journal::read::Reader;
use clap::Args as ClapArgs;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

/// Options of `akund retry`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund list --state stuck
  akund retry B-12/Un.03/2026 --reason \"mail server repaired\"
  akund retry --lane email --since 2026-11-20 --dry-run      how many, and what is left alone
  akund retry --lane email --since \"2026-11-20 08:00\" --reason \"mail server repaired\"
  akund retry --lane email --since 3h")]
pub struct Args {
    /// PROCEDURE:ID@REVISION; the bare id will do where it is unambiguous.
    #[arg(required_unless_present = "lane", conflicts_with = "lane")]
    request: Option<String>,
    /// Everything that is stuck in this lane (a target, a channel, or where outcome documents go to).
    #[arg(long, value_name = "LANE", requires = "since")]
    lane: Option<String>,
    /// With --lane: what has been stuck since then. A time, a day, or how long ago (3h, 2d).
    #[arg(long, value_name = "TIME", requires = "lane", value_parser = since)]
    since: Option<Timestamp>,
    /// With --lane: also notices that may have been sent already. Without it they are left alone.
    #[arg(long, requires = "lane")]
    uncertain: bool,
    /// With --lane: only say what would be tried again, and what is left alone.
    #[arg(long, requires = "lane")]
    dry_run: bool,
    /// Why; kept with the order.
    #[arg(long, default_value = "")]
    reason: String,
}

/// `2026-11-20T08:00+07:00`, `2026-11-20 08:00`, `2026-11-20` (in this machine's zone), or `3h`.
fn since(text: &str) -> Result<Timestamp, String> {
    let local = |at: DateTime| at.to_zoned(TimeZone::system()).map(|at| at.timestamp());
    let ago = |span: Span| Zoned::now().checked_sub(span.abs()).map(|at| at.timestamp());
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let found = match (text.parse::<DateTime>(), text.parse::<Date>(), text.parse::<Span>()) {
        (Ok(at), ..) => local(at),
        (_, Ok(day), _) => local(day.to_datetime(jiff::civil::Time::midnight())),
        (.., Ok(span)) => ago(span),
        _ => return Err("expected a time (2026-11-20 08:00), a day (2026-11-20) or how long ago (3h, 2d)".into()),
    };
    found.map_err(|error| error.to_string())
}

/// Orders it.
pub fn run(common: &Common, args: Args) -> Result<Exit, Failure> {
    let Args { request, lane, since, uncertain, dry_run, reason } = args;
    if let Some(request) = request {
        return order::on_request(common, OrderVerb::Retry, &OnRequest { request, reason });
    }
    let (Some(lane), Some(since)) = (lane, since) else {
        return Err(Failure::new(Exit::Usage, "name a request, or --lane and --since"));
    };
    let config = common.load()?;
    let outage = Outage { lane, since, uncertain };
    let counted = Reader::open(&config.journal.path)?.count_outage(&outage)?;
    known(&config, &outage, &counted)?;
    if dry_run {
        return tell(common, &outage, &counted);
    }
    if counted.total() == 0 {
        tell(common, &outage, &counted)?;
        return Ok(Exit::Negative);
    }
    if !common.json {
        tell(common, &outage, &counted)?;
    }
    let argument = serde_json::to_string(&outage).map_err(|e| Failure::new(Exit::InputOutput, e.to_string()))?;
    let (result, not_woken) = order::place(&config, (OrderVerb::RetryLane, &argument, &reason), None, &[])?;
    order::tell(common, &result, not_woken)
}

/// A mistyped lane is told at once.
fn known(config: &Config, outage: &Outage, counted: &Counted) -> Result<(), Failure> {
    let lanes: Vec<&str> =
        config.target.keys().chain(config.channel.keys()).chain(config.queue.keys()).map(String::as_str).collect();
    if lanes.contains(&outage.lane.as_str()) || counted.total() + counted.uncertain + counted.earlier > 0 {
        return Ok(());
    }
    Err(Failure::new(Exit::Negative, format!("there is no lane `{}`; there are {}", outage.lane, lanes.join(", "))))
}

fn tell(common: &Common, outage: &Outage, counted: &Counted) -> Result<Exit, Failure> {
    if common.json {
        output::json(&serde_json::json!({"outage": outage, "total": counted.total(), "counted": counted}))?;
        return Ok(Exit::Good);
    }
    say!("stuck in lane {} since {}: {} to be tried again", outage.lane, output::time(outage.since), counted.total());
    for kind in &counted.again {
        say!("  {:>7}  {} ({})", kind.count, kind.verb, kind.fault);
    }
    if counted.uncertain > 0 {
        say!(
            "left alone: {} that may have been sent already; ask the recipients or the gateway's log, then --uncertain includes them",
            counted.uncertain
        );
    }
    if counted.earlier > 0 {
        say!("left alone: {} that were stuck before that", counted.earlier);
    }
    Ok(Exit::Good)
}

#[cfg(test)]
mod tests {
    use super::since;
    use jiff::{Timestamp, ToSpan};

    #[test]
    fn since_is_a_time_a_day_or_how_long_ago() {
        assert_eq!(since("2026-11-20T08:00+07:00"), Ok("2026-11-20T01:00:00Z".parse().unwrap()));
        let day = since("2026-11-20").unwrap();
        assert_eq!(since("2026-11-20 08:00").unwrap(), day + 8.hours());
        let ago = Timestamp::now().duration_since(since("3h").unwrap());
        assert!((ago.as_secs() - 3 * 3600).abs() < 60, "{ago}");
        for bad in ["", "yesterday", "2026-13-01", "email"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }
}
