//! Google's quotas are kept, and nothing is given away. The clock is virtual.

use crate::bench::*;
use crate::google::trouble::Trouble;
use akund::target::Target;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn two_thousand_accounts_take_no_longer_than_the_quota_alone_would() {
    let bench = Bench::new().await;
    bench.server.state().slow = Duration::from_millis(300);
    let batch = creates((0..2000).map(account));
    let begun = Instant::now();
    for chunk in batch.chunks(256) {
        for answer in bench.target.apply(chunk).await {
            answer.unwrap();
        }
    }
    let applied = begun.elapsed().as_secs_f64();
    assert_eq!(bench.users().len(), 2000);
    assert!((199.0..=220.0).contains(&applied), "{applied} s; ten in a second are 200 s");
    for chunk in batch.chunks(256) {
        for answer in bench.target.prove(chunk).await {
            answer.unwrap();
        }
    }
    println!("2,000 accounts: {applied:.1} s to make, {:.1} s with their proofs", begun.elapsed().as_secs_f64());
    let state = bench.server.state();
    assert_eq!(state.over_quota, 0, "no call was one too many");
    assert_eq!((state.called("users.insert"), state.called("users.get"), state.tokens_given), (2000, 2000, 1));
    drop(state);
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn targets_of_one_domain_share_the_quota() {
    let bench = Bench::new().await;
    let other = workspace(&bench.server, bench.dir.path(), "services = [\"unit\"]\n");
    let (one, two) = (creates((0..300).map(account)), creates((300..600).map(account)));
    let begun = Instant::now();
    let (first, second) = tokio::join!(bench.target.apply(&one), other.apply(&two));
    assert!(first.iter().chain(&second).all(Result::is_ok));
    let took = begun.elapsed().as_secs_f64();
    assert!((60.0..=66.0).contains(&took), "{took}");
    assert_eq!(bench.server.state().over_quota, 0);
}

#[tokio::test(start_paused = true)]
async fn queries_stay_under_their_own_quota() {
    let bench = Bench::new().await;
    let names: Vec<String> = (0..6000).map(|n| format!("x{n}@example.org")).collect();
    let begun = Instant::now();
    assert_eq!(bench.target.find(&names).await.unwrap(), []);
    let took = begun.elapsed().as_secs_f64();
    assert!((140.0..=165.0).contains(&took), "{took}: 2,400 in a minute are 150 s");
    assert_eq!(bench.server.state().over_quota, 0);
}

#[tokio::test(start_paused = true)]
async fn one_refusal_slows_the_whole_target_for_as_long_as_google_says() {
    for (trouble, least) in [
        (Trouble::Slow(Some(40)), 40.0),
        (Trouble::Slow(None), 1.0),
        (Trouble::Forbidden("quotaExceeded"), 1.0),
        (Trouble::Forbidden("userRateLimitExceeded"), 1.0),
    ] {
        let bench = Bench::new().await;
        let other = workspace(&bench.server, bench.dir.path(), "services = [\"unit\"]\n");
        bench.apply(&create(&named("pertama"))).await.unwrap();
        bench.server.state().mood.then("users.insert", trouble);
        let refused = bench.apply_once(&create(&named("humas"))).await;
        assert_eq!(class_of(&refused), akund::model::FaultClass::Transient, "{refused:?}");
        let begun = Instant::now();
        other.find(&["x@example.org".into()]).await.unwrap();
        let waited = begun.elapsed().as_secs_f64();
        assert!((least..=least + 1.2).contains(&waited), "{trouble:?}: {waited}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_quota_leaves_no_room_for_is_left_to_the_next_batch() {
    let bench = Bench::new().await;
    bench.server.state().mood.then("users.insert", Trouble::Slow(Some(3600)));
    let begun = Instant::now();
    let answers = bench.target.apply(&creates((0..50).map(account))).await;
    assert!(begun.elapsed() < Duration::from_secs(420), "a batch ends within its time");
    let failed: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(failed.len() > 40 && failed.iter().all(|f| f.class == akund::model::FaultClass::Transient), "{failed:?}");
    let answers = bench.apply_all(creates((100..110).map(account))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(bench.server.state().over_quota, 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_once_for_all_who_wait_and_again_before_it_ends() {
    let bench = Bench::new().await;
    for answer in bench.target.apply(&creates((0..40).map(account))).await {
        answer.unwrap();
    }
    assert_eq!(bench.server.state().tokens_given, 1);
    tokio::time::sleep(Duration::from_secs(3590)).await;
    for answer in bench.target.apply(&creates((40..80).map(account))).await {
        answer.unwrap();
    }
    assert_eq!(bench.server.state().tokens_given, 2, "none is used up to its last second");
    bench.server.state().revoke_tokens();
    for answer in bench.target.apply(&creates((80..120).map(account))).await {
        answer.unwrap();
    }
    assert!(bench.server.state().tokens_given <= 4, "{}", bench.server.state().tokens_given);
    assert_eq!(bench.users().len(), 120);
    bench.server.assert_no_complaints();
}
