//! Handing over by text message and posting outcomes: the real program with Kannel, gammu-smsd, and HTTP servers of the tests' own.
// Helpers of tests, too, may stop the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod daemon;
mod peers;
#[path = "support/web_server.rs"]
mod web_server;

#[path = "sms/office.rs"]
mod office;

#[path = "sms/gammu.rs"]
mod gammu;
#[path = "sms/gateway.rs"]
mod gateway;
#[path = "sms/kannel.rs"]
mod kannel;
#[path = "sms/redeliver.rs"]
mod redeliver;
#[path = "sms/webhook.rs"]
mod webhook;
