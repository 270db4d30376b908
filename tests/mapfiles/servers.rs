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
