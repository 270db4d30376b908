use super::*;
use crate::procedure::calendar::hours;
use crate::procedure::testing::parse;
use jiff::tz::TimeZone;

fn at(text: &str) -> Timestamp {
    format!("2026-{text}:00+07:00").parse().unwrap()
}

/// The five rows of "e-mail for a work unit" that are timed, with its working day between the account and its handing over.
fn unit_email() -> Standard {
    let mut calendar = Calendar::usual(TimeZone::get("Asia/Jakarta").unwrap());
    calendar.holidays.insert("2026-11-24".parse().unwrap(), "Libur daerah".into());
    let row = |number: &str, minutes: u32, role: Option<&str>| Row {
        number: number.into(),
        title: format!("langkah {number}"),
        actor: None,
        minutes: Some(minutes),
        roles: role.map(str::to_owned).into_iter().collect(),
        receives: Vec::new(),
        judged: number == "4",
    };
    Standard {
        calendar,
        rows: vec![
            row("1", 10, Some("head")),
            row("2", 15, Some("coordinator")),
            row("4", 20, None),
            row("5", 20, None),
            row("6", 15, None),
        ],
        deadlines: vec![Deadline {
            name: "satu hari kerja".into(),
            step: Some("6".into()),
            from: Milestone::Applied,
            to: Milestone::HandedOver,
            allowed: Allowed::Days(1),
            warn_minutes: None,
        }],
    }
}

#[test]
fn a_row_that_a_step_of_akunds_carries_is_not_done_by_judging() {
    let row = |does: &str| {
        let text = format!("number = \"6\"\ntitle = \"Akun dibuat\"\n{does}");
        Row::of(&toml::from_str::<SopStep>(&text).unwrap(), "Akun dibuat", Vec::new())
    };
    assert!(row("checks = [\"targets\"]").judged);
    assert!(row("checks = [\"fields\"]\nnotices = [\"incomplete\"]").judged, "an answer is part of judging");
    for carried in ["verbs = [\"apply\"]", "notices = [\"letter\"]"] {
        let row = row(&format!("checks = [\"targets\"]\n{carried}"));
        assert!(!row.judged, "{carried}");
        let standard = Standard { rows: vec![row], ..unit_email() };
        let held = Course { steps: Vec::new(), approvals: Vec::new(), ..course(None) };
        assert_eq!(table(&standard, &held, at("11-20T16:00"))[0].ended_at, None, "nothing was done yet");
    }
}

fn step(verb: &str, sop: &str, began: Option<&str>, done: Option<&str>) -> StepTime {
    StepTime {
        verb: verb.into(),
        notice: (verb == "deliver").then(|| "credentials".into()),
        sop: Some(sop.into()),
        began_at: began.map(at),
        done_at: done.map(at),
        cancelled: false,
    }
}

/// The account is there on a Friday at 15:00; its information is handed over at `handed`.
fn course(handed: Option<&str>) -> Course {
    Course {
        received_at: at("11-20T14:58"),
        state_at: handed.map_or(at("11-20T14:58"), at),
        open: handed.is_none(),
        done: handed.is_some(),
        held: false,
        approvals: vec![("head".into(), at("11-20T08:00")), ("coordinator".into(), at("11-20T08:40"))],
        steps: vec![
            step("mint", "5", Some("11-20T14:58"), Some("11-20T14:58")),
            step("apply", "5", Some("11-20T14:58"), Some("11-20T15:00")),
            step("prove", "5", Some("11-20T15:00"), Some("11-20T15:01")),
            step("deliver", "6", Some("11-20T15:01"), handed),
        ],
    }
}

fn working_day(handed: Option<&str>, now: &str) -> (Clock, bool, Option<Alarm>) {
    let clocks = clocks(&unit_email(), &course(handed));
    let clock = clocks.into_iter().find(|clock| clock.name == "satu hari kerja").unwrap();
    let (late, alarm) = (clock.is_late(at(now)), clock.alarm(at(now)));
    (clock, late, alarm)
}

#[test]
fn within_one_working_day_runs_from_the_account_to_its_handing_over_past_a_weekend() {
    // From Friday 15:00 to Monday 15:00.
    for (now, late, alarm) in [
        ("11-20T15:30", false, None),
        ("11-22T12:00", false, None),
        ("11-23T12:52", false, None),
        ("11-23T12:53", false, Some(Alarm::Warned)),
        ("11-23T15:00", false, Some(Alarm::Breached)),
        ("11-23T15:01", true, Some(Alarm::Breached)),
        ("11-24T12:00", true, Some(Alarm::Breached)),
    ] {
        let (clock, is_late, says) = working_day(None, now);
        assert_eq!((clock.from_at, clock.due_at), (at("11-20T15:00"), at("11-23T15:00")));
        assert_eq!((is_late, says), (late, alarm), "{now}");
    }
    assert!(!working_day(Some("11-23T14:59"), "12-01T08:00").1);
    assert!(working_day(Some("11-23T15:01"), "12-01T08:00").1, "late remains late");
    assert_eq!(working_day(Some("11-23T15:01"), "12-01T08:00").2, None, "but says nothing any more");
}

#[test]
fn and_past_a_holiday() {
    let mut course = course(None);
    course.steps[1].done_at = Some(at("11-23T15:00"));
    let clock = clocks(&unit_email(), &course).pop().unwrap();
    assert_eq!(clock.due_at, at("11-25T15:00"), "the 24th is a holiday");
}

#[test]
fn the_next_moment_is_the_warning_and_then_the_end() {
    let (clock, ..) = working_day(None, "11-20T15:01");
    assert_eq!(clock.next(at("11-20T15:01")), Some(clock.warn_at));
    assert_eq!(clock.next(clock.warn_at), Some(clock.due_at));
    assert_eq!(clock.next(clock.due_at), None);
    assert_eq!(working_day(Some("11-20T15:02"), "11-20T15:03").0.next(at("11-20T15:03")), None);
}

#[test]
fn a_warning_can_be_given_its_own_distance_and_never_comes_after_the_end() {
    for (minutes, warn) in [(60, "11-23T14:00"), (0, "11-23T15:00"), (100_000, "11-20T15:00")] {
        let mut standard = unit_email();
        standard.deadlines[0].warn_minutes = Some(minutes);
        assert_eq!(clocks(&standard, &course(None)).pop().unwrap().warn_at, at(warn), "{minutes}");
    }
}

#[test]
fn each_row_has_its_planned_and_actual_minutes() {
    let told = |handed, now: &str| -> Vec<(String, Option<u32>, bool)> {
        table(&unit_email(), &course(handed), at(now)).into_iter().map(|r| (r.step, r.actual_minutes, r.late)).collect()
    };
    let rows = |handing: u32, late: bool| {
        vec![
            ("1".to_owned(), None, false),
            ("2".to_owned(), Some(40), true),
            ("4".to_owned(), Some(0), false),
            ("5".to_owned(), Some(3), false),
            ("6".to_owned(), Some(handing), late),
        ]
    };
    assert_eq!(told(Some("11-20T15:02"), "11-20T15:02"), rows(1, false));
    assert_eq!(told(None, "11-20T15:16"), rows(15, false));
    // 59 minutes on Friday, and one on Monday.
    assert_eq!(told(Some("11-23T07:31"), "11-23T10:00"), rows(60, true));
    let first = &table(&unit_email(), &course(None), at("11-20T15:16"))[0];
    assert_eq!((first.began_at, first.ended_at), (None, Some(at("11-20T08:00"))), "when it was asked for is not known");
}

#[test]
fn a_row_that_is_somebodys_receiving_runs_from_the_first_try_to_the_answer_and_is_never_late_by_itself() {
    let mut standard = unit_email();
    let receiving = Row { number: "7".into(), receives: vec!["credentials".into()], ..standard.rows[4].clone() };
    standard.rows.push(Row { minutes: None, ..receiving });
    let told = |course: &Course, now: &str| {
        let row = table(&standard, course, at(now)).pop().unwrap();
        (row.began_at, row.ended_at, row.actual_minutes, row.late)
    };
    let began = Some(at("11-20T15:01"));
    assert_eq!(told(&course(Some("11-20T15:04")), "11-20T15:05"), (began, Some(at("11-20T15:04")), Some(3), false));
    assert_eq!(told(&course(None), "11-20T15:30"), (began, None, None, false), "it has not come yet");
    let mut unsent = course(None);
    unsent.steps[3].began_at = None;
    assert_eq!(told(&unsent, "11-20T15:30"), (None, None, None, false));
    assert!(clocks(&standard, &course(None)).iter().all(|clock| clock.step.as_deref() != Some("7")));
}

#[test]
fn a_row_that_waits_for_a_lane_counts_from_the_end_of_the_step_before() {
    let mut course = course(None);
    course.steps[3].began_at = None;
    let clock = clocks(&unit_email(), &course).into_iter().find(|clock| clock.name == "step 6").unwrap();
    assert_eq!((clock.from_at, clock.due_at, clock.met_at), (at("11-20T15:01"), at("11-20T15:16"), None));
    // The first step of all: from when the request began to work.
    for step in &mut course.steps {
        (step.began_at, step.done_at) = (None, None);
    }
    let clocks = clocks(&unit_email(), &course);
    assert_eq!(clocks.len(), 1, "{clocks:?}");
    assert_eq!((clocks[0].name.as_str(), clocks[0].from_at), ("step 5", at("11-20T14:58")));
}

#[test]
fn what_was_given_up_has_no_clock_that_runs() {
    let mut course = course(None);
    (course.open, course.state_at) = (false, at("11-20T15:30"));
    course.steps[3].cancelled = true;
    let clocks = clocks(&unit_email(), &course);
    assert!(clocks.iter().all(|clock| clock.alarm(at("12-30T09:00")).is_none()), "{clocks:?}");
    assert!(clocks.iter().all(|clock| !clock.is_late(at("12-30T09:00"))), "{clocks:?}");
}

#[test]
fn a_request_that_was_refused_has_no_clock() {
    let mut course = course(None);
    course.steps.clear();
    (course.open, course.done) = (false, false);
    assert!(clocks(&unit_email(), &course).is_empty());
}

#[test]
fn the_files_keys_become_the_standard_in_both_languages_and_are_read_back() {
    let text = "[calendar]\nworking_days = [\"monday\", \"friday\"]\nhours = \"08:00-12:00\"\n\
                other_hours = { friday = \"08:00-11:00\" }\n\n[[deadline]]\nname = \"satu hari kerja\"\nfrom = \"applied\"\n\
                to = \"handed-over\"\nworking_days = 1\nstep = \"6\"\n";
    let (generic, _) = include_str!("../../../config/procedures/generic.toml").split_once("[calendar]").unwrap();
    let procedure = parse("generic.toml", &format!("{generic}{text}"));
    assert_eq!(procedure.calendar().hours[0], hours("08:00-12:00").unwrap());
    assert_eq!(procedure.calendar().hours[4], hours("08:00-11:00").unwrap());
    assert!(procedure.calendar().hours[1].is_empty());
    let record = crate::procedure::testing::lecturer();
    let judgement = crate::procedure::testing::decided(&record, &procedure, &Default::default());
    let standard: Standard = serde_json::from_str(&judgement.texts[crate::model::verdict::STANDARD]).unwrap();
    assert_eq!(standard.calendar, *procedure.calendar());
    let row = standard.rows.iter().find(|row| row.number == "4").unwrap();
    assert_eq!(row.roles, ["head", "secretary", "acting-head"], "who may stand in counts, too");
    assert_eq!(standard.deadlines[0].allowed, Allowed::Days(1));
}

#[test]
fn a_row_does_not_begin_before_the_row_before_it_is_done() {
    let mut course = course(None);
    course.steps[1].done_at = None;
    course.steps[2] = step("prove", "5", None, None);
    course.steps[3].began_at = None;
    let rows = table(&unit_email(), &course, at("11-23T15:00"));
    let row = |number: &str| rows.iter().find(|row| row.step == number).unwrap();
    assert!(row("5").late, "{rows:?}");
    assert_eq!((row("6").began_at, row("6").actual_minutes, row("6").late), (None, None, false));
    assert!(!clocks(&unit_email(), &course).iter().any(|clock| clock.name == "step 6"));
    // What was given up is waited for by nobody.
    (course.steps[1].cancelled, course.steps[2].cancelled) = (true, true);
    let rows = table(&unit_email(), &course, at("11-23T15:00"));
    assert_eq!(rows.iter().find(|row| row.step == "6").unwrap().began_at, Some(at("11-20T14:58")));
}

#[test]
fn what_is_left_is_working_time_and_below_zero_what_has_passed() {
    let calendar = &unit_email().calendar;
    let due = at("11-23T08:00");
    for (now, wanted) in [
        ("11-20T15:00", 5400),
        ("11-21T12:00", 1800),
        ("11-23T08:00", 0),
        ("11-23T08:10", -600),
        ("11-25T07:40", -29_400),
    ] {
        // The 24th is a holiday: 8 hours of the 23rd and 10 minutes of the 25th.
        assert_eq!(left(calendar, due, at(now)), wanted, "{now}");
    }
    let clocks = clocks(&unit_email(), &course(None));
    let running = first(&clocks).unwrap();
    assert_eq!((running.name.as_str(), running.standing(at("11-20T15:00"))), ("step 6", Some(Standing::InTime)));
    assert_eq!(running.standing(at("11-25T15:00")), Some(Standing::Breached));
    let over = clocks.iter().find(|clock| clock.name == "step 5").unwrap();
    assert_eq!(over.standing(at("11-25T15:00")), None, "it was done");
}

#[test]
fn a_deadline_of_a_request_that_was_withdrawn_is_no_longer_due_and_never_met() {
    let ended = |at_: &str, done: Option<&str>| Course { open: false, done: false, state_at: at(at_), ..course(done) };
    let standard = unit_email();
    for (withdrawn, late) in [("11-20T15:30", false), ("11-23T15:30", true)] {
        let told = deadlines(&standard, &ended(withdrawn, None), at("12-01T08:00")).remove(0);
        assert_eq!((told.met_at, told.no_longer_due_at, told.late), (None, Some(at(withdrawn)), late));
        let clock = clocks(&standard, &ended(withdrawn, None)).pop().unwrap();
        assert_eq!((clock.alarm(at("12-01T08:00")), clock.standing(at("12-01T08:00"))), (None, None));
        assert_eq!((clock.next(at("11-20T15:00")), first(&[clock])), (None, None));
    }
    // What was handed over before stays so.
    let told = deadlines(&standard, &ended("11-20T16:00", Some("11-20T15:20")), at("12-01T08:00")).remove(0);
    assert_eq!((told.met_at, told.no_longer_due_at), (Some(at("11-20T15:20")), None));
    // One that is held may yet go on.
    let held = Course { held: true, ..ended("11-20T15:30", None) };
    assert!(deadlines(&standard, &held, at("12-01T08:00")).is_empty());
}
