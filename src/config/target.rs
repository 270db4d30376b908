//! `[target.NAME]`

pub mod ldap;

pub use ldap::LdapConfig;

use crate::model::Scheme;
use serde::Deserialize;
use std::path::PathBuf;

/// One target, by `kind`. Read only through [`mod@super::load`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetConfig {
    /// Postfix and Dovecot look-up tables.
    MailMaps(MailMapsConfig),
    /// FreeRADIUS's SQL tables.
    Radius(RadiusConfig),
    /// A directory.
    Ldap(Box<LdapConfig>),
}

/// `kind = "mail-maps"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailMapsConfig {
    /// The SQLite database; made if missing. Its directory must be readable by Postfix and Dovecot.
    pub database: PathBuf,
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
}

/// `kind = "radius"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RadiusConfig {
    /// The SQLite database with FreeRADIUS's own schema; made if missing.
    pub database: PathBuf,
    /// Services it provides. Default `["hotspot"]`.
    #[serde(default = "hotspot_service")]
    pub services: Vec<String>,
    /// `sha512-crypt` (PAP only; default) or `nt-hash` (PAP and MS-CHAP).
    #[serde(default = "sha512_crypt")]
    pub password: Scheme,
    /// Group (profile) of accounts for which the request names none. Default: no group row.
    #[serde(default)]
    pub default_group: Option<String>,
    /// Permission bits of the database and the two files beside it, octal: `"0600"`, `"0640"` (default) or `"0644"`.
    /// FreeRADIUS reads it as another user: put the database into a directory with mode 2750 and its group (`freerad`).
    #[serde(default = "group_readable")]
    pub mode: String,
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
fn mail_home() -> String {
    "/var/mail/vhosts/{domain}/{local}".into()
}
fn group_readable() -> String {
    "0640".into()
}
