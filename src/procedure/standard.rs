//! How long each row of the written procedure may take, how long it took, and what is late. Pure.
//!
//! A [`Standard`] is what the procedure file said when the request was judged; it is kept with the request, so that a later edit
//! changes no record. A [`Course`] is what has happened. From both come [`clocks`]: one for each row that akund carries out, one for
//! each `[[deadline]]`; and [`table`]: the SOP's own table with planned and actual minutes.

use super::calendar::{Allowed, Calendar};
use super::file::{Milestone, SopStep};
use crate::model::NoticeKind;
use crate::model::outcome::{OutcomeDeadline, OutcomeRow};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the written procedure allows, as it was when the request was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standard {
    /// Working days and hours.
    pub calendar: Calendar,
    /// The SOP's table.
    pub rows: Vec<Row>,
    /// Its deadlines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deadlines: Vec<Deadline>,
}

/// A row of the SOP's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its number there.
    pub number: String,
    /// What is done, in the language of the request.
    pub title: String,
    /// Who does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Minutes that the document allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
    /// The roles whose approval this row is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The notices that somebody receives here; another row sends them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receives: Vec<String>,
    /// akund judges the record here, and does nothing else: the row is done when the request came in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub judged: bool,
}

/// Whether a notice says how judging ended; the others tell of what was done after it.
fn answers(kind: NoticeKind) -> bool {
    use NoticeKind::{Conflict, Form, Incomplete, Redirect, Refusal};
    matches!(kind, Refusal | Redirect | Form | Incomplete | Conflict)
}

impl Row {
    /// A row of a procedure file; `roles` are those whose approvals name it.
    pub fn of(step: &SopStep, title: &str, roles: Vec<String>) -> Self {
        Self {
            number: step.number.clone(),
            title: title.to_owned(),
            actor: step.actor.clone(),
            minutes: step.minutes,
            roles,
            receives: step.receives.iter().map(|kind| kind.as_str().to_owned()).collect(),
            judged: !step.checks.is_empty() && step.verbs.is_empty() && step.notices.iter().all(|kind| answers(*kind)),
        }
    }
}

/// A `[[deadline]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// Its name.
    pub name: String,
    /// The row it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// When it begins.
    pub from: Milestone,
    /// When it is met.
    pub to: Milestone,
    /// How long it may take.
    pub allowed: Allowed,
    /// Working minutes before the end at which it warns; none: a quarter of the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_minutes: Option<u32>,
}

/// A step of a request, as far as time is concerned; in the order of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepTime {
    /// mint, apply, prove, deliver, undo.
    pub verb: String,
    /// With deliver: which notice.
    pub notice: Option<String>,
    /// The row that it carries.
    pub sop: Option<String>,
    /// When its first attempt began.
    pub began_at: Option<Timestamp>,
    /// When it was done.
    pub done_at: Option<Timestamp>,
    /// It will not be done any more.
    pub cancelled: bool,
}

/// What has happened to a request so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// When it came in.
    pub received_at: Timestamp,
    /// When it came to stand where it stands.
    pub state_at: Timestamp,
    /// It moves, or should: working, waiting or stuck.
    pub open: bool,
    /// It is done.
    pub done: bool,
    /// A person must look before it goes on: no deadline runs.
    pub held: bool,
    /// Roles and times of its approvals, in order.
    pub approvals: Vec<(String, Timestamp)>,
    /// Its steps, in order.
    pub steps: Vec<StepTime>,
}

/// Something that is to be done in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// `step N`, or the deadline's name.
    pub name: String,
    /// The row it belongs to.
    pub step: Option<String>,
    /// When it began to run.
    pub from_at: Timestamp,
    /// When to warn.
    pub warn_at: Timestamp,
    /// Until when it must be done.
    pub due_at: Timestamp,
    /// When it was done.
    pub met_at: Option<Timestamp>,
    /// When its request ended without it: it was not met, and is no longer due.
    pub dropped_at: Option<Timestamp>,
}

/// How a clock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// Its end is near.
    Warned,
    /// It is past its end.
    Breached,
}

impl Alarm {
    /// The word in journal, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warned => "warned",
            Self::Breached => "breached",
        }
    }
}

/// How a clock stands that still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Its end is far.
    InTime,
    /// Its end is near.
    Warned,
    /// It is past its end.
    Breached,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::InTime, Self::Warned, Self::Breached];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InTime => "in-time",
            Self::Warned => "warned",
            Self::Breached => "breached",
        }
    }
}

impl Clock {
    /// When it came to an end, whichever.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.met_at.or(self.dropped_at)
    }

    /// Whether it was, or is by now, late.
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.ended_at().unwrap_or(now) > self.due_at
    }

    /// What it has to say, if it still runs.
    pub fn alarm(&self, now: Timestamp) -> Option<Alarm> {
        match self.ended_at() {
            Some(_) => None,
            None if now >= self.due_at => Some(Alarm::Breached),
            None if now >= self.warn_at => Some(Alarm::Warned),
            None => None,
        }
    }

    /// How it stands, of one that still runs.
    pub fn standing(&self, now: Timestamp) -> Option<Standing> {
        match self.alarm(now) {
            _ if self.ended_at().is_some() => None,
            None => Some(Standing::InTime),
            Some(Alarm::Warned) => Some(Standing::Warned),
            Some(Alarm::Breached) => Some(Standing::Breached),
        }
    }

    /// When it will have something to say next, if it still runs.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let still_runs = self.ended_at().is_none();
        [self.warn_at, self.due_at].into_iter().filter(|at| still_runs && *at > now).min()
    }
}

/// Working time that is left until a moment, seconds; below zero: how much has passed since.
pub fn left(calendar: &Calendar, due_at: Timestamp, now: Timestamp) -> i64 {
    let seconds = |from, to| i64::try_from(calendar.working_seconds(from, to)).unwrap_or(i64::MAX);
    seconds(now, due_at) - seconds(due_at, now)
}

/// Of the clocks that still run the one that ends first.
pub fn first(clocks: &[Clock]) -> Option<&Clock> {
    clocks.iter().filter(|clock| clock.ended_at().is_none()).min_by_key(|clock| clock.due_at)
}

/// Everything that must be done in time, with where it stands. Nothing for a request that was not granted.
pub fn clocks(standard: &Standard, course: &Course) -> Vec<Clock> {
    let rows = standard.rows.iter().filter_map(|row| {
        let (from, met_at) = carried(course, &row.number)?;
        clock(
            standard,
            format!("step {}", row.number),
            Some(row.number.clone()),
            from,
            Allowed::Minutes(row.minutes?),
            None,
        )
        .map(|clock| Clock { met_at, ..clock })
    });
    let deadlines = standard.deadlines.iter().filter_map(|deadline| {
        if course.steps.is_empty() || course.held {
            return None;
        }
        let from = milestone(course, deadline.from, true)?;
        let met_at = milestone(course, deadline.to, false);
        let dropped_at = (met_at.is_none() && !course.open && !course.done).then_some(course.state_at);
        clock(standard, deadline.name.clone(), deadline.step.clone(), from, deadline.allowed, deadline.warn_minutes)
            .map(|clock| Clock { met_at, dropped_at, ..clock })
    });
    rows.chain(deadlines).collect()
}

fn clock(
    standard: &Standard,
    name: String,
    step: Option<String>,
    from_at: Timestamp,
    allowed: Allowed,
    warn_minutes: Option<u32>,
) -> Option<Clock> {
    let calendar = &standard.calendar;
    let due_at = calendar.due(from_at, allowed)?;
    let whole = calendar.working_seconds(from_at, due_at);
    let before = warn_minutes.map_or(whole / 4, |minutes| u64::from(minutes) * 60);
    let warn_at = calendar.after_seconds(from_at, whole.saturating_sub(before))?;
    Some(Clock { name, step, from_at, warn_at: warn_at.min(due_at), due_at, met_at: None, dropped_at: None })
}

/// From when to when akund's own steps carried a row: from the end of the step before them (or their first attempt, or, where
/// nothing has been tried yet, from when the request began to work) to the end of the last of them. None: no step carries it, the
/// step before them is not done yet, or all were given up.
fn carried(course: &Course, number: &str) -> Option<(Timestamp, Option<Timestamp>)> {
    let own = |step: &&StepTime| step.sop.as_deref() == Some(number) && step.verb != "undo";
    let first = course.steps.iter().position(|step| own(&step))?;
    let before = course.steps[..first].iter().rev().find(|step| !step.cancelled).and_then(|step| step.done_at);
    let steps: Vec<&StepTime> = course.steps.iter().filter(own).collect();
    let tried = steps.iter().filter_map(|step| step.began_at).min();
    let waits = (course.open && first == 0).then_some(course.state_at);
    let from = before.or(tried).or(waits)?;
    let ended = steps.iter().all(|step| step.done_at.is_some() || step.cancelled);
    let last = steps.iter().filter_map(|step| step.done_at).max();
    match (ended, last) {
        (true, None) => None,
        (true, last) => Some((from, last)),
        // Nothing works on it any more.
        (false, _) if !course.open => None,
        (false, _) => Some((from, None)),
    }
}

/// From when to when notices came to their recipients: from the first attempt to the last answer; no end while one has not
/// come. None: nothing was sent.
fn received(course: &Course, notices: &[String]) -> Option<(Timestamp, Option<Timestamp>)> {
    let sent =
        |step: &&StepTime| step.notice.as_ref().is_some_and(|notice| notices.contains(notice)) && !step.cancelled;
    let steps: Vec<&StepTime> = course.steps.iter().filter(sent).collect();
    let from = steps.iter().filter_map(|step| step.began_at).min()?;
    let all: Option<Vec<Timestamp>> = steps.iter().map(|step| step.done_at).collect();
    Some((from, all.and_then(|times| times.into_iter().max())))
}

/// When a milestone was reached. The account is there with the first target's answer, and made with the last one's: the first
/// begins a deadline, and the last meets one.
fn milestone(course: &Course, milestone: Milestone, begins: bool) -> Option<Timestamp> {
    let handed_over = |step: &&StepTime| {
        step.verb == "deliver"
            && step.notice.as_deref().is_some_and(|n| ["credentials", "username", "changed"].contains(&n))
    };
    let all = |steps: Vec<&StepTime>| {
        let times: Option<Vec<Timestamp>> = steps.iter().map(|step| step.done_at).collect();
        times?.into_iter().max()
    };
    match milestone {
        Milestone::Received => Some(course.received_at),
        Milestone::Approved => course.approvals.last().map(|(_, at)| *at),
        Milestone::Applied if begins => {
            course.steps.iter().filter(|step| step.verb == "apply").filter_map(|step| step.done_at).min()
        }
        Milestone::Applied => all(course.steps.iter().filter(|step| step.verb == "apply").collect()),
        Milestone::Proven => all(course.steps.iter().filter(|step| step.verb == "prove").collect()),
        Milestone::HandedOver => all(course.steps.iter().filter(handed_over).collect()),
        Milestone::Done => course.done.then_some(course.state_at),
    }
}

/// The SOP's table, with what was planned and what it took. An approval's time runs from the one before it; of the first one
/// it is not known when it was asked for.
pub fn table(standard: &Standard, course: &Course, now: Timestamp) -> Vec<OutcomeRow> {
    let calendar = &standard.calendar;
    standard
        .rows
        .iter()
        .map(|row| {
            let mut line = OutcomeRow {
                step: row.number.clone(),
                title: row.title.clone(),
                actor: row.actor.clone(),
                planned_minutes: row.minutes,
                began_at: None,
                ended_at: None,
                actual_minutes: None,
                late: false,
            };
            let approved = |(_, (role, _)): &(usize, &(String, Timestamp))| row.roles.contains(role);
            if let Some((from, ended)) = carried(course, &row.number) {
                let until = ended.or_else(|| course.open.then_some(now));
                (line.began_at, line.ended_at) = (Some(from), ended);
                line.actual_minutes = until.map(|until| calendar.working_minutes(from, until));
            } else if let Some((place, (_, at))) = course.approvals.iter().enumerate().find(approved) {
                line.ended_at = Some(*at);
                line.began_at = place.checked_sub(1).and_then(|before| course.approvals.get(before)).map(|(_, at)| *at);
                line.actual_minutes = line.began_at.map(|from| calendar.working_minutes(from, *at));
            } else if let Some((from, ended)) = received(course, &row.receives) {
                (line.began_at, line.ended_at) = (Some(from), ended);
                line.actual_minutes = ended.map(|ended| calendar.working_minutes(from, ended));
            } else if row.judged && row.roles.is_empty() {
                // Judging takes no time that could be told in minutes.
                (line.began_at, line.ended_at) = (Some(course.received_at), Some(course.received_at));
                line.actual_minutes = Some(0);
            }
            line.late = matches!((line.planned_minutes, line.actual_minutes), (Some(planned), Some(actual)) if actual > planned);
            line
        })
        .collect()
}

/// Whether anything took, or takes, longer than it may.
pub fn is_late(standard: &Standard, course: &Course, now: Timestamp) -> bool {
    table(standard, course, now).iter().any(|row| row.late)
        || deadlines(standard, course, now).iter().any(|one| one.late)
}

/// The deadlines of [`clocks`], for the outcome; those that are rows of the table are told there.
pub fn deadlines(standard: &Standard, course: &Course, now: Timestamp) -> Vec<OutcomeDeadline> {
    let own = |clock: &Clock| standard.deadlines.iter().any(|deadline| deadline.name == clock.name);
    clocks(standard, course)
        .into_iter()
        .filter(own)
        .map(|clock| OutcomeDeadline {
            late: clock.is_late(now),
            name: clock.name,
            step: clock.step,
            from_at: clock.from_at,
            due_at: clock.due_at,
            met_at: clock.met_at,
            no_longer_due_at: clock.dropped_at,
        })
        .collect()
}

#[cfg(test)]
mod tests;
