//! Odd orders of events: what must neither hang, nor be lost, nor stop the others.

use super::*;

/// Claims at most one step of a lane and settles it as given; what was claimed.
async fn settle_one(f: &Fixture, lane: &str, settlement: impl FnOnce(&Claim) -> Settlement) -> Claim {
    let claim = f.journal.turn(lane, Arc::default(), 1).await.unwrap().claims.remove(0);
    let settled = Settled { step: claim.step, attempt: claim.attempt, settlement: settlement(&claim) };
    f.journal.turn(lane, Arc::new(vec![settled]), 0).await.unwrap();
    claim
}

fn stuck(_: &Claim) -> Settlement {
    Settlement::Stuck { fault: Fault::permanent("no") }
}

/// Places an order and has it carried out: whether it was, and what was said.
async fn ordered(f: &Fixture, verb: OrderVerb, argument: &str) -> (bool, String) {
    orders::place(&f.path(), &order(verb, argument)).unwrap();
    let carried = f.journal.carry_out_orders(vec!["mail".into()]).await.unwrap().remove(0);
    (carried.done, carried.result)
}

#[tokio::test]
async fn a_withdrawal_whose_undo_is_stuck_goes_on_when_it_is_withdrawn_again() {
    for verb in [OrderVerb::Withdraw, OrderVerb::Retry] {
        let f = Fixture::new();
        f.admit(vec![record("1", "a@x.id")]).await;
        serve(&f.journal, "credentials").await;
        settle_one(&f, "mail", stuck).await;
        assert!(ordered(&f, OrderVerb::Withdraw, "1").await.0);
        assert_eq!(settle_one(&f, "mail", stuck).await.verb, Verb::Undo);
        assert_eq!(f.state("1"), "stuck");
        assert!(ordered(&f, verb, "1").await.0);
        assert_eq!(serve(&f.journal, "mail").await, 1, "the undo step is tried again after {verb:?}");
        assert_eq!(f.state("1"), "withdrawn");
    }
}

/// A request for an account that exists.
fn about(id: &str, action: Action, address: &str) -> Record {
    Record { action, ..record(id, address) }
}

#[tokio::test]
async fn a_stuck_reset_that_has_reached_a_target_can_be_withdrawn_and_lets_the_next_request_go() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve_all(&f.journal).await;
    f.admit(vec![about("2", Action::Reset, "a@x.id")]).await;
    f.admit(vec![about("3", Action::Reset, "a@x.id")]).await;
    serve(&f.journal, "credentials").await;
    serve(&f.journal, "mail").await;
    let (done, said) = ordered(&f, OrderVerb::Withdraw, "2").await;
    assert!(!done && said.contains("cannot be taken back"), "while it moves it goes on: {said}");
    serve(&f.journal, "mail").await;
    settle_one(&f, "email", stuck).await;
    assert_eq!((f.state("2").as_str(), f.state("3").as_str()), ("stuck", "working"));
    let (done, said) = ordered(&f, OrderVerb::Withdraw, "2").await;
    assert!(done && said.contains("stays"), "{said}");
    assert_eq!(f.state("2"), "withdrawn");
    serve_all(&f.journal).await;
    assert_eq!(f.state("3"), "done");
}
