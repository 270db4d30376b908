//! What every target must do: the same claims as of directories and tables.

use crate::bench::*;
use akund::model::{Action, FaultClass, Proof, Scheme};
use akund::secret::hash;
use akund::target::Target;

#[tokio::test(start_paused = true)]
async fn an_account_is_made_found_proven_and_undone() {
    let bench = Bench::with(GROUPS).await;
    let mut account = named("humas");
    account.aliases = vec![address("pers@example.org")];
    let work = create(&account);
    assert_eq!(class_of(&bench.prove_once(&work).await), FaultClass::Transient, "not there yet");
    let id = bench.apply(&work).await.unwrap();
    assert!(id.as_ref().is_some_and(|id| id.len() > 10));
    assert_eq!(bench.prove(&work).await.unwrap(), Proof::Observed);
    let user = bench.user("humas@example.org");
    assert_eq!(Some(&user.id), id.as_ref());
    assert_eq!(user.external("akund"), [account.uid.to_string()]);
    assert_eq!((user.text("password"), user.text("hashFunction")), (hash_of(&work), "crypt"));
    assert_eq!((user.text("recoveryEmail"), user.text("recoveryPhone")), ("siti@example.net", "+6281234567890"));
    assert_eq!((user.text("orgUnitPath"), &user.fields["changePasswordAtNextLogin"]), ("/", &true.into()));
    assert_eq!(user.fields["name"]["displayName"], "Siti Aminah");
    assert!(bench.server.state().directory.groups["semua@example.org"].contains(&user.id));
    assert!(bench.server.state().directory.groups["tamu@example.org"].is_empty());
    let found = bench
        .find(&["humas@example.org", "pers@example.org", "humas", "nobody", "*", "nobody@example.org", "x@else.org"])
        .await;
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|f| f.uid == Some(account.uid)));
    for _ in 0..2 {
        bench.undo(&work).await.unwrap();
        assert_eq!(bench.users(), []);
    }
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn writing_the_same_work_twice_is_as_writing_it_once() {
    let bench = Bench::with(&format!("[target.google.org_units]\nstaff = \"/Staf/Dosen Tetap\"\n{GROUPS}")).await;
    let mut account = named("humas");
    let mut step = create(&account);
    let id = bench.apply(&step).await.unwrap();
    let first = bench.users();
    step.uncertain = true;
    assert_eq!(bench.apply(&step).await.unwrap(), id, "after a lost answer the same user is found");
    assert_eq!(bench.users(), first);
    bench.prove(&step).await.unwrap();
    let reset = work(Action::Reset, &account, Some(credential()));
    account.aliases = vec![account.address.clone().unwrap()];
    account.address = Some(address("kantor-humas@example.org"));
    (account.given_name, account.family_name, account.name) = ("Kantor".into(), "Humas".into(), "Kantor Humas".into());
    account.group = Some("tamu".into());
    let steps =
        [reset, plain(Action::Change, &account), plain(Action::Suspend, &account), plain(Action::Resume, &account)];
    for step in steps {
        let step = with_id(step, &id);
        assert_eq!(bench.apply(&step).await.unwrap(), id);
        let once = bench.users();
        bench.apply(&step).await.unwrap();
        assert_eq!(bench.users(), once, "{:?}", step.action);
        bench.prove(&step).await.unwrap_or_else(|e| panic!("{:?}: {e}", step.action));
    }
    let user = bench.user("kantor-humas@example.org");
    assert_eq!((user.text("orgUnitPath"), &user.fields["name"]["familyName"]), ("/Staf/Dosen Tetap", &"Humas".into()));
    assert_eq!(user.aliases.iter().map(String::as_str).collect::<Vec<_>>(), ["humas@example.org"]);
    assert!(bench.server.state().directory.groups["tamu@example.org"].contains(&user.id));
    account.group = None;
    account.aliases.clear();
    bench.apply(&with_id(plain(Action::Change, &account), &id)).await.unwrap();
    assert!(bench.server.state().directory.groups["tamu@example.org"].is_empty());
    assert!(bench.user("kantor-humas@example.org").aliases.is_empty(), "an old address that is not kept is free again");
    let remove = with_id(plain(Action::Remove, &account), &id);
    for _ in 0..2 {
        bench.apply(&remove).await.unwrap();
        assert_eq!(bench.users(), []);
        assert_eq!(bench.prove(&remove).await.unwrap(), Proof::Observed);
    }
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn names_of_others_are_conflicts_and_nothing_is_written() {
    let bench = Bench::new().await;
    bench.put_foreign(&named("asing"));
    bench.server.state().directory.by_hand("asing@example.org", |user| {
        user.aliases.insert("alias-asing@example.org".into());
    });
    bench.apply(&create(&named("humas"))).await.unwrap();
    let before = bench.users();
    for taken in ["humas", "asing", "alias-asing"] {
        for uncertain in [false, true] {
            let mut other = create(&named(taken));
            other.uncertain = uncertain;
            let refused = bench.apply_once(&other).await;
            assert_eq!(class_of(&refused), FaultClass::Conflict, "{taken}");
            assert!(!refused.unwrap_err().message.contains(taken), "names are masked");
            assert_eq!(class_of(&bench.prove_once(&other).await), FaultClass::Transient);
            bench.undo_once(&other).await.unwrap();
        }
        let mut by_alias = named("baru");
        by_alias.aliases = vec![address(&format!("{taken}@example.org"))];
        assert_eq!(class_of(&bench.apply_once(&create(&by_alias)).await), FaultClass::Conflict);
        assert_eq!(bench.users(), before);
    }
    assert_eq!(
        bench.find(&["asing@example.org"]).await[0].uid,
        None,
        "what a person put there is found, without a mark"
    );
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn a_change_to_a_taken_name_is_a_conflict_and_leaves_the_account_as_it_was() {
    let bench = Bench::new().await;
    let mut mine = named("humas");
    let id = bench.apply(&create(&mine)).await.unwrap();
    bench.apply(&create(&named("pers"))).await.unwrap();
    let before = bench.users();
    (mine.address, mine.given_name) = (named("pers").address, "Lain".into());
    for id in [&id, &None] {
        let change = with_id(plain(Action::Change, &mine), id);
        assert_eq!(class_of(&bench.apply_once(&change).await), FaultClass::Conflict);
        assert_eq!(bench.users(), before);
    }
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn undo_of_anything_but_a_create_is_refused_and_takes_nothing_away() {
    let bench = Bench::new().await;
    let account = named("humas");
    let work = create(&account);
    bench.apply(&create(&named("tetangga"))).await.unwrap();
    bench.undo(&work).await.expect("nothing there is a success");
    bench.apply(&work).await.unwrap();
    let before = bench.users();
    for action in [Action::Change, Action::Reset, Action::Suspend, Action::Resume, Action::Remove] {
        assert_eq!(class_of(&bench.undo_once(&plain(action, &account)).await), FaultClass::Permanent);
        assert_eq!(bench.users(), before);
    }
    bench.undo(&work).await.unwrap();
    assert_eq!(bench.users().len(), 1, "only the neighbour is left");
    bench.apply(&work).await.unwrap();
    bench.prove(&work).await.unwrap();
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn a_suspended_account_comes_back_with_its_password() {
    let bench = Bench::new().await;
    let account = named("humas");
    let work = create(&account);
    let id = bench.apply(&work).await.unwrap();
    let (suspend, resume) =
        (with_id(plain(Action::Suspend, &account), &id), with_id(plain(Action::Resume, &account), &id));
    assert_eq!(class_of(&bench.prove_once(&suspend).await), FaultClass::Transient, "not suspended yet");
    bench.apply(&suspend).await.unwrap();
    assert_eq!(bench.prove(&suspend).await.unwrap(), Proof::Observed);
    assert!(bench.user("humas@example.org").suspended());
    assert!(bench.prove_once(&work).await.is_err(), "its password opens nothing");
    assert!(bench.prove_once(&resume).await.is_err());
    bench.apply(&resume).await.unwrap();
    bench.prove(&resume).await.unwrap();
    bench.prove(&work).await.unwrap();
    assert_eq!(bench.user("humas@example.org").text("password"), hash_of(&work));
    // A create that is written again opens what was suspended meanwhile.
    bench.apply(&suspend).await.unwrap();
    bench.apply(&work).await.unwrap();
    bench.prove(&work).await.unwrap();
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn a_reset_replaces_the_password_also_of_a_suspended_account() {
    let bench = Bench::new().await;
    let account = named("humas");
    bench.apply(&create(&account)).await.unwrap();
    let second = work(Action::Reset, &account, Some(credential()));
    bench.apply(&second).await.unwrap();
    assert_eq!(bench.prove(&second).await.unwrap(), Proof::Observed);
    let has = || bench.user("humas@example.org").text("password").to_owned();
    assert_eq!(has(), hash_of(&second));
    bench.apply(&plain(Action::Suspend, &account)).await.unwrap();
    let third = work(Action::Reset, &account, Some(credential()));
    bench.apply(&third).await.unwrap();
    bench.prove(&plain(Action::Suspend, &account)).await.unwrap();
    bench.apply(&plain(Action::Resume, &account)).await.unwrap();
    bench.prove(&third).await.unwrap();
    assert_eq!(has(), hash_of(&third));
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_an_account_that_is_not_there_is_a_permanent_fault() {
    let bench = Bench::new().await;
    let account = named("humas");
    for action in [Action::Change, Action::Reset, Action::Suspend, Action::Resume] {
        let step = work(action, &account, Some(credential()));
        assert_eq!(class_of(&bench.apply_once(&step).await), FaultClass::Permanent, "{action:?}");
    }
    bench.apply_once(&plain(Action::Remove, &account)).await.unwrap();
    for without in [None, Some(hash::new_credential(&[Scheme::Ssha512]).unwrap())] {
        let step = work(Action::Create, &account, without);
        assert_eq!(class_of(&bench.apply_once(&step).await), FaultClass::Permanent, "no password that Google takes");
    }
    assert_eq!(bench.users(), []);
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn a_user_that_lost_its_mark_is_not_touched_and_one_with_another_id_is_found_by_it() {
    let bench = Bench::new().await;
    let account = named("humas");
    let work = create(&account);
    let id = bench.apply(&work).await.unwrap();
    let before = bench.users();
    let stranger = with_id(plain(Action::Remove, &named("lain")), &id);
    assert_eq!(class_of(&bench.apply_once(&stranger).await), FaultClass::Conflict);
    assert_eq!(bench.users(), before);
    let elsewhere = with_id(work.clone(), &Some("100000000000000000000".into()));
    bench.apply(&elsewhere).await.unwrap();
    assert_eq!(bench.users(), before, "an id that is gone: the mark still tells");
    bench.server.state().directory.by_hand("humas@example.org", |user| {
        user.fields.insert("primaryEmail".into(), "lain@example.org".into());
    });
    let suspend = plain(Action::Suspend, &account);
    bench.apply(&suspend).await.expect("renamed by hand, it is found by its mark");
    assert!(bench.user("lain@example.org").suspended());
    bench.server.state().directory.by_hand("lain@example.org", |user| {
        user.fields.remove("externalIds");
    });
    for action in [Action::Suspend, Action::Resume, Action::Remove, Action::Change] {
        assert_eq!(class_of(&bench.apply_once(&with_id(plain(action, &account), &id)).await), FaultClass::Conflict);
    }
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn hostile_values_are_stored_as_they_are_or_refused_and_change_nothing_else() {
    let bench = Bench::new().await;
    bench.apply(&create(&named("tetangga"))).await.unwrap();
    let before = bench.users();
    let texts = ["o'hara'; DROP TABLE users; --", "%{User-Name}`id`", "\"ganda\"", "ñ-密码-🙂", "{local}%s%%", "\\"];
    for (n, text) in texts.iter().enumerate() {
        let mut account = account(n);
        account.address = Some(address(&format!("o'hara-{n}@example.org")));
        account.aliases = vec![address(&format!("_-{n}@unit.example.org"))];
        (account.name, account.unit, account.category) = ((*text).into(), (*text).into(), (*text).into());
        (account.given_name, account.family_name) = ((*text).into(), String::new());
        account.group = Some((*text).into());
        let work = create(&account);
        bench.apply(&work).await.unwrap();
        bench.prove(&work).await.unwrap();
        assert_eq!(bench.user(account.address.as_ref().unwrap().as_str()).fields["name"]["familyName"], *text);
        assert_eq!(bench.find(&[account.address.as_ref().unwrap().as_str(), text]).await.len(), 1);
        bench.undo(&work).await.unwrap();
        assert_eq!(bench.users(), before, "{text}");
        account.address = Some(address(&format!("o'hara+=s{n}@example.org")));
        assert_eq!(class_of(&bench.apply_once(&create(&account)).await), FaultClass::Permanent);
    }
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn a_thousand_go_in_one_batch_and_one_bad_one_among_them_fails_alone() {
    let bench = Bench::new().await;
    let mut batch = creates((0..1000).map(account));
    bench.put_foreign(&batch[500].account);
    batch[700].credential = None;
    batch[900].account.address = batch[899].account.address.clone();
    let applied = bench.apply_all(batch.clone()).await;
    for (n, result) in applied.iter().enumerate() {
        match n {
            500 | 900 => assert_eq!(class_of(result), FaultClass::Conflict, "{n}"),
            700 => assert_eq!(class_of(result), FaultClass::Permanent, "{n}"),
            _ => assert!(result.as_ref().is_ok_and(Option::is_some), "{n}: {result:?}"),
        }
    }
    assert_eq!(bench.users().len(), 998);
    let sample: Vec<_> = [0, 499, 501, 899, 999].map(|n| batch[n].clone()).into();
    for proof in bench.prove_all(sample).await {
        assert_eq!(proof.unwrap(), Proof::Observed);
    }
    let names: Vec<String> = batch.iter().map(|w| w.account.address.as_ref().unwrap().to_string()).collect();
    assert_eq!(
        bench.target.find(&names).await.unwrap().iter().filter(|f| f.uid.is_some()).count(),
        998,
        "899 is asked for twice"
    );
    for work in &batch {
        bench.undo(work).await.unwrap();
    }
    assert_eq!(bench.users().len(), 1, "the foreign one stays");
    assert_eq!(bench.server.state().over_quota, 0);
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_one_account_in_one_batch_is_done_in_order() {
    let bench = Bench::new().await;
    let account = named("humas");
    let batch = [
        create(&account),
        plain(Action::Suspend, &account),
        plain(Action::Resume, &account),
        plain(Action::Suspend, &account),
    ];
    for answer in bench.target.apply(&batch).await {
        answer.unwrap();
    }
    assert!(bench.user("humas@example.org").suspended());
    bench.server.assert_no_complaints();
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_has_no_answers() {
    let bench = Bench::new().await;
    assert!(bench.target.apply(&[]).await.is_empty());
    assert!(bench.target.prove(&[]).await.is_empty());
    assert!(bench.target.undo(&[]).await.is_empty());
    assert!(bench.target.find(&[]).await.unwrap().is_empty());
    assert_eq!(bench.server.state().tokens_given, 0);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_has_ended_is_not_proven_to_work() {
    let bench = Bench::new().await;
    let mut account = named("humas");
    account.ends_at = Some(jiff::Timestamp::now() - jiff::SignedDuration::from_secs(1));
    let work = create(&account);
    bench.apply(&work).await.unwrap();
    assert_eq!(class_of(&bench.prove_once(&work).await), FaultClass::Permanent);
}

#[tokio::test(start_paused = true)]
async fn secrets_and_names_show_up_in_no_fault_and_no_debug_output() {
    let bench = Bench::new().await;
    let work = create(&named("humas"));
    bench.apply(&work).await.unwrap();
    let refused = bench.apply_once(&create(&named("humas"))).await.unwrap_err();
    bench.server.state().directory.by_hand("humas@example.org", |user| {
        user.fields.insert("suspended".into(), true.into());
    });
    let unproven = bench.prove_once(&work).await.unwrap_err();
    let shown = format!("{refused} {refused:?} {unproven} {unproven:?} {work:?}");
    let password = work.credential.as_ref().unwrap().password.expose();
    for secret in [password, "$6$", "ya29."] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    let told = format!("{refused} {unproven}");
    assert!(!told.contains("humas"), "{told}");
}
