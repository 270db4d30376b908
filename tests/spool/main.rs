//! The spool on real files: what is taken, what is refused, what is kept, and what is let go.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
mod cycle;
mod disk;
mod keep;
mod odd;
mod signed;
mod watch;
