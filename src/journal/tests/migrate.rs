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
    let settled = Settled { step: claim.step, attempt: claim.attempt, settlement: later };
    f.journal.turn("credentials", Arc::new(vec![settled]), 0).await.unwrap();
    let due = f.reader().outcomes_due(2).unwrap();
    let outlets = vec![("tickets".to_owned(), Vec::new())];
    f.journal.outcomes_written(&due, |_| vec!["q".into()], outlets).await.unwrap();
    f.journal.bind_key("one".into()).await.unwrap();
    orders::place(&f.path(), &order(OrderVerb::Pause, "")).unwrap();
    f.journal.carry_out_orders(vec!["other".into()], None, Default::default()).await.unwrap();
    orders::place(&f.path(), &order(OrderVerb::Release, "held")).unwrap();
    let Fixture { dir, journal, writer } = f;
    drop(journal);
    writer.join().unwrap();
    let path = dir.path().join("journal.db");
    let connection = Connection::open(&path).unwrap();
    for (table, columns) in tables(&connection, "main") {
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
    (dir, path)
}

/// The same journal as an older akund would have it: its tables, and of the rows what these have room for.
fn older(now: &Path, version: usize, path: &Path) {
    let connection = Connection::open(path).unwrap();
    for migration in &schema::MIGRATIONS[..version] {
        connection.execute_batch(migration).unwrap();
    }
    connection.execute("ATTACH ?1 AS now", [now.to_str().unwrap()]).unwrap();
    let there = tables(&connection, "now");
    for (table, columns) in tables(&connection, "main") {
        let new = &there[&table];
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
        for (table, columns, rows_before) in before {
            let after = rows(&connection, &table, &columns.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(after, rows_before, "{table} of version {version}");
        }
        let checked: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(checked, "ok");
        let version_now: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version_now, schema::VERSION);

        // An older akund's events have no digests; these have, by the salt of the journal that they come from.
        let salt = "UPDATE retention SET name_salt = (SELECT name_salt FROM now.retention)";
        connection.execute("ATTACH ?1 AS now", [now.to_str().unwrap()]).unwrap();
        connection.execute_batch(&format!("{salt}; DETACH now")).unwrap();
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
