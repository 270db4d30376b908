//! Documents on their way to other systems: the newest one, whole, once.

use super::*;
use crate::journal::post::Wanted;

#[tokio::test]
async fn a_newer_document_takes_the_place_of_one_that_waits_and_each_has_its_own_delivery() {
    let f = Fixture::new();
    let outlets: Vec<Wanted> = vec![("tickets".into(), Vec::new()), ("others".into(), vec!["siakad".into()])];
    f.admit(vec![with_category(record("1", "a@x.id"), "refuse")]).await;
    let write = async |text: &str| {
        let mut due = f.reader().outcomes_due(10).unwrap();
        due.iter_mut().for_each(|one| one.body = text.into());
        f.journal.outcomes_written(&due, outlets.clone()).await.unwrap();
    };
    write("first").await;
    serve(&f.journal, "email").await; // asks for it anew
    write("second").await;
    let posts = f.journal.posts("tickets", Arc::default(), 10).await.unwrap();
    assert_eq!(posts.claims.iter().map(|c| c.body.clone()).collect::<Vec<_>>(), [b"second".to_vec()]);
    assert!(f.journal.posts("others", Arc::default(), 10).await.unwrap().claims.is_empty(), "not of its sources");
    let claim = &posts.claims[0];
    // A crash: the same document under the same delivery.
    assert_eq!(f.journal.recover_posts("tickets").await.unwrap(), 1);
    let again = f.journal.posts("tickets", Arc::default(), 10).await.unwrap().claims.remove(0);
    assert_eq!((&again.delivery, again.attempt), (&claim.delivery, 2));
    // What came of the attempt before the crash is not recorded for this one.
    let late = Arc::new(vec![(claim.id, 1, Settlement::Stuck { fault: Fault::permanent("late") })]);
    f.journal.posts("tickets", late, 0).await.unwrap();
    let done = Arc::new(vec![(again.id, 2, Settlement::done(Some("200".into())))]);
    f.journal.posts("tickets", done, 0).await.unwrap();
    assert_eq!(f.reader().posts(1).unwrap()[0].state, "done");
    let kept: Option<Vec<u8>> =
        f.reader().connection.query_row("SELECT body FROM posting", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, None, "what was posted is not kept");
}

/// Has a document of request 1 written, with this body; and asks for the next one.
async fn write(f: &Fixture, text: &str) {
    let mut due = f.reader().outcomes_due(10).unwrap();
    due.iter_mut().for_each(|one| one.body = text.into());
    f.journal.outcomes_written(&due, vec![("tickets".into(), Vec::new())]).await.unwrap();
    f.journal.call(|tx| crate::journal::register::report(tx, 1)).await.unwrap();
}

#[tokio::test]
async fn an_older_document_is_never_posted_after_or_beside_a_newer_one() {
    for crash in [false, true] {
        let f = Fixture::new();
        f.admit(vec![with_category(record("1", "a@x.id"), "refuse")]).await;
        write(&f, "first").await;
        let first = f.journal.posts("tickets", Arc::default(), 10).await.unwrap().claims.remove(0);
        write(&f, "second").await;
        if crash {
            f.journal.recover_posts("tickets").await.unwrap();
        } else {
            let stuck = Settlement::Stuck { fault: Fault::permanent("422") };
            f.journal.posts("tickets", Arc::new(vec![(first.id, 1, stuck)]), 0).await.unwrap();
            orders::place(&f.path(), &order(OrderVerb::Retry, "1")).unwrap();
            f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap();
        }
        let posts = f.journal.posts("tickets", Arc::default(), 10).await.unwrap().claims;
        let bodies: Vec<_> = posts.iter().map(|claim| claim.body.as_slice()).collect();
        assert_eq!(bodies, [b"second"], "after a crash: {crash}");
    }
}

#[tokio::test]
async fn documents_that_come_back_let_those_behind_them_by_and_a_newer_one_is_another_delivery() {
    let f = Fixture::new();
    let refused = |n: usize| with_category(record(&n.to_string(), "a@x.id"), "refuse");
    f.admit((1..=5).map(refused).collect()).await;
    write(&f, "first").await;
    let later = Timestamp::now() + SignedDuration::from_hours(1);
    let (mut settled, mut seen): (Arc<Vec<_>>, _) = (Arc::default(), Vec::new());
    for most in [2, 2, 1] {
        let claims = f.journal.posts("tickets", settled, 2).await.unwrap().claims;
        assert_eq!(claims.len(), most, "those behind them come next");
        let again = |id| (id, 1, Settlement::Retry { due: later, fault: Fault::transient("nobody listens") });
        settled = Arc::new(claims.iter().map(|claim| again(claim.id)).collect());
        seen.extend(claims);
    }
    let posts = f.journal.posts("tickets", settled, 2).await.unwrap();
    assert!(posts.claims.is_empty() && posts.next_due.is_some_and(|due| due > Timestamp::now()));
    write(&f, "second").await;
    let newer = f.journal.posts("tickets", Arc::default(), 2).await.unwrap().claims.remove(0);
    let uid = f.reader().outcome(1).unwrap().request.uid;
    assert!(seen.iter().any(|posting| posting.delivery == format!("{uid}.1")));
    assert_eq!((newer.delivery, newer.body), (format!("{uid}.2"), b"second".to_vec()));
}

#[tokio::test]
async fn a_paused_outlet_claims_nothing_records_what_is_in_flight_and_stays_paused_after_a_restart() {
    let f = Fixture::new();
    f.admit((1..=3).map(|n| with_category(record(&n.to_string(), "a@x.id"), "refuse")).collect()).await;
    write(&f, "it").await;
    let lanes = || orders::Lanes { lanes: vec!["mail".into()], outlets: vec!["tickets".into()] };
    let ordered = async |f: &Fixture, verb, lane: &str| {
        orders::place(&f.path(), &order(verb, lane)).unwrap();
        let carried = f.journal.carry_out_orders(lanes(), None, Default::default()).await.unwrap().remove(0);
        (carried.done, carried.result)
    };
    let flying = f.journal.posts("tickets", Arc::default(), 1).await.unwrap().claims.remove(0);
    assert_eq!(ordered(&f, OrderVerb::Pause, "tickets").await, (true, "lane tickets is paused".into()));
    let done = Arc::new(vec![(flying.id, 1, Settlement::done(None))]);
    let posts = f.journal.posts("tickets", done, 10).await.unwrap();
    assert!(posts.paused && posts.claims.is_empty());
    let status = f.reader().outlet("tickets").unwrap();
    assert_eq!((status.paused, status.ready, status.retry, status.running, status.stuck), (true, 2, 0, 0, 0));
    assert!(status.oldest.is_some_and(|at| at <= Timestamp::now()));
    assert!(!f.reader().lane("mail").unwrap().paused, "only that one");
    let f = f.reopen();
    assert!(f.journal.posts("tickets", Arc::default(), 10).await.unwrap().paused);
    let (done, said) = ordered(&f, OrderVerb::Pause, "tikcets").await;
    assert!(!done && said.contains("there is no lane `tikcets`; there are mail, tickets"), "{said}");
    assert!(ordered(&f, OrderVerb::Unpause, "").await.0, "all, and it is one of them");
    assert_eq!(f.journal.posts("tickets", Arc::default(), 10).await.unwrap().claims.len(), 2);
    assert!(ordered(&f, OrderVerb::Pause, "").await.0);
    assert!(f.reader().outlet("tickets").unwrap().paused && f.reader().lane("mail").unwrap().paused);
}

#[tokio::test]
async fn what_is_wrong_at_an_outlet_is_its_latest_failure_until_that_is_made_good() {
    let f = Fixture::new();
    f.admit((1..=2).map(|n| with_category(record(&n.to_string(), "a@x.id"), "refuse")).collect()).await;
    write(&f, "it").await;
    assert!(f.reader().outlet_fault("tickets").unwrap().is_none());
    let claims = f.journal.posts("tickets", Arc::default(), 2).await.unwrap().claims;
    let again = |id, minutes, why: &str| {
        let due = Timestamp::now() + SignedDuration::from_mins(minutes);
        (id, 1, Settlement::Retry { due, fault: Fault::transient(why) })
    };
    let settled = vec![again(claims[0].id, -2, "first"), again(claims[1].id, -1, "second")];
    f.journal.posts("tickets", Arc::new(settled), 0).await.unwrap();
    let fault = f.reader().outlet_fault("tickets").unwrap().unwrap();
    assert_eq!((fault.class.as_str(), fault.fault.as_str()), ("transient", "second"));
    assert!(f.reader().outlet_fault("others").unwrap().is_none());
    let claims = f.journal.posts("tickets", Arc::default(), 2).await.unwrap().claims;
    let stuck = Settlement::Stuck { fault: Fault::permanent("no such ticket") };
    let settled = vec![(claims[0].id, 2, stuck), (claims[1].id, 2, Settlement::done(None))];
    f.journal.posts("tickets", Arc::new(settled), 0).await.unwrap();
    assert_eq!(f.reader().outlet_fault("tickets").unwrap().unwrap().fault, "no such ticket");
    rusqlite::Connection::open(f.path()).unwrap().execute("UPDATE posting SET state = 'done'", []).unwrap();
    assert!(f.reader().outlet_fault("tickets").unwrap().is_none());
}

#[tokio::test]
async fn a_document_that_is_damaged_is_stuck_and_the_others_go_on() {
    let f = Fixture::new();
    f.admit((1..=3).map(|n| with_category(record(&n.to_string(), "a@x.id"), "refuse")).collect()).await;
    write(&f, "whole").await;
    let damage = "UPDATE posting SET body = CASE id WHEN 1 THEN NULL ELSE x'' END WHERE id < 3";
    rusqlite::Connection::open(f.path()).unwrap().execute(damage, []).unwrap();
    // Two at a time: what is damaged stands first.
    let claims = f.journal.posts("tickets", Arc::default(), 2).await.unwrap().claims;
    assert_eq!(claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), [3]);
    assert_eq!(waiting(&f, "tickets"), (1, 2));
}

#[tokio::test]
async fn an_outlet_that_was_not_configured_when_the_journal_was_put_back_waits_for_the_same_order() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "refuse")]).await;
    let f = f.put_back(&[]).await;
    write(&f, "it").await;
    assert!(f.journal.posts("tickets", Arc::default(), 9).await.unwrap().paused);
    assert!(f.reader().outlet("tickets").unwrap().paused, "and is shown so");
    assert!(f.ordered(&["credentials"], OrderVerb::Unpause, "").await.0);
    assert!(!f.journal.posts("tickets", Arc::default(), 9).await.unwrap().paused);
    assert!(!f.reader().outlet("tickets").unwrap().paused);
}

#[tokio::test]
async fn a_lane_that_was_not_configured_when_the_journal_was_put_back_is_held_and_shown_so() {
    let f = Fixture::new().put_back(&[]).await;
    let claims = async || f.journal.turn("mail", Arc::default(), 9).await.unwrap().paused;
    let shown = || (f.reader().lane("mail").unwrap().paused, f.reader().paused_by_hold("mail").unwrap());
    assert!(claims().await);
    assert_eq!(shown(), (true, true));
    assert!(f.ordered(&["mail"], OrderVerb::Unpause, "mail").await.0);
    assert!(!claims().await);
    assert_eq!(shown(), (false, false));
    assert!(f.reader().hold().unwrap().is_some(), "everything else waits");
    assert!(f.ordered(&["mail"], OrderVerb::Pause, "mail").await.0);
    assert!(f.ordered(&["credentials"], OrderVerb::Unpause, "").await.0);
    assert!(claims().await, "somebody paused it by its name");
    assert_eq!(shown(), (true, false));
}

/// How many documents are on their way to an outlet, and how many are stuck.
pub fn waiting(f: &Fixture, outlet: &str) -> (u64, u64) {
    let status = f.reader().outlet(outlet).unwrap();
    (status.ready + status.retry + status.running, status.stuck)
}
