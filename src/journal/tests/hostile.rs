//! Odd orders of events: what must neither hang, nor be lost, nor stop the others.

use super::*;

#[test]
fn what_is_said_of_a_damaged_document_quotes_nothing_of_it() {
    let error = serde_json::from_str::<Vec<u64>>("[\"Siti Aminah\"]").unwrap_err();
    assert!(error.to_string().contains("Siti"), "else there is nothing to keep out: {error}");
    let said = JournalError::from(error).to_string();
    assert!(!said.contains("Siti") && said.contains("not of the expected shape, at line 1"), "{said}");
}

/// Claims at most one step of a lane and settles it as given; what was claimed.
async fn settle_one(f: &Fixture, lane: &str, settlement: impl FnOnce(&Claim) -> Settlement) -> Claim {
    let claim = f.journal.turn(lane, Arc::default(), 1).await.unwrap().claims.remove(0);
    let settled = Settled::new(claim.step, claim.attempt, settlement(&claim));
    f.journal.turn(lane, Arc::new(vec![settled]), 0).await.unwrap();
    claim
}

fn stuck(_: &Claim) -> Settlement {
    Settlement::Stuck { fault: Fault::permanent("no") }
}

/// Places an order and has it carried out: whether it was, and what was said.
async fn ordered(f: &Fixture, verb: OrderVerb, argument: &str) -> (bool, String) {
    orders::place(&f.path(), &order(verb, argument)).unwrap();
    let carried = f.journal.carry_out_orders(vec!["mail".into()], None, Default::default()).await.unwrap().remove(0);
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

#[tokio::test]
async fn a_withdrawal_of_what_is_over_says_in_which_state_it_is() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve_all(&f.journal).await;
    let (done, said) = ordered(&f, OrderVerb::Withdraw, "1").await;
    assert!(!done && said.contains("is done") && said.contains("\"remove\""), "{said}");
    let (done, said) = ordered(&f, OrderVerb::Retry, "1").await;
    assert!(!done && said.contains("is done") && said.contains("no step that is stuck"), "{said}");
    // One whose undo steps were carried out, and one that was never begun.
    f.admit(vec![record("2", "b@x.id"), record("3", "c@x.id")]).await;
    assert!(ordered(&f, OrderVerb::Withdraw, "3").await.0);
    serve(&f.journal, "credentials").await;
    settle_one(&f, "mail", stuck).await;
    assert!(ordered(&f, OrderVerb::Withdraw, "2").await.0);
    let (done, said) = ordered(&f, OrderVerb::Withdraw, "2").await;
    assert!(!done && said.contains("is withdrawing already"), "{said}");
    serve(&f.journal, "mail").await;
    for id in ["2", "3"] {
        assert_eq!(f.state(id), "withdrawn");
        let (done, said) = ordered(&f, OrderVerb::Withdraw, id).await;
        assert!(!done && said.contains("is withdrawn: there is nothing to take back"), "{said}");
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

#[tokio::test]
async fn a_resumption_is_judged_by_the_suspension_before_it_be_it_waiting_or_stuck() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve_all(&f.journal).await;
    let resume = |id: &str| vec![with_category(about(id, Action::Resume, "a@x.id"), "if-suspended")];
    f.admit(resume("2")).await;
    assert_eq!(f.state("2"), "refused", "it is open");
    f.admit(vec![about("3", Action::Suspend, "a@x.id")]).await;
    f.admit(resume("4")).await;
    serve(&f.journal, "credentials").await;
    settle_one(&f, "mail", stuck).await;
    f.admit(resume("5")).await;
    let states = |ids: [&str; 3]| ids.map(|id| f.state(id));
    assert_eq!(states(["3", "4", "5"]), ["stuck", "working", "refused"], "after the one that waits it is open");
    assert!(ordered(&f, OrderVerb::Withdraw, "3").await.0);
    serve_all(&f.journal).await;
    assert_eq!(f.state("4"), "done");
    // With nothing behind it: what it did at its target stays, and may be taken back.
    f.admit(vec![about("11", Action::Suspend, "a@x.id")]).await;
    serve(&f.journal, "credentials").await;
    settle_one(&f, "mail", stuck).await;
    assert!(ordered(&f, OrderVerb::Withdraw, "11").await.0);
    f.admit(resume("12")).await;
    serve_all(&f.journal).await;
    f.admit(resume("13")).await;
    assert_eq!(states(["11", "12", "13"]), ["withdrawn", "done", "refused"]);
    // One that was withdrawn before it had reached anything has changed nothing.
    f.admit(vec![about("6", Action::Suspend, "a@x.id")]).await;
    assert!(ordered(&f, OrderVerb::Withdraw, "6").await.0);
    f.admit(resume("7")).await;
    assert_eq!(f.state("7"), "refused");
}

/// Grants changes as the procedures do: the register's account with the new values.
fn decide_change(admission: &Admission, facts: &Facts, uid: AccountUid, now: Timestamp) -> Judgement {
    let mut judgement = decide(admission, facts, uid, now);
    let change = admission.record.change.clone().unwrap_or_default();
    if let Verdict::Permit { grant } | Verdict::Hold { grant: Some(grant), .. } = &mut judgement.verdict {
        if let Some(new) = change.address {
            grant.names.push(new.to_string());
            grant.account.address = Some(new);
        }
        grant.account.quota = change.quota.or(grant.account.quota);
    }
    judgement
}

async fn admit_change(f: &Fixture, id: &str, category: &str, change: crate::model::request::Change) -> Admitted {
    let mut record = with_category(about(id, Action::Change, "a@x.id"), category);
    record.change = Some(change);
    let admission = Admission {
        digest: [id.as_bytes()[0]; 32],
        row: 1,
        names: vec!["a@x.id".into(), "b@x.id".into()],
        live: Vec::new(),
        unit: None,
        signed_as: Vec::new(),
        not_permitted: Vec::new(),
        record,
    };
    let submission =
        Submission { source: "local".into(), name: id.into(), sha256: [8; 32], evidence: String::new(), bulk: false };
    f.journal.admit(submission, vec![admission], Arc::new(decide_change)).await.unwrap().remove(0)
}

fn to_address(address: &str) -> crate::model::request::Change {
    crate::model::request::Change { address: Some(address.parse().unwrap()), ..Default::default() }
}

fn to_quota(bytes: u64) -> crate::model::request::Change {
    crate::model::request::Change { quota: Some(Quota(bytes)), ..Default::default() }
}

/// Address and quota in the register, by a name of the account.
fn in_register(f: &Fixture, name: &str) -> (String, Option<i64>) {
    let sql = "SELECT a.account ->> 'address', a.account ->> 'quota' FROM account a JOIN name n ON n.account = a.uid
               WHERE n.name = ?1";
    f.reader().connection.query_row(sql, [name], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[tokio::test]
async fn requests_that_wait_for_one_account_do_not_take_back_each_others_changes() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve_all(&f.journal).await;
    admit_change(&f, "2", "", to_address("b@x.id")).await;
    admit_change(&f, "3", "", to_quota(5)).await;
    f.admit(vec![about("4", Action::Suspend, "a@x.id")]).await;
    serve_all(&f.journal).await;
    assert_eq!([f.state("2"), f.state("3"), f.state("4")], ["done", "done", "done"]);
    assert_eq!(in_register(&f, "a@x.id"), ("b@x.id".into(), Some(5)));
}

#[tokio::test]
async fn a_released_change_does_not_take_back_what_was_changed_while_it_was_held() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve_all(&f.journal).await;
    admit_change(&f, "2", "review", to_quota(5)).await;
    admit_change(&f, "3", "", to_address("b@x.id")).await;
    assert!(ordered(&f, OrderVerb::Release, "2").await.0);
    let claims = f.journal.turn("credentials", Arc::default(), 10).await.unwrap().claims;
    assert_eq!(claims.len(), 1, "one after the other, also where the younger has begun first");
    f.journal.turn("credentials", Arc::new(claims.iter().map(done).collect()), 0).await.unwrap();
    serve_all(&f.journal).await;
    assert_eq!([f.state("2"), f.state("3")], ["done", "done"]);
    assert_eq!(in_register(&f, "a@x.id"), ("b@x.id".into(), Some(5)));
}

#[tokio::test]
async fn the_end_of_one_that_waits_for_an_account_starts_nobody_beside_the_one_that_works_on_it() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve_all(&f.journal).await;
    admit_change(&f, "2", "review", to_quota(5)).await;
    admit_change(&f, "3", "", to_quota(6)).await;
    admit_change(&f, "4", "", to_quota(7)).await;
    let working = f.journal.turn("credentials", Arc::default(), 10).await.unwrap().claims;
    assert_eq!(working.iter().map(|claim| claim.key.id.as_str()).collect::<Vec<_>>(), ["3"]);
    assert!(ordered(&f, OrderVerb::Release, "2").await.0);
    let waits_for = |id: &str| {
        let reader = f.reader();
        let said = reader.outcome(reader.resolve(id).unwrap()).unwrap().waits_for;
        let listed = reader.list(&[], 10).unwrap().into_iter().find(|one| one.request.contains(&format!(":{id}@")));
        assert_eq!(listed.unwrap().waits_for, said, "{id}");
        said
    };
    assert_eq!(["1", "2", "3", "4"].map(waits_for), [None, Some("p:3@1".into()), None, Some("p:3@1".into())]);
    assert!(ordered(&f, OrderVerb::Withdraw, "4").await.0);
    assert_eq!(serve(&f.journal, "credentials").await, 0, "3 works on the account");
    f.journal.turn("credentials", Arc::new(working.iter().map(done).collect()), 0).await.unwrap();
    serve_all(&f.journal).await;
    assert_eq!([f.state("2"), f.state("3"), f.state("4")], ["done", "done", "withdrawn"]);
}

fn holds(f: &Fixture, name: &str) -> bool {
    let sql = "SELECT EXISTS (SELECT 1 FROM name WHERE name = ?1)";
    f.reader().connection.query_row(sql, [name], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_withdrawn_change_gives_its_new_address_back_and_keeps_the_accounts_own() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve_all(&f.journal).await;
    admit_change(&f, "2", "review", to_address("b@x.id")).await;
    admit_change(&f, "3", "review", to_address("b@x.id")).await;
    assert!(ordered(&f, OrderVerb::Withdraw, "2").await.0);
    assert!(holds(&f, "b@x.id"), "the other one still wants it");
    assert!(ordered(&f, OrderVerb::Withdraw, "3").await.0);
    assert!(!holds(&f, "b@x.id") && holds(&f, "a@x.id"));
    assert_eq!(in_register(&f, "a@x.id").0, "a@x.id");
}

#[tokio::test]
async fn a_change_that_is_stuck_at_a_target_keeps_its_new_address_when_it_is_withdrawn() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve_all(&f.journal).await;
    admit_change(&f, "2", "", to_address("b@x.id")).await;
    serve(&f.journal, "credentials").await;
    serve(&f.journal, "mail").await;
    settle_one(&f, "mail", stuck).await;
    assert!(ordered(&f, OrderVerb::Withdraw, "2").await.0);
    assert!(holds(&f, "b@x.id"), "the target may have it");
}

/// Hands in what the source has no right to hand in.
async fn admit_without_right(f: &Fixture, record: Record) -> Admitted {
    let admission = Admission {
        digest: [9; 32],
        row: 1,
        names: Vec::new(),
        live: Vec::new(),
        unit: None,
        signed_as: Vec::new(),
        not_permitted: vec!["source intruder may not use the procedure p".into()],
        record,
    };
    let submission = Submission {
        source: "intruder".into(),
        name: "x".into(),
        sha256: [9; 32],
        evidence: String::new(),
        bulk: false,
    };
    f.journal.admit(submission, vec![admission], Arc::new(decide)).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_source_without_the_right_takes_no_id_and_ends_nobodys_request() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "form")]).await;
    for (id, revision) in [("1", 2), ("2", 1)] {
        let mut intruders = record(id, "z@x.id");
        intruders.key.revision = revision;
        let answer = admit_without_right(&f, intruders).await;
        assert!(matches!(&answer, Admitted::Rejected(reason) if reason.contains("may not use")), "{answer:?}");
    }
    assert_eq!(f.state("p:1@1"), "held");
    let answer = f.admit(vec![record("2", "b@x.id")]).await;
    assert!(matches!(answer[0], Admitted::New { state: State::Working, .. }), "{answer:?}");
}

fn by_hand(f: &Fixture, sql: &str) {
    rusqlite::Connection::open(f.path()).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_step_whose_data_are_gone_or_damaged_is_stuck_and_the_others_go_on() {
    let f = Fixture::new();
    let refused = |id: &str| with_category(record(id, "a@x.id"), "refuse");
    f.admit(vec![refused("1"), refused("2"), refused("3")]).await;
    by_hand(&f, "DELETE FROM personal WHERE request = 1; UPDATE personal SET judgement = '{' WHERE request = 2");
    let turn = f.journal.turn("email", Arc::default(), 10).await.unwrap();
    assert_eq!(turn.claims.iter().map(|c| c.key.id.as_str()).collect::<Vec<_>>(), ["3"]);
    assert_eq!(turn.unreadable, 2);
    assert_eq!(f.reader().lane("email").unwrap().stuck, 2);
}

#[tokio::test]
async fn a_request_whose_data_are_damaged_keeps_no_document_and_no_deadline_of_others_waiting() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id"), record("2", "b@x.id"), record("3", "c@x.id")]).await;
    by_hand(&f, "UPDATE personal SET judgement = '{', account = '{', record = '{' WHERE request = 1");
    f.reader().running(|_| panic!("no procedure here has a table of steps")).unwrap();
    by_hand(&f, "UPDATE texts SET texts = '{'");
    f.reader().running(|_| ()).unwrap();
    for id in ["1", "2", "3"] {
        assert!(ordered(&f, OrderVerb::Withdraw, id).await.0);
    }
    let due = f.reader().outcomes_due(10).unwrap();
    assert_eq!(due.iter().map(|due| due.outcome.state.as_str()).collect::<Vec<_>>(), ["withdrawn"; 3]);
    assert!(due[0].outcome.reasons.iter().any(|reason| reason.contains("cannot be read")), "{:?}", due[0].outcome);
}

#[tokio::test]
async fn a_request_for_an_account_whose_data_are_gone_is_judged_and_stops_nobody() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve_all(&f.journal).await;
    by_hand(&f, "UPDATE account SET account = '{}'");
    // The journal's little procedure does not look whether there is an account.
    let suspend = with_category(about("2", Action::Suspend, "a@x.id"), "refuse");
    let admitted = f.admit(vec![suspend, record("3", "a@x.id"), record("4", "b@x.id")]).await;
    let states: Vec<State> =
        admitted.iter().map(|a| if let Admitted::New { state, .. } = a { *state } else { State::Stuck }).collect();
    assert_eq!(states, [State::Refused, State::Conflicted, State::Working]);
}

#[tokio::test]
async fn a_clock_that_was_set_back_keeps_no_repetition_waiting_until_it_has_caught_up() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id"), with_category(record("2", "b@x.id"), "refuse")]).await;
    let later = |_: &Claim| Settlement::Retry {
        due: Timestamp::now() + SignedDuration::from_hours(7),
        fault: Fault::transient("away"),
    };
    settle_one(&f, "credentials", later).await;
    let mut due = f.reader().outcomes_due(10).unwrap();
    due.iter_mut().for_each(|one| one.body = b"{}".to_vec());
    f.journal.outcomes_written(&due, vec![("tickets".into(), Vec::new())]).await.unwrap();
    by_hand(&f, "UPDATE posting SET state = 'retry', due = (SELECT max(due) FROM step)");
    let f = f.reopen();
    assert_eq!(serve(&f.journal, "credentials").await, 0, "a wait is a wait");
    // As it looks after the clock of a machine that thought it was seven hours later was set right.
    by_hand(
        &f,
        "INSERT INTO event (seq, at, subject, kind, detail, hash)
         SELECT max(seq) + 1, max(at) + 25200000000, x'', 'reloaded', '{}', zeroblob(32) FROM event",
    );
    let f = f.reopen();
    assert_eq!(serve(&f.journal, "credentials").await, 1);
    assert_eq!(f.journal.posts("tickets", Arc::default(), 10).await.unwrap().claims.len(), 1);
}

#[test]
fn no_target_or_channel_can_be_called_as_what_akund_wakes_by_itself() {
    // A name has no space in it ([`crate::config`]). Two who wait for one bell are woken in turn, and one of them too late.
    for bell in [crate::journal::outcome::LANE, operator::LANE, overdue::LANE] {
        assert!(bell.contains(' '), "{bell}");
    }
}

#[tokio::test]
async fn a_notice_in_flight_is_not_sent_again_once_a_higher_revision_has_made_it_untrue() {
    for crash in [false, true] {
        let f = Fixture::new();
        f.admit(vec![with_category(record("1", "a@x.id"), "refuse")]).await;
        let claim = f.journal.turn("email", Arc::default(), 1).await.unwrap().claims.remove(0);
        let mut corrected = record("1", "a@x.id");
        corrected.key.revision = 2;
        assert!(matches!(f.admit(vec![corrected]).await[0], Admitted::New { state: State::Working, .. }));
        let f = match crash {
            true => f.reopen(),
            false => {
                let settlement = Settlement::Retry { due: Timestamp::now(), fault: Fault::transient("busy") };
                let settled = Settled::new(claim.step, claim.attempt, settlement);
                f.journal.turn("email", Arc::new(vec![settled]), 0).await.unwrap();
                f
            }
        };
        f.journal.recover("email", false).await.unwrap();
        assert!(f.journal.turn("email", Arc::default(), 10).await.unwrap().claims.is_empty(), "after a crash: {crash}");
        serve_all(&f.journal).await;
        assert_eq!(f.state("p:1@2"), "done");
    }
}

#[tokio::test]
async fn an_order_that_cannot_be_carried_out_does_not_keep_others_waiting() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id"), with_category(record("2", "b@x.id"), "review")]).await;
    for id in ["1", "2"] {
        orders::place(&f.path(), &order(OrderVerb::Withdraw, id)).unwrap();
    }
    orders::place(&f.path(), &order(OrderVerb::Release, "2")).unwrap();
    by_hand(
        &f,
        "UPDATE orders SET verb = 'dance' WHERE id = 1; UPDATE request SET hold = 'nonsense' WHERE ext_id = '2'",
    );
    by_hand(&f, "UPDATE orders SET id = 0 WHERE id = 3");
    f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap();
    assert_eq!([f.state("1"), f.state("2")], ["working", "withdrawn"]);
    assert_eq!(orders::result(&f.path(), 1).unwrap().state, "refused");
    assert_eq!(orders::result(&f.path(), 0).unwrap().state, "refused");
}

#[tokio::test]
async fn a_notice_in_flight_at_a_crash_is_not_sent_for_a_request_that_is_being_withdrawn() {
    for stick in [false, true] {
        let f = Fixture::new();
        f.admit(vec![record("1", "a@x.id")]).await;
        serve(&f.journal, "credentials").await;
        serve(&f.journal, "mail").await;
        serve(&f.journal, "mail").await;
        assert_eq!(f.journal.turn("email", Arc::default(), 1).await.unwrap().claims.len(), 1);
        assert!(ordered(&f, OrderVerb::Withdraw, "1").await.0);
        let f = f.reopen();
        f.journal.recover("email", stick).await.unwrap();
        assert_eq!(serve(&f.journal, "email").await, 0);
        assert_eq!(serve(&f.journal, "mail").await, 1, "it is undone");
        assert_eq!(f.state("1"), "withdrawn");
    }
}

#[tokio::test]
async fn a_commit_of_nothing_does_not_make_an_unwritable_journal_writable() {
    let f = Fixture::new();
    f.journal.call(|tx| tx.row("PRAGMA max_page_count = 1", [], |_| Ok(()))).await.unwrap();
    let filler = rusqlite::Connection::open(f.path()).unwrap();
    filler.query_row("PRAGMA max_page_count = 1", [], |_| Ok(())).unwrap();
    // Beside the place of the probe's row, until not even a smaller one fits.
    for row in ["('proba' || hex(randomblob(8)), zeroblob(100))", "('probd' || hex(randomblob(2)), x'')"] {
        while filler.execute(&format!("INSERT OR IGNORE INTO meta (key, value) VALUES {row}"), []).is_ok() {}
    }
    assert!(matches!(f.journal.call(|tx| tx.touch()).await, Err(JournalError::Unwritable { .. })));
    let no_orders = f.journal.carry_out_orders(vec![], None, Default::default()).await;
    assert!(matches!(no_orders, Err(JournalError::Unwritable { .. })), "{no_orders:?}");
    filler.execute("DELETE FROM meta WHERE key LIKE 'prob_%'", []).unwrap();
    assert!(
        f.journal.carry_out_orders(vec![], None, Default::default()).await.is_ok(),
        "with room it goes on by itself"
    );
    assert!(f.journal.writable().borrow().is_ok());
}

#[tokio::test]
async fn the_judge_learns_that_an_account_was_made_for_another_identifier() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve_all(&f.journal).await;
    for (identifier, other) in [("1", false), ("2", true), ("", true)] {
        let mut reset = about(&format!("r{identifier}"), Action::Reset, "a@x.id");
        reset.applicant.identifier = identifier.into();
        let admission = Admission {
            digest: [1; 32],
            row: 1,
            names: Vec::new(),
            live: Vec::new(),
            unit: None,
            signed_as: Vec::new(),
            not_permitted: Vec::new(),
            record: reset,
        };
        let submission = Submission {
            source: "local".into(),
            name: identifier.into(),
            sha256: [3; 32],
            evidence: String::new(),
            bulk: false,
        };
        let look = move |admission: &Admission, facts: &Facts, uid: AccountUid, now: Timestamp| {
            assert_eq!(facts.other_holder, other, "{identifier:?}");
            decide(admission, facts, uid, now)
        };
        f.journal.admit(submission, vec![admission], Arc::new(look)).await.unwrap();
    }
}

#[tokio::test]
async fn an_account_is_not_reached_through_another_procedure() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    serve_all(&f.journal).await;
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    for procedure in ["p", "q"] {
        let mut suspend = record(&format!("{procedure}-2"), "a@x.id");
        suspend.action = Action::Suspend;
        suspend.key.procedure = procedure.into();
        let admission = Admission {
            digest: [9; 32],
            row: 1,
            names: Vec::new(),
            live: Vec::new(),
            unit: None,
            signed_as: Vec::new(),
            not_permitted: Vec::new(),
            record: suspend,
        };
        let submission = Submission {
            source: "local".into(),
            name: format!("{procedure}.toml"),
            sha256: [9; 32],
            evidence: String::new(),
            bulk: false,
        };
        let note = seen.clone();
        let decide = move |admission: &Admission, facts: &Facts, uid: AccountUid, now: Timestamp| {
            note.lock().unwrap().push(facts.account.is_some());
            decide(admission, facts, uid, now)
        };
        f.journal.admit(submission, vec![admission], Arc::new(decide)).await.ok();
    }
    assert_eq!(*seen.lock().unwrap(), [true, false]);
}
