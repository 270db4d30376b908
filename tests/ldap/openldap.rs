//! OpenLDAP: the contract in full, transport, hostile values, schemes, and what breaks on the way.

use crate::bench::*;
use crate::contract;
use crate::peers::Slapd;
use akund::model::{Action, FaultClass, Proof};
use akund::target::{Target, Work};

contract::contract!([OpenLdap::start()]);

/// The ways there, as configurations.
fn ways(slapd: &Slapd) -> Vec<String> {
    let ca = slapd.authority.ca.display();
    let common = common(slapd);
    let external = common.lines().filter(|l| !l.starts_with("bind_dn") && !l.starts_with("password_file"));
    vec![
        format!("url = \"ldaps://127.0.0.1:{}\"\nca_file = \"{ca}\"\n{common}", slapd.tls_port),
        format!("url = \"{}\"\nca_file = \"{ca}\"\ntls = \"starttls\"\n{common}", slapd.url()),
        format!("url = \"{}\"\ntls = \"none\"\n{common}", slapd.url()),
        format!("url = \"{}\"\n{common}", slapd.ldapi()),
        format!("url = \"{}\"\n{}", slapd.ldapi(), external.collect::<Vec<_>>().join("\n")),
    ]
}

#[tokio::test]
async fn every_way_there_leads_to_a_proven_account() {
    let slapd = Slapd::start();
    for (n, toml) in ways(&slapd).iter().enumerate() {
        let target = directory(toml);
        let work = create(&account(n), target.schemes());
        apply(&target, &work).await.unwrap_or_else(|e| panic!("{e}\n{toml}"));
        assert_eq!(prove(&target, &work).await.unwrap(), Proof::Login);
        assert_eq!(wrong(target.check().await), Vec::<String>::new(), "{toml}");
    }
}

#[tokio::test]
async fn a_server_whose_certificate_is_from_another_ca_is_not_spoken_to() {
    let (slapd, other) = (Slapd::start(), Slapd::start());
    for url in [slapd.url(), format!("ldaps://127.0.0.1:{}", slapd.tls_port)] {
        let trusting_another =
            format!("url = \"{url}\"\nca_file = \"{}\"\n{}", other.authority.ca.display(), common(&slapd));
        let trusting_the_system = format!("url = \"{url}\"\n{}", common(&slapd));
        for toml in [trusting_another, trusting_the_system] {
            let target = directory(&toml);
            let refused = apply(&target, &create(&named("humas"), target.schemes())).await;
            assert_eq!(class_of(&refused), FaultClass::Transient);
            let told = wrong(target.check().await).join(" ");
            for told in [told, refused.unwrap_err().message] {
                assert!(told.contains("certificate that is not trusted") && told.contains("set ca_file"), "{told}");
                assert!(!told.contains("port"), "TLS was spoken there: {told}");
            }
        }
    }
}

#[tokio::test]
async fn a_port_for_the_other_kind_of_tls_is_told_with_the_url_that_it_wants() {
    let slapd = Slapd::start();
    for (url, wants) in [
        (format!("ldaps://127.0.0.1:{}", slapd.port), "wants url = \"ldap://…\""),
        (format!("ldap://127.0.0.1:{}", slapd.tls_port), "wants url = \"ldaps://…\""),
    ] {
        let target =
            directory(&format!("url = \"{url}\"\nca_file = \"{}\"\n{}", slapd.authority.ca.display(), common(&slapd)));
        let refused = apply(&target, &create(&named("humas"), target.schemes())).await;
        assert_eq!(class_of(&refused), FaultClass::Transient);
        for told in [wrong(target.check().await).join(" "), refused.unwrap_err().message] {
            assert!(told.contains(&url) && told.contains(wants) && !told.contains("ca_file"), "{told}");
        }
    }
}

#[tokio::test]
async fn a_wrong_password_of_akund_s_own_is_waited_for() {
    let slapd = Slapd::start();
    let site = OpenLdap { slapd };
    let target = directory(&site.toml());
    let work = create(&named("humas"), target.schemes());
    site.slapd.by_hand(
        "dn: cn=akund,ou=services,dc=example,dc=org\nchangetype: modify\nreplace: userPassword\nuserPassword: another\n",
    );
    let refused = apply(&target, &work).await.unwrap_err();
    assert_eq!(refused.class, FaultClass::Transient, "it is wrong for all accounts, and mended elsewhere");
    assert!(refused.message.contains("invalidCredentials") && !refused.message.contains("change-me"), "{refused}");
}

#[tokio::test]
async fn hostile_values_are_stored_as_they_are_also_in_the_name_of_an_entry() {
    let site = OpenLdap::start();
    let toml = site
        .toml()
        .replace("base =", "rdn = \"cn={name}\"\nunique = [\"uid\"]\nbase =")
        .replace("cn = \"{name}\"", "uid = \"{username}\"");
    let target = directory(&toml);
    apply(&target, &create(&named("tetangga"), target.schemes())).await.unwrap();
    let before = site.entries();
    let texts = [
        "*)(uid=*",
        "a,ou=people,dc=example,dc=org",
        "Dr. \"Budi\" Santoso, S.T.+M.T.; <x>=\\ #1",
        "#hash",
        "o'hara'; DROP TABLE x; --",
        "baris satu\nbaris dua",
        "\u{202e}terbalik",
        "محمد الأمين",
        "ñ-密码-🙂",
        "{local}%s$(id)`id`",
        "  ",
        "\\2a\\00",
        " a  ",
    ];
    for (n, text) in texts.iter().enumerate() {
        let mut account = account(n);
        account.address = Some(address(&format!("o'hara+=s{n}@example.org")));
        account.aliases = vec![address(&format!("_-{n}@example.org"))];
        (account.name, account.unit, account.category) = ((*text).into(), (*text).into(), (*text).into());
        let work = create(&account, target.schemes());
        if text.trim().is_empty() {
            assert_eq!(class_of(&apply(&target, &work).await), FaultClass::Permanent, "nothing to name it by");
            continue;
        }
        apply(&target, &work).await.unwrap_or_else(|e| panic!("{text:?}: {e}"));
        prove(&target, &work).await.unwrap_or_else(|e| panic!("{text:?}: {e}"));
        let stored = site.slapd.search(&format!("(uid={})", account.username), &["ou"]);
        assert_eq!(stored.len(), 1);
        let shown = stored[0].lines().find(|l| l.starts_with("ou:")).unwrap();
        let plain = shown.strip_prefix("ou: ").map(str::to_owned);
        let decoded = shown.strip_prefix("ou:: ").map(|b| {
            use base64::Engine;
            String::from_utf8(base64::engine::general_purpose::STANDARD.decode(b).unwrap()).unwrap()
        });
        assert_eq!(plain.or(decoded).unwrap(), *text);
        assert!(find(&target, &[text]).await.is_empty(), "{text:?}");
        apply(&target, &plain_change(&account)).await.unwrap();
        undo(&target, &work).await.unwrap();
        assert_eq!(site.entries(), before, "{text}");
    }
    // The longest that akund's types hold.
    let long = "x".repeat(64);
    let mut account = named(&long);
    account.name = "n".repeat(64);
    let work = create(&account, target.schemes());
    apply(&target, &work).await.unwrap();
    prove(&target, &work).await.unwrap();
    undo(&target, &work).await.unwrap();
    account.name = "n".repeat(40_000);
    let answer = apply(&target, &create(&account, target.schemes())).await;
    assert!(answer.is_ok() || class_of(&answer) == FaultClass::Permanent, "{answer:?}");
    undo(&target, &create(&account, target.schemes())).await.unwrap();
    assert_eq!(site.entries(), before);
}

fn plain_change(account: &akund::model::Account) -> akund::target::Work {
    plain(Action::Change, account)
}

#[tokio::test]
async fn a_password_in_every_scheme_opens_its_account() {
    let site = OpenLdap::start();
    for (n, scheme) in ["sha512-crypt", "ssha512", "bcrypt", "argon2id", "clear"].iter().enumerate() {
        let target = directory(&site.toml().replace("base =", &format!("password = \"{scheme}\"\nbase =")));
        let account = account(n);
        let work = create(&account, target.schemes());
        apply(&target, &work).await.unwrap();
        assert_eq!(prove(&target, &work).await.unwrap_or_else(|e| panic!("{scheme}: {e}")), Proof::Login);
        assert!(site.logs_in(&site.dn_of(&account), password(&work)), "{scheme}");
        assert!(!site.logs_in(&site.dn_of(&account), "salah"), "{scheme}");
    }
}

#[tokio::test]
async fn a_hash_that_was_tampered_with_is_not_proven() {
    let site = OpenLdap::start();
    let target = directory(&site.toml());
    let account = named("humas");
    let work = create(&account, target.schemes());
    apply(&target, &work).await.unwrap();
    let dn = site.dn_of(&account);
    site.slapd
        .by_hand(&format!("dn: {dn}\nchangetype: modify\nreplace: userPassword\nuserPassword: {{CRYPT}}$6$x$y\n"));
    let refused = prove(&target, &work).await.unwrap_err();
    assert_eq!(refused.class, FaultClass::Permanent);
    assert!(refused.message.contains("invalidCredentials"), "the server's words: {refused}");
    for secret in [password(&work), "$6$", "humas"] {
        assert!(
            !format!("{refused:?} {work:?}").replace("\"humas", "").contains(secret) || secret == "humas",
            "{secret}"
        );
    }
}

#[tokio::test]
async fn suspending_by_the_password_needs_no_policy_and_gives_it_back() {
    let site = OpenLdap::start();
    let toml = site.toml().replace("base =", "suspend = \"password\"\nbase =");
    let mut site = Varied(site, move |_| toml.clone());
    contract::suspended_and_resumed(&mut site).await;
    contract::a_reset_replaces_the_password(&mut site).await;
}

#[tokio::test]
async fn a_suspension_that_the_policy_ignores_is_not_proven() {
    let site = OpenLdap::start();
    site.slapd.by_hand(
        "dn: cn=default,ou=policies,dc=example,dc=org\nchangetype: modify\nreplace: pwdLockout\npwdLockout: FALSE\n",
    );
    let target = directory(&site.toml());
    let account = named("humas");
    let work = create(&account, target.schemes());
    apply(&target, &work).await.unwrap();
    apply(&target, &plain(Action::Suspend, &account)).await.unwrap();
    assert!(site.logs_in(&site.dn_of(&account), password(&work)), "the lock has no effect");
    let doubted = prove(&target, &plain(Action::Suspend, &account)).await.unwrap_err();
    assert_eq!(doubted.class, FaultClass::Permanent);
    assert!(doubted.message.contains("pwdLockout"), "{doubted}");
    assert!(wrong(target.check().await).join(" ").contains("pwdLockout is not TRUE"));
}

#[tokio::test]
async fn a_password_that_must_be_changed_is_marked_after_the_proof_and_may_be_proven_again() {
    let site = OpenLdap::start();
    let target = directory(&site.toml().replace("base =", "must_change = true\nbase ="));
    let account = named("humas");
    let work = create(&account, target.schemes());
    apply(&target, &work).await.unwrap();
    assert!(!site.entries()[0].contains("pwdReset"));
    for _ in 0..2 {
        assert_eq!(prove(&target, &work).await.unwrap(), Proof::Login);
        assert!(site.entries()[0].contains("pwdReset: TRUE"));
    }
}

#[tokio::test]
async fn groups_are_joined_and_left() {
    let site = OpenLdap::start();
    site.slapd.by_hand(
        "dn: cn=all,ou=groups,dc=example,dc=org\nchangetype: add\nobjectClass: groupOfNames\ncn: all\nmember: cn=nobody\n\n\
         dn: cn=tamu,ou=groups,dc=example,dc=org\nchangetype: add\nobjectClass: posixGroup\ncn: tamu\ngidNumber: 5000\n",
    );
    let groups = "[[groups]]\ndn = \"cn=all,ou=groups,dc=example,dc=org\"\n[[groups]]\ndn = \"cn=tamu,ou=groups,dc=example,dc=org\"\n\
                  attribute = \"memberUid\"\ngroup = \"tamu\"\n";
    let target = directory(&format!("{}\n{groups}", site.toml()));
    let members = || {
        let mut found: Vec<String> = site
            .slapd
            .search("(|(objectClass=groupOfNames)(objectClass=posixGroup))", &["member", "memberUid"])
            .iter()
            .flat_map(|e| e.lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
            .filter(|l| !l.contains("cn=nobody"))
            .collect();
        found.sort();
        found
    };
    let mut guest = named("humas");
    guest.group = Some("tamu".into());
    let work = create(&guest, target.schemes());
    for _ in 0..2 {
        apply(&target, &work).await.unwrap();
        assert_eq!(members(), [format!("member: uid=humas,{PEOPLE}"), "memberUid: humas".into()]);
    }
    apply(&target, &create(&named("staf"), target.schemes())).await.unwrap();
    guest.group = None;
    guest.username = "kantor".parse().unwrap();
    apply(&target, &plain(Action::Change, &guest)).await.unwrap();
    let with_staff = [format!("member: uid=kantor,{PEOPLE}"), format!("member: uid=staf,{PEOPLE}")];
    assert_eq!(members(), with_staff, "the old name is in no group");
    apply(&target, &plain(Action::Remove, &guest)).await.unwrap();
    assert_eq!(members(), [format!("member: uid=staf,{PEOPLE}")]);
    assert_eq!(wrong(target.check().await), Vec::<String>::new());
}

/// What `check` complains of, after an account was made as akund by the shipped configuration; it changes nothing.
async fn complaints(lines: &str, toml: impl FnOnce(String) -> String) -> String {
    let site = OpenLdap { slapd: Slapd::with(lines) };
    site.slapd.by_hand(&format!(
        "dn: cn=reader,ou=services,dc=example,dc=org\nchangetype: add\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n\
         cn: reader\nuserPassword: change-me\n\n\
         dn: cn=all,ou=groups,dc=example,dc=org\nchangetype: add\nobjectClass: groupOfNames\ncn: all\nmember: cn=nobody\n\n\
         dn: uid=humas,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: humas\ncn: Humas\nsn: Humas\n\
         mail: humas@example.org\nuserPassword: old-secret\nlabeledURI: urn:uuid:00000000-0000-7000-8000-000000000001 akund directory\n",
    ));
    let everything = || site.slapd.search("(objectClass=*)", &["*", "+"]);
    let before = everything();
    let told = wrong(directory(&toml(site.toml())).check().await).join("\n");
    assert_eq!(everything(), before);
    assert!(site.logs_in(&format!("uid=humas,{PEOPLE}"), "old-secret"));
    told
}

#[tokio::test]
async fn check_tells_which_rights_to_write_are_missing_and_writes_nothing() {
    let with_groups = |toml| format!("{toml}\n[[groups]]\ndn = \"cn=all,ou=groups,dc=example,dc=org\"\n");
    assert_eq!(complaints("", with_groups).await, "");

    let told = complaints("", |toml| toml.replace("cn=akund,ou=services", "cn=reader,ou=services")).await;
    assert!(told.contains(&format!("may not add accounts under {PEOPLE}: insufficientAccessRights (50)")), "{told}");

    // The rule that many have on top, before akund's.
    let rule = "access to attrs=userPassword,mail by anonymous auth by * read\n";
    let told = complaints(rule, |toml| toml).await;
    assert_eq!(told, format!("akund's bind_dn may not write mail, userPassword of the accounts under {PEOPLE}"));

    let told = complaints("access to dn.subtree=\"ou=groups,dc=example,dc=org\" by users read\n", with_groups).await;
    assert_eq!(told, format!("akund's bind_dn may not write member of cn=all,ou=groups,dc=example,dc=org"));
}

/// slapd gives an attribute a number when the first entry has it, and does not survive it if that entry comes to nothing: what is written
/// later cannot be read, nor what is searched together with it.
#[tokio::test]
async fn attributes_that_the_directory_never_had_are_not_brought_by_what_comes_to_nothing() {
    let slapd = Slapd::with("");
    let common = common(&slapd).replace("bind_dn =", "search_base = \"ou=people,dc=example,dc=org\"\nbind_dn =");
    let toml = format!("url = \"{}\"\ntls = \"none\"\ntransactions = true\n{common}", slapd.url());
    let target = directory(&format!("{toml}roomNumber = \"{{username}}\"\n"));
    assert_eq!(wrong(target.check().await), Vec::<String>::new());
    let checked = async || target.check().await.into_iter().flatten().collect::<Vec<_>>().join("\n");
    let said = checked().await;
    assert!(said.contains("akund may add accounts") && said.contains("none is there yet: check again"), "{said}");
    assert!(said.contains("looked for by labeledURI, entryUUID, roomNumber, uid, mail: each needs"), "{said}");
    // The second is refused by the overlay, which sees more than akund: with the transaction's end, after the first was written in it.
    slapd.by_hand("dn: uid=pers,ou=services,dc=example,dc=org\nchangetype: add\nobjectClass: account\nuid: pers\n");
    let works: Vec<Work> = ["humas", "pers", "dekan"].map(|name| create(&named(name), target.schemes())).into();
    let answers = target.apply(&works).await;
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true], "{answers:?}");
    for work in [&works[0], &works[2]] {
        prove(&target, work).await.unwrap();
    }
    assert_eq!(target.list().await.unwrap().len(), 2);
    assert_eq!(slapd.search("(roomNumber=*)", &["roomNumber"]).len(), 2);
    assert!(!checked().await.contains("none is there yet"));
}

#[tokio::test]
async fn check_tells_a_directory_that_takes_no_changes() {
    let slapd = Slapd::with("readonly on\n");
    let toml = format!("url = \"{}\"\ntls = \"none\"\n{}", slapd.url(), common(&slapd));
    let told = wrong(directory(&toml).check().await).join("\n");
    assert!(told.contains(&format!("may not add accounts under {PEOPLE}: unwillingToPerform (53)")), "{told}");
}

#[tokio::test]
async fn an_end_date_in_an_operational_attribute_is_written_seen_and_taken_back() {
    let site = OpenLdap::start();
    let target = directory(&format!("{}pwdEndTime = \"{{ends_at}}\"\n", site.toml()));
    let account = named("humas");
    let work = create(&account, target.schemes());
    apply(&target, &work).await.unwrap();
    prove(&target, &work).await.unwrap();
    assert_eq!(wrong(target.check().await), Vec::<String>::new());
    let opens = || site.logs_in(&site.dn_of(&account), password(&work));
    assert!(opens());
    let in_a_day = 86_400;
    for (seconds, open) in [(Some(-60), false), (Some(in_a_day), true), (Some(-60), false), (None, true)] {
        let at = |s| jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + s).unwrap();
        let mut changed = account.clone();
        changed.ends_at = seconds.map(at);
        let change = plain(Action::Change, &changed);
        apply(&target, &change).await.unwrap();
        assert_eq!(prove(&target, &change).await.unwrap(), Proof::Observed, "{seconds:?}");
        assert_eq!(opens(), open, "{seconds:?}");
        assert_eq!(site.slapd.search("(uid=humas)", &["pwdEndTime"])[0].contains("pwdEndTime"), seconds.is_some());
    }
}

#[tokio::test]
async fn check_tells_an_attribute_s_other_name_also_where_only_the_server_knows_it() {
    let site = OpenLdap::start();
    let told = wrong(directory(&format!("{}emailAddress = \"{{address}}\"\n", site.toml())).check().await).join(" ");
    assert!(told.contains("emailAddress is another name of email, by which the server shows it"), "{told}");
}

#[tokio::test]
async fn without_log_ins_the_stored_hash_is_the_proof_and_says_so() {
    let site = OpenLdap::start();
    let target = directory(&site.toml().replace("base =", "proofs = 0\nbase ="));
    let account = named("humas");
    let mut work = create(&account, target.schemes());
    apply(&target, &work).await.unwrap();
    assert_eq!(prove(&target, &work).await.unwrap(), Proof::Stored);
    let made = work.credential.clone();
    work.credential = create(&account, target.schemes()).credential;
    assert_eq!(class_of(&prove(&target, &work).await), FaultClass::Permanent);
    work.credential = made;
    apply(&target, &plain(Action::Suspend, &account)).await.unwrap();
    assert_eq!(prove(&target, &plain(Action::Suspend, &account)).await.unwrap(), Proof::Observed);
    let clear = config(&site.toml().replace("base =", "proofs = 0\npassword = \"clear\"\nbase ="));
    assert!(clear.problems().iter().any(|(key, _)| *key == "proofs"));
}
