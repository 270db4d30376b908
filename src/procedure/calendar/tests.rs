use super::*;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    format!("{text}:00+07:00").parse().unwrap()
}

fn office() -> Calendar {
    let zone = TimeZone::get("Asia/Jakarta").unwrap();
    let mut calendar = Calendar::usual(zone);
    calendar.holidays.insert("2026-12-25".parse().unwrap(), "Natal".into());
    calendar.holidays.insert("2026-12-24".parse().unwrap(), "Cuti bersama".into());
    calendar
}

fn with_break() -> Calendar {
    let mut calendar = office();
    for day in &mut calendar.hours[..5] {
        *day = hours("07:30-12:00, 13:00-16:00").unwrap();
    }
    calendar
}

#[test]
fn within_one_working_day_passes_over_weekends_and_holidays() {
    // 20 November 2026 is a Friday; 23 December a Wednesday, followed by two holidays and a weekend.
    for (from, due) in [
        ("2026-11-18T10:15", "2026-11-19T10:15"),
        ("2026-11-20T10:15", "2026-11-23T10:15"),
        ("2026-12-23T14:00", "2026-12-28T14:00"),
        // Outside working time: the next working day, to its end.
        ("2026-11-20T16:00", "2026-11-23T16:00"),
        ("2026-11-20T21:00", "2026-11-23T16:00"),
        ("2026-11-21T09:00", "2026-11-23T16:00"),
        ("2026-11-22T23:59", "2026-11-23T16:00"),
        ("2026-11-23T05:00", "2026-11-23T16:00"),
        ("2026-11-23T07:30", "2026-11-23T16:00"),
        ("2026-12-24T09:00", "2026-12-28T16:00"),
        ("2026-12-23T16:30", "2026-12-28T16:00"),
    ] {
        assert_eq!(office().due(at(from), Allowed::Days(1)), Some(at(due)), "{from}");
    }
    assert_eq!(office().after_days(at("2026-11-19T10:00"), 3), Some(at("2026-11-24T10:00")));
    assert_eq!(office().after_days(at("2026-11-21T10:00"), 2), Some(at("2026-11-24T16:00")));
    // In the break, and on a day that closes earlier.
    assert_eq!(with_break().after_days(at("2026-11-18T12:30"), 1), Some(at("2026-11-19T13:00")));
    let mut short_friday = office();
    short_friday.hours[4] = hours("07:30-11:30").unwrap();
    assert_eq!(short_friday.after_days(at("2026-11-19T15:00"), 1), Some(at("2026-11-20T11:30")));
}

#[test]
fn only_working_time_counts() {
    for (from, to, minutes) in [
        ("2026-11-20T09:00", "2026-11-20T09:30", 30),
        ("2026-11-20T15:50", "2026-11-23T07:40", 20),
        ("2026-11-20T18:00", "2026-11-23T07:00", 0),
        ("2026-12-23T15:00", "2026-12-28T08:30", 120),
        ("2026-11-20T09:00", "2026-11-20T09:00", 0),
        ("2026-11-20T09:30", "2026-11-20T09:00", 0),
    ] {
        assert_eq!(office().working_minutes(at(from), at(to)), minutes, "{from} {to}");
    }
    assert_eq!(with_break().working_minutes(at("2026-11-20T11:30"), at("2026-11-20T13:30")), 60);
    let begun = office().working_minutes(at("2026-11-20T09:00"), at("2026-11-20T09:00") + 1.second());
    assert_eq!(begun, 1, "a minute that was begun counts");
}

#[test]
fn minutes_run_on_at_the_next_opening() {
    for (from, minutes, due) in [
        ("2026-11-20T09:00", 20, "2026-11-20T09:20"),
        ("2026-11-20T15:50", 20, "2026-11-23T07:40"),
        ("2026-11-21T12:00", 30, "2026-11-23T08:00"),
        ("2026-12-23T15:45", 30, "2026-12-28T07:45"),
        // 510 minutes are a working day: it is over when it closes.
        ("2026-11-21T12:00", 510, "2026-11-23T16:00"),
    ] {
        assert_eq!(office().after_minutes(at(from), minutes), Some(at(due)), "{from} {minutes}");
    }
}

#[test]
fn a_calendar_without_working_time_has_no_deadline_and_does_not_hang() {
    let never = Calendar { hours: Default::default(), ..office() };
    assert!(!never.has_working_time());
    assert_eq!(never.after_minutes(at("2026-11-20T09:00"), 1), None);
    assert_eq!(never.after_days(at("2026-11-20T09:00"), 1), None);
    assert_eq!(never.working_seconds(at("2026-11-20T09:00"), at("2099-01-01T09:00")), 0);
}

#[test]
fn a_service_that_never_closes_counts_every_minute_once() {
    let mut always = office();
    always.holidays.clear();
    always.hours = std::array::from_fn(|_| hours("00:00-24:00").unwrap());
    assert_eq!(always.working_minutes(at("2026-11-20T23:50"), at("2026-11-21T00:10")), 20);
    assert_eq!(always.after_minutes(at("2026-11-20T23:50"), 20), Some(at("2026-11-21T00:10")));
    assert_eq!(always.after_days(at("2026-11-20T23:50"), 1), Some(at("2026-11-21T23:50")));
}

#[test]
fn hours_are_read_or_refused_with_what_was_expected() {
    assert_eq!(hours("07:30-16:00"), Ok(vec![(450, 960)]));
    assert_eq!(hours("07.30–12.00, 13.00-24.00"), Ok(vec![(450, 720), (780, 1440)]));
    for (bad, said) in [
        ("", "are no hours"),
        ("7:30-16:00", "are no hours"),
        ("07:30", "are no hours"),
        ("07:60-16:00", "are no hours"),
        ("07:30-24:01", "are no hours"),
        ("16:00-07:30", "end before they begin"),
        ("07:30-12:00, 11:00-16:00", "overlap"),
    ] {
        assert!(hours(bad).unwrap_err().contains(said), "{bad}");
    }
}

#[test]
fn a_holidays_file_is_read_and_each_bad_line_is_named() {
    let text = "# Libur nasional\n\n2026-08-17 Hari Kemerdekaan\n2026-12-25\tNatal\n2026-01-01\n";
    let Holidays { days, through } = holidays(text).unwrap();
    assert_eq!((days.len(), through), (3, Some(2026)));
    assert_eq!(days[&"2026-12-25".parse().unwrap()], "Natal");
    let wrong = holidays("17-08-2026 x\n2026-08-17 a\n2026-08-17 b\n2026-02-30 c\nlengkap semua\n").unwrap_err();
    assert_eq!(wrong.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3, 4, 5]);
    for (text, expected) in [("", None), ("2027-01-01", Some(2027)), ("complete 2026\n2027-01-01 x\n", Some(2026))] {
        assert_eq!(holidays(text).unwrap().through, expected, "{text}");
    }
    assert!(wrong[0].1.contains("17-08-2026") && wrong[1].1.contains("twice"), "{wrong:?}");
}

proptest! {
    #[test]
    fn the_time_until_a_deadline_is_the_time_that_was_allowed(start in 1_790_000_000_i64..1_810_000_000, minutes in 1_u32..20_000) {
        let from = Timestamp::from_second(start).unwrap();
        for calendar in [office(), with_break()] {
            let due = calendar.after_minutes(from, minutes).unwrap();
            prop_assert_eq!(calendar.working_seconds(from, due), u64::from(minutes) * 60);
            prop_assert!(calendar.is_working_day(calendar.day_of(due)));
        }
    }

    #[test]
    fn working_time_adds_up_and_never_exceeds_the_clock(start in 1_790_000_000_i64..1_810_000_000, a in 0_i64..900_000, b in 0_i64..900_000) {
        let from = Timestamp::from_second(start).unwrap();
        let (middle, to) = (from + a.seconds(), from + (a + b).seconds());
        let calendar = with_break();
        let whole = calendar.working_seconds(from, to);
        prop_assert_eq!(whole, calendar.working_seconds(from, middle) + calendar.working_seconds(middle, to));
        prop_assert!(whole <= (a + b).unsigned_abs());
    }

    #[test]
    fn a_working_day_ends_on_a_working_day_later_and_within_hours(start in 1_790_000_000_i64..1_810_000_000, days in 1_u32..30) {
        let from = Timestamp::from_second(start).unwrap();
        let calendar = with_break();
        let due = calendar.after_days(from, days).unwrap();
        prop_assert!(due > from);
        let day = calendar.day_of(due);
        prop_assert!(calendar.spans(day).any(|(opens, closes)| opens <= due && due <= closes));
        prop_assert!(calendar.after_days(from, days + 1).unwrap() > due);
    }

    #[test]
    fn no_text_of_hours_or_holidays_is_too_strange(text in any::<String>()) {
        let _ = hours(&text);
        let _ = holidays(&text);
    }
}
