//! Mail accounts in files, as Postfix and Dovecot see them.

use crate::fixture::*;
use crate::peers::{Dovecot, Postfix, open_dir, setgid_dir, wait_for};
use akund::config::target::{MapFilesConfig, MapKind};
use akund::model::{Account, Action, Quota};
use akund::target::mapfiles::MapFiles;
use akund::target::{Target, Work};
use std::path::Path;

/// As the integration notes want it: Postfix's maps in a directory of its group's, the passwd-file in one of Dovecot's.
fn site(dir: &Path, kind: MapKind) -> MapFilesConfig {
    let mut config = config(dir, kind);
    let maps = setgid_dir(dir, "maps", "postfix");
    for map in [&mut config.mailboxes, &mut config.aliases, &mut config.domains] {
        map.path = maps.join(map.path.file_name().unwrap());
    }
    config.passwd = setgid_dir(dir, "dovecot", "dovecot").join("passwd");
    config
}

fn postfix(config: &MapFilesConfig) -> Postfix {
    Postfix::with_maps([&config.domains, &config.mailboxes, &config.aliases].map(ToString::to_string))
}

fn create(target: &MapFiles, account: &Account) -> Work {
    work(Action::Create, account, Some(akund::secret::hash::new_credential(target.schemes()).unwrap()))
}

async fn apply(target: &MapFiles, work: &Work) {
    target.apply(std::slice::from_ref(work)).await.remove(0).unwrap();
}

#[tokio::test]
async fn postfix_and_dovecot_find_what_was_written_and_lose_what_was_taken_back() {
    for kind in [MapKind::Hash, MapKind::Lmdb, MapKind::Cdb] {
        let dir = open_dir();
        let config = site(dir.path(), kind);
        let target = MapFiles::open("mail", &config).unwrap();
        let (postfix, dovecot) = (postfix(&config), Dovecot::with_passwd(&config.passwd));
        assert_eq!(postfix.rcpt("humas@example.org"), 554, "{kind:?}: not a domain of this server's");
        let mut account = named("humas");
        account.aliases = vec![address("pers@alias.example.net")];
        account.quota = Some(Quota(5_000_000_000));
        let create = create(&target, &account);
        apply(&target, &create).await;
        assert_eq!(postfix.lookup("domains", "example.org").as_deref(), Some("example.org"));
        assert_eq!(postfix.lookup("mailboxes", "HUMAS@example.org").as_deref(), Some("humas@example.org"));
        assert_eq!(postfix.lookup("aliases", "pers@alias.example.net").as_deref(), Some("humas@example.org"));
        wait_for("Postfix to take mail for the new domain", || postfix.rcpt("humas@example.org") == 250);
        assert_eq!(postfix.rcpt("pers@alias.example.net"), 250, "{kind:?}");
        assert_eq!(postfix.rcpt("nobody@example.org"), 550, "{kind:?}");
        wait_for("Dovecot to know the account", || dovecot.logs_in("humas@example.org", password(&create)));
        assert!(dovecot.logs_in("Humas@Example.org", password(&create)), "in capitals");
        assert!(!dovecot.logs_in("humas@example.org", "wrong"));
        let known = dovecot.user("humas@example.org");
        assert_eq!(known.get("home").map(String::as_str), Some("/var/mail/vhosts/example.org/humas"));
        assert_eq!(known.get("uid").map(String::as_str), Some("5000"));
        assert_eq!(known.get("quota_rule").map(String::as_str), Some("*:bytes=5000000000"));
        target.prove(std::slice::from_ref(&create)).await.remove(0).unwrap();
        target.undo(std::slice::from_ref(&create)).await.remove(0).unwrap();
        wait_for("Postfix to take no more mail", || postfix.rcpt("humas@example.org") == 554);
        wait_for("Dovecot to forget the account", || !dovecot.logs_in("humas@example.org", password(&create)));
    }
}

/// Uid and gid of the mail's files; no such user need be.
const VMAIL: u32 = 5000;

#[tokio::test]
async fn an_accounts_whole_life_as_the_servers_see_it() {
    let dir = open_dir();
    let mut config = site(dir.path(), MapKind::Lmdb);
    config.home = format!("{}/home/{{domain}}/{{local}}", dir.path().display());
    std::fs::create_dir(dir.path().join("home")).unwrap();
    std::os::unix::fs::chown(dir.path().join("home"), Some(VMAIL), Some(VMAIL)).unwrap();
    let target = MapFiles::open("mail", &config).unwrap();
    let mut account = named("humas");
    let create = create(&target, &account);
    apply(&target, &create).await;
    let (postfix, dovecot) = (postfix(&config), Dovecot::with_passwd(&config.passwd));
    dovecot.imap("humas@example.org", password(&create)).unwrap();
    assert_eq!(postfix.rcpt("humas@example.org"), 250);

    // Suspended: no way in, and mail arrives.
    apply(&target, &plain(Action::Suspend, &account)).await;
    wait_for("Dovecot to see the suspension", || !dovecot.logs_in("humas@example.org", password(&create)));
    assert!(dovecot.imap("humas@example.org", password(&create)).unwrap_err().contains("AUTHENTICATIONFAILED"));
    assert_eq!(postfix.rcpt("humas@example.org"), 250);
    assert!(dovecot.user("humas@example.org").contains_key("home"), "its mail can be delivered");
    apply(&target, &plain(Action::Resume, &account)).await;
    wait_for("Dovecot to see the end of the suspension", || dovecot.logs_in("humas@example.org", password(&create)));

    // Another address, the old one kept as an alias, the mail where it was.
    account.address = Some(address("info@example.org"));
    account.aliases = vec![address("humas@example.org")];
    apply(&target, &plain(Action::Change, &account)).await;
    wait_for("Dovecot to see the new address", || dovecot.imap("info@example.org", password(&create)).is_ok());
    assert!(!dovecot.logs_in("humas@example.org", password(&create)));
    assert!(dovecot.user("info@example.org")["home"].ends_with("/home/example.org/humas"));
    assert_eq!(postfix.lookup("aliases", "humas@example.org").as_deref(), Some("info@example.org"));
    assert_eq!((postfix.rcpt("info@example.org"), postfix.rcpt("humas@example.org")), (250, 250));

    // Ended, and prolonged.
    account.ends_at = from_now(-1);
    apply(&target, &plain(Action::Change, &account)).await;
    wait_for("Dovecot to see the end", || !dovecot.logs_in("info@example.org", password(&create)));
    assert_eq!((postfix.rcpt("info@example.org"), postfix.rcpt("humas@example.org")), (550, 550));
    account.ends_at = from_now(3600);
    apply(&target, &plain(Action::Change, &account)).await;
    wait_for("Dovecot to see the new end", || dovecot.logs_in("info@example.org", password(&create)));
    assert_eq!(postfix.rcpt("humas@example.org"), 250);

    apply(&target, &plain(Action::Remove, &account)).await;
    wait_for("Dovecot to forget it", || !dovecot.logs_in("info@example.org", password(&create)));
    assert_eq!((postfix.rcpt("info@example.org"), postfix.rcpt("humas@example.org")), (550, 550));
    assert!(dir.path().join("home/example.org/humas/Maildir").is_dir(), "mail is not deleted");
}

#[tokio::test]
async fn of_two_resets_within_a_second_dovecot_sees_the_last() {
    let dir = open_dir();
    let config = site(dir.path(), MapKind::Lmdb);
    let target = MapFiles::open("mail", &config).unwrap();
    let account = named("humas");
    let create = create(&target, &account);
    apply(&target, &create).await;
    let dovecot = Dovecot::with_passwd(&config.passwd);
    assert!(dovecot.logs_in("humas@example.org", password(&create)));
    let size = || std::fs::metadata(&config.passwd).unwrap().len();
    let before = size();
    let clock = || std::time::UNIX_EPOCH.elapsed().unwrap();
    let reset = || work(Action::Reset, &account, Some(akund::secret::hash::new_credential(target.schemes()).unwrap()));
    // Dovecot reads the first of two, and the second comes within the same second and has the same size.
    let mut last = None;
    for _ in 0..30 {
        let (first, second) = (reset(), reset());
        let fresh = clock().as_secs() + 1;
        wait_for("the next second", || clock().as_secs() >= fresh);
        apply(&target, &first).await;
        let read = dovecot.logs_in("humas@example.org", password(&first));
        apply(&target, &second).await;
        assert_eq!(size(), before, "Dovecot cannot tell by the size");
        let within = clock().as_secs() == fresh;
        last = Some(second);
        if read && within {
            break;
        }
        last = None;
    }
    let last = last.expect("two resets and a log-in within one second");
    wait_for("Dovecot to see the second reset", || dovecot.logs_in("humas@example.org", password(&last)));
    target.prove(&[last]).await.remove(0).unwrap();
}

#[tokio::test]
async fn both_schemes_open_the_account() {
    let dir = open_dir();
    let mut config = site(dir.path(), MapKind::Cdb);
    config.password = akund::model::Scheme::Ssha512;
    let target = MapFiles::open("mail", &config).unwrap();
    let dovecot = Dovecot::with_passwd(&config.passwd);
    let create = create(&target, &named("humas"));
    apply(&target, &create).await;
    wait_for("Dovecot to know the account", || dovecot.logs_in("humas@example.org", password(&create)));
    apply(&target, &plain(Action::Suspend, &create.account)).await;
    wait_for("Dovecot to see the suspension", || !dovecot.logs_in("humas@example.org", password(&create)));
    target.prove(&[plain(Action::Suspend, &create.account)]).await.remove(0).unwrap();
}

#[tokio::test]
async fn a_running_postfix_reads_texthash_again_when_it_is_reloaded() {
    let dir = open_dir();
    let mut config = site(dir.path(), MapKind::Texthash);
    MapFiles::open("mail", &config).unwrap();
    let postfix = postfix(&config);
    config.reload = Some(["postfix", "-c", postfix.config().to_str().unwrap(), "reload"].map(str::to_owned).into());
    let target = MapFiles::open("mail", &config).unwrap();
    assert_eq!(postfix.rcpt("humas@example.org"), 554);
    let create = create(&target, &named("humas"));
    apply(&target, &create).await;
    wait_for("Postfix to have read its maps again", || postfix.rcpt("humas@example.org") == 250);
    target.undo(&[create]).await.remove(0).unwrap();
    wait_for("Postfix to have read them once more", || postfix.rcpt("humas@example.org") == 554);
}
