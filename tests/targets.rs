//! The embedded targets: what every target must do, and what real servers make of what they wrote.
//!
//! The modules are `cfg(test)` so that clippy counts their helpers as test code.

#[cfg(test)]
#[path = "targets/fixture.rs"]
mod fixture;
#[cfg(test)]
mod peers;

#[cfg(test)]
#[path = "targets/contract.rs"]
mod contract;
#[cfg(test)]
#[path = "targets/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "targets/mail.rs"]
mod mail;
#[cfg(test)]
#[path = "targets/radius.rs"]
mod radius;
