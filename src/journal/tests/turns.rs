//! What a lane's turn reads once for all of its steps.

use super::*;

async fn one_by_one(f: &Fixture, lane: &str) -> Vec<(String, Verb)> {
    let mut served = Vec::new();
    let mut settled = Vec::new();
    loop {
        let turn = f.journal.turn(lane, Arc::new(std::mem::take(&mut settled)), 1).await.unwrap();
        let Some(claim) = turn.claims.first() else { return served };
        served.push((claim.key.id.clone(), claim.verb));
        settled.push(done(claim));
    }
}

#[tokio::test]
async fn the_accounts_of_a_bulk_file_come_to_their_end_one_after_another() {
    let f = Fixture::new();
    f.admit(["1", "2", "3"].map(|id| record(id, &format!("a{id}@x.id"))).into()).await;
    serve(&f.journal, "credentials").await;
    let served = one_by_one(&f, "mail").await;
    let expected = ["1", "2", "3"].map(|id| [(id.to_owned(), Verb::Apply), (id.to_owned(), Verb::Prove)]);
    assert_eq!(served, expected.concat());
}

#[tokio::test]
async fn of_two_steps_that_come_back_together_the_second_knows_what_the_first_has_moved() {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), "twice")]).await;
    serve(&f.journal, "mail").await;
    serve(&f.journal, "mail").await;
    let turn = f.journal.turn("email", Arc::default(), 10).await.unwrap();
    let mut settled: Vec<Settled> = turn.claims.iter().map(done).collect();
    assert_eq!(settled.len(), 2, "the request's own notice, and one aside");
    settled.reverse();
    let ended = f.journal.turn("email", Arc::new(settled), 0).await.unwrap().requests_ended;
    assert_eq!((f.state("1").as_str(), ended), ("done", 1));
}

#[tokio::test]
async fn texts_that_were_taken_back_are_forgotten() {
    let f = Fixture::new();
    let enter = |word: &'static str, keep: bool| {
        f.journal.call(move |tx| {
            let id = admit::texts(tx, &BTreeMap::from([("institution".to_owned(), word.to_owned())]))?;
            let read = tx.texts(id)?["institution"].clone();
            if keep { Ok((id, read)) } else { Err(JournalError::Refused(format!("{id} {read}"))) }
        })
    };
    let first = enter("one", false).await.unwrap_err().to_string();
    let (id, read) = enter("two", true).await.unwrap();
    assert!(first.contains(&format!("{id} one")), "{first}: the number is given again");
    assert_eq!(read, "two");
}

#[tokio::test]
async fn a_request_whose_data_are_damaged_keeps_no_other_from_being_claimed() {
    for damage in
        ["UPDATE personal SET judgement = '{' WHERE request = 2", "UPDATE personal SET record = '{' WHERE request = 2"]
    {
        let f = Fixture::new();
        f.admit(vec![record("1", "a@x.id")]).await;
        serve_all(&f.journal).await;
        f.admit(vec![Record { action: Action::Reset, ..record("2", "a@x.id") }, record("3", "b@x.id")]).await;
        let by_hand = format!("UPDATE account SET adopted = 1 WHERE request = 1; {damage}");
        rusqlite::Connection::open(f.path()).unwrap().execute_batch(&by_hand).unwrap();
        let turn = f.journal.turn("credentials", Arc::default(), 10).await.unwrap();
        let claimed: Vec<&str> = turn.claims.iter().map(|claim| claim.key.id.as_str()).collect();
        assert_eq!((claimed, turn.unreadable), (vec!["3"], 1), "{damage}");
        assert_eq!(f.state("2"), "stuck");
    }
}
