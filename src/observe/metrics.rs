//! What is counted. Labels are names from the configuration and words of the model: bounded, and never personal data.

mod table;
mod words;

pub use words::{FileResult, LanePart, NoticeResult, OrderResult, PublicationResult, StepResult};

use super::exposition;
use crate::model::{FaultClass, NoticeKind, Proof, Verb};
use crate::procedure::standard::{self, Alarm, Standard, Standing};
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use table::Table;

/// Requests of a procedure on which something runs that must be done in time, by what stands worst.
#[derive(Debug, Clone, Default)]
pub struct Sla {
    /// Its end is far.
    pub in_time: u64,
    /// Its end is near.
    pub warned: u64,
    /// It is past its end.
    pub breached: u64,
    /// The first end, and whose working time counts.
    pub first: Option<(Arc<Standard>, Timestamp)>,
}

/// All metrics. Clones share them; writing one is quick and cannot fail.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    table: Table,
    /// Since when each lane's oldest step waits. Its age is worked out when somebody asks, so that no lane wakes for it.
    oldest_since: Mutex<BTreeMap<String, Timestamp>>,
    /// What runs against time, by procedure. What is left is worked out when somebody asks.
    sla: Mutex<BTreeMap<String, Sla>>,
    /// For the status page: when each lane last met a fault, and whether its server answered.
    lanes: Mutex<BTreeMap<String, LaneSeen>>,
}

/// What this process has seen of a lane.
#[derive(Debug, Clone, Copy, Default)]
struct LaneSeen {
    up: Option<bool>,
    fault: Option<(Timestamp, FaultClass)>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero, the start time at now.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("akund");
        let table = Table::register(&mut registry);
        table.build_info.get_or_create(&[("version", env!("CARGO_PKG_VERSION").to_owned())]).set(1);
        table.start_time_seconds.set(unix(Timestamp::now()));
        let (oldest_since, sla, lanes) = Default::default();
        Self(Arc::new(Inner { registry, table, oldest_since, sla, lanes }))
    }

    /// Something takes longer than the procedure allows (`breached`), or nearly (`warned`).
    pub fn deadline(&self, procedure: &str, alarm: &'static str) {
        self.0
            .table
            .deadline_alarms
            .get_or_create(&[("procedure", procedure.to_owned()), ("alarm", alarm.to_owned())])
            .inc();
    }

    /// What runs now and must be done in time, by procedure.
    pub fn set_sla(&self, all: BTreeMap<String, Sla>) {
        let mut known = self.0.sla.lock().unwrap_or_else(PoisonError::into_inner);
        let over: Vec<&String> = known.keys().filter(|procedure| !all.contains_key(*procedure)).collect();
        for procedure in over {
            self.set_sla_of(procedure, &Sla::default());
            self.0.table.sla_left_seconds.remove(&[("procedure", procedure.clone())]);
        }
        for (procedure, sla) in &all {
            self.set_sla_of(procedure, sla);
        }
        *known = all;
    }

    fn set_sla_of(&self, procedure: &str, sla: &Sla) {
        for standing in Standing::ALL {
            let count = match standing {
                Standing::InTime => sla.in_time,
                Standing::Warned => sla.warned,
                Standing::Breached => sla.breached,
            };
            let labels = [("procedure", procedure.to_owned()), ("standing", standing.as_str().to_owned())];
            self.0.table.sla_requests.get_or_create(&labels).set(signed(count));
        }
    }

    /// On how many requests something is past its end now.
    pub fn breached(&self) -> u64 {
        self.0.sla.lock().unwrap_or_else(PoisonError::into_inner).values().map(|sla| sla.breached).sum()
    }

    /// A notice to the operator (`alert`, `digest`) was handed over, or has failed.
    pub fn operator_notice(&self, kind: &'static str, result: &'static str) {
        self.0.table.operator_notices.get_or_create(&[("kind", kind.to_owned()), ("result", result.to_owned())]).inc();
    }

    /// When all that is kept was last looked through.
    pub fn retention_swept(&self, at: Timestamp) {
        self.0.table.retention_swept_seconds.set(unix(at));
    }

    /// So many files, requests, accounts or orders are kept no longer.
    pub fn retention_removed(&self, what: &'static str, count: usize) {
        self.0.table.retention_removed.get_or_create(&[("what", what.to_owned())]).inc_by(count as u64);
    }

    /// Whether removing what is kept no longer failed, or a part of it.
    pub fn set_retention_failing(&self, failing: bool) {
        self.0.table.retention_failing.set(failing.into());
    }

    /// Each metric's name (a counter's without `_total`) and what it means.
    pub fn described() -> &'static [(&'static str, &'static str)] {
        table::DESCRIBED
    }

    /// A record was judged. `verdict` is [`crate::model::Verdict::as_str`], `procedure` the name of one that is loaded.
    pub fn request_judged(&self, procedure: &str, verdict: &'static str) {
        self.0.table.requests.get_or_create(&[("procedure", procedure.into()), ("verdict", verdict.into())]).inc();
        // From here on a procedure on which nothing runs shows zeros.
        for standing in Standing::ALL {
            let labels = [("procedure", procedure.to_owned()), ("standing", standing.as_str().to_owned())];
            drop(self.0.table.sla_requests.get_or_create(&labels));
        }
        for alarm in [Alarm::Warned, Alarm::Breached] {
            let labels = [("procedure", procedure.to_owned()), ("alarm", alarm.as_str().to_owned())];
            drop(self.0.table.deadline_alarms.get_or_create(&labels));
        }
    }

    /// How many requests there are in a state, now.
    pub fn set_requests_in_state(&self, state: &'static str, count: u64) {
        self.0.table.requests_in_state.get_or_create(&[("state", state.into())]).set(signed(count));
    }

    /// A record could not be parsed.
    pub fn records_rejected(&self, source: &str, problems: usize) {
        self.0.table.records_rejected.get_or_create(&[("source", source.into())]).inc_by(problems as u64);
    }

    /// A record had been accepted before.
    pub fn duplicate(&self, source: &str) {
        self.0.table.duplicates.get_or_create(&[("source", source.into())]).inc();
    }

    /// A file was dealt with.
    pub fn intake_file(&self, source: &str, result: FileResult) {
        self.0.table.intake_files.get_or_create(&[("source", source.into()), ("result", result.as_str().into())]).inc();
    }

    /// Whether requests are taken.
    pub fn set_intake_open(&self, open: bool) {
        self.0.table.intake_open.set(open.into());
    }

    /// A step ended.
    pub fn step_ended(&self, lane: &str, verb: Verb, result: StepResult) {
        let labels = [("lane", lane.into()), ("verb", verb.as_str().into()), ("result", result.as_str().into())];
        self.0.table.steps.get_or_create(&labels).inc();
    }

    /// One attempt of one step was made, and met a fault or none. Of a batch, `took` is the whole batch's time.
    pub fn step_attempted(&self, lane: &str, verb: Verb, fault: Option<FaultClass>, took: Duration) {
        let fault_word = fault.map_or("none", FaultClass::as_str);
        let attempt = [("lane", lane.into()), ("verb", verb.as_str().into()), ("fault", fault_word.into())];
        self.0.table.step_attempts.get_or_create(&attempt).inc();
        let labels = [("lane", lane.into()), ("verb", verb.as_str().into())];
        self.0.table.step_seconds.get_or_create(&labels).observe(took.as_secs_f64());
        if let Some(class) = fault {
            self.lane_failed(lane, class);
        }
    }

    /// A lane met a fault.
    pub fn lane_failed(&self, lane: &str, class: FaultClass) {
        let now = Timestamp::now();
        self.0.table.lane_last_fault_seconds.get_or_create(&[("lane", lane.into())]).set(unix(now));
        self.seen(lane, |seen| seen.fault = Some((now, class)));
    }

    /// An account was shown to work, and how; or it was not.
    pub fn proof(&self, lane: &str, proof: Option<Proof>) {
        let result = proof.map_or("failed", Proof::as_str);
        self.0.table.proofs.get_or_create(&[("lane", lane.into()), ("result", result.into())]).inc();
    }

    /// When a lane last met a fault since the start, and of which class.
    pub fn last_fault(&self, lane: &str) -> Option<(Timestamp, FaultClass)> {
        self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner).get(lane).and_then(|seen| seen.fault)
    }

    /// Whether a lane's last attempt reached its server; none before the first.
    pub fn target_up(&self, lane: &str) -> Option<bool> {
        self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner).get(lane).and_then(|seen| seen.up)
    }

    fn seen(&self, lane: &str, change: impl FnOnce(&mut LaneSeen)) {
        let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        match lanes.get_mut(lane) {
            Some(seen) => change(seen),
            None => change(lanes.entry(lane.to_owned()).or_default()),
        }
    }

    /// A batch was claimed.
    pub fn batch(&self, lane: &str, steps: usize) {
        self.0.table.batch_size.get_or_create(&[("lane", lane.into())]).observe(steps as f64);
    }

    /// A lane's slot spent time on a batch: `journal` to claim it and to record it, `work` at the target or channel.
    pub fn lane_spent(&self, lane: &str, part: LanePart, took: Duration) {
        let labels = [("lane", lane.into()), ("part", part.as_str().into())];
        self.0.table.lane_seconds.get_or_create(&labels).inc_by(took.as_secs_f64());
    }

    /// What waits in a lane: how many steps, and since when the oldest.
    pub fn set_lane_ready(&self, lane: &str, steps: u64, oldest: Option<Timestamp>) {
        self.0.table.lane_ready.get_or_create(&[("lane", lane.into())]).set(signed(steps));
        let mut since = self.0.oldest_since.lock().unwrap_or_else(PoisonError::into_inner);
        match oldest {
            Some(oldest) => since.insert(lane.into(), oldest),
            None => since.remove(lane),
        };
        drop(since);
        self.0.table.lane_oldest_seconds.get_or_create(&[("lane", lane.into())]).set(0.0);
    }

    /// How many steps of a lane need a person.
    pub fn set_lane_stuck(&self, lane: &str, steps: u64) {
        self.0.table.lane_stuck.get_or_create(&[("lane", lane.into())]).set(signed(steps));
    }

    /// Whether a lane is paused.
    pub fn set_lane_paused(&self, lane: &str, paused: bool) {
        self.0.table.lane_paused.get_or_create(&[("lane", lane.into())]).set(paused.into());
    }

    /// Whether the last attempt reached the lane's server.
    pub fn set_target_up(&self, lane: &str, up: bool) {
        self.0.table.target_up.get_or_create(&[("lane", lane.into())]).set(up.into());
        self.seen(lane, |seen| seen.up = Some(up));
    }

    /// The journal committed this many operations at once.
    pub fn journal_commit(&self, took: Duration, operations: usize) {
        self.0.table.journal_commit_seconds.observe(took.as_secs_f64());
        self.0.table.journal_ops_per_commit.observe(operations as f64);
    }

    /// The size of the journal's file.
    pub fn set_journal_bytes(&self, bytes: u64) {
        self.0.table.journal_bytes.set(signed(bytes));
    }

    /// Whether messages are taken from a queue.
    pub fn set_queue_up(&self, queue: &str, up: bool) {
        self.0.table.queue_up.get_or_create(&[("queue", queue.into())]).set(up.into());
    }

    /// How many messages of a queue wait with akund.
    pub fn set_queue_held(&self, queue: &str, messages: usize) {
        self.0.table.queue_held.get_or_create(&[("queue", queue.into())]).set(signed(messages as u64));
    }

    /// A message was sent to the dead-letter exchange.
    pub fn dead_letter(&self, queue: &str) {
        self.0.table.queue_dead_letters.get_or_create(&[("queue", queue.into())]).inc();
    }

    /// An outcome document was handed to an outlet, or was not taken.
    pub fn publication(&self, outlet: &str, result: PublicationResult) {
        self.0.table.publications.get_or_create(&[("outlet", outlet.into()), ("result", result.as_str().into())]).inc();
    }

    /// How many outcome documents are on their way to an outlet.
    pub fn set_publications_due(&self, outlet: &str, documents: u64) {
        self.0.table.publications_due.get_or_create(&[("outlet", outlet.into())]).set(signed(documents));
    }

    /// The size of its write-ahead log, and the room on its file system.
    pub fn set_journal_room(&self, wal: u64, free: u64) {
        self.0.table.journal_wal_bytes.set(signed(wal));
        self.0.table.journal_free_bytes.set(signed(free));
    }

    /// Whether akund is well, as `/healthz` says it.
    pub fn set_well(&self, well: bool) {
        self.0.table.well.set(well.into());
    }

    /// Until when a server's certificate is valid, Unix time. `server` is a name of the configuration.
    pub fn set_certificate_expiry(&self, server: &str, until: i64) {
        self.0.table.certificate_expiry_seconds.get_or_create(&[("server", server.into())]).set(until as f64);
    }

    /// When the next of what a file holds ends, Unix time. `file` is a path of the configuration.
    pub fn set_credential_expiry(&self, file: &str, until: i64) {
        self.0.table.credential_expiry_seconds.get_or_create(&[("file", file.into())]).set(until as f64);
    }

    /// When a secret's file was last changed, Unix time. `file` is a path of the configuration.
    pub fn set_credential_modified(&self, file: &str, at: f64) {
        self.0.table.credential_modified_seconds.get_or_create(&[("file", file.into())]).set(at);
    }

    /// An operator's order ended. `verb` is the command's name.
    pub fn order(&self, verb: &'static str, result: OrderResult) {
        self.0.table.orders.get_or_create(&[("verb", verb.into()), ("result", result.as_str().into())]).inc();
    }

    /// A notice ended.
    pub fn notice(&self, lane: &str, kind: NoticeKind, result: NoticeResult) {
        let labels = [("lane", lane.into()), ("kind", kind.as_str().into()), ("result", result.as_str().into())];
        self.0.table.notices.get_or_create(&labels).inc();
    }

    /// Everything, as OpenMetrics 1.0.0 text (`application/openmetrics-text; version=1.0.0; charset=utf-8`).
    pub fn encode(&self) -> String {
        self.age(Timestamp::now());
        let mut text = String::new();
        // Writing into a String cannot fail, and no metric of ours refuses to be written.
        if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &self.0.registry) {
            tracing::error!(%error, "the metrics cannot be written");
        }
        text
    }

    /// Everything, in Prometheus's text format 0.0.4 (`text/plain; version=0.0.4; charset=utf-8`).
    pub fn encode_plain(&self) -> String {
        exposition::plain(&self.encode())
    }

    fn age(&self, now: Timestamp) {
        for (lane, since) in self.0.oldest_since.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let age = now.duration_since(*since).as_secs_f64().max(0.0);
            self.0.table.lane_oldest_seconds.get_or_create(&[("lane", lane.clone())]).set(age);
        }
        for (procedure, sla) in self.0.sla.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let labels = [("procedure", procedure.clone())];
            match &sla.first {
                Some((standard, due)) => {
                    let left = standard::left(&standard.calendar, *due, now);
                    self.0.table.sla_left_seconds.get_or_create(&labels).set(left as f64);
                }
                None => drop(self.0.table.sla_left_seconds.remove(&labels)),
            }
        }
    }
}

fn unix(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
