//! A journal that was put back: what it lets go, and upon which order.

use super::*;

const LANES: [&str; 3] = ["credentials", "mail", "email"];

async fn put_back(f: Fixture) -> Fixture {
    f.put_back(&LANES).await
}

async fn ordered(f: &Fixture, verb: OrderVerb, argument: &str) -> String {
    let (done, said) = f.ordered(&LANES, verb, argument).await;
    assert!(done, "{said}");
    said
}

/// Writes the documents that are due; both a queue and an outlet want them.
async fn write(f: &Fixture) -> usize {
    let mut due = f.reader().outcomes_due(10).unwrap();
    due.iter_mut().for_each(|one| one.body = b"{}".to_vec());
    let outlets = ["tickets", "requests"].map(|outlet| (outlet.to_owned(), Vec::new()));
    f.journal.outcomes_written(&due, outlets.into()).await.unwrap();
    due.len()
}

/// How many documents would leave now: by the queue's broker, and at the outlet.
async fn leaving(f: &Fixture) -> (usize, usize) {
    let at = async |outlet: &str| {
        let posts = f.journal.posts(outlet, Arc::default(), 10).await.unwrap().claims.len();
        f.journal.recover_posts(outlet).await.unwrap();
        posts
    };
    (at("requests").await, at("tickets").await)
}

#[tokio::test]
async fn documents_on_their_way_leave_only_by_order_and_new_ones_as_ever() {
    let f = Fixture::new();
    // Of one the documents were due already, of the other they were not yet written.
    f.admit(vec![record("1", "a@x.id"), record("2", "b@x.id")]).await;
    serve_all(&f.journal).await;
    assert_eq!((write(&f).await, leaving(&f).await), (2, (2, 2)));
    f.admit(vec![record("3", "c@x.id")]).await;
    serve_all(&f.journal).await;
    let f = put_back(f).await;
    assert_eq!(leaving(&f).await, (0, 0));
    ordered(&f, OrderVerb::Unpause, "").await;
    assert_eq!((write(&f).await, leaving(&f).await), (1, (0, 0)));
    ordered(&f, OrderVerb::Retry, "1").await;
    assert_eq!(leaving(&f).await, (1, 1));
    f.admit(vec![record("4", "d@x.id")]).await;
    serve_all(&f.journal).await;
    assert_eq!((write(&f).await, leaving(&f).await), (1, (2, 2)));
    let outage = |lane: &str| {
        let outage = bulk::Outage { lane: lane.into(), since: Timestamp::UNIX_EPOCH, uncertain: true };
        (f.reader().count_outage(&outage).unwrap().total(), serde_json::to_string(&outage).unwrap())
    };
    let (counted, argument) = outage("tickets");
    assert_eq!(counted, 2);
    ordered(&f, OrderVerb::RetryLane, &argument).await;
    assert_eq!(leaving(&f).await, (2, 4), "what goes elsewhere is kept back as before");
    assert_eq!((outage("requests").0, outage("tickets").0), (2, 0));
    // What comes after it: at the outlet of the order it goes, and elsewhere it is kept back.
    f.journal
        .call(|tx| tx.run("UPDATE request SET outcome_due = outcome_due + 1 WHERE id = 3", []).map(drop))
        .await
        .unwrap();
    assert_eq!((write(&f).await, leaving(&f).await, outage("requests").0), (1, (2, 4), 2));
    let (_, argument) = outage("requests");
    ordered(&f, OrderVerb::RetryLane, &argument).await;
    assert_eq!(leaving(&f).await, (4, 4));
    // Put back once more, all of it may have left since.
    let f = put_back(f).await;
    ordered(&f, OrderVerb::Unpause, "").await;
    assert_eq!(leaving(&f).await, (0, 0));
}

#[tokio::test]
async fn an_order_that_leaves_alone_what_may_have_left_leaves_it_alone_at_its_own_outlet_too() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id"), record("2", "b@x.id")]).await;
    serve_all(&f.journal).await;
    write(&f).await;
    let f = put_back(f).await;
    ordered(&f, OrderVerb::Unpause, "").await;
    // One of the two was refused by its outlet: that one has surely not left.
    let refused = "UPDATE posting SET restored = 0, fault_class = 'permanent' WHERE request = 1 AND outlet = 'tickets'";
    f.journal.call(move |tx| tx.run(refused, []).map(drop)).await.unwrap();
    let outage = bulk::Outage { lane: "tickets".into(), since: Timestamp::UNIX_EPOCH, uncertain: false };
    let counted = f.reader().count_outage(&outage).unwrap();
    assert_eq!((counted.total(), counted.uncertain), (1, 1));
    ordered(&f, OrderVerb::RetryLane, &serde_json::to_string(&outage).unwrap()).await;
    assert_eq!(leaving(&f).await, (0, 1));
}

#[tokio::test]
async fn what_was_found_as_wanted_and_not_written_is_left_alone_by_a_withdrawal() {
    for found in [true, false] {
        let f = Fixture::new();
        f.admit(vec![record("1", "a@x.id")]).await;
        serve(&f.journal, "credentials").await;
        let f = put_back(f).await;
        ordered(&f, OrderVerb::Unpause, "").await;
        let claim = f.journal.turn("mail", Arc::default(), 10).await.unwrap().claims.remove(0);
        assert!(claim.restored);
        let mut settled = done(&claim);
        if let Settlement::Done { found: there, .. } = &mut settled.settlement {
            *there = found;
        }
        f.journal.turn("mail", Arc::new(vec![settled]), 0).await.unwrap();
        serve_all(&f.journal).await;
        assert_eq!(f.state("1"), "stuck", "its notice waits");
        let said = ordered(&f, OrderVerb::Withdraw, "1").await;
        assert_eq!(said.contains("left alone"), found, "{said}");
        let undone = f.journal.turn("mail", Arc::default(), 10).await.unwrap().claims;
        assert_eq!(undone.len(), usize::from(!found));
        serve_all(&f.journal).await;
        assert_eq!(f.state("1"), if found { "withdrawn" } else { "withdrawing" });
    }
}

#[tokio::test]
async fn a_notice_whose_turn_comes_later_waits_for_an_order_too_and_a_target_is_looked_at_first() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id"), with_category(record("2", "b@x.id"), "review")]).await;
    assert_eq!(serve(&f.journal, "credentials").await, 1);
    let f = put_back(f).await;
    for lane in LANES {
        assert!(f.journal.turn(lane, Arc::default(), 10).await.unwrap().paused, "{lane}");
    }
    ordered(&f, OrderVerb::Unpause, "mail").await;
    assert!(f.reader().hold().unwrap().is_some(), "one lane only");
    assert!(f.reader().paused_by_hold("email").unwrap() && !f.reader().paused_by_hold("mail").unwrap());
    let turn = f.journal.turn("mail", Arc::default(), 10).await.unwrap();
    assert!(turn.claims[0].restored && turn.claims[0].uncertain);
    f.journal.turn("mail", Arc::new(vec![done(&turn.claims[0])]), 0).await.unwrap();
    ordered(&f, OrderVerb::Unpause, "").await;
    assert!(f.journal.hold().borrow().is_none() && f.reader().hold().unwrap().is_none());
    serve_all(&f.journal).await;
    assert_eq!(f.state("1"), "stuck");
    // What was held for review at the backup may have been released since, and told.
    ordered(&f, OrderVerb::Release, "2").await;
    serve_all(&f.journal).await;
    assert_eq!(f.state("2"), "stuck");
    for id in ["1", "2"] {
        ordered(&f, OrderVerb::Retry, id).await;
        serve_all(&f.journal).await;
        assert_eq!(f.state(id), "done");
    }
    // What came after is nobody's old business.
    f.admit(vec![record("3", "c@x.id")]).await;
    let turn = f.journal.turn("credentials", Arc::default(), 10).await.unwrap();
    assert!(!turn.claims[0].restored);
}

#[tokio::test]
async fn what_was_looked_at_and_found_otherwise_is_written_by_order_and_what_was_not_looked_at_still_is() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve(&f.journal, "credentials").await;
    let f = put_back(f).await;
    ordered(&f, OrderVerb::Unpause, "").await;
    for (fault, looked_at_again) in
        [(Fault::permanent("down for good"), true), (Fault::conflict("another password"), false)]
    {
        let claim = f.journal.turn("mail", Arc::default(), 10).await.unwrap().claims.remove(0);
        assert!(claim.restored);
        let stuck = Settled::new(claim.step, claim.attempt, Settlement::Stuck { fault });
        f.journal.turn("mail", Arc::new(vec![stuck]), 0).await.unwrap();
        ordered(&f, OrderVerb::Retry, "1").await;
        let claim = f.journal.turn("mail", Arc::default(), 10).await.unwrap().claims.remove(0);
        assert_eq!(claim.restored, looked_at_again);
        f.journal.recover("mail", false).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_ordered_to_be_written_and_was_not_yet_is_left_alone_by_a_withdrawal() {
    for begun in [false, true] {
        let f = Fixture::new();
        f.admit(vec![record("1", "a@x.id")]).await;
        serve(&f.journal, "credentials").await;
        let f = put_back(f).await;
        ordered(&f, OrderVerb::Unpause, "").await;
        let claim = f.journal.turn("mail", Arc::default(), 10).await.unwrap().claims.remove(0);
        let fault = Fault::conflict("another password");
        let stuck = Settled::new(claim.step, claim.attempt, Settlement::Stuck { fault });
        f.journal.turn("mail", Arc::new(vec![stuck]), 0).await.unwrap();
        ordered(&f, OrderVerb::Retry, "1").await;
        if begun {
            let claim = f.journal.turn("mail", Arc::default(), 10).await.unwrap().claims.remove(0);
            let fault = Fault::unknown("no answer");
            let stuck = Settled::new(claim.step, claim.attempt, Settlement::Stuck { fault });
            f.journal.turn("mail", Arc::new(vec![stuck]), 0).await.unwrap();
        }
        let said = ordered(&f, OrderVerb::Withdraw, "1").await;
        assert_eq!(said.contains("left alone"), !begun, "{said}");
        let undone = f.journal.turn("mail", Arc::default(), 10).await.unwrap().claims;
        assert_eq!(undone.len(), usize::from(begun));
    }
}

#[tokio::test]
async fn a_delivery_after_it_has_a_number_that_none_before_it_had() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "review")]).await;
    assert_eq!(write(&f).await, 1);
    let number = |f: &Fixture| {
        let posts = f.reader().posts(1).unwrap();
        let last = posts.iter().map(|post| post.delivery.rsplit_once('.').unwrap().1.parse::<i64>().unwrap()).max();
        last.unwrap()
    };
    assert_eq!(number(&f), 1);
    let f = put_back(f).await;
    ordered(&f, OrderVerb::Unpause, "").await;
    ordered(&f, OrderVerb::Withdraw, "1").await;
    assert_eq!(write(&f).await, 1);
    assert!(number(&f) > 1_000_000_000, "what the receiver had since the backup was uid.2: it would be taken for that");
}

#[tokio::test]
async fn of_two_documents_of_a_request_only_the_newer_leaves() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "review")]).await;
    write(&f).await;
    for outlet in ["tickets", "requests"] {
        assert_eq!(f.journal.posts(outlet, Arc::default(), 10).await.unwrap().claims.len(), 1, "on its way");
    }
    ordered(&f, OrderVerb::Withdraw, "1").await;
    write(&f).await;
    let f = put_back(f).await;
    ordered(&f, OrderVerb::Unpause, "").await;
    let outage = bulk::Outage { lane: "tickets".into(), since: Timestamp::UNIX_EPOCH, uncertain: true };
    ordered(&f, OrderVerb::RetryLane, &serde_json::to_string(&outage).unwrap()).await;
    assert_eq!(leaving(&f).await, (0, 1), "at the outlet of the order");
}

#[tokio::test]
async fn the_operator_is_told_of_it_and_of_nothing_older_though_every_lane_is_paused() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "review")]).await;
    let f = put_back(f).await;
    let told = f.reader().operator_told().unwrap().told;
    let last = f.reader().last_event().unwrap();
    let (items, _) = f.reader().news(told, last).unwrap();
    assert!(matches!(items.as_slice(), [operator::Item::PutBack { .. }]), "{items:?}");
    ordered(&f, OrderVerb::Unpause, "").await;
    assert!(f.reader().news(told, last).unwrap().0.is_empty(), "it is no news any more");
}

#[tokio::test]
async fn a_step_stuck_before_schema_10_is_found_by_when_it_was_last_tried() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    let claim = f.journal.turn("credentials", Arc::default(), 10).await.unwrap().claims.remove(0);
    let fault = Fault::permanent("no");
    let stuck = Settled::new(claim.step, claim.attempt, Settlement::Stuck { fault });
    f.journal.turn("credentials", Arc::new(vec![stuck]), 0).await.unwrap();
    rusqlite::Connection::open(f.path()).unwrap().execute("UPDATE step SET stuck_at = NULL", []).unwrap();
    let count = |since: Timestamp| {
        let outage = bulk::Outage { lane: "credentials".into(), since, uncertain: false };
        let counted = f.reader().count_outage(&outage).unwrap();
        (counted.total(), counted.earlier)
    };
    let hour = SignedDuration::from_hours(1);
    assert_eq!((count(Timestamp::now() - hour), count(Timestamp::now() + hour)), ((1, 0), (0, 1)));
}
