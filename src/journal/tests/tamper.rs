//! The audit chain: what is done to the file behind akund is found.

use super::*;

#[tokio::test]
async fn the_chain_still_verifies_when_personal_data_are_emptied_and_events_hold_none() {
    let f = Fixture::new();
    f.admit(vec![record("1", "rahasia@x.id")]).await;
    serve_all(&f.journal).await;
    let head = f.journal.head();
    let path = f.path();
    drop(f.journal);
    f.writer.join().unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let events: String = connection.query_row("SELECT group_concat(detail) FROM event", [], |row| row.get(0)).unwrap();
    assert!(!events.contains("ahasia"), "{events}");
    connection.execute_batch("DELETE FROM personal; DELETE FROM name; UPDATE account SET account = '{}'").unwrap();
    assert!(Reader::open(&path).unwrap().verify(Some(head)).unwrap().good);
}

/// Tampers with the file as somebody who owns it could, and gives what verifying says.
async fn tampered(sql: &str, kept: bool) -> Vec<String> {
    let f = Fixture::new();
    let records = (0..5).map(|n| record(&n.to_string(), &format!("a{n}@x.id"))).collect();
    f.admit(records).await;
    serve_all(&f.journal).await;
    let head = f.journal.head();
    let path = f.path();
    drop(f.journal);
    f.writer.join().unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("DROP TRIGGER event_is_never_changed; DROP TRIGGER event_is_never_removed;").unwrap();
    connection.execute_batch(sql).unwrap();
    Reader::open(&path).unwrap().verify(kept.then_some(head)).unwrap().deviations
}

#[tokio::test]
async fn a_changed_removed_inserted_or_cut_off_event_is_found() {
    let changed = tampered("UPDATE event SET detail = '{}' WHERE seq = 3", false).await;
    assert!(changed[0].starts_with("event 3"), "{changed:?}");
    let removed = tampered("DELETE FROM event WHERE seq = 4", false).await;
    assert!(removed[0].contains("event 4 is missing"), "{removed:?}");
    let inserted = tampered(
        "INSERT INTO event SELECT (SELECT max(seq) + 1 FROM event), at, subject, kind, detail, hash FROM event WHERE seq = 2",
        false,
    )
    .await;
    assert_eq!(inserted.len(), 1, "{inserted:?}");
    let cut = "DELETE FROM event WHERE seq > 6";
    assert!(tampered(cut, false).await.is_empty(), "a chain alone does not show a cut tail");
    let cut = tampered(cut, true).await;
    assert!(cut[0].contains("cut off"), "{cut:?}");
    assert!(tampered("SELECT 1", true).await.is_empty());
}

#[tokio::test]
async fn events_cannot_be_changed_by_a_plain_statement() {
    let f = Fixture::new();
    f.admit(vec![record("1", "a@x.id")]).await;
    let connection = rusqlite::Connection::open(f.path()).unwrap();
    for sql in ["UPDATE event SET kind = 'x'", "DELETE FROM event"] {
        assert!(connection.execute_batch(sql).unwrap_err().to_string().contains("append-only"));
    }
}
