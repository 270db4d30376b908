//! The status page and the printed register as people meet them: in a real browser, with a real daemon behind them. The pictures
//! stay in `screenshots` in Cargo's directory for what tests make (target/tmp).
// Helpers of tests, too, may stop the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "peers/chromium.rs"]
mod chromium;
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod daemon;
#[path = "letter/fixture.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod fixture;

#[path = "page/content.rs"]
mod content;
#[path = "page/register.rs"]
mod register;
#[path = "page/status.rs"]
mod status;
