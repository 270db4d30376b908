//! The LDAP target on real directories: OpenLDAP, 389 Directory Server, Samba's Active Directory.
//!
//! The modules are `cfg(test)` so that clippy counts their helpers as test code.

#[cfg(test)]
mod peers;

#[cfg(test)]
#[path = "ldap/bench.rs"]
mod bench;
#[cfg(test)]
#[path = "ldap/contract.rs"]
mod contract;
