//! `akund demo`, the real program in a child process: what it makes is what real servers take, and a kill at any moment costs
//! nothing.
//!
//! The modules are `cfg(test)` so that clippy counts their helpers as test code.

#[cfg(test)]
mod ends;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod killed;
#[cfg(test)]
#[path = "../peers/mod.rs"]
mod peers;
#[cfg(test)]
#[path = "../support/put_back.rs"]
mod put_back;
#[cfg(test)]
#[allow(dead_code, reason = "others ask more of it")]
#[path = "../support/readme.rs"]
mod readme;
#[cfg(test)]
mod servers;
