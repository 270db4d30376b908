//! What a holder is told beside the request's own notices: once it is carried out, and nothing waits for it.

use super::deliver::arrived;
use super::*;

/// What became of the notice that is told aside, in a request of this category.
fn aside(f: &Fixture, id: &str) -> String {
    let sql = "SELECT s.state FROM step s JOIN request r ON r.id = s.id >> 8 WHERE r.ext_id = ?1 AND s.lane = 'told'";
    f.reader().connection.query_row(sql, [id], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn what_a_holder_is_told_leaves_once_it_is_carried_out_and_nothing_waits_for_it() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "holder"), with_category(record("2", "b@x.id"), "holder")]).await;
    assert_eq!([aside(&f, "1"), aside(&f, "2")], ["blocked", "blocked"], "nothing is carried out yet");
    assert!(f.journal.turn("told", Arc::default(), 9).await.unwrap().claims.is_empty());
    serve(&f.journal, "mail").await;
    serve(&f.journal, "mail").await;
    assert_eq!([aside(&f, "1"), aside(&f, "2")], ["ready", "ready"]);
    // It fails for good while the request's own notice is still on its way, and the request is done all the same.
    settle(&f.journal, "told", Settlement::Stuck { fault: Fault::permanent("550 mailbox closed") }).await;
    assert_eq!((aside(&f, "1").as_str(), f.state("1").as_str()), ("stuck", "working"));
    serve(&f.journal, "email").await;
    assert_eq!([f.state("1"), f.state("2")], ["done", "done"], "also while the other has not left");
    // That it failed is told: in the record, in the outcome, at its lane.
    let events = f.reader().events(None, Some("stuck"), 9).unwrap();
    assert!(events.iter().any(|event| event.detail["lane"] == "told"), "{events:?}");
    let outcome = f.reader().outcome(1).unwrap();
    let step = outcome.steps.iter().find(|step| step.lane == "told").unwrap();
    assert_eq!((step.state.as_str(), step.fault.as_deref()), ("stuck", Some("550 mailbox closed")));
    assert_eq!(f.reader().lane("told").unwrap().stuck, 1);
    settle(&f.journal, "told", Settlement::done(None)).await;
    assert_eq!(aside(&f, "2"), "done");
    // A person may try again, or say that the holder knows.
    assert!(f.ordered(&[], OrderVerb::Retry, "1").await.0);
    assert_eq!((aside(&f, "1").as_str(), f.state("1").as_str()), ("ready", "done"));
    settle(&f.journal, "told", Settlement::Stuck { fault: Fault::permanent("550 mailbox closed") }).await;
    let (done, said) = arrived(&f, None).await;
    assert!(done, "{said}");
    assert_eq!((aside(&f, "1").as_str(), f.state("1").as_str()), ("done", "done"));
    assert!(f.reader().verify(None).unwrap().good);
}

#[tokio::test]
async fn a_holder_whose_own_address_has_the_notice_already_is_not_told_twice() {
    let f = Fixture::new();
    f.admit(["1", "2"].map(|id| with_category(record(id, &format!("a{id}@x.id")), "same")).into()).await;
    serve(&f.journal, "mail").await;
    serve(&f.journal, "mail").await;
    assert_eq!([aside(&f, "1"), aside(&f, "2")], ["blocked", "blocked"], "how the other was handed over is to be seen");
    settle(&f.journal, "email", Settlement::done(None)).await;
    assert_eq!((aside(&f, "1").as_str(), f.state("1").as_str()), ("cancelled", "done"));
    // Where it was not handed over, the holder does not wait for a person.
    settle(&f.journal, "email", Settlement::Stuck { fault: Fault::permanent("550") }).await;
    assert_eq!((aside(&f, "2").as_str(), f.state("2").as_str()), ("ready", "stuck"));
    settle(&f.journal, "told", Settlement::done(None)).await;
    assert_eq!((aside(&f, "2").as_str(), f.state("2").as_str()), ("done", "stuck"));
}

#[tokio::test]
async fn a_request_that_is_taken_back_before_it_is_carried_out_tells_no_holder() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "holder")]).await;
    assert!(f.ordered(&[], OrderVerb::Withdraw, "1").await.0);
    serve_all(&f.journal).await;
    assert_eq!((aside(&f, "1").as_str(), f.state("1").as_str()), ("cancelled", "withdrawn"));
}

#[tokio::test]
async fn of_a_notice_that_may_have_been_taken_and_a_holder_s_that_was_refused_only_the_first_has_arrived() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "holder")]).await;
    serve(&f.journal, "mail").await;
    serve(&f.journal, "mail").await;
    settle(&f.journal, "told", Settlement::Stuck { fault: Fault::permanent("550 mailbox closed") }).await;
    settle(&f.journal, "email", Settlement::Stuck { fault: Fault::unknown("the answer was lost") }).await;
    assert!(arrived(&f, None).await.0);
    assert_eq!((aside(&f, "1").as_str(), f.state("1").as_str()), ("stuck", "done"), "the holder was told nothing");
    assert!(arrived(&f, None).await.0, "a person has told the holder");
    assert_eq!(aside(&f, "1"), "done");
}

#[tokio::test]
async fn a_holder_s_notice_that_is_damaged_is_stuck_by_itself() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "same")]).await;
    let damage = "UPDATE step SET detail = '{' WHERE lane = 'told'";
    rusqlite::Connection::open(f.path()).unwrap().execute(damage, []).unwrap();
    serve(&f.journal, "mail").await;
    serve(&f.journal, "mail").await;
    settle(&f.journal, "email", Settlement::done(None)).await;
    assert_eq!(f.state("1"), "done");
    assert_eq!(f.journal.turn("told", Arc::default(), 9).await.unwrap().unreadable, 1);
    assert_eq!(aside(&f, "1"), "stuck");
}

#[tokio::test]
async fn a_holder_s_notice_in_flight_outlives_a_crash_while_its_request_is_withdrawn() {
    for stick in [false, true] {
        let f = Fixture::new();
        f.admit(vec![with_category(record("1", "a@x.id"), "same")]).await;
        serve(&f.journal, "mail").await;
        serve(&f.journal, "mail").await;
        settle(&f.journal, "email", Settlement::Stuck { fault: Fault::permanent("550") }).await;
        assert_eq!(f.journal.turn("told", Arc::default(), 1).await.unwrap().claims.len(), 1);
        assert!(f.ordered(&[], OrderVerb::Withdraw, "1").await.0);
        assert_eq!((aside(&f, "1").as_str(), f.state("1").as_str()), ("running", "withdrawing"));
        let f = f.reopen();
        assert_eq!(f.journal.recover("told", stick).await.unwrap(), 1);
        let told = if stick { ["cancelled", "stuck"] } else { ["ready"; 2] };
        assert!(told.contains(&aside(&f, "1").as_str()), "{}", aside(&f, "1"));
        serve_all(&f.journal).await;
        assert_eq!(f.state("1"), "withdrawn");
    }
}

#[tokio::test]
async fn a_holder_s_notice_at_a_channel_that_is_gone_keeps_its_request_no_longer() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "holder"), with_category(record("2", "b@x.id"), "holder")]).await;
    serve(&f.journal, "mail").await;
    serve(&f.journal, "mail").await;
    let later = Timestamp::now() + SignedDuration::from_hours(1);
    settle(&f.journal, "told", Settlement::Retry { due: later, fault: Fault::transient("the gateway is away") }).await;
    serve(&f.journal, "email").await;
    f.journal.orphan("told").await.unwrap();
    assert_eq!([aside(&f, "1"), aside(&f, "2")], ["stuck", "stuck"]);
    assert!(f.reader().lanes_with_open_steps().unwrap().is_empty());
    let (done, said) = arrived(&f, None).await;
    assert!(done, "{said}");
    assert!(f.ordered(&[], OrderVerb::Retry, "2").await.0, "the channel is there again");
    assert_eq!([aside(&f, "1"), aside(&f, "2")], ["done", "ready"]);
}

#[tokio::test]
async fn a_refusal_at_a_channel_that_is_gone_keeps_its_request_no_longer() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "refuse"), record("2", "b@x.id")]).await;
    let states = || -> Vec<(i64, String)> {
        let reader = f.reader();
        let mut statement =
            reader.connection.prepare("SELECT id >> 8, state FROM step WHERE lane = 'email' ORDER BY id").unwrap();
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    f.journal.orphan("email").await.unwrap();
    assert_eq!(states(), [(1, "stuck".into()), (2, "blocked".into())], "what is under way can be withdrawn");
    assert_eq!(f.state("1"), "refused");
    assert!(f.ordered(&[], OrderVerb::Retry, "1").await.0, "the channel is there again");
    assert_eq!(states(), [(1, "ready".into()), (2, "blocked".into())]);
}
