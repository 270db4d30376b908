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
    m.retention_swept(Timestamp::now());
    m.retention_removed("files", 2);
    m.set_retention_failing(false);
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
        ("akund_publications_total{outlet=\"requests\",result=\"unroutable\"}", 1.0),
        ("akund_publications_due{outlet=\"requests\"}", 2.0),
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
fn what_is_left_shrinks_without_anybody_waking_and_ends_with_what_runs() {
    let metrics = Metrics::new();
    metrics.request_judged("surel", "permit");
    let standing = |text: &Exposition, word: &str| {
        value(text, &format!("akund_sla_requests{{procedure=\"surel\",standing=\"{word}\"}}"))
    };
    let text = parse(&metrics.encode(), true);
    assert_eq!(["in-time", "warned", "breached"].map(|word| standing(&text, word)), [0.0; 3]);
    let mut calendar = crate::procedure::calendar::Calendar::usual(jiff::tz::TimeZone::UTC);
    calendar.hours.fill(vec![(0, 24 * 60)]);
    let standard = Arc::new(Standard { calendar, rows: Vec::new(), deadlines: Vec::new() });
    let left = "akund_sla_left_seconds{procedure=\"surel\"}";
    for (seconds, breached) in [(600, 0), (-600, 2)] {
        let due = Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        let sla = Sla { in_time: 1, warned: 0, breached, first: Some((standard.clone(), due)) };
        metrics.set_sla(BTreeMap::from([("surel".to_owned(), sla)]));
        let text = parse(&metrics.encode(), true);
        assert_eq!((standing(&text, "breached"), metrics.breached()), (breached as f64, breached));
        let shown = value(&text, left);
        assert!((seconds as f64 - 60.0..=seconds as f64 + 1.0).contains(&shown), "{shown}");
    }
    metrics.set_sla(BTreeMap::new());
    let text = parse(&metrics.encode(), true);
    assert_eq!((standing(&text, "breached"), metrics.breached()), (0.0, 0));
    assert!(!text.samples.contains_key(left), "nothing runs: nothing is left of anything");
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
