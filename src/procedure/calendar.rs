//! Working days and hours: how long something took in working time, and until when it must be done. Pure.
//!
//! Working time is what lies within the hours of a working day that is no holiday; nothing else counts. "Within N working
//! days" of a moment in working time is the same time of day on the Nth working day after it, or that day's end where it closes earlier. A
//! moment outside working time counts from the next opening, and its first working day ends when that day closes.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Furthest that is looked ahead for a working day: beyond it a calendar has none.
const HORIZON_DAYS: usize = 3700;
const MINUTES_OF_A_DAY: u16 = 24 * 60;

/// When people work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// Days begin and end in it.
    #[serde(with = "jiff::fmt::serde::tz::required")]
    pub zone: TimeZone,
    /// Working hours of each day of the week, Monday first, as minutes since midnight: from, to. Sorted; empty: no work.
    pub hours: [Vec<(u16, u16)>; 7],
    /// Days on which nobody works, and why.
    pub holidays: BTreeMap<Date, String>,
}

/// How long something may take, in working time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allowed {
    /// So many minutes of working time.
    Minutes(u32),
    /// So many working days.
    Days(u32),
}

impl Calendar {
    /// Monday to Friday, 07:30 to 16:00, no holidays.
    pub fn usual(zone: TimeZone) -> Self {
        let day = vec![(7 * 60 + 30, 16 * 60)];
        let mut hours = [const { Vec::new() }; 7];
        hours[..5].fill(day);
        Self { zone, hours, holidays: BTreeMap::new() }
    }

    /// Whether anybody ever works.
    pub fn has_working_time(&self) -> bool {
        self.hours.iter().any(|day| !day.is_empty())
    }

    /// Whether this day is a working day.
    pub fn is_working_day(&self, day: Date) -> bool {
        !self.hours_of(day).is_empty()
    }

    fn hours_of(&self, day: Date) -> &[(u16, u16)] {
        if self.holidays.contains_key(&day) {
            return &[];
        }
        self.hours.get(usize::from(day.weekday().to_monday_zero_offset().unsigned_abs())).map_or(&[], Vec::as_slice)
    }

    /// The working hours of a day as moments.
    fn spans(&self, day: Date) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
        self.hours_of(day).iter().filter_map(move |(from, to)| Some((self.moment(day, *from)?, self.moment(day, *to)?)))
    }

    fn moment(&self, day: Date, minute: u16) -> Option<Timestamp> {
        let (day, minute) = match minute {
            MINUTES_OF_A_DAY.. => (day.tomorrow().ok()?, 0),
            _ => (day, minute),
        };
        let time = jiff::civil::time((minute / 60).try_into().ok()?, (minute % 60).try_into().ok()?, 0, 0);
        let at: DateTime = day.to_datetime(time);
        self.zone.to_ambiguous_zoned(at).compatible().ok().map(|zoned| zoned.timestamp())
    }

    fn day_of(&self, at: Timestamp) -> Date {
        at.to_zoned(self.zone.clone()).date()
    }

    /// Working time between two moments, in seconds; none where `to` is not after `from`.
    pub fn working_seconds(&self, from: Timestamp, to: Timestamp) -> u64 {
        if to <= from {
            return 0;
        }
        let last = self.day_of(to);
        let mut seconds = 0;
        // The day before may reach past midnight by no more than its own end: 24:00.
        for day in self.day_of(from).series(1.day()).take(HORIZON_DAYS).take_while(|day| *day <= last) {
            for (opens, closes) in self.spans(day) {
                let (begins, ends) = (opens.max(from), closes.min(to));
                seconds += ends.as_second().saturating_sub(begins.as_second()).max(0).unsigned_abs();
            }
        }
        seconds
    }

    /// The same in minutes, each one that was begun counted.
    pub fn working_minutes(&self, from: Timestamp, to: Timestamp) -> u32 {
        u32::try_from(self.working_seconds(from, to).div_ceil(60)).unwrap_or(u32::MAX)
    }

    /// When this much working time after `from` has passed; none for a calendar without working time.
    pub fn after_minutes(&self, from: Timestamp, minutes: u32) -> Option<Timestamp> {
        self.after_seconds(from, u64::from(minutes) * 60)
    }

    /// As [`Self::after_minutes`].
    pub fn after_seconds(&self, from: Timestamp, seconds: u64) -> Option<Timestamp> {
        let mut left = seconds;
        for day in self.day_of(from).series(1.day()).take(HORIZON_DAYS) {
            for (opens, closes) in self.spans(day) {
                let begins = opens.max(from);
                if begins >= closes {
                    continue;
                }
                let here = (closes.as_second() - begins.as_second()).unsigned_abs();
                if left <= here {
                    return begins.checked_add(i64::try_from(left).ok()?.seconds()).ok();
                }
                left -= here;
            }
        }
        None
    }

    /// The end of the `days`th working day from `from`; none for a calendar without working time.
    pub fn after_days(&self, from: Timestamp, days: u32) -> Option<Timestamp> {
        let Some(last) = days.checked_sub(1) else { return Some(from) };
        let today = self.day_of(from);
        let within = self.spans(today).any(|(opens, closes)| opens < from && from < closes)
            || self.spans(today).next().is_some_and(|(opens, _)| opens < from)
                && self.spans(today).last().is_some_and(|(_, closes)| from < closes);
        // Of a day that has not opened yet, or that is over, the next whole one is the first.
        let past = self.spans(today).last().is_none_or(|(_, closes)| closes <= from);
        let first = if within || past { today.tomorrow().ok()? } else { today };
        let mut working = first.series(1.day()).take(HORIZON_DAYS).filter(|day| self.is_working_day(*day));
        let day = working.nth(usize::try_from(last).ok()?)?;
        let (_, closes) = self.spans(day).last()?;
        if !within {
            return Some(closes);
        }
        let same_time = day.to_datetime(from.to_zoned(self.zone.clone()).time());
        let same_time = self.zone.to_ambiguous_zoned(same_time).compatible().ok()?.timestamp();
        // What falls into a break, or before the day opens, is due when work goes on.
        let at =
            self.spans(day).find(|(_, closes)| same_time <= *closes).map_or(closes, |(opens, _)| opens.max(same_time));
        Some(at)
    }

    /// Until when something that may take so long must be done.
    pub fn due(&self, from: Timestamp, allowed: Allowed) -> Option<Timestamp> {
        match allowed {
            Allowed::Minutes(minutes) => self.after_minutes(from, minutes),
            Allowed::Days(days) => self.after_days(from, days),
        }
    }
}

/// Reads `07:30-16:00`, or several such spans with commas between them; 24:00 is the end of the day.
///
/// # Errors
/// A sentence that says what was expected.
pub fn hours(text: &str) -> Result<Vec<(u16, u16)>, String> {
    let expected = || format!("`{text}` are no hours; expected `07:30-16:00`, or `07:30-12:00, 13:00-16:00`");
    let mut spans: Vec<(u16, u16)> = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.trim().split_once(['-', '–']).ok_or_else(expected)?;
        let (Some(from), Some(to)) = (clock(from.trim()), clock(to.trim())) else { return Err(expected()) };
        if from >= to {
            return Err(format!("the hours `{}` end before they begin", part.trim()));
        }
        if spans.last().is_some_and(|(_, before)| from < *before) {
            return Err(format!("the hours `{text}` overlap, or are not in order"));
        }
        spans.push((from, to));
    }
    Ok(spans)
}

/// `HH:MM` (or `HH.MM`, as Indonesia writes it) in minutes since midnight.
fn clock(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once([':', '.'])?;
    let number = |digits: &str, most: u16| {
        (digits.len() == 2).then_some(())?;
        digits.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
        digits.parse::<u16>().ok().filter(|n| *n <= most)
    };
    let at = number(hour, 24)? * 60 + number(minute, 59)?;
    (at <= MINUTES_OF_A_DAY).then_some(at)
}

/// The days of the week by their words, English or Indonesian.
pub fn weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "monday" | "senin" => Weekday::Monday,
        "tuesday" | "selasa" => Weekday::Tuesday,
        "wednesday" | "rabu" => Weekday::Wednesday,
        "thursday" | "kamis" => Weekday::Thursday,
        "friday" | "jumat" => Weekday::Friday,
        "saturday" | "sabtu" => Weekday::Saturday,
        "sunday" | "minggu" => Weekday::Sunday,
        _ => return None,
    })
}

/// What a holidays file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Holidays {
    /// The days, and why nobody works then.
    pub days: BTreeMap<Date, String>,
    /// The last year of which all days are known: as it says, or the year of its last day.
    pub through: Option<i16>,
}

/// Reads a holidays file: a line each, `2026-01-01 Tahun Baru`; `complete 2026` (or `lengkap 2026`) says that of later years only
/// some days stand there; blank lines and lines that begin with `#` say nothing.
///
/// # Errors
/// Each bad line: its number, and a sentence.
pub fn holidays(text: &str) -> Result<Holidays, Vec<(usize, String)>> {
    let mut days = BTreeMap::new();
    let (mut wrong, mut complete) = (Vec::new(), None);
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (day, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if ["complete", "lengkap"].contains(&day) {
            match name.trim().parse::<i16>().ok().filter(|year| (1900..=2200).contains(year)) {
                Some(year) => complete = complete.max(Some(year)),
                None => wrong.push((number + 1, format!("`{line}` names no year; expected a line like `{day} 2026`"))),
            }
            continue;
        }
        match day.parse::<Date>() {
            Ok(date) if days.contains_key(&date) => wrong.push((number + 1, format!("{date} stands here twice"))),
            Ok(date) => drop(days.insert(date, name.trim().to_owned())),
            Err(_) => {
                wrong.push((
                    number + 1,
                    format!("`{day}` is no date; expected a line like `2026-08-17 Hari Kemerdekaan`"),
                ));
            }
        }
    }
    let through = complete.or_else(|| days.keys().next_back().map(|last| last.year()));
    if wrong.is_empty() { Ok(Holidays { days, through }) } else { Err(wrong) }
}

/// The first year whose holidays a calendar that is complete through this year lacks, where it is the current one, or the next one
/// and December has begun: by then the decree is out. Pure.
pub fn lacks(through: i16, today: Date) -> Option<i16> {
    let wanted = if today.month() == 12 { today.year() + 1 } else { today.year() };
    (through < wanted).then_some(through + 1)
}

#[cfg(test)]
mod tests;
