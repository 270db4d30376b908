//! The lanes: who serves each of them, and how patient they are.

use super::open::Opened;
use crate::config::Config;
use crate::lane::deliver::ChannelWorker;
use crate::lane::letter::Drafter;
use crate::lane::{Worker, mint::Minter, retry::Policy, target::TargetWorker};
use crate::model::Verb;
use jiff::SignedDuration;
use std::sync::Arc;

/// How patient they are.
pub fn policy(config: &Config) -> Policy {
    let seconds = |seconds: u64| SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX / 4));
    Policy {
        first: seconds(config.lane.retry_seconds),
        longest: seconds(config.lane.retry_max_seconds),
        give_up: seconds(config.lane.give_up_hours.saturating_mul(3600)),
        settle: seconds(config.lane.settle_seconds),
        look: seconds(config.lane.look_seconds),
        never_blindly: false,
    }
}

/// Steps that one core hashes in one batch: about 50 ms of SHA-512-crypt, so that a single request is not kept waiting.
const MINT_BATCH: usize = 32;

/// One for each target and channel, one that makes passwords, and one that drafts letters.
pub fn workers(config: &Config, opened: &Opened) -> Vec<Arc<dyn Worker>> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let batch = config.lane.batch.max(1);
    let mut workers: Vec<Arc<dyn Worker>> =
        vec![Arc::new(Minter::new(opened.key.clone(), cores, MINT_BATCH.min(batch)))];
    for target in &opened.targets {
        workers.push(Arc::new(TargetWorker::new(target.clone(), opened.key.clone(), batch)));
    }
    workers.push(Arc::new(Drafter { letters: opened.letters.clone(), spool: opened.spool.clone(), batch }));
    for open in &opened.channels {
        workers.push(Arc::new(ChannelWorker {
            channel: open.channel.clone(),
            templates: opened.templates.clone(),
            key: opened.key.clone(),
            spool: opened.spool.clone(),
            message_domain: open.message_domain.clone(),
            batch,
        }));
    }
    debug_assert!(workers.iter().any(|worker| worker.lane() == Verb::MINT_LANE));
    workers
}
