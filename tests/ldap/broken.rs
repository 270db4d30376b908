//! What breaks on the way: connections cut, servers killed and silent. Never twice, never lost, never anybody else's.

use crate::bench::*;
use crate::peers::wait_for;
use crate::proxy::{Proxy, Way};
use akund::model::{Action, FaultClass};
use akund::target::{Target, Work};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// The configuration, with the way through a proxy, in clear text so that each run has the same bytes.
fn through(site: &OpenLdap, port: u16) -> String {
    site.toml()
        .replace(&site.slapd.url(), &format!("ldap://127.0.0.1:{port}"))
        .replace(&format!("ca_file = \"{}\"", site.slapd.authority.ca.display()), "tls = \"none\"\ntimeout_seconds = 5")
}

fn accounts(n: usize, round: usize) -> Vec<Work> {
    creates((0..n).map(|i| named(&format!("r{round:04}n{i}"))), &[akund::model::Scheme::Ssha512])
}

/// Cuts the connection after each so many bytes, both ways, while a batch is written; then the batch is written again as a lane would.
async fn cut_at_every_point(mut site: OpenLdap, more: &str, size: usize) {
    let proxy = Proxy::to(site.slapd.port);
    let toml = through(&site, proxy.port).replace("base =", &format!("password = \"ssha512\"\n{more}\nbase ="));
    site.put_foreign(&named("asing"));
    let foreign = site.entries();
    for way in [Way::ToServer, Way::ToClient] {
        proxy.cut_after(way, u64::MAX);
        let whole = accounts(size, 0);
        let target = directory(&toml);
        assert!(target.apply(&whole).await.iter().all(Result::is_ok));
        let bytes = proxy.passed(way);
        assert!(target.undo(&whole).await.iter().all(Result::is_ok));
        let mut lost = 0;
        // An answer has a dozen bytes; what is sent has more.
        let step = if way == Way::ToClient { 11 } else { 61 };
        for at in (1..bytes).step_by(step) {
            let mut batch = accounts(size, usize::try_from(at).unwrap());
            batch[0].account.aliases = vec![address(&format!("alias{at}@example.org"))];
            let target = directory(&toml);
            proxy.cut_after(way, at);
            let first = target.apply(&batch).await;
            for (n, result) in first.iter().enumerate() {
                if let Err(fault) = result {
                    assert!(
                        matches!(fault.class, FaultClass::Transient | FaultClass::Unknown),
                        "{way:?} {at} {n}: {fault}"
                    );
                    lost += usize::from(fault.class == FaultClass::Unknown);
                }
            }
            proxy.cut_after(way, u64::MAX);
            // OpenLDAP 2.5.13 aborts when a connection breaks inside a transaction.
            if more == "transactions = false" {
                assert!(site.slapd.is_up(), "{way:?} {at}: slapd has ended");
            } else if !site.slapd.is_up() {
                site.slapd.start_again();
            }
            let there = site.entries().len() - foreign.len();
            let done = first.iter().filter(|r| r.is_ok()).count();
            let may_be =
                first.iter().filter(|r| r.as_ref().err().is_some_and(|f| f.class == FaultClass::Unknown)).count();
            assert!(
                (done..=done + may_be).contains(&there),
                "{way:?} {at}: {there} there, {done} told, {may_be} unknown"
            );
            batch.iter_mut().for_each(|work| work.uncertain = true);
            for result in target.apply(&batch).await {
                assert!(result.unwrap().external_id.is_some());
            }
            assert_eq!(site.entries().len(), size + foreign.len(), "{way:?} {at}");
            assert!(target.undo(&batch).await.iter().all(Result::is_ok));
            assert_eq!(site.entries(), foreign, "{way:?} {at}");
        }
        assert!(lost > 0, "some answers were lost on the way {way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_at_every_point_loses_nothing_and_doubles_nothing() {
    cut_at_every_point(OpenLdap::start(), "transactions = true", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_without_transactions() {
    cut_at_every_point(OpenLdap::start(), "transactions = false", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_mid_batch_and_started_again_has_every_account_once() {
    let mut site = OpenLdap::start();
    site.put_foreign(&named("asing"));
    let proxy = Proxy::to(site.slapd.port);
    let target = directory(&through(&site, proxy.port).replace("base =", "password = \"ssha512\"\nbase ="));
    let whole = accounts(1000, 0);
    proxy.cut_after(Way::ToServer, u64::MAX);
    assert!(target.apply(&whole).await.iter().all(Result::is_ok));
    let bytes = proxy.passed(Way::ToServer);
    assert!(target.undo(&whole).await.iter().all(Result::is_ok));
    // While it looks, while it announces, and at the commit: the last bytes ask for the ids.
    for (round, share) in [(1, 10), (2, 50), (3, 70), (4, 72), (5, 74)] {
        let mut batch = accounts(1000, round);
        proxy.cut_after(Way::ToServer, u64::MAX);
        let under_way = {
            let (target, batch) = (
                directory(&through(&site, proxy.port).replace("base =", "password = \"ssha512\"\nbase =")),
                batch.clone(),
            );
            tokio::spawn(async move { target.apply(&batch).await })
        };
        wait_for("the batch to be under way", || proxy.passed(Way::ToServer) >= bytes * share / 100);
        site.slapd.kill();
        let first = under_way.await.unwrap();
        assert!(
            first.iter().all(|r| r
                .as_ref()
                .err()
                .is_none_or(|f| matches!(f.class, FaultClass::Transient | FaultClass::Unknown)))
        );
        site.slapd.start_again();
        batch.iter_mut().for_each(|work| work.uncertain = true);
        for (n, result) in target.apply(&batch).await.into_iter().enumerate() {
            result.unwrap_or_else(|e| panic!("round {round}, account {n}: {e}"));
        }
        assert_eq!(site.entries().len(), 1001, "round {round}");
        assert!(target.undo(&batch).await.iter().all(Result::is_ok));
        assert_eq!(site.entries().len(), 1, "round {round}");
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_waited_for_and_found_again() {
    let mut site = OpenLdap::start();
    let target = directory(&site.toml());
    let work = create(&named("humas"), target.schemes());
    apply(&target, &work).await.unwrap();
    site.slapd.kill();
    for result in
        [apply(&target, &work).await.map(|_| ()), undo(&target, &work).await, prove(&target, &work).await.map(|_| ())]
    {
        assert_eq!(class_of(&result), FaultClass::Transient);
    }
    assert!(target.find(&["humas".into()]).await.is_err(), "an unreachable directory is not an empty one");
    site.slapd.start_again();
    apply(&target, &work).await.unwrap();
    prove(&target, &work).await.unwrap();
    assert_eq!(site.entries().len(), 1);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_after_the_time_out() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = OpenLdap::start();
    let toml =
        through(&site, silent.local_addr().unwrap().port()).replace("timeout_seconds = 5", "timeout_seconds = 1");
    let target = directory(&toml);
    let begun = Instant::now();
    let refused = apply(&target, &create(&named("humas"), target.schemes())).await;
    assert_eq!(class_of(&refused), FaultClass::Transient);
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(!wrong(target.check().await).is_empty());
}

#[tokio::test]
async fn two_works_of_one_account_in_a_batch_are_done_in_their_order() {
    let site = OpenLdap::start();
    let target = directory(&site.toml());
    let account = named("humas");
    let create = create(&account, target.schemes());
    let batch = [
        create.clone(),
        plain(Action::Suspend, &account),
        plain(Action::Resume, &account),
        plain(Action::Remove, &account),
    ];
    assert!(target.apply(&batch).await.iter().all(Result::is_ok));
    assert!(site.entries().is_empty());
    assert!(target.apply(&batch[..2]).await.iter().all(Result::is_ok));
    assert!(site.entries()[0].contains("pwdAccountLockedTime: 000001010000Z"));
}

#[tokio::test]
async fn an_entry_of_the_wanted_name_that_is_not_akund_s_is_a_conflict() {
    let site = OpenLdap::start();
    // Named by an attribute that tells no name, so that only the server's "already exists" shows it.
    let toml =
        site.toml().replace("base =", "rdn = \"cn={name}\"\nbase =").replace("cn = \"{name}\"", "uid = \"{username}\"");
    let target = directory(&toml);
    site.slapd.by_hand(&format!("dn: cn=Biro Humas,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\nsn: x\n"));
    let before = site.entries();
    let mut batch = creates([named("humas"), named("pers")].into_iter(), target.schemes());
    batch[1].account.name = "Biro Pers".into();
    let results = target.apply(&batch).await;
    assert_eq!(class_of(&results[0]), FaultClass::Conflict);
    assert!(results[1].is_ok(), "the other one of the batch is made");
    assert!(target.undo(&batch).await.iter().all(Result::is_ok));
    assert_eq!(site.entries(), before);
}

#[tokio::test]
async fn what_the_unique_overlay_forbids_for_a_reason_akund_does_not_see_is_told_in_the_server_s_words() {
    let site = OpenLdap { slapd: crate::peers::Slapd::with("") };
    let target = directory(
        &site
            .toml()
            .replace("bind_dn = \"cn=akund", "search_base = \"ou=people,dc=example,dc=org\"\nbind_dn = \"cn=akund"),
    );
    // Outside of where akund looks, and inside of what the overlay watches.
    site.slapd
        .by_hand("dn: uid=humas,ou=services,dc=example,dc=org\nchangetype: add\nobjectClass: account\nuid: humas\n");
    let refused = apply(&target, &create(&named("humas"), target.schemes())).await.unwrap_err();
    assert_eq!(refused.class, FaultClass::Permanent);
    assert!(refused.message.contains("constraintViolation (19): non-unique"), "{refused}");
    assert!(site.entries().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_want_a_name_at_the_same_moment_one_gets_it_and_the_other_is_told() {
    let site = OpenLdap::start();
    let (one, two) = (directory(&site.toml()), directory(&site.toml()));
    for n in 0..40 {
        let (first, second) = (named(&format!("a{n}")), named(&format!("a{n}")));
        let (first, second) = (create(&first, one.schemes()), create(&second, two.schemes()));
        let (a, b) = tokio::join!(apply(&one, &first), apply(&two, &second));
        let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
        assert!(won.is_ok(), "{won:?} {lost:?}");
        assert_eq!(class_of(&lost), FaultClass::Conflict, "{lost:?}");
        assert_eq!(site.entries().len(), n + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_died_silently_is_given_up_after_one_question() {
    let site = OpenLdap::start();
    let proxy = Proxy::to(site.slapd.port);
    let target = directory(&through(&site, proxy.port).replace("timeout_seconds = 5", "timeout_seconds = 1"));
    assert!(target.find(&["humas".into()]).await.unwrap().is_empty());
    proxy.forget_connections();
    assert_eq!(target.find(&["humas".into()]).await.unwrap_err().class, FaultClass::Transient);
    assert!(target.find(&["humas".into()]).await.unwrap().is_empty(), "intake goes on through a new connection");
}

#[tokio::test]
async fn a_name_that_the_server_takes_for_the_same_is_taken() {
    let site = OpenLdap::start();
    let target = directory(&site.toml());
    // The server's matching rules pass over blanks around a value, and over the form of its letters (RFC 4518).
    site.slapd.by_hand(&format!(
        "dn: cn=asing,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: asing\nsn: x\n\
         mail:: IGh1bWFzQGV4YW1wbGUub3Jn\nuid: \u{ff50}\u{ff45}\u{ff52}\u{ff53}\n"
    ));
    let before = site.entries();
    let asked = ["humas@example.org", "pers", "bebas@example.org"].map(str::to_owned);
    let found: Vec<String> = target.find(&asked).await.unwrap().into_iter().map(|found| found.name).collect();
    assert_eq!(found, ["humas@example.org", "pers"]);
    let batch = creates(["humas", "pers", "bebas"].map(named).into_iter(), target.schemes());
    let results = target.apply(&batch).await;
    assert_eq!(class_of(&results[0]), FaultClass::Conflict, "{results:?}");
    assert_eq!(class_of(&results[1]), FaultClass::Conflict, "{results:?}");
    assert!(results[2].is_ok(), "the other one of the batch is made: {results:?}");
    assert!(target.undo(&batch).await.iter().all(Result::is_ok));
    assert_eq!(site.entries(), before);
}

#[tokio::test]
async fn a_part_of_the_directory_that_is_elsewhere_is_not_an_empty_one() {
    let site = OpenLdap::start();
    site.slapd.by_hand(
        "dn: ou=elsewhere,dc=example,dc=org\nchangetype: add\nobjectClass: referral\nobjectClass: extensibleObject\n\
         ou: elsewhere\nref: ldap://other.example.org/ou=people,dc=example,dc=org\n",
    );
    let toml = site.toml().replace("base =", "search_base = \"ou=elsewhere,dc=example,dc=org\"\nbase =");
    let target = directory(&toml);
    let told = target.find(&["humas".into()]).await.unwrap_err();
    assert!(told.message.contains("referral (10)"), "{told}");
    assert!(apply(&target, &plain(Action::Remove, &named("humas"))).await.is_err(), "nothing was removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_does_not_wait_for_every_log_in_of_a_server_that_answers_none() {
    let site = OpenLdap::start();
    let proxy = Proxy::to(site.slapd.port);
    let toml = through(&site, proxy.port).replace("timeout_seconds = 5", "timeout_seconds = 1\nproofs = 2");
    let target = directory(&toml.replace("base =", "password = \"ssha512\"\nbase ="));
    let batch = accounts(40, 0);
    assert!(target.apply(&batch).await.iter().all(Result::is_ok));
    // The connection that looks is the first one from here; those of the log-ins come after it.
    proxy.silence_all_but_the_next();
    let begun = Instant::now();
    for result in target.prove(&batch).await {
        assert_eq!(class_of(&result), FaultClass::Transient);
    }
    assert!(begun.elapsed() < Duration::from_secs(18), "all one after the other take 20 s: {:?}", begun.elapsed());
}
