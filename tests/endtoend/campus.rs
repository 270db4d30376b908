//! An office with a directory beside mail and hotspot, whose procedure also removes.

use crate::daemon::{Daemon, files_under, records};
use crate::office::{Engine, Office};
use crate::peers::Slapd;
use std::fs;
use std::path::PathBuf;

const PEOPLE: &str = "ou=people,dc=example,dc=org";

pub struct Campus {
    pub office: Office,
    pub slapd: Slapd,
}

impl Campus {
    /// The directory is the second of three targets.
    pub fn on(engine: Engine) -> Self {
        Self::with(engine, "mail")
    }

    /// The directory is the last of three targets.
    pub fn directory_last() -> Self {
        Self::with(Engine::Sqlite, "hotspot")
    }

    /// A request's targets come in the order of its services, and of their names: mail, tree; hotspot, tree.
    fn with(engine: Engine, service: &str) -> Self {
        let (office, slapd) = (Office::on(engine), Slapd::start());
        let text = format!(
            r#"[target.tree]
kind = "ldap"
url = "{}"
ca_file = {:?}
bind_dn = "cn=akund,ou=services,dc=example,dc=org"
password_file = {:?}
services = [{service:?}]
base = "{PEOPLE}"
object_classes = ["inetOrgPerson"]
timeout_seconds = 60
[target.tree.attributes]
cn = "{{name}}"
sn = "{{family_name}}"
givenName = "{{given_name}}"
mail = ["{{address}}", "{{aliases}}"]
ou = "{{unit}}"
description = "quota {{quota}}"
pwdEndTime = "{{ends_at}}"
[target.radius.profile.dosen.reply]
Mikrotik-Rate-Limit = "5M/7M"
"#,
            slapd.url(),
            slapd.authority.ca,
            slapd.path("password"),
        );
        fs::write(office.site.path("conf.d/tree.toml"), text).unwrap();
        let usual = r#"actions = ["create", "change", "reset", "suspend", "resume"]"#;
        assert!(records::PROCEDURE.contains(usual));
        let all = usual.replace("\"resume\"]", "\"resume\", \"remove\"]");
        let group = "group = \"pegawai\"";
        assert!(records::PROCEDURE.contains(group));
        let procedure =
            records::PROCEDURE.replace(usual, &all).replace(group, &format!("{group}\ngroups = [\"dosen\"]"));
        fs::write(office.site.path("procedures/generic.toml"), procedure).unwrap();
        Self { office, slapd }
    }

    pub fn start(&self) -> Daemon {
        self.office.start()
    }

    /// Who may come in: by `ldapwhoami`, IMAP, and RADIUS (PAP and MS-CHAP alike).
    pub async fn takes(&self, address: &str, user: &str, password: &str) -> [bool; 3] {
        [
            self.slapd.logs_in(&format!("uid={user},{PEOPLE}"), password),
            self.office.imap_takes(address, password).await,
            self.office.hotspot_takes(user, password),
        ]
    }

    /// Waits until the three agree: a Dovecot with a passwd-file looks at it once a second.
    pub async fn comes_to_take(&self, address: &str, user: &str, password: &str, all: bool) {
        let mut seen = [!all; 3];
        for _ in 0..200 {
            seen = self.takes(address, user, password).await;
            if seen == [all; 3] {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("expected {all} of the directory, IMAP and the hotspot, and saw {seen:?}:\n{}", self.office.mail.log());
    }

    /// The entries of the directory with this user name.
    pub fn entries(&self, user: &str) -> Vec<String> {
        self.slapd.search(&format!("(uid={user})"), &["*", "pwdEndTime"])
    }

    /// An entry that a person makes, with this user name.
    pub fn put_foreign(&self, user: &str) {
        self.slapd.by_hand(&format!(
            "dn: uid={user},{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: {user}\ncn: Orang Lain\nsn: Lain\n\
             userPassword: rahasia-orang-lain\n"
        ));
    }

    pub fn take_away(&self, user: &str) {
        self.slapd.by_hand(&format!("dn: uid={user},{PEOPLE}\nchangetype: delete\n"));
    }

    /// How many rows the mail and hotspot tables have that name this user.
    pub fn rows(&self, user: &str) -> [usize; 2] {
        let site = &self.office.site;
        [
            crate::daemon::count(
                &site.mail(),
                &format!("SELECT count(*) FROM mailboxes WHERE address LIKE '{user}@%'"),
            ),
            crate::daemon::count(&site.radius(), &format!("SELECT count(*) FROM radcheck WHERE username = '{user}'")),
        ]
    }

    /// The messages of an account that came with this address, as they lie on the disk.
    pub fn stored_mail(&self, local: &str) -> Vec<PathBuf> {
        let home = self.office.mail.homes().replace("{domain}", "example.ac.id").replace("{local}", local);
        let files = files_under(&PathBuf::from(home).join("Maildir"));
        let is_message = |path: &PathBuf| path.parent().is_some_and(|dir| dir.ends_with("cur") || dir.ends_with("new"));
        files.into_iter().filter(is_message).collect()
    }

    /// A command that must succeed; what it printed.
    pub fn akund(&self, arguments: &[&str]) -> String {
        let (code, told) = self.office.site.told(arguments);
        assert_eq!(code, 0, "{arguments:?}: {told}");
        told
    }
}

/// `mail`, `radius` and `tree`, each proven so.
pub fn three(proofs: [&str; 3]) -> Vec<(String, String)> {
    ["mail", "radius", "tree"].into_iter().zip(proofs).map(|(lane, proof)| (lane.into(), proof.into())).collect()
}
