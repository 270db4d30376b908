//! Stopping log-in and allowing it again. Pure.

use super::entry::Entry;
use super::layout::Layout;
use super::name::Attribute;
use super::operation::{Change, Value};
use super::server::{self, ACCOUNT_DISABLED, LOCKED_FOR_GOOD, NORMAL_ACCOUNT};
use crate::config::target::ldap::{LdapServer, LdapSuspend};
use crate::model::Fault;

/// Whether an entry is in the state that stops log-in.
pub fn is_locked(entry: &Entry, layout: &Layout) -> bool {
    if layout.suspend == LdapSuspend::Password {
        return is_barred(entry, layout);
    }
    let lock = server::lock_attribute(layout.server);
    match layout.server {
        LdapServer::OpenLdap => entry.texts(&lock).any(|at| at == LOCKED_FOR_GOOD),
        LdapServer::Ds389 => entry.texts(&lock).any(|value| value.eq_ignore_ascii_case("true")),
        LdapServer::ActiveDirectory => control(entry).is_some_and(|bits| bits & ACCOUNT_DISABLED != 0),
    }
}

/// What stops log-in; none where it is stopped.
///
/// # Errors
/// Permanent, where akund does not see what it must change.
pub fn locking(entry: &Entry, layout: &Layout) -> Result<Option<Change>, Fault> {
    if is_locked(entry, layout) {
        return Ok(None);
    }
    if layout.suspend == LdapSuspend::Password {
        return in_password(entry, layout, |stored| barred(&stored));
    }
    let value = match layout.server {
        LdapServer::OpenLdap => LOCKED_FOR_GOOD.to_owned(),
        LdapServer::Ds389 => "true".to_owned(),
        LdapServer::ActiveDirectory => (seen_control(entry)? | ACCOUNT_DISABLED).to_string(),
    };
    Ok(Some(Change::Replace(server::lock_attribute(layout.server), vec![Value::text(value)])))
}

/// What allows it again; none where it is allowed. A lock after wrong passwords goes too.
///
/// # Errors
/// As [`locking`].
pub fn unlocking(entry: &Entry, layout: &Layout) -> Result<Option<Change>, Fault> {
    if layout.suspend == LdapSuspend::Password {
        return if is_barred(entry, layout) { in_password(entry, layout, |stored| opened(&stored)) } else { Ok(None) };
    }
    let lock = server::lock_attribute(layout.server);
    match layout.server {
        LdapServer::OpenLdap | LdapServer::Ds389 => {
            Ok((!entry.values(&lock).is_empty()).then(|| Change::Replace(lock, Vec::new())))
        }
        LdapServer::ActiveDirectory if is_locked(entry, layout) => {
            let bits = seen_control(entry)? & !ACCOUNT_DISABLED;
            Ok(Some(Change::Replace(lock, vec![Value::text(bits.to_string())])))
        }
        LdapServer::ActiveDirectory => Ok(None),
    }
}

/// OpenLDAP's ppolicy takes the lock away with each new password, unless the same modification does so itself; then it can come
/// back behind it. What goes before and after the password.
pub fn around_a_reset(entry: &Entry, layout: &Layout) -> (Option<Change>, Option<Change>) {
    let by_policy = layout.server == LdapServer::OpenLdap && layout.suspend == LdapSuspend::Lock;
    if !(by_policy && is_locked(entry, layout)) {
        return (None, None);
    }
    let lock = server::lock_attribute(layout.server);
    let again = vec![Value::text(LOCKED_FOR_GOOD)];
    (Some(Change::Delete(lock.clone(), Vec::new())), Some(Change::Add(lock, again)))
}

/// Whether the stored hash has akund's bar.
pub fn is_barred(entry: &Entry, layout: &Layout) -> bool {
    layout.suspend == LdapSuspend::Password
        && entry.texts(&server::password_attribute(layout.server)).any(|stored| stored.contains("}!"))
}

/// `{SCHEME}hash` as `{SCHEME}!hash`, which no password opens: crypt(3) fails, and it is no base64.
pub fn barred(stored: &Value) -> Value {
    Value::text(String::from_utf8_lossy(stored.bytes()).replacen('}', "}!", 1))
}

fn opened(stored: &Value) -> Value {
    Value::text(String::from_utf8_lossy(stored.bytes()).replacen("}!", "}", 1))
}

fn in_password(entry: &Entry, layout: &Layout, make: impl Fn(Value) -> Value) -> Result<Option<Change>, Fault> {
    let name: Attribute = server::password_attribute(layout.server);
    match entry.values(&name) {
        [stored] if stored.starts_with(b"{") => Ok(Some(Change::Replace(name, vec![make(Value::of(stored.clone()))]))),
        [] => Err(Fault::permanent(format!(
            "entry {}: akund may not read its {}, which suspend = \"password\" needs",
            entry.dn.masked(),
            name.as_str()
        ))),
        _ => Err(Fault::permanent(format!(
            "entry {}: its {} is not the one hash that akund stored, so it cannot be barred",
            entry.dn.masked(),
            name.as_str()
        ))),
    }
}

fn control(entry: &Entry) -> Option<u32> {
    entry.text("userAccountControl")?.parse().ok()
}

fn seen_control(entry: &Entry) -> Result<u32, Fault> {
    control(entry).map(|bits| bits | NORMAL_ACCOUNT).ok_or_else(|| {
        Fault::permanent(format!("entry {}: akund may not read its userAccountControl", entry.dn.masked()))
    })
}
