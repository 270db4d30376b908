//! What a server's result codes mean for a lane (RFC 4511 §4.1.9 and appendix A).

use super::connection::{Lost, brief, said};
use super::name::Dn;
use super::operation::Operation;
use crate::model::Fault;
use crate::tls;
use ldap3::{LdapError, LdapResult};

/// Names that people search the web for.
const NAMES: [(u32, &str); 37] = [
    (0, "success"),
    (1, "operationsError"),
    (2, "protocolError"),
    (3, "timeLimitExceeded"),
    (4, "sizeLimitExceeded"),
    (5, "compareFalse"),
    (6, "compareTrue"),
    (7, "authMethodNotSupported"),
    (8, "strongerAuthRequired"),
    (10, "referral"),
    (11, "adminLimitExceeded"),
    (12, "unavailableCriticalExtension"),
    (13, "confidentialityRequired"),
    (16, "noSuchAttribute"),
    (17, "undefinedAttributeType"),
    (18, "inappropriateMatching"),
    (19, "constraintViolation"),
    (20, "attributeOrValueExists"),
    (21, "invalidAttributeSyntax"),
    (32, "noSuchObject"),
    (34, "invalidDNSyntax"),
    (48, "inappropriateAuthentication"),
    (49, "invalidCredentials"),
    (50, "insufficientAccessRights"),
    (51, "busy"),
    (52, "unavailable"),
    (53, "unwillingToPerform"),
    (54, "loopDetect"),
    (64, "namingViolation"),
    (65, "objectClassViolation"),
    (66, "notAllowedOnNonLeaf"),
    (67, "notAllowedOnRDN"),
    (68, "entryAlreadyExists"),
    (69, "objectClassModsProhibited"),
    (80, "other"),
    (120, "transaction"),
    (122, "assertionFailed"),
];

/// The entry is there already, or a name of it is another's: look at what is there.
pub const EXISTS: u32 = 68;
/// A rule of the server's forbids it; with the unique overlay: the name is another's.
pub const CONSTRAINT: u32 = 19;
/// The name that is bound may not do that.
pub const NO_RIGHTS: u32 = 50;

/// A result code's name.
pub fn name(code: u32) -> &'static str {
    NAMES.iter().find(|(c, _)| *c == code).map_or("a result code that akund does not know", |(_, name)| name)
}

/// Whether the same request may succeed later: the server is busy, going down or short of something, or the entry has
/// changed since it was looked at (no such attribute, value exists, no such object).
pub fn may_pass(code: u32) -> bool {
    matches!(code, 1 | 3 | 16 | 20 | 32 | 51 | 52 | 54 | 80 | 122)
}

/// The fault of one account's operation that the server refused.
pub fn refused(operation: &Operation, answer: &LdapResult) -> Fault {
    let told = format!("{}: {}", action(operation), without_name(said(answer), operation.dn()));
    match answer.rc {
        10 => Fault::permanent(format!(
            "{told}; this server keeps a copy only: point url to the one that takes changes{}",
            answer.refs.first().map(|to| format!(" ({to})")).unwrap_or_default()
        )),
        CONSTRAINT if answer.text.contains("storage scheme") => Fault::permanent(format!(
            "{told}; 389 takes hashes only with nsslapd-allow-hashed-passwords: on, or use password = \"clear\""
        )),
        NO_RIGHTS => Fault::permanent(format!("{told}; akund's bind_dn needs the right to do that")),
        code if may_pass(code) => Fault::transient(told),
        _ => Fault::permanent(told),
    }
}

/// The fault of one account's operation that got no answer.
pub fn unanswered(operation: &Operation, lost: &Lost) -> Fault {
    let told = format!("{}: {lost}", action(operation));
    match lost {
        Lost::NotSent(_) => Fault::transient(told),
        Lost::Unanswered(_) => Fault::unknown(told),
    }
}

/// Why a connection is not protected, and what to do: `ldaps` from the first byte on, else by StartTLS.
pub fn tls_failed(error: &LdapError, ldaps: bool) -> String {
    let port = right_port(ldaps);
    match error {
        LdapError::LdapResult { result } => format!("it refuses StartTLS: {}", said(result)),
        LdapError::Io { source } => format!("it {}", tls::explain_at(source, port)),
        other => format!("TLS does not come about: {}; {port}", brief(other)),
    }
}

/// Asks whether the port is one for that way to TLS, and says which url the other one wants.
pub fn right_port(ldaps: bool) -> &'static str {
    match ldaps {
        true => "is this its port for LDAP with TLS? One for StartTLS wants url = \"ldap://…\"",
        false => "is this its port for StartTLS? One with TLS from the first byte on wants url = \"ldaps://…\"",
    }
}

/// Some servers repeat an entry's name in what they say.
fn without_name(text: String, dn: &Dn) -> String {
    match dn.first_value().filter(|value| value.chars().count() > 1) {
        Some(value) => {
            let first: String = value.chars().take(1).chain(['…']).collect();
            text.replace(value, &first)
        }
        None => text,
    }
}

/// What was being done, to what.
fn action(operation: &Operation) -> String {
    match operation {
        Operation::Add { dn, .. } => format!("adding the entry {}", dn.masked()),
        Operation::Modify { dn, .. } => format!("changing the entry {}", dn.masked()),
        Operation::Rename { dn, .. } => format!("renaming the entry {}", dn.masked()),
        Operation::Delete { dn } => format!("deleting the entry {}", dn.masked()),
    }
}
