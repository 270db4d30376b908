//! Whether a target has the accounts that the register has there. A few are looked for, which costs little: enough to see that a
//! target was emptied, put back from an older copy, or is another one. `akund reconcile` compares all.

use super::Line;
use crate::cli::exit::Exit;
use crate::journal::read::Reader;
use crate::model::AccountUid;
use crate::target::Target;
use std::sync::Arc;

/// How many accounts are looked for.
const MOST: usize = 20;

/// For each target the newest accounts of the register.
pub fn of<'t>(targets: &'t [Arc<dyn Target>], register: &Reader) -> Vec<(&'t dyn Target, Vec<AccountUid>)> {
    // Where each account takes a question of its own, which counts against a quota, none is asked.
    let targets = targets.iter().map(|target| &**target).filter(|target| target.reads_in_bulk());
    targets.filter_map(|target| Some((target, register.newest_at(target.name(), MOST).ok()?))).collect()
}

/// Looks for them; none, where there are none, or the target cannot be asked, of which its own lines tell.
pub async fn look(part: &str, target: &dyn Target, wanted: &[AccountUid]) -> Option<Line> {
    if wanted.is_empty() {
        return None;
    }
    let there = target.marked(wanted).await.ok()?.len();
    Some(line(part, wanted.len(), there))
}

fn line(part: &str, wanted: usize, there: usize) -> Line {
    match wanted - there.min(wanted) {
        0 => Line::good(part, format!("it has the newest accounts of the register ({wanted} were looked for)")),
        missing if missing == wanted => Line::bad(
            part,
            format!(
                "of the newest accounts of the register ({wanted} were looked for) it has none: it was emptied, put back from an older \
                 copy, or is another one than akund wrote to; `akund reconcile` compares all"
            ),
            Exit::Unavailable,
        ),
        missing => Line::warning(
            part,
            format!(
                "of the newest accounts of the register ({wanted} were looked for) it lacks {missing}; `akund reconcile` says \
                 which, and what may be done"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_that_is_gone_is_a_warning_and_all_are_a_fault() {
        let of = |wanted, there| {
            let line = line("target mail", wanted, there);
            (line.good, line.warns)
        };
        assert_eq!(of(20, 20), (true, false));
        assert_eq!(of(20, 19), (true, true));
        assert_eq!(of(20, 0), (false, false));
        assert_eq!(of(1, 0), (false, false));
    }
}
