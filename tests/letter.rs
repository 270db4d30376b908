//! The letter of notification, from the proven account to the register of outgoing letters: the real program, a strict SMTP
//! server, and LibreOffice, which reads what akund wrote.
// Helpers of tests, too, may stop the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod daemon;
#[path = "support/deaths.rs"]
mod deaths;
#[path = "support/smtp_server.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod smtp_server;

#[path = "letter/crash.rs"]
mod crash;
#[path = "letter/fixture.rs"]
mod fixture;
#[path = "letter/flow.rs"]
mod flow;
#[path = "letter/office.rs"]
mod office;
#[path = "letter/refused.rs"]
mod refused;
