//! An account as targets see it, and the credential that comes with it.

use super::{Address, Phone, Secret, Username};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// akund's own id of an account; opaque, so it may stand in events. Written to every target beside the
/// account, it is how akund knows its own again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountUid(pub Uuid);

impl fmt::Display for AccountUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A mailbox size in bytes. 1 GB = 10^9 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quota(pub u64);

/// A password scheme that a target may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// SHA-512-crypt, `$6$…`, as crypt(3) writes it. The default.
    Sha512Crypt,
    /// `{SSHA512}` + base64(digest + salt), as OpenLDAP's pw-sha2 and Dovecot read it.
    Ssha512,
    /// bcrypt, `$2b$10$…`, as crypt(3) of current systems reads it. Only the first 72 bytes of a password count.
    Bcrypt,
    /// Argon2id (RFC 9106), `$argon2id$v=19$m=19456,t=2,p=1$…`: 19 MiB and two passes, 20 ms.
    Argon2id,
    /// NT hash: MD4 of the password in UTF-16LE, 32 hex digits; for MS-CHAP. As good as the password itself.
    NtHash,
}

/// The password of an account and its hashes, each made once.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The password that will be handed over.
    pub password: Secret,
    /// One entry for each scheme that the plan's targets need.
    pub hashes: Vec<(Scheme, Secret)>,
}

impl Credential {
    /// The hash in a scheme, if it was made.
    pub fn hash(&self, scheme: Scheme) -> Option<&Secret> {
        self.hashes.iter().find(|(s, _)| *s == scheme).map(|(_, h)| h)
    }
}

/// What a target is asked to hold. All fields are decided by the verdict; a target adds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// akund's id of the account.
    pub uid: AccountUid,
    /// The mail address; none for a hotspot-only account.
    pub address: Option<Address>,
    /// The user name; for hotspot log-in, and for LDAP's uid.
    pub username: Username,
    /// Further addresses that deliver here.
    #[serde(default)]
    pub aliases: Vec<Address>,
    /// The holder's display name.
    pub name: String,
    /// Given name, by the record or the procedure's single-name rule.
    pub given_name: String,
    /// Family name, likewise.
    pub family_name: String,
    /// The procedure's category.
    pub category: String,
    /// The holder's unit; may be empty.
    pub unit: String,
    /// Which services it has ("mail", "hotspot").
    pub services: Vec<String>,
    /// The first instant at which it is no longer valid.
    pub ends_at: Option<Timestamp>,
    /// Mailbox quota.
    pub quota: Option<Quota>,
    /// Hotspot profile.
    pub group: Option<String>,
    /// The holder's own address, by which the account can be recovered; never the one being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_email: Option<Address>,
    /// The holder's phone, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_phone: Option<Phone>,
}

impl Account {
    /// What every account has; all else is empty.
    pub fn bare(uid: AccountUid, username: Username) -> Self {
        Self {
            uid,
            address: None,
            username,
            aliases: Vec::new(),
            name: String::new(),
            given_name: String::new(),
            family_name: String::new(),
            category: String::new(),
            unit: String::new(),
            services: Vec::new(),
            ends_at: None,
            quota: None,
            group: None,
            recovery_email: None,
            recovery_phone: None,
        }
    }
}
