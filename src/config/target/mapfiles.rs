//! `kind = "map-files"`

use crate::config::proof::MailProofConfig;
use crate::model::Scheme;
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// `kind = "map-files"`: accounts in a Dovecot passwd-file and three look-up tables of Postfix.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapFilesConfig {
    /// Dovecot's passwd-file; made if missing, like the other three. Give it a directory that Dovecot's group may read and
    /// Postfix's may not: it holds the password hashes.
    pub passwd: PathBuf,
    /// `virtual_mailbox_maps`, as `main.cf` has it: `TYPE:FILE`.
    pub mailboxes: MapFile,
    /// `virtual_alias_maps`, likewise.
    pub aliases: MapFile,
    /// `virtual_mailbox_domains`, likewise.
    pub domains: MapFile,
    /// Services it provides. Default `["mail"]`.
    #[serde(default = "super::mail_service")]
    pub services: Vec<String>,
    /// Scheme of the stored password. Default `sha512-crypt`; NT hashes are refused here.
    #[serde(default = "super::sha512_crypt")]
    pub password: Scheme,
    /// Home directory template, as `mail-maps` has it. Default `/var/mail/vhosts/{domain}/{local}`.
    #[serde(default = "super::mail_home")]
    pub home: String,
    /// Uid and gid that Dovecot is told with each account; both or none. Default: Dovecot's own setting holds.
    #[serde(default)]
    pub mail_uid: Option<u32>,
    /// See `mail_uid`.
    #[serde(default)]
    pub mail_gid: Option<u32>,
    /// Permission bits of the files, octal: `"0600"`, `"0640"` (default) or `"0644"`. Their group is their directory's, where
    /// that has the set-group-id bit.
    #[serde(default = "super::group_readable")]
    pub mode: String,
    /// Postfix's program that makes the indexes. Default `/usr/sbin/postmap`.
    #[serde(default = "postmap")]
    pub postmap: PathBuf,
    /// Postfix's configuration directory, for `postmap -c`. Default `/etc/postfix`.
    #[serde(default = "postfix")]
    pub postfix: PathBuf,
    /// Program and arguments that make a running Postfix read `texthash` files again, run after one was written. An empty
    /// list says that something else does (a systemd path unit, say). Not needed for the other types.
    #[serde(default)]
    pub reload: Option<Vec<String>>,
    /// The server that proves accounts by a login. Default: what was stored is read back and the hash verified.
    #[serde(default)]
    pub proof: Option<MailProofConfig>,
}

impl MapFilesConfig {
    /// The four text files, passwd first.
    pub fn paths(&self) -> [&PathBuf; 4] {
        [&self.passwd, &self.mailboxes.path, &self.aliases.path, &self.domains.path]
    }
    /// Every path that may be relative to the configuration's directory.
    pub(in crate::config) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let Self { passwd, mailboxes, aliases, domains, postmap, postfix, proof, .. } = self;
        [passwd, &mut mailboxes.path, &mut aliases.path, &mut domains.path, postmap, postfix]
            .into_iter()
            .chain(proof.as_mut().and_then(|proof| proof.ca_file.as_mut()))
    }
}

/// One of Postfix's look-up tables: `TYPE:FILE`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MapFile {
    /// What Postfix reads.
    pub kind: MapKind,
    /// The text file; an index lies beside it.
    pub path: PathBuf,
}

/// The types of look-up table that akund writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MapKind {
    /// Berkeley DB; index `FILE.db`.
    Hash,
    /// OpenLDAP LMDB; index `FILE.lmdb`. The fastest to make.
    Lmdb,
    /// Constant database; index `FILE.cdb`.
    Cdb,
    /// The text itself, which a running Postfix reads again only when it is reloaded.
    Texthash,
}

impl MapKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hash, Self::Lmdb, Self::Cdb, Self::Texthash];
    /// As Postfix calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Lmdb => "lmdb",
            Self::Cdb => "cdb",
            Self::Texthash => "texthash",
        }
    }
    /// What `postmap` appends to the text file's name for the index; none where Postfix reads the text.
    pub fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Hash => Some(".db"),
            Self::Lmdb => Some(".lmdb"),
            Self::Cdb => Some(".cdb"),
            Self::Texthash => None,
        }
    }
}

impl fmt::Display for MapFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.path.display())
    }
}

impl TryFrom<String> for MapFile {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let split = text.split_once(':').filter(|(_, path)| !path.is_empty());
        let kind = |word| MapKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        match split.and_then(|(word, path)| Some((kind(word)?, path))) {
            Some((kind, path)) => Ok(Self { kind, path: path.into() }),
            None => Err(format!(
                "{text:?} is no TYPE:FILE as in hash:/var/lib/akund/postfix/mailboxes, where TYPE is hash, lmdb, cdb or texthash"
            )),
        }
    }
}

fn postmap() -> PathBuf {
    "/usr/sbin/postmap".into()
}
fn postfix() -> PathBuf {
    "/etc/postfix".into()
}
