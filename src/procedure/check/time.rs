//! `[calendar]` and `[[deadline]]`: working time, and what must be done in it.

use super::Checker;
use crate::procedure::calendar::{self, Allowed, Calendar};
use crate::procedure::compiled::{Link, Procedure};
use crate::procedure::file::{DeadlineRule, Language, Milestone};
use crate::procedure::report::{Finding, Report};
use crate::procedure::shape::{Place, Spans};
use crate::procedure::standard::{Deadline, Row, Standard};
use jiff::tz::TimeZone;
use std::path::Path;

/// Longest that a deadline may be: working time further off is no standard, and would take long to count.
const LONGEST_DAYS: u32 = 366;
const LONGEST_MINUTES: u32 = LONGEST_DAYS * 24 * 60;

impl Checker<'_> {
    pub(super) fn calendar(&mut self, zone: TimeZone) -> Calendar {
        let rules = &self.file.calendar;
        let place = Place::default().key("calendar");
        let mut calendar = Calendar::usual(zone);
        if let Some(days) = &rules.working_days {
            calendar.hours = Default::default();
            let usual = vec![(7 * 60 + 30, 16 * 60)];
            for (i, word) in days.iter().enumerate() {
                match self.weekday(word, &place.key("working_days").at(i)) {
                    Some(day) => calendar.hours[day].clone_from(&usual),
                    None => continue,
                }
            }
            if days.is_empty() {
                self.find(&place.key("working_days"), "nobody ever works", "expected at least one day, like `monday`");
            }
        }
        if let Some(hours) = self.hours(rules.hours.as_deref(), &place.key("hours")) {
            calendar.hours.iter_mut().filter(|day| !day.is_empty()).for_each(|day| day.clone_from(&hours));
        }
        for (word, hours) in &rules.other_hours {
            let at = place.key("other_hours").key(word);
            let (day, hours) = (self.weekday(word, &at), self.hours(Some(hours), &at));
            let (Some(day), Some(hours)) = (day, hours) else { continue };
            if calendar.hours[day].is_empty() {
                let help = "name the day in `working_days`, or leave its hours out";
                self.find(&at, format!("{word} is no working day, and has hours"), help);
            }
            calendar.hours[day] = hours;
        }
        calendar
    }

    fn weekday(&mut self, word: &str, place: &Place) -> Option<usize> {
        let day = calendar::weekday(word).map(|day| usize::from(day.to_monday_zero_offset().unsigned_abs()));
        if day.is_none() {
            let help = "expected monday, tuesday, wednesday, thursday, friday, saturday or sunday";
            self.find(place, format!("`{word}` is no day of the week"), help);
        }
        day
    }

    fn hours(&mut self, text: Option<&str>, place: &Place) -> Option<Vec<(u16, u16)>> {
        calendar::hours(text?).map_err(|cause| self.find(place, cause, "")).ok()
    }

    pub(super) fn deadlines(&mut self) -> Vec<Deadline> {
        let file = self.file;
        let top = Place::default().key("deadline");
        self.unique(
            file.deadline.iter().enumerate().map(|(i, d)| (d.name.as_str(), top.at(i).key("name"))),
            "deadline",
        );
        file.deadline.iter().enumerate().filter_map(|(i, rule)| self.deadline(rule, &top.at(i))).collect()
    }

    fn deadline(&mut self, rule: &DeadlineRule, place: &Place) -> Option<Deadline> {
        if rule.name.trim().is_empty() || rule.name.len() > 100 || rule.name.chars().any(char::is_control) {
            self.find(&place.key("name"), "this is no name for a deadline", "expected a few words on one line");
        }
        if rule.name.starts_with("step ") {
            let help = "the minutes of a step are its own deadline; call this one otherwise";
            self.find(&place.key("name"), "`step …` are the names of the steps' own standards", help);
        }
        if rule.from == Milestone::Approved && self.file.approval.is_empty() {
            let help = "begin it with `received`, or add the [[approval]]";
            self.find(&place.key("from"), "it begins with an approval, but nobody decides here", help);
        }
        if rule.from >= rule.to {
            let help = "in order: approved, received, applied, proven, handed-over, done";
            self.find(&place.key("to"), "it is met before it begins", help);
        }
        if let Some(step) = rule.step.as_ref().filter(|s| !self.file.step.iter().any(|known| known.number == **s)) {
            let known: Vec<&str> = self.file.step.iter().map(|s| s.number.as_str()).collect();
            let help = format!("expected the `number` of a [[step]]: {}", super::listed(&known));
            self.find(&place.key("step"), format!("there is no step `{step}`"), help);
        }
        let allowed = match (rule.working_days, rule.working_minutes) {
            (Some(days), None) if (1..=LONGEST_DAYS).contains(&days) => Allowed::Days(days),
            (None, Some(minutes)) if (1..=LONGEST_MINUTES).contains(&minutes) => Allowed::Minutes(minutes),
            (Some(_), Some(_)) => {
                self.find(&place.key("working_minutes"), "it has two lengths", "write working_days or working_minutes");
                return None;
            }
            (None, None) => {
                self.find(place, "it has no length", "write working_days or working_minutes");
                return None;
            }
            (Some(days), None) => {
                let help = format!("expected 1 to {LONGEST_DAYS}");
                self.find(&place.key("working_days"), format!("{days} working days are no deadline"), help);
                return None;
            }
            (None, Some(minutes)) => {
                let help = format!("expected 1 to {LONGEST_MINUTES}");
                self.find(&place.key("working_minutes"), format!("{minutes} minutes are no deadline"), help);
                return None;
            }
        };
        Some(Deadline {
            name: rule.name.clone(),
            step: rule.step.clone(),
            from: rule.from,
            to: rule.to,
            allowed,
            warn_minutes: rule.warn_minutes,
        })
    }
}

impl Procedure {
    /// What the document allows, in a language.
    pub(in crate::procedure) fn standard_in(&self, language: Language) -> Standard {
        let roles = |number: &str| {
            let links = self.chain.iter().filter(|link: &&Link| link.rule.step.as_deref() == Some(number));
            links.flat_map(|link| link.accepts.iter().map(|(role, _)| role.clone())).collect()
        };
        let rows = self.file.step.iter().map(|step| {
            let title = match language {
                Language::En => step.title_en.as_ref().unwrap_or(&step.title),
                Language::Id => &step.title,
            };
            Row::of(step, title, roles(&step.number))
        });
        Standard { calendar: self.calendar.clone(), rows: rows.collect(), deadlines: self.deadlines.clone() }
    }

    /// Writes the standards out, once for all requests.
    pub(super) fn write_standards(&mut self) {
        let written = |standard: &Standard| serde_json::to_string(standard).unwrap_or_default();
        self.standards = [Language::Id, Language::En].map(|language| written(&self.standard_in(language)));
    }

    /// Reads the holidays file that the procedure names, from the directory that the procedure lies in.
    pub(in crate::procedure) fn read_holidays(
        &mut self,
        file_name: &str,
        text: &str,
        dir: &Path,
    ) -> Result<(), Report> {
        let Some(name) = self.file.calendar.holidays.clone() else { return Ok(()) };
        let path = dir.join(name);
        let wrong = |messages: Vec<String>| {
            let span = Spans::parse(text).ok().map(|spans| spans.of(&Place::default().key("calendar").key("holidays")));
            let findings = messages.into_iter().map(|message| Finding { span: span.clone(), message, help: None });
            Report::new(file_name, text, findings.collect())
        };
        let shown = path.display();
        let read = crate::procedure::load::read(&path)
            .map_err(|error| wrong(vec![format!("{shown} cannot be read: {error}")]))?;
        let holidays = calendar::holidays(&read)
            .map_err(|lines| wrong(lines.iter().map(|(line, cause)| format!("{shown}:{line}: {cause}")).collect()))?;
        self.calendar.holidays = holidays.days;
        self.holidays_through = holidays.through;
        self.write_standards();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::procedure::Procedure;

    #[test]
    fn each_mistake_about_time_is_found_at_its_line() {
        const GENERIC: &str = include_str!("../../../config/procedures/generic.toml");
        for (written, wrong, said) in [
            ("[\"monday\", \"tuesday\"", "[\"mon\", \"tuesday\"", "`mon` is no day of the week"),
            (
                "working_days = [\"monday\", \"tuesday\", \"wednesday\", \"thursday\", \"friday\"]",
                "working_days = []",
                "nobody ever works",
            ),
            ("hours = \"07:30-16:00\"", "hours = \"7-16\"", "are no hours; expected"),
            ("hours = \"07:30-16:00\"", "hours = \"16:00-07:30\"", "end before they begin"),
            ("# other_hours = { friday", "other_hours = { sunday", "sunday is no working day, and has hours"),
            ("from = \"applied\"", "from = \"done\"", "it is met before it begins; in order: approved"),
            ("from = \"applied\"", "from = \"aplied\"", "did you mean `applied`?"),
            ("working_days = 1 ", "working_days = 0 ", "0 working days are no deadline"),
            ("working_days = 1 ", "working_minutes = 999999 ", "999999 minutes are no deadline"),
            ("working_days = 1 ", "working_days = 1\nworking_minutes = 1", "it has two lengths"),
            ("working_days = 1 ", "warn_minutes = 1 ", "it has no length"),
            ("\nstep = \"6\"       ", "\nstep = \"66\"      ", "there is no step `66`"),
            (
                "name = \"Satu hari kerja sejak akun dibuat\"",
                "name = \"step 6\"",
                "the names of the steps' own standards",
            ),
            ("name = \"Satu hari kerja sejak akun dibuat\"", "name = \"\"", "this is no name for a deadline"),
        ] {
            assert!(GENERIC.contains(written), "the template has no {written:?}");
            let report = Procedure::parse("generic.toml", &GENERIC.replacen(written, wrong, 1)).unwrap_err();
            let lines = report.lines().join("\n");
            assert!(lines.contains(said), "{wrong}: {lines}");
            assert!(lines.starts_with("generic.toml:3"), "at a line of the end of the file: {lines}");
        }
    }
}
