//! `[target.NAME]`

pub mod google;
pub mod ldap;
pub mod mapfiles;

pub use google::GoogleConfig;
pub use ldap::LdapConfig;
pub use mapfiles::{MapFile, MapFilesConfig, MapKind};

use super::database::{Database, SqlAccess};
use super::proof::{MailProofConfig, NasConfig, RadiusProofConfig};
use crate::model::Scheme;
use serde::de::Error;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One target, by `kind`. Read only through [`mod@super::load`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetConfig {
    /// Postfix and Dovecot look-up tables.
    MailMaps(MailMapsConfig),
    /// Postfix's and Dovecot's flat files.
    MapFiles(MapFilesConfig),
    /// FreeRADIUS's SQL tables.
    Radius(RadiusConfig),
    /// A directory.
    Ldap(Box<LdapConfig>),
    /// Google Workspace.
    Google(Box<GoogleConfig>),
}

/// `kind = "mail-maps"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailMapsConfig {
    /// An SQLite file, made if missing, whose directory Postfix and Dovecot must be able to read; or a database on a PostgreSQL or
    /// MariaDB server.
    pub database: Database,
    /// File with the password for the server, or the name of a systemd credential (a bare name without `/`).
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file with the CA of the server's certificate: TLS, and the certificate must name the host. Without it only a Unix socket
    /// or a loopback address will do.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether akund makes missing tables on a server. Default true; otherwise they are somebody else's to make
    /// (`config/integration/sql`), and `check` says what is missing.
    #[serde(default = "yes")]
    pub make_tables: bool,
    /// Services it provides. Default `["mail"]`.
    #[serde(default = "mail_service")]
    pub services: Vec<String>,
    /// Scheme of the stored password. Default `sha512-crypt`; NT hashes are refused here.
    #[serde(default = "sha512_crypt")]
    pub password: Scheme,
    /// Home directory template: `{domain}`, `{local}`, `{address}`, `{uid}`. Default `/var/mail/vhosts/{domain}/{local}`. A
    /// home that is or was another account's is never given out again: akund then appends `.` and the account's uid.
    #[serde(default = "mail_home")]
    pub home: String,
    /// Permission bits of the database and the two files beside it, octal: `"0600"`, `"0640"` (default) or `"0644"`. The
    /// readers are other users: put the database into a directory with mode 2750 and group `postfix`, and Dovecot's auth-worker
    /// into that group; the files inherit the group.
    #[serde(default = "group_readable")]
    pub mode: String,
    /// The servers at which a new password is tried before it is sent. Default: none; what was stored is read back and verified.
    #[serde(default)]
    pub proof: Option<MailProofConfig>,
}

/// `kind = "radius"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RadiusConfig {
    /// An SQLite file with FreeRADIUS's own schema, made if missing; or a database on a PostgreSQL or MariaDB server.
    pub database: Database,
    /// File with the password for the server, or the name of a systemd credential (a bare name without `/`).
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file with the CA of the server's certificate: TLS, and the certificate must name the host. Without it only a Unix socket
    /// or a loopback address will do.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether akund makes missing tables on a server. Default true; otherwise they are somebody else's to make
    /// (`config/integration/sql`), and `check` says what is missing.
    #[serde(default = "yes")]
    pub make_tables: bool,
    /// Services it provides. Default `["hotspot"]`.
    #[serde(default = "hotspot_service")]
    pub services: Vec<String>,
    /// `sha512-crypt` (PAP only; default), `nt-hash` (PAP and MS-CHAP), or `cleartext` (everything, CHAP too; whoever reads the
    /// table has every password).
    #[serde(default)]
    pub password: RadiusPassword,
    /// Group (profile) of accounts for which the request names none, by category.
    #[serde(default)]
    pub groups: BTreeMap<String, String>,
    /// Group (profile) of accounts for which neither the request nor `groups` names one. Default: no group row.
    #[serde(default)]
    pub default_group: Option<String>,
    /// What every account gets in `radcheck`, beside its password.
    #[serde(default)]
    pub check: AttributeSet,
    /// What every account gets in `radreply`.
    #[serde(default)]
    pub reply: AttributeSet,
    /// What groups get in `radgroupcheck` and `radgroupreply`. akund writes those of the groups named here, when an account joins,
    /// and no others.
    #[serde(default)]
    pub profile: BTreeMap<String, ProfileConfig>,
    /// FreeRADIUS's dictionary, or its directory, against which attributes are checked. Default `/usr/share/freeradius`.
    #[serde(default = "dictionary")]
    pub dictionary: PathBuf,
    /// Permission bits of the database and the two files beside it, octal: `"0600"`, `"0640"` (default) or `"0644"`.
    /// FreeRADIUS reads it as another user: put the database into a directory with mode 2750 and its group (`freerad`).
    #[serde(default = "group_readable")]
    pub mode: String,
    /// The server at which a new password is tried before it is sent. Default: none; what was stored is read back and verified.
    #[serde(default)]
    pub proof: Option<RadiusProofConfig>,
    /// The access servers that end the sessions of suspended and removed accounts.
    #[serde(default)]
    pub nas: Vec<NasConfig>,
}

/// Attributes by name, as FreeRADIUS's dictionary spells them.
pub type AttributeSet = BTreeMap<String, AttributeValue>;

/// One value, or several of the same attribute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// A number.
    Integer(i64),
    /// Text; also addresses and the dictionary's words.
    Text(String),
    /// The first is set, the others are added.
    List(Vec<String>),
}

/// `[target.NAME.profile.GROUP]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileConfig {
    /// For `radgroupcheck`.
    pub check: AttributeSet,
    /// For `radgroupreply`.
    pub reply: AttributeSet,
}

/// How a hotspot account's password is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RadiusPassword {
    /// As a hash.
    Hash(Scheme),
    /// As it is.
    Cleartext,
}

impl MailMapsConfig {
    /// The way to its tables.
    pub fn access(&self) -> SqlAccess<'_> {
        SqlAccess {
            database: &self.database,
            password_file: self.password_file.as_deref(),
            ca_file: self.ca_file.as_deref(),
            make_tables: self.make_tables,
            mode: &self.mode,
        }
    }
}

impl RadiusConfig {
    /// The way to its tables.
    pub fn access(&self) -> SqlAccess<'_> {
        SqlAccess {
            database: &self.database,
            password_file: self.password_file.as_deref(),
            ca_file: self.ca_file.as_deref(),
            make_tables: self.make_tables,
            mode: &self.mode,
        }
    }
}

impl RadiusPassword {
    /// Whether MS-CHAP works with what is stored.
    pub fn serves_ms_chap(self) -> bool {
        matches!(self, Self::Cleartext | Self::Hash(Scheme::NtHash))
    }

    /// The hash that it needs, if any.
    pub fn scheme(self) -> Option<Scheme> {
        match self {
            Self::Hash(scheme) => Some(scheme),
            Self::Cleartext => None,
        }
    }
}

impl Default for RadiusPassword {
    fn default() -> Self {
        Self::Hash(Scheme::Sha512Crypt)
    }
}

impl From<Scheme> for RadiusPassword {
    fn from(scheme: Scheme) -> Self {
        Self::Hash(scheme)
    }
}

impl<'de> Deserialize<'de> for RadiusPassword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "cleartext" {
            return Ok(Self::Cleartext);
        }
        Scheme::deserialize(StrDeserializer::<D::Error>::new(&text)).map(Self::Hash).map_err(|_| {
            D::Error::custom(format!(
                "unknown password {text:?}; expected \"sha512-crypt\", \"nt-hash\" or \"cleartext\""
            ))
        })
    }
}

fn mail_service() -> Vec<String> {
    vec!["mail".into()]
}
fn hotspot_service() -> Vec<String> {
    vec!["hotspot".into()]
}
fn sha512_crypt() -> Scheme {
    Scheme::Sha512Crypt
}
fn dictionary() -> PathBuf {
    "/usr/share/freeradius".into()
}
fn yes() -> bool {
    true
}
fn mail_home() -> String {
    "/var/mail/vhosts/{domain}/{local}".into()
}
fn group_readable() -> String {
    "0640".into()
}
