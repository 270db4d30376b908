//! Targets that are tables, on SQLite, PostgreSQL and MariaDB: what every target must do, and what real servers make of what they wrote.
//!
//! The modules are `cfg(test)` so that clippy counts their helpers as test code.

#[cfg(test)]
#[path = "targets/fixture.rs"]
mod fixture;
#[cfg(test)]
mod peers;

#[cfg(test)]
#[path = "support/broken.rs"]
mod broken;

#[cfg(test)]
#[path = "targets/attributes.rs"]
mod attributes;
#[cfg(test)]
#[path = "targets/checks.rs"]
mod checks;
#[cfg(test)]
#[path = "support/contract.rs"]
mod contract;
#[cfg(test)]
#[path = "support/proxy.rs"]
mod proxy;
#[cfg(test)]
#[path = "targets/servers.rs"]
mod servers;

#[cfg(test)]
#[path = "targets/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "targets/login.rs"]
mod login;
#[cfg(test)]
#[path = "targets/mail.rs"]
mod mail;
#[cfg(test)]
#[path = "targets/radius.rs"]
mod radius;
#[cfg(test)]
#[path = "targets/stored.rs"]
mod stored;
#[cfg(test)]
#[path = "targets/subject.rs"]
mod subject;
#[cfg(test)]
#[path = "support/works.rs"]
mod works;
