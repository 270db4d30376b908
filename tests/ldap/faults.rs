//! What breaks on the way: connections cut, servers killed and silent. Never twice, never lost, never anybody else's.

use crate::bench::*;
use crate::broken::{cut_at_every_point, ends_in_mid_batch};
use crate::contract;
use crate::peers::Slapd;
use crate::proxy::{Proxy, Way};
use akund::model::{Action, FaultClass, Scheme};
use akund::target::Target;
use akund::target::ldap::Directory;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ONE_COMMIT: &str = "new accounts of a batch go in one transaction, as configured";

/// A password that is quickly hashed.
fn quick(toml: String) -> String {
    toml.replace("base =", "password = \"ssha512\"\nbase =")
}

/// A batch is one transaction.
fn at_once(toml: String) -> String {
    quick(toml).replace("base =", "transactions = true\nbase =")
}

/// Entry by entry.
fn singly(toml: String) -> String {
    quick(toml).replace("base =", "transactions = false\nbase =")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_at_every_point_loses_nothing_and_doubles_nothing() {
    cut_at_every_point(&mut Varied(OpenLdap::start(), at_once)).await;
}

#[tokio::test]
async fn one_bad_entry_of_a_transaction_does_not_keep_the_others_out() {
    contract::one_bad_among_a_thousand(&mut Varied(OpenLdap::start(), at_once)).await;
}

/// slapd does not hold out everything that may happen around a client's transactions: akund uses them where it is told to.
#[tokio::test]
async fn transactions_are_used_where_they_are_asked_for() {
    let site = OpenLdap::start();
    // A proxy has an address of its own: no connection that slapd shows is akund's.
    let proxy = Proxy::before(site.slapd.port);
    let through = || site.toml_through(proxy.port());
    let socket = || site.toml().replace(&site.slapd.url(), &site.slapd.ldapi()).replace("ca_file", "# ca_file");
    for (toml, expected) in [
        (site.toml(), "without transactions"),
        (singly(site.toml()), "without transactions"),
        (at_once(socket()), ONE_COMMIT),
        (at_once(site.toml()), ONE_COMMIT),
        (at_once(through()), "slapd can crash"),
    ] {
        let told = directory(&toml).check().await;
        assert!(told.iter().flatten().any(|said| said.contains(expected)), "{expected}: {told:?}");
    }
}

/// A transaction beside any other writing would let a slapd that logs both stand still for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slapd_that_logs_what_is_written_is_given_no_transactions() {
    let slapd = Slapd::logging();
    slapd.by_hand("dn: uid=lain,ou=people,dc=example,dc=org\nchangetype: add\nobjectClass: account\nuid: lain\n");
    let toml = format!("url = \"{}\"\ntls = \"none\"\n{}", slapd.url(), common(&slapd));
    let writes = Arc::new(AtomicBool::new(true));
    std::thread::scope(|scope| {
        let (slapd, writes, _ends) = (&slapd, &writes, Busy(writes.clone()));
        scope.spawn(move || {
            while writes.load(Ordering::Relaxed) {
                slapd.by_hand("dn: uid=lain,ou=people,dc=example,dc=org\nchangetype: modify\nreplace: description\ndescription: x\n");
            }
        });
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                for (toml, first) in [(quick(toml.clone()), 0), (at_once(toml.clone()), 100)] {
                    let target = directory(&toml);
                    let told = target.check().await;
                    let expected = if first == 0 { "without transactions" } else { "overlay accesslog" };
                    assert!(told.iter().flatten().any(|said| said.contains(expected)), "{told:?}");
                    for part in first / 10..first / 10 + 10 {
                        let names = (part * 10..part * 10 + 10).map(|i| named(&format!("humas{i}")));
                        let answers = target.apply(&creates(names, target.schemes())).await;
                        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
                    }
                }
            });
        });
    });
    // What akund may not see it does not rely on.
    let slapd = Slapd::with("access to dn.base=\"dc=example,dc=org\" attrs=entryUUID by * none\n");
    let toml = format!("url = \"{}\"\ntls = \"none\"\n{}", slapd.url(), common(&slapd));
    let told = directory(&at_once(toml)).check().await;
    assert!(told.iter().flatten().any(|said| said.contains("does not let akund see entryUUID")), "{told:?}");
}

/// Before akund looked when slapd is through with what it answered, slapd crashed of this within seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn slapd_lives_through_transactions_on_a_busy_machine() {
    let site = OpenLdap::start();
    let pid = site.slapd.pid();
    let busy = Busy::start(4);
    let target = directory(&at_once(site.toml()));
    let works = creates((0..8).map(|i| named(&format!("humas{i}"))), target.schemes());
    for _ in 0..150 {
        assert!(target.apply(&works).await.iter().all(Result::is_ok));
        assert!(target.undo(&works).await.iter().all(Result::is_ok));
    }
    drop(busy);
    assert_eq!(site.slapd.pid(), pid);
    assert!(site.entries().is_empty());
}

/// At a Unix socket all connections have one name; akund must know its own among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn others_that_are_busy_at_the_same_socket_do_not_hold_transactions_up() {
    let site = OpenLdap::start();
    let toml = at_once(site.toml().replace(&site.slapd.url(), &site.slapd.ldapi()).replace("ca_file", "# ca_file"));
    let others: Vec<Directory> = (0..3).map(|_| directory(&toml)).collect();
    let target = directory(&toml);
    let works = creates((0..20).map(|i| named(&format!("humas{i}"))), target.schemes());
    let (end, mut asks) = (Arc::new(AtomicBool::new(false)), tokio::task::JoinSet::new());
    for other in others {
        let end = end.clone();
        asks.spawn(async move {
            let mut asked = 0_u64;
            while !end.load(Ordering::Relaxed) {
                asked += u64::from(other.list().await.is_ok());
            }
            asked
        });
    }
    for _ in 0..10 {
        assert!(target.apply(&works).await.iter().all(Result::is_ok));
        assert!(target.undo(&works).await.iter().all(Result::is_ok));
        let told = directory(&toml).check().await;
        assert!(told.iter().flatten().any(|said| said.contains(ONE_COMMIT)), "{told:?}");
    }
    end.store(true, Ordering::Relaxed);
    assert!(asks.join_all().await.into_iter().all(|asked| asked > 0));
}

/// Threads that do nothing but keep the processors from others.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn start(threads: usize) -> Self {
        let on = Arc::new(AtomicBool::new(true));
        for _ in 0..threads {
            let on = on.clone();
            std::thread::spawn(move || while on.load(Ordering::Relaxed) {});
        }
        Self(on)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_without_transactions_and_slapd_lives_on() {
    let mut site = Varied(OpenLdap::start(), singly);
    let pid = site.0.slapd.pid();
    cut_at_every_point(&mut site).await;
    assert_eq!(site.0.slapd.pid(), pid, "it was not started again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_mid_batch_and_started_again_has_every_account_once() {
    ends_in_mid_batch(&mut Varied(OpenLdap::start(), at_once)).await;
    ends_in_mid_batch(&mut Varied(OpenLdap::start(), singly)).await;
}

/// As a lane does that has the next batch written while the journal records the one before it.
#[tokio::test(flavor = "multi_thread")]
async fn two_batches_at_once_are_each_written_whole() {
    for toml in [singly as fn(String) -> String, at_once] {
        let site = OpenLdap::start();
        let target = directory(&toml(site.toml()));
        assert_eq!(target.at_once(), 2);
        let batch = |part: &str| -> Vec<_> {
            (0..300).map(|i| create(&named(&format!("{part}{i}")), target.schemes())).collect()
        };
        let (one, other) = (batch("kiri"), batch("kanan"));
        for _ in 0..2 {
            let (left, right) = tokio::join!(target.apply(&one), target.apply(&other));
            assert!(left.iter().chain(&right).all(Result::is_ok));
            assert_eq!(site.entries().len(), 600);
        }
        let (left, right) = tokio::join!(target.undo(&one), target.prove(&other));
        assert!(left.iter().all(Result::is_ok) && right.iter().all(Result::is_ok));
        assert_eq!(site.entries().len(), 300);
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
        site.toml_through(silent.local_addr().unwrap().port()).replace("timeout_seconds = 60", "timeout_seconds = 5");
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
    let proxy = Proxy::before(site.slapd.port);
    let target = directory(&site.toml_through(proxy.port()).replace("timeout_seconds = 60", "timeout_seconds = 5"));
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
    let proxy = Proxy::before(site.slapd.port);
    let hashed = |toml: String| directory(&toml.replace("base =", "password = \"ssha512\"\nproofs = 2\nbase ="));
    let batch = creates((0..80).map(account), &[Scheme::Ssha512]);
    assert!(hashed(site.toml()).apply(&batch).await.iter().all(Result::is_ok));
    let target = hashed(site.toml_through(proxy.port()).replace("timeout_seconds = 60", "timeout_seconds = 3"));
    // The connection that looks is the first one; those of the log-ins come after it.
    proxy.silence_all_but_the_next();
    let begun = Instant::now();
    for result in target.prove(&batch).await {
        assert_eq!(class_of(&result), FaultClass::Transient);
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "all one after the other take 120 s: {:?}", begun.elapsed());
}

#[tokio::test]
async fn an_entry_that_was_moved_or_lost_its_mark_is_not_touched() {
    let site = OpenLdap::start();
    let target = directory(&site.toml());
    let account = named("humas");
    let mut step = create(&account, target.schemes());
    step.external_id = apply(&target, &step).await.unwrap().external_id;
    assert!(step.external_id.as_ref().is_some_and(|id| id.len() > 30));
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
}

/// Two targets of one tree: an account has an entry at each, and each target touches its own only.
#[tokio::test]
async fn two_targets_of_one_tree_each_have_their_own_entry_of_an_account() {
    let site = OpenLdap::start();
    for part in ["satu", "dua"] {
        site.slapd.by_hand(&format!(
            "dn: ou={part},{PEOPLE}\nchangetype: add\nobjectClass: organizationalUnit\nou: {part}\n"
        ));
    }
    // The shipped unique overlay would have neither name twice in the tree.
    let toml = site
        .toml()
        .replace("base =", "rdn = \"cn={username}\"\nbase =")
        .replace("cn = \"{name}\"\n", "")
        .replace("mail = [\"{address}\", \"{aliases}\"]", "title = [\"{address}\", \"{aliases}\"]");
    let people = named_directory("people", &toml.replace(PEOPLE, &format!("ou=satu,{PEOPLE}")));
    let hotspot = named_directory("hotspot", &toml.replace(PEOPLE, &format!("ou=dua,{PEOPLE}")));
    let account = named("humas");
    let (one, two) = (create(&account, people.schemes()), create(&account, hotspot.schemes()));
    apply(&people, &one).await.unwrap();
    let first = site.entries();
    for _ in 0..2 {
        apply(&hotspot, &two).await.unwrap();
        prove(&hotspot, &two).await.unwrap();
        prove(&people, &one).await.unwrap();
    }
    assert_eq!(site.entries().len(), 2);
    let other = create(&named("humas"), people.schemes());
    assert_eq!(class_of(&apply(&people, &other).await), FaultClass::Conflict, "another account's it is all the same");
    apply(&hotspot, &plain(Action::Suspend, &account)).await.unwrap();
    prove(&people, &one).await.unwrap();
    undo(&hotspot, &two).await.unwrap();
    assert_eq!(site.entries(), first);
}

/// Wherever akund or its line dies in a rename, no group keeps the old name, which the next one of that name would inherit.
#[tokio::test(flavor = "multi_thread")]
async fn a_rename_cut_at_any_point_leaves_the_old_name_in_no_group() {
    let site = OpenLdap::start();
    site.slapd.by_hand(
        "dn: cn=all,ou=groups,dc=example,dc=org\nchangetype: add\nobjectClass: groupOfNames\ncn: all\nmember: cn=nobody\n\n\
         dn: cn=names,ou=groups,dc=example,dc=org\nchangetype: add\nobjectClass: posixGroup\ncn: names\ngidNumber: 5000\n",
    );
    let groups = "[[groups]]\ndn = \"cn=all,ou=groups,dc=example,dc=org\"\n[[groups]]\n\
                  dn = \"cn=names,ou=groups,dc=example,dc=org\"\nattribute = \"memberUid\"\n";
    let proxy = Proxy::before(site.slapd.port);
    let toml = |text: String| format!("{}\n{groups}", quick(text));
    let (direct, through) = (toml(site.toml()), toml(site.toml_through(proxy.port())));
    let target = directory(&direct);
    let renamed = |account: &akund::model::Account, to: &str| {
        let mut account = account.clone();
        account.username = to.parse().unwrap();
        plain(Action::Change, &account)
    };
    let mut length = None;
    for n in 0..60 {
        let account = named(&format!("lama{n:02}"));
        apply(&target, &create(&account, &[Scheme::Ssha512])).await.unwrap();
        let change = renamed(&account, &format!("baru{n:02}"));
        let before = proxy.passed(Way::Back);
        // The first one passes whole, and tells how long one is; the rest are cut all along it.
        if let Some(length) = length {
            proxy.cut_after(Way::Back, length * n / 60);
        }
        let _ = apply(&directory(&through), &change).await;
        proxy.mend();
        length.get_or_insert(proxy.passed(Way::Back) - before);
        apply(&target, &change).await.unwrap();
        prove(&target, &change).await.unwrap();
        let members = site.slapd.search("(|(cn=all)(cn=names))", &["member", "memberUid"]).join("\n");
        assert!(!members.contains("lama"), "cut {n}: {members}");
        assert_eq!(members.matches(&format!("baru{n:02}")).count(), 2, "cut {n}: {members}");
        apply(&target, &plain(Action::Remove, &change.account)).await.unwrap();
    }
}

#[tokio::test]
async fn an_account_is_known_by_its_mark_where_the_server_shows_only_some_of_all() {
    // The first of a server's limits that names akund is the one that holds.
    let limit = "limits dn.exact=\"cn=akund,ou=services,dc=example,dc=org\" size.soft=5 size.hard=5 size.prtotal=5\n";
    let site = OpenLdap { slapd: Slapd::with(limit) };
    let target = directory(&site.toml());
    let accounts: Vec<_> = (0..9).map(account).collect();
    for account in &accounts {
        apply(&target, &create(account, target.schemes())).await.unwrap();
    }
    site.slapd.by_hand(
        "dn: cn=asing,ou=people,dc=example,dc=org\nchangetype: add\nobjectClass: inetOrgPerson\ncn: asing\nsn: asing\nmail: asing@example.org\n",
    );
    let refused = target.list().await.unwrap_err();
    assert!(refused.message.contains("sizeLimitExceeded"), "the test sees what it is to see: {refused}");
    let absent = named("absent").uid;
    let mut asked: Vec<_> = accounts.iter().map(|account| account.uid).collect();
    asked.push(absent);
    let there = target.marked(&asked).await.unwrap();
    assert!(there.len() == 9 && !there.contains(&absent), "{there:?}");
    site.slapd.by_hand(&format!("dn: {}\nchangetype: delete\n", site.dn_of(&accounts[3])));
    assert!(!target.marked(&asked).await.unwrap().contains(&accounts[3].uid));
}

/// slapd closes a connection that has rested when it is asked something on it: each question after a rest came to nothing, and a directory
/// that is asked once a minute looked down each second time.
#[tokio::test]
async fn a_connection_that_rested_is_not_asked_again() {
    let slapd = Slapd::with("idletimeout 1\n");
    let toml = format!("url = \"{}\"\ntls = \"none\"\n{}", slapd.url(), common(&slapd));
    let target = directory(&toml);
    target.answers().await.unwrap();
    for rest in [1100, 1300, 1500, 1700, 1900, 2000, 2000, 2100] {
        tokio::time::sleep(Duration::from_millis(rest)).await;
        target.answers().await.unwrap();
    }
}
