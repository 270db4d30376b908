//! What every target must do, held against a directory. Each part leaves the directory without accounts.

use crate::bench::*;
use akund::model::{Action, FaultClass, Proof, Quota};
use akund::target::Target;
use akund::target::ldap::Directory;

/// All parts, on one server.
pub async fn all(site: &dyn Site) {
    made_proven_and_undone(site).await;
    written_twice_is_as_written_once(site).await;
    names_of_others_are_conflicts(site).await;
    a_change_to_a_taken_name_changes_nothing(site).await;
    undo_is_for_creates_and_may_be_repeated(site).await;
    suspended_and_resumed(site).await;
    a_reset_replaces_the_password(site).await;
    what_is_not_there(site).await;
    an_entry_that_was_moved_or_lost_its_mark(site).await;
    one_bad_among_a_thousand(site).await;
    nothing_asked_nothing_answered(site).await;
}

fn target(site: &dyn Site) -> Directory {
    directory(&site.toml())
}

pub async fn made_proven_and_undone(site: &dyn Site) {
    let target = target(site);
    let before = site.entries();
    let mut account = named("humas");
    account.aliases = vec![address("pers@example.org")];
    let work = create(&account, target.schemes());
    assert_eq!(class_of(&prove(&target, &work).await), FaultClass::Transient, "not there yet");
    let id = apply(&target, &work).await.unwrap().external_id;
    assert!(id.is_some_and(|id| id.len() > 30));
    assert_eq!(prove(&target, &work).await.unwrap(), Proof::Login);
    assert!(site.logs_in(&site.dn_of(&account), password(&work)));
    let found =
        find(&target, &["humas@example.org", "pers@example.org", "humas", "nobody", "*", "nobody@example.org"]).await;
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|f| f.uid == Some(account.uid)));
    for _ in 0..2 {
        undo(&target, &work).await.unwrap();
        assert_eq!(site.entries(), before);
    }
    assert!(!site.logs_in(&site.dn_of(&account), password(&work)));
}

pub async fn written_twice_is_as_written_once(site: &dyn Site) {
    let target = target(site);
    let mut account = named("humas");
    let mut step = create(&account, target.schemes());
    let id = apply(&target, &step).await.unwrap().external_id;
    let first = site.entries();
    step.uncertain = true;
    assert_eq!(apply(&target, &step).await.unwrap().external_id, id, "after a lost answer the same entry is found");
    assert_eq!(without_passwords(site.entries()), without_passwords(first));
    prove(&target, &step).await.unwrap();
    let reset = work(Action::Reset, &account, create(&account, target.schemes()).credential);
    account.username = "kantor-humas".parse().unwrap();
    account.aliases = vec![account.address.clone().unwrap()];
    account.address = Some(address("kantor-humas@example.org"));
    account.name = "Kantor Humas".into();
    account.quota = Some(Quota(5_000_000_000));
    let steps =
        [reset, plain(Action::Change, &account), plain(Action::Suspend, &account), plain(Action::Resume, &account)];
    for mut step in steps {
        step.external_id = id.clone();
        assert_eq!(apply(&target, &step).await.unwrap().external_id, id);
        let once = site.entries();
        apply(&target, &step).await.unwrap();
        assert_eq!(without_passwords(site.entries()), without_passwords(once), "{:?}", step.action);
        prove(&target, &step).await.unwrap_or_else(|e| panic!("{:?}: {e}", step.action));
    }
    let entries = site.entries();
    let shown = entries.iter().find(|e| e.contains("kantor-humas")).unwrap();
    for part in [&site.dn_of(&account), "Kantor Humas", "kantor-humas@example.org", "humas@example.org", "5000000000"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let remove = plain(Action::Remove, &account);
    for _ in 0..2 {
        apply(&target, &remove).await.unwrap();
        assert!(!site.entries().iter().any(|entry| entry.contains("humas")));
        assert_eq!(prove(&target, &remove).await.unwrap(), Proof::Login, "a refused one");
    }
}

pub async fn names_of_others_are_conflicts(site: &dyn Site) {
    let target = target(site);
    site.put_foreign(&named("asing"));
    apply(&target, &create(&named("humas"), target.schemes())).await.unwrap();
    let before = site.entries();
    for taken in ["humas", "asing"] {
        let other = create(&named(taken), target.schemes());
        let refused = apply(&target, &other).await;
        assert_eq!(class_of(&refused), FaultClass::Conflict, "{taken}");
        assert!(!refused.unwrap_err().message.contains(taken), "names are masked");
        let mut by_alias = named("baru");
        by_alias.aliases = vec![named(taken).address.unwrap()];
        assert_eq!(class_of(&apply(&target, &create(&by_alias, target.schemes())).await), FaultClass::Conflict);
        undo(&target, &other).await.unwrap();
        assert_eq!(site.entries(), before);
    }
    let found = find(&target, &["asing@example.org"]).await;
    assert_eq!(found[0].uid, None, "what a person put there is found, without a mark");
    site.clear();
}

pub async fn a_change_to_a_taken_name_changes_nothing(site: &dyn Site) {
    let target = target(site);
    let mut mine = named("humas");
    apply(&target, &create(&mine, target.schemes())).await.unwrap();
    apply(&target, &create(&named("pers"), target.schemes())).await.unwrap();
    let before = site.entries();
    (mine.address, mine.username, mine.name) = (named("pers").address, named("pers").username, "Lain".into());
    assert_eq!(class_of(&apply(&target, &plain(Action::Change, &mine)).await), FaultClass::Conflict);
    assert_eq!(site.entries(), before);
    site.clear();
}

pub async fn undo_is_for_creates_and_may_be_repeated(site: &dyn Site) {
    let target = target(site);
    let account = named("humas");
    let work = create(&account, target.schemes());
    apply(&target, &work).await.unwrap();
    let before = site.entries();
    for action in [Action::Change, Action::Reset, Action::Suspend, Action::Resume, Action::Remove] {
        assert_eq!(class_of(&undo(&target, &plain(action, &account)).await), FaultClass::Permanent);
        assert_eq!(site.entries(), before);
    }
    undo(&target, &work).await.unwrap();
    apply(&target, &work).await.unwrap();
    prove(&target, &work).await.unwrap();
    site.clear();
}

pub async fn suspended_and_resumed(site: &dyn Site) {
    let target = target(site);
    let account = named("humas");
    let work = create(&account, target.schemes());
    apply(&target, &work).await.unwrap();
    let (suspend, resume) = (plain(Action::Suspend, &account), plain(Action::Resume, &account));
    assert_eq!(class_of(&prove(&target, &suspend).await), FaultClass::Transient, "not suspended yet");
    apply(&target, &suspend).await.unwrap();
    prove(&target, &suspend).await.unwrap();
    let with_password = crate::bench::work(Action::Suspend, &account, work.credential.clone());
    assert_eq!(prove(&target, &with_password).await.unwrap(), Proof::Login);
    assert!(!site.logs_in(&site.dn_of(&account), password(&work)));
    assert_eq!(class_of(&prove(&target, &work).await), FaultClass::Permanent, "its password opens nothing");
    assert!(prove(&target, &resume).await.is_err());
    apply(&target, &resume).await.unwrap();
    prove(&target, &resume).await.unwrap();
    prove(&target, &work).await.unwrap();
    assert!(site.logs_in(&site.dn_of(&account), password(&work)));
    // A create that is written again opens what was suspended meanwhile.
    apply(&target, &suspend).await.unwrap();
    apply(&target, &work).await.unwrap();
    prove(&target, &work).await.unwrap();
    site.clear();
}

pub async fn a_reset_replaces_the_password(site: &dyn Site) {
    let target = target(site);
    let account = named("humas");
    let first = create(&account, target.schemes());
    apply(&target, &first).await.unwrap();
    let second = work(Action::Reset, &account, create(&account, target.schemes()).credential);
    apply(&target, &second).await.unwrap();
    assert_eq!(prove(&target, &second).await.unwrap(), Proof::Login);
    assert_eq!(class_of(&prove(&target, &first).await), FaultClass::Permanent, "the old password is gone");
    apply(&target, &plain(Action::Suspend, &account)).await.unwrap();
    let third = work(Action::Reset, &account, create(&account, target.schemes()).credential);
    apply(&target, &third).await.unwrap();
    prove(&target, &plain(Action::Suspend, &account)).await.unwrap();
    apply(&target, &plain(Action::Resume, &account)).await.unwrap();
    prove(&target, &third).await.unwrap();
    site.clear();
}

pub async fn what_is_not_there(site: &dyn Site) {
    let target = target(site);
    let account = named("humas");
    let credential = create(&account, target.schemes()).credential;
    for action in [Action::Change, Action::Reset, Action::Suspend, Action::Resume] {
        let step = work(action, &account, credential.clone());
        assert_eq!(class_of(&apply(&target, &step).await), FaultClass::Permanent, "{action:?}");
    }
    apply(&target, &plain(Action::Remove, &account)).await.unwrap();
    let without = apply(&target, &plain(Action::Create, &account)).await;
    assert_eq!(class_of(&without), FaultClass::Permanent, "no password");
    assert!(site.entries().is_empty());
}

pub async fn an_entry_that_was_moved_or_lost_its_mark(site: &dyn Site) {
    let target = target(site);
    let account = named("humas");
    let mut step = create(&account, target.schemes());
    step.external_id = apply(&target, &step).await.unwrap().external_id;
    // The same names, another uid: as if somebody had copied the mark away.
    let mut other = plain(Action::Remove, &named("lain"));
    other.external_id = step.external_id.clone();
    let before = site.entries();
    assert_eq!(class_of(&apply(&target, &other).await), FaultClass::Conflict);
    assert_eq!(site.entries(), before, "an entry that does not carry the account's mark is not touched");
    // An id that is no longer there (a restored backup gives new ones): the mark still tells.
    step.external_id = Some("00000000-0000-0000-0000-000000000000".into());
    apply(&target, &step).await.unwrap();
    assert_eq!(site.entries().len(), before.len());
    site.clear();
}

pub async fn one_bad_among_a_thousand(site: &dyn Site) {
    let target = target(site);
    let mut batch = creates((0..1000).map(account), target.schemes());
    site.put_foreign(&batch[500].account);
    batch[700].credential = None;
    batch[900].account = named("n899");
    let applied = target.apply(&batch).await;
    assert_eq!(applied.len(), 1000);
    for (n, result) in applied.iter().enumerate() {
        match n {
            500 | 900 => assert_eq!(class_of(result), FaultClass::Conflict, "{n}"),
            700 => assert_eq!(class_of(result), FaultClass::Permanent, "{n}"),
            _ => assert!(result.as_ref().is_ok_and(|a| a.external_id.is_some()), "{n}: {result:?}"),
        }
    }
    assert_eq!(site.entries().len(), 998);
    let sample = [0, 499, 501, 899, 999].map(|n| batch[n].clone());
    for proof in target.prove(&sample).await {
        assert_eq!(proof.unwrap(), Proof::Login);
    }
    let names: Vec<String> = batch.iter().map(|w| w.account.username.to_string()).collect();
    assert_eq!(target.find(&names).await.unwrap().iter().filter(|f| f.uid.is_some()).count(), 997);
    for undone in target.undo(&batch).await {
        undone.unwrap();
    }
    let left = site.entries();
    assert_eq!(left.len(), 1, "the foreign one stays");
    assert!(left[0].to_lowercase().contains("n500"));
    site.clear();
}

pub async fn nothing_asked_nothing_answered(site: &dyn Site) {
    let target = target(site);
    assert!(target.apply(&[]).await.is_empty());
    assert!(target.prove(&[]).await.is_empty());
    assert!(target.undo(&[]).await.is_empty());
    assert!(target.find(&[]).await.unwrap().is_empty());
}

/// A server that hashes by itself makes another hash of the same password each time, and counts the changes.
fn without_passwords(entries: Vec<String>) -> Vec<String> {
    let volatile = ["userPassword", "pwdLastSet", "whenChanged", "uSNChanged"];
    let keep = |line: &&str| !volatile.iter().any(|name| line.starts_with(name));
    entries.iter().map(|entry| entry.lines().filter(keep).collect::<Vec<_>>().join("\n")).collect()
}
