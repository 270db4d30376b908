//! Crash points: places at which a test makes the process die as if by `kill -9`.
//!
//! `AKUND_CRASH_AT=NAME` or `NAME:N` aborts at the N-th passing (from 1) of the point NAME. Unset, a point costs one
//! relaxed load. It is compiled in always, so that what is tested is what is shipped.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Wanted {
    name: String,
    left: AtomicU64,
}

static WANTED: OnceLock<Option<Wanted>> = OnceLock::new();

/// Dies here, if this is the place and the time.
pub fn point(name: &str) {
    let wanted = WANTED.get_or_init(|| {
        let value = std::env::var("AKUND_CRASH_AT").ok()?;
        let (name, nth) = value.split_once(':').unwrap_or((&value, "1"));
        Some(Wanted { name: name.to_owned(), left: AtomicU64::new(nth.parse().unwrap_or(1)) })
    });
    if let Some(wanted) = wanted
        && wanted.name == name
        && wanted.left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        std::process::abort();
    }
}
