//! What the operator is told next, and when. Pure.

use crate::journal::operator::Told;
use crate::model::Address;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// What leaves when, and to whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The operator.
    pub to: Address,
    /// This machine, for people.
    pub host: String,
    /// id or en.
    pub language: String,
    /// Times are told, and days begin, in it.
    pub zone: TimeZone,
    /// When the digest leaves; none: there is none.
    pub digest: Option<Time>,
    /// Two notices are at least so far apart.
    pub every: SignedDuration,
    /// The first one waits so long for what comes together with its cause.
    pub gather: SignedDuration,
}

/// How things stand.
#[derive(Debug, Clone)]
pub struct Standing {
    /// How far the operator has been told.
    pub told: Told,
    /// When the first thing happened that is not told yet.
    pub first_news: Option<Timestamp>,
    /// The channel's lane is paused by an order.
    pub paused: bool,
    /// The last notice could not be handed over: not before then.
    pub not_before: Option<Timestamp>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Tell what has gathered.
    Alert,
    /// Send the digest of this day.
    Digest(Date),
    /// Digests begin after this day.
    Begin(Date),
    /// Nothing, until then or until something happens.
    Wait(Option<Timestamp>),
}

impl Settings {
    /// The last day whose digest has been due.
    fn digest_due(&self, time: Time, now: Timestamp) -> Option<Date> {
        let today = now.to_zoned(self.zone.clone()).date();
        match self.at(today, time)? <= now {
            true => Some(today),
            false => today.yesterday().ok(),
        }
    }

    fn at(&self, day: Date, time: Time) -> Option<Timestamp> {
        self.zone.to_ambiguous_zoned(day.to_datetime(time)).compatible().ok().map(|zoned| zoned.timestamp())
    }

    /// From when on a day's digest tells: from the last one's, at least a day back.
    pub fn since(&self, told: &Told, day: Date) -> Timestamp {
        let time = self.digest.unwrap_or_default();
        let last = told.digest.or_else(|| day.yesterday().ok()).unwrap_or(day);
        self.at(last, time).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// What the operator is told next.
pub fn next(settings: &Settings, standing: &Standing, now: Timestamp) -> Next {
    let due = settings.digest.and_then(|time| Some((settings.digest_due(time, now)?, time)));
    if let (Some((day, _)), None) = (due, standing.told.digest) {
        return Next::Begin(day);
    }
    if standing.paused {
        // The lane's bell rings when it is not paused any more.
        return Next::Wait(None);
    }
    if let Some(not_before) = standing.not_before.filter(|at| *at > now) {
        return Next::Wait(Some(not_before));
    }
    let after = |at: Timestamp, wait: SignedDuration| at.saturating_add(wait).unwrap_or(Timestamp::MAX);
    // Times that are still to come were written before the clock was set back: nothing waits for them.
    let alert = standing.first_news.map(|first| {
        let gathered = if first > now { now } else { after(first, settings.gather) };
        let last = standing.told.told_at.filter(|last| *last <= now);
        last.map_or(gathered, |last| gathered.max(after(last, settings.every)))
    });
    // One that may be on its way is not kept waiting: it is the same one again.
    if standing.told.telling.is_some() || alert.is_some_and(|at| at <= now) {
        return Next::Alert;
    }
    let mut wakes = vec![alert];
    if let Some((day, time)) = due {
        if standing.told.digest.is_none_or(|last| last < day) {
            return Next::Digest(day);
        }
        wakes.push(day.checked_add(1.day()).ok().and_then(|tomorrow| settings.at(tomorrow, time)));
    }
    Next::Wait(wakes.into_iter().flatten().min())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-{text}:00+07:00").parse().unwrap()
    }

    fn settings() -> Settings {
        Settings {
            to: "operator@example.org".parse().unwrap(),
            host: "akun".into(),
            language: "id".into(),
            zone: TimeZone::get("Asia/Jakarta").unwrap(),
            digest: Some(jiff::civil::time(7, 0, 0, 0)),
            every: SignedDuration::from_mins(15),
            gather: SignedDuration::from_mins(1),
        }
    }

    fn standing() -> Standing {
        let told = Told { told: 5, telling: None, told_at: None, digest: Some("2026-11-22".parse().unwrap()) };
        Standing { told, first_news: None, paused: false, not_before: None }
    }

    #[test]
    fn news_wait_to_gather_and_then_for_the_last_notice_to_be_long_enough_ago() {
        let mut standing = standing();
        assert_eq!(next(&settings(), &standing, at("22T10:00")), Next::Wait(Some(at("23T07:00"))));
        standing.first_news = Some(at("22T10:00"));
        assert_eq!(next(&settings(), &standing, at("22T10:00")), Next::Wait(Some(at("22T10:01"))));
        assert_eq!(next(&settings(), &standing, at("22T10:01")), Next::Alert);
        standing.told.told_at = Some(at("22T09:55"));
        assert_eq!(next(&settings(), &standing, at("22T10:01")), Next::Wait(Some(at("22T10:10"))));
        assert_eq!(next(&settings(), &standing, at("22T10:10")), Next::Alert);
    }

    #[test]
    fn a_notice_that_may_be_on_its_way_goes_again_at_once_but_not_to_a_server_that_just_failed() {
        let mut standing = standing();
        standing.told.telling = Some(9);
        assert_eq!(next(&settings(), &standing, at("22T10:00")), Next::Alert);
        standing.not_before = Some(at("22T10:05"));
        assert_eq!(next(&settings(), &standing, at("22T10:00")), Next::Wait(Some(at("22T10:05"))));
        assert_eq!(next(&settings(), &standing, at("22T10:05")), Next::Alert);
        standing.paused = true;
        assert_eq!(next(&settings(), &standing, at("22T10:05")), Next::Wait(None));
    }

    #[test]
    fn the_digest_is_once_a_day_and_made_up_for_once_after_days_of_silence() {
        let mut standing = standing();
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(next(&settings(), &standing, at("23T06:59")), Next::Wait(Some(at("23T07:00"))));
        assert_eq!(next(&settings(), &standing, at("23T07:00")), Next::Digest(day("2026-11-23")));
        assert_eq!(next(&settings(), &standing, at("26T12:00")), Next::Digest(day("2026-11-26")));
        assert_eq!(next(&settings(), &standing, at("26T06:00")), Next::Digest(day("2026-11-25")));
        assert_eq!(settings().since(&standing.told, day("2026-11-26")), at("22T07:00"), "nothing falls between two");
        standing.told.digest = None;
        assert_eq!(next(&settings(), &standing, at("23T06:59")), Next::Begin(day("2026-11-22")));
        let none = Settings { digest: None, ..settings() };
        assert_eq!(next(&none, &standing, at("23T07:00")), Next::Wait(None));
    }

    #[test]
    fn news_of_before_a_clock_was_set_back_do_not_wait_until_it_has_caught_up() {
        let mut standing = standing();
        standing.first_news = Some(at("22T17:00"));
        standing.told.told_at = Some(at("22T16:00"));
        assert_eq!(next(&settings(), &standing, at("22T10:00")), Next::Alert);
    }

    #[test]
    fn a_clock_that_was_set_back_sends_no_digest_twice() {
        let standing = standing();
        assert!(matches!(next(&settings(), &standing, at("21T08:00")), Next::Wait(_)));
    }
}
