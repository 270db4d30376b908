//! `akund check --nagios`: one line for Nagios, Icinga and their like, from what the running daemon shows over HTTP. It reads no
//! credential and no journal, so that any user may run it.
//!
//! Exit codes and the line follow the Monitoring Plugins Development Guidelines: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN;
//! `STATUS - text | 'label'=value;warn;crit;min`.

use crate::cli::Common;
use crate::cli::asked::{self, Answer, reasons};
use crate::cli::exit::Exit;
use crate::cli::output::say;
use std::time::Duration;

/// For each of three questions: Nagios gives up on a plugin after ten seconds.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Ok,
    Warning,
    Critical,
    Unknown,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Asks, prints the line; never fails otherwise.
pub fn run(common: &Common) -> Exit {
    let (level, line) = match common.load() {
        Err(failure) => (Level::Unknown, format!("AKUND UNKNOWN - {}", one_line(&failure.message))),
        Ok(config) if config.http.listen.port() == 0 => {
            (Level::Unknown, "AKUND UNKNOWN - [http] listen names no fixed port".to_owned())
        }
        Ok(config) => {
            let get = |path: &str| asked::get(config.http.listen, path, PATIENCE);
            judge(get("/healthz"), get("/readyz"), get("/metrics"))
        }
    };
    say!("{line}");
    match level {
        Level::Ok => Exit::Good,
        Level::Warning => Exit::Negative,
        Level::Critical => Exit::Critical,
        Level::Unknown => Exit::Unknown,
    }
}

/// Pure.
fn judge(health: Answer, ready: Answer, metrics: Answer) -> (Level, String) {
    let mut found: Vec<(Level, String)> = Vec::new();
    match health {
        Err(why) => return (Level::Critical, format!("AKUND CRITICAL - akund does not answer: {}", one_line(&why))),
        Ok((200, _)) => {}
        Ok((_, body)) => found.push((Level::Critical, reasons(&body))),
    }
    match ready {
        Ok((200, _)) => {}
        Ok((_, body)) => found.push((Level::Critical, format!("takes no requests: {}", reasons(&body)))),
        Err(why) => found.push((Level::Unknown, why)),
    }
    let samples = match metrics {
        Ok((200, body)) => Samples::of(&body),
        Ok((status, _)) => {
            found.push((Level::Unknown, format!("/metrics answers {status}")));
            Samples::default()
        }
        Err(why) => {
            found.push((Level::Unknown, why));
            Samples::default()
        }
    };
    let state = |state: &str| samples.get("akund_requests_in_state", "state", state);
    let stuck = state("stuck").max(samples.sum("akund_lane_stuck"));
    if stuck > 0.0 {
        found.push((Level::Warning, format!("{stuck} stuck")));
    }
    for (name, wanted, words) in [("akund_target_up", 0.0, "not reached"), ("akund_lane_paused", 1.0, "paused")] {
        let lanes = samples.labels(name, "lane", wanted);
        if !lanes.is_empty() {
            found.push((Level::Warning, format!("{words}: {}", lanes.join(", "))));
        }
    }
    let level = found.iter().map(|(level, _)| *level).filter(|level| *level != Level::Unknown).max();
    let level = level.or(found.first().map(|(level, _)| *level)).unwrap_or(Level::Ok);
    found.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
    let mut said: Vec<String> = found.into_iter().map(|(_, text)| text).filter(|text| !text.is_empty()).collect();
    if said.is_empty() {
        said.push(format!("{} working, {} waiting, {} held", state("working"), state("waiting"), state("held")));
    }
    let data = [
        format!("stuck={stuck};0;;0"),
        format!("working={};;;0", state("working")),
        format!("waiting={};;;0", state("waiting")),
        format!("held={};;;0", state("held")),
        format!("queued={};;;0", samples.sum("akund_lane_ready")),
        format!("oldest={:.0}s;;;0", samples.most("akund_lane_oldest_seconds")),
    ];
    (level, format!("AKUND {} - {} | {}", level.as_str(), one_line(&said.join("; ")), data.join(" ")))
}

/// `|` would begin the figures, a line break the long output.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/")
}

/// Name, labels as written, value.
#[derive(Default)]
struct Samples(Vec<(String, String, f64)>);

impl Samples {
    fn of(text: &str) -> Self {
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            Some((name.to_owned(), labels.trim_end_matches('}').to_owned(), value.parse().ok()?))
        };
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }
    fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a (String, String, f64)> + use<'a> {
        let name = name.to_owned();
        self.0.iter().filter(move |(known, ..)| *known == name)
    }
    fn get(&self, name: &str, label: &str, value: &str) -> f64 {
        let label = format!("{label}=\"{value}\"");
        self.named(name).find(|(_, labels, _)| *labels == label).map_or(0.0, |(.., value)| *value)
    }
    fn sum(&self, name: &str) -> f64 {
        self.named(name).map(|(.., value)| value).sum::<f64>() + 0.0
    }
    fn most(&self, name: &str) -> f64 {
        self.named(name).map(|(.., value)| *value).fold(0.0, f64::max)
    }
    fn labels(&self, name: &str, label: &str, wanted: f64) -> Vec<&str> {
        let value = |labels: &'_ str| -> Option<(usize, usize)> {
            let from = labels.find(&format!("{label}=\""))? + label.len() + 2;
            Some((from, from + labels.get(from..)?.find('"')?))
        };
        let chosen = self.named(name).filter(|(.., found)| *found == wanted);
        chosen.filter_map(|(_, labels, _)| value(labels).and_then(|(from, to)| labels.get(from..to))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "# HELP akund_x x\nakund_requests_in_state{state=\"working\"} 3\nakund_requests_in_state{state=\"stuck\"} 0\n\
        akund_lane_stuck{lane=\"mail\"} 0\nakund_target_up{lane=\"mail\"} 1\nakund_lane_paused{lane=\"mail\"} 0\n\
        akund_lane_ready{lane=\"mail\"} 2\nakund_lane_ready{lane=\"email\"} 3\nakund_lane_oldest_seconds{lane=\"mail\"} 12.6\n";

    fn ok() -> Answer {
        Ok((200, "ok\n".into()))
    }
    fn metrics(from: &str, to: &str) -> Answer {
        assert!(METRICS.contains(from));
        Ok((200, METRICS.replace(from, to)))
    }

    #[test]
    fn each_kind_of_trouble_has_its_level_and_the_worst_one_wins() {
        let no = |reason: &str| Ok((503, format!("{{\"status\":\"x\",\"reasons\":[\"{reason}\"]}}\n")));
        let same = || metrics("", "");
        let stuck = || metrics("state=\"stuck\"} 0", "state=\"stuck\"} 2");
        for (health, ready, metrics, level, words) in [
            (ok(), ok(), same(), Level::Ok, "AKUND OK - 3 working, 0 waiting, 0 held |"),
            (ok(), ok(), stuck(), Level::Warning, "AKUND WARNING - 2 stuck |"),
            (
                ok(),
                ok(),
                metrics("_up{lane=\"mail\"} 1", "_up{lane=\"mail\"} 0"),
                Level::Warning,
                "- not reached: mail |",
            ),
            (
                ok(),
                ok(),
                metrics("paused{lane=\"mail\"} 0", "paused{lane=\"mail\"} 1"),
                Level::Warning,
                "- paused: mail |",
            ),
            (ok(), no("akund is draining"), same(), Level::Critical, "- takes no requests: akund is draining |"),
            (no("disk full | x"), ok(), stuck(), Level::Critical, "AKUND CRITICAL - disk full / x; 2 stuck |"),
            (Err("refused".into()), ok(), same(), Level::Critical, "AKUND CRITICAL - akund does not answer: refused"),
            (ok(), ok(), Err("cut".into()), Level::Unknown, "AKUND UNKNOWN - cut |"),
        ] {
            let (found, line) = judge(health, ready, metrics);
            assert_eq!(found, level, "{line}");
            assert!(line.contains(words), "{line}");
        }
    }

    #[test]
    fn the_figures_follow_the_text_in_one_line() {
        let (_, line) = judge(ok(), ok(), metrics("", ""));
        assert_eq!(
            line.split_once(" | ").unwrap().1,
            "stuck=0;0;;0 working=3;;;0 waiting=0;;;0 held=0;;;0 queued=5;;;0 oldest=13s;;;0"
        );
        assert_eq!((line.matches('|').count(), line.lines().count()), (1, 1));
    }
}
