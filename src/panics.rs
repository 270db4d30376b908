//! What is said of a panic: where it was, and never what it said. A panic in somebody else's code may quote what it was given, which
//! may be anybody's name or password.

use std::panic::PanicHookInfo;
use tokio::task::JoinError;

/// From now on a panic is a line in the log, with file, line and thread; what it said is not. Call it once the log is started.
pub fn keep_quiet() {
    std::panic::set_hook(Box::new(tell));
}

fn tell(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line()));
    let thread = std::thread::current();
    tracing::error!(
        place = place.as_deref().unwrap_or("?"),
        thread = thread.name().unwrap_or("?"),
        "a part of akund panicked; what it said is not told, for it may quote what akund was given; report this place to its makers"
    );
}

/// How a task ended that did not end by itself; to say so. (The error's own words quote the panic.)
pub fn how(error: JoinError) -> &'static str {
    if error.is_panic() { "it panicked, and the log says where" } else { "it was cancelled" }
}
