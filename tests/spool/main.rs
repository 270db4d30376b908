//! The spool on real files: what is taken, what is refused, what is kept, and what is let go.
#![allow(missing_docs)]

mod bench;
mod cycle;
mod disk;
mod keep;
mod odd;
mod signed;
mod watch;
