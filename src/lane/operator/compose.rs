//! What a notice to the operator says. Pure.

use crate::journal::operator::{Digest, Item};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use minijinja::{Value, context};
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Most requests that one notice names; the rest are counted.
const MOST: usize = 20;
/// Most different faults that it tells.
const MOST_GROUPS: usize = 10;
/// Longest fault, characters.
const LONGEST_FAULT: usize = 300;

static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[^\s<>()\[\],;:@]+@([A-Za-z0-9.\-]+)").ok());
static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\+?\d{8,}").ok());

/// A fault without the addresses and numbers that a server may have put into its answer, on one line.
pub fn masked(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_FAULT).collect();
    let line = ADDRESS.as_ref().map_or(String::new(), |address| address.replace_all(&line, "…@$1").into_owned());
    NUMBER.as_ref().map_or(String::new(), |number| number.replace_all(&line, "…").into_owned())
}

/// A reference as an argument that a shell takes as it is.
pub fn argument(reference: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+=,-".contains(c);
    if reference.chars().all(plain) && !reference.starts_with('-') {
        return reference.to_owned();
    }
    let visible: String = reference.chars().filter(|c| !c.is_control()).collect();
    format!("'{}'", visible.replace('\'', r"'\''"))
}

fn at(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

fn at_text(time: &str, zone: &TimeZone) -> String {
    time.parse().map_or_else(|_| time.to_owned(), |time| at(time, zone))
}

/// The values of `operator-alert`.
pub fn alert(items: &[Item], host: &str, zone: &TimeZone) -> Value {
    let mut groups: BTreeMap<(&str, &str, String), u64> = BTreeMap::new();
    let (mut stuck, mut held, mut late, mut lanes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut put_back = String::new();
    for item in items {
        match item {
            Item::PutBack { at } => put_back = at_text(at, zone),
            Item::Stuck { request, lane, verb, fault } => {
                *groups.entry((lane, verb, masked(fault))).or_default() += 1;
                stuck.push(context! { request => argument(request) });
            }
            Item::Held { request, why } => held.push(context! { request => argument(request), why }),
            Item::Late { request, name, breached, due } => {
                late.push(context! { request => argument(request), name, breached, due => at_text(due, zone) });
            }
            Item::Lane { lane, down, since, fault } => {
                lanes.push(context! { lane, down, since => at_text(since, zone), fault => masked(fault) });
            }
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let more_groups = groups.len().saturating_sub(MOST_GROUPS);
    let groups: Vec<Value> = groups
        .into_iter()
        .take(MOST_GROUPS)
        .map(|((lane, verb, fault), count)| context! { lane, verb, fault, count })
        .collect();
    let (stuck_count, held_count, late_count) = (stuck.len(), held.len(), late.len());
    for list in [&mut stuck, &mut held, &mut late] {
        list.truncate(MOST);
    }
    context! {
        host, total => items.len(), put_back, lanes, groups, more_groups,
        stuck, stuck_count, stuck_more => stuck_count.saturating_sub(MOST),
        held, held_count, held_more => held_count.saturating_sub(MOST),
        late, late_count, late_more => late_count.saturating_sub(MOST),
    }
}

/// The values of `operator-digest`.
pub fn digest(facts: &Digest, since: Timestamp, day: Date, host: &str, zone: &TimeZone) -> Value {
    let of = |state: &str| facts.open.iter().find(|(word, _)| word == state).map_or(0, |(_, count)| *count);
    let lanes: Vec<Value> = facts
        .lanes
        .iter()
        .map(|lane| {
            let down = facts.down.iter().find(|down| down.lane == lane.lane);
            context! {
                lane => lane.lane.clone(), waits => lane.ready + lane.retry + lane.running, stuck => lane.stuck,
                paused => lane.paused, down => down.is_some(),
                since => down.map(|down| at(down.since, zone)).unwrap_or_default(),
                fault => down.map(|down| masked(&down.fault)).unwrap_or_default(),
            }
        })
        .collect();
    let waiting: Vec<Value> = facts
        .waiting
        .iter()
        .map(|(request, state, since)| context! { request => argument(request), state, since => at(*since, zone) })
        .collect();
    let needs = of("stuck") + of("held");
    context! {
        host, day => day.to_string(), since => at(since, zone),
        received => facts.received, done => facts.done, breached => facts.breached,
        working => of("working"), waits => of("waiting"), stuck => of("stuck"), held => of("held"),
        withdrawing => of("withdrawing"),
        oldest => facts.oldest.as_ref().map(|(request, _)| argument(request)).unwrap_or_default(),
        oldest_since => facts.oldest.as_ref().map(|(_, since)| at(*since, zone)).unwrap_or_default(),
        more => needs.saturating_sub(waiting.len() as u64), waiting, lanes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fault_is_told_without_the_addresses_and_numbers_in_it() {
        for (fault, told) in [
            ("550 5.1.1 <budi.santoso@example.org>: rejected", "550 5.1.1 <…@example.org>: rejected"),
            ("no such entry: 198501012015041003", "no such entry: …"),
            ("gateway: +6281234567890 barred\r\nX: y", "gateway: … barred  X: y"),
            ("connection refused", "connection refused"),
        ] {
            assert_eq!(masked(fault), told);
        }
    }

    #[test]
    fn a_reference_can_be_pasted_into_a_shell() {
        assert_eq!(argument("p:B-12/Un.03/2026@1"), "p:B-12/Un.03/2026@1");
        assert_eq!(argument("p:B 12; reboot@1"), "'p:B 12; reboot@1'");
        assert_eq!(argument("p:it's $(x)\n@1"), r"'p:it'\''s $(x)@1'");
        assert_eq!(argument("-c x"), "'-c x'");
    }

    fn at_noon() -> Timestamp {
        "2026-11-20T05:00:00Z".parse().unwrap()
    }

    fn sample_items() -> Vec<Item> {
        let request = |n: u32| format!("unja-email:B-{n}/UN21/2026@1");
        let mut items: Vec<Item> = (1..=5000)
            .map(|n| Item::Stuck {
                request: request(n),
                lane: "email".into(),
                verb: "deliver".into(),
                fault: "550 <budi@example.org> rejected".into(),
            })
            .collect();
        items.push(Item::Held { request: request(1), why: "review".into() });
        let due = at_noon().to_string();
        items.push(Item::Late { request: request(4), name: "serah terima".into(), breached: true, due });
        items.push(Item::PutBack { at: at_noon().to_string() });
        let since = at_noon().to_string();
        items.push(Item::Lane { lane: "email".into(), down: true, since, fault: "refused".into() });
        items
    }

    fn sample_facts() -> Digest {
        use crate::journal::operator::LaneDown;
        use crate::journal::read::LaneStatus;
        let lane = |lane: &str| LaneStatus {
            lane: lane.into(),
            paused: false,
            ready: 4,
            retry: 1,
            running: 0,
            stuck: 2,
            oldest: None,
        };
        Digest {
            received: 41,
            done: 38,
            breached: 1,
            open: vec![("stuck".into(), 2)],
            oldest: Some(("p:1@1".into(), at_noon())),
            waiting: vec![("p:1@1".into(), "stuck".into(), at_noon())],
            lanes: vec![lane("email"), lane("directory")],
            down: vec![LaneDown { lane: "email".into(), since: at_noon(), fault: "connection refused".into() }],
        }
    }

    /// The keys of a value and of what its lists hold.
    fn keys(value: &Value) -> BTreeMap<String, Vec<String>> {
        let inside = |value: &Value| {
            let list = (value.kind() == minijinja::value::ValueKind::Seq).then(|| value.try_iter().ok()).flatten();
            let first = list.and_then(|mut list| list.next());
            first.and_then(|first| first.try_iter().ok()).map(|keys| keys.map(|key| key.to_string()).collect())
        };
        let names = value.try_iter().unwrap().map(|key| key.to_string());
        names.map(|name| (name.clone(), inside(&value.get_attr(&name).unwrap()).unwrap_or_default())).collect()
    }

    #[test]
    fn templates_are_checked_with_the_values_that_they_will_get() {
        use crate::channel::notice::OperatorNotice;
        let alert = alert(&sample_items(), "akun", &TimeZone::UTC);
        assert_eq!(keys(&alert), keys(&OperatorNotice::Alert.sample()));
        let day = jiff::civil::date(2026, 11, 21);
        let digest = digest(&sample_facts(), at_noon(), day, "akun", &TimeZone::UTC);
        assert_eq!(keys(&digest), keys(&OperatorNotice::Digest.sample()));
    }

    #[test]
    fn a_burst_of_five_thousand_is_one_short_notice_without_a_persons_address() {
        let templates = crate::channel::notice::Templates::load(None).unwrap();
        for language in ["id", "en"] {
            let values = alert(&sample_items(), "akun", &TimeZone::UTC);
            let notice = crate::channel::notice::OperatorNotice::Alert;
            let rendered = templates.render_operator(notice, language, values).unwrap();
            let text = rendered.text.expose();
            assert!(text.lines().count() < 60 && rendered.subject.contains("5004"), "{text}");
            assert!(text.contains("5000 ") && text.contains("4980 "), "{text}");
            assert!(!text.contains("budi@") && text.contains("akund unpause"), "{text}");
            assert!(text.contains("akund retry unja-email:B-1/UN21/2026@1 --reason"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_pasted_is_one_word_and_no_more(text in any::<String>()) {
            let argument = argument(&text);
            prop_assert!(!argument.contains(['\n', '\r']));
            let quoted = argument.strip_prefix('\'').and_then(|a| a.strip_suffix('\''));
            if let Some(inside) = quoted {
                prop_assert!(!inside.replace(r"'\''", "").contains('\''), "{}", argument);
            }
        }

        #[test]
        fn no_address_is_left_in_a_fault(local in "[a-z0-9._+-]{1,20}", text in "[ a-z<>:]{0,30}") {
            let fault = format!("{text} {local}@example.org {text}");
            prop_assert!(!masked(&fault).contains(&format!("{local}@")), "{}", masked(&fault));
        }
    }
}
