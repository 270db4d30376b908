//! The LDAP target on real directories: OpenLDAP, 389 Directory Server, Samba's Active Directory.
//!
//! The modules are `cfg(test)` so that clippy counts their helpers as test code.

#[cfg(test)]
mod peers;

#[cfg(test)]
#[path = "ldap/bench.rs"]
mod bench;
#[cfg(test)]
#[path = "support/broken.rs"]
mod broken;
#[cfg(test)]
#[path = "support/contract.rs"]
mod contract;
#[cfg(test)]
#[path = "ldap/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "ldap/openldap.rs"]
mod openldap;
#[cfg(test)]
#[path = "ldap/others.rs"]
mod others;
#[cfg(test)]
#[path = "support/proxy.rs"]
mod proxy;
#[cfg(test)]
#[path = "support/works.rs"]
mod works;
