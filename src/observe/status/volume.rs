//! The last 30 days: how many requests ended each day, and how long those took that were done. Pure but for [`Days::read`].

use super::timeline::Tick;
use super::words::Tongue;
use crate::journal::JournalError;
use crate::journal::read::Reader;
use crate::journal::status::Ended;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How far back is looked.
pub const DAYS: i32 = 30;
/// Most requests of one day that are looked at; a day with more says "at least".
const MOST_A_DAY: u32 = 50_000;
/// How often the current day is counted anew.
const TODAY_AGAIN: Duration = Duration::from_secs(20);
/// A day is counted for good when it has been over for so long: a commit that began before midnight is in by then.
const SETTLED: SignedDuration = SignedDuration::from_hours(1);

/// One day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Which.
    pub date: Date,
    /// Requests that were done.
    pub done: u64,
    /// Requests that ended otherwise.
    pub other: u64,
    /// Median of the time from received to done, microseconds.
    pub median: Option<i64>,
    /// The time within which nine of ten were done, microseconds.
    pub slow: Option<i64>,
    /// There were more than are looked at.
    pub cut: bool,
}

impl Day {
    fn of(date: Date, ended: &[Ended]) -> Self {
        let mut took: Vec<i64> = ended.iter().filter(|one| one.done).map(|one| one.took).collect();
        took.sort_unstable();
        let rank = |percent: usize| took.len().checked_sub(1).and_then(|last| took.get(last * percent / 100)).copied();
        Self {
            date,
            done: took.len() as u64,
            other: (ended.len() - took.len()) as u64,
            median: rank(50),
            slow: rank(90),
            cut: ended.len() >= MOST_A_DAY as usize,
        }
    }
}

/// Counts each day once: what has ended stays so.
#[derive(Debug, Default)]
pub struct Days {
    past: BTreeMap<Date, Day>,
    today: Option<(Instant, Day)>,
}

impl Days {
    /// The last [`DAYS`] days, the first one first.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn read(&mut self, reader: &Reader, now: Timestamp, zone: &TimeZone) -> Result<Vec<Day>, JournalError> {
        let today = now.to_zoned(zone.clone()).date();
        let first = today.checked_sub((DAYS - 1).days()).unwrap_or(today);
        self.past = self.past.split_off(&first);
        let mut days = Vec::new();
        for date in first.series(1.day()).take_while(|date| *date <= today) {
            let fresh = self.today.filter(|(at, day)| date == today && day.date == date && at.elapsed() < TODAY_AGAIN);
            if let Some(day) = self.past.get(&date).copied().or(fresh.map(|(_, day)| day)) {
                days.push(day);
                continue;
            }
            let (Some(from), Some(to)) = (midnight(date, zone), date.tomorrow().ok().and_then(|d| midnight(d, zone)))
            else {
                continue;
            };
            let day = Day::of(date, &reader.ended_between(from, to, MOST_A_DAY)?);
            if date == today {
                self.today = Some((Instant::now(), day));
            } else if now.duration_since(to) > SETTLED {
                self.past.insert(date, day);
            }
            days.push(day);
        }
        Ok(days)
    }
}

fn midnight(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    date.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
}

/// Two pictures and the table below them.
#[derive(Debug, Serialize)]
pub struct Volume {
    /// The days, the first one first.
    pub days: Vec<DayShown>,
    /// Dates below both pictures.
    pub ticks: Vec<Tick>,
    /// The most of a day, for people.
    pub most: String,
    /// The longest median of a day, for people.
    pub longest: Option<String>,
    /// Whether anything ended at all.
    pub any: bool,
}

/// One day, for people and as heights in percent.
#[derive(Debug, Serialize)]
pub struct DayShown {
    /// `22 Nov`
    pub label: String,
    /// Done.
    pub done: String,
    /// Ended otherwise.
    pub other: String,
    /// Time.
    pub median: Option<String>,
    /// Time of nine in ten.
    pub slow: Option<String>,
    /// There were more.
    pub cut: bool,
    /// Nothing ended.
    pub empty: bool,
    /// Left edge, percent of the width.
    pub x: f64,
    /// Width of its bar, percent.
    pub width: f64,
    /// Height of what was done, and its top edge; percent of the picture's height.
    pub done_bar: (f64, f64),
    /// Of what ended otherwise, on top of it.
    pub other_bar: (f64, f64),
    /// Of the median time.
    pub time_bar: (f64, f64),
}

/// How the days look.
pub fn draw(days: &[Day], tongue: Tongue) -> Volume {
    let most = days.iter().map(|day| day.done + day.other).max().unwrap_or(0);
    let longest = days.iter().filter_map(|day| day.median).max();
    let place = 100.0 / days.len().max(1) as f64;
    let tidy = |percent: f64| (percent * 100.0).round() / 100.0;
    // What is there at all is seen.
    let height = |part: f64, whole: f64| if part > 0.0 && whole > 0.0 { (part / whole * 100.0).max(2.0) } else { 0.0 };
    let shown = days.iter().enumerate().map(|(n, day)| {
        let done = height(day.done as f64, most as f64);
        let other = height(day.other as f64, most as f64).min(100.0 - done.min(98.0));
        let time =
            height(day.median.map_or(0.0, |t| (t as f64).max(1.0)), longest.map_or(0.0, |t| (t as f64).max(1.0)));
        let bar = |height: f64, below: f64| (tidy(height), tidy(100.0 - below - height));
        DayShown {
            label: tongue.day(day.date),
            done: tongue.number(day.done),
            other: tongue.number(day.other),
            median: day.median.map(|t| tongue.span(t)),
            slow: day.slow.map(|t| tongue.span(t)),
            cut: day.cut,
            empty: day.done + day.other == 0,
            x: tidy(n as f64 * place + place * 0.12),
            width: tidy(place * 0.76),
            done_bar: bar(done, 0.0),
            other_bar: bar(other.min(100.0 - done), done),
            time_bar: bar(time, 0.0),
        }
    });
    let ticks = [0, days.len() / 2, days.len().saturating_sub(1)].into_iter().zip(["start", "middle", "end"]);
    let ticks = ticks.filter_map(|(n, anchor)| {
        let x = match anchor {
            "start" => 0.0,
            "end" => 100.0,
            _ => tidy((n as f64 + 0.5) * place),
        };
        Some(Tick { x, anchor, label: tongue.day(days.get(n)?.date) })
    });
    Volume {
        days: shown.collect(),
        ticks: ticks.collect(),
        most: tongue.number(most),
        longest: longest.map(|t| tongue.span(t)),
        any: most > 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(n: i8) -> Date {
        jiff::civil::date(2026, 11, n)
    }

    #[test]
    fn a_day_says_how_many_and_how_long() {
        let ended: Vec<Ended> = (1..=10).map(|n| Ended { done: n != 10, took: n * 1_000_000 }).collect();
        let day = Day::of(day(1), &ended);
        assert_eq!((day.done, day.other, day.median, day.slow), (9, 1, Some(5_000_000), Some(8_000_000)));
        assert_eq!(Day::of(day.date, &[]), Day { done: 0, other: 0, median: None, slow: None, ..day });
    }

    proptest! {
        #[test]
        fn no_bar_leaves_the_picture(counts in proptest::collection::vec((0_u64..1_000_000, 0_u64..1_000, 0_i64..1 << 40), 1..30)) {
            let days: Vec<Day> = counts.iter().enumerate().map(|(n, (done, other, median))| Day {
                date: day(i8::try_from(n + 1).unwrap()), done: *done, other: *other,
                median: (*done > 0).then_some(*median), slow: None, cut: false,
            }).collect();
            let volume = draw(&days, Tongue::En);
            prop_assert_eq!(volume.days.len(), days.len());
            for day in &volume.days {
                for (height, top) in [day.done_bar, day.other_bar, day.time_bar] {
                    prop_assert!(height >= 0.0 && top >= -0.02 && height + top <= 100.02, "{day:?}");
                }
                prop_assert!(day.x >= 0.0 && day.x + day.width <= 100.0);
            }
        }
    }
}
