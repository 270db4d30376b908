//! The life of a request, from its admission to its end.

use super::*;

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
    let settled = Settled::new(in_flight.step, in_flight.attempt, retry);
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
    let settled = Settled::new(turn.claims[0].step, 1, stuck);
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
