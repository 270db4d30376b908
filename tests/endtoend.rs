//! Requests become accounts that people can use: the real program, with real mail and hotspot servers around it.
// Helpers of tests, too, may stop the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod daemon;
mod peers;

#[path = "endtoend/campus.rs"]
mod campus;
#[path = "endtoend/office.rs"]
mod office;

#[path = "endtoend/broken.rs"]
mod broken;
#[path = "endtoend/life.rs"]
mod life;
#[path = "endtoend/partial.rs"]
mod partial;
#[path = "endtoend/reconciled.rs"]
mod reconciled;
#[path = "endtoend/three.rs"]
mod three;
