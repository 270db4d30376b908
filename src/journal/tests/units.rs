//! A unit's accounts are found by its name.

use super::*;

fn of_unit(id: &str, address: &str, unit: &str) -> Record {
    let mut record = record(id, address);
    record.applicant.unit = unit.into();
    record
}

/// The verdict on one record.
async fn verdict(journal: &Journal, record: Record) -> &'static str {
    match admit(journal, vec![record]).await.remove(0) {
        Admitted::New { verdict, .. } => verdict,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_unit_that_has_an_account_is_found_in_any_case_and_only_in_its_procedure() {
    let fixture = Fixture::new();
    assert_eq!(verdict(&fixture.journal, of_unit("1", "a@example.ac.id", "Biro Humas")).await, "permit");
    assert_eq!(verdict(&fixture.journal, of_unit("2", "b@example.ac.id", "BIRO humas")).await, "conflict");
    assert_eq!(verdict(&fixture.journal, of_unit("3", "c@example.ac.id", "Biro Hukum")).await, "permit");
    assert_eq!(verdict(&fixture.journal, of_unit("4", "d@example.ac.id", "")).await, "permit");
    let mut elsewhere = of_unit("5", "e@example.ac.id", "Biro Humas");
    elsewhere.key.procedure = "q".into();
    assert_eq!(verdict(&fixture.journal, elsewhere).await, "permit");
}

#[tokio::test]
async fn of_two_requests_of_a_unit_in_one_file_the_first_gets_the_account() {
    let fixture = Fixture::new();
    let rows = vec![of_unit("1", "a@example.ac.id", "Biro Humas"), of_unit("2", "b@example.ac.id", "Biro Humas")];
    let verdicts: Vec<&str> = admit(&fixture.journal, rows)
        .await
        .iter()
        .map(|one| match one {
            Admitted::New { verdict, .. } => *verdict,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(verdicts, ["permit", "conflict"]);
}

#[tokio::test]
async fn a_look_at_a_unit_uses_the_index() {
    let fixture = Fixture::new();
    let connection = rusqlite::Connection::open(fixture.path()).unwrap();
    let plan: Vec<String> = connection
        .prepare(
            "EXPLAIN QUERY PLAN SELECT 1 FROM account WHERE procedure = ?1 AND lower(account ->> 'unit') = lower(?2)",
        )
        .unwrap()
        .query_map(["p", "u"], |row| row.get(3))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(plan.iter().any(|line| line.contains("account_unit (procedure=? AND <expr>=?)")), "{plan:?}");
}
