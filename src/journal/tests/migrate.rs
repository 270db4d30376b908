//! A journal of each older schema, with rows in every table, goes on under this one.

use super::*;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// The tables of a database, with their columns: name, type, whether it must have a value.
fn tables(connection: &Connection, schema: &str) -> BTreeMap<String, Vec<(String, String, bool)>> {
    let sql = format!("SELECT name FROM {schema}.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    let names: Vec<String> =
        connection.prepare(&sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let columns = |table: &String| {
        let sql = "SELECT name, type, \"notnull\" OR pk > 0 FROM pragma_table_info(?1, ?2)";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([table.as_str(), schema], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    names.into_iter().map(|table| (table.clone(), columns(&table))).collect()
}

fn rows(connection: &Connection, table: &str, columns: &[&str]) -> Vec<Vec<rusqlite::types::Value>> {
    let list = columns.join(", ");
    let mut statement = connection.prepare(&format!("SELECT {list} FROM {table} ORDER BY {list}")).unwrap();
    let read = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|n| row.get(n)).collect();
    statement.query_map([], read).unwrap().map(Result::unwrap).collect()
}

/// Requests at every turn of their life, and a row in whatever is still empty then.
async fn lived() -> (tempfile::TempDir, std::path::PathBuf) {
    let f = Fixture::new();
    f.admit(vec![record("done", "a@x.id"), with_category(record("held", "b@x.id"), "review")]).await;
    serve_all(&f.journal).await;
    f.admit(vec![with_category(record("refused", "c@x.id"), "refuse")]).await;
    f.admit(vec![Record { action: Action::Suspend, ..record("suspended", "a@x.id") }]).await;
    serve_all(&f.journal).await;
    f.admit(vec![record("ready", "d@x.id"), record("running", "e@x.id")]).await;
    f.journal.turn("credentials", Arc::default(), 1).await.unwrap();
    let later = Settlement::Retry { due: Timestamp::now(), fault: Fault::unknown("lost") };
    f.admit(vec![record("retried", "f@x.id")]).await;
    let claim = f.journal.turn("credentials", Arc::default(), 1).await.unwrap().claims.remove(0);
    let settled = Settled::new(claim.step, claim.attempt, later);
    f.journal.turn("credentials", Arc::new(vec![settled]), 0).await.unwrap();
    let due = f.reader().outcomes_due(2).unwrap();
    f.journal.outcomes_written(&due, vec![("tickets".to_owned(), Vec::new())]).await.unwrap();
    f.journal.bind_key("one".into()).await.unwrap();
    orders::place(&f.path(), &order(OrderVerb::Pause, "")).unwrap();
    f.journal.carry_out_orders(vec!["other".into()], None, Default::default()).await.unwrap();
    orders::place(&f.path(), &order(OrderVerb::Release, "held")).unwrap();
    let Fixture { dir, journal, writer } = f;
    drop(journal);
    writer.join().unwrap();
    let path = dir.path().join("journal.db");
    let connection = Connection::open(&path).unwrap();
    fill(&connection);
    (dir, path)
}

/// A row in each table that is empty.
fn fill(connection: &Connection) {
    for (table, columns) in tables(connection, "main") {
        let empty: bool =
            connection.query_row(&format!("SELECT NOT EXISTS (SELECT 1 FROM {table})"), [], |row| row.get(0)).unwrap();
        if empty {
            let needed: Vec<&(String, String, bool)> = columns.iter().filter(|column| column.2).collect();
            let names: Vec<&str> = needed.iter().map(|column| column.0.as_str()).collect();
            let values: Vec<&str> = needed
                .iter()
                .map(|column| match column.1.as_str() {
                    "INTEGER" => "1",
                    "BLOB" => "zeroblob(32)",
                    _ => "'1'",
                })
                .collect();
            let sql = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "));
            connection.execute(&sql, []).unwrap();
        }
    }
}

/// Tables that are no more; what they held is in another.
const GONE: [&str; 2] = ["post", "publication"];

/// The same journal as an older akund would have it: its tables, and of the rows what these have room for.
fn older(now: &Path, version: usize, path: &Path) {
    let connection = Connection::open(path).unwrap();
    for migration in &schema::MIGRATIONS[..version] {
        connection.execute_batch(migration).unwrap();
    }
    connection.execute("ATTACH ?1 AS now", [now.to_str().unwrap()]).unwrap();
    let there = tables(&connection, "now");
    for (table, columns) in tables(&connection, "main") {
        let Some(new) = there.get(&table) else {
            assert!(GONE.contains(&table.as_str()), "{table}");
            continue;
        };
        let common: Vec<&str> = columns
            .iter()
            .map(|column| column.0.as_str())
            .filter(|name| new.iter().any(|column| column.0 == *name))
            .collect();
        let list = common.join(", ");
        connection
            .execute_batch(&format!(
                "DELETE FROM main.{table}; INSERT INTO main.{table} ({list}) SELECT {list} FROM now.{table}"
            ))
            .unwrap_or_else(|error| panic!("version {version}, {table}: {error}"));
    }
    connection
        .execute_batch(&format!(
            "PRAGMA user_version = {version}; PRAGMA application_id = {}; DETACH now",
            schema::APPLICATION_ID
        ))
        .unwrap();
    fill(&connection);
}

#[tokio::test]
async fn a_journal_of_each_older_schema_keeps_every_row_and_its_requests_go_on() {
    let (_dir, now) = lived().await;
    for version in 1..schema::MIGRATIONS.len() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        older(&now, version, &path);
        let connection = Connection::open(&path).unwrap();
        let before: Vec<(String, Vec<String>, _)> = tables(&connection, "main")
            .into_iter()
            .map(|(table, columns)| {
                let columns: Vec<String> = columns.into_iter().map(|column| column.0).collect();
                let rows = rows(&connection, &table, &columns.iter().map(String::as_str).collect::<Vec<_>>());
                assert!(!rows.is_empty(), "{table}");
                (table, columns, rows)
            })
            .collect();
        drop(connection);

        let (journal, writer) = open(dir.path()).unwrap();
        let connection = Connection::open(&path).unwrap();
        for (table, columns, rows_before) in before.into_iter().filter(|one| !GONE.contains(&one.0.as_str())) {
            let after = rows(&connection, &table, &columns.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(after, rows_before, "{table} of version {version}");
        }
        let checked: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(checked, "ok");
        let version_now: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version_now, schema::VERSION);

        // An older akund's events have no digests; these have, by the salt of the journal that they come from.
        // It is read when a journal is opened.
        drop(journal);
        writer.join().unwrap();
        let salt = "UPDATE retention SET name_salt = (SELECT name_salt FROM now.retention)";
        connection.execute("ATTACH ?1 AS now", [now.to_str().unwrap()]).unwrap();
        connection.execute_batch(&format!("{salt}; DETACH now")).unwrap();
        let (journal, writer) = open(dir.path()).unwrap();
        let f = Fixture { dir, journal, writer };
        f.journal.bind_key("one".into()).await.unwrap();
        assert_eq!(f.journal.recover("credentials", false).await.unwrap(), 1);
        f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap();
        serve_all(&f.journal).await;
        for id in ["done", "held", "suspended", "ready", "running", "retried"] {
            assert_eq!(f.state(id), "done", "{id} of version {version}");
        }
        assert!(f.reader().verify(Some(f.journal.head())).unwrap().good);
        assert!(!f.reader().outcomes_due(10).unwrap().is_empty());
        f.reader().operator_told().unwrap();
        let Fixture { journal, writer, .. } = f;
        drop(journal);
        writer.join().unwrap();
    }
}

/// What journals of schema 11 had: `post` for webhooks, `publication` for brokers.
#[tokio::test]
async fn what_was_still_to_be_published_under_schema_11_is_published_once_at_either_kind_of_outlet() {
    let (_dir, now) = lived().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    older(&now, 11, &path);
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "DELETE FROM post; DELETE FROM publication;
             INSERT INTO post (outlet, request, delivery, body, state, due, attempts, made_at, first_at, fault) VALUES
               ('tickets', 1, x'0193f6a27b1c7c3d9e4f000000000001', x'31', 'ready', 0, 0, 10, NULL, NULL),
               ('tickets', 2, x'0193f6a27b1c7c3d9e4f000000000002', x'32', 'retry', 30, 3, 11, 12, 'away'),
               ('tickets', 3, x'0193f6a27b1c7c3d9e4f000000000003', x'33', 'running', 0, 1, 12, 13, NULL),
               ('tickets', 4, x'0193f6a27b1c7c3d9e4f000000000004', x'34', 'stuck', 0, 2, 13, 14, '422'),
               ('tickets', 5, x'0193f6a27b1c7c3d9e4f000000000005', x'35', 'stuck', 0, 0, 14, NULL,
                'it may have been sent after the backup that was put back; `akund retry` sends it (again); `akund withdraw` takes the account back, too'),
               ('tickets', 6, x'0193f6a27b1c7c3d9e4f000000000006', NULL, 'done', 0, 1, 15, 16, NULL);
             INSERT INTO publication (queue, request, asked, done, at, held) VALUES
               ('q', 1, 3, 2, 21, 0), ('q', 2, 1, 1, 22, 0), ('q', 3, 2, 1, 23, 1), ('q', 4, 1, 0, 20, 0), ('q', 5, 1, 1, 25, 1);",
        )
        .unwrap();
    drop(connection);
    let (journal, writer) = open(dir.path()).unwrap();
    let f = Fixture { dir, journal, writer };
    let taken = async |outlet: &str| {
        f.journal.recover_posts(outlet).await.unwrap();
        let unmade = f.reader().posts_unmade(outlet).unwrap();
        f.journal.posts_made(unmade).await.unwrap();
        assert!(f.reader().posts_unmade(outlet).unwrap().is_empty());
        let claims = f.journal.posts(outlet, Arc::default(), 10).await.unwrap().claims;
        let done = claims.iter().map(|claim| (claim.id, claim.attempt, Settlement::done(None))).collect();
        assert!(f.journal.posts(outlet, Arc::new(done), 10).await.unwrap().claims.is_empty(), "once");
        claims
    };
    // At the webhook: the same bytes under the same delivery.
    let posted = taken("tickets").await;
    let seen: Vec<(&str, &[u8], u32)> =
        posted.iter().map(|one| (one.delivery.as_str(), one.body.as_slice(), one.attempt)).collect();
    let delivery = |n: u8| format!("0193f6a2-7b1c-7c3d-9e4f-00000000000{n}");
    assert_eq!(seen, [(&*delivery(1), &b"1"[..], 1), (&*delivery(3), b"3", 2), (&*delivery(2), b"2", 4)]);
    assert_eq!(super::posted::waiting(&f, "tickets"), (0, 2));
    // At the broker: as things stand, under the message id that it would have had.
    let uid = |request| f.reader().outcome(request).unwrap().request.uid;
    let published = taken("q").await;
    let seen: Vec<&str> = published.iter().map(|one| one.delivery.as_str()).collect();
    assert_eq!(seen, [format!("{}.1", uid(4)), format!("{}.3", uid(1))]);
    let document: crate::model::Outcome = serde_json::from_slice(&published[1].body).unwrap();
    assert_eq!(document.request.uid, uid(1));
    assert_eq!(super::posted::waiting(&f, "q"), (0, 1));
    // What was kept back since a restore leaves by order only; the next document counts on.
    let outage = |lane: &str, uncertain| bulk::Outage { lane: lane.into(), since: Timestamp::UNIX_EPOCH, uncertain };
    for (lane, sure, all) in [("tickets", 1, 2), ("q", 0, 1)] {
        assert_eq!(f.reader().count_outage(&outage(lane, false)).unwrap().total(), sure, "{lane}");
        assert_eq!(f.reader().count_outage(&outage(lane, true)).unwrap().total(), all, "{lane}");
    }
    orders::place(&f.path(), &order(OrderVerb::RetryLane, &serde_json::to_string(&outage("q", true)).unwrap()))
        .unwrap();
    let done = f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap();
    assert!(done.iter().any(|order| order.done && order.result.contains("1 stuck")), "{done:?}");
    assert_eq!(taken("q").await[0].delivery, format!("{}.2", uid(3)));
    f.journal.call(|tx| crate::journal::register::report(tx, 1)).await.unwrap();
    let mut due = f.reader().outcomes_due(100).unwrap();
    due.iter_mut().for_each(|one| one.body = b"next".to_vec());
    f.journal.outcomes_written(&due, vec![("q".into(), Vec::new())]).await.unwrap();
    assert!(taken("q").await.iter().any(|one| one.delivery == format!("{}.4", uid(1)) && one.body == b"next"));
}
