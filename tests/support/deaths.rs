//! Deaths at named places: many cases at once, and every commit of a work.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs every case in a directory of its own, several at a time, and reports all that fail.
pub fn each<T: Send>(cases: impl IntoIterator<Item = T>, name: impl Fn(&T) -> String + Sync, run: impl Fn(&T) + Sync) {
    let queue: Mutex<VecDeque<T>> = Mutex::new(cases.into_iter().collect());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().pop_front() else { return };
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&case))) {
                        let said = panic.downcast_ref::<String>().cloned();
                        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                        failures.lock().unwrap().push(format!("{}: {}", name(&case), said.unwrap_or_default()));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n\n"));
}

/// Before and after each commit, from the first to the last; there are more than `least`. `dies` runs the work into a death at the
/// place, then to its end, and says whether it came to the place.
pub fn at_every_commit(least: usize, dies: impl Fn(&str) -> bool + Sync) {
    for place in ["journal-before-commit", "journal-committed"] {
        // The first commit that is never reached; it comes, for the work ends.
        let end = AtomicUsize::new(usize::MAX);
        let tried = AtomicUsize::new(0);
        each(
            1..200_usize,
            |number| format!("{place}:{number}"),
            |number| {
                if *number > end.load(Ordering::Relaxed) {
                    return;
                }
                tried.fetch_add(1, Ordering::Relaxed);
                if !dies(&format!("{place}:{number}")) {
                    end.fetch_min(*number, Ordering::Relaxed);
                }
            },
        );
        assert!(end.into_inner() < 199, "one request takes more commits than were tried");
        assert!(tried.into_inner() > least, "one request takes more commits than that");
    }
}
