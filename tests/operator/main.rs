//! akund as its operators meet it: the READMEs as they stand, every command of theirs, exit codes, JSON, `check`.
//!
//! The modules are `cfg(test)` so that clippy counts their helpers as test code.

#[cfg(test)]
#[path = "../support/readme.rs"]
mod blocks;
#[cfg(test)]
mod check;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod service;
#[cfg(test)]
mod submit;
#[cfg(test)]
mod walk;
