//! Tests of the journal through its own operations, on a real file.

mod adopt;
mod deliver;
mod hostile;
mod migrate;
mod ordered;
pub(super) mod plans;
mod put_back;
mod readdressed;
mod retention;
mod units;

use super::orders::{self, NewOrder, OrderVerb};
use super::read::Reader;
use super::*;
use crate::model::verdict::Judgement;
use crate::model::*;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

struct Fixture {
    dir: tempfile::TempDir,
    journal: Journal,
    writer: std::thread::JoinHandle<()>,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (journal, writer) = open(dir.path()).unwrap();
        Self { dir, journal, writer }
    }
    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("journal.db")
    }
    fn reader(&self) -> Reader {
        Reader::open(&self.path()).unwrap()
    }
    fn state(&self, id: &str) -> String {
        let reader = self.reader();
        reader.outcome(reader.resolve(id).unwrap()).unwrap().state
    }
    async fn admit(&self, records: Vec<Record>) -> Vec<Admitted> {
        admit(&self.journal, records).await
    }
    /// Closes the journal and opens it again, as after a crash: nothing is drained.
    fn reopen(self) -> Self {
        let Self { dir, journal, writer } = self;
        drop(journal);
        writer.join().unwrap();
        let (journal, writer) = open(dir.path()).unwrap();
        Self { dir, journal, writer }
    }
}

fn open(dir: &Path) -> Result<(Journal, std::thread::JoinHandle<()>), JournalError> {
    Journal::open(&OpenOptions { path: dir.join("journal.db") }, |_| {})
}

async fn admit(journal: &Journal, records: Vec<Record>) -> Vec<Admitted> {
    let submission = Submission {
        source: "local".into(),
        name: "a.csv".into(),
        sha256: [7; 32],
        evidence: "accepted/a".into(),
        bulk: records.len() > 1,
    };
    let batch = records
        .into_iter()
        .enumerate()
        .map(|(row, record)| Admission {
            digest: sha2::Digest::finalize(sha2::Digest::chain_update(
                <sha2::Sha256 as sha2::Digest>::new(),
                serde_json::to_vec(&record).unwrap(),
            ))
            .into(),
            row: u32::try_from(row).unwrap() + 1,
            names: record.account.address.iter().map(ToString::to_string).collect(),
            live: Vec::new(),
            unit: Some(record.applicant.unit.clone()).filter(|unit| !unit.is_empty()),
            signed_as: Vec::new(),
            not_permitted: Vec::new(),
            record,
        })
        .collect();
    journal.admit(submission, batch, Arc::new(decide)).await.unwrap()
}

/// A little procedure: names that are held conflict, the category is the verdict, everything else is granted mail.
fn decide(admission: &Admission, facts: &Facts, uid: AccountUid, _now: Timestamp) -> Judgement {
    let record = &admission.record;
    let verdict = match (record.applicant.category.as_str(), record.account.address.as_ref()) {
        ("refuse", _) | (_, None) => Verdict::Refuse { reasons: vec!["no".into()] },
        _ if record.action == Action::Create && !(facts.names.is_empty() && facts.unit_has.is_empty()) => {
            Verdict::Conflict { reasons: vec!["taken".into()], alternatives: Vec::new() }
        }
        (category, Some(address)) => {
            let unit = record.applicant.unit.clone();
            let made = || Account { unit, ..account(uid, address) };
            let account = facts.account.clone().unwrap_or_else(made);
            let budgeted = record.action == Action::Suspend;
            let used_up = facts.taken_away.get("mail").is_some_and(|taken| taken.is_used_up());
            let grant = Grant {
                action: record.action,
                names: vec![address.to_string()],
                account,
                budgeted,
                takes_away: false,
                adopts: None,
            };
            let adopts = (category == "adopt" && !facts.adopted).then(|| Box::new(grant.account.clone()));
            let grant = Grant { adopts, ..grant };
            match category {
                _ if budgeted && used_up => {
                    Verdict::Hold { reason: HoldReason::Review, missing: vec!["budget".into()], grant: Some(grant) }
                }
                "review" => {
                    Verdict::Hold { reason: HoldReason::Review, missing: vec!["look".into()], grant: Some(grant) }
                }
                "form" => Verdict::Hold { reason: HoldReason::Form, missing: vec!["form".into()], grant: None },
                _ => Verdict::Permit { grant },
            }
        }
    };
    let official = record.applicant.category == "official";
    let to = official.then(|| Recipient::Role("kasi".into()));
    let step = |lane: &str, verb| PlannedStep {
        lane: lane.into(),
        verb,
        detail: StepDetail { to: to.clone().filter(|_| verb == Verb::Deliver), ..StepDetail::default() },
    };
    let aside = |unless: &[&str]| {
        let mut told = step("told", Verb::Deliver);
        told.detail.aside = true;
        told.detail.unless = unless.iter().map(|lane| (*lane).to_owned()).collect();
        told
    };
    let plan = match verdict.grant() {
        Some(grant) if grant.adopts.is_some() => {
            vec![step("mail", Verb::Adopt), step("mail", Verb::Apply), step("mail", Verb::Prove)]
        }
        Some(_) if record.applicant.category == "holder" => {
            vec![step("mail", Verb::Apply), step("mail", Verb::Prove), aside(&[]), step("email", Verb::Deliver)]
        }
        Some(_) if record.applicant.category == "same" => {
            let mut own = step("email", Verb::Deliver);
            own.detail.notice = Some(crate::model::NoticeKind::Changed);
            vec![step("mail", Verb::Apply), step("mail", Verb::Prove), own, aside(&["email"])]
        }
        Some(_) => vec![
            step("credentials", Verb::Mint),
            step("mail", Verb::Apply),
            step("mail", Verb::Prove),
            step("email", Verb::Deliver),
        ],
        None => Vec::new(),
    };
    let notices = if plan.is_empty() { vec![step("email", Verb::Deliver)] } else { Vec::new() };
    Judgement {
        verdict,
        checklist: Vec::new(),
        procedure_sha256: "00".into(),
        plan,
        notices,
        texts: BTreeMap::from([
            ("institution".into(), "X".into()),
            ("role.kasi.email".into(), "old@x.id".into()),
            ("role.kabid.email".into(), "kabid@x.id".into()),
        ]),
    }
}

fn account(uid: AccountUid, address: &Address) -> Account {
    Account {
        uid,
        username: address.local().parse().unwrap(),
        address: Some(address.clone()),
        aliases: Vec::new(),
        name: "N".into(),
        given_name: "N".into(),
        family_name: "N".into(),
        category: "unit".into(),
        unit: String::new(),
        services: vec!["mail".into()],
        ends_at: None,
        quota: None,
        group: None,
        recovery_email: None,
        recovery_phone: None,
    }
}

fn record(id: &str, address: &str) -> Record {
    Record {
        key: RequestKey { procedure: "p".into(), id: id.into(), revision: 1 },
        action: Action::Create,
        applicant: Person { name: "Rahasia Sekali".into(), identifier: id.into(), ..Person::default() },
        responsible: None,
        account: request::WantedAccount { address: Some(address.parse().unwrap()), ..Default::default() },
        change: None,
        documents: Vec::new(),
        approvals: Vec::new(),
    }
}

fn with_category(mut record: Record, category: &str) -> Record {
    record.applicant.category = category.into();
    record
}

fn done(claim: &Claim) -> Settled {
    let sealed = (claim.verb == Verb::Mint).then(|| b"sealed".to_vec());
    let proof = (claim.verb == Verb::Prove).then_some(Proof::Stored);
    Settled {
        step: claim.step,
        attempt: claim.attempt,
        settlement: Settlement::Done {
            proof,
            external_id: matches!(claim.verb, Verb::Apply | Verb::Adopt)
                .then(|| format!("{}-id", claim.action.as_str())),
            note: None,
            sealed,
            reference: None,
            kept: None,
        },
    }
}

/// One turn of a lane in which everything succeeds; how many steps it took.
async fn serve(journal: &Journal, lane: &str) -> usize {
    let turn = journal.turn(lane, Arc::default(), 1000).await.unwrap();
    let settled: Vec<Settled> = turn.claims.iter().map(done).collect();
    journal.turn(lane, Arc::new(settled), 0).await.unwrap();
    turn.claims.len()
}

async fn serve_all(journal: &Journal) {
    while serve(journal, "credentials").await + serve(journal, "mail").await + serve(journal, "email").await > 0 {}
}

fn order(verb: OrderVerb, argument: &str) -> NewOrder {
    NewOrder {
        login_uid: Some(1000),
        login: "admin".into(),
        verb,
        argument: argument.into(),
        reason: "test".into(),
        letter: None,
    }
}

#[tokio::test]
async fn a_permitted_request_goes_through_its_plan_in_order_and_its_secret_is_wiped() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    assert_eq!(serve(&f.journal, "mail").await, 0, "nothing is applied before the password is minted");
    assert_eq!(serve(&f.journal, "credentials").await, 1);
    let turn = f.journal.turn("mail", Arc::default(), 10).await.unwrap();
    assert_eq!(turn.claims[0].sealed.as_deref(), Some(b"sealed".as_slice()));
    f.journal.turn("mail", Arc::new(vec![done(&turn.claims[0])]), 0).await.unwrap();
    serve_all(&f.journal).await;
    assert_eq!(f.state("1"), "done");
    let secrets: i64 = f.reader().connection.query_row("SELECT count(*) FROM secret", [], |row| row.get(0)).unwrap();
    assert_eq!(secrets, 0);
    assert!(f.reader().verify(Some(f.journal.head())).unwrap().good);
}

#[tokio::test]
async fn what_a_target_called_an_account_comes_back_with_each_later_step_there() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve(&f.journal, "credentials").await;
    let apply = f.journal.turn("mail", Arc::default(), 10).await.unwrap();
    assert_eq!(apply.claims[0].external_id, None);
    let prove = f.journal.turn("mail", Arc::new(vec![done(&apply.claims[0])]), 10).await.unwrap();
    assert_eq!((prove.claims[0].verb, prove.claims[0].external_id.as_deref()), (Verb::Prove, Some("create-id")));
}

#[tokio::test]
async fn of_what_takes_away_without_an_approval_each_only_the_change_budget_is_let_through_in_a_day() {
    let f = Fixture::new();
    let address = |n: usize| format!("a{n}@x.id");
    f.admit((0..500).map(|n| record(&format!("make-{n}"), &address(n))).collect()).await;
    serve_all(&f.journal).await;
    let suspend = |from: usize, to: usize| -> Vec<Record> {
        let record = |n| Record { action: Action::Suspend, ..record(&format!("suspend-{n}"), &address(n)) };
        (from..to).map(record).collect()
    };
    // 5 % of 500, in one batch and over several.
    let states = [f.admit(suspend(0, 24)).await, f.admit(suspend(24, 30)).await].concat();
    let passed = |a: &Admitted| matches!(a, Admitted::New { state: State::Working, .. });
    let held = |a: &Admitted| matches!(a, Admitted::New { state: State::Held, .. });
    assert!(states[..25].iter().all(passed) && states[25..].iter().all(held), "{states:?}");
    // What a person lets through is approved, and a day later there is a new budget.
    orders::place(&f.path(), &order(OrderVerb::Release, "suspend-25")).unwrap();
    assert!(f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap()[0].done);
    assert_eq!(f.state("suspend-25"), "working");
    let day = 24 * 3_600_000_000_i64;
    rusqlite::Connection::open(f.path()).unwrap().execute("UPDATE taken SET at = at - ?1", [day]).unwrap();
    assert!(f.admit(suspend(30, 31)).await.iter().all(passed));
}

#[tokio::test]
async fn of_two_rows_that_want_one_address_one_gets_it_and_the_other_conflicts() {
    let f = Fixture::new();
    let admitted = f.admit(vec![record("1", "a@x.id"), record("2", "a@x.id")]).await;
    let states: Vec<State> =
        admitted.iter().map(|a| if let Admitted::New { state, .. } = a { *state } else { State::Stuck }).collect();
    assert_eq!(states, [State::Working, State::Conflicted]);
}

#[tokio::test]
async fn a_duplicate_changes_nothing_and_other_content_is_rejected() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    let again = f.admit(vec![record("1", "a@x.id"), record("1", "b@x.id")]).await;
    assert_eq!(again[0], Admitted::Duplicate { state: State::Working });
    assert!(matches!(&again[1], Admitted::Rejected(reason) if reason.contains("other content")));
    assert_eq!(f.reader().list(&[], 10).unwrap().len(), 1);
}

#[tokio::test]
async fn a_higher_revision_takes_the_place_of_a_held_request() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "form")]).await;
    let mut corrected = record("1", "a@x.id");
    corrected.key.revision = 2;
    let admitted = f.admit(vec![corrected]).await;
    assert!(matches!(admitted[0], Admitted::New { state: State::Working, .. }), "{admitted:?}");
    assert_eq!(f.state("p:1@1"), "withdrawn");
    assert_eq!(f.state("1"), "working", "a bare id means the highest revision");
}

#[tokio::test]
async fn a_superseded_review_gives_its_address_to_the_higher_revision() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "review")]).await;
    let mut corrected = record("1", "a@x.id");
    corrected.key.revision = 2;
    let admitted = f.admit(vec![corrected]).await;
    assert!(matches!(admitted[0], Admitted::New { state: State::Working, .. }), "{admitted:?}");
}

#[tokio::test]
async fn release_moves_a_review_but_never_stands_in_for_a_form() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("r", "a@x.id"), "review"), with_category(record("f", "b@x.id"), "form")]).await;
    for id in ["r", "f"] {
        orders::place(&f.path(), &order(OrderVerb::Release, id)).unwrap();
    }
    let carried = f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap();
    assert_eq!(carried.iter().map(|o| o.done).collect::<Vec<_>>(), [true, false]);
    serve_all(&f.journal).await;
    assert_eq!((f.state("r").as_str(), f.state("f").as_str()), ("done", "held"));
}

#[tokio::test]
async fn withdraw_undoes_what_may_have_been_made_and_frees_the_address() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve(&f.journal, "credentials").await;
    let turn = f.journal.turn("mail", Arc::default(), 1).await.unwrap();
    let in_flight = &turn.claims[0];
    orders::place(&f.path(), &order(OrderVerb::Withdraw, "1")).unwrap();
    assert!(f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap()[0].done);
    assert_eq!(f.state("1"), "withdrawing", "it waits for the step in flight");
    let fault = Fault::unknown("answer lost");
    let retry = Settlement::Retry { due: Timestamp::now() + SignedDuration::from_hours(1), fault };
    let settled = Settled { step: in_flight.step, attempt: in_flight.attempt, settlement: retry };
    f.journal.turn("mail", Arc::new(vec![settled]), 0).await.unwrap();
    let turn = f.journal.turn("mail", Arc::default(), 10).await.unwrap();
    assert_eq!(turn.claims.iter().map(|c| c.verb).collect::<Vec<_>>(), [Verb::Undo]);
    f.journal.turn("mail", Arc::new(vec![done(&turn.claims[0])]), 0).await.unwrap();
    assert_eq!(f.state("1"), "withdrawn");
    let again = f.admit(vec![record("2", "a@x.id")]).await;
    assert!(matches!(again[0], Admitted::New { state: State::Working, .. }), "{again:?}");
}

#[tokio::test]
async fn withdrawing_what_was_never_begun_ends_at_once() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    orders::place(&f.path(), &order(OrderVerb::Withdraw, "1")).unwrap();
    assert!(f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap()[0].done);
    assert_eq!(f.state("1"), "withdrawn");
    assert_eq!(serve(&f.journal, "credentials").await, 0);
}

#[tokio::test]
async fn a_stuck_step_sticks_its_request_until_retry() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    let turn = f.journal.turn("credentials", Arc::default(), 1).await.unwrap();
    let stuck = Settlement::Stuck { fault: Fault::permanent("no") };
    let settled = Settled { step: turn.claims[0].step, attempt: 1, settlement: stuck };
    f.journal.turn("credentials", Arc::new(vec![settled]), 0).await.unwrap();
    assert_eq!(f.state("1"), "stuck");
    orders::place(&f.path(), &order(OrderVerb::Retry, "1")).unwrap();
    assert!(f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap()[0].done);
    serve_all(&f.journal).await;
    assert_eq!(f.state("1"), "done");
}

#[tokio::test]
async fn an_outcome_for_an_attempt_that_is_not_running_is_not_recorded() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    let turn = f.journal.turn("credentials", Arc::default(), 1).await.unwrap();
    let stale = Settled { attempt: 7, ..done(&turn.claims[0]) };
    f.journal.turn("credentials", Arc::new(vec![stale]), 0).await.unwrap();
    assert_eq!(serve(&f.journal, "mail").await, 0);
    f.journal.turn("credentials", Arc::new(vec![done(&turn.claims[0])]), 0).await.unwrap();
    f.journal.turn("credentials", Arc::new(vec![done(&turn.claims[0])]), 0).await.unwrap();
    assert_eq!(serve(&f.journal, "mail").await, 1, "recording twice is as recording once");
}

#[tokio::test]
async fn steps_in_flight_at_a_crash_are_uncertain_at_the_next_start() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    f.journal.turn("credentials", Arc::default(), 1).await.unwrap();
    let f = f.reopen();
    assert_eq!(f.journal.recover("credentials", false).await.unwrap(), 1);
    let turn = f.journal.turn("credentials", Arc::default(), 1).await.unwrap();
    assert!(turn.claims[0].uncertain);
    assert_eq!(turn.claims[0].attempt, 2);
}

#[tokio::test]
async fn a_channel_that_must_not_repeat_is_stuck_after_a_crash() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "refuse")]).await;
    f.journal.turn("email", Arc::default(), 1).await.unwrap();
    let f = f.reopen();
    f.journal.recover("email", true).await.unwrap();
    assert!(f.journal.turn("email", Arc::default(), 1).await.unwrap().claims.is_empty());
    assert_eq!(f.state("1"), "refused", "a refusal stays one, though its notice is stuck");
    assert_eq!(f.reader().lane("email").unwrap().stuck, 1);
}

#[tokio::test]
async fn a_paused_lane_claims_nothing_and_stays_paused_after_a_restart() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    let lanes = vec!["credentials".to_owned()];
    orders::place(&f.path(), &order(OrderVerb::Pause, "credentials")).unwrap();
    assert!(f.journal.carry_out_orders(lanes.clone(), None, Default::default()).await.unwrap()[0].done);
    let f = f.reopen();
    assert!(f.journal.turn("credentials", Arc::default(), 1).await.unwrap().paused);
    orders::place(&f.path(), &order(OrderVerb::Unpause, "")).unwrap();
    f.journal.carry_out_orders(lanes, None, Default::default()).await.unwrap();
    assert_eq!(f.journal.turn("credentials", Arc::default(), 1).await.unwrap().claims.len(), 1);
}

#[tokio::test]
async fn a_single_request_is_served_before_the_rest_of_a_bulk_file() {
    let f = Fixture::new();
    let bulk = (0..500).map(|n| record(&format!("b{n}"), &format!("b{n}@x.id"))).collect();
    f.admit(bulk).await;
    f.journal.turn("credentials", Arc::default(), 32).await.unwrap();
    f.admit(vec![record("urgent", "u@x.id")]).await;
    let next = f.journal.turn("credentials", Arc::default(), 32).await.unwrap();
    assert!(next.claims.iter().any(|claim| claim.key.id == "urgent"));
}

#[tokio::test]
async fn requests_for_one_account_are_worked_one_after_the_other() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    let mut reset = record("2", "a@x.id");
    reset.action = Action::Reset;
    f.admit(vec![reset]).await;
    let first = f.journal.turn("credentials", Arc::default(), 10).await.unwrap();
    assert_eq!(first.claims.iter().map(|c| c.key.id.as_str()).collect::<Vec<_>>(), ["1"]);
    f.journal.turn("credentials", Arc::new(vec![done(&first.claims[0])]), 0).await.unwrap();
    serve_all(&f.journal).await;
    assert_eq!((f.state("1").as_str(), f.state("2").as_str()), ("done", "done"));
}

#[tokio::test]
async fn an_outcome_is_due_until_it_was_written_as_it_stands() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "refuse")]).await;
    let due = f.reader().outcomes_due(10).unwrap();
    assert_eq!(due[0].outcome.reasons, ["no"]);
    serve(&f.journal, "email").await; // asks for it anew
    f.journal.outcomes_written(&due, Vec::new()).await.unwrap();
    let due = f.reader().outcomes_due(10).unwrap();
    assert_eq!(due.len(), 1, "what changed while it was written is written again");
    f.journal.outcomes_written(&due, Vec::new()).await.unwrap();
    assert!(f.reader().outcomes_due(10).unwrap().is_empty());
}

#[tokio::test]
async fn a_second_akund_and_a_newer_schema_and_a_foreign_file_are_refused() {
    let f = Fixture::new();
    let second = open(f.dir.path()).map(|_| ()).unwrap_err().to_string();
    assert!(second.contains("another akund"), "{second}");
    let other = tempfile::tempdir().unwrap();
    let path = other.path().join("journal.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x); PRAGMA user_version = 99").unwrap();
    let foreign = open(other.path()).map(|_| ()).unwrap_err().to_string();
    assert!(foreign.contains("other program"), "{foreign}");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(&format!("PRAGMA application_id = {}", schema::APPLICATION_ID))
        .unwrap();
    let newer = open(other.path()).map(|_| ()).unwrap_err().to_string();
    assert!(newer.contains("newer akund"), "{newer}");
}

#[tokio::test]
async fn another_sealing_key_is_refused() {
    let f = Fixture::new();
    f.journal.bind_key("one".into()).await.unwrap();
    f.journal.bind_key("one".into()).await.unwrap();
    assert!(f.journal.bind_key("two".into()).await.is_err());
}

#[tokio::test]
async fn the_chain_still_verifies_when_personal_data_are_emptied_and_events_hold_none() {
    let f = Fixture::new();
    f.admit(vec![record("1", "rahasia@x.id")]).await;
    serve_all(&f.journal).await;
    let head = f.journal.head();
    let path = f.path();
    drop(f.journal);
    f.writer.join().unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let events: String = connection.query_row("SELECT group_concat(detail) FROM event", [], |row| row.get(0)).unwrap();
    assert!(!events.contains("ahasia"), "{events}");
    connection.execute_batch("DELETE FROM personal; DELETE FROM name; UPDATE account SET account = '{}'").unwrap();
    assert!(Reader::open(&path).unwrap().verify(Some(head)).unwrap().good);
}

/// Tampers with the file as somebody who owns it could, and gives what verifying says.
async fn tampered(sql: &str, kept: bool) -> Vec<String> {
    let f = Fixture::new();
    let records = (0..5).map(|n| record(&n.to_string(), &format!("a{n}@x.id"))).collect();
    f.admit(records).await;
    serve_all(&f.journal).await;
    let head = f.journal.head();
    let path = f.path();
    drop(f.journal);
    f.writer.join().unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("DROP TRIGGER event_is_never_changed; DROP TRIGGER event_is_never_removed;").unwrap();
    connection.execute_batch(sql).unwrap();
    Reader::open(&path).unwrap().verify(kept.then_some(head)).unwrap().deviations
}

#[tokio::test]
async fn a_changed_removed_inserted_or_cut_off_event_is_found() {
    let changed = tampered("UPDATE event SET detail = '{}' WHERE seq = 3", false).await;
    assert!(changed[0].starts_with("event 3"), "{changed:?}");
    let removed = tampered("DELETE FROM event WHERE seq = 4", false).await;
    assert!(removed[0].contains("event 4 is missing"), "{removed:?}");
    let inserted = tampered(
        "INSERT INTO event SELECT (SELECT max(seq) + 1 FROM event), at, subject, kind, detail, hash FROM event WHERE seq = 2",
        false,
    )
    .await;
    assert_eq!(inserted.len(), 1, "{inserted:?}");
    let cut = "DELETE FROM event WHERE seq > 6";
    assert!(tampered(cut, false).await.is_empty(), "a chain alone does not show a cut tail");
    let cut = tampered(cut, true).await;
    assert!(cut[0].contains("cut off"), "{cut:?}");
    assert!(tampered("SELECT 1", true).await.is_empty());
}

#[tokio::test]
async fn events_cannot_be_changed_by_a_plain_statement() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    let connection = rusqlite::Connection::open(f.path()).unwrap();
    for sql in ["UPDATE event SET kind = 'x'", "DELETE FROM event"] {
        assert!(connection.execute_batch(sql).unwrap_err().to_string().contains("append-only"));
    }
}

#[tokio::test]
async fn operations_that_wait_are_committed_together() {
    let dir = tempfile::tempdir().unwrap();
    let commits = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = commits.clone();
    let (journal, _writer) = Journal::open(&OpenOptions { path: dir.path().join("journal.db") }, move |moment| {
        let committed = matches!(moment, Moment::Committed(_));
        counter.fetch_add(usize::from(committed), std::sync::atomic::Ordering::Relaxed);
    })
    .unwrap();
    let (enter, entered) = std::sync::mpsc::channel();
    let (leave, left) = std::sync::mpsc::channel::<()>();
    let first = tokio::spawn({
        let journal = journal.clone();
        async move {
            journal
                .call(move |_| {
                    enter.send(()).unwrap();
                    left.recv().unwrap();
                    Ok(())
                })
                .await
        }
    });
    tokio::task::spawn_blocking(move || entered.recv().unwrap()).await.unwrap();
    // Polled once, so that they are handed to the writer while it is held up in the first commit.
    let waiting = tokio::spawn(async move {
        let calls: Vec<_> = (0..20).map(|_| journal.call(|tx| tx.touch())).collect();
        futures_util::future::join_all(calls).await
    });
    tokio::task::yield_now().await;
    leave.send(()).unwrap();
    first.await.unwrap().unwrap();
    assert!(waiting.await.unwrap().into_iter().all(|r| r.is_ok()));
    assert!(commits.load(std::sync::atomic::Ordering::Relaxed) <= 3);
}

#[tokio::test]
async fn an_operation_that_fails_takes_nothing_of_its_neighbours_with_it() {
    let f = Fixture::new();
    let good = f.journal.call(|tx| tx.event(&[], "good", &serde_json::json!({})).map(drop));
    let bad = f.journal.call(|tx| {
        tx.event(&[], "bad", &serde_json::json!({}))?;
        Err::<(), _>(JournalError::Refused("no".into()))
    });
    let also_good = f.journal.call(|tx| tx.event(&[], "also good", &serde_json::json!({})).map(drop));
    let (a, b, c) = tokio::join!(good, bad, also_good);
    assert!(a.is_ok() && b.is_err() && c.is_ok());
    let kinds: Vec<String> = f.reader().events(None, None, 10).unwrap().into_iter().map(|e| e.kind).collect();
    assert_eq!(kinds, ["good", "also good"]);
    assert!(f.reader().verify(Some(f.journal.head())).unwrap().good);
}

#[tokio::test]
async fn a_lane_that_is_no_longer_configured_is_down_no_longer() {
    let f = Fixture::new();
    for lane in ["mail", "gone"] {
        let down = operator::LaneDown { lane: lane.into(), since: Timestamp::UNIX_EPOCH, fault: "refused".into() };
        f.journal.lane_went_down(down).await.unwrap();
    }
    assert_eq!(f.journal.forget_lanes_down(vec!["mail".into(), "email".into()]).await.unwrap(), ["gone"]);
    let down = f.reader().lanes_down().unwrap();
    assert_eq!(down.iter().map(|down| down.lane.as_str()).collect::<Vec<_>>(), ["mail"]);
    assert!(f.journal.forget_lanes_down(vec!["mail".into()]).await.unwrap().is_empty());
}
