//! No statement of the writer's looks through a table that grows with the years.

use super::*;
use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    /// Every statement that this thread's writer has run: each journal's writer has a thread of its own.
    static SEEN: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

pub fn note(sql: &str) {
    SEEN.with_borrow_mut(|seen| {
        if !seen.contains(sql) {
            seen.insert(sql.to_owned());
        }
    });
}

/// Tables whose rows stay: everything of every request.
const GROWING: [&str; 13] = [
    "event",
    "submission",
    "request",
    "personal",
    "step",
    "account",
    "name",
    "placed",
    "receipt",
    "posting",
    "outgoing",
    "draft",
    "overdue",
];

/// What counts accounts for the change budget, once for a batch and only where more than twenty were taken away in a day.
const COUNTS: &str = "SELECT count(*) FROM placed";
/// In what is run once, when a journal was put back.
const ONCE: &str = "/* once */";

/// Lines of a query plan that go through the whole of a growing table, or of an index of all of it.
fn scans(connection: &rusqlite::Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let lines: Vec<String> = statement.raw_query().mapped(|row| row.get(3)).map(Result::unwrap).collect();
    let partial: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql LIKE '% WHERE %'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    // An alias hides the table's name: every alias of one letter is taken for a growing table's.
    let grows = |name: &str| GROWING.contains(&name) || name.len() == 1;
    let whole = |line: &String| {
        let mut words = line.split_whitespace();
        // min() and max() without an index are called a search, and are a scan.
        let through = matches!(words.next(), Some("SCAN" | "SEARCH")) && words.next().is_some_and(grows);
        let narrowed = line.contains("(") || partial.iter().any(|index| line.ends_with(index.as_str()));
        through && !narrowed && !line.contains("VIRTUAL TABLE")
    };
    lines.into_iter().filter(whole).collect()
}

async fn carried(f: &Fixture, verb: OrderVerb, argument: &str) {
    orders::place(&f.path(), &order(verb, argument)).unwrap();
    let judge = |_: &Record, _: &Facts, _: Timestamp| Err("no".to_owned());
    let in_force = crate::journal::officials::InForce { judge: Box::new(judge), officials: Default::default() };
    f.journal.carry_out_orders(vec!["mail".into()], Some(Arc::new(in_force)), Default::default()).await.unwrap();
}

#[tokio::test]
async fn no_statement_of_a_requests_life_looks_through_a_table_that_grows() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id"), record("2", "b@x.id"), with_category(record("3", "c@x.id"), "review")]).await;
    f.admit(vec![with_category(record("4", "d@x.id"), "refuse"), record("1", "a@x.id")]).await;
    let mut corrected = record("3", "c@x.id");
    corrected.key.revision = 2;
    f.admit(vec![corrected]).await;
    carried(&f, OrderVerb::Withdraw, "2").await;
    serve_all(&f.journal).await;
    f.admit(vec![Record { action: Action::Suspend, ..record("5", "a@x.id") }]).await;
    for (verb, argument) in [
        (OrderVerb::Pause, ""),
        (OrderVerb::Unpause, ""),
        (OrderVerb::Release, "1"),
        (OrderVerb::Retry, "1"),
        (OrderVerb::Redeliver, "1"),
        (OrderVerb::Withdraw, "5"),
        (OrderVerb::RetryLane, r#"{"lane": "email", "since": "2026-01-01T00:00:00Z", "uncertain": true}"#),
    ] {
        carried(&f, verb, argument).await;
    }
    for lane in ["mail", "email", "credentials"] {
        f.journal.orphan(lane).await.unwrap();
    }
    let mut due = f.reader().outcomes_due(10).unwrap();
    due.iter_mut().for_each(|one| one.body = b"{}".to_vec());
    let outlets = vec![("tickets".to_owned(), Vec::new())];
    f.journal.outcomes_written(&due, outlets).await.unwrap();
    let posts = f.journal.posts("tickets", Arc::default(), 1).await.unwrap();
    let again = Settlement::Retry { due: Timestamp::now(), fault: Fault::transient("away") };
    f.journal.posts("tickets", Arc::new(vec![(posts.claims[0].id, 1, again)]), 100).await.unwrap();
    f.journal.posts("tickets", Arc::default(), 100).await.unwrap();
    f.journal.recover_posts("tickets").await.unwrap();
    f.journal.posts_made(vec![(1, Ok(b"{}".to_vec())), (2, Err("damaged".into()))]).await.unwrap();
    f.journal.arrivals("email".into(), vec![(1 << 8, receipt::Report::Confirmed, None)]).await.unwrap();
    f.journal.stop_expecting("email".into(), SignedDuration::from_hours(1)).await.unwrap();
    f.journal.letters_to_keep().await.unwrap();
    carried(&f, OrderVerb::Reconcile, "").await;
    f.journal.left_to_remove(1).await.unwrap();
    super::retention::sweep(&f, super::retention::policy(0)).await;

    let connection = rusqlite::Connection::open(f.path()).unwrap();
    let seen = f.journal.call(|_| Ok(SEEN.with_borrow(BTreeSet::clone))).await.unwrap();
    assert!(seen.len() > 100, "{}", seen.len());
    let bad: Vec<(String, Vec<String>)> = seen
        .iter()
        .filter(|sql| !["SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA", COUNTS].iter().any(|word| sql.starts_with(word)))
        .filter(|sql| !sql.contains(ONCE))
        .map(|sql| (sql.clone(), scans(&connection, sql)))
        .filter(|(_, lines)| !lines.is_empty())
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[tokio::test]
async fn what_lanes_read_of_their_own_waiting_work_is_found_by_an_index() {
    let f = Fixture::new();
    let connection = rusqlite::Connection::open(f.path()).unwrap();
    for sql in post::READ {
        assert!(scans(&connection, sql).is_empty(), "{sql}");
    }
    let looks_through = "SELECT count(*) FROM posting WHERE state = 'retry'";
    assert!(!scans(&connection, looks_through).is_empty(), "the test sees what it is to see");
    let looks_through = "SELECT min(due) FROM posting WHERE outlet = 'x' AND state = 'retry'";
    assert!(!scans(&connection, looks_through).is_empty(), "the test sees what it is to see");
}

/// What the digest and `list --overdue` cost, in steps of SQLite's machine, beside so many requests that ended long ago.
async fn costs(old: usize) -> Vec<i32> {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "refuse")]).await;
    let connection = rusqlite::Connection::open(f.path()).unwrap();
    let columns =
        "procedure, revision, digest, action, verdict, hold, submission, row, flow, account, procedure_sha256, texts,
       received_at, ended_at";
    connection
        .execute_batch(&format!(
            "UPDATE request SET state = 'done', received_at = 1, ended_at = 2, state_at = 2;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {old})
             INSERT INTO request (uid, ext_id, state, state_at, {columns})
               SELECT randomblob(16), 'old-' || i, state, state_at, {columns} FROM request, n WHERE id = 1;
             INSERT INTO overdue (request, name, alarm, at) SELECT id, 'whole', 'breached', 2 FROM request;"
        ))
        .unwrap();
    f.admit(vec![record("2", "b@x.id"), with_category(record("3", "c@x.id"), "review")]).await;
    let day = Timestamp::now() - SignedDuration::from_hours(24);
    let digest = f.reader().digest(day, &Default::default(), 5).unwrap();
    assert_eq!((digest.received, digest.done, digest.breached), (2, 0, 0));
    assert_eq!(digest.oldest.unwrap().0, "p:2@1");
    assert_eq!(digest.waiting.len(), 1);
    assert_eq!(f.reader().since(day).unwrap().len(), 1);
    assert_eq!(f.reader().since(Timestamp::UNIX_EPOCH).unwrap().len(), old + 2);
    let whole = ["SELECT count(*) FROM request WHERE state_at > ?1"];
    let all = super::operator::STATEMENTS.into_iter().chain([super::overdue::SINCE]).chain(whole);
    let steps = all.map(|sql| {
        let mut statement = connection.prepare(sql).unwrap();
        if statement.parameter_count() > 0 {
            statement.raw_bind_parameter(1, day.as_microsecond()).unwrap();
        }
        let mut rows = statement.raw_query();
        while rows.next().unwrap().is_some() {}
        drop(rows);
        statement.get_status(rusqlite::StatementStatus::VmStep)
    });
    steps.collect()
}

#[tokio::test]
async fn a_digest_and_what_is_late_cost_the_same_after_years() {
    let (few, many) = (costs(10).await, costs(2000).await);
    for (few, many) in few.iter().zip(&many).rev().skip(1) {
        assert!(*many < few + 50, "{few} became {many}");
    }
    assert!(*many.last().unwrap() > 2000, "the test sees what it is to see");
}
