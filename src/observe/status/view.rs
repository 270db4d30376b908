//! From what was read to what is shown: every text masked, every number written out. Pure.

use super::data::{Data, Lane};
use super::mask::mask;
use super::timeline::{self, Timeline};
use super::volume::{self, Volume};
use super::words::Tongue;
use crate::journal::State;
use crate::journal::status::{Seen, SeenStep};
use crate::procedure::file::SopStep;
use crate::procedure::standard::{self, Standing};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// What has waited for less is on its way.
const WORTH_A_WORD: SignedDuration = SignedDuration::from_mins(1);

/// The first page.
#[derive(Debug, Serialize)]
pub struct Home {
    /// In one sentence.
    pub headline: Headline,
    /// The numbers at the top.
    pub tiles: Vec<Tile>,
    /// Every lane.
    pub lanes: Vec<LaneShown>,
    /// Every outlet of outcome documents, whose steps are documents.
    pub outlets: Vec<LaneShown>,
    /// Lists of open requests that hold something.
    pub lists: Vec<List>,
    /// Those that ended last.
    pub ended: List,
    /// The last 30 days.
    pub volume: Volume,
}

/// `level` is good, warn or bad; with it goes a word or a sign, never colour alone.
#[derive(Debug, Serialize)]
pub struct Headline {
    /// How it stands.
    pub level: &'static str,
    /// In a few words.
    pub text: String,
    /// What exactly.
    pub details: Vec<String>,
}

/// A number.
#[derive(Debug, Serialize)]
pub struct Tile {
    /// What it counts.
    pub label: &'static str,
    /// The number.
    pub number: String,
    /// What that means.
    pub about: String,
    /// good, warn or bad.
    pub level: &'static str,
}

/// A lane.
#[derive(Debug, Serialize)]
pub struct LaneShown {
    /// Its name.
    pub name: String,
    /// How it stands, in words.
    pub state: &'static str,
    /// good, warn or bad.
    pub level: &'static str,
    /// How long nothing has succeeded there, where it is out of reach.
    pub away: Option<String>,
    /// For how long the oldest step has waited, where that is worth a word.
    pub oldest: Option<String>,
    /// Steps that can be claimed.
    pub queue: String,
    /// Steps in flight.
    pub running: String,
    /// Steps that wait for a retry.
    pub again: String,
    /// Steps that need a person.
    pub stuck: String,
    /// Which of these four are nothing: on a small screen they are left out.
    pub nothing: [bool; 4],
    /// What is wrong, or was.
    pub fault: Option<String>,
    /// The class of it.
    pub class: Option<String>,
    /// How long ago.
    pub fault_ago: Option<String>,
}

/// Some requests.
#[derive(Debug, Serialize)]
pub struct List {
    /// The state's word.
    pub state: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// The requests.
    pub items: Vec<Item>,
    /// How many more there are.
    pub more: Option<String>,
}

/// A request in a list.
#[derive(Debug, Serialize)]
pub struct Item {
    /// `PROCEDURE:ID@REVISION`, masked.
    pub key: String,
    /// For the link.
    pub uid: String,
    /// What it asks for.
    pub action: String,
    /// Where it stands.
    pub state: String,
    /// The same, as a class.
    pub state_word: String,
    /// How long it has stood there; of one that ended, how long it took.
    pub time: String,
    /// One for each step.
    pub marks: Vec<Mark>,
    /// `3 of 5`.
    pub progress: String,
    /// Its current step, or why it is held.
    pub at: Option<String>,
    /// That step's fault.
    pub fault: Option<String>,
    /// How it stands against the written procedure's times, where there is something to say.
    pub standard: Option<Against>,
}

/// How a request stands against time.
#[derive(Debug, Serialize)]
pub struct Against {
    /// dim, warn or bad.
    pub level: &'static str,
    /// For people.
    pub text: String,
}

/// A step in little.
#[derive(Debug, Serialize)]
pub struct Mark {
    /// Left edge, percent.
    pub x: f64,
    /// Width, percent.
    pub width: f64,
    /// The step's state.
    pub state: String,
}

/// A request's own page.
#[derive(Debug, Serialize)]
pub struct One {
    /// As in a list.
    pub item: Item,
    /// Who handed it in.
    pub source: String,
    /// When it came.
    pub received: String,
    /// Since when it stands there.
    pub since: String,
    /// When it ended.
    pub ended: Option<String>,
    /// What judging gave.
    pub verdict: String,
    /// Why it is held.
    pub hold: Option<String>,
    /// The account, masked.
    pub account: Vec<String>,
    /// Commands that help, by what they are for.
    pub commands: Vec<String>,
    /// The picture; none where the procedure has no table of steps.
    pub timeline: Option<Timeline>,
    /// Every step.
    pub steps: Vec<StepShown>,
}

/// A step.
#[derive(Debug, Serialize)]
pub struct StepShown {
    /// The SOP's number.
    pub sop: Option<String>,
    /// What is done, where.
    pub what: String,
    /// The lane.
    pub lane: String,
    /// In words.
    pub state: String,
    /// As a class.
    pub state_word: String,
    /// How often.
    pub attempts: u32,
    /// When it began.
    pub began: Option<String>,
    /// How long it took.
    pub took: Option<String>,
    /// How it was shown.
    pub proof: Option<String>,
    /// What went wrong.
    pub fault: Option<String>,
    /// When it is tried again.
    pub due: Option<String>,
}

/// What is wrong with akund itself, from its health.
#[derive(Debug, Default)]
pub struct Ailing {
    /// Why it is unwell.
    pub unwell: Vec<String>,
    /// Why requests are not taken.
    pub closed: Option<String>,
}

/// The first page.
pub fn home(data: &Data, ailing: &Ailing, tongue: Tongue) -> Home {
    let lists = data.open.iter().filter(|(_, items)| !items.is_empty()).map(|(state, items)| {
        let all = count(data, *state);
        let more = all.saturating_sub(items.len() as u64);
        List {
            state: state.as_str(),
            title: tongue.word(heading(*state)),
            items: items.iter().map(|one| item(one, tongue, data.at)).collect(),
            more: (more > 0).then(|| tongue.number(more)),
        }
    });
    Home {
        headline: headline(data, ailing, tongue),
        tiles: tiles(data, tongue),
        lanes: data.lanes.iter().map(|lane| self::lane(lane, tongue, data.at)).collect(),
        outlets: data.outlets.iter().map(|lane| self::lane(lane, tongue, data.at)).collect(),
        lists: lists.collect(),
        ended: List {
            state: "ended",
            title: tongue.word("list_ended"),
            items: data.ended.iter().map(|one| item(one, tongue, data.at)).collect(),
            more: None,
        },
        volume: volume::draw(&data.days, tongue),
    }
}

fn heading(state: State) -> &'static str {
    match state {
        State::Stuck => "list_stuck",
        State::Held => "list_held",
        State::Waiting => "list_waiting",
        State::Working => "list_working",
        State::Withdrawing => "list_withdrawing",
        State::Refused | State::Redirected | State::Conflicted | State::Done | State::Withdrawn => "list_ended",
    }
}

fn count(data: &Data, state: State) -> u64 {
    data.counts.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| *count)
}

/// Lanes and outlets.
fn everywhere(data: &Data) -> impl Iterator<Item = &Lane> {
    data.lanes.iter().chain(&data.outlets)
}

fn headline(data: &Data, ailing: &Ailing, tongue: Tongue) -> Headline {
    let names = |chosen: &dyn Fn(&Lane) -> bool| {
        let names: Vec<&str> =
            everywhere(data).filter(|lane| chosen(lane)).map(|lane| lane.status.lane.as_str()).collect();
        names.join(", ")
    };
    let (down, paused) = (names(&|lane| lane.up == Some(false)), names(&|lane| lane.status.paused));
    let stuck = count(data, State::Stuck);
    let needs = tongue.word(if stuck == 1 { "needs_person_one" } else { "needs_person" });
    let needs = format!("{} {needs}", tongue.number(stuck));
    let mut parts: Vec<(&'static str, String)> = Vec::new();
    let unwell = ailing.unwell.iter().map(|why| mask(why, &[])).collect::<Vec<_>>();
    if !unwell.is_empty() {
        parts.push(("bad", tongue.word("unwell").to_owned()));
    }
    if stuck > 0 {
        parts.push(("bad", needs));
    }
    if data.late > 0 {
        let word = tongue.word(if data.late == 1 { "are_late_one" } else { "are_late" });
        parts.push(("warn", format!("{} {word}", tongue.number(data.late))));
    }
    if ailing.closed.is_some() {
        parts.push(("warn", tongue.word("closed").to_owned()));
    }
    for (list, word) in [(down, "lanes_down"), (paused, "lanes_paused")] {
        if !list.is_empty() {
            parts.push(("warn", format!("{}: {list}", tongue.word(word))));
        }
    }
    let mut parts = parts.into_iter();
    let (level, text) = parts.next().unwrap_or(("good", tongue.word("all_well").to_owned()));
    let closed = ailing.closed.iter().map(|why| mask(why, &[]));
    Headline { level, text, details: parts.map(|(_, text)| text).chain(unwell).chain(closed).collect() }
}

fn tiles(data: &Data, tongue: Tongue) -> Vec<Tile> {
    let moving = count(data, State::Working) + count(data, State::Withdrawing);
    let waiting = count(data, State::Waiting) + count(data, State::Held);
    let stuck = count(data, State::Stuck);
    let paused = everywhere(data).filter(|lane| lane.status.paused).count() as u64;
    let done: u64 = data.days.iter().map(|day| day.done).sum();
    // Of the days' medians the one that most requests saw.
    let busiest = data.days.iter().max_by_key(|day| day.done).and_then(|day| day.median);
    let tile = |label, number, about: &'static str, level| Tile {
        label: tongue.word(label),
        number: tongue.number(number),
        about: tongue.word(about).to_owned(),
        level,
    };
    let when = |bad: bool, level| if bad { level } else { "good" };
    vec![
        tile("stuck", stuck, "stuck_about", when(stuck > 0, "bad")),
        tile("over_time", data.late, "over_time_about", when(data.late > 0, "bad")),
        tile("waiting", waiting, "waiting_about", "good"),
        tile("moving", moving, "moving_about", "good"),
        tile("paused", paused, "paused_about", when(paused > 0, "warn")),
        Tile {
            about: busiest
                .map_or_else(String::new, |t| format!("{} {}", tongue.word("median_elapsed"), tongue.span(t))),
            ..tile("done_30", done, "done", "good")
        },
    ]
}

fn lane(lane: &Lane, tongue: Tongue, now: Timestamp) -> LaneShown {
    let status = &lane.status;
    let (state, level) = match lane {
        _ if status.paused => ("lane_paused", "warn"),
        Lane { up: Some(false), .. } => ("lane_down", "bad"),
        _ if status.stuck > 0 => ("lane_stuck", "bad"),
        _ if status.retry > 0 && lane.fault.is_some() => ("lane_again", "warn"),
        _ if status.running + status.ready > 0 => ("lane_working", "good"),
        _ => ("lane_idle", "good"),
    };
    let waits = status.ready + status.retry + status.running > 0;
    let oldest = status.oldest.filter(|since| waits && now.duration_since(*since) >= WORTH_A_WORD);
    let class = lane.fault.as_ref().map(|fault| fault.class.clone());
    let class = class.or(lane.last_fault.map(|(_, class)| class.as_str().to_owned()));
    LaneShown {
        name: status.lane.clone(),
        state: tongue.word(state),
        level,
        away: lane.away.filter(|_| lane.up == Some(false) && !status.paused).map(|since| tongue.between(since, now)),
        oldest: oldest.map(|since| tongue.between(since, now)),
        queue: tongue.number(status.ready),
        running: tongue.number(status.running),
        again: tongue.number(status.retry),
        stuck: tongue.number(status.stuck),
        nothing: [status.ready, status.running, status.retry, status.stuck].map(|steps| steps == 0),
        fault: lane.fault.as_ref().map(|fault| mask(&fault.fault, &fault.names)),
        class: class.map(|class| tongue.model(&class)),
        fault_ago: lane.last_fault.map(|(at, _)| tongue.between(at, now)),
    }
}

fn item(one: &Seen, tongue: Tongue, now: Timestamp) -> Item {
    let current = one.steps.iter().find(|s| matches!(s.state.as_str(), "ready" | "retry" | "running" | "stuck"));
    let shown: Vec<&SeenStep> =
        one.steps.iter().filter(|step| step.part != "undo" || one.state == "withdrawn").collect();
    let shown = if shown.is_empty() { one.steps.iter().collect() } else { shown };
    let done = shown.iter().filter(|step| step.state == "done").count();
    let place = 100.0 / shown.len().max(1) as f64;
    let again =
        |step: &SeenStep| if step.state == "retry" { format!(", {}", tongue.model("retry")) } else { String::new() };
    let hold = one.hold.as_deref().filter(|_| one.state == "held").map(|hold| tongue.model(hold));
    Item {
        // The procedure's name is the configuration's, whatever accounts are called.
        key: format!("{}:{}@{}", one.procedure, mask(&one.id, &one.names), one.revision),
        uid: one.uid.clone(),
        action: tongue.model(&one.action),
        state: tongue.model(&one.state),
        state_word: one.state.clone(),
        time: match one.ended_at {
            Some(ended) => format!("{} {}", tongue.word("within_time"), tongue.between(one.received_at, ended)),
            None => format!("{} {}", tongue.word("for_time"), tongue.between(one.state_at, now)),
        },
        marks: shown
            .iter()
            .enumerate()
            .map(|(n, step)| Mark {
                x: (n as f64 * place * 100.0).round() / 100.0,
                width: ((place - 1.5).max(1.0) * 100.0).round() / 100.0,
                state: step.state.clone(),
            })
            .collect(),
        progress: format!("{done} {} {}", tongue.word("of"), shown.len()),
        at: current.map(|step| format!("{}: {}{}", step.lane, verb(step, tongue), again(step))).or(hold),
        fault: current.and_then(|step| step.fault.as_ref()).map(|fault| mask(fault, &one.names)),
        standard: against(one, tongue, now),
    }
}

/// Of what runs the first end; of what is over whether it was late.
fn against(one: &Seen, tongue: Tongue, now: Timestamp) -> Option<Against> {
    let (standard, course) = one.course.as_ref()?;
    let clocks = standard::clocks(standard, course);
    let Some(first) = standard::first(&clocks) else {
        let late = course.done && standard::is_late(standard, course, now);
        return late.then(|| Against { level: "warn", text: tongue.word("late").to_owned() });
    };
    let left = standard::left(&standard.calendar, first.due_at, now);
    let level = match first.standing(now)? {
        Standing::InTime => "dim",
        Standing::Warned => "warn",
        Standing::Breached => "bad",
    };
    let word = if level == "bad" { "late_by" } else { "time_left" };
    Some(Against { level, text: format!("{} {}", tongue.word(word), tongue.working(left.unsigned_abs())) })
}

fn verb(step: &SeenStep, tongue: Tongue) -> String {
    let verb = tongue.model(&step.verb);
    match &step.notice {
        Some(notice) => format!("{verb} ({})", tongue.model(notice)),
        None => verb,
    }
}

/// A request's own page. `sop` is its procedure's table, as it is in force.
pub fn one(seen: &Seen, sop: &[SopStep], zone: &TimeZone, tongue: Tongue, now: Timestamp) -> One {
    let item = item(seen, tongue, now);
    let key = format!("{}:{}@{}", seen.procedure, seen.id, seen.revision);
    let steps = seen.steps.iter().map(|step| StepShown {
        sop: step.sop.clone(),
        what: verb(step, tongue),
        lane: step.lane.clone(),
        state: tongue.model(&step.state),
        state_word: step.state.clone(),
        attempts: step.attempts,
        began: step.began_at.map(|at| tongue.moment(at, zone)),
        took: step.began_at.zip(step.done_at).map(|(from, to)| tongue.between(from, to)),
        proof: step.proof.as_deref().map(|proof| tongue.model(proof)),
        fault: step.fault.as_ref().map(|fault| mask(fault, &seen.names)),
        due: step.due_at.map(|at| tongue.moment(at, zone)),
    });
    // A command is offered where it can be copied as it stands: not where the id had to be masked.
    let verbs: &[&str] = match (seen.state.as_str(), seen.hold.as_deref()) {
        ("stuck", _) => &["show", "retry", "withdraw"],
        ("held", Some("review")) | ("waiting", _) => &["show", "release", "withdraw"],
        ("held" | "working", _) => &["show", "withdraw"],
        _ => &["show"],
    };
    let whole = item.key == key && key.chars().all(|c| c.is_ascii_alphanumeric() || ":@/.-_".contains(c));
    let reason = |verb: &str| if verb == "show" { "" } else { " --reason \"…\"" };
    let commands = verbs.iter().filter(|_| whole).map(|verb| format!("akund {verb} {key}{}", reason(verb)));
    One {
        source: mask(&seen.source, &[]),
        received: tongue.moment(seen.received_at, zone),
        since: tongue.moment(seen.state_at, zone),
        ended: seen.ended_at.map(|at| tongue.moment(at, zone)),
        verdict: tongue.model(&seen.verdict),
        hold: seen.hold.as_deref().filter(|_| seen.state == "held").map(|hold| tongue.model(hold)),
        account: seen.names.iter().map(|name| crate::model::said::masked(name)).collect(),
        commands: commands.collect(),
        timeline: seen
            .course
            .as_ref()
            .map(|(standard, course)| timeline::draw(seen, (standard, course), sop, tongue, now)),
        steps: steps.collect(),
        item,
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::LISTED;
    use super::super::timeline::tests::{at, request, step};
    use super::*;
    use crate::journal::read::LaneStatus;
    use crate::journal::status::LaneFault;
    use crate::model::FaultClass;

    fn lane_of(name: &str) -> Lane {
        let status =
            LaneStatus { lane: name.into(), paused: false, ready: 0, retry: 0, running: 0, stuck: 0, oldest: None };
        Lane { status, up: None, fault: None, last_fault: None, away: None }
    }

    fn data() -> Data {
        Data {
            at: at(100),
            zone: TimeZone::UTC,
            counts: LISTED.into_iter().map(|state| (state, 0)).collect(),
            open: Vec::new(),
            ended: Vec::new(),
            late: 0,
            lanes: vec![lane_of("mail")],
            outlets: vec![lane_of("tickets")],
            days: Vec::new(),
        }
    }

    #[test]
    fn the_headline_says_the_worst_first() {
        let good = home(&data(), &Ailing::default(), Tongue::Id).headline;
        assert_eq!((good.level, good.text.as_str()), ("good", "Semua berjalan"));
        let mut bad = data();
        bad.counts[0].1 = 2;
        bad.lanes[0].up = Some(false);
        let ailing = Ailing { unwell: Vec::new(), closed: Some("akund is draining".into()) };
        let headline = home(&bad, &ailing, Tongue::En).headline;
        assert_eq!((headline.level, headline.text.as_str()), ("bad", "2 requests need a person"));
        assert_eq!(headline.details, ["New requests are not taken", "Cannot be reached: mail", "akund is draining"]);
    }

    #[test]
    fn an_outlet_is_named_with_the_lanes_that_are_paused_or_out_of_reach() {
        let mut bad = data();
        bad.lanes[0].status.paused = true;
        bad.outlets[0].status.paused = true;
        let shown = home(&bad, &Ailing::default(), Tongue::En);
        assert_eq!(shown.headline.text, "Paused: mail, tickets");
        assert_eq!(shown.tiles[4].number, "2");
        bad.outlets[0].status.paused = false;
        bad.outlets[0].up = Some(false);
        bad.outlets[0].away = Some(at(40));
        (bad.outlets[0].status.retry, bad.outlets[0].status.oldest) = (3, Some(at(10)));
        let shown = home(&bad, &Ailing::default(), Tongue::En);
        assert_eq!(shown.headline.text, "Cannot be reached: tickets");
        let outlet = &shown.outlets[0];
        assert_eq!((outlet.state, outlet.level, outlet.again.as_str()), ("unreachable", "bad", "3"));
        assert_eq!((outlet.away.as_deref(), outlet.oldest.as_deref()), (Some("1 min"), Some("1 min 30 s")));
        // What waits for a moment only is not worth a word.
        bad.outlets[0].status.oldest = Some(at(50));
        assert_eq!(home(&bad, &Ailing::default(), Tongue::En).outlets[0].oldest, None);
    }

    #[test]
    fn a_lane_is_shown_as_what_it_needs_most() {
        let state = |change: &dyn Fn(&mut Lane)| {
            let mut one = lane_of("mail");
            change(&mut one);
            lane(&one, Tongue::En, at(0)).state
        };
        assert_eq!(state(&|_| ()), "ready");
        assert_eq!(state(&|lane| lane.status.ready = 1), "working");
        assert_eq!(state(&|lane| lane.status.stuck = 1), "needs a person");
        let fault = || Some(LaneFault { class: "transient".into(), fault: "down".into(), names: Vec::new() });
        assert_eq!(state(&|lane| (lane.status.retry, lane.fault) = (1, fault())), "tries again");
        assert_eq!(state(&|lane| (lane.up, lane.status.stuck) = (Some(false), 1)), "unreachable");
        assert_eq!(state(&|lane| (lane.up, lane.status.paused) = (Some(false), true)), "paused");
    }

    #[test]
    fn faults_and_ids_are_shown_masked() {
        let mut seen = request(
            vec![SeenStep { fault: Some("user budi77 exists".into()), ..step("1", "stuck", Some(1), None) }],
            None,
        );
        seen.names = vec!["budi77@example.org".into(), "budi77".into()];
        seen.id = "NIP 198501012015041003".into();
        let shown = one(&seen, &[], &TimeZone::UTC, Tongue::En, at(5));
        let text = serde_json::to_string(&shown).unwrap();
        assert!(!text.contains("budi77") && !text.contains("19850101"), "{text}");
        assert_eq!(shown.account, ["b…@example.org", "b…"]);
        assert!(shown.commands.is_empty(), "a masked id is no argument of a command");
        let fault = LaneFault { class: "permanent".into(), fault: "user budi77 exists".into(), names: seen.names };
        let shown = lane(
            &Lane { fault: Some(fault), last_fault: Some((at(0), FaultClass::Permanent)), ..lane_of("mail") },
            Tongue::Id,
            at(60),
        );
        assert_eq!((shown.fault.as_deref(), shown.fault_ago.as_deref()), (Some("user b… exists"), Some("1 mnt")));
    }

    #[test]
    fn the_commands_that_help_are_those_that_the_state_allows() {
        let mut seen = request(Vec::new(), None);
        for (state, hold, verbs) in [
            ("stuck", None, vec!["show", "retry", "withdraw"]),
            ("held", Some("review"), vec!["show", "release", "withdraw"]),
            ("held", Some("form"), vec!["show", "withdraw"]),
            ("done", None, vec!["show"]),
        ] {
            (seen.state, seen.hold) = (state.into(), hold.map(str::to_owned));
            let commands = one(&seen, &[], &TimeZone::UTC, Tongue::En, at(5)).commands;
            let found: Vec<&str> = commands.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
            assert_eq!(found, verbs, "{state}");
        }
        seen.id = "a; rm -rf /".into();
        assert!(one(&seen, &[], &TimeZone::UTC, Tongue::En, at(5)).commands.is_empty());
    }

    #[test]
    fn every_listed_state_has_its_own_heading() {
        let mut headings: Vec<&str> = LISTED.into_iter().map(heading).collect();
        headings.sort_unstable();
        headings.dedup();
        assert_eq!(headings.len(), LISTED.len());
    }
}
