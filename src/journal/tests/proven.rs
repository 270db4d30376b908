//! A proof that is made in the turn of the step that it proves.

use super::*;
use crate::model::FaultClass;

/// Of a plan.
#[derive(Debug, PartialEq)]
struct Step {
    verb: String,
    state: String,
    attempts: u32,
    proof: Option<String>,
    fault_class: Option<String>,
}

fn steps(f: &Fixture) -> Vec<Step> {
    let db = rusqlite::Connection::open(f.path()).unwrap();
    let mut all = db.prepare("SELECT verb, state, attempts, proof, fault_class FROM step ORDER BY id").unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Step {
            verb: row.get(0)?,
            state: row.get(1)?,
            attempts: row.get(2)?,
            proof: row.get(3)?,
            fault_class: row.get(4)?,
        })
    };
    all.query_map([], read).unwrap().map(Result::unwrap).collect()
}

fn proof_of(f: &Fixture) -> Step {
    steps(f).into_iter().find(|step| step.verb == "prove").unwrap()
}

/// What was recorded of the request's course, in its order, without its moments and uids.
fn events(f: &Fixture) -> Vec<String> {
    let db = rusqlite::Connection::open(f.path()).unwrap();
    let mut all = db.prepare("SELECT kind, detail FROM event ORDER BY seq").unwrap();
    let read = all.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))).unwrap();
    read.map(Result::unwrap)
        .filter(|(kind, _)| kind == "done")
        .map(|(kind, data)| format!("{kind} {}", data.unwrap_or_default()))
        .collect()
}

/// The apply of a request whose credential is there.
async fn claimed(f: &Fixture) -> Claim {
    f.admit(vec![record("1", "a@x.id")]).await;
    serve(&f.journal, "credentials").await;
    let claim = f.journal.turn("mail", Arc::default(), 1).await.unwrap().claims.remove(0);
    assert_eq!(claim.verb, Verb::Apply);
    claim
}

/// The apply done, and its proof with this outcome.
fn with_proof(claim: &Claim, settlement: Settlement) -> Settled {
    let proving = claim.proof.unwrap();
    Settled { proof: Some(Box::new(Settled::new(proving.step, proving.attempt, settlement))), ..done(claim) }
}

fn shown() -> Settlement {
    let Settlement::Done { note, .. } = Settlement::done(None) else { unreachable!() };
    Settlement::Done {
        proof: Some(Proof::Stored),
        external_id: None,
        note,
        sealed: None,
        reference: None,
        kept: None,
        found: false,
    }
}

async fn record_at(f: &Fixture, settled: Settled) -> Turn {
    f.journal.turn("mail", Arc::new(vec![settled]), 10).await.unwrap()
}

#[tokio::test]
async fn made_at_once_it_leaves_what_it_leaves_made_by_itself() {
    let (at_once, apart) = (Fixture::new(), Fixture::new());
    let claim = claimed(&at_once).await;
    assert!(record_at(&at_once, with_proof(&claim, shown())).await.claims.is_empty());
    let claim = claimed(&apart).await;
    let turn = record_at(&apart, done(&claim)).await;
    assert_eq!(turn.claims[0].verb, Verb::Prove);
    assert_eq!(
        (turn.claims[0].step, turn.claims[0].attempt),
        (claim.proof.unwrap().step, claim.proof.unwrap().attempt)
    );
    record_at(&apart, done(&turn.claims[0])).await;
    assert_eq!(steps(&at_once), steps(&apart));
    assert_eq!(events(&at_once), events(&apart));
    let proof = |f: &Fixture| -> Option<String> {
        let db = rusqlite::Connection::open(f.path()).unwrap();
        db.query_row("SELECT proof FROM placed WHERE target = 'mail'", [], |row| row.get(0)).unwrap()
    };
    assert_eq!((proof(&at_once), proof(&apart)), (Some("stored".into()), Some("stored".into())));
    for f in [&at_once, &apart] {
        serve_all(&f.journal).await;
        assert_eq!(f.state("1"), "done");
    }
}

#[tokio::test]
async fn one_that_fails_is_the_first_attempt_of_its_own_step() {
    let f = Fixture::new();
    let claim = claimed(&f).await;
    let later = |fault| Settlement::Retry { due: Timestamp::now() - SignedDuration::from_secs(1), fault };
    let turn = record_at(&f, with_proof(&claim, later(Fault::transient("not yet")))).await;
    let proof = &turn.claims[0];
    assert_eq!((proof.verb, proof.attempt, proof.uncertain), (Verb::Prove, 2, false), "it is due again at once");
    let stuck = Settlement::Stuck { fault: Fault::permanent("no login") };
    record_at(&f, Settled::new(proof.step, proof.attempt, stuck)).await;
    assert_eq!(f.state("1"), "stuck");

    let f = Fixture::new();
    let claim = claimed(&f).await;
    let stuck = Settlement::Stuck { fault: Fault::permanent("no login") };
    assert!(record_at(&f, with_proof(&claim, stuck)).await.claims.is_empty());
    assert_eq!(f.state("1"), "stuck");
    let seen = proof_of(&f);
    assert_eq!((seen.state.as_str(), seen.attempts, seen.proof), ("stuck", 1, None));
    assert_eq!(seen.fault_class.as_deref(), Some(FaultClass::Permanent.as_str()));
    assert_eq!(serve(&f.journal, "email").await, 0, "no notice leaves");
    f.ordered(&["mail", "email"], OrderVerb::Retry, "1").await;
    serve_all(&f.journal).await;
    assert_eq!(f.state("1"), "done");
}

#[tokio::test]
async fn a_retry_of_one_that_is_stuck_writes_what_it_proves_again() {
    let f = Fixture::new();
    let claim = claimed(&f).await;
    let stuck = Settlement::Stuck { fault: Fault::permanent("somebody else has changed it") };
    record_at(&f, with_proof(&claim, stuck)).await;
    f.ordered(&["mail", "email"], OrderVerb::Retry, "1").await;
    let again = f.journal.turn("mail", Arc::default(), 10).await.unwrap().claims;
    let told: Vec<_> = again.iter().map(|claim| (claim.verb, claim.attempt)).collect();
    assert_eq!(told, [(Verb::Apply, 2)]);
    assert_eq!(again[0].proof.map(|proof| proof.attempt), Some(2), "its proof may come with it again");
    record_at(&f, with_proof(&again[0], shown())).await;
    assert_eq!(proof_of(&f).state, "done");
    serve_all(&f.journal).await;
    assert_eq!(f.state("1"), "done");
}

#[tokio::test]
async fn of_a_request_that_is_taken_back_meanwhile_it_is_not_recorded() {
    let f = Fixture::new();
    let claim = claimed(&f).await;
    assert!(f.ordered(&["mail", "email"], OrderVerb::Withdraw, "1").await.0);
    let turn = record_at(&f, with_proof(&claim, shown())).await;
    assert_eq!(turn.claims.iter().map(|claim| claim.verb).collect::<Vec<_>>(), [Verb::Undo]);
    let seen = proof_of(&f);
    assert_eq!((seen.state.as_str(), seen.attempts), ("cancelled", 0));
    record_at(&f, done(&turn.claims[0])).await;
    assert_eq!(f.state("1"), "withdrawn");
}

#[tokio::test]
async fn of_an_attempt_that_is_not_running_neither_is_recorded_and_twice_is_as_once() {
    let f = Fixture::new();
    let claim = claimed(&f).await;
    let stale = || Settled { attempt: 7, ..with_proof(&claim, shown()) };
    record_at(&f, stale()).await;
    assert_eq!(proof_of(&f).state, "blocked");
    record_at(&f, with_proof(&claim, shown())).await;
    let after = (steps(&f), events(&f));
    record_at(&f, with_proof(&claim, shown())).await;
    let failed = Settlement::Stuck { fault: Fault::permanent("late") };
    record_at(&f, with_proof(&claim, failed)).await;
    assert_eq!((steps(&f), events(&f)), after);
}

#[tokio::test]
async fn it_comes_with_its_apply_only_while_it_waits_for_that_and_the_journal_was_not_put_back() {
    const LANES: [&str; 3] = ["credentials", "mail", "email"];
    let f = Fixture::new();
    let claim = claimed(&f).await;
    let proof = record_at(&f, done(&claim)).await.claims.remove(0);
    assert!(claim.proof.is_some() && proof.proof.is_none());

    let f = Fixture::new();
    claimed(&f).await;
    let f = f.put_back(&LANES).await;
    f.journal.recover("mail", false).await.unwrap();
    f.ordered(&LANES, OrderVerb::Unpause, "").await;
    let claim = f.journal.turn("mail", Arc::default(), 10).await.unwrap().claims.remove(0);
    assert!(claim.verb == Verb::Apply && claim.restored && claim.proof.is_none());
}

/// When the step's first attempt began.
fn first_at(f: &Fixture, step: StepId) -> Option<i64> {
    let db = rusqlite::Connection::open(f.path()).unwrap();
    db.query_row("SELECT first_at FROM step WHERE id = ?1", [step.0], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn one_that_was_not_begun_is_as_if_it_had_not_been_claimed() {
    let f = Fixture::new();
    let claim = claimed(&f).await;
    let proof = record_at(&f, done(&claim)).await.claims.remove(0);
    let not_begun = |claim: &Claim| Settled::new(claim.step, claim.attempt, Settlement::NotBegun);
    f.journal.turn("mail", Arc::new(vec![not_begun(&proof)]), 0).await.unwrap();
    let seen = proof_of(&f);
    assert_eq!(
        (seen.state.as_str(), seen.attempts, seen.fault_class, first_at(&f, proof.step)),
        ("ready", 0, None, None)
    );
    let again = f.journal.turn("mail", Arc::default(), 1).await.unwrap().claims.remove(0);
    assert_eq!((again.step, again.attempt), (proof.step, 1));

    // After a failed attempt, its first one is still when its time to settle began.
    let due = Timestamp::now() - SignedDuration::from_secs(1);
    let later = Settlement::Retry { due, fault: Fault::permanent("not yet") };
    let again = record_at(&f, Settled::new(again.step, again.attempt, later)).await.claims.remove(0);
    let began = first_at(&f, proof.step);
    assert!(again.attempt == 2 && began.is_some());
    let again = record_at(&f, not_begun(&again)).await.claims.remove(0);
    assert_eq!((again.attempt, first_at(&f, proof.step)), (2, began));

    // Taken back meanwhile, it is not begun any more.
    assert!(f.ordered(&["mail", "email"], OrderVerb::Withdraw, "1").await.0);
    let undo = record_at(&f, not_begun(&again)).await.claims.remove(0);
    assert_eq!(undo.verb, Verb::Undo);
    record_at(&f, done(&undo)).await;
    assert_eq!(f.state("1"), "withdrawn");
}
