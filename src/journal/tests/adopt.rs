//! Accounts that akund did not make, from the request that adopts them on.

use super::*;

fn asks(id: &str, action: Action) -> Record {
    Record { action, ..with_category(record(id, "lama@x.id"), "adopt") }
}

fn one<T: rusqlite::types::FromSql>(f: &Fixture, sql: &str) -> Option<T> {
    use rusqlite::OptionalExtension;
    f.reader().connection.query_row(sql, [], |row| row.get(0)).optional().unwrap()
}

const STATE: &str = "SELECT state FROM account WHERE account ->> 'address' = 'lama@x.id'";
const ADOPTED: &str = "SELECT count(*) FROM event WHERE kind = 'adopted'";

#[tokio::test]
async fn an_account_is_adopted_by_what_its_target_called_it_and_acted_on_as_it_was_known() {
    let f = Fixture::new();
    f.admit(vec![asks("1", Action::Suspend)]).await;
    assert_eq!(one::<String>(&f, STATE).unwrap(), "reserved");
    let turn = f.journal.turn("mail", Arc::default(), 1).await.unwrap();
    let claim = &turn.claims[0];
    assert_eq!((claim.verb, claim.external_id.as_deref()), (Verb::Adopt, None));
    assert_eq!(claim.adopted, claim.account, "a suspension changes nothing of what is known");
    let turn = f.journal.turn("mail", Arc::new(vec![done(claim)]), 1).await.unwrap();
    let claim = &turn.claims[0];
    assert_eq!((claim.verb, claim.external_id.as_deref()), (Verb::Apply, Some("suspend-id")));
    assert!(claim.adopted.is_some());
    assert_eq!((one::<String>(&f, STATE).unwrap().as_str(), one::<i64>(&f, ADOPTED)), ("active", Some(1)));
    f.journal.turn("mail", Arc::new(vec![done(claim)]), 0).await.unwrap();
    serve_all(&f.journal).await;
    assert_eq!((f.state("1").as_str(), one::<String>(&f, STATE).unwrap().as_str()), ("done", "suspended"));
    // What is asked later is asked of the adopted account, without adopting it again.
    f.admit(vec![asks("2", Action::Resume)]).await;
    serve_all(&f.journal).await;
    assert_eq!((f.state("2").as_str(), one::<String>(&f, STATE).unwrap().as_str()), ("done", "active"));
    assert_eq!(one::<i64>(&f, ADOPTED), Some(1));
    assert!(f.reader().verify(Some(f.journal.head())).unwrap().good);
}

#[tokio::test]
async fn a_withdrawal_forgets_what_was_adopted_and_not_yet_touched_and_undoes_nothing() {
    let f = Fixture::new();
    f.admit(vec![asks("1", Action::Suspend)]).await;
    let turn = f.journal.turn("mail", Arc::default(), 1).await.unwrap();
    f.journal.turn("mail", Arc::new(vec![done(&turn.claims[0])]), 0).await.unwrap();
    orders::place(&f.path(), &order(OrderVerb::Withdraw, "1")).unwrap();
    assert!(f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap()[0].done);
    assert_eq!(f.state("1"), "withdrawn");
    assert_eq!(one::<i64>(&f, "SELECT count(*) FROM step WHERE part = 'undo'"), Some(0));
    let left = "SELECT (SELECT count(*) FROM placed) + (SELECT count(*) FROM name)";
    assert_eq!((one::<String>(&f, STATE).unwrap().as_str(), one::<i64>(&f, left)), ("void", Some(0)));
}

#[tokio::test]
async fn one_that_was_touched_stays_adopted_when_its_request_is_withdrawn() {
    let f = Fixture::new();
    f.admit(vec![asks("1", Action::Suspend)]).await;
    let turn = f.journal.turn("mail", Arc::default(), 1).await.unwrap();
    let turn = f.journal.turn("mail", Arc::new(vec![done(&turn.claims[0])]), 1).await.unwrap();
    let stuck = Settlement::Stuck { fault: Fault::permanent("no") };
    let settled = Settled::new(turn.claims[0].step, turn.claims[0].attempt, stuck);
    f.journal.turn("mail", Arc::new(vec![settled]), 0).await.unwrap();
    orders::place(&f.path(), &order(OrderVerb::Withdraw, "1")).unwrap();
    assert!(f.journal.carry_out_orders(vec![], None, Default::default()).await.unwrap()[0].done);
    assert_eq!((f.state("1").as_str(), one::<String>(&f, STATE).unwrap().as_str()), ("withdrawn", "suspended"));
    assert_eq!(one::<i64>(&f, "SELECT count(*) FROM step WHERE part = 'undo'"), Some(0));
    assert_eq!(
        one::<String>(&f, "SELECT external_id FROM placed").as_deref(),
        Some("suspend-id"),
        "and is known again"
    );
}

#[tokio::test]
async fn what_a_request_changes_of_an_adopted_account_is_written_even_where_the_register_says_the_same() {
    let f = Fixture::new();
    f.admit(vec![asks("1", Action::Suspend)]).await;
    serve_all(&f.journal).await;
    let mut change = asks("2", Action::Change);
    change.change = Some(request::Change { name: Some("N".into()), ..Default::default() });
    f.admit(vec![change]).await;
    serve(&f.journal, "credentials").await;
    let turn = f.journal.turn("mail", Arc::default(), 1).await.unwrap();
    let claim = &turn.claims[0];
    let (account, known) = (claim.account.as_ref().unwrap(), claim.adopted.as_ref().unwrap());
    assert_eq!((account.name.as_str(), known.name.as_str(), &account.address), ("N", "?", &known.address));
}
