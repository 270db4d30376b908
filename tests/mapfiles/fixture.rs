//! Accounts to write, and files to write them to.

pub use crate::works::*;
use akund::config::target::{MapFile, MapFilesConfig, MapKind};
use akund::model::{Account, Action, Fault, Scheme};
use akund::secret::hash;
use akund::target::mapfiles::MapFiles;
use akund::target::{Applied, Found, Target, Work};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Four files in a directory, and a Postfix configuration for `postmap`.
pub fn config(dir: &Path, kind: MapKind) -> MapFilesConfig {
    let postfix = dir.join("postfix");
    fs::create_dir_all(&postfix).unwrap();
    let main_cf = postfix.join("main.cf");
    if !main_cf.exists() {
        fs::write(&main_cf, "compatibility_level = 3.6\n").unwrap();
        // Postfix's programs wait until a main.cf that was just written is two seconds old.
        fs::File::open(&main_cf).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let map = |name: &str| MapFile { kind, path: dir.join(name) };
    MapFilesConfig {
        passwd: dir.join("passwd"),
        mailboxes: map("mailboxes"),
        aliases: map("aliases"),
        domains: map("domains"),
        services: vec!["mail".into()],
        password: Scheme::Sha512Crypt,
        home: "/var/mail/vhosts/{domain}/{local}".into(),
        mail_uid: Some(5000),
        mail_gid: Some(5000),
        mode: "0640".into(),
        postmap: "/usr/sbin/postmap".into(),
        postfix,
        reload: None,
        proof: None,
    }
}

/// A target with its files in a temporary directory.
pub struct Bench {
    pub target: Box<dyn Target>,
    pub config: MapFilesConfig,
    _dir: TempDir,
}

impl Bench {
    pub fn new(kind: MapKind) -> Self {
        let dir = TempDir::new().unwrap();
        let config = config(dir.path(), kind);
        Self { target: Box::new(MapFiles::open("mail", &config).unwrap()), config, _dir: dir }
    }

    /// With every type of map, as the contract wants to meet them.
    pub fn each() -> Vec<Self> {
        MapKind::ALL.into_iter().map(Self::new).collect()
    }

    pub async fn apply(&self, work: &Work) -> Result<Applied, Fault> {
        self.target.apply(std::slice::from_ref(work)).await.remove(0)
    }

    pub async fn prove(&self, work: &Work) -> Result<akund::model::Proof, Fault> {
        self.target.prove(std::slice::from_ref(work)).await.remove(0)
    }

    pub async fn undo(&self, work: &Work) -> Result<(), Fault> {
        self.target.undo(std::slice::from_ref(work)).await.remove(0)
    }

    pub async fn find(&self, names: &[&str]) -> Vec<Found> {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        self.target.find(&names).await.unwrap()
    }

    /// A create of an account with a fresh password.
    pub fn create(&self, account: &Account) -> Work {
        work(Action::Create, account, Some(hash::new_credential(self.target.schemes()).unwrap()))
    }

    /// One file's text.
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn path(&self, name: &str) -> &PathBuf {
        match name {
            "passwd" => &self.config.passwd,
            "mailboxes" => &self.config.mailboxes.path,
            "aliases" => &self.config.aliases.path,
            "domains" => &self.config.domains.path,
            _ => panic!("no such file: {name}"),
        }
    }

    /// Writes into a file as a person does.
    pub fn append(&self, name: &str, text: &str) {
        fs::write(self.path(name), self.text(name) + text).unwrap();
    }

    /// Puts something else in the place of every account's hash, by hand.
    pub fn spoil_passwords(&self, stored: &str) {
        let spoil = |line: &str| match line.split(':').collect::<Vec<_>>().as_mut_slice() {
            fields @ [_, _, ..] if !line.starts_with('#') => {
                fields[1] = stored;
                fields.join(":")
            }
            _ => line.to_owned(),
        };
        let spoilt: Vec<String> = self.text("passwd").lines().map(spoil).collect();
        fs::write(self.path("passwd"), spoilt.join("\n") + "\n").unwrap();
    }

    /// Every line that says something of accounts there are.
    pub fn rows(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for name in ["passwd", "domains", "aliases", "mailboxes"] {
            let text = self.text(name);
            rows.extend(
                text.lines().filter(|l| !l.starts_with("# akund-retired ")).map(|line| format!("{name}: {line}")),
            );
        }
        rows
    }

    /// Makes a foreign account with the names of this one: entries without akund's mark, in other letters.
    pub fn put_foreign(&self, account: &Account) {
        let address = account.address.as_ref().unwrap().to_string();
        self.append("passwd", &format!("{address}:{{PLAIN}}x:1:1::/foreign/{}::\n", account.uid));
        self.append("mailboxes", &format!("{}\t whatever\n", address.to_uppercase()));
    }
}
