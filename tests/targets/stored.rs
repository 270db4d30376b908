//! What holds for targets that read back the hash that they stored.

use crate::fixture::*;
use akund::model::{Action, FaultClass, Scheme};
use akund::secret::hash;

#[tokio::test]
async fn a_hash_that_was_tampered_with_is_not_proven() {
    for bench in Bench::each() {
        let other = hash::hash(&hash::new_credential(&[]).unwrap().password, bench.target.schemes()[0]).unwrap();
        for stored in [other.expose(), "", "$6$", "x"] {
            let work = bench.create(&named("humas"));
            bench.apply(&work).await.unwrap();
            bench.prove(&work).await.unwrap();
            bench.spoil_passwords(stored);
            let told = bench.prove(&work).await;
            assert_eq!(class_of(&told), FaultClass::Permanent);
            assert!(told.unwrap_err().message.contains("somebody else has changed it"));
            bench.undo(&work).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_account_that_has_ended_is_not_proven_to_work() {
    for bench in Bench::each() {
        let mut account = named("humas");
        account.ends_at = from_now(-1);
        let work = bench.create(&account);
        bench.apply(&work).await.unwrap();
        assert_eq!(class_of(&bench.prove(&work).await), FaultClass::Permanent);
        account.ends_at = from_now(3600);
        bench.apply(&plain(Action::Change, &account)).await.unwrap();
        bench.prove(&crate::fixture::work(Action::Create, &account, work.credential)).await.unwrap();
    }
}

#[tokio::test]
async fn an_account_without_the_hash_that_the_target_stores_is_refused() {
    for bench in Bench::each() {
        let account = named("humas");
        let credential = hash::new_credential(&[Scheme::Ssha512]).unwrap();
        let refused = bench.apply(&work(Action::Create, &account, Some(credential))).await;
        assert_eq!(class_of(&refused), FaultClass::Permanent);
    }
}
