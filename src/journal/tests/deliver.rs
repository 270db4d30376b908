//! Notices on their way: passed on, wiped for, confirmed; and documents at other outlets.

use super::*;
use crate::journal::post::Wanted;
use crate::journal::receipt::Report;

/// A password by text message, else e-mail, between two notices that need none.
fn plan(_: &Admission, facts: &Facts, uid: AccountUid, _: Timestamp) -> Judgement {
    let address: Address = "a@x.id".parse().unwrap();
    let account = facts.account.clone().unwrap_or_else(|| account(uid, &address));
    let grant = Grant {
        action: Action::Create,
        names: vec![address.to_string()],
        account,
        budgeted: false,
        takes_away: false,
        adopts: None,
    };
    let notice = |kind, lane: &str, next: &[&str]| PlannedStep {
        lane: lane.into(),
        verb: Verb::Deliver,
        detail: StepDetail {
            notice: Some(kind),
            next: next.iter().map(|n| (*n).to_owned()).collect(),
            ..StepDetail::default()
        },
    };
    let mint = PlannedStep { lane: "credentials".into(), verb: Verb::Mint, detail: StepDetail::default() };
    Judgement {
        verdict: Verdict::Permit { grant },
        checklist: Vec::new(),
        procedure_sha256: "00".into(),
        plan: vec![
            mint,
            notice(NoticeKind::Username, "email", &[]),
            notice(NoticeKind::Credentials, "sms", &["sms2", "email"]),
            notice(NoticeKind::Changed, "email", &[]),
        ],
        notices: Vec::new(),
        texts: BTreeMap::new(),
    }
}

async fn begun() -> Fixture {
    let f = admitted().await;
    assert_eq!((serve(&f.journal, "credentials").await, serve(&f.journal, "email").await), (1, 1));
    f
}

async fn admitted() -> Fixture {
    let f = Fixture::new();
    let submission =
        Submission { source: "local".into(), name: "a".into(), sha256: [1; 32], evidence: String::new(), bulk: false };
    let record = record("1", "a@x.id");
    let admission = Admission {
        record,
        digest: [1; 32],
        row: 1,
        names: Vec::new(),
        live: Vec::new(),
        unit: None,
        signed_as: Vec::new(),
        not_permitted: Vec::new(),
    };
    f.journal.admit(submission, vec![admission], Arc::new(plan)).await.unwrap();
    f
}

fn sealed(f: &Fixture) -> i64 {
    f.reader().connection.query_row("SELECT count(*) FROM secret", [], |row| row.get(0)).unwrap()
}

async fn refuse(f: &Fixture, lane: &str, to: &str) -> Claim {
    let turn = f.journal.turn(lane, Arc::default(), 10).await.unwrap();
    let claim = turn.claims[0].clone();
    let settlement = Settlement::PassedOn { fault: Fault::permanent(format!("{lane} said no")), to: to.into() };
    let settled = Settled { step: claim.step, attempt: claim.attempt, settlement };
    f.journal.turn(lane, Arc::new(vec![settled]), 0).await.unwrap();
    claim
}

#[tokio::test]
async fn a_notice_that_is_refused_goes_on_to_the_next_channel_and_tells_who_refused() {
    let f = begun().await;
    let first = refuse(&f, "sms", "sms2").await;
    assert_eq!(f.journal.turn("sms", Arc::default(), 10).await.unwrap().claims.len(), 0);
    let second = refuse(&f, "sms2", "email").await;
    assert_eq!((second.step, second.attempt), (first.step, 2), "the same step, and a new fencing token");
    assert!(second.sealed.is_some());
    assert_eq!(serve(&f.journal, "email").await, 1);
    let outcome = f.reader().outcome(1).unwrap();
    let step = &outcome.steps[2];
    assert_eq!((step.lane.as_str(), step.state.as_str()), ("email", "done"));
    let refused: Vec<_> = step.refused.iter().map(|r| (r.channel.as_str(), r.fault.as_str())).collect();
    assert_eq!(refused, [("sms", "sms said no"), ("sms2", "sms2 said no")]);
    assert!(f.reader().verify(Some(f.journal.head())).unwrap().good);
}

#[tokio::test]
async fn a_channel_that_the_step_does_not_name_next_takes_nothing() {
    let f = begun().await;
    refuse(&f, "sms", "email").await;
    assert_eq!(f.state("1"), "stuck");
}

#[tokio::test]
async fn a_text_message_that_may_have_been_taken_is_never_sent_another_way_also_when_it_is_tried_again_by_order() {
    use crate::lane::retry::{Failure, Policy, decide};
    let f = begun().await;
    let hour = SignedDuration::from_hours(1);
    let policy = Policy { first: hour, longest: hour, give_up: hour, settle: hour, never_blindly: true };
    let fail = async |fault: Fault| {
        let claim = f.journal.turn("sms", Arc::default(), 10).await.unwrap().claims.remove(0);
        let failure = Failure {
            next: claim.detail.next.first().cloned(),
            uncertain: claim.uncertain,
            verb: claim.verb,
            attempt: claim.attempt,
            first_at: claim.first_at,
            fault,
        };
        let settlement = decide(&policy, failure, Timestamp::now(), 0.5);
        let settled = Settled { step: claim.step, attempt: claim.attempt, settlement };
        f.journal.turn("sms", Arc::new(vec![settled]), 0).await.unwrap();
    };
    fail(Fault::unknown("the answer was lost")).await;
    assert_eq!(f.state("1"), "stuck");
    orders::place(&f.path(), &order(OrderVerb::Retry, "1")).unwrap();
    f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap();
    fail(Fault::permanent("not routable")).await;
    assert_eq!(f.state("1"), "stuck", "the first one may have arrived");
    assert!(f.journal.turn("sms2", Arc::default(), 10).await.unwrap().claims.is_empty());
}

async fn stick(f: &Fixture, lane: &str, fault: Fault) {
    let claim = f.journal.turn(lane, Arc::default(), 10).await.unwrap().claims.remove(0);
    let settled = Settled { step: claim.step, attempt: claim.attempt, settlement: Settlement::Stuck { fault } };
    f.journal.turn(lane, Arc::new(vec![settled]), 0).await.unwrap();
}

async fn arrived(f: &Fixture, channel: Option<&str>) -> (bool, String) {
    let what = arrived::Arrived { request: "1".into(), channel: channel.map(str::to_owned) };
    let order = order(OrderVerb::Arrived, &serde_json::to_string(&what).unwrap());
    orders::place(&f.path(), &order).unwrap();
    let done = f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap().remove(0);
    (done.done, done.result)
}

#[tokio::test]
async fn a_notice_that_may_have_been_taken_counts_as_handed_over_by_order_and_its_request_goes_on() {
    let f = begun().await;
    stick(&f, "sms", Fault::unknown("the answer was lost")).await;
    assert_eq!((f.state("1").as_str(), sealed(&f)), ("stuck", 1));
    let (done, said) = arrived(&f, Some("email")).await;
    assert!(!done && said.contains("credentials at sms"), "{said}");
    assert_eq!(f.state("1"), "stuck");
    let (done, said) = arrived(&f, Some("sms")).await;
    assert!(done && said.contains("working") && said.contains("credentials at sms"), "{said}");
    assert_eq!(sealed(&f), 0, "the password is wiped as with any that was handed over");
    assert!(f.journal.turn("sms", Arc::default(), 10).await.unwrap().claims.is_empty(), "nothing is sent again");
    let step = f.reader().outcome(1).unwrap().steps.remove(2);
    assert_eq!((step.state.as_str(), step.fault), ("done", None));
    assert!(step.reply.unwrap().contains("by order 2") && step.done_at.is_some());
    serve(&f.journal, "email").await;
    assert_eq!(f.state("1"), "done");
    let events = f.reader().events(Some(f.reader().resolve("1").unwrap()), None, 50).unwrap();
    assert!(events.iter().any(|e| e.kind == "done" && e.detail["order"] == 2 && e.detail["lane"] == "sms"));
    assert!(events.iter().any(|e| e.kind == "order" && e.detail["verb"] == "arrived" && e.order.is_some()));
    assert!(!arrived(&f, None).await.0, "once");
    assert!(f.reader().verify(Some(f.journal.head())).unwrap().good);
}

#[tokio::test]
async fn what_a_channel_has_refused_did_not_arrive_whatever_somebody_says() {
    let f = begun().await;
    stick(&f, "sms", Fault::permanent("no such number")).await;
    let (done, said) = arrived(&f, None).await;
    assert!(!done && said.contains("no stuck notice that may have been taken"), "{said}");
    assert_eq!(f.state("1"), "stuck");
    // Nor is a step at a target one that arrives.
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve(&f.journal, "credentials").await;
    stick(&f, "mail", Fault::unknown("the answer was lost")).await;
    assert!(!arrived(&f, None).await.0);
}

/// As at the next start, once the journal was put in place of itself, and let go on.
async fn put_back(f: Fixture) -> Fixture {
    let Fixture { dir, journal, writer } = f;
    drop(journal);
    writer.join().unwrap();
    restored::mark(&dir.path().join("journal.db")).unwrap();
    let (journal, writer) = open(dir.path()).unwrap();
    assert!(journal.recognise(Vec::new(), Vec::new()).await.unwrap().is_some());
    let f = Fixture { dir, journal, writer };
    ordered(&f, OrderVerb::Unpause, "").await;
    for lane in ["credentials", "email", "sms"] {
        f.journal.recover(lane, true).await.unwrap();
    }
    f
}

async fn ordered(f: &Fixture, verb: OrderVerb, argument: &str) {
    orders::place(&f.path(), &order(verb, argument)).unwrap();
    let lanes = vec!["credentials".to_owned(), "email".to_owned(), "sms".to_owned()];
    let done = f.journal.carry_out_orders(lanes, None, Default::default()).await.unwrap().remove(0);
    assert!(done.done, "{}", done.result);
}

fn stuck_with(f: &Fixture, place: usize) -> String {
    let step = f.reader().outcome(1).unwrap().steps.remove(place);
    assert_eq!(step.state, "stuck", "{step:?}");
    step.fault.unwrap()
}

#[tokio::test]
async fn a_password_minted_after_the_journal_was_put_back_has_arrived_nowhere_whatever_somebody_says() {
    let f = admitted().await;
    let f = put_back(f).await;
    serve(&f.journal, "credentials").await;
    // The user name may have been told; it is the same.
    let waits = stuck_with(&f, 1);
    assert!(waits.contains("akund arrived") && waits.contains("after the backup"), "{waits}");
    assert!(arrived(&f, None).await.0);
    let waits = stuck_with(&f, 2);
    assert!(waits.contains("password was made after") && !waits.contains("akund arrived"), "{waits}");
    for channel in [None, Some("sms")] {
        let (done, said) = arrived(&f, channel).await;
        assert!(
            !done && said.contains("made after the journal was put back") && said.contains("akund retry"),
            "{said}"
        );
    }
    assert_eq!((f.state("1").as_str(), sealed(&f)), ("stuck", 1), "it waits to be sent");
    // Sent by order, and its answer lost: that one may have arrived.
    ordered(&f, OrderVerb::Retry, "1").await;
    stick(&f, "sms", Fault::unknown("the answer was lost")).await;
    let (done, said) = arrived(&f, None).await;
    assert!(done, "{said}");
    assert_eq!(sealed(&f), 0);
}

#[tokio::test]
async fn a_password_from_before_the_journal_was_put_back_may_have_arrived() {
    // In flight at the backup; not yet begun; and minted after an earlier time that it was put back.
    for case in 0..3 {
        let mut f = if case == 0 { begun().await } else { admitted().await };
        if case == 0 {
            assert_eq!(f.journal.turn("sms", Arc::default(), 10).await.unwrap().claims.len(), 1);
        } else {
            if case == 2 {
                f = put_back(f).await;
            }
            serve(&f.journal, "credentials").await;
        }
        let f = put_back(f).await;
        if case > 0 {
            assert!(arrived(&f, None).await.0, "{case}: the user name");
        }
        let waits = stuck_with(&f, 2);
        assert!(waits.contains("akund arrived"), "{case}: {waits}");
        let (done, said) = arrived(&f, None).await;
        assert!(done && said.contains("credentials at sms"), "{case}: {said}");
        assert_eq!(sealed(&f), 0, "{case}");
    }
}

#[tokio::test]
async fn an_answer_to_a_refused_request_may_have_arrived_too_and_its_end_stays_as_it_is() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "refuse")]).await;
    stick(&f, "email", Fault::unknown("the answer was lost")).await;
    assert!(arrived(&f, None).await.0);
    assert_eq!(f.state("1"), "refused");
    assert_eq!(f.reader().outcome(1).unwrap().steps[0].state, "done");
}

#[tokio::test]
async fn a_notice_in_flight_of_a_channel_that_is_no_longer_configured_is_not_sent_again_by_itself() {
    let f = begun().await;
    assert_eq!(f.journal.turn("sms", Arc::default(), 10).await.unwrap().claims.len(), 1);
    let f = f.reopen();
    // As the daemon does for a lane that it does not know; a step of a target's is only looked at again.
    f.journal.recover("sms", true).await.unwrap();
    assert_eq!(f.state("1"), "stuck");
    f.admit(vec![record("2", "b@x.id")]).await;
    assert_eq!(f.journal.turn("credentials", Arc::default(), 10).await.unwrap().claims.len(), 1);
    let f = f.reopen();
    f.journal.recover("credentials", true).await.unwrap();
    assert_eq!(f.state("2"), "working");
}

#[tokio::test]
async fn the_password_is_wiped_with_the_last_notice_that_needs_it_and_not_before_or_later() {
    let f = begun().await;
    assert_eq!(sealed(&f), 1, "the user name went, and the password did not");
    refuse(&f, "sms", "sms2").await;
    assert_eq!(sealed(&f), 1);
    assert_eq!(serve(&f.journal, "sms2").await, 1);
    assert_eq!((sealed(&f), f.state("1").as_str()), (0, "working"), "another notice is still to go");
    serve(&f.journal, "email").await;
    assert_eq!(f.state("1"), "done");
}

#[tokio::test]
async fn a_report_counts_once_also_when_it_comes_before_the_handing_over_is_recorded() {
    let f = begun().await;
    let claim = f.journal.turn("sms", Arc::default(), 10).await.unwrap().claims.remove(0);
    let place = u8::try_from(claim.step.0 & 0xff).unwrap();
    let report = |lane: &str, report| f.journal.reported(claim.uid, place, lane.into(), report, None);
    assert!(!report("email", Report::Confirmed).await.unwrap(), "another channel's");
    assert!(report("sms", Report::Confirmed).await.unwrap());
    let settlement = Settlement::Done {
        proof: None,
        external_id: None,
        note: Some("taken".into()),
        sealed: None,
        reference: Some("r-1".into()),
        kept: None,
        found: false,
    };
    let settled = Settled { step: claim.step, attempt: claim.attempt, settlement };
    f.journal.turn("sms", Arc::new(vec![settled]), 0).await.unwrap();
    let arrival = |f: &Fixture| f.reader().outcome(1).unwrap().steps[2].arrival.clone();
    assert_eq!(arrival(&f).as_deref(), Some("confirmed"));
    assert!(!report("sms", Report::Confirmed).await.unwrap(), "told already");
    assert!(report("sms", Report::Failed).await.unwrap(), "one part of it failed");
    assert!(!report("sms", Report::Confirmed).await.unwrap(), "a failure stays one");
    assert!(f.reader().expected("sms").unwrap().is_empty());
    let before = claim.step.0 - 1;
    f.journal.arrivals("email".into(), vec![(before << 8, Report::Confirmed, None)]).await.unwrap();
}

#[tokio::test]
async fn a_report_on_an_earlier_attempt_says_nothing_of_the_one_that_was_ordered() {
    let f = begun().await;
    let claim = f.journal.turn("sms", Arc::default(), 10).await.unwrap().claims.remove(0);
    let stuck = Settlement::Stuck { fault: Fault::unknown("the answer was lost") };
    let settled = Settled { step: claim.step, attempt: 1, settlement: stuck };
    f.journal.turn("sms", Arc::new(vec![settled]), 0).await.unwrap();
    let place = u8::try_from(claim.step.0 & 0xff).unwrap();
    assert!(f.journal.reported(claim.uid, place, "sms".into(), Report::Failed, None).await.unwrap());
    orders::place(&f.path(), &order(OrderVerb::Retry, "1")).unwrap();
    f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap();
    let claim = f.journal.turn("sms", Arc::default(), 10).await.unwrap().claims.remove(0);
    let mut settled = done(&claim);
    if let Settlement::Done { reference, .. } = &mut settled.settlement {
        *reference = Some("r-2".into());
    }
    f.journal.turn("sms", Arc::new(vec![settled]), 0).await.unwrap();
    assert_eq!(f.reader().outcome(1).unwrap().steps[2].arrival.as_deref(), Some("expected"));
    assert!(f.journal.reported(claim.uid, place, "sms".into(), Report::Confirmed, None).await.unwrap());
}

#[tokio::test]
async fn a_report_that_never_comes_is_given_up() {
    let f = begun().await;
    let claim = f.journal.turn("sms", Arc::default(), 10).await.unwrap().claims.remove(0);
    let mut settled = done(&claim);
    if let Settlement::Done { reference, .. } = &mut settled.settlement {
        *reference = Some("r-1".into());
    }
    f.journal.turn("sms", Arc::new(vec![settled]), 0).await.unwrap();
    assert_eq!(f.reader().expected("sms").unwrap()[0].reference, "r-1");
    assert_eq!(f.journal.stop_expecting("sms".into(), SignedDuration::from_hours(1)).await.unwrap(), 0);
    rusqlite::Connection::open(f.path()).unwrap().execute("UPDATE receipt SET since = since - 7200000000", []).unwrap();
    assert_eq!(f.journal.stop_expecting("sms".into(), SignedDuration::from_hours(1)).await.unwrap(), 1);
    assert_eq!(f.reader().outcome(1).unwrap().steps[2].arrival.as_deref(), Some("unknown"));
}

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

async fn given(f: &Fixture, verb: OrderVerb, argument: &str) -> (bool, String) {
    orders::place(&f.path(), &order(verb, argument)).unwrap();
    let done = f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap().remove(0);
    (done.done, done.result)
}

/// What became of the notice that is told aside, in a request of this category.
fn aside(f: &Fixture, id: &str) -> String {
    let sql = "SELECT s.state FROM step s JOIN request r ON r.id = s.id >> 8 WHERE r.ext_id = ?1 AND s.lane = 'told'";
    f.reader().connection.query_row(sql, [id], |row| row.get(0)).unwrap()
}

async fn settle_at(f: &Fixture, lane: &str, settlement: Settlement) {
    let claim = f.journal.turn(lane, Arc::default(), 1).await.unwrap().claims.remove(0);
    let settled = Settled { step: claim.step, attempt: claim.attempt, settlement };
    f.journal.turn(lane, Arc::new(vec![settled]), 0).await.unwrap();
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
    settle_at(&f, "told", Settlement::Stuck { fault: Fault::permanent("550 mailbox closed") }).await;
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
    settle_at(&f, "told", Settlement::done(None)).await;
    assert_eq!(aside(&f, "2"), "done");
    // A person may try again, or say that the holder knows.
    assert!(given(&f, OrderVerb::Retry, "1").await.0);
    assert_eq!((aside(&f, "1").as_str(), f.state("1").as_str()), ("ready", "done"));
    settle_at(&f, "told", Settlement::Stuck { fault: Fault::permanent("550 mailbox closed") }).await;
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
    settle_at(&f, "email", Settlement::done(None)).await;
    assert_eq!((aside(&f, "1").as_str(), f.state("1").as_str()), ("cancelled", "done"));
    // Where it was not handed over, the holder does not wait for a person.
    settle_at(&f, "email", Settlement::Stuck { fault: Fault::permanent("550") }).await;
    assert_eq!((aside(&f, "2").as_str(), f.state("2").as_str()), ("ready", "stuck"));
    settle_at(&f, "told", Settlement::done(None)).await;
    assert_eq!((aside(&f, "2").as_str(), f.state("2").as_str()), ("done", "stuck"));
}

#[tokio::test]
async fn a_request_that_is_taken_back_before_it_is_carried_out_tells_no_holder() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "holder")]).await;
    assert!(given(&f, OrderVerb::Withdraw, "1").await.0);
    serve_all(&f.journal).await;
    assert_eq!((aside(&f, "1").as_str(), f.state("1").as_str()), ("cancelled", "withdrawn"));
}

#[tokio::test]
async fn of_a_notice_that_may_have_been_taken_and_a_holder_s_that_was_refused_only_the_first_has_arrived() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "holder")]).await;
    serve(&f.journal, "mail").await;
    serve(&f.journal, "mail").await;
    settle_at(&f, "told", Settlement::Stuck { fault: Fault::permanent("550 mailbox closed") }).await;
    settle_at(&f, "email", Settlement::Stuck { fault: Fault::unknown("the answer was lost") }).await;
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
    settle_at(&f, "email", Settlement::done(None)).await;
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
        settle_at(&f, "email", Settlement::Stuck { fault: Fault::permanent("550") }).await;
        assert_eq!(f.journal.turn("told", Arc::default(), 1).await.unwrap().claims.len(), 1);
        assert!(given(&f, OrderVerb::Withdraw, "1").await.0);
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
    settle_at(&f, "told", Settlement::Retry { due: later, fault: Fault::transient("the gateway is away") }).await;
    serve(&f.journal, "email").await;
    f.journal.orphan("told").await.unwrap();
    assert_eq!([aside(&f, "1"), aside(&f, "2")], ["stuck", "stuck"]);
    assert!(f.reader().lanes_with_open_steps().unwrap().is_empty());
    let (done, said) = arrived(&f, None).await;
    assert!(done, "{said}");
    assert!(given(&f, OrderVerb::Retry, "2").await.0, "the channel is there again");
    assert_eq!([aside(&f, "1"), aside(&f, "2")], ["done", "ready"]);
}

#[tokio::test]
async fn an_outlet_that_was_not_configured_when_the_journal_was_put_back_waits_for_the_same_order() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "refuse")]).await;
    let Fixture { dir, journal, writer } = f;
    drop(journal);
    writer.join().unwrap();
    restored::mark(&dir.path().join("journal.db")).unwrap();
    let (journal, writer) = open(dir.path()).unwrap();
    assert!(journal.recognise(Vec::new(), Vec::new()).await.unwrap().is_some());
    let f = Fixture { dir, journal, writer };
    write(&f, "it").await;
    assert!(f.journal.posts("tickets", Arc::default(), 9).await.unwrap().paused);
    ordered(&f, OrderVerb::Unpause, "").await;
    assert!(!f.journal.posts("tickets", Arc::default(), 9).await.unwrap().paused);
}

/// How many documents are on their way to an outlet, and how many are stuck.
pub(super) fn waiting(f: &Fixture, outlet: &str) -> (u64, u64) {
    let status = f.reader().outlet(outlet).unwrap();
    (status.ready + status.retry + status.running, status.stuck)
}
