//! Every metric: its name, what it is and what it means. A line here is all that a new one needs but a method that sets it.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

pub(super) type Labels<const N: usize> = [(&'static str, String); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Seconds = Gauge<f64, AtomicU64>;
type Gauges<G = Gauge> = Family<Labels<1>, G>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram>;

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

/// `NAME: KIND = "what it means", how it is made where it has no default;`
macro_rules! table {
    ($($name:ident: $kind:ty = $help:literal $(, $make:expr)?;)*) => {
        /// All of them.
        #[derive(Debug)]
        pub(super) struct Table {
            $(pub(super) $name: $kind,)*
        }

        impl Table {
            /// At zero, and known to the registry.
            pub(super) fn register(registry: &mut Registry) -> Self {
                $(
                    let $name = table!(@made $kind $(, $make)?);
                    registry.register(stringify!($name), $help, $name.clone());
                )*
                Self { $($name,)* }
            }
        }

        /// Name (a counter's without `_total`) and meaning of each.
        pub(super) const DESCRIBED: &[(&str, &str)] = &[$((concat!("akund_", stringify!($name)), $help),)*];
    };
    (@made $kind:ty) => { <$kind>::default() };
    (@made $kind:ty, $make:expr) => { $make };
}

table! {
    build_info: Gauges = "The version that runs";
    start_time_seconds: Seconds = "When the daemon started, Unix time";
    requests: Counters<2> = "Records judged, by procedure and verdict";
    requests_in_state: Gauges = "Requests, by state";
    records_rejected: Counters<1> = "Records that could not be parsed, by source";
    duplicates: Counters<1> = "Records that had been accepted before, by source";
    intake_files: Counters<2> = "Files handed in, by source and result";
    intake_open: Gauge = "Whether requests are taken";
    steps: Counters<3> = "Steps that ended, by lane, verb and result";
    step_attempts: Counters<3> = "Attempts of steps, by lane, verb and fault; none: it succeeded";
    proofs: Counters<2> =
        "Attempts to show that an account works, by lane and result: login, stored, observed or failed";
    step_seconds: Histograms<2> = "Time that a step's attempt took", Histograms::new_with_constructor(step_buckets);
    batch_size: Histograms<1> = "Steps in a batch", Histograms::new_with_constructor(size_buckets);
    lane_seconds: Family<Labels<2>, Counter<f64, AtomicU64>> =
        "Time that a lane's slots spent, by part: work, at the target or channel; journal, recording and claiming";
    lane_ready: Gauges = "Steps that wait in a lane";
    lane_stuck: Gauges = "Steps of a lane that need a person";
    lane_paused: Gauges = "Whether a lane is paused";
    lane_oldest_seconds: Gauges<Seconds> = "Age of the oldest step that waits in a lane";
    lane_last_fault_seconds: Gauges<Seconds> = "When a lane last met a fault, Unix time";
    target_up: Gauges = "Whether a lane's last attempt reached its server";
    journal_commit_seconds: Histogram = "Time that a commit took", commit_buckets();
    journal_ops_per_commit: Histogram = "Operations in a commit", size_buckets();
    journal_bytes: Gauge = "Size of the journal's file";
    queue_up: Gauges = "Whether messages are taken from a queue; 0: its broker, or the queue itself, is waited for";
    queue_held: Gauges =
        "Messages of a queue that wait with akund, unacknowledged, because they cannot be admitted now";
    queue_dead_letters: Counters<1> =
        "Messages that could not be accepted and were sent to the dead-letter exchange, by queue";
    publications: Counters<2> =
        "Attempts to publish an outcome document, by outlet (a webhook, a queue's exchange) and result; unroutable: no queue is bound";
    publications_due: Gauges = "Outcome documents that wait to be published, by outlet";
    journal_wal_bytes: Gauge = "Size of the journal's write-ahead log";
    journal_free_bytes: Gauge = "Room on the journal's file system";
    well: Gauge = "Whether the journal can be written and everything that must move moves";
    certificate_expiry_seconds: Gauges<Seconds> =
        "Until when the certificate is valid that a server (HOST:PORT) last showed, Unix time";
    credential_expiry_seconds: Gauges<Seconds> =
        "When the next certificate or key in a file ends, Unix time: in a ca_file and among allowed signers";
    credential_modified_seconds: Gauges<Seconds> = "When a file with a secret was last changed, Unix time";
    orders: Counters<2> = "Operators' orders, by verb and result";
    notices: Counters<3> = "Notices, by lane, kind and result";
    deadline_alarms: Counters<2> =
        "What took longer than the procedure allows, or nearly, by procedure and alarm: warned, breached";
    sla_requests: Family<Labels<2>, Gauge> =
        "Requests on which something runs that must be done in time, by procedure and the worst standing: in-time, warned, breached";
    sla_left_seconds: Gauges<Seconds> =
        "Working time left to the first end of what runs, by procedure; below zero: past it";
    retention_swept_seconds: Seconds =
        "When all that is kept was last looked through for what is older than the configuration says, Unix time; 0: never";
    retention_failing: Gauge = "Whether the last look failed to remove something that is kept no longer; it is tried again hourly";
    retention_removed: Counters<1> =
        "What was removed because it is kept no longer, by what: files, requests, accounts, orders";
    operator_notices: Counters<2> = "Notices to the operator, by kind and result";
}
