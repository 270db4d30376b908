//! A request's course against its written procedure's standard times, as a picture. Pure.
//!
//! What was allowed, what was taken and what is late come from [`standard`], as everywhere in akund; here they only get places.
//! The axis is working time: nights, holidays and days off have no width.

use super::words::Tongue;
use crate::journal::status::{Seen, SeenStep};
use crate::model::outcome::OutcomeRow;
use crate::procedure::calendar::Calendar;
use crate::procedure::file::SopStep;
use crate::procedure::standard::{self, Clock, Course, Standard};
use jiff::Timestamp;
use serde::Serialize;

/// The narrowest that a bar is drawn, percent: what took no time must still be seen.
const NARROWEST: f64 = 0.8;

/// The picture: one row for each step of the written procedure and for each deadline, on one axis of working time.
#[derive(Debug, Default, Serialize)]
pub struct Timeline {
    /// In the procedure's order; then the deadlines.
    pub rows: Vec<Row>,
    /// Marks on the axis; empty where nothing is drawn.
    pub ticks: Vec<Tick>,
}

/// One row.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its number in the procedure.
    pub number: Option<String>,
    /// What is done, or the deadline's name.
    pub title: String,
    /// Who does it.
    pub actor: Option<String>,
    /// What the procedure allows, for people.
    pub allowed: Option<String>,
    /// What was taken, for people; none while nothing has begun.
    pub used: Option<String>,
    /// When it must be done, or had to be, for people; where it runs and there is such a time.
    pub due: Option<String>,
    /// When it was done, for people; of what is noted.
    pub at: Option<String>,
    /// `within`, `late`, `noted` (done, but it is not known since when), `open` (begun, not yet late), `over` (begun, late, not done), `not-begun`,
    /// `not-done` (and will not be), `dropped` (a deadline that is no longer due) or `outside` (not akund's part).
    pub standing: &'static str,
    /// A deadline, and no row of the table.
    pub deadline: bool,
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
    /// Working time since the first row began.
    pub label: String,
}

/// From when to when a step was worked on; `now` while it is.
fn span(step: &SeenStep, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let open = matches!(step.state.as_str(), "ready" | "retry" | "running" | "stuck");
    let end = step.done_at.or(open.then_some(now))?;
    Some((step.began_at?, end))
}

/// A row before its axis is known.
struct Plan<'a> {
    row: Row,
    /// From when to when it may take.
    allowed: Option<(Timestamp, Timestamp)>,
    /// From when to when it was worked on, and the state it is drawn in.
    spans: Vec<(Timestamp, Timestamp, &'a str)>,
}

/// The picture of one request. `standard` and `course` are what its outcome's table is made of; `sop` is the table in force, for titles
/// in the other language.
pub fn draw(
    request: &Seen,
    (standard, course): (&Standard, &Course),
    sop: &[SopStep],
    tongue: Tongue,
    now: Timestamp,
) -> Timeline {
    let clocks = standard::clocks(standard, course);
    let table = standard::table(standard, course, now);
    let mut plans: Vec<Plan<'_>> =
        table.into_iter().map(|row| of_row(row, request, standard, &clocks, sop, tongue, now)).collect();
    plans.extend(unnumbered(request, standard, tongue, now));
    let own = |clock: &&Clock| standard.deadlines.iter().any(|deadline| deadline.name == clock.name);
    plans.extend(clocks.iter().filter(own).map(|clock| of_deadline(clock, &standard.calendar, tongue, now)));
    let axis = Axis::over(&standard.calendar, &plans);
    let rows = plans.into_iter().map(|plan| plan.drawn(axis.as_ref())).collect();
    Timeline { rows, ticks: axis.map(|axis| axis.ticks(tongue)).unwrap_or_default() }
}

fn of_row<'a>(
    row: OutcomeRow,
    request: &'a Seen,
    standard: &Standard,
    clocks: &[Clock],
    sop: &[SopStep],
    tongue: Tongue,
    now: Timestamp,
) -> Plan<'a> {
    let steps = || request.steps.iter().filter(|step| step.sop.as_deref() == Some(row.step.as_str()));
    let name = format!("step {}", row.step);
    let clock = clocks.iter().find(|clock| clock.name == name);
    let standing = match (row.actual_minutes, row.ended_at) {
        (None, None) if steps().next().is_none() => "outside",
        (None, None) if request.ended_at.is_some() => "not-done",
        (None, None) => "not-begun",
        (None, Some(_)) => "noted",
        (_, None) if row.late => "over",
        (_, None) => "open",
        (_, Some(_)) if row.late => "late",
        (_, Some(_)) => "within",
    };
    let allowed = row.began_at.zip(row.planned_minutes).and_then(|(from, minutes)| {
        // Judging is done in a moment, and people's rows have no time that was measured.
        let drawn = clock.is_some() || row.ended_at.is_some_and(|ended| ended > from);
        drawn.then(|| standard.calendar.after_minutes(from, minutes)).flatten().map(|due| (from, due))
    });
    let mut spans: Vec<_> =
        steps().filter_map(|step| span(step, now).map(|(from, to)| (from, to, step.state.as_str()))).collect();
    if spans.is_empty()
        && let Some((from, ended)) = row.began_at.zip(row.ended_at).filter(|(from, ended)| ended > from)
    {
        spans.push((from, ended, "done"));
    }
    // The procedure's other language, where the row in force is still the one that the request was judged by.
    let same = sop.iter().find(|one| {
        one.number == row.step && (one.title == row.title || one.title_en.as_deref() == Some(row.title.as_str()))
    });
    let title = same.map(|one| match tongue {
        Tongue::Id => one.title.clone(),
        Tongue::En => one.title_en.clone().unwrap_or_else(|| one.title.clone()),
    });
    // Past its end it is drawn as late, over what was worked on.
    if let (true, Some((_, due)), Some(_)) = (row.late, allowed, row.began_at) {
        spans.push((due, row.ended_at.unwrap_or(now), "late"));
    }
    let moment = |at: Timestamp| tongue.moment(at, &standard.calendar.zone);
    let row = Row {
        title: title.unwrap_or(row.title),
        number: Some(row.step),
        actor: row.actor,
        allowed: row.planned_minutes.map(|minutes| tongue.working(u64::from(minutes) * 60)),
        used: row.actual_minutes.map(|minutes| tongue.working(u64::from(minutes) * 60)),
        due: clock.filter(|clock| clock.ended_at().is_none()).map(|clock| moment(clock.due_at)),
        at: row.ended_at.filter(|_| standing == "noted").map(moment),
        standing,
        deadline: false,
        frame: None,
        bars: Vec::new(),
    };
    Plan { row, allowed, spans }
}

/// What no row of the table carries, as one row.
fn unnumbered<'a>(request: &'a Seen, standard: &Standard, tongue: Tongue, now: Timestamp) -> Option<Plan<'a>> {
    let known = |step: &&SeenStep| standard.rows.iter().any(|row| step.sop.as_deref() == Some(row.number.as_str()));
    let rest: Vec<&SeenStep> = request.steps.iter().filter(|step| !known(step)).collect();
    if rest.is_empty() {
        return None;
    }
    let spans: Vec<_> =
        rest.iter().filter_map(|step| span(step, now).map(|(from, to)| (from, to, step.state.as_str()))).collect();
    let from = spans.iter().map(|(from, ..)| *from).min();
    let to = spans.iter().map(|(_, to, _)| *to).max();
    let minutes = from.zip(to).map(|(from, to)| standard.calendar.working_minutes(from, to));
    let open = rest.iter().any(|step| !matches!(step.state.as_str(), "done" | "cancelled"));
    let row = Row {
        number: None,
        title: tongue.word("no_number").to_owned(),
        actor: None,
        allowed: None,
        used: minutes.map(|minutes| tongue.working(u64::from(minutes) * 60)),
        due: None,
        at: None,
        standing: match minutes {
            None => "not-begun",
            Some(_) if open => "open",
            Some(_) => "within",
        },
        deadline: false,
        frame: None,
        bars: Vec::new(),
    };
    Some(Plan { row, allowed: None, spans })
}

fn of_deadline(clock: &Clock, calendar: &Calendar, tongue: Tongue, now: Timestamp) -> Plan<'static> {
    let until = clock.ended_at().unwrap_or(now);
    let standing = match (clock.met_at, clock.is_late(now)) {
        (None, true) if clock.dropped_at.is_some() => "late",
        (None, false) if clock.dropped_at.is_some() => "dropped",
        (None, true) => "over",
        (None, false) => "open",
        (Some(_), true) => "late",
        (Some(_), false) => "within",
    };
    let row = Row {
        number: None,
        title: clock.name.clone(),
        actor: None,
        allowed: Some(tongue.working(calendar.working_seconds(clock.from_at, clock.due_at))),
        used: Some(tongue.working(u64::from(calendar.working_minutes(clock.from_at, until)) * 60)),
        due: clock.ended_at().is_none().then(|| tongue.moment(clock.due_at, &calendar.zone)),
        at: None,
        standing,
        deadline: true,
        frame: None,
        bars: Vec::new(),
    };
    let state = match (clock.met_at, clock.dropped_at) {
        (Some(_), _) => "done",
        (None, Some(_)) => "cancelled",
        (None, None) => "running",
    };
    let mut spans = vec![(clock.from_at, until.min(clock.due_at), state)];
    if clock.is_late(now) {
        spans.push((clock.due_at, until, "late"));
    }
    Plan { row, allowed: Some((clock.from_at, clock.due_at)), spans }
}

impl Plan<'_> {
    fn drawn(self, axis: Option<&Axis<'_>>) -> Row {
        let Some(axis) = axis else { return self.row };
        let frame = self.allowed.map(|(from, due)| axis.bar(from, due, ""));
        let bars = self.spans.into_iter().map(|(from, to, state)| axis.bar(from, to, state)).collect();
        Row { frame, bars, ..self.row }
    }
}

/// Working time from the first moment that is drawn to the last.
struct Axis<'a> {
    calendar: &'a Calendar,
    start: Timestamp,
    length: f64,
}

impl<'a> Axis<'a> {
    fn over(calendar: &'a Calendar, plans: &[Plan<'_>]) -> Option<Self> {
        let moments = || {
            plans.iter().flat_map(|plan| {
                let spans = plan.spans.iter().map(|(from, to, _)| (*from, *to));
                plan.allowed.into_iter().chain(spans)
            })
        };
        let start = moments().map(|(from, _)| from).min()?;
        let end = moments().map(|(_, to)| to).max()?;
        Some(Self { calendar, start, length: calendar.working_seconds(start, end).max(60) as f64 })
    }

    fn place(&self, at: Timestamp) -> f64 {
        (self.calendar.working_seconds(self.start, at) as f64 / self.length * 100.0).clamp(0.0, 100.0)
    }

    fn bar(&self, from: Timestamp, to: Timestamp, state: &str) -> Bar {
        let (x, end) = (self.place(from), self.place(to));
        let width = (end - x).max(NARROWEST);
        Bar { x: tidy(x.min(100.0 - width)), width: tidy(width), state: state.to_owned() }
    }

    /// At most five marks, at round times.
    fn ticks(&self, tongue: Tongue) -> Vec<Tick> {
        const ROUND: [u64; 14] =
            [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 72_000, 144_000, 288_000, 720_000];
        let apart = ROUND.into_iter().find(|apart| self.length / *apart as f64 <= 4.5);
        let apart = apart.unwrap_or((self.length / 4.0) as u64);
        let marks = (0..=4).map(|n| n * apart).filter(|mark| *mark as f64 <= self.length);
        marks
            .map(|mark| {
                let x = tidy(mark as f64 / self.length * 100.0);
                let label = if mark == 0 { "0".to_owned() } else { tongue.working(mark) };
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
pub(super) mod tests;
