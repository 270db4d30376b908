//! What an office sees of akund: the register, planned and actual time, and what its operator is told.
// Helpers of tests, too, may stop the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod daemon;

#[path = "office/holder.rs"]
mod holder;
#[path = "office/operator.rs"]
mod operator;
#[path = "office/order.rs"]
mod order;
#[path = "office/register.rs"]
mod register;
#[path = "office/time.rs"]
mod time;
