//! The Google Workspace target, on a server of our own that is strict and can be unreliable.
//!
//! The modules are `cfg(test)` so that clippy counts their helpers as test code.

#[cfg(test)]
#[path = "google/bench.rs"]
mod bench;
#[cfg(test)]
#[path = "google/check.rs"]
mod check;
#[cfg(test)]
#[path = "google/contract.rs"]
mod contract;
#[cfg(test)]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod daemon;
#[cfg(test)]
#[path = "google/doubt.rs"]
mod doubt;
#[cfg(test)]
#[path = "google/endtoend.rs"]
mod endtoend;
#[cfg(test)]
#[path = "google/mod.rs"]
mod google;
#[cfg(test)]
#[path = "google/quota.rs"]
mod quota;
#[cfg(test)]
#[path = "support/contract.rs"]
mod shared;
#[cfg(test)]
#[path = "google/subject.rs"]
mod subject;
#[cfg(test)]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
#[path = "support/works.rs"]
mod works;
