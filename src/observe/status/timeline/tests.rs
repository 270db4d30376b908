use super::*;
use crate::procedure::calendar::Allowed;
use crate::procedure::file::Milestone;
use crate::procedure::standard::{Deadline, StepTime};
use jiff::tz::TimeZone;

/// So many seconds after Friday, 2026-11-20 at 15:00 in Jakarta; work ends there at 16:00, until Monday at 7:30.
pub fn at(seconds: i64) -> Timestamp {
    "2026-11-20T15:00:00+07:00".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds)
}

/// Monday, 7:30.
const MONDAY: i64 = (9 + 48) * 3600 + 7 * 3600 + 1800;

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
        state_at: at(ended.unwrap_or(0)),
        ended_at: ended.map(at),
        names: Vec::new(),
        steps,
        course: None,
    }
}

/// What the journal would say of it.
pub fn course(request: &Seen) -> Course {
    let of = |step: &SeenStep| StepTime {
        verb: step.verb.clone(),
        notice: step.notice.clone(),
        sop: step.sop.clone(),
        began_at: step.began_at,
        done_at: step.done_at,
        cancelled: step.state == "cancelled",
    };
    Course {
        received_at: request.received_at,
        state_at: request.state_at,
        open: request.ended_at.is_none(),
        done: request.state == "done",
        held: request.state == "held",
        approvals: Vec::new(),
        steps: request.steps.iter().map(of).collect(),
    }
}

/// Rows, by number and minutes.
pub fn standard(rows: &[(&str, Option<u32>)]) -> Standard {
    let row = |(number, minutes): &(&str, Option<u32>)| standard::Row {
        number: (*number).into(),
        title: format!("langkah {number}"),
        actor: None,
        minutes: *minutes,
        roles: Vec::new(),
        receives: Vec::new(),
        judged: false,
    };
    let calendar = Calendar::usual(TimeZone::get("Asia/Jakarta").unwrap());
    Standard { calendar, rows: rows.iter().map(row).collect(), deadlines: Vec::new() }
}

fn drawn(request: &Seen, standard: &Standard, now: i64) -> Timeline {
    draw(request, (standard, &course(request)), &[], Tongue::En, at(now))
}

#[test]
fn each_row_says_what_the_outcomes_table_says() {
    let steps = vec![
        step("4", "done", Some(0), Some(10)),
        step("4", "done", Some(10), Some(40)),
        step("5", "stuck", Some(40), None),
        step("6", "blocked", None, None),
    ];
    let (request, standard) =
        (request(steps, None), standard(&[("1", Some(5)), ("4", Some(1)), ("5", Some(5)), ("6", None)]));
    let now = MONDAY + 600;
    let drawn = drawn(&request, &standard, now);
    let table = standard::table(&standard, &course(&request), at(now));
    for (row, told) in drawn.rows.iter().zip(&table) {
        assert_eq!(matches!(row.standing, "late" | "over"), told.late, "{row:?}");
        assert_eq!(row.used, told.actual_minutes.map(|minutes| Tongue::En.working(u64::from(minutes) * 60)));
    }
    // An hour on Friday and ten minutes on Monday, and nothing of the weekend.
    let seen: Vec<_> = drawn.rows.iter().map(|row| (row.standing, row.used.as_deref())).collect();
    let wanted = [("outside", None), ("within", Some("1 min")), ("over", Some("1 h 10 min")), ("not-begun", None)];
    assert_eq!(seen, wanted);
    assert_eq!(drawn.rows[2].due.as_deref(), Some("20 Nov 2026 15:05 WIB"));
    assert_eq!(drawn.rows[1].bars.len(), 2);
}

#[test]
fn of_the_first_approval_only_its_moment_is_known() {
    let mut standard = standard(&[("1", Some(5))]);
    standard.rows[0].roles = vec!["head".into()];
    let request = request(Vec::new(), None);
    let course = Course { approvals: vec![("head".into(), at(-3600))], ..course(&request) };
    let drawn = draw(&request, (&standard, &course), &[], Tongue::En, at(0));
    let row = &drawn.rows[0];
    assert_eq!((row.standing, row.used.as_deref(), row.at.as_deref()), ("noted", None, Some("20 Nov 2026 14:00 WIB")));
}

#[test]
fn a_night_and_a_weekend_have_no_width() {
    // 50 minutes of work before the weekend and 10 after it.
    let steps = vec![step("1", "done", Some(0), Some(3000)), step("2", "done", Some(3000), Some(MONDAY + 600))];
    let mut standard = standard(&[("1", Some(30)), ("2", Some(20))]);
    standard.deadlines.push(Deadline {
        name: "dua jam".into(),
        step: None,
        from: Milestone::Received,
        to: Milestone::Done,
        allowed: Allowed::Minutes(120),
        warn_minutes: None,
    });
    let drawn = drawn(&request(steps, Some(MONDAY + 600)), &standard, MONDAY + 90_000);
    let bar = |x: f64, width: f64, state: &str| Bar { x, width, state: state.into() };
    assert_eq!(drawn.rows[0].bars, [bar(0.0, 41.67, "done"), bar(25.0, 16.67, "late")]);
    assert_eq!(drawn.rows[1].bars, [bar(41.67, 16.67, "done")]);
    assert_eq!((drawn.rows[0].standing, drawn.rows[1].standing), ("late", "within"));
    let deadline = &drawn.rows[2];
    assert!(deadline.deadline);
    assert_eq!((deadline.standing, deadline.used.as_deref()), ("within", Some("1 h 10 min")));
    assert_eq!(deadline.frame, Some(bar(0.0, 100.0, "")));
    let labels: Vec<&str> = drawn.ticks.iter().map(|tick| tick.label.as_str()).collect();
    assert_eq!(labels, ["0", "30 min", "1 h", "1 h 30 min", "2 h"]);
}

#[test]
fn everything_is_drawn_within_the_axis_also_what_took_no_time() {
    let steps = vec![step("1", "done", Some(0), Some(0)), step("2", "done", Some(86_400), Some(86_400))];
    let drawn = drawn(&request(steps, Some(86_400)), &standard(&[("1", Some(30)), ("2", None)]), 99_999);
    let bars: Vec<&Bar> = drawn.rows.iter().flat_map(|row| row.bars.iter().chain(&row.frame)).collect();
    assert_eq!(bars.len(), 3, "{bars:?}");
    for bar in bars {
        assert!(bar.x >= 0.0 && bar.width >= NARROWEST && bar.x + bar.width <= 100.01, "{bar:?}");
    }
    assert!(drawn.ticks.len() >= 2 && drawn.ticks.len() <= 5, "{:?}", drawn.ticks);
}

#[test]
fn a_request_that_ended_grows_no_further() {
    let steps = || vec![step("1", "done", Some(0), Some(60)), step("1", "cancelled", Some(60), None)];
    let [one, other] = [100, 500_000]
        .map(|now| drawn(&request(steps(), Some(90)), &standard(&[("1", Some(5))]), now).rows[0].used.clone());
    assert_eq!(one.as_deref(), Some("1 min"));
    assert_eq!(one, other);
}

#[test]
fn steps_that_the_procedure_does_not_number_are_shown_too() {
    let drawn = drawn(&request(vec![step("", "running", Some(1), None)], None), &standard(&[]), 4);
    assert_eq!(drawn.rows.len(), 1);
    assert_eq!((drawn.rows[0].number.as_deref(), drawn.rows[0].standing), (None, "open"));
}

#[test]
fn the_other_languages_title_is_taken_from_the_same_row_only() {
    let sop = |title: &str| SopStep {
        number: "1".into(),
        title: title.into(),
        title_en: Some("step one".into()),
        actor: None,
        needs: None,
        yields: None,
        minutes: None,
        verbs: Vec::new(),
        notices: Vec::new(),
        checks: Vec::new(),
        receives: Vec::new(),
        register: false,
        people: false,
    };
    let (request, standard) = (request(Vec::new(), None), standard(&[("1", None)]));
    for (in_force, wanted) in [("langkah 1", "step one"), ("langkah lain", "langkah 1")] {
        let drawn = draw(&request, (&standard, &course(&request)), &[sop(in_force)], Tongue::En, at(0));
        assert_eq!(drawn.rows[0].title, wanted);
    }
}

#[test]
fn what_an_ended_request_never_did_is_not_said_to_be_yet_to_begin() {
    let drawn = drawn(&request(vec![step("1", "cancelled", None, None)], Some(90)), &standard(&[("1", Some(5))]), 100);
    assert_eq!(drawn.rows[0].standing, "not-done");
    assert!(drawn.ticks.is_empty() && drawn.rows[0].bars.is_empty());
}

#[test]
fn a_deadline_of_a_withdrawn_request_is_drawn_as_no_longer_due() {
    let deadline = Deadline {
        name: "dua jam".into(),
        step: None,
        from: Milestone::Received,
        to: Milestone::Done,
        allowed: Allowed::Minutes(120),
        warn_minutes: None,
    };
    let standard = Standard { deadlines: vec![deadline], ..standard(&[("1", Some(5))]) };
    let request = || Seen { state: "withdrawn".into(), ..request(vec![step("1", "cancelled", None, None)], Some(90)) };
    for now in [100, 90_000_000] {
        let row = drawn(&request(), &standard, now).rows.remove(1);
        assert_eq!((row.standing, row.due, row.bars[0].state.as_str()), ("dropped", None, "cancelled"));
    }
}
