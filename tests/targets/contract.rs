//! What every target must do that keeps accounts in files of its own.

use crate::fixture::*;
use akund::model::{Action, FaultClass, Proof, Scheme};
use akund::secret::hash;

#[tokio::test]
async fn an_account_is_made_found_and_proven() {
    for bench in Bench::each() {
        let work = bench.create(&named("humas"));
        bench.apply(&work).await.unwrap();
        assert_eq!(bench.prove(&work).await.unwrap(), Proof::Stored);
        let name = bench.name_of(&work.account);
        let found = bench.find(&[&name, "nobody@example.org", "nobody"]).await;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].uid), (name.as_str(), Some(work.account.uid)));
    }
}

#[tokio::test]
async fn writing_the_same_work_twice_is_as_writing_it_once() {
    for bench in Bench::each() {
        let mut account = named("humas");
        account.aliases = vec![address("pers@example.org")];
        account.group = Some("tamu".into());
        account.ends_at = from_now(3600);
        let create = bench.create(&account);
        let reset = work(Action::Reset, &account, bench.create(&account).credential);
        account.group = Some("staf".into());
        account.aliases = vec![address("info@example.org")];
        let change = plain(Action::Change, &account);
        for step in [create, reset, change, plain(Action::Suspend, &account), plain(Action::Resume, &account)] {
            bench.apply(&step).await.unwrap();
            let once = bench.rows();
            bench.apply(&step).await.unwrap();
            assert_eq!(bench.rows(), once, "{:?}", step.action);
            bench.prove(&step).await.unwrap();
        }
        let remove = plain(Action::Remove, &account);
        for _ in 0..2 {
            bench.apply(&remove).await.unwrap();
            assert!(!bench.rows().iter().any(|row| row.contains("humas")));
            bench.prove(&remove).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_name_of_another_account_or_put_there_by_hand_is_a_conflict_and_nothing_is_written() {
    for bench in Bench::each() {
        bench.put_foreign(&named("asing"));
        bench.apply(&bench.create(&named("humas"))).await.unwrap();
        let before = bench.rows();
        for taken in ["humas", "asing"] {
            let other = bench.create(&named(taken));
            let refused = bench.apply(&other).await;
            assert_eq!(class_of(&refused), FaultClass::Conflict);
            assert!(!refused.unwrap_err().message.contains(taken), "names are masked");
            assert_eq!(bench.rows(), before);
            assert_eq!(class_of(&bench.prove(&other).await), FaultClass::Transient);
        }
        let found = bench.find(&[&bench.name_of(&named("asing"))]).await;
        assert_eq!(found[0].uid, None, "what a person put there is found, without a mark");
    }
}

#[tokio::test]
async fn a_change_to_a_taken_name_is_a_conflict_and_leaves_the_account_as_it_was() {
    for bench in Bench::each() {
        let mut mine = named("humas");
        bench.apply(&bench.create(&mine)).await.unwrap();
        bench.apply(&bench.create(&named("pers"))).await.unwrap();
        let before = bench.rows();
        (mine.address, mine.username) = (named("pers").address, named("pers").username);
        mine.ends_at = from_now(3600);
        assert_eq!(class_of(&bench.apply(&plain(Action::Change, &mine)).await), FaultClass::Conflict);
        assert_eq!(bench.rows(), before);
    }
}

#[tokio::test]
async fn undo_takes_back_what_a_create_made_and_nothing_else_and_may_be_repeated() {
    for bench in Bench::each() {
        bench.apply(&bench.create(&named("tetangga"))).await.unwrap();
        let before = bench.rows();
        let mut account = named("humas");
        account.aliases = vec![address("humas@lain.example.net")];
        account.group = Some("tamu".into());
        account.ends_at = from_now(60);
        let work = bench.create(&account);
        bench.undo(&work).await.unwrap();
        assert_eq!(bench.rows(), before, "nothing there is a success");
        bench.apply(&work).await.unwrap();
        for _ in 0..2 {
            bench.undo(&work).await.unwrap();
            assert_eq!(bench.rows(), before);
        }
        // It can be made again.
        bench.apply(&work).await.unwrap();
        bench.prove(&work).await.unwrap();
    }
}

#[tokio::test]
async fn undo_of_anything_but_a_create_is_refused_and_takes_nothing_away() {
    for bench in Bench::each() {
        let account = named("humas");
        bench.apply(&bench.create(&account)).await.unwrap();
        let before = bench.rows();
        for action in [Action::Change, Action::Reset, Action::Suspend, Action::Resume, Action::Remove] {
            assert_eq!(class_of(&bench.undo(&plain(action, &account)).await), FaultClass::Permanent);
            assert_eq!(bench.rows(), before);
        }
    }
}

#[tokio::test]
async fn hostile_values_are_stored_as_they_are_and_change_nothing_else() {
    for bench in Bench::each() {
        bench.apply(&bench.create(&named("tetangga"))).await.unwrap();
        let before = bench.rows();
        let texts =
            ["o'hara'; DROP TABLE radcheck; --", "%{User-Name}`id`", "\"ganda\"", "ñ-密码-🙂", "{local}%s%%", "\\"];
        for (n, text) in texts.iter().enumerate() {
            let mut account = account(n);
            account.address = Some(address(&format!("o'hara+=s{n}@example.org")));
            account.aliases = vec![address(&format!("_-{n}@example.org"))];
            (account.name, account.unit, account.category) = ((*text).into(), (*text).into(), (*text).into());
            account.group = Some((*text).into());
            let work = bench.create(&account);
            bench.apply(&work).await.unwrap();
            bench.prove(&work).await.unwrap();
            assert_eq!(bench.find(&[&bench.name_of(&account), text]).await.len(), 1);
            bench.undo(&work).await.unwrap();
            assert_eq!(bench.rows(), before, "{text}");
        }
    }
}

#[tokio::test]
async fn a_thousand_go_in_one_batch_and_one_bad_one_among_them_fails_alone() {
    for bench in Bench::each() {
        let credential = hash::new_credential(bench.target.schemes()).unwrap();
        let mut batch: Vec<_> =
            (0..1000).map(|n| work(Action::Create, &account(n), Some(credential.clone()))).collect();
        bench.put_foreign(&batch[500].account);
        batch[700].credential = None;
        batch[900].account = batch[899].account.clone();
        batch[900].account.uid = account(0).uid;
        let applied = bench.target.apply(&batch).await;
        let proven = bench.target.prove(&batch).await;
        assert_eq!((applied.len(), proven.len()), (1000, 1000));
        for n in 0..1000 {
            match n {
                500 | 900 => assert_eq!(class_of(&applied[n]), FaultClass::Conflict, "{n}"),
                700 => assert_eq!(class_of(&applied[n]), FaultClass::Permanent, "{n}"),
                _ => assert!(applied[n].is_ok() && proven[n].is_ok(), "{n}: {:?} {:?}", applied[n], proven[n]),
            }
            assert_eq!(applied[n].is_ok(), proven[n].is_ok(), "{n}");
        }
        let names: Vec<String> = batch.iter().map(|w| bench.name_of(&w.account)).collect();
        assert_eq!(bench.target.find(&names).await.unwrap().iter().filter(|f| f.uid.is_some()).count(), 997);
        for undone in bench.target.undo(&batch).await {
            undone.unwrap();
        }
        let left = bench.rows();
        assert!(left.iter().any(|row| row.to_lowercase().contains("n500")), "the foreign one stays");
        assert!(!left.iter().any(|row| row.contains("n899") || row.contains("n001")));
    }
}

#[tokio::test]
async fn a_suspended_account_comes_back_with_its_password() {
    for bench in Bench::each() {
        let account = named("humas");
        let create = bench.create(&account);
        bench.apply(&create).await.unwrap();
        let suspend = plain(Action::Suspend, &account);
        assert_eq!(class_of(&bench.prove(&suspend).await), FaultClass::Transient, "not suspended yet");
        bench.apply(&suspend).await.unwrap();
        bench.prove(&suspend).await.unwrap();
        assert!(bench.prove(&create).await.is_err(), "its password opens nothing");
        assert!(bench.prove(&plain(Action::Resume, &account)).await.is_err());
        bench.apply(&plain(Action::Resume, &account)).await.unwrap();
        bench.prove(&plain(Action::Resume, &account)).await.unwrap();
        bench.prove(&create).await.unwrap();
    }
}

#[tokio::test]
async fn a_reset_replaces_the_password_also_of_a_suspended_account() {
    for bench in Bench::each() {
        let account = named("humas");
        let create = bench.create(&account);
        bench.apply(&create).await.unwrap();
        let first = work(Action::Reset, &account, bench.create(&account).credential);
        bench.apply(&first).await.unwrap();
        bench.prove(&first).await.unwrap();
        assert_eq!(class_of(&bench.prove(&create).await), FaultClass::Permanent, "the old password is gone");
        bench.apply(&plain(Action::Suspend, &account)).await.unwrap();
        let second = work(Action::Reset, &account, bench.create(&account).credential);
        bench.apply(&second).await.unwrap();
        bench.prove(&plain(Action::Suspend, &account)).await.unwrap();
        bench.apply(&plain(Action::Resume, &account)).await.unwrap();
        bench.prove(&second).await.unwrap();
        assert!(bench.prove(&first).await.is_err());
    }
}

#[tokio::test]
async fn what_is_asked_of_an_account_that_is_not_there_is_a_permanent_fault() {
    for bench in Bench::each() {
        let account = named("humas");
        let credential = bench.create(&account).credential;
        for action in [Action::Change, Action::Reset, Action::Suspend, Action::Resume] {
            let step = work(action, &account, credential.clone());
            assert_eq!(class_of(&bench.apply(&step).await), FaultClass::Permanent, "{action:?}");
        }
        bench.apply(&plain(Action::Remove, &account)).await.unwrap();
        assert_eq!(
            class_of(&bench.apply(&plain(Action::Create, &account)).await),
            FaultClass::Permanent,
            "no password"
        );
        assert!(bench.rows().iter().all(|row| row.contains("schema: version")), "{:?}", bench.rows());
    }
}

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

#[tokio::test]
async fn an_empty_batch_has_no_answers() {
    for bench in Bench::each() {
        assert!(bench.target.apply(&[]).await.is_empty());
        assert!(bench.target.prove(&[]).await.is_empty());
        assert!(bench.target.undo(&[]).await.is_empty());
        assert!(bench.target.find(&[]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn secrets_show_up_in_no_fault_and_no_debug_output() {
    for bench in Bench::each() {
        let work = bench.create(&named("humas"));
        bench.apply(&work).await.unwrap();
        let other = bench.create(&named("humas"));
        let refused = bench.apply(&other).await.unwrap_err();
        bench.spoil_passwords("changed");
        let unproven = bench.prove(&work).await.unwrap_err();
        let shown = format!("{refused} {refused:?} {unproven} {unproven:?} {work:?} {other:?}");
        for secret in [password(&work), password(&other), "$6$"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}
