//! What `[retention]` comes to, and what would go now.

use super::line::Line;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::config::Config;
use crate::intake::spool::{count_rejected_before, count_strays_before};
use crate::journal::JournalError;
use crate::journal::read::Reader;
use crate::model::retention::Policy;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// One line for `akund check`. A journal that is not there, or that cannot be read, is not asked what would go: that is told by
/// itself.
pub fn line(config: &Config, readable: bool) -> Line {
    let policy = config.retention.policy();
    let looked = match readable {
        true => foreseen(config, &policy, Timestamp::now()),
        false => Ok(String::new()),
    };
    let said = looked
        .map(|due| format!("{}{due}{}", policy.sentence(), copies(&config.journal.path)))
        .map_err(|error| format!("what would go cannot be told: {error}"));
    Line::found("retention", said, Exit::Unavailable)
}

/// What would go, and when.
fn foreseen(config: &Config, policy: &Policy, now: Timestamp) -> Result<String, JournalError> {
    if policy.is_empty() {
        return Ok(String::new());
    }
    let reader = Reader::open_untouched(&config.journal.path)?;
    let due = reader.retention_due(policy, now)?;
    let (mut rejected, mut strays) = (0, 0);
    if let Some(cutoff) = policy.originals.and_then(|age| now.checked_sub(age).ok()) {
        let unread = |error: std::io::Error| JournalError::Refused(format!("the spool cannot be read: {error}"));
        rejected = count_rejected_before(&config.spool.path, cutoff).map_err(unread)?;
        let kept = reader.evidence_kept(cutoff)?;
        strays = count_strays_before(&config.spool.path, cutoff, &kept).map_err(unread)?;
    }
    let counts =
        [(due.outcomes.len(), "outcome document"), (due.originals.len(), "original"), (rejected, "rejected file")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| output::counted(count, what));
    let others = [
        (due.letters.len(), "requests' letters"),
        (strays, "files among the originals that no request is known of"),
        (due.requests.len(), "requests' personal data"),
        (due.accounts.len(), "accounts' personal data"),
        (due.orders.len(), "orders' reasons"),
    ];
    let others = others.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{what}: {count}"));
    let parts: Vec<String> = counts.chain(others).collect();
    let (requests, accounts) = reader.never_ended(policy, now)?;
    let mut never = String::new();
    if requests > 0 {
        never.push_str(&format!(
            "; came before that and still open: {}; withdraw what is given up",
            output::counted(requests, "request")
        ));
    }
    if accounts > 0 {
        never.push_str(&format!("; expired before that and never removed: {}", output::counted(accounts, "account")));
    }
    if parts.is_empty() {
        return Ok(format!("; nothing is older{never}"));
    }
    let stands = reader.retention()?;
    let since = stands.swept_at.filter(|_| stands.policy == policy.sentence());
    let when = match since.and_then(|at| at.checked_add(DAY).ok()) {
        Some(at) => format!("from {} on", at.max(now).strftime("%Y-%m-%d %H:%M UTC")),
        None => "a day after akund starts with these ages".into(),
    };
    Ok(format!("; {when} goes what is older: {}{never}", parts.join(", ")))
}

/// Whole copies of the journal that migrations left beside it: retention does not reach into them.
fn copies(journal: &Path) -> String {
    let (Some(dir), Some(stem)) = (journal.parent(), journal.file_stem().and_then(|stem| stem.to_str())) else {
        return String::new();
    };
    let copy = |name: &String| name.starts_with(&format!("{stem}.before-v")) && name.ends_with(".db");
    let names = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut copies: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).filter(copy).collect();
    copies.sort();
    match copies.is_empty() {
        true => String::new(),
        false => {
            format!("; whole copies of the journal that are not reached, to be deleted by hand: {}", copies.join(", "))
        }
    }
}
