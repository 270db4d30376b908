//! Tests of the journal through its own operations, on a real file.

mod adopt;
mod deliver;
mod holder;
mod hostile;
mod lives;
mod migrate;
mod ordered;
pub(super) mod plans;
mod posted;
mod proven;
mod put_back;
mod readdressed;
mod retention;
mod synced;
mod tamper;
mod turns;
mod units;

use super::orders::{self, NewOrder, OrderVerb};
use super::read::Reader;
use super::*;
use crate::model::verdict::Judgement;
use crate::model::*;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

struct Fixture {
    dir: tempfile::TempDir,
    journal: Journal,
    writer: std::thread::JoinHandle<()>,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (journal, writer) = open(dir.path()).unwrap();
        Self { dir, journal, writer }
    }
    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("journal.db")
    }
    fn reader(&self) -> Reader {
        Reader::open(&self.path()).unwrap()
    }
    fn state(&self, id: &str) -> String {
        let reader = self.reader();
        reader.outcome(reader.resolve(id).unwrap()).unwrap().state
    }
    async fn admit(&self, records: Vec<Record>) -> Vec<Admitted> {
        admit(&self.journal, records).await
    }
    /// Closes the journal and opens it again, as after a crash: nothing is drained.
    fn reopen(self) -> Self {
        self.reopen_after(|_| ())
    }
    /// As at the next start with these lanes, once the journal was put in place of itself.
    async fn put_back(self, lanes: &[&str]) -> Self {
        let f = self.reopen_after(|path| _ = restored::mark(path).unwrap());
        assert!(f.journal.recognise(owned(lanes), Vec::new()).await.unwrap().is_some());
        assert!(f.journal.recognise(owned(lanes), Vec::new()).await.unwrap().is_none(), "once");
        f
    }
    fn reopen_after(self, meanwhile: impl FnOnce(&Path)) -> Self {
        let Self { dir, journal, writer } = self;
        drop(journal);
        writer.join().unwrap();
        meanwhile(&dir.path().join("journal.db"));
        let (journal, writer) = open(dir.path()).unwrap();
        Self { dir, journal, writer }
    }
    /// What became of an order, where these lanes are, and what was said of it.
    async fn ordered(&self, lanes: &[&str], verb: OrderVerb, argument: &str) -> (bool, String) {
        orders::place(&self.path(), &order(verb, argument)).unwrap();
        let done = self.journal.carry_out_orders(owned(lanes), None, Default::default()).await.unwrap().remove(0);
        (done.done, done.result)
    }
}

fn owned(lanes: &[&str]) -> Vec<String> {
    lanes.iter().map(|lane| (*lane).to_owned()).collect()
}

fn open(dir: &Path) -> Result<(Journal, std::thread::JoinHandle<()>), JournalError> {
    Journal::open(&OpenOptions { path: dir.join("journal.db") }, |_| {})
}

async fn admit(journal: &Journal, records: Vec<Record>) -> Vec<Admitted> {
    let submission = Submission {
        source: "local".into(),
        name: "a.csv".into(),
        sha256: [7; 32],
        evidence: "accepted/a".into(),
        bulk: records.len() > 1,
    };
    let batch = records
        .into_iter()
        .enumerate()
        .map(|(row, record)| Admission {
            digest: sha2::Digest::finalize(sha2::Digest::chain_update(
                <sha2::Sha256 as sha2::Digest>::new(),
                serde_json::to_vec(&record).unwrap(),
            ))
            .into(),
            row: u32::try_from(row).unwrap() + 1,
            names: record.account.address.iter().map(ToString::to_string).collect(),
            live: Vec::new(),
            unit: Some(record.applicant.unit.clone()).filter(|unit| !unit.is_empty()),
            signed_as: Vec::new(),
            not_permitted: Vec::new(),
            record,
        })
        .collect();
    journal.admit(submission, batch, Arc::new(decide)).await.unwrap()
}

/// A little procedure: names that are held conflict, the category is the verdict, everything else is granted mail.
fn decide(admission: &Admission, facts: &Facts, uid: AccountUid, _now: Timestamp) -> Judgement {
    let record = &admission.record;
    let verdict = match (record.applicant.category.as_str(), record.account.address.as_ref()) {
        ("if-suspended", _) if facts.account_state.as_deref() != Some("suspended") => {
            Verdict::Refuse { reasons: vec!["it is open".into()] }
        }
        ("refuse", _) | (_, None) => Verdict::Refuse { reasons: vec!["no".into()] },
        _ if record.action == Action::Create && !(facts.names.is_empty() && facts.unit_has.is_empty()) => {
            Verdict::Conflict { reasons: vec!["taken".into()], alternatives: Vec::new() }
        }
        (category, Some(address)) => {
            let unit = record.applicant.unit.clone();
            let made = || Account { unit, ..account(uid, address) };
            let account = facts.account.clone().unwrap_or_else(made);
            let budgeted = record.action == Action::Suspend;
            let used_up = facts.taken_away.get("mail").is_some_and(|taken| taken.is_used_up());
            let grant = Grant {
                action: record.action,
                names: vec![address.to_string()],
                account,
                budgeted,
                takes_away: false,
                adopts: None,
            };
            let adopts = (category == "adopt" && !facts.adopted).then(|| Box::new(grant.account.clone()));
            let grant = Grant { adopts, ..grant };
            match category {
                _ if budgeted && used_up => {
                    Verdict::Hold { reason: HoldReason::Review, missing: vec!["budget".into()], grant: Some(grant) }
                }
                "review" => {
                    Verdict::Hold { reason: HoldReason::Review, missing: vec!["look".into()], grant: Some(grant) }
                }
                "form" => Verdict::Hold { reason: HoldReason::Form, missing: vec!["form".into()], grant: None },
                _ => Verdict::Permit { grant },
            }
        }
    };
    let official = record.applicant.category == "official";
    let to = official.then(|| Recipient::Role("kasi".into()));
    let step = |lane: &str, verb| PlannedStep {
        lane: lane.into(),
        verb,
        detail: StepDetail { to: to.clone().filter(|_| verb == Verb::Deliver), ..StepDetail::default() },
    };
    let aside = |unless: &[&str]| {
        let mut told = step("told", Verb::Deliver);
        told.detail.aside = true;
        told.detail.unless = unless.iter().map(|lane| (*lane).to_owned()).collect();
        told
    };
    let plan = match verdict.grant() {
        Some(grant) if grant.adopts.is_some() => {
            vec![step("mail", Verb::Adopt), step("mail", Verb::Apply), step("mail", Verb::Prove)]
        }
        Some(_) if record.applicant.category == "holder" => {
            vec![step("mail", Verb::Apply), step("mail", Verb::Prove), aside(&[]), step("email", Verb::Deliver)]
        }
        Some(_) if record.applicant.category == "twice" => {
            let mut beside = aside(&[]);
            beside.lane = "email".into();
            vec![step("mail", Verb::Apply), step("mail", Verb::Prove), beside, step("email", Verb::Deliver)]
        }
        Some(_) if record.applicant.category == "same" => {
            let mut own = step("email", Verb::Deliver);
            own.detail.notice = Some(crate::model::NoticeKind::Changed);
            vec![step("mail", Verb::Apply), step("mail", Verb::Prove), own, aside(&["email"])]
        }
        Some(_) => vec![
            step("credentials", Verb::Mint),
            step("mail", Verb::Apply),
            step("mail", Verb::Prove),
            step("email", Verb::Deliver),
        ],
        None => Vec::new(),
    };
    let notices = if plan.is_empty() { vec![step("email", Verb::Deliver)] } else { Vec::new() };
    Judgement {
        verdict,
        checklist: Vec::new(),
        procedure_sha256: "00".into(),
        plan,
        notices,
        texts: BTreeMap::from([
            ("institution".into(), "X".into()),
            ("role.kasi.email".into(), "old@x.id".into()),
            ("role.kabid.email".into(), "kabid@x.id".into()),
        ]),
    }
}

fn account(uid: AccountUid, address: &Address) -> Account {
    Account {
        address: Some(address.clone()),
        name: "N".into(),
        given_name: "N".into(),
        family_name: "N".into(),
        category: "unit".into(),
        services: vec!["mail".into()],
        ..Account::bare(uid, address.local().parse().unwrap())
    }
}

fn record(id: &str, address: &str) -> Record {
    Record {
        key: RequestKey { procedure: "p".into(), id: id.into(), revision: 1 },
        action: Action::Create,
        applicant: Person { name: "Rahasia Sekali".into(), identifier: id.into(), ..Person::default() },
        responsible: None,
        account: request::WantedAccount { address: Some(address.parse().unwrap()), ..Default::default() },
        change: None,
        documents: Vec::new(),
        approvals: Vec::new(),
    }
}

fn with_category(mut record: Record, category: &str) -> Record {
    record.applicant.category = category.into();
    record
}

fn done(claim: &Claim) -> Settled {
    let sealed = (claim.verb == Verb::Mint).then(|| b"sealed".to_vec());
    let proof = (claim.verb == Verb::Prove).then_some(Proof::Stored);
    let settlement = Settlement::Done {
        proof,
        external_id: matches!(claim.verb, Verb::Apply | Verb::Adopt).then(|| format!("{}-id", claim.action.as_str())),
        note: None,
        sealed,
        reference: None,
        kept: None,
        found: false,
    };
    Settled::new(claim.step, claim.attempt, settlement)
}

/// Takes the next step of a lane, and records this of it.
async fn settle(journal: &Journal, lane: &str, settlement: Settlement) {
    let claim = journal.turn(lane, Arc::default(), 1).await.unwrap().claims.remove(0);
    let settled = Settled::new(claim.step, claim.attempt, settlement);
    journal.turn(lane, Arc::new(vec![settled]), 0).await.unwrap();
}

/// One turn of a lane in which everything succeeds; how many steps it took.
async fn serve(journal: &Journal, lane: &str) -> usize {
    let turn = journal.turn(lane, Arc::default(), 1000).await.unwrap();
    let settled: Vec<Settled> = turn.claims.iter().map(done).collect();
    journal.turn(lane, Arc::new(settled), 0).await.unwrap();
    turn.claims.len()
}

async fn serve_all(journal: &Journal) {
    while serve(journal, "credentials").await + serve(journal, "mail").await + serve(journal, "email").await > 0 {}
}

fn order(verb: OrderVerb, argument: &str) -> NewOrder {
    NewOrder {
        login_uid: Some(1000),
        login: "admin".into(),
        verb,
        argument: argument.into(),
        reason: "test".into(),
        letter: None,
    }
}

#[tokio::test]
async fn a_second_akund_and_a_newer_schema_and_a_foreign_file_are_refused() {
    let f = Fixture::new();
    let second = open(f.dir.path()).map(|_| ()).unwrap_err().to_string();
    assert!(second.contains("another akund"), "{second}");
    let other = tempfile::tempdir().unwrap();
    let path = other.path().join("journal.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x); PRAGMA user_version = 99").unwrap();
    let foreign = open(other.path()).map(|_| ()).unwrap_err().to_string();
    assert!(foreign.contains("other program"), "{foreign}");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(&format!("PRAGMA application_id = {}", schema::APPLICATION_ID))
        .unwrap();
    let newer = open(other.path()).map(|_| ()).unwrap_err().to_string();
    assert!(newer.contains("newer akund"), "{newer}");
}

#[tokio::test]
async fn another_sealing_key_is_refused() {
    let f = Fixture::new();
    f.journal.bind_key("one".into()).await.unwrap();
    f.journal.bind_key("one".into()).await.unwrap();
    assert!(f.journal.bind_key("two".into()).await.is_err());
}

#[tokio::test]
async fn operations_that_wait_are_committed_together() {
    let dir = tempfile::tempdir().unwrap();
    let commits = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = commits.clone();
    let (journal, _writer) = Journal::open(&OpenOptions { path: dir.path().join("journal.db") }, move |moment| {
        let committed = matches!(moment, Moment::Committed(_));
        counter.fetch_add(usize::from(committed), std::sync::atomic::Ordering::Relaxed);
    })
    .unwrap();
    let (enter, entered) = std::sync::mpsc::channel();
    let (leave, left) = std::sync::mpsc::channel::<()>();
    let first = tokio::spawn({
        let journal = journal.clone();
        async move {
            journal
                .call(move |_| {
                    enter.send(()).unwrap();
                    left.recv().unwrap();
                    Ok(())
                })
                .await
        }
    });
    tokio::task::spawn_blocking(move || entered.recv().unwrap()).await.unwrap();
    // Polled once, so that they are handed to the writer while it is held up in the first commit.
    let waiting = tokio::spawn(async move {
        let calls: Vec<_> = (0..20).map(|_| journal.call(|tx| tx.touch())).collect();
        futures_util::future::join_all(calls).await
    });
    tokio::task::yield_now().await;
    leave.send(()).unwrap();
    first.await.unwrap().unwrap();
    assert!(waiting.await.unwrap().into_iter().all(|r| r.is_ok()));
    assert!(commits.load(std::sync::atomic::Ordering::Relaxed) <= 3);
}

#[tokio::test]
async fn an_operation_that_fails_takes_nothing_of_its_neighbours_with_it() {
    let f = Fixture::new();
    let good = f.journal.call(|tx| tx.event(&[], "good", &serde_json::json!({})).map(drop));
    let bad = f.journal.call(|tx| {
        tx.event(&[], "bad", &serde_json::json!({}))?;
        Err::<(), _>(JournalError::Refused("no".into()))
    });
    let also_good = f.journal.call(|tx| tx.event(&[], "also good", &serde_json::json!({})).map(drop));
    let (a, b, c) = tokio::join!(good, bad, also_good);
    assert!(a.is_ok() && b.is_err() && c.is_ok());
    let kinds: Vec<String> = f.reader().events(None, None, 10).unwrap().into_iter().map(|e| e.kind).collect();
    assert_eq!(kinds, ["good", "also good"]);
    assert!(f.reader().verify(Some(f.journal.head())).unwrap().good);
}

#[tokio::test]
async fn a_lane_that_is_no_longer_configured_is_down_no_longer() {
    let f = Fixture::new();
    for lane in ["mail", "gone"] {
        let down = operator::LaneDown { lane: lane.into(), since: Timestamp::UNIX_EPOCH, fault: "refused".into() };
        f.journal.lane_went_down(down).await.unwrap();
    }
    assert_eq!(f.journal.forget_lanes_down(vec!["mail".into(), "email".into()]).await.unwrap(), ["gone"]);
    let down = f.reader().lanes_down().unwrap();
    assert_eq!(down.iter().map(|down| down.lane.as_str()).collect::<Vec<_>>(), ["mail"]);
    assert!(f.journal.forget_lanes_down(vec!["mail".into()]).await.unwrap().is_empty());
}
