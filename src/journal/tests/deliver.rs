//! Notices on their way: passed on, wiped for, confirmed.

use super::*;
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
    let settled = Settled::new(claim.step, claim.attempt, settlement);
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
    let policy = Policy { first: hour, longest: hour, give_up: hour, settle: hour, look: hour, never_blindly: true };
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
        let settled = Settled::new(claim.step, claim.attempt, settlement);
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
    settle(&f.journal, lane, Settlement::Stuck { fault }).await;
}

pub(super) async fn arrived(f: &Fixture, channel: Option<&str>) -> (bool, String) {
    let what = arrived::Arrived { request: "1".into(), channel: channel.map(str::to_owned) };
    f.ordered(&[], OrderVerb::Arrived, &serde_json::to_string(&what).unwrap()).await
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

const LANES: [&str; 3] = ["credentials", "email", "sms"];

/// Put back, and let go on.
async fn put_back(f: Fixture) -> Fixture {
    let f = f.put_back(&[]).await;
    ordered(&f, OrderVerb::Unpause, "").await;
    for lane in LANES {
        f.journal.recover(lane, true).await.unwrap();
    }
    f
}

async fn ordered(f: &Fixture, verb: OrderVerb, argument: &str) {
    let (done, said) = f.ordered(&LANES, verb, argument).await;
    assert!(done, "{said}");
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
    let settled = Settled::new(claim.step, claim.attempt, settlement);
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
    let settled = Settled::new(claim.step, 1, stuck);
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
