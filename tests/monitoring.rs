//! What monitoring systems are given: rules, their tests, a dashboard, the runbook, the Nagios plugin; against the metrics of the real program.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code, reason = "shared with other tests")]
mod daemon;

use daemon::{Setup, Site, records};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/monitoring").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(shipped(name)).unwrap()
}

/// Runs Prometheus's own tool. That it is missing fails the test: package prometheus.
fn promtool(arguments: &[&str]) -> String {
    let output = Command::new("promtool").current_dir(shipped("")).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("promtool (package prometheus) cannot be run: {e}"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

fn alerts() -> BTreeSet<String> {
    let rules = read("akund.rules.yml");
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}

/// Every `akund_…` name in a text.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("akund_")).map(str::to_owned).collect()
}

/// Every expression of the dashboard.
fn dashboard() -> Vec<String> {
    let dashboard: serde_json::Value = serde_json::from_str(&read("grafana-akund.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn prometheus_takes_the_rules_and_each_alert_speaks_when_its_test_says_so() {
    promtool(&["check", "rules", "akund.rules.yml"]);
    let mut tested = BTreeSet::new();
    for tests in ["akund.rules.test.yml", "akund.rules.days.test.yml"] {
        promtool(&["test", "rules", tests]);
        let text = read(tests);
        // An alert counts as tested where a test expects it to speak: the name stands on a line of its own there.
        tested.extend(text.lines().filter_map(|line| line.trim().strip_prefix("alertname: ")).map(str::to_owned));
    }
    assert_eq!(alerts(), tested);
}

#[test]
fn prometheus_understands_every_expression_of_the_dashboard() {
    let expressions = dashboard();
    assert!(expressions.len() > 25, "{}", expressions.len());
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (n, expression) in expressions.iter().enumerate() {
        let expression = expression.replace("$__rate_interval", "5m").replace("$instance", ".*");
        rules.push_str(&format!("      - {{record: 'panel:{n}', expr: '{expression}'}}\n"));
    }
    let file = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()]);
}

#[test]
fn the_runbook_has_a_heading_for_each_alert_and_no_other() {
    let runbook = read("RUNBOOK.md");
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("## Akund")).map(|rest| format!("Akund{rest}"));
    assert_eq!(headings.collect::<BTreeSet<_>>(), alerts());
}

#[test]
fn every_metric_of_rules_and_dashboard_is_one_that_the_daemon_shows() {
    let secret = "[[target.radius.nas]]\naddress = \"127.0.0.1:9\"\nsecret_file = \"./nas-secret\"\n";
    let channel = format!("{}{secret}", Setup::default().channel);
    let site = Site::with(Setup { channel, ..Setup::default() });
    std::fs::write(site.path("nas-secret"), "a secret of the access point\n").unwrap();
    let mut daemon = site.start();
    site.drop_in("a.toml", records::good("A/1", "satu"));
    site.until_rest(1);
    site.drop_in("b.toml", records::good("A/1", "satu"));
    site.drop_in("c.toml", "akund = 1\nid = 5\n");
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    site.until("both are taken", || site.incoming().is_empty());
    let mut shown = String::new();
    site.until("all of it is counted", || {
        shown = daemon.get("/metrics").1;
        ["akund_duplicates_total", "akund_records_rejected_total"].iter().all(|name| shown.contains(name))
    });
    assert!(!daemon.has_ended());
    let shown = metrics_in(&shown);
    // Known only once a server has shown its certificate, and a lane has met a fault; their own tests see to both.
    // Likewise where a file holds something that ends, and while something runs that must be done in time.
    let later = [
        "certificate_expiry_seconds",
        "lane_last_fault_seconds",
        "credential_expiry_seconds",
        "sla_left_seconds",
        "operator_notices_total",
    ]
    .map(|name| format!("akund_{name}"));
    // Those of queues are shown where there is a queue: the queue's own tests.
    let of_queue = |name: &String| name.contains("_queue_") || name.contains("_publications_");
    let rules = read("akund.rules.yml");
    let mut wanted = metrics_in(&rules);
    wanted.extend(metrics_in(&dashboard().join(" ")));
    let missing: Vec<String> =
        wanted.into_iter().filter(|name| !shown.contains(name) && !later.contains(name) && !of_queue(name)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in {shown:#?}");
}

#[test]
fn every_metric_is_used_by_a_rule_or_shown_on_the_dashboard_and_is_one_that_there_is() {
    let used = metrics_in(&format!("{} {}", read("akund.rules.yml"), dashboard().join(" ")));
    let names: Vec<&str> = akund::observe::metrics::Metrics::described().iter().map(|(name, _)| *name).collect();
    let is_of = |used: &str, name: &str| {
        let rest = used.strip_prefix(name);
        rest.is_some_and(|rest| ["", "_total", "_bucket", "_sum", "_count"].contains(&rest))
    };
    let unused: Vec<&&str> = names.iter().filter(|name| !used.iter().any(|one| is_of(one, name))).collect();
    assert!(unused.is_empty(), "{unused:?}");
    let unknown: Vec<&String> = used.iter().filter(|one| !names.iter().any(|name| is_of(one, name))).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn no_label_holds_who_it_is_about() {
    let site = Site::new();
    let daemon = site.start();
    site.drop_in("a.toml", records::good("A/1", "satu"));
    site.until_rest(1);
    let (_, metrics) = daemon.get("/metrics");
    let (_, outcome) = site.told(&["show", "A/1", "--json"]);
    let outcome: serde_json::Value = serde_json::from_str(&outcome).unwrap();
    for personal in [&outcome["account"]["address"], &outcome["account"]["username"], &outcome["request"]["uid"]] {
        let personal = personal.as_str().unwrap();
        assert!(!metrics.contains(personal), "{personal} in\n{metrics}");
    }
    assert!(!metrics.contains("A/1"), "{metrics}");
}

#[test]
fn the_status_page_of_the_real_program_shows_its_requests_and_lanes() {
    let site = Site::new();
    let daemon = site.start();
    site.drop_in("a.toml", records::good("A/1", "satu"));
    site.until_rest(1);
    let mut page = String::new();
    // The page may be two seconds old.
    site.until("the page shows the request", || {
        page = daemon.get("/?lang=en").1;
        page.contains(":A/1@1") || page.contains(":A&#x2f;1@1")
    });
    for lane in ["credentials", "mail", "radius", "email"] {
        assert!(page.contains(&format!("<th scope=\"row\">{lane}</th>")), "{lane} in\n{page}");
    }
    let (_, rest) = page.split_once("href=\"/request/").unwrap();
    let uid = rest.split(['?', '"']).next().unwrap();
    let (status, one) = daemon.get(&format!("/request/{uid}?lang=id"));
    assert_eq!(status, 200);
    assert!(one.contains("tersimpan dan cocok"), "{one}");
}

#[test]
fn nagios_is_told_in_one_line_whether_akund_runs_or_not() {
    let site = Site::new();
    let (code, said) = site.told(&["check", "--nagios"]);
    assert_eq!(code, 3, "no port is known: {said}");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = site.path("akund.toml");
    let text = std::fs::read_to_string(&config).unwrap().replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    std::fs::write(&config, text).unwrap();
    let (code, said) = site.told(&["check", "--nagios"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.starts_with("AKUND CRITICAL - akund does not answer"), "{said}");
    let _daemon = site.start();
    site.until("it is well", || site.told(&["check", "--nagios"]).0 == 0);
    let (_, said) = site.told(&["check", "--nagios"]);
    assert!(said.starts_with("AKUND OK - 0 working, 0 waiting, 0 held | stuck=0;0;;0 "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    let (code, said) = site.told(&["check", "--nagios"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("AKUND WARNING - paused: email |"), "{said}");
}
