//! When files are complete and which go first.

use super::super::look::{Identity, Kind};
use super::*;
use proptest::prelude::*;

const SETTLE: Duration = Duration::from_millis(1000);
const WAIT: Duration = Duration::from_secs(10);
const LIMITS: Limits = Limits { files: 4, bytes: 1000, big: 500, tracked: 100 };

fn look(size: u64, changed: i64) -> Look {
    let identity = Identity { dev: 1, ino: 1, size, modified: (changed, 0), changed: (changed, 0) };
    Look { identity, kind: Kind::File, links: 1, owner: 0 }
}

/// A clock that the test turns.
struct Clock(Instant);

impl Clock {
    fn new() -> Self {
        // Far enough from the start of the monotonic clock for files older than it.
        Self(Instant::now() + Duration::from_secs(100_000))
    }
    /// `wall` is seconds since 1970, counted as the clock goes on by `after`.
    fn at(&self, after: Duration) -> Now {
        let wall = 1_000_000 + i64::try_from(after.as_secs()).unwrap();
        Now { instant: self.0 + after, wall: (wall, i64::from(after.subsec_nanos())) }
    }
}

fn queue(sources: &[bool]) -> Queue {
    Queue::new(Rules { settle: SETTLE, signature_wait: WAIT }, LIMITS, sources.iter().copied())
}

fn names(chosen: Vec<(usize, OsString, Look)>) -> Vec<String> {
    chosen.into_iter().map(|(source, name, _)| format!("{source}/{}", name.to_string_lossy())).collect()
}

fn chosen_at(queue: &mut Queue, clock: &Clock, after: Duration) -> Vec<String> {
    names(queue.choose(clock.at(after).instant))
}

#[test]
fn how_long_a_file_waits_depends_on_how_it_came() {
    let (new, now) = (1_000_000, Duration::ZERO);
    for (hint, size, age, links, wait) in [
        (Some(Hint::Moved), 10, 0, 1, now),
        (Some(Hint::Closed), 10, 0, 1, SETTLE / 10),
        (Some(Hint::Closed), 0, 0, 1, SETTLE),
        (None, 10, 0, 1, SETTLE),
        (None, 0, 0, 1, SETTLE * 60),
        (Some(Hint::Writing), 10, 0, 1, SETTLE * 60),
        (None, 10, 3600, 1, now),
        (None, 0, 3600, 1, now),
        (Some(Hint::Moved), 10, 0, 2, SETTLE),
        (None, 10, 3600, 2, now),
        (None, 10, -3600, 1, SETTLE),
    ] {
        let (clock, mut queue) = (Clock::new(), queue(&[false]));
        let seen = Look { links, ..look(size, new - age) };
        queue.see(0, "a".into(), seen, hint, clock.at(now));
        if wait > now {
            let early = wait - Duration::from_millis(1);
            assert_eq!(
                queue.next_deadline(clock.at(now).instant),
                Some(clock.at(wait).instant),
                "{hint:?} {size} {age}"
            );
            assert!(chosen_at(&mut queue, &clock, early).is_empty(), "{hint:?} {size} {age} too early");
        }
        assert_eq!(chosen_at(&mut queue, &clock, wait), ["0/a"], "{hint:?} {size} {age}");
        assert_eq!(queue.next_deadline(clock.at(wait).instant), None);
    }
}

#[test]
fn a_file_that_changes_begins_to_settle_anew() {
    let (clock, mut queue) = (Clock::new(), queue(&[false]));
    for second in 0..5 {
        let after = Duration::from_millis(900) * second;
        queue.see(0, "a".into(), look(10 + u64::from(second), 1_000_000 + i64::from(second)), None, clock.at(after));
        assert!(chosen_at(&mut queue, &clock, after).is_empty());
    }
    assert_eq!(chosen_at(&mut queue, &clock, Duration::from_millis(900) * 4 + SETTLE), ["0/a"]);
}

#[test]
fn a_writer_that_pauses_is_waited_for_until_it_closes() {
    let (clock, mut queue) = (Clock::new(), queue(&[false]));
    queue.see(0, "a".into(), look(10, 1_000_000), Some(Hint::Writing), clock.at(Duration::ZERO));
    assert!(chosen_at(&mut queue, &clock, SETTLE * 30).is_empty());
    queue.see(0, "a".into(), look(20, 1_000_030), Some(Hint::Closed), clock.at(SETTLE * 30));
    assert_eq!(chosen_at(&mut queue, &clock, SETTLE * 31), ["0/a"]);
}

#[test]
fn after_lost_events_nobody_waits_for_a_close_that_may_have_been() {
    let (clock, mut queue) = (Clock::new(), queue(&[false]));
    queue.see(0, "a".into(), look(10, 1_000_000), Some(Hint::Writing), clock.at(Duration::ZERO));
    queue.events_lost();
    assert_eq!(chosen_at(&mut queue, &clock, SETTLE), ["0/a"]);
}

#[test]
fn a_record_waits_for_its_signature_but_not_for_ever() {
    let (clock, mut queue) = (Clock::new(), queue(&[true, false]));
    let start = clock.at(Duration::ZERO);
    for (source, name) in [(0, "late"), (0, "never"), (1, "unsigned")] {
        queue.see(source, name.into(), look(10, 1_000_000), Some(Hint::Moved), start);
    }
    assert_eq!(chosen_at(&mut queue, &clock, Duration::ZERO), ["1/unsigned"]);
    let three = Duration::from_secs(3);
    queue.see_signature(0, "late.sig".into(), look(300, 1_000_003), Some(Hint::Closed), clock.at(three));
    assert_eq!(queue.next_deadline(clock.at(three).instant), Some(clock.at(three + SETTLE / 10).instant));
    assert!(chosen_at(&mut queue, &clock, three).is_empty());
    assert_eq!(chosen_at(&mut queue, &clock, three + SETTLE / 10), ["0/late"]);
    assert!(chosen_at(&mut queue, &clock, WAIT - Duration::from_millis(1)).is_empty());
    assert_eq!(chosen_at(&mut queue, &clock, WAIT), ["0/never"]);
}

#[test]
fn sources_take_turns_and_in_each_what_came_first_goes_first() {
    let (clock, mut queue) = (Clock::new(), queue(&[false, false]));
    let now = clock.at(Duration::ZERO);
    for (source, name, size, came) in [
        (0, "suspend", 300, 999_997),
        (0, "resume", 10, 999_998),
        // Within one tick of the kernel's clock: as they were seen.
        (0, "z", 20, 999_999),
        (0, "y", 20, 999_999),
        (0, "before", 50, 999_990),
        (1, "x", 400, 1_000_000),
        (1, "w", 5, 1_000_000),
    ] {
        queue.see(source, name.into(), look(size, came), Some(Hint::Moved), now);
    }
    assert_eq!(names(queue.choose(now.instant)), ["0/before", "1/x", "0/suspend", "1/w"]);
    assert_eq!(names(queue.choose(now.instant)), ["0/resume", "0/z", "0/y"]);
    assert!(queue.choose(now.instant).is_empty());
}

#[test]
fn a_big_file_comes_alone_when_no_small_one_is_left() {
    let (clock, mut queue) = (Clock::new(), queue(&[false, false]));
    let now = clock.at(Duration::ZERO);
    for (source, name, size) in [(0, "huge", 5000), (0, "big", 600), (1, "small", 10)] {
        queue.see(source, name.into(), look(size, 1_000_000), Some(Hint::Moved), now);
    }
    assert_eq!(names(queue.choose(now.instant)), ["1/small"]);
    assert_eq!(names(queue.choose(now.instant)), ["0/big"]);
    assert_eq!(names(queue.choose(now.instant)), ["0/huge"]);
}

#[test]
fn a_big_file_is_not_held_up_for_ever_by_small_ones_nor_they_by_many_big_ones() {
    let (clock, mut queue) = (Clock::new(), queue(&[false]));
    let now = clock.at(Duration::ZERO);
    for name in ["big1", "big2", "big3"] {
        queue.see(0, name.into(), look(5000, 1_000_000), Some(Hint::Moved), now);
    }
    let mut order = Vec::new();
    for batch in 0..20 {
        for i in 0..8 {
            queue.see(0, format!("small{batch}-{i}").into(), look(10, 1_000_000), Some(Hint::Moved), now);
        }
        order.push(names(queue.choose(now.instant))[0].starts_with("0/big"));
    }
    assert_eq!(order.iter().filter(|big| **big).count(), 3, "{order:?}");
    assert!(!order.windows(2).any(|pair| pair[0] && pair[1]), "two big ones in a row: {order:?}");
}

#[test]
fn what_is_not_kept_in_mind_is_listed_again_when_there_is_room() {
    let (clock, mut queue) = (Clock::new(), queue(&[false]));
    let now = clock.at(Duration::ZERO);
    for i in 0..=LIMITS.tracked {
        queue.see(0, format!("{i}").into(), look(10, 1_000_000), Some(Hint::Moved), now);
    }
    assert!(!queue.wants_listing(0));
    for _ in 0..=LIMITS.tracked / 2 / LIMITS.files {
        queue.choose(now.instant);
    }
    assert!(queue.wants_listing(0));
    queue.set_more(0, false);
    assert!(!queue.wants_listing(0));
}

proptest! {
    #[test]
    fn every_file_is_chosen_once_within_the_limits(sizes in prop::collection::vec((0usize..3, 1u64..2000), 1..60)) {
        let (clock, mut queue) = (Clock::new(), queue(&[false, false, false]));
        let now = clock.at(Duration::ZERO);
        for (i, (source, size)) in sizes.iter().enumerate() {
            queue.see(*source, format!("{i}").into(), look(*size, 1_000_000), Some(Hint::Moved), now);
        }
        let mut all = Vec::new();
        loop {
            let chosen = queue.choose(now.instant);
            if chosen.is_empty() {
                break;
            }
            let bytes: u64 = chosen.iter().map(|(_, _, look)| look.identity.size).sum();
            prop_assert!(chosen.len() <= LIMITS.files);
            prop_assert!(bytes <= LIMITS.bytes || chosen.len() == 1);
            all.extend(names(chosen));
        }
        all.sort();
        let mut expected: Vec<_> = sizes.iter().enumerate().map(|(i, (source, _))| format!("{source}/{i}")).collect();
        expected.sort();
        prop_assert_eq!(all, expected);
    }
}
