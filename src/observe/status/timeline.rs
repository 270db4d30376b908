//! A request's course against its written procedure's standard times, as a picture. Pure.

use super::words::Tongue;
use crate::journal::status::{Seen, SeenStep};
use crate::procedure::file::SopStep;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// The narrowest that a bar is drawn, percent: what took no time must still be seen.
const NARROWEST: f64 = 0.8;

/// The picture: one row for each step of the written procedure, on one axis of time.
#[derive(Debug, Default, Serialize)]
pub struct Timeline {
    /// In the procedure's order.
    pub rows: Vec<Row>,
    /// Marks on the axis; empty where nothing is drawn.
    pub ticks: Vec<Tick>,
}

/// One row.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its number in the procedure.
    pub number: Option<String>,
    /// What is done.
    pub title: String,
    /// Who does it.
    pub actor: Option<String>,
    /// What the procedure allows, for people.
    pub allowed: Option<String>,
    /// What was taken, for people; none while nothing has begun.
    pub used: Option<String>,
    /// `within`, `late`, `open` (begun, not yet late), `not-begun` or `outside` (not akund's part).
    pub standing: &'static str,
    /// The allowed time.
    pub frame: Option<Bar>,
    /// Each step's time.
    pub bars: Vec<Bar>,
}

/// A stretch of the axis, percent of its length.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bar {
    /// Where it begins.
    pub x: f64,
    /// How long it is.
    pub width: f64,
    /// The step's state; empty for a frame.
    pub state: String,
}

/// A mark on the axis.
#[derive(Debug, Serialize)]
pub struct Tick {
    /// Percent.
    pub x: f64,
    /// How the text lies: start, middle or end.
    pub anchor: &'static str,
    /// Time since the request came.
    pub label: String,
}

/// From when to when a step was worked on; `now` while it is.
fn span(step: &SeenStep, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let open = matches!(step.state.as_str(), "ready" | "retry" | "running" | "stuck");
    let end = step.done_at.or(open.then_some(now))?;
    Some((step.began_at?, end))
}

/// One row of the procedure with what akund did of it.
struct Part<'a> {
    sop: Option<&'a SopStep>,
    steps: Vec<&'a SeenStep>,
}

impl Part<'_> {
    fn minutes(&self) -> Option<SignedDuration> {
        self.sop.and_then(|sop| sop.minutes).map(|minutes| SignedDuration::from_mins(minutes.into()))
    }

    /// From its first step's beginning to its last one's end, and whether it still runs.
    fn taken(&self, now: Timestamp) -> Option<(Timestamp, Timestamp, bool)> {
        let spans: Vec<_> = self.steps.iter().filter_map(|step| span(step, now)).collect();
        let begun = spans.iter().map(|(from, _)| *from).min()?;
        let end = spans.iter().map(|(_, to)| *to).max()?;
        let open = self.steps.iter().any(|step| !matches!(step.state.as_str(), "done" | "cancelled"));
        Some((begun, if open { now.max(end) } else { end }, open))
    }
}

/// The picture of one request.
pub fn draw(request: &Seen, sop: &[SopStep], tongue: Tongue, now: Timestamp) -> Timeline {
    let until = request.ended_at.unwrap_or(now);
    let parts = parts(request, sop);
    let taken: Vec<_> = parts.iter().map(|part| part.taken(until)).collect();
    let allowed_ends = parts.iter().zip(&taken).filter_map(|(part, taken)| {
        let (begun, ..) = (*taken)?;
        begun.checked_add(part.minutes()?).ok()
    });
    let ends = taken.iter().flatten().map(|(_, end, _)| *end).chain(allowed_ends);
    let start = taken.iter().flatten().map(|(begun, ..)| *begun).min();
    let axis = start.zip(ends.max()).map(|(start, end)| Axis { start, end });
    let rows = parts.iter().zip(&taken).map(|(part, taken)| row(part, *taken, axis.as_ref(), tongue, until)).collect();
    Timeline { rows, ticks: axis.map(|axis| axis.ticks(tongue)).unwrap_or_default() }
}

/// The procedure's rows in their order; at the end what no row of it carries.
fn parts<'a>(request: &'a Seen, sop: &'a [SopStep]) -> Vec<Part<'a>> {
    let of = |number: &str| request.steps.iter().filter(|s| s.sop.as_deref() == Some(number)).collect::<Vec<_>>();
    let mut parts: Vec<Part<'_>> = sop.iter().map(|row| Part { sop: Some(row), steps: of(&row.number) }).collect();
    let known = |step: &&SeenStep| sop.iter().any(|row| step.sop.as_deref() == Some(row.number.as_str()));
    let rest: Vec<&SeenStep> = request.steps.iter().filter(|step| !known(step)).collect();
    if !rest.is_empty() {
        parts.push(Part { sop: None, steps: rest });
    }
    parts
}

fn row(
    part: &Part<'_>,
    taken: Option<(Timestamp, Timestamp, bool)>,
    axis: Option<&Axis>,
    tongue: Tongue,
    now: Timestamp,
) -> Row {
    let minutes = part.minutes();
    let used = taken.map(|(begun, end, _)| end.duration_since(begun));
    let late = matches!((used, minutes), (Some(used), Some(minutes)) if used > minutes);
    let standing = match taken {
        None if part.steps.is_empty() => "outside",
        None => "not-begun",
        Some(_) if late => "late",
        Some((_, _, true)) => "open",
        Some((_, _, false)) => "within",
    };
    let frame = axis
        .zip(taken)
        .zip(minutes)
        .and_then(|((axis, (begun, ..)), minutes)| Some(axis.bar(begun, begun.checked_add(minutes).ok()?, "")));
    let bars = axis.map(|axis| {
        let drawn =
            part.steps.iter().filter_map(|step| span(step, now).map(|(from, to)| axis.bar(from, to, &step.state)));
        drawn.collect()
    });
    let title = |sop: &SopStep| match tongue {
        Tongue::Id => sop.title.clone(),
        Tongue::En => sop.title_en.clone().unwrap_or_else(|| sop.title.clone()),
    };
    Row {
        number: part.sop.map(|sop| sop.number.clone()),
        title: part.sop.map_or_else(|| tongue.word("no_number").to_owned(), title),
        actor: part.sop.and_then(|sop| sop.actor.clone()),
        allowed: minutes.map(|minutes| tongue.span(i64::try_from(minutes.as_micros()).unwrap_or(i64::MAX))),
        used: used.map(|used| tongue.span(i64::try_from(used.as_micros()).unwrap_or(i64::MAX))),
        standing,
        frame,
        bars: bars.unwrap_or_default(),
    }
}

struct Axis {
    start: Timestamp,
    end: Timestamp,
}

impl Axis {
    fn length(&self) -> f64 {
        self.end.duration_since(self.start).as_secs_f64().max(1.0)
    }

    fn place(&self, at: Timestamp) -> f64 {
        (at.duration_since(self.start).as_secs_f64() / self.length() * 100.0).clamp(0.0, 100.0)
    }

    fn bar(&self, from: Timestamp, to: Timestamp, state: &str) -> Bar {
        let (x, end) = (self.place(from), self.place(to));
        let width = (end - x).max(NARROWEST);
        Bar { x: tidy(x.min(100.0 - width)), width: tidy(width), state: state.to_owned() }
    }

    /// At most five marks, at round times.
    fn ticks(&self, tongue: Tongue) -> Vec<Tick> {
        const ROUND: [i64; 20] = [
            1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 172_800, 604_800,
            1_209_600, 2_592_000,
        ];
        let length = self.length();
        let apart = ROUND.into_iter().find(|apart| length / *apart as f64 <= 4.5).unwrap_or((length / 4.0) as i64);
        let marks = (0..=4).map(|n| n * apart).filter(|mark| *mark as f64 <= length);
        marks
            .map(|mark| {
                let x = tidy(mark as f64 / length * 100.0);
                let label = if mark == 0 { "0".to_owned() } else { tongue.span(mark * 1_000_000) };
                let anchor = match x {
                    x if x < 4.0 => "start",
                    x if x > 92.0 => "end",
                    _ => "middle",
                };
                Tick { x, anchor, label }
            })
            .collect()
    }
}

/// Two decimals are more than a screen shows.
fn tidy(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    pub fn step(sop: &str, state: &str, began: Option<i64>, done: Option<i64>) -> SeenStep {
        SeenStep {
            part: "plan".into(),
            lane: "mail".into(),
            verb: "apply".into(),
            sop: (!sop.is_empty()).then(|| sop.to_owned()),
            state: state.into(),
            began_at: began.map(at),
            done_at: done.map(at),
            ..SeenStep::default()
        }
    }

    pub fn request(steps: Vec<SeenStep>, ended: Option<i64>) -> Seen {
        Seen {
            number: 1,
            uid: "00000000-0000-0000-0000-000000000001".into(),
            procedure: "p".into(),
            id: "B-1".into(),
            revision: 1,
            action: "create".into(),
            state: if ended.is_some() { "done" } else { "working" }.into(),
            verdict: "permit".into(),
            hold: None,
            source: "local".into(),
            received_at: at(0),
            state_at: at(0),
            ended_at: ended.map(at),
            names: Vec::new(),
            steps,
        }
    }

    pub fn sop(number: &str, minutes: Option<u32>) -> SopStep {
        SopStep {
            number: number.into(),
            title: format!("langkah {number}"),
            title_en: None,
            actor: None,
            needs: None,
            yields: None,
            minutes,
            verbs: Vec::new(),
            notices: Vec::new(),
            checks: Vec::new(),
            receives: Vec::new(),
            register: false,
            people: false,
        }
    }

    #[test]
    fn each_row_of_the_procedure_is_within_its_standard_or_late() {
        let steps = vec![
            step("4", "done", Some(0), Some(10)),
            step("4", "done", Some(10), Some(40)),
            step("5", "stuck", Some(40), None),
            step("6", "blocked", None, None),
        ];
        let sop = [sop("1", Some(5)), sop("4", Some(1)), sop("5", Some(5)), sop("6", None)];
        let drawn = draw(&request(steps, None), &sop, Tongue::En, at(640));
        let seen: Vec<_> = drawn.rows.iter().map(|row| (row.standing, row.used.as_deref())).collect();
        assert_eq!(seen, [("outside", None), ("within", Some("40 s")), ("late", Some("10 min")), ("not-begun", None)]);
        assert_eq!(drawn.rows[1].allowed.as_deref(), Some("1 min"));
        assert_eq!(drawn.rows[1].bars.len(), 2);
        assert_eq!(drawn.rows[2].bars, [Bar { x: 6.25, width: 93.75, state: "stuck".into() }]);
    }

    #[test]
    fn everything_is_drawn_within_the_axis_also_what_took_no_time() {
        let steps = vec![step("1", "done", Some(0), Some(0)), step("2", "done", Some(86_400), Some(86_400))];
        let drawn = draw(&request(steps, Some(86_400)), &[sop("1", Some(30)), sop("2", None)], Tongue::Id, at(99_999));
        let bars = drawn.rows.iter().flat_map(|row| row.bars.iter().chain(&row.frame));
        for bar in bars {
            assert!(bar.x >= 0.0 && bar.width >= NARROWEST && bar.x + bar.width <= 100.01, "{bar:?}");
        }
        assert!(drawn.ticks.len() >= 2 && drawn.ticks.len() <= 5, "{:?}", drawn.ticks);
    }

    #[test]
    fn a_request_that_ended_grows_no_further() {
        let steps = || vec![step("1", "done", Some(0), Some(60)), step("1", "cancelled", Some(60), None)];
        let [one, other] = [100, 100_000].map(|now| {
            draw(&request(steps(), Some(90)), &[sop("1", Some(5))], Tongue::Id, at(now)).rows[0].used.clone()
        });
        assert_eq!(one.as_deref(), Some("1 mnt"));
        assert_eq!(one, other);
    }

    #[test]
    fn steps_that_the_procedure_does_not_number_are_shown_too() {
        let drawn = draw(&request(vec![step("", "running", Some(1), None)], None), &[], Tongue::En, at(4));
        assert_eq!(drawn.rows.len(), 1);
        assert_eq!((drawn.rows[0].number.as_deref(), drawn.rows[0].standing), (None, "open"));
    }

    #[test]
    fn nothing_begun_draws_nothing() {
        let drawn =
            draw(&request(vec![step("1", "blocked", None, None)], None), &[sop("1", Some(5))], Tongue::En, at(4));
        assert!(drawn.ticks.is_empty() && drawn.rows[0].bars.is_empty());
    }
}
