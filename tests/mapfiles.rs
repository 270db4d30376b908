//! The map-files target: the contract that every target keeps, what the files look like, and what real servers make of them.
//!
//! The modules are `cfg(test)` so that clippy counts their helpers as test code.

#[cfg(test)]
#[path = "mapfiles/fixture.rs"]
mod fixture;
#[cfg(test)]
mod peers;

#[cfg(test)]
#[path = "mapfiles/check.rs"]
mod check;
#[cfg(test)]
#[path = "support/contract.rs"]
mod contract;
#[cfg(test)]
#[path = "mapfiles/crash.rs"]
mod crash;
#[cfg(test)]
#[path = "mapfiles/foreign.rs"]
mod foreign;
#[cfg(test)]
#[path = "mapfiles/refusals.rs"]
mod refusals;
#[cfg(test)]
#[path = "mapfiles/servers.rs"]
mod servers;
#[cfg(test)]
#[path = "targets/stored.rs"]
mod stored;
#[cfg(test)]
#[path = "mapfiles/subject.rs"]
mod subject;
#[cfg(test)]
#[path = "support/works.rs"]
mod works;
