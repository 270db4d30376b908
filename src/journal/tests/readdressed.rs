//! Officials' addresses: read anew by a retry of what is stuck at one of them, and by nothing else.

use super::*;

/// Runs the request until its notice is stuck; retries it with these addresses in force. What was told, and the address kept then.
async fn retried(category: &str, procedure: &str, address: &str) -> (String, String) {
    let f = Fixture::new();
    f.admit(vec![with_category(record("1", "a@x.id"), category), record("2", "b@x.id")]).await;
    while serve(&f.journal, "credentials").await + serve(&f.journal, "mail").await > 0 {}
    let turn = f.journal.turn("email", Arc::default(), 10).await.unwrap();
    let claim = turn.claims.iter().find(|claim| claim.account.as_ref().unwrap().username.as_str() == "a").unwrap();
    let settlement = Settlement::Stuck { fault: Fault::permanent("550") };
    let settled = Settled::new(claim.step, claim.attempt, settlement);
    f.journal.turn("email", Arc::new(vec![settled]), 0).await.unwrap();
    assert_eq!(f.state("1"), "stuck");
    let number = orders::place(&f.path(), &order(OrderVerb::Retry, "1")).unwrap();
    let now = [("role.kasi.email", address), ("role.other.email", "other@x.id")];
    let now = now.map(|(key, address)| (key.to_owned(), address.to_owned())).into();
    let in_force = crate::journal::officials::InForce {
        judge: Box::new(|_, _, _| Err("no".to_owned())),
        officials: [(procedure.to_owned(), now)].into(),
    };
    f.journal.carry_out_orders(vec![], Some(Arc::new(in_force)), Default::default()).await.unwrap();
    let told = orders::result(&f.path(), number).unwrap();
    assert_eq!((told.state.as_str(), f.state("1").as_str()), ("done", "working"), "{}", told.result);
    let texts = |id: &str| -> String {
        let sql = "SELECT t.texts FROM request r JOIN texts t ON t.id = r.texts WHERE r.ext_id = ?1";
        rusqlite::Connection::open(f.path()).unwrap().query_row(sql, [id], |row| row.get(0)).unwrap()
    };
    assert!(texts("2").contains("old@x.id"), "another request keeps what it was judged with");
    let kept: BTreeMap<String, String> = serde_json::from_str(&texts("1")).unwrap();
    assert_eq!((kept["role.kabid.email"].as_str(), kept.get("role.other.email")), ("kabid@x.id", None));
    let events = f.reader().verify(None).unwrap();
    assert!(events.good, "{:?}", events.deviations);
    (told.result, kept["role.kasi.email"].clone())
}

#[tokio::test]
async fn a_retry_of_what_is_stuck_at_an_official_takes_the_address_in_force() {
    let told = "`1` is working now; the addresses of kasi are the procedure's of today".to_owned();
    assert_eq!(retried("official", "p", "new@x.id").await, (told, "new@x.id".into()));
    let plain = "`1` is working now".to_owned();
    assert_eq!(retried("official", "p", "old@x.id").await, (plain.clone(), "old@x.id".into()), "it is the same");
    assert_eq!(retried("official", "q", "new@x.id").await, (plain.clone(), "old@x.id".into()), "another procedure's");
    assert_eq!(retried("staff", "p", "new@x.id").await, (plain, "old@x.id".into()), "nothing is stuck at an official");
}
