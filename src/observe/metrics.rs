//! What is counted. Labels are names from the configuration and words of the model: bounded, and never personal data.

use super::exposition;
use crate::model::{FaultClass, NoticeKind, Proof, Verb};
use crate::procedure::standard::{self, Standard, Standing};
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Labels<const N: usize> = [(&'static str, String); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Seconds = Gauge<f64, AtomicU64>;
type Gauges<G = Gauge> = Family<Labels<1>, G>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram>;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepResult {
    /// It was done.
    Done,
    /// A person must move it.
    Stuck,
    /// Its request was withdrawn first.
    Withdrawn,
}

impl StepResult {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Stuck => "stuck",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// How a notice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeResult {
    /// The next system took it.
    HandedOver,
    /// The next system refused it for good.
    Refused,
    /// A person must move it.
    Stuck,
}

impl NoticeResult {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HandedOver => "handed-over",
            Self::Refused => "refused",
            Self::Stuck => "stuck",
        }
    }
}

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderResult {
    /// It was carried out.
    Done,
    /// It could not be: the request is in another state, or not there.
    Refused,
}

impl OrderResult {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// What a lane's slot spends its time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LanePart {
    /// At the target or channel.
    Work,
    /// Recording what was done and claiming what is next.
    Journal,
}

impl LanePart {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Journal => "journal",
        }
    }
}

/// What became of a file that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileResult {
    /// Its good records were journaled.
    Accepted,
    /// Nothing of it was taken.
    Rejected,
    /// It cannot be read, and stays where it is.
    Unreadable,
}

impl FileResult {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What became of an outcome document that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicationResult {
    /// The broker has it, in a queue.
    Confirmed,
    /// No queue is bound for it.
    Unroutable,
}

impl PublicationResult {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unroutable => "unroutable",
        }
    }
}

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
    described: Vec<(String, String)>,
    requests: Counters<2>,
    requests_in_state: Gauges,
    records_rejected: Counters<1>,
    duplicates: Counters<1>,
    intake_files: Counters<2>,
    intake_open: Gauge,
    steps: Counters<3>,
    step_attempts: Counters<3>,
    proofs: Counters<2>,
    step_seconds: Histograms<2>,
    batch_size: Histograms<1>,
    lane_seconds: Family<Labels<2>, Counter<f64, AtomicU64>>,
    lane_stuck: Gauges,
    lane_ready: Gauges,
    lane_paused: Gauges,
    lane_oldest: Gauges<Seconds>,
    lane_last_fault: Gauges<Seconds>,
    target_up: Gauges,
    journal_commit: Histogram,
    journal_operations: Histogram,
    journal_bytes: Gauge,
    queue_up: Gauges,
    queue_held: Gauges,
    dead_letters: Counters<1>,
    publications: Counters<2>,
    publications_due: Gauges,
    journal_wal_bytes: Gauge,
    journal_free_bytes: Gauge,
    well: Gauge,
    certificate_expiry: Gauges<Seconds>,
    credential_expiry: Gauges<Seconds>,
    credential_modified: Gauges<Seconds>,
    orders: Counters<2>,
    notices: Counters<3>,
    deadlines: Counters<2>,
    sla_requests: Family<Labels<2>, Gauge>,
    sla_left: Gauges<Seconds>,
    operator_notices: Counters<2>,
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

/// Seconds of a step: 1 ms to 17 minutes.
fn step_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 11))
}

/// 1 to 4096 of something.
fn size_buckets() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 4.0, 7))
}

/// Seconds of a commit: 0.1 ms to 6.5 s.
fn commit_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 4.0, 9))
}

/// Registers what it is given, and remembers what it is called.
struct Registrar {
    registry: Registry,
    described: Vec<(String, String)>,
}

impl Registrar {
    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.registry.register(name, help, metric.clone());
        self.described.push((format!("akund_{name}"), help.to_owned()));
        metric
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero, the start time at now.
    pub fn new() -> Self {
        let mut r = Registrar { registry: Registry::with_prefix("akund"), described: Vec::new() };
        let build = r.add("build_info", "The version that runs", Gauges::<Gauge>::default());
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION").to_owned())]).set(1);
        r.add("start_time_seconds", "When the daemon started, Unix time", Seconds::default())
            .set(unix(Timestamp::now()));
        let steps_help = "Steps that ended, by lane, verb and result";
        let attempt_help = "Attempts of steps, by lane, verb and fault; none: it succeeded";
        let inner = Inner {
            requests: r.add("requests", "Records judged, by procedure and verdict", Family::default()),
            requests_in_state: r.add("requests_in_state", "Requests, by state", Family::default()),
            records_rejected: r.add(
                "records_rejected",
                "Records that could not be parsed, by source",
                Family::default(),
            ),
            duplicates: r.add("duplicates", "Records that had been accepted before, by source", Family::default()),
            intake_files: r.add("intake_files", "Files handed in, by source and result", Family::default()),
            intake_open: r.add("intake_open", "Whether requests are taken", Gauge::default()),
            steps: r.add("steps", steps_help, Family::default()),
            step_attempts: r.add("step_attempts", attempt_help, Family::default()),
            proofs: r.add(
                "proofs",
                "Attempts to show that an account works, by lane and result: login, stored, observed or failed",
                Family::default(),
            ),
            step_seconds: r.add(
                "step_seconds",
                "Time that a step's attempt took",
                Histograms::new_with_constructor(step_buckets),
            ),
            batch_size: r.add("batch_size", "Steps in a batch", Histograms::new_with_constructor(size_buckets)),
            lane_seconds: r.add(
                "lane_seconds",
                "Time that a lane's slots spent, by part: work, at the target or channel; journal, recording and claiming",
                Family::default(),
            ),
            lane_ready: r.add("lane_ready", "Steps that wait in a lane", Family::default()),
            lane_stuck: r.add("lane_stuck", "Steps of a lane that need a person", Family::default()),
            lane_paused: r.add("lane_paused", "Whether a lane is paused", Family::default()),
            lane_oldest: r.add("lane_oldest_seconds", "Age of the oldest step that waits in a lane", Family::default()),
            lane_last_fault: r.add(
                "lane_last_fault_seconds",
                "When a lane last met a fault, Unix time",
                Family::default(),
            ),
            target_up: r.add("target_up", "Whether a lane's last attempt reached its server", Family::default()),
            journal_commit: r.add("journal_commit_seconds", "Time that a commit took", commit_buckets()),
            journal_operations: r.add("journal_ops_per_commit", "Operations in a commit", size_buckets()),
            journal_bytes: r.add("journal_bytes", "Size of the journal's file", Gauge::default()),
            queue_up: r.add(
                "queue_up",
                "Whether messages are taken from a queue; 0: its broker, or the queue itself, is waited for",
                Family::default(),
            ),
            queue_held: r.add(
                "queue_held",
                "Messages of a queue that wait with akund, unacknowledged, because they cannot be admitted now",
                Family::default(),
            ),
            dead_letters: r.add(
                "queue_dead_letters",
                "Messages that could not be accepted and were sent to the dead-letter exchange, by queue",
                Family::default(),
            ),
            publications: r.add(
                "publications",
                "Outcome documents published, by queue and result; unroutable: no queue is bound, and it is tried again",
                Family::default(),
            ),
            publications_due: r.add(
                "publications_due",
                "Outcome documents that wait to be published",
                Family::default(),
            ),
            journal_wal_bytes: r.add("journal_wal_bytes", "Size of the journal's write-ahead log", Gauge::default()),
            journal_free_bytes: r.add("journal_free_bytes", "Room on the journal's file system", Gauge::default()),
            well: r.add("well", "Whether the journal can be written and everything that must move moves", Gauge::default()),
            certificate_expiry: r.add(
                "certificate_expiry_seconds",
                "Until when the certificate is valid that a server last showed, Unix time",
                Family::default(),
            ),
            credential_expiry: r.add(
                "credential_expiry_seconds",
                "When the next certificate or key in a file ends, Unix time: in a ca_file and among allowed signers",
                Family::default(),
            ),
            credential_modified: r.add(
                "credential_modified_seconds",
                "When a file with a secret was last changed, Unix time",
                Family::default(),
            ),
            orders: r.add("orders", "Operators' orders, by verb and result", Family::default()),
            notices: r.add("notices", "Notices, by lane, kind and result", Family::default()),
            deadlines: r.add(
                "deadline_alarms",
                "What took longer than the procedure allows, or nearly, by procedure and alarm: warned, breached",
                Family::default(),
            ),
            sla_requests: r.add(
                "sla_requests",
                "Requests on which something runs that must be done in time, by procedure and the worst standing: in-time, warned, breached",
                Family::default(),
            ),
            sla_left: r.add(
                "sla_left_seconds",
                "Working time left to the first end of what runs, by procedure; below zero: past it",
                Family::default(),
            ),
            operator_notices: r.add(
                "operator_notices",
                "Notices to the operator, by kind and result",
                Family::default(),
            ),
            oldest_since: Mutex::default(),
            sla: Mutex::default(),
            registry: r.registry,
            described: r.described,
            lanes: Mutex::default(),
        };
        Self(Arc::new(inner))
    }

    /// Something takes longer than the procedure allows (`breached`), or nearly (`warned`).
    pub fn deadline(&self, procedure: &str, alarm: &'static str) {
        self.0.deadlines.get_or_create(&[("procedure", procedure.to_owned()), ("alarm", alarm.to_owned())]).inc();
    }

    /// What runs now and must be done in time, by procedure.
    pub fn set_sla(&self, all: BTreeMap<String, Sla>) {
        let mut known = self.0.sla.lock().unwrap_or_else(PoisonError::into_inner);
        let over: Vec<&String> = known.keys().filter(|procedure| !all.contains_key(*procedure)).collect();
        for procedure in over {
            self.set_sla_of(procedure, &Sla::default());
            self.0.sla_left.remove(&[("procedure", procedure.clone())]);
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
            self.0.sla_requests.get_or_create(&labels).set(signed(count));
        }
    }

    /// On how many requests something is past its end now.
    pub fn breached(&self) -> u64 {
        self.0.sla.lock().unwrap_or_else(PoisonError::into_inner).values().map(|sla| sla.breached).sum()
    }

    /// A notice to the operator (`alert`, `digest`) was handed over, or has failed.
    pub fn operator_notice(&self, kind: &'static str, result: &'static str) {
        self.0.operator_notices.get_or_create(&[("kind", kind.to_owned()), ("result", result.to_owned())]).inc();
    }

    /// Each metric's name (a counter's without `_total`) and what it means.
    pub fn described(&self) -> &[(String, String)] {
        &self.0.described
    }

    /// A record was judged. `verdict` is [`crate::model::Verdict::as_str`], `procedure` the name of one that is loaded.
    pub fn request_judged(&self, procedure: &str, verdict: &'static str) {
        self.0.requests.get_or_create(&[("procedure", procedure.into()), ("verdict", verdict.into())]).inc();
        // From here on a procedure on which nothing runs shows zeros.
        for standing in Standing::ALL {
            let labels = [("procedure", procedure.to_owned()), ("standing", standing.as_str().to_owned())];
            drop(self.0.sla_requests.get_or_create(&labels));
        }
    }

    /// How many requests there are in a state, now.
    pub fn set_requests_in_state(&self, state: &'static str, count: u64) {
        self.0.requests_in_state.get_or_create(&[("state", state.into())]).set(signed(count));
    }

    /// A record could not be parsed.
    pub fn records_rejected(&self, source: &str, problems: usize) {
        self.0.records_rejected.get_or_create(&[("source", source.into())]).inc_by(problems as u64);
    }

    /// A record had been accepted before.
    pub fn duplicate(&self, source: &str) {
        self.0.duplicates.get_or_create(&[("source", source.into())]).inc();
    }

    /// A file was dealt with.
    pub fn intake_file(&self, source: &str, result: FileResult) {
        self.0.intake_files.get_or_create(&[("source", source.into()), ("result", result.as_str().into())]).inc();
    }

    /// Whether requests are taken.
    pub fn set_intake_open(&self, open: bool) {
        self.0.intake_open.set(open.into());
    }

    /// A step ended.
    pub fn step_ended(&self, lane: &str, verb: Verb, result: StepResult) {
        let labels = [("lane", lane.into()), ("verb", verb.as_str().into()), ("result", result.as_str().into())];
        self.0.steps.get_or_create(&labels).inc();
    }

    /// One attempt of one step was made, and met a fault or none. Of a batch, `took` is the whole batch's time.
    pub fn step_attempted(&self, lane: &str, verb: Verb, fault: Option<FaultClass>, took: Duration) {
        let fault_word = fault.map_or("none", FaultClass::as_str);
        let attempt = [("lane", lane.into()), ("verb", verb.as_str().into()), ("fault", fault_word.into())];
        self.0.step_attempts.get_or_create(&attempt).inc();
        let labels = [("lane", lane.into()), ("verb", verb.as_str().into())];
        self.0.step_seconds.get_or_create(&labels).observe(took.as_secs_f64());
        if let Some(class) = fault {
            let now = Timestamp::now();
            self.0.lane_last_fault.get_or_create(&[("lane", lane.into())]).set(unix(now));
            self.seen(lane, |seen| seen.fault = Some((now, class)));
        }
    }

    /// An account was shown to work, and how; or it was not.
    pub fn proof(&self, lane: &str, proof: Option<Proof>) {
        let result = proof.map_or("failed", Proof::as_str);
        self.0.proofs.get_or_create(&[("lane", lane.into()), ("result", result.into())]).inc();
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
        self.0.batch_size.get_or_create(&[("lane", lane.into())]).observe(steps as f64);
    }

    /// A lane's slot spent time on a batch: `journal` to claim it and to record it, `work` at the target or channel.
    pub fn lane_spent(&self, lane: &str, part: LanePart, took: Duration) {
        let labels = [("lane", lane.into()), ("part", part.as_str().into())];
        self.0.lane_seconds.get_or_create(&labels).inc_by(took.as_secs_f64());
    }

    /// What waits in a lane: how many steps, and since when the oldest.
    pub fn set_lane_ready(&self, lane: &str, steps: u64, oldest: Option<Timestamp>) {
        self.0.lane_ready.get_or_create(&[("lane", lane.into())]).set(signed(steps));
        let mut since = self.0.oldest_since.lock().unwrap_or_else(PoisonError::into_inner);
        match oldest {
            Some(oldest) => since.insert(lane.into(), oldest),
            None => since.remove(lane),
        };
        drop(since);
        self.0.lane_oldest.get_or_create(&[("lane", lane.into())]).set(0.0);
    }

    /// How many steps of a lane need a person.
    pub fn set_lane_stuck(&self, lane: &str, steps: u64) {
        self.0.lane_stuck.get_or_create(&[("lane", lane.into())]).set(signed(steps));
    }

    /// Whether a lane is paused.
    pub fn set_lane_paused(&self, lane: &str, paused: bool) {
        self.0.lane_paused.get_or_create(&[("lane", lane.into())]).set(paused.into());
    }

    /// Whether the last attempt reached the lane's server.
    pub fn set_target_up(&self, lane: &str, up: bool) {
        self.0.target_up.get_or_create(&[("lane", lane.into())]).set(up.into());
        self.seen(lane, |seen| seen.up = Some(up));
    }

    /// The journal committed this many operations at once.
    pub fn journal_commit(&self, took: Duration, operations: usize) {
        self.0.journal_commit.observe(took.as_secs_f64());
        self.0.journal_operations.observe(operations as f64);
    }

    /// The size of the journal's file.
    pub fn set_journal_bytes(&self, bytes: u64) {
        self.0.journal_bytes.set(signed(bytes));
    }

    /// Whether messages are taken from a queue.
    pub fn set_queue_up(&self, queue: &str, up: bool) {
        self.0.queue_up.get_or_create(&[("queue", queue.into())]).set(up.into());
    }

    /// How many messages of a queue wait with akund.
    pub fn set_queue_held(&self, queue: &str, messages: usize) {
        self.0.queue_held.get_or_create(&[("queue", queue.into())]).set(signed(messages as u64));
    }

    /// A message was sent to the dead-letter exchange.
    pub fn dead_letter(&self, queue: &str) {
        self.0.dead_letters.get_or_create(&[("queue", queue.into())]).inc();
    }

    /// An outcome document was published, or came back.
    pub fn publication(&self, queue: &str, result: PublicationResult) {
        self.0.publications.get_or_create(&[("queue", queue.into()), ("result", result.as_str().into())]).inc();
    }

    /// How many outcome documents wait to be published.
    pub fn set_publications_due(&self, queue: &str, documents: u64) {
        self.0.publications_due.get_or_create(&[("queue", queue.into())]).set(signed(documents));
    }

    /// The size of its write-ahead log, and the room on its file system.
    pub fn set_journal_room(&self, wal: u64, free: u64) {
        self.0.journal_wal_bytes.set(signed(wal));
        self.0.journal_free_bytes.set(signed(free));
    }

    /// Whether akund is well, as `/healthz` says it.
    pub fn set_well(&self, well: bool) {
        self.0.well.set(well.into());
    }

    /// Until when a server's certificate is valid, Unix time. `server` is a name of the configuration.
    pub fn set_certificate_expiry(&self, server: &str, until: i64) {
        self.0.certificate_expiry.get_or_create(&[("server", server.into())]).set(until as f64);
    }

    /// When the next of what a file holds ends, Unix time. `file` is a path of the configuration.
    pub fn set_credential_expiry(&self, file: &str, until: i64) {
        self.0.credential_expiry.get_or_create(&[("file", file.into())]).set(until as f64);
    }

    /// When a secret's file was last changed, Unix time. `file` is a path of the configuration.
    pub fn set_credential_modified(&self, file: &str, at: f64) {
        self.0.credential_modified.get_or_create(&[("file", file.into())]).set(at);
    }

    /// An operator's order ended. `verb` is the command's name.
    pub fn order(&self, verb: &'static str, result: OrderResult) {
        self.0.orders.get_or_create(&[("verb", verb.into()), ("result", result.as_str().into())]).inc();
    }

    /// A notice ended.
    pub fn notice(&self, lane: &str, kind: NoticeKind, result: NoticeResult) {
        let labels = [("lane", lane.into()), ("kind", kind.as_str().into()), ("result", result.as_str().into())];
        self.0.notices.get_or_create(&labels).inc();
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
            self.0.lane_oldest.get_or_create(&[("lane", lane.clone())]).set(age);
        }
        for (procedure, sla) in self.0.sla.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let labels = [("procedure", procedure.clone())];
            match &sla.first {
                Some((standard, due)) => {
                    let left = standard::left(&standard.calendar, *due, now);
                    self.0.sla_left.get_or_create(&labels).set(left as f64);
                }
                None => drop(self.0.sla_left.remove(&labels)),
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
mod tests {
    use super::*;
    use crate::observe::exposition::tests::{Exposition, parse};

    /// One call of each method.
    fn lively() -> Metrics {
        let m = Metrics::new();
        m.request_judged("generic", "permit");
        m.set_requests_in_state("working", 3);
        m.records_rejected("humas", 1);
        m.duplicate("humas");
        m.intake_file("local", FileResult::Accepted);
        m.set_intake_open(true);
        m.step_ended("mail", Verb::Apply, StepResult::Done);
        m.step_attempted("mail", Verb::Apply, None, Duration::from_millis(5));
        m.step_attempted("mail", Verb::Prove, Some(FaultClass::Transient), Duration::from_secs(7_200));
        m.batch("mail", 200);
        m.lane_spent("mail", LanePart::Work, Duration::from_millis(5));
        m.set_lane_ready("mail", 12, Some(Timestamp::now() - Duration::from_secs(90)));
        m.set_lane_ready("hotspot", 0, None);
        m.set_lane_paused("mail", true);
        m.set_target_up("mail", false);
        m.journal_commit(Duration::from_micros(300), 40);
        m.set_journal_bytes(4_096);
        m.set_queue_up("requests", true);
        m.set_queue_held("requests", 3);
        m.dead_letter("requests");
        m.publication("requests", PublicationResult::Unroutable);
        m.set_publications_due("requests", 2);
        m.set_journal_room(8_192, 1 << 40);
        m.set_well(true);
        m.set_certificate_expiry("ldap.example.org", 1_930_780_800);
        m.set_credential_expiry("/etc/akund/ca.pem", 1_930_780_800);
        m.set_credential_modified("/etc/akund/ldap-password", 1_800_000_000.5);
        m.proof("mail", Some(Proof::Login));
        m.proof("mail", None);
        m.order("retry", OrderResult::Refused);
        m.notice("email", NoticeKind::Credentials, NoticeResult::HandedOver);
        m
    }

    fn value(text: &Exposition, sample: &str) -> f64 {
        *text.samples.get(sample).unwrap_or_else(|| panic!("no {sample} in {:?}", text.samples.keys()))
    }

    #[test]
    fn both_formats_keep_their_grammar_and_hold_the_same_samples() {
        let metrics = lively();
        metrics.set_lane_ready("mail", 12, None);
        let open = parse(&metrics.encode(), true);
        let plain = parse(&metrics.encode_plain(), false);
        assert_eq!(open.samples, plain.samples);
        assert_eq!(open.types.get("akund_requests").map(String::as_str), Some("counter"));
        assert_eq!(plain.types.get("akund_requests_total").map(String::as_str), Some("counter"));
        assert_eq!(plain.types.get("akund_step_seconds").map(String::as_str), Some("histogram"));
    }

    #[test]
    fn each_call_is_seen_under_its_name_and_labels() {
        let text = parse(&lively().encode_plain(), false);
        for (sample, expected) in [
            ("akund_requests_total{procedure=\"generic\",verdict=\"permit\"}", 1.0),
            ("akund_requests_in_state{state=\"working\"}", 3.0),
            ("akund_records_rejected_total{source=\"humas\"}", 1.0),
            ("akund_duplicates_total{source=\"humas\"}", 1.0),
            ("akund_intake_files_total{source=\"local\",result=\"accepted\"}", 1.0),
            ("akund_intake_open", 1.0),
            ("akund_steps_total{lane=\"mail\",verb=\"apply\",result=\"done\"}", 1.0),
            ("akund_step_attempts_total{lane=\"mail\",verb=\"apply\",fault=\"none\"}", 1.0),
            ("akund_step_attempts_total{lane=\"mail\",verb=\"prove\",fault=\"transient\"}", 1.0),
            ("akund_step_seconds_count{lane=\"mail\",verb=\"apply\"}", 1.0),
            ("akund_step_seconds_bucket{le=\"0.004\",lane=\"mail\",verb=\"apply\"}", 0.0),
            ("akund_step_seconds_bucket{le=\"0.016\",lane=\"mail\",verb=\"apply\"}", 1.0),
            ("akund_step_seconds_bucket{le=\"+Inf\",lane=\"mail\",verb=\"prove\"}", 1.0),
            ("akund_batch_size_sum{lane=\"mail\"}", 200.0),
            ("akund_lane_ready{lane=\"mail\"}", 12.0),
            ("akund_lane_oldest_seconds{lane=\"hotspot\"}", 0.0),
            ("akund_lane_paused{lane=\"mail\"}", 1.0),
            ("akund_target_up{lane=\"mail\"}", 0.0),
            ("akund_journal_commit_seconds_count", 1.0),
            ("akund_journal_ops_per_commit_sum", 40.0),
            ("akund_journal_bytes", 4096.0),
            ("akund_queue_up{queue=\"requests\"}", 1.0),
            ("akund_queue_held{queue=\"requests\"}", 3.0),
            ("akund_queue_dead_letters_total{queue=\"requests\"}", 1.0),
            ("akund_publications_total{queue=\"requests\",result=\"unroutable\"}", 1.0),
            ("akund_publications_due{queue=\"requests\"}", 2.0),
            ("akund_journal_wal_bytes", 8192.0),
            ("akund_journal_free_bytes", (1_u64 << 40) as f64),
            ("akund_well", 1.0),
            ("akund_certificate_expiry_seconds{server=\"ldap.example.org\"}", 1_930_780_800.0),
            ("akund_credential_expiry_seconds{file=\"/etc/akund/ca.pem\"}", 1_930_780_800.0),
            ("akund_credential_modified_seconds{file=\"/etc/akund/ldap-password\"}", 1_800_000_000.5),
            ("akund_proofs_total{lane=\"mail\",result=\"login\"}", 1.0),
            ("akund_proofs_total{lane=\"mail\",result=\"failed\"}", 1.0),
            ("akund_orders_total{verb=\"retry\",result=\"refused\"}", 1.0),
            ("akund_notices_total{lane=\"email\",kind=\"credentials\",result=\"handed-over\"}", 1.0),
        ] {
            assert_eq!(value(&text, sample), expected, "{sample}");
        }
        assert_eq!(value(&text, &format!("akund_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))), 1.0);
        let now = unix(Timestamp::now());
        assert!((0.0..60.0).contains(&(now - value(&text, "akund_start_time_seconds"))));
        assert!((0.0..60.0).contains(&(now - value(&text, "akund_lane_last_fault_seconds{lane=\"mail\"}"))));
    }

    #[test]
    fn the_oldest_steps_age_grows_without_anybody_waking_and_ends_with_the_wait() {
        let metrics = Metrics::new();
        let lane = "akund_lane_oldest_seconds{lane=\"mail\"}";
        metrics.set_lane_ready("mail", 1, Some(Timestamp::now() - Duration::from_secs(90)));
        let age = |m: &Metrics| value(&parse(&m.encode(), true), lane);
        let first = age(&metrics);
        assert!((90.0..150.0).contains(&first), "{first}");
        std::thread::sleep(Duration::from_millis(5));
        assert!(age(&metrics) > first);
        metrics.set_lane_ready("mail", 0, None);
        assert_eq!(age(&metrics), 0.0);
        metrics.set_lane_ready("mail", 1, Some(Timestamp::now() + Duration::from_secs(90)));
        assert_eq!(age(&metrics), 0.0, "a clock set back gives no negative age");
    }

    #[test]
    fn a_strange_name_cannot_break_the_format() {
        let metrics = Metrics::new();
        metrics.records_rejected("a\"b\\c\nakund_forged 1", 1);
        for (text, open) in [(metrics.encode(), true), (metrics.encode_plain(), false)] {
            let parsed = parse(&text, open);
            assert!(!parsed.samples.contains_key("akund_forged"), "{text}");
            assert_eq!(value(&parsed, "akund_records_rejected_total{source=\"a\\\"b\\\\c\\nakund_forged 1\"}"), 1.0);
        }
    }

    #[test]
    fn counting_from_many_threads_loses_nothing() {
        let metrics = Metrics::new();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1_000).for_each(|_| metrics.request_judged("generic", "permit")));
            }
        });
        let text = parse(&metrics.encode(), true);
        assert_eq!(value(&text, "akund_requests_total{procedure=\"generic\",verdict=\"permit\"}"), 8_000.0);
    }
}
