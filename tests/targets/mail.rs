//! Mail accounts, as Postfix and Dovecot see them.

use crate::fixture::*;
use crate::peers::{Dovecot, Postfix, open_dir, setgid_dir};
use akund::model::{Account, Action, FaultClass, Quota};
use akund::target::mailmaps::MailMaps;
use akund::target::{Target, Work};
use std::path::Path;

#[tokio::test]
async fn an_alias_conflicts_with_every_other_address_in_both_directions() {
    for bench in Bench::mail_each() {
        let mut holder = named("humas");
        holder.aliases = vec![address("pers@example.org")];
        bench.apply(&bench.create(&holder)).await.unwrap();
        bench.by_hand(
            "INSERT INTO aliases (address, destination) VALUES ('Postmaster@example.org', 'root@example.org')",
        );
        let before = bench.rows();
        let with_alias = |local: &str, alias: &str| {
            let mut account = named(local);
            account.aliases = vec![address(alias)];
            account
        };
        for taken in [
            named("pers"),
            named("postmaster"),
            with_alias("baru", "humas@example.org"),
            with_alias("baru", "pers@example.org"),
            with_alias("baru", "postmaster@example.org"),
        ] {
            let refused = bench.apply(&bench.create(&taken)).await;
            assert_eq!(class_of(&refused), FaultClass::Conflict, "{taken:?}");
            assert_eq!(bench.rows(), before);
        }
        let found = bench.find(&["pers@example.org", "postmaster@example.org"]).await;
        assert_eq!(found.iter().map(|f| f.uid).collect::<Vec<_>>(), [Some(holder.uid), None]);
    }
}

#[tokio::test]
async fn a_changed_address_keeps_the_old_one_as_an_alias_only_when_asked_to_and_the_mail_where_it_was() {
    for bench in Bench::mail_each() {
        let mut account = named("humas");
        let create = bench.create(&account);
        bench.apply(&create).await.unwrap();
        let home = |bench: &Bench| bench.rows().into_iter().find(|r| r.starts_with("mailboxes")).unwrap();
        assert!(home(&bench).contains("/var/mail/vhosts/example.org/humas"));

        account.address = Some(address("pers@example.org"));
        account.aliases = vec![address("humas@example.org")];
        account.quota = Some(Quota(5_000_000_000));
        let renamed = plain(Action::Change, &account);
        bench.apply(&renamed).await.unwrap();
        bench.prove(&renamed).await.unwrap();
        assert!(home(&bench).contains("/var/mail/vhosts/example.org/humas") && home(&bench).contains("5000000000"));
        assert_eq!(bench.find(&["humas@example.org", "pers@example.org"]).await.len(), 2);
        assert_eq!(class_of(&bench.apply(&bench.create(&named("humas"))).await), FaultClass::Conflict);

        account.aliases.clear();
        bench.apply(&plain(Action::Change, &account)).await.unwrap();
        assert_eq!(bench.find(&["humas@example.org"]).await.len(), 0);
        // Back again: the address was this account's own alias once, and is free.
        account.address = Some(address("humas@example.org"));
        bench.apply(&plain(Action::Change, &account)).await.unwrap();
        bench.prove(&work(Action::Create, &account, create.credential)).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_is_ever_given_the_mail_of_the_one_who_had_the_address_before() {
    for bench in Bench::mail_each() {
        let home_of = |account: &Account| {
            let uid = account.uid.to_string();
            bench.rows().into_iter().find(|r| r.starts_with("mailboxes") && r.contains(&uid)).unwrap()
        };
        let first = named("humas");
        bench.apply(&bench.create(&first)).await.unwrap();
        bench.apply(&plain(Action::Remove, &first)).await.unwrap();
        let second = named("humas");
        bench.apply(&bench.create(&second)).await.unwrap();
        assert!(home_of(&second).contains(&format!("/var/mail/vhosts/example.org/humas.{}", second.uid)));
        // Nor by a change of address, nor by a withdrawal.
        let mut mover = second.clone();
        mover.address = Some(address("pers@example.org"));
        bench.apply(&plain(Action::Change, &mover)).await.unwrap();
        let third = bench.create(&named("humas"));
        bench.apply(&third).await.unwrap();
        assert!(home_of(&third.account).contains(&format!("humas.{}", third.account.uid)));
        bench.undo(&third).await.unwrap();
        // The first account itself, made again, finds its mail.
        bench.apply(&bench.create(&first)).await.unwrap();
        assert!(home_of(&first).contains("/var/mail/vhosts/example.org/humas\""));
    }
}

#[tokio::test]
async fn a_withdrawn_create_takes_its_domain_along_unless_somebody_else_lives_there() {
    for bench in Bench::mail_each() {
        let mut first = named("a");
        first.address = Some(address("a@baru.example.net"));
        let mut second = named("b");
        second.address = Some(address("b@baru.example.net"));
        let (first, second) = (bench.create(&first), bench.create(&second));
        let domains = || bench.rows().iter().filter(|r| r.starts_with("domains")).count();
        bench.apply(&first).await.unwrap();
        bench.apply(&second).await.unwrap();
        bench.undo(&first).await.unwrap();
        assert_eq!(domains(), 1);
        bench.prove(&second).await.unwrap();
        bench.undo(&second).await.unwrap();
        assert_eq!(
            domains(),
            1,
            "it came with the first account and stays: nothing that another request made is taken away"
        );
    }
}

/// The accounts that the servers are asked about.
pub struct Cast {
    active: Work,
    suspended: Work,
    expired: Work,
}

impl Cast {
    pub async fn make(target: &MailMaps) -> Self {
        let create = |account: &Account| {
            let credential = akund::secret::hash::new_credential(target.schemes()).unwrap();
            work(Action::Create, account, Some(credential))
        };
        let mut active = named("humas");
        active.aliases = vec![address("pers@alias.example.net")];
        active.quota = Some(Quota(5_000_000_000));
        active.ends_at = from_now(3600);
        let mut expired = named("tamu");
        expired.ends_at = from_now(-1);
        expired.aliases = vec![address("acara@example.org")];
        let cast = Self { active: create(&active), suspended: create(&named("cuti")), expired: create(&expired) };
        for made in target.apply(&[cast.active.clone(), cast.suspended.clone(), cast.expired.clone()]).await {
            made.unwrap();
        }
        target.apply(&[plain(Action::Suspend, &cast.suspended.account)]).await.remove(0).unwrap();
        cast
    }

    pub fn postfix_agrees(&self, postfix: &Postfix, state: &str) {
        let ask = |table: &str, key: &str| postfix.lookup(table, key);
        assert_eq!(ask("domains", "example.org").as_deref(), Some("example.org"), "{state}");
        assert_eq!(ask("domains", "example.com"), None, "{state}");
        assert_eq!(ask("mailboxes", "humas@example.org").as_deref(), Some("humas@example.org"), "{state}");
        assert_eq!(ask("mailboxes", "HUMAS@Example.ORG").as_deref(), Some("humas@example.org"), "{state}");
        assert_eq!(ask("mailboxes", "cuti@example.org").as_deref(), Some("cuti@example.org"), "{state}");
        assert_eq!(ask("mailboxes", "tamu@example.org"), None, "{state}: it has ended");
        assert_eq!(ask("mailboxes", "x' OR '1'='1"), None, "{state}");
        assert_eq!(ask("aliases", "pers@alias.example.net").as_deref(), Some("humas@example.org"), "{state}");
        assert_eq!(ask("aliases", "acara@example.org"), None, "{state}: its mailbox has ended");
        for (address, code) in [
            ("humas@example.org", 250),
            ("pers@alias.example.net", 250),
            ("cuti@example.org", 250),
            ("tamu@example.org", 550),
            ("nobody@example.org", 550),
            ("humas@example.com", 554),
        ] {
            assert_eq!(postfix.rcpt(address), code, "{state}: {address}");
        }
    }

    pub fn dovecot_agrees(&self, dovecot: &Dovecot, state: &str) {
        let (active, suspended, expired) = (password(&self.active), password(&self.suspended), password(&self.expired));
        let cases = [
            ("humas@example.org", active, true, "active"),
            ("Humas@Example.org", active, true, "in capitals"),
            ("humas@example.org", suspended, false, "a wrong password"),
            ("cuti@example.org", suspended, false, "suspended"),
            ("tamu@example.org", expired, false, "ended"),
            ("nobody@example.org", active, false, "unknown"),
        ];
        // At once: Dovecot lets every refused one wait for seconds.
        std::thread::scope(|scope| {
            for (user, password, wanted, why) in cases {
                scope.spawn(move || assert_eq!(dovecot.logs_in(user, password), wanted, "{state}: {user}, {why}"));
            }
        });
        let known = dovecot.user("humas@example.org");
        assert_eq!(known.get("home").map(String::as_str), Some("/var/mail/vhosts/example.org/humas"), "{state}");
        assert_eq!(known.get("quota_rule").map(String::as_str), Some("*:bytes=5000000000"), "{state}");
        assert_eq!(dovecot.user("cuti@example.org").get("quota_rule"), None, "{state}: the server's default");
    }
}

/// Takes servers through akund running, stopped and killed in mid-transaction: first with a new server each time and
/// nobody else holding the database, then with one server that runs throughout.
async fn through_every_state<S>(start: impl Fn(&Path) -> S, agrees: impl Fn(&Cast, &S, &str)) {
    let dir = open_dir();
    let path = setgid_dir(dir.path(), "mail", "postfix").join("mail.db");
    let open = || MailMaps::open("mail", &mail_config(&path)).unwrap();
    let target = open();
    let cast = Cast::make(&target).await;
    agrees(&cast, &start(&path), "akund runs");
    drop(target);
    agrees(&cast, &start(&path), "akund has stopped");
    kill_in_mid_transaction(&path);
    let server = start(&path);
    agrees(&cast, &server, "akund was killed");
    let target = open();
    agrees(&cast, &server, "akund runs again");
    drop(target);
    agrees(&cast, &server, "akund has stopped under a running server");
    kill_in_mid_transaction(&path);
    agrees(&cast, &server, "akund was killed under a running server");
    let target = open();
    for proof in target.prove(std::slice::from_ref(&cast.active)).await {
        proof.unwrap();
    }
    for finding in target.check().await {
        finding.unwrap();
    }
}

#[tokio::test]
async fn postfix_reads_the_accounts_as_its_own_user_whatever_has_become_of_akund() {
    through_every_state(Postfix::start, Cast::postfix_agrees).await;
}

#[tokio::test]
async fn dovecot_reads_the_accounts_as_its_own_user_whatever_has_become_of_akund() {
    through_every_state(Dovecot::start, Cast::dovecot_agrees).await;
}

#[tokio::test]
async fn dovecot_sees_what_changes_while_it_runs() {
    let dir = open_dir();
    let path = setgid_dir(dir.path(), "mail", "postfix").join("mail.db");
    let mut config = mail_config(&path);
    config.password = akund::model::Scheme::Ssha512;
    let target = MailMaps::open("mail", &config).unwrap();
    let dovecot = Dovecot::start(&path);
    let apply = async |work: &Work| target.apply(std::slice::from_ref(work)).await.remove(0).unwrap();
    let credential = || Some(akund::secret::hash::new_credential(target.schemes()).unwrap());
    let mut account = named("humas");
    let create = work(Action::Create, &account, credential());
    assert!(!dovecot.logs_in("humas@example.org", password(&create)));
    apply(&create).await;
    assert!(dovecot.logs_in("humas@example.org", password(&create)), "{{SSHA512}} works");
    apply(&plain(Action::Suspend, &account)).await;
    assert!(!dovecot.logs_in("humas@example.org", password(&create)));
    apply(&plain(Action::Resume, &account)).await;
    assert!(dovecot.logs_in("humas@example.org", password(&create)));
    let reset = work(Action::Reset, &account, credential());
    apply(&reset).await;
    assert!(!dovecot.logs_in("humas@example.org", password(&create)));
    assert!(dovecot.logs_in("humas@example.org", password(&reset)));
    account.ends_at = from_now(-1);
    apply(&plain(Action::Change, &account)).await;
    assert!(!dovecot.logs_in("humas@example.org", password(&reset)));
    account.ends_at = None;
    apply(&plain(Action::Change, &account)).await;
    assert!(dovecot.logs_in("humas@example.org", password(&reset)));
    apply(&plain(Action::Remove, &account)).await;
    assert!(!dovecot.logs_in("humas@example.org", password(&reset)));
}

#[tokio::test]
async fn a_name_that_does_not_fit_its_column_is_refused_and_not_cut_off() {
    let bench = Bench::mail_on(Engine::MariaDb);
    for (table, column) in [("domains", "domain"), ("retired_homes", "home")] {
        bench.by_hand(&format!("ALTER TABLE {table} MODIFY {column} varchar(8) NOT NULL"));
        let work = bench.create(&named("humas"));
        let made = bench.apply(&work).await;
        let last = if table == "domains" { made.map(|_| ()) } else { bench.undo(&work).await };
        assert_eq!(class_of(&last), FaultClass::Permanent, "{table}: {last:?}");
        assert!(bench.base.ask(&format!("SELECT * FROM {table}")).is_empty(), "{table}");
        bench.by_hand(&format!("ALTER TABLE {table} MODIFY {column} varchar(200) NOT NULL"));
        bench.apply(&work).await.unwrap();
        bench.undo(&work).await.unwrap();
        bench.by_hand("DELETE FROM retired_homes");
    }
}
