//! Exactly once, whatever Google answers. The clock is virtual.

use crate::bench::*;
use crate::google::trouble::Trouble;
use akund::model::{Action, FaultClass};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Every way in which one answer can go wrong, at each call of a create with an alias and a group.
#[tokio::test(start_paused = true)]
async fn one_wrong_answer_anywhere_makes_no_account_twice_and_loses_none() {
    let troubles = [
        Trouble::CutBefore,
        Trouble::CutAfter,
        Trouble::Half,
        Trouble::SilentBefore,
        Trouble::SilentAfter,
        Trouble::StatusAfter(409),
        Trouble::StatusAfter(412),
        Trouble::StatusAfter(500),
        Trouble::StatusAfter(503),
        Trouble::Status(500),
        Trouble::Status(503),
        Trouble::Status(401),
        Trouble::Incomplete,
        Trouble::Slow(Some(5)),
        Trouble::Forbidden("rateLimitExceeded"),
        Trouble::Page(502),
        Trouble::Page(200),
        Trouble::PageAfter,
    ];
    for call in ["users.insert", "users.get", "users.aliases.insert", "members.insert"] {
        for trouble in troubles {
            if call == "users.get" && matches!(trouble, Trouble::StatusAfter(409 | 412) | Trouble::Incomplete) {
                continue;
            }
            let bench = Bench::with(GROUPS).await;
            let mut account = named("humas");
            account.aliases = vec![address("pers@example.org")];
            bench.server.state().mood.then(call, trouble);
            let work = create(&account);
            bench.apply(&work).await.unwrap_or_else(|fault| panic!("{call} {trouble:?}: {fault}"));
            bench.prove(&work).await.unwrap_or_else(|fault| panic!("{call} {trouble:?}: {fault}"));
            assert_eq!(bench.users().len(), 1, "{call} {trouble:?}");
            let user = bench.user("humas@example.org");
            assert_eq!(user.text("password"), hash_of(&work));
            assert_eq!(user.aliases.len(), 1);
            assert!(bench.server.state().mood.is_through(), "{call} was never made");
            bench.server.assert_no_complaints();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_wrong_answer_to_a_change_suspension_reset_or_removal_leaves_it_done() {
    for (action, call) in [
        (Action::Change, "users.update"),
        (Action::Change, "users.aliases.delete"),
        (Action::Reset, "users.update"),
        (Action::Suspend, "users.update"),
        (Action::Remove, "users.delete"),
    ] {
        for trouble in [
            Trouble::CutBefore,
            Trouble::CutAfter,
            Trouble::SilentAfter,
            Trouble::StatusAfter(409),
            Trouble::StatusAfter(412),
            Trouble::StatusAfter(503),
            Trouble::Status(503),
            Trouble::Incomplete,
            Trouble::Unseen,
            Trouble::Forbidden("forbidden"),
            Trouble::PageAfter,
            Trouble::Page(200),
        ] {
            if call == "users.delete" && matches!(trouble, Trouble::Unseen | Trouble::Forbidden("forbidden")) {
                continue;
            }
            let bench = Bench::new().await;
            let mut account = named("humas");
            let id = bench.apply(&create(&account)).await.unwrap();
            account.address = Some(address("kantor@example.org"));
            let step = with_id(work(action, &account, (action == Action::Reset).then(credential)), &id);
            bench.server.state().mood.then(call, trouble);
            bench.apply(&step).await.unwrap_or_else(|fault| panic!("{action:?} {trouble:?}: {fault}"));
            bench.prove(&step).await.unwrap_or_else(|fault| panic!("{action:?} {trouble:?}: {fault}"));
            let users = bench.users();
            match action {
                Action::Change => assert!(users[0].email() == "kantor@example.org" && users[0].aliases.is_empty()),
                Action::Reset => assert_eq!(users[0].text("password"), hash_of(&step)),
                Action::Suspend => assert!(users[0].suspended()),
                _ => assert!(users.is_empty()),
            }
            assert!(bench.server.state().mood.is_through(), "{call} was never made");
            bench.server.assert_no_complaints();
        }
    }
}

/// A lane's attempts lie up to a quarter of an hour apart, which is longer than the settle time.
#[tokio::test(start_paused = true)]
async fn what_two_attempts_far_apart_meet_is_no_sign_that_it_lasts_and_what_all_meet_is() {
    let bench = Bench::new().await;
    let account = named("humas");
    let id = bench.apply(&create(&account)).await.unwrap();
    let step = with_id(plain(Action::Suspend, &account), &id);
    let mut classes = Vec::new();
    for _ in 0..4 {
        bench.server.state().mood.then("users.update", Trouble::Incomplete);
        classes.push(class_of(&bench.apply_once(&step).await));
        tokio::time::sleep(Duration::from_secs(900)).await;
    }
    use FaultClass::{Permanent, Transient};
    assert_eq!(classes, [Transient, Transient, Transient, Permanent]);
    bench.apply(&step).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_not_to_be_seen_yet_is_waited_for() {
    let bench = Bench::with(GROUPS).await;
    {
        let directory = &mut bench.server.state().directory;
        directory.lag = Duration::from_secs(90);
        directory.unfinished = Duration::from_secs(40);
    }
    let mut account = named("humas");
    account.aliases = vec![address("pers@example.org")];
    let begun = Instant::now();
    let work = create(&account);
    let id = bench.apply(&work).await.unwrap();
    bench.prove(&with_id(work, &id)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(600), "{:?}", begun.elapsed());
    assert!(
        bench.server.state().called("users.insert") <= 2,
        "at most one more try, which is told that the name is taken"
    );
    assert_eq!(bench.users().len(), 1);
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn what_never_comes_to_be_seen_is_a_matter_for_people_after_the_settle_time() {
    let bench = Bench::with("settle_seconds = 300\n").await;
    let work = create(&named("humas"));
    let id = bench.apply(&work).await.unwrap();
    bench.server.state().directory.by_hand("humas@example.org", |user| user.deleted = true);
    let begun = Instant::now();
    let step = with_id(work, &id);
    let lost = bench.prove(&step).await;
    assert_eq!(class_of(&lost), FaultClass::Permanent);
    let waited = begun.elapsed().as_secs();
    assert!((300..=900).contains(&waited), "{waited}");
}

/// In a journal that was put back its step is not done, and its id not known.
#[tokio::test(start_paused = true)]
async fn what_was_made_and_renamed_since_is_taken_up_by_its_mark_and_not_made_again() {
    let mut bench = Bench::new().await;
    let mut work = create(&named("humas"));
    bench.apply(&work).await.unwrap();
    bench.server.state().directory.by_hand("humas@example.org", |user| {
        user.fields.insert("primaryEmail".into(), json!("lain@example.org"));
        user.aliases.clear();
    });
    bench.target = workspace(&bench.server, bench.dir.path(), "");
    work.uncertain = true;
    bench.apply(&work).await.unwrap();
    assert_eq!(bench.users().len(), 1);
    assert_eq!(bench.user("humas@example.org").text("password"), hash_of(&work));
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_not_followed_by_a_second_try_before_a_minute_has_passed() {
    let bench = Bench::new().await;
    bench.server.state().directory.lag = Duration::from_secs(45);
    bench.server.state().mood.then("users.insert", Trouble::SilentAfter);
    let work = create(&named("humas"));
    let begun = Instant::now();
    bench.apply(&work).await.unwrap();
    assert!(begun.elapsed() > Duration::from_secs(45));
    assert_eq!(bench.server.state().called("users.insert"), 1, "it was seen in time");
    // After a crash akund knows only that it is not certain.
    let bench = Bench::new().await;
    let mut work = create(&named("humas"));
    work.uncertain = true;
    let begun = Instant::now();
    bench.apply(&work).await.unwrap();
    assert!(begun.elapsed() > Duration::from_secs(60));
    assert_eq!(bench.users().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_answer_was_lost_is_undone_even_if_it_comes_to_light_late() {
    let bench = Bench::new().await;
    bench.server.state().directory.lag = Duration::from_secs(45);
    bench.server.state().mood.then("users.insert", Trouble::SilentAfter);
    let work = create(&named("humas"));
    assert_eq!(class_of(&bench.apply_once(&work).await), FaultClass::Unknown);
    assert_eq!(class_of(&bench.undo_once(&work).await), FaultClass::Unknown, "nothing to be seen is not nothing");
    let restarted = workspace(&bench.server, bench.dir.path(), "");
    use akund::target::Target;
    assert_eq!(class_of(&restarted.undo(std::slice::from_ref(&work)).await.remove(0)), FaultClass::Unknown);
    bench.undo(&work).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(bench.users(), []);
}

#[tokio::test(start_paused = true)]
async fn an_invitation_is_no_account() {
    let bench = Bench::new().await;
    bench.server.state().directory.private.insert("humas@example.org".into());
    let invited = bench.apply_once(&create(&named("humas"))).await;
    assert_eq!(class_of(&invited), FaultClass::Permanent);
    assert!(invited.unwrap_err().message.contains("invited"));
    assert_eq!(bench.users(), []);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_a_groups_is_a_conflict() {
    for (more, patience) in [(GROUPS, 0), ("settle_seconds = 120\n", 120)] {
        let bench = Bench::with(more).await;
        bench.server.state().directory.groups.insert("humas@example.org".into(), Default::default());
        let begun = Instant::now();
        let taken = bench.apply(&create(&named("humas"))).await;
        assert_eq!(class_of(&taken), FaultClass::Conflict, "{taken:?}");
        assert!(
            begun.elapsed().as_secs() >= patience,
            "without the right to see groups it may be a user not yet shown"
        );
        assert_eq!(bench.users(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_removed_user_is_brought_back_when_its_account_is_resumed_or_made_again() {
    for action in [Action::Resume, Action::Create] {
        let bench = Bench::new().await;
        for n in 0..3 {
            // Somebody else's of the same name, and many more: the id and the mark tell.
            bench.server.state().directory.put(json!({
                "primaryEmail": format!("lama{n}@example.org"), "name": {"givenName": "A", "familyName": "B"}, "orgUnitPath": "/"
            }));
            bench.server.state().directory.by_hand(&format!("lama{n}@example.org"), |user| user.deleted = true);
        }
        let account = named("humas");
        let made = create(&account);
        let id = bench.apply(&made).await.unwrap();
        bench.server.state().directory.by_hand("humas@example.org", |user| {
            user.fields.insert("suspended".into(), true.into());
            user.deleted = true;
        });
        let step = with_id(if action == Action::Create { made.clone() } else { plain(action, &account) }, &id);
        assert_eq!(bench.apply(&step).await.unwrap(), id, "with its mail");
        bench.prove(&step).await.unwrap();
        assert_eq!(bench.users().len(), 1);
        assert!(!bench.users()[0].suspended());
        // Its name was given to somebody else meanwhile.
        bench.server.state().directory.by_hand("humas@example.org", |user| user.deleted = true);
        bench.put_foreign(&account);
        assert_eq!(class_of(&bench.apply_once(&step).await), FaultClass::Conflict, "{action:?}");
        bench.server.assert_no_complaints();
    }
}

/// A long bad day: each answer is wrong with probability 0.3, everything is seen late, and users can't be changed at once.
#[tokio::test(start_paused = true)]
async fn a_thousand_requests_on_a_long_bad_day_are_each_done_exactly_once() {
    let bench = Bench::with(GROUPS).await;
    {
        let mut state = bench.server.state();
        state.mood.bad = 0.3;
        state.directory.lag = Duration::from_secs(7);
        state.directory.unfinished = Duration::from_secs(3);
    }
    let mut works = creates((0..1000).map(account));
    for (n, work) in works.iter_mut().enumerate().filter(|(n, _)| n % 10 == 0) {
        work.account.aliases = vec![address(&format!("alias{n}@example.org"))];
        work.account.group = Some("tamu".into());
    }
    let begun = Instant::now();
    let mut ids = BTreeMap::new();
    for chunk in works.chunks_mut(256) {
        let applied = bench.apply_all(chunk.to_vec()).await;
        for (work, answer) in chunk.iter_mut().zip(applied) {
            let id = answer.unwrap_or_else(|fault| panic!("{}: {fault}", work.account.uid));
            assert!(id.is_some() && ids.insert(id.clone(), work.account.uid).is_none(), "an id stands for one account");
            work.external_id = id;
        }
        for (work, answer) in chunk.iter().zip(bench.prove_all(chunk.to_vec()).await) {
            answer.unwrap_or_else(|fault| panic!("{}: {fault}", work.account.uid));
        }
    }
    let (troubles, calls) = {
        let state = bench.server.state();
        (state.mood.troubles, state.calls.values().sum::<usize>())
    };
    println!("{troubles} of {calls} answers were wrong; {:?} by the virtual clock", begun.elapsed());
    assert!(troubles > 1000);
    let users = bench.users();
    assert_eq!(users.len(), 1000);
    let everybody = bench.server.state().directory.users.len() - 1;
    assert_eq!(everybody, 1000, "none was made and taken away again");
    for (user, work) in users.iter().zip(&works) {
        assert_eq!(Some(user.email()), work.account.address.as_ref().map(|a| a.as_str()));
        assert_eq!(user.external("akund"), [work.account.uid.to_string()]);
        assert_eq!(user.text("password"), hash_of(work));
        assert_eq!(user.aliases.len(), work.account.aliases.len());
        assert!(!user.suspended());
    }
    let state = bench.server.state();
    assert_eq!(state.directory.groups["semua@example.org"].len(), 1000);
    assert_eq!(state.directory.groups["tamu@example.org"].len(), 100);
    assert_eq!(state.over_quota, 0, "not even then is a call one too many");
    drop(state);
    bench.server.assert_no_complaints();
}
