//! What becomes of requests when things go wrong: the real program as a child process, killed, starved and lied to.
// Helpers of tests, too, may stop the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod daemon;
#[path = "support/deaths.rs"]
mod deaths;
#[path = "faults/once.rs"]
mod once;
#[path = "support/put_back.rs"]
mod put_back;

#[path = "faults/crash.rs"]
mod crash;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/life.rs"]
mod life;
#[path = "faults/lost.rs"]
mod lost;
#[path = "faults/loud.rs"]
mod loud;
#[path = "faults/malformed.rs"]
mod malformed;
#[path = "faults/outage.rs"]
mod outage;
#[path = "faults/reconcile.rs"]
mod reconcile;
#[path = "faults/restore.rs"]
mod restore;
#[path = "faults/retention.rs"]
mod retention;
#[path = "faults/secrets.rs"]
mod secrets;
#[path = "faults/slow.rs"]
mod slow;
#[path = "faults/smtp.rs"]
mod smtp;
#[path = "faults/tamper.rs"]
mod tamper;
