//! `[target.NAME]` with `kind = "ldap"`

use crate::model::Scheme;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// `kind = "ldap"`: a directory that is spoken to over LDAPv3 (RFC 4511).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LdapConfig {
    /// `ldap://HOST[:PORT]`, `ldaps://HOST[:PORT]` or `ldapi://%2Fpath%2Fto%2Fsocket`.
    pub url: String,
    /// With `ldap://`: `"starttls"` (default) or `"none"`, which is for loopback only.
    #[serde(default)]
    pub tls: Option<LdapTls>,
    /// CA certificates in PEM that alone are trusted. Default: the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whom akund binds as. Without it (`ldapi://` only): SASL EXTERNAL, as the user that akund runs as.
    #[serde(default)]
    pub bind_dn: Option<String>,
    /// File with the password of `bind_dn`, or the name of a systemd credential (a bare name without `/`).
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// What answers there: `"openldap"` (default), `"389ds"` or `"active-directory"` (also Samba).
    #[serde(default)]
    pub server: LdapServer,
    /// Services it provides. Default `["mail"]`.
    #[serde(default = "mail_service")]
    pub services: Vec<String>,
    /// DN of the entry under which accounts are made.
    pub base: String,
    /// DN under which names are looked for before one is given out. Default: what `base` ends in from its first `dc=` on, else `base`.
    #[serde(default)]
    pub search_base: Option<String>,
    /// The name of a new entry, `ATTRIBUTE=TEMPLATE`. Default `uid={username}`, with Active Directory `cn={username}`.
    #[serde(default)]
    pub rdn: Option<String>,
    /// Object classes of a new entry.
    pub object_classes: Vec<String>,
    /// Attribute → template, or a list of templates. A value that needs what an account does not have is left out.
    #[serde(default)]
    pub attributes: BTreeMap<String, Texts>,
    /// Further attributes in which a user name or address counts as taken. Those with the templates `{username}`,
    /// `{address}` and `{aliases}`, and that of `rdn`, always do.
    #[serde(default)]
    pub unique: Vec<String>,
    /// The attribute that carries akund's mark, searchable for equality. Default `labeledURI`, with Active Directory
    /// `adminDescription`.
    #[serde(default)]
    pub marker: Option<String>,
    /// How the password is stored. Default `sha512-crypt`; with 389 `clear`, because it takes hashes only from its Directory Manager
    /// or with `nsslapd-allow-hashed-passwords: on`; with Active Directory always `clear`.
    #[serde(default)]
    pub password: Option<LdapPassword>,
    /// How log-in is stopped. Default `lock`.
    #[serde(default)]
    pub suspend: LdapSuspend,
    /// Whether a password handed out must be changed at first use: set after the proof. Default `false`.
    #[serde(default)]
    pub must_change: bool,
    /// Groups that accounts are put into.
    #[serde(default)]
    pub groups: Vec<LdapGroup>,
    /// Whether a batch of new accounts goes in one transaction (RFC 5805). Default `false`: no slapd that was tried (2.5.13, 2.5.19, and by
    /// its source today's) holds out everything that may happen around one.
    #[serde(default)]
    pub transactions: bool,
    /// Longest wait for one answer, seconds. Default 10.
    #[serde(default = "ten")]
    pub timeout_seconds: u64,
    /// Connections for log-ins that prove accounts, at once. Default 4. With 0 nobody logs in: the stored hash is read back, and the
    /// outcome says so (`stored`).
    #[serde(default = "four")]
    pub proofs: usize,
}

/// How `ldap://` is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LdapTls {
    /// The StartTLS operation (RFC 4511 §4.14), and nothing before it.
    Starttls,
    /// Clear text, on loopback only.
    None,
}

/// What differs between servers: the entry's immutable id, locks, and how passwords are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum LdapServer {
    /// OpenLDAP, and others that follow the standards: `entryUUID`, password policy overlay.
    #[default]
    #[serde(rename = "openldap")]
    OpenLdap,
    /// 389 Directory Server: `nsUniqueId`, `nsAccountLock`.
    #[serde(rename = "389ds")]
    Ds389,
    /// Active Directory, and Samba as its domain controller: `objectGUID`, `userAccountControl`, `unicodePwd`.
    #[serde(rename = "active-directory")]
    ActiveDirectory,
}

/// How a password is stored in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LdapPassword {
    /// `{CRYPT}$6$…`
    Sha512Crypt,
    /// `{SSHA512}…`
    Ssha512,
    /// `{CRYPT}$2b$…`
    Bcrypt,
    /// `{ARGON2}$argon2id$…` (OpenLDAP with its argon2 module)
    Argon2id,
    /// As it is: the server makes its own hash of it.
    Clear,
}

impl LdapPassword {
    /// The hash that must be made for it, if any.
    pub fn scheme(self) -> Option<Scheme> {
        match self {
            Self::Sha512Crypt => Some(Scheme::Sha512Crypt),
            Self::Ssha512 => Some(Scheme::Ssha512),
            Self::Bcrypt => Some(Scheme::Bcrypt),
            Self::Argon2id => Some(Scheme::Argon2id),
            Self::Clear => None,
        }
    }
}

/// How log-in is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LdapSuspend {
    /// The server's own lock: `pwdAccountLockedTime` of OpenLDAP's ppolicy overlay (which needs `pwdLockout: TRUE` in the
    /// policy), `nsAccountLock` of 389, `userAccountControl` of Active Directory.
    #[default]
    Lock,
    /// A `!` before the stored hash, which no password opens; akund must be able to read `userPassword`.
    Password,
}

/// A group, and who is put into it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LdapGroup {
    /// The group's DN; it must exist.
    pub dn: String,
    /// `member` or `uniqueMember` (holds DNs), or `memberUid` (holds user names). Default `member`.
    #[serde(default = "member")]
    pub attribute: String,
    /// Only accounts for which the request names this group. Default: all.
    #[serde(default)]
    pub group: Option<String>,
}

impl LdapConfig {
    /// How the password is stored, by default too.
    pub fn stored(&self) -> LdapPassword {
        let by_server = match self.server {
            LdapServer::OpenLdap => LdapPassword::Sha512Crypt,
            LdapServer::Ds389 | LdapServer::ActiveDirectory => LdapPassword::Clear,
        };
        self.password.unwrap_or(by_server)
    }

    /// The marker attribute, by default too.
    pub fn marker_attribute(&self) -> &str {
        match (&self.marker, self.server) {
            (Some(name), _) => name,
            (None, LdapServer::ActiveDirectory) => "adminDescription",
            (None, LdapServer::OpenLdap | LdapServer::Ds389) => "labeledURI",
        }
    }

    /// The name of a new entry, by default too.
    pub fn entry_name(&self) -> &str {
        match (&self.rdn, self.server) {
            (Some(rdn), _) => rdn,
            (None, LdapServer::ActiveDirectory) => "cn={username}",
            (None, LdapServer::OpenLdap | LdapServer::Ds389) => "uid={username}",
        }
    }

    /// The schemes that hashes are needed in: one or none.
    pub fn schemes(&self) -> Vec<Scheme> {
        self.stored().scheme().into_iter().collect()
    }

    /// Everything that is wrong with it by itself: the key it is about, and a sentence.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut check = |holds: bool, key: &'static str, sentence: &str| {
            if !holds {
                found.push((key, sentence.to_owned()));
            }
        };
        let endpoint = Endpoint::parse(&self.url);
        match &endpoint {
            Err(what) => check(false, "url", what),
            Ok(endpoint) => {
                let plain = matches!(endpoint, Endpoint::Tcp { ldaps: false, .. });
                check(
                    plain || self.tls.is_none(),
                    "tls",
                    "tls is for ldap:// only: ldaps:// has it, and ldapi:// needs none",
                );
                let clear = plain && self.tls == Some(LdapTls::None);
                check(
                    !clear || endpoint.may_be_loopback(),
                    "tls",
                    "passwords would go out in clear text: tls = \"none\" is for a server on this machine only; use \
                     \"starttls\" or ldaps://",
                );
                let local = matches!(endpoint, Endpoint::Unix { .. });
                check(
                    self.bind_dn.is_some() || local,
                    "url",
                    "without bind_dn only ldapi:// will do, with SASL EXTERNAL",
                );
                check(self.ca_file.is_none() || !(clear || local), "ca_file", "ca_file has no use without TLS");
            }
        }
        check(
            self.bind_dn.is_none() || self.password_file.is_some(),
            "bind_dn",
            "bind_dn is set, but password_file is not",
        );
        check(
            self.password_file.is_none() || self.bind_dn.is_some(),
            "password_file",
            "password_file is set, but bind_dn is not",
        );
        check(!self.object_classes.is_empty(), "object_classes", "object_classes must name at least one object class");
        check(self.timeout_seconds > 0, "timeout_seconds", "timeout_seconds must be at least 1");
        check(self.proofs <= 32, "proofs", "proofs must be from 0 to 32");
        check(
            self.proofs > 0 || self.stored() != LdapPassword::Clear,
            "proofs",
            "proofs = 0 needs a hash that akund makes and can read back: what the server hashes by itself only a log-in can show",
        );
        self.stored_problem().into_iter().for_each(|what| check(false, "password", what));
        if self.server == LdapServer::ActiveDirectory {
            let named_by = self.entry_name().split('=').next().unwrap_or_default();
            check(
                named_by.eq_ignore_ascii_case("cn"),
                "rdn",
                "Active Directory names accounts by cn: rdn = \"cn={username}\"",
            );
            let logs_in_with = self.attributes.keys().any(|name| name.eq_ignore_ascii_case("sAMAccountName"));
            check(
                logs_in_with,
                "attributes",
                "attributes must have sAMAccountName = \"{username}\": without it Active Directory makes up a name of its own, which \
                 nobody is told",
            );
        }
        let by_password = self.suspend == LdapSuspend::Password;
        check(
            !by_password || (self.server != LdapServer::ActiveDirectory && self.stored() != LdapPassword::Clear),
            "suspend",
            "suspend = \"password\" needs a hash that akund makes and can read",
        );
        found
    }

    fn stored_problem(&self) -> Option<&'static str> {
        match (self.server, self.stored()) {
            (LdapServer::ActiveDirectory, LdapPassword::Clear) => None,
            (LdapServer::ActiveDirectory, _) => {
                Some("Active Directory makes its own hashes: password must be \"clear\"")
            }
            (LdapServer::Ds389, LdapPassword::Argon2id) => Some(
                "389 Directory Server does not know {ARGON2}: it would take the hash itself for a password, and nobody could \
                 log in; use \"sha512-crypt\", \"ssha512\" or \"clear\"",
            ),
            _ => None,
        }
    }
}

/// Where a directory answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Over TCP.
    Tcp {
        /// Name or address; an IPv6 address without its brackets.
        host: String,
        /// Default 389, with `ldaps` 636.
        port: u16,
        /// TLS from the first byte on.
        ldaps: bool,
    },
    /// Over a Unix socket.
    Unix {
        /// The socket's path.
        path: PathBuf,
    },
}

impl Endpoint {
    /// Reads a URL of the kinds above.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(url: &str) -> Result<Self, String> {
        let like = || {
            format!("url = {url:?}: expected ldap://HOST[:PORT], ldaps://HOST[:PORT] or ldapi://%2Fpath%2Fto%2Fsocket")
        };
        let (kind, rest) = url.split_once("://").ok_or_else(like)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let ldaps = match kind {
            "ldapi" => {
                let path = percent_encoding::percent_decode_str(rest).decode_utf8().map_err(|_| like())?;
                return if path.starts_with('/') { Ok(Self::Unix { path: path.as_ref().into() }) } else { Err(like()) };
            }
            "ldaps" => true,
            "ldap" => false,
            _ => return Err(like()),
        };
        let default = if ldaps { 636 } else { 389 };
        let (host, port) = match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(like)?)),
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(default), |p| p.parse().map_err(|_| like()))?;
        let good = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
        if good && port != 0 { Ok(Self::Tcp { host: host.into(), port, ldaps }) } else { Err(like()) }
    }

    /// Whether it can be on this machine, as far as its name tells; the address is looked at before each connection.
    fn may_be_loopback(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => host.parse::<IpAddr>().map_or(host == "localhost", |ip| ip.is_loopback()),
            Self::Unix { .. } => true,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, ldaps } => {
                let scheme = if *ldaps { "ldaps" } else { "ldap" };
                if host.contains(':') {
                    write!(f, "{scheme}://[{host}]:{port}")
                } else {
                    write!(f, "{scheme}://{host}:{port}")
                }
            }
            Self::Unix { path } => write!(f, "ldapi at {}", path.display()),
        }
    }
}

/// One text, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

fn mail_service() -> Vec<String> {
    vec!["mail".into()]
}
fn member() -> String {
    "member".into()
}
fn ten() -> u64 {
    10
}
fn four() -> usize {
    4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_or_refused_with_what_was_expected() {
        let tcp = |host: &str, port, ldaps| Endpoint::Tcp { host: host.into(), port, ldaps };
        for (url, endpoint) in [
            ("ldap://ldap.example.org", tcp("ldap.example.org", 389, false)),
            ("ldaps://ldap.example.org/", tcp("ldap.example.org", 636, true)),
            ("ldap://127.0.0.1:3890", tcp("127.0.0.1", 3890, false)),
            ("ldap://[::1]:3890/", tcp("::1", 3890, false)),
            ("ldapi://%2Frun%2Fslapd%2Fldapi", Endpoint::Unix { path: "/run/slapd/ldapi".into() }),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap(), endpoint);
        }
        for url in [
            "",
            "ldap.example.org",
            "http://x",
            "ldap://",
            "ldap://x:0",
            "ldap://x:99999",
            "ldap://a b",
            "ldap://x/dc=org",
            "ldapi://run",
        ] {
            assert!(Endpoint::parse(url).unwrap_err().contains("expected ldap://"), "{url}");
        }
    }

    #[test]
    fn active_directory_names_accounts_by_cn_and_they_log_in_with_the_name_that_akund_gives_them() {
        let told = |more: &str| -> Vec<&'static str> {
            let text = format!(
                "url = \"ldaps://dc1.example.org\"\nbind_dn = \"cn=akund\"\npassword_file = \"x\"\nserver = \"active-directory\"\n\
                 base = \"ou=Accounts\"\nobject_classes = [\"user\"]\n{more}"
            );
            let config: LdapConfig = toml::from_str(&text).unwrap();
            config.problems().into_iter().map(|(key, _)| key).collect()
        };
        let names = "[attributes]\nsamaccountname = \"{username}\"";
        assert_eq!(told(names), Vec::<&str>::new());
        assert_eq!(told(&format!("rdn = \"CN={{name}}\"\n{names}")), Vec::<&str>::new());
        assert_eq!(told(&format!("rdn = \"uid={{username}}\"\n{names}")), ["rdn"]);
        assert_eq!(told("[attributes]\nuserPrincipalName = \"{address}\""), ["attributes"]);
    }
}
