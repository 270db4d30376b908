//! Planned and actual minutes, deadlines, and their alarms: each once, whatever happens to the daemon.

use crate::daemon::{Setup, Site, count, crashed, records};

/// The shipped procedure, in which every minute is working time and everything is late: the test's approvals are two days old.
fn hurried() -> String {
    let (head, _) = records::PROCEDURE.split_once("[calendar]").unwrap();
    format!(
        "{head}[calendar]\nworking_days = [\"monday\", \"tuesday\", \"wednesday\", \"thursday\", \"friday\", \"saturday\", \"sunday\"]\n\
         hours = \"00:00-24:00\"\n[[deadline]]\nname = \"sejak persetujuan\"\nfrom = \"approved\"\nto = \"handed-over\"\n\
         working_minutes = 5\nstep = \"6\"\n[[deadline]]\nname = \"satu hari kerja\"\nfrom = \"applied\"\nto = \"handed-over\"\n\
         working_days = 1\n"
    )
}

fn site() -> Site {
    let site = Site::with(Setup::default());
    std::fs::write(site.path("procedures/generic.toml"), hurried()).unwrap();
    site
}

fn alarms(site: &Site) -> usize {
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    count(&journal, "SELECT count(*) FROM event WHERE kind = 'deadline' AND detail ->> 'alarm' = 'breached'")
}

#[test]
fn a_missed_deadline_is_an_event_a_metric_and_exit_code_1_and_stands_in_show_and_outcome() {
    let site = site();
    let daemon = site.start();
    assert_eq!(site.told(&["list", "--overdue"]).0, 0);
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    site.drop_in("a.toml", records::good("W/1", "waktu"));
    site.until("the alarm is raised", || alarms(&site) == 1);
    // Counted after it stands in the journal, and thus a moment later.
    let counted = "akund_deadline_alarms_total{procedure=\"generic\",alarm=\"breached\"} 1\n";
    site.until("the alarm is counted", || daemon.get("/metrics").1.contains(counted));
    let (_, metrics) = daemon.get("/metrics");
    // By procedure and never by request: one runs, is past its end, and has less than nothing left.
    assert!(metrics.contains("akund_sla_requests{procedure=\"generic\",standing=\"breached\"} 1\n"), "{metrics}");
    assert!(metrics.contains("akund_sla_left_seconds{procedure=\"generic\"} -"), "{metrics}");
    let (code, said) = site.told(&["list", "--overdue"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("generic:W/1@1") && said.contains("sejak persetujuan") && said.contains("open"), "{said}");

    assert_eq!(site.told(&["unpause", "email"]).0, 0);
    site.until_rest(1);
    assert_eq!(site.state("generic:W/1@1"), "done");
    // Nothing runs any more; without anything else that would wake the clock.
    site.until("nothing is late now", || {
        let metrics = daemon.get("/metrics").1;
        metrics.contains("standing=\"breached\"} 0\n") && !metrics.contains("akund_sla_left_seconds{")
    });
    // Late it remains, and the working day was kept.
    let (code, said) = site.told(&["list", "--overdue", "--json"]);
    assert_eq!((code, said.matches("\"request\"").count()), (1, 1), "{said}");
    let (_, shown) = site.told(&["show", "W/1"]);
    for wanted in
        ["PLANNED MIN", "Akun dibuat dan diuji", "deadline  sejak persetujuan", "LATE", "deadline  satu hari kerja"]
    {
        assert!(shown.contains(wanted), "{wanted}:\n{shown}");
    }
    let (_, outcome) = site.outcomes().pop_first().unwrap();
    let row =
        |number: &str| outcome["table"].as_array().unwrap().iter().find(|row| row["step"] == number).unwrap().clone();
    assert_eq!(row("5")["planned_minutes"], 30);
    assert!(row("5")["actual_minutes"].as_u64().unwrap() <= 2, "{outcome:#}");
    assert!(row("4")["ended_at"].is_string() && row("5")["ended_at"].is_string() && row("6")["ended_at"].is_string());
    let late: Vec<bool> =
        outcome["deadlines"].as_array().unwrap().iter().map(|deadline| deadline["late"] == true).collect();
    assert_eq!(late, [true, false], "{outcome:#}");
    daemon.terminate();
    assert_eq!(alarms(&site), 1);
}

#[test]
fn an_alarm_is_raised_once_around_a_kill_and_also_for_what_was_missed_meanwhile() {
    let site = site();
    let daemon = site.start();
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    daemon.terminate();
    site.drop_in("a.toml", records::good("W/1", "waktu"));
    let status = site.spawn(&[("AKUND_CRASH_AT", "deadline-raised")]).ended();
    assert!(crashed(status), "{status}:\n{}", site.log());
    assert_eq!(alarms(&site), 1);
    let daemon = site.start();
    site.drop_in("b.toml", records::good("W/2", "waktu2"));
    site.until("the second alarm", || alarms(&site) == 2);
    daemon.kill();
    let daemon = site.start();
    assert_eq!(site.told(&["unpause", "email"]).0, 0);
    site.until_rest(2);
    daemon.terminate();
    assert_eq!(alarms(&site), 2, "each once");
    assert_eq!(site.told(&["audit", "verify"]).0, 0);
}
