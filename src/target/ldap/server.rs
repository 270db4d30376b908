//! What differs between servers.

use super::name::Attribute;
use crate::config::target::ldap::LdapServer;
use uuid::Uuid;

/// The password policy control (draft-behera-ldap-password-policy).
pub const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// What a root DSE offers where it knows transactions (RFC 5805).
pub const TRANSACTION_START: &str = "1.3.6.1.1.21.1";
/// Ends one.
pub const TRANSACTION_END: &str = "1.3.6.1.1.21.3";
/// Carries a request out but for its effect (draft-zeilenga-ldap-noop), and slapd's answer to one that it would have carried out.
/// slapd takes it, and does not list it.
pub const NO_OP: &str = "1.3.6.1.4.1.4203.666.5.2";
/// See above.
pub const NO_OPERATION: u32 = 16654;
/// What somebody may do with an entry (draft-ietf-ldapext-acl-model); 389's.
pub const EFFECTIVE_RIGHTS: &str = "1.3.6.1.4.1.42.2.27.9.5.2";
/// Active Directory's own capability.
pub const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";

/// OpenLDAP's ppolicy: locked until somebody unlocks it (slapo-ppolicy(5)).
pub const LOCKED_FOR_GOOD: &str = "000001010000Z";
/// `userAccountControl` of an ordinary account, and its bit for a disabled one ([MS-ADTS] 2.2.16).
pub const NORMAL_ACCOUNT: u32 = 0x200;
/// See above.
pub const ACCOUNT_DISABLED: u32 = 0x2;

/// Attributes' other names (RFC 4519, RFC 4524, RFC 2798 and the schemas that OpenLDAP and 389 ship), and those by which
/// they are shown.
pub const ALIASES: [(&str, &str); 18] = [
    ("commonName", "cn"),
    ("surname", "sn"),
    ("gn", "givenName"),
    ("userid", "uid"),
    ("rfc822Mailbox", "mail"),
    ("organizationalUnitName", "ou"),
    ("organizationName", "o"),
    ("localityName", "l"),
    ("stateOrProvinceName", "st"),
    ("countryName", "c"),
    ("streetAddress", "street"),
    ("domainComponent", "dc"),
    ("fax", "facsimileTelephoneNumber"),
    ("mobileTelephoneNumber", "mobile"),
    ("homeTelephoneNumber", "homePhone"),
    ("pagerTelephoneNumber", "pager"),
    ("friendlyCountryName", "co"),
    ("favouriteDrink", "drink"),
];

/// The attribute with the entry's immutable id.
pub fn id_attribute(server: LdapServer) -> &'static str {
    match server {
        LdapServer::OpenLdap => "entryUUID",
        LdapServer::Ds389 => "nsUniqueId",
        LdapServer::ActiveDirectory => "objectGUID",
    }
}

/// The immutable id as text: as it is, or a GUID's bytes in the form that people know.
pub fn id_text(server: LdapServer, value: &[u8]) -> Option<String> {
    match server {
        LdapServer::ActiveDirectory => Some(Uuid::from_bytes_le(value.try_into().ok()?).to_string()),
        LdapServer::OpenLdap | LdapServer::Ds389 => Some(std::str::from_utf8(value).ok()?.to_owned()),
    }
}

/// The immutable id as the server compares it.
pub fn id_bytes(server: LdapServer, text: &str) -> Vec<u8> {
    match (server, text.parse::<Uuid>()) {
        (LdapServer::ActiveDirectory, Ok(guid)) => guid.to_bytes_le().to_vec(),
        _ => text.as_bytes().to_vec(),
    }
}

/// The attribute that says that log-in is stopped.
pub fn lock_attribute(server: LdapServer) -> Attribute {
    Attribute::known(match server {
        LdapServer::OpenLdap => "pwdAccountLockedTime",
        LdapServer::Ds389 => "nsAccountLock",
        LdapServer::ActiveDirectory => "userAccountControl",
    })
}

/// The attribute with the password.
pub fn password_attribute(server: LdapServer) -> Attribute {
    Attribute::known(match server {
        LdapServer::OpenLdap | LdapServer::Ds389 => "userPassword",
        LdapServer::ActiveDirectory => "unicodePwd",
    })
}

/// What says that the password must be changed, and how.
pub fn must_change(server: LdapServer) -> (&'static str, &'static str) {
    match server {
        LdapServer::OpenLdap => ("pwdReset", "TRUE"),
        LdapServer::Ds389 => ("passwordExpirationTime", "19700101000000Z"),
        LdapServer::ActiveDirectory => ("pwdLastSet", "0"),
    }
}
