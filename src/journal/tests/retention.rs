//! What is emptied stands nowhere any more, and what holds on to it does not break.

use super::*;
use crate::journal::retention::{Emptied, Wanted, What, empty_log};
use crate::model::retention::Policy;
use jiff::SignedDuration;

const MICROS_OF_100_DAYS: i64 = 100 * 86_400 * 1_000_000;

pub fn policy(days: i64) -> Policy {
    let age = Some(SignedDuration::from_hours(days * 24));
    Policy { outcomes: age, originals: age, personal: age, register: age }
}

/// Everything as if it had happened 100 days earlier.
fn age(f: &Fixture) {
    let connection = rusqlite::Connection::open(f.path()).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let sql = "UPDATE request SET received_at = received_at - ?1, state_at = state_at - ?1, ended_at = ended_at - ?1, outcome_due = 0;
        UPDATE submission SET received_at = received_at - ?1;
        UPDATE account SET created_at = created_at - ?1, ended_at = ended_at - ?1";
    for one in sql.split(';') {
        connection.execute(one, [MICROS_OF_100_DAYS]).unwrap();
    }
}

fn bytes_of(f: &Fixture) -> Vec<u8> {
    let read = |name: &str| std::fs::read(f.dir.path().join(name)).unwrap_or_default();
    [read("journal.db"), read("journal.db-wal")].concat()
}

fn occurrences(bytes: &[u8], text: &str) -> usize {
    regex::bytes::Regex::new(&regex::escape(text)).unwrap().find_iter(bytes).count()
}

fn of(action: Action, id: &str, address: &str) -> Record {
    Record { action, ..record(id, address) }
}

/// Removes all that the policy lets go.
pub async fn sweep(f: &Fixture, policy: Policy) {
    let due = f.reader().retention_due(&policy, Timestamp::now()).unwrap();
    let outcomes = due.outcomes.iter().map(|(request, ..)| (*request, format!("outcome/{request}"))).collect();
    for wanted in [Wanted::Outcomes(outcomes), Wanted::Originals(due.originals), Wanted::Letters(due.letters)] {
        let removals = f.journal.about_to_remove(policy, wanted).await.unwrap();
        f.journal.removed(&removals).await.unwrap();
    }
    f.journal.empty_requests(policy, due.requests).await.unwrap();
    let names = f.reader().file_names_going().unwrap();
    f.journal.empty_file_names(names).await.unwrap();
    f.journal.empty_accounts(policy, due.accounts).await.unwrap();
    f.journal.empty_orders(policy, due.orders).await.unwrap();
}

#[tokio::test]
async fn of_five_hundred_accounts_among_a_thousand_no_byte_is_left_and_their_names_stay_taken() {
    let f = Fixture::new();
    // In no order, so that the tables' pages are split and filled.
    let mut numbers: Vec<u32> = (0..1000).map(|n| n * 7919 % 1000).collect();
    for part in numbers.chunks(100) {
        f.admit(part.iter().map(|n| record(&format!("c{n}"), &format!("rahasia-{n}-sekali@x.id"))).collect()).await;
    }
    serve_all(&f.journal).await;
    // Every other one goes: its neighbours in a page stay.
    numbers.retain(|n| n % 2 == 0);
    for part in numbers.chunks(100) {
        let remove = |n: &u32| of(Action::Remove, &format!("r{n}"), &format!("rahasia-{n}-sekali@x.id"));
        f.admit(part.iter().map(remove).collect()).await;
    }
    serve_all(&f.journal).await;
    age(&f);
    assert!(occurrences(&bytes_of(&f), "rahasia-500-sekali") > 3);
    sweep(&f, policy(99)).await;
    assert!(f.reader().retention_due(&policy(99), Timestamp::now()).unwrap().is_empty());
    assert!(empty_log(&f.path()).unwrap());
    let name = regex::bytes::Regex::new("rahasia-[0-9]*[02468]-sekali").unwrap();
    let left: Vec<String> =
        name.find_iter(&bytes_of(&f)).map(|found| String::from_utf8_lossy(found.as_bytes()).into_owned()).collect();
    assert_eq!(left, Vec::<String>::new());
    assert!(f.reader().verify(Some(f.journal.head())).unwrap().good);
    let again = f.admit(vec![record("other", "rahasia-500-sekali@x.id")]).await;
    assert!(matches!(&again[..], [Admitted::New { state: State::Conflicted, .. }]), "{again:?}");
}

#[tokio::test]
async fn an_account_that_stands_keeps_whose_it_is_and_a_duplicate_is_known_by_an_emptied_request() {
    let f = Fixture::new();
    let records = vec![record("1", "ada@x.id"), of(Action::Suspend, "2", "ada@x.id"), record("3", "lain@x.id")];
    for one in records.clone() {
        f.admit(vec![one]).await;
        serve_all(&f.journal).await;
    }
    let refused = with_category(record("4", "tidak@x.id"), "refuse");
    f.admit(vec![refused.clone()]).await;
    serve_all(&f.journal).await;
    age(&f);
    sweep(&f, policy(99)).await;
    let emptied = |id: &str| {
        let reader = f.reader();
        reader.outcome(reader.resolve(id).unwrap()).unwrap().personal_data_removed_at.is_some()
    };
    assert_eq!(["1", "2", "3", "4"].map(emptied), [false, true, false, true]);
    let mut entries = Vec::new();
    f.reader()
        .entries(|entry| -> Result<(), JournalError> {
            entries.push(entry);
            Ok(())
        })
        .unwrap();
    assert!(entries.len() == 2 && entries.iter().all(|entry| entry.address.ends_with("@x.id")));
    let again = f.admit(vec![records[1].clone(), refused.clone()]).await;
    assert!(again.iter().all(|one| matches!(one, Admitted::Duplicate { .. })), "{again:?}");
    // Nor does a higher revision of what was emptied, or an order on it, meet anything that breaks.
    let higher = Record { key: RequestKey { revision: 2, ..refused.key.clone() }, ..record("4", "tidak@x.id") };
    assert!(matches!(f.admit(vec![higher]).await[..], [Admitted::New { .. }]));
}

#[tokio::test]
async fn nothing_of_what_has_not_ended_or_is_still_on_its_way_goes() {
    let f = Fixture::new();
    let held = with_category(record("held", "b@x.id"), "review");
    let refused = with_category(record("unsent", "c@x.id"), "refuse");
    f.admit(vec![record("working", "a@x.id"), held, refused]).await;
    age(&f);
    let due = f.reader().retention_due(&policy(1), Timestamp::now()).unwrap();
    assert!(due.is_empty(), "{due:?}");
    // Nor where somebody says that it is due.
    let wanted = [
        Wanted::Outcomes((1..4).map(|n| (n, format!("outcome/{n}"))).collect()),
        Wanted::Originals(vec![1]),
        Wanted::Letters(vec![1, 2, 3]),
    ];
    for wanted in wanted {
        assert!(f.journal.about_to_remove(policy(1), wanted).await.unwrap().is_empty());
    }
    assert_eq!(f.journal.empty_requests(policy(1), vec![1, 2, 3]).await.unwrap(), Emptied::default());
}

#[tokio::test]
async fn an_intent_is_there_until_it_is_carried_out_and_an_outcome_written_meanwhile_stays() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve_all(&f.journal).await;
    age(&f);
    let policy = policy(1);
    let removals = f.journal.about_to_remove(policy, Wanted::Outcomes(vec![(1, "outcome/1".into())])).await.unwrap();
    assert_eq!(removals.len(), 1);
    let f = f.reopen();
    assert_eq!(f.journal.left_to_remove(10).await.unwrap(), removals);
    // A second look enters it no second time.
    let again = f.journal.about_to_remove(policy, Wanted::Outcomes(vec![(1, "outcome/1".into())])).await.unwrap();
    assert!(again.is_empty());
    f.journal.removed(&removals).await.unwrap();
    f.journal.removed(&removals).await.unwrap();
    assert!(f.journal.left_to_remove(10).await.unwrap().is_empty());
    assert!(f.reader().retention_due(&policy, Timestamp::now()).unwrap().outcomes.is_empty());
    let stray = f.journal.about_to_remove(policy, Wanted::Files(What::Stray, vec!["accepted/x".into()])).await.unwrap();
    f.journal.removed(&stray).await.unwrap();
    let erased = f.reader().events(None, None, 100).unwrap().into_iter().filter(|event| event.kind == "erased").count();
    assert_eq!(erased, 2);
    // It is written once more: it goes once more.
    f.journal.call(|tx| tx.run("UPDATE request SET outcome_due = 1", []).map(drop)).await.unwrap();
    let due = f.reader().outcomes_due(10).unwrap();
    f.journal.outcomes_written(&due, Vec::new()).await.unwrap();
    assert_eq!(f.reader().retention_due(&policy, Timestamp::now()).unwrap().outcomes.len(), 1);
}

#[tokio::test]
async fn new_ages_are_recorded_and_take_effect_a_day_later() {
    let f = Fixture::new();
    assert_eq!(f.journal.retention_policy(Policy::default()).await.unwrap(), None);
    let first = f.journal.retention_policy(policy(5)).await.unwrap().unwrap();
    assert!(Timestamp::now().duration_since(first) < SignedDuration::from_hours(1));
    let policies = || f.reader().events(None, None, 100).unwrap().into_iter().filter(|e| e.kind == "retention").count();
    assert_eq!(policies(), 1);
    assert_eq!(
        f.journal.retention_policy(policy(5)).await.unwrap().map(|at| at.as_microsecond()),
        Some(first.as_microsecond())
    );
    assert_eq!(policies(), 1);
    f.journal.retention_policy(Policy::default()).await.unwrap();
    assert_eq!(policies(), 2);
    // A look that was long ago, by a clock that may stand wrong, is as good as new ages.
    f.journal.retention_policy(policy(5)).await.unwrap();
    f.journal.call(|tx| tx.run("UPDATE retention SET swept_at = 1", []).map(drop)).await.unwrap();
    let again = f.journal.retention_policy(policy(5)).await.unwrap().unwrap();
    assert!(Timestamp::now().duration_since(again) < SignedDuration::from_hours(1));
    assert_eq!(policies(), 4);
}

#[tokio::test]
async fn a_file_that_two_sources_brought_and_a_letter_of_two_requests_go_when_nobody_keeps_them() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id"), record("2", "b@x.id")]).await;
    serve_all(&f.journal).await;
    age(&f);
    let other = Submission {
        source: "other".into(),
        name: "b.csv".into(),
        sha256: [7; 32],
        evidence: "accepted/a".into(),
        bulk: false,
    };
    f.journal.rejected(other, 1, false).await.unwrap();
    let due = f.reader().retention_due(&policy(99), Timestamp::now()).unwrap().originals;
    assert_eq!(due, [1]);
    let kept = f.journal.about_to_remove(policy(99), Wanted::Originals(due)).await.unwrap();
    assert!(kept.is_empty(), "the other source's is young");
    age(&f);
    let due = f.reader().retention_due(&policy(99), Timestamp::now()).unwrap().originals;
    let gone = f.journal.about_to_remove(policy(99), Wanted::Originals(due)).await.unwrap();
    assert_eq!(gone.iter().map(|one| one.path.as_str()).collect::<Vec<_>>(), ["accepted/a"; 2]);
    f.journal.removed(&gone).await.unwrap();
    assert!(f.reader().retention_due(&policy(99), Timestamp::now()).unwrap().originals.is_empty());

    // The same file again: its original is kept as if it had never gone.
    f.admit(vec![record("3", "c@x.id")]).await;
    let kept = f.reader().evidence_kept(Timestamp::now()).unwrap();
    assert!(kept.contains("accepted/a"), "{kept:?}");
    f.journal
        .call(|tx| {
            tx.run(
                "INSERT INTO draft (request, evidence, sha256, at) VALUES (1, 'accepted/own', x'00', 1),
                   (2, 'accepted/both', x'00', 1), (3, 'accepted/both', x'00', 1)",
                [],
            )
        })
        .await
        .unwrap();
    let due = f.reader().retention_due(&policy(99), Timestamp::now()).unwrap().letters;
    assert_eq!(due, [1, 2]);
    let gone = f.journal.about_to_remove(policy(99), Wanted::Letters(due)).await.unwrap();
    assert_eq!(gone.iter().map(|one| one.path.as_str()).collect::<Vec<_>>(), ["accepted/own"]);
    f.journal.removed(&gone).await.unwrap();
    assert_eq!(f.reader().retention_due(&policy(99), Timestamp::now()).unwrap().letters, [2]);
}

#[tokio::test]
async fn what_an_outlet_may_still_take_keeps_its_request_and_what_it_never_took_goes_and_is_told() {
    let f = Fixture::new();
    f.admit(["1", "2", "3"].map(|id| with_category(record(id, "a@x.id"), "refuse")).into()).await;
    serve_all(&f.journal).await;
    let mut due = f.reader().outcomes_due(10).unwrap();
    due.iter_mut().for_each(|one| one.body = b"Rahasia Sekali".to_vec());
    let outlets = ["tickets", "gone"].map(|outlet| (outlet.to_owned(), Vec::new()));
    f.journal.outcomes_written(&due, outlets.into()).await.unwrap();
    age(&f);
    // The first one was given up; the second is to be tried again; the third was taken. The other outlet was asked for none of them.
    let claims = f.journal.posts("tickets", Arc::default(), 10).await.unwrap().claims;
    let later = Timestamp::now() + SignedDuration::from_hours(1);
    let settlements = [
        Settlement::Stuck { fault: Fault::permanent("422") },
        Settlement::Retry { due: later, fault: Fault::transient("away") },
        Settlement::done(None),
    ];
    let settled = claims.iter().zip(settlements).map(|(claim, settlement)| (claim.id, 1, settlement)).collect();
    f.journal.posts("tickets", Arc::new(settled), 0).await.unwrap();
    let due = |f: &Fixture| {
        let due = f.reader().retention_due(&policy(99), Timestamp::now()).unwrap();
        (due.requests, due.untaken, due.awaited)
    };
    assert_eq!(due(&f), (vec![], 0, 3));
    assert_eq!(
        f.journal.empty_requests(policy(99), vec![1, 2, 3]).await.unwrap(),
        Emptied::default(),
        "whoever says so"
    );
    // An outlet that nobody serves keeps nothing for ever.
    let month = 30 * 86_400 * 1_000_000_i64;
    let sql = "UPDATE posting SET made_at = made_at - ?1 WHERE outlet = 'gone'";
    rusqlite::Connection::open(f.path()).unwrap().execute(sql, [month]).unwrap();
    assert_eq!(due(&f), (vec![1, 3], 3, 1));
    let emptied = f.journal.empty_requests(policy(99), vec![1, 2, 3]).await.unwrap();
    let untaken = [("gone".to_owned(), 2), ("tickets".to_owned(), 1)].into();
    assert_eq!(emptied, Emptied { requests: 2, untaken });
    let told: Vec<String> = f
        .reader()
        .events(None, None, 100)
        .unwrap()
        .into_iter()
        .filter(|e| e.kind == "erased")
        .map(|event| event.detail["not_taken_by"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(told, ["gone, tickets", "gone"]);
    // What is still on its way is whole.
    rusqlite::Connection::open(f.path()).unwrap().execute("UPDATE posting SET due = 0", []).unwrap();
    let claims = f.journal.posts("tickets", Arc::default(), 10).await.unwrap().claims;
    assert_eq!(claims.iter().map(|claim| claim.body.as_slice()).collect::<Vec<_>>(), [b"Rahasia Sekali"]);
    f.journal.posts("tickets", Arc::new(vec![(claims[0].id, 2, Settlement::done(None))]), 0).await.unwrap();
    let sql = "DELETE FROM posting WHERE outlet = 'gone'";
    rusqlite::Connection::open(f.path()).unwrap().execute(sql, []).unwrap();
    assert_eq!(due(&f), (vec![2], 0, 0), "taken: it goes");
}
