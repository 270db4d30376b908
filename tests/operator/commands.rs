//! Exit codes, JSON and help of each command.

use crate::blocks::{blocks, read};
use crate::service::{Site, dated, text, wait};
use rusqlite::Connection;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The READMEs' record.
pub fn record() -> String {
    let blocks = blocks(&read("README.md"));
    let (_, found) = blocks.into_iter().find(|(_, block)| block.language == "toml" && block.kind == "record").unwrap();
    dated(&found.body)
}

const COMMANDS: [&[&str]; 27] = [
    &["run"],
    &["check"],
    &["submit"],
    &["list"],
    &["show"],
    &["retry"],
    &["release"],
    &["redeliver"],
    &["arrived"],
    &["withdraw"],
    &["pause"],
    &["unpause"],
    &["audit"],
    &["schema"],
    &["template"],
    &["demo"],
    &["register"],
    &["register", "find"],
    &["register", "export"],
    &["register", "import"],
    &["audit", "verify"],
    &["audit", "show"],
    &["journal"],
    &["journal", "backup"],
    &["journal", "unknown"],
    &["journal", "restored"],
    &["template", "preview"],
];

#[test]
fn every_commands_help_has_an_example_of_that_command_and_fits_a_terminal() {
    let site = Site::new();
    for command in COMMANDS {
        let output =
            site.command(env!("CARGO_BIN_EXE_akund")).args(command).arg("--help").env("COLUMNS", "80").output();
        let help = text(&output.unwrap());
        let (_, examples) = help.split_once("Example").unwrap_or_else(|| panic!("{command:?} has no example: {help}"));
        assert!(examples.contains(&format!("akund {}", command.join(" "))), "{command:?}: {examples}");
        for line in help.lines() {
            assert!(line.chars().count() <= 100, "{command:?}: {line}");
        }
    }
}

#[test]
fn exit_0_64_65_69_74_77_and_78_say_what_kind_of_failure_it_was() {
    let site = Site::new();
    site.exits(0, &["schema", "request"]);
    site.exits(64, &["no-such-command"]);
    site.exits(64, &["list", "--state", "dead"]);
    let letter = ["--letter", "surat.pdf", "--number", "1", "--signed-by", "head", "--signed-on", "22-11-2026"];
    let said = site.exits(64, &[&["release", "B-12/2026"], &letter[..]].concat());
    assert!(said.contains("YYYY-MM-DD") && said.contains("write 2026-11-22"), "{said}");
    site.write("bad.toml", "akund = 1\nid = ");
    site.exits(65, &["submit", "bad.toml"]);
    let said = site.exits(69, &["list"]);
    assert!(said.contains("journal"), "there is none yet: {said}");
    site.write("request.toml", &record());
    let said = site.exits(69, &["submit", "request.toml"]);
    assert!(said.contains("incoming") && said.contains("akund run"), "there is no spool yet: {said}");
    let said = site.exits(74, &["submit", "missing.toml"]);
    assert!(said.contains("missing.toml"), "{said}");
    site.exits(78, &["--config", "missing.toml", "check"]);
    site.exits(78, &["--config", "missing.toml", "run"]);
}

#[test]
fn output_that_cannot_be_written_is_exit_74_and_a_reader_that_has_seen_enough_is_none() {
    let site = Site::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = site.command(env!("CARGO_BIN_EXE_akund"));
    let output = command.args(["schema", "request"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(74), "{}", text(&output));
    let script = "akund schema request | head -n 1 >/dev/null; exit ${PIPESTATUS[0]}";
    let output = site.command("bash").args(["-c", script]).output().unwrap();
    assert_eq!((output.status.code(), text(&output).as_str()), (Some(0), ""));
}

#[test]
fn exit_77_names_what_may_not_be_written_and_75_asks_to_try_again() {
    assert!(nix::unistd::geteuid().is_root(), "run as root, so that there are users who may not");
    let site = Site::new();
    let config = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), config + "[[source]]\nname = \"local\"\nowners = [\"root\", \"nobody\"]\n").unwrap();
    let daemon = site.start();
    site.write("request.toml", &record());
    // As akund's spool is for others: its directory can be passed through, and no more.
    for open in ["", "akund-demo", "akund-demo/spool"] {
        fs::set_permissions(site.here.join(open), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    for closed in ["spool/incoming", "state"] {
        fs::set_permissions(site.at(closed), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    let program = site.here.join("akund");
    fs::copy(env!("CARGO_BIN_EXE_akund"), &program).unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    for arguments in [&["submit", "request.toml"][..], &["list"]] {
        let mut command = site.command(program.to_str().unwrap());
        command.args(arguments).uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
        // A process that another test forks at this moment may still hold the copy open.
        let mut output = command.output();
        wait("the copied program to be nobody else's", || {
            let busy = matches!(&output, Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy);
            if busy {
                output = command.output();
            }
            !busy
        });
        let output = output.unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(77), "{arguments:?}: {said}");
        assert!(said.contains("ermission denied") || said.contains("not permitted"), "{said}");
    }
    assert_eq!(daemon.stop(), Some(0));
    // Without a daemon a file stays where it is, and one of the same name has to wait; so has an order.
    site.exits(0, &["submit", "request.toml"]);
    let said = site.exits(75, &["submit", "request.toml"]);
    assert!(said.contains("waits in the spool already"), "{said}");
    let said = site.exits(75, &["pause", "email", "--reason", "test"]);
    assert!(said.contains("no daemon"), "{said}");
}

#[test]
fn exit_1_is_a_negative_answer() {
    let site = Site::new();
    let refused = record().replace("decision = \"approved\"", "decision = \"refused\"\nreason = \"pindah\"");
    site.write("request.toml", &refused);
    let said = site.exits(1, &["submit", "--dry-run", "request.toml"]);
    assert!(said.contains("refuse"), "{said}");
    let daemon = site.start();
    let said = site.exits(1, &["show", "nobody"]);
    assert!(said.contains("akund list"), "{said}");
    assert!(site.exits(1, &["pause", "no-such-lane"]).contains("no-such-lane"));
    assert_eq!(daemon.stop(), Some(0));
    site.exits(0, &["audit", "verify"]);
    site.exits(1, &["audit", "verify", "--head", &format!("1:{}", "0".repeat(64))]);
    site.exits(64, &["audit", "verify", "--head", "nonsense"]);
}

#[test]
fn an_order_of_roots_is_recorded_as_roots_although_the_journal_is_akunds() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let state = site.at("state");
    let files = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path());
    for path in files.chain([site.here.clone(), site.at(""), state.clone()]) {
        nix::unistd::chown(&path, Some(nobody.uid), None).unwrap();
    }
    site.exits(75, &["pause", "email", "--reason", "test"]);
    let db = Connection::open(site.at("state/journal.db")).unwrap();
    let login: String = db.query_row("SELECT login FROM orders", [], |row| row.get(0)).unwrap();
    assert_ne!(login, "nobody");
}

#[test]
fn every_command_prints_one_json_document() {
    let site = Site::new();
    assert!(site.json(&["list"])["error"].is_string(), "a failure is a document, too");
    let daemon = site.start();
    site.write("request.toml", &record());
    site.write("held.toml", &record().replace("B-12/2026", "H-1").replace("kind = \"form\"", "kind = \"ticket\""));
    site.write("bad.csv", "akund,id\n1,X\n");
    let dry = site.json(&["submit", "--dry-run", "request.toml"]);
    let judged = &dry[0]["judged"][0];
    assert_eq!((&judged["verdict"], &judged["plan"][0]["verb"]), (&"permit".into(), &"mint".into()), "{dry:#}");
    assert!(judged["plan"].as_array().is_some_and(|plan| plan.len() == 6), "{dry:#}");
    let checklist = judged["checklist"].as_array().unwrap();
    let met = |what: &str| &checklist.iter().find(|check| check["requirement"] == what).unwrap()["met"];
    assert_eq!((met("approval: head"), met("address free in the register")), (&true.into(), &serde_json::Value::Null));
    let one = site.exits(0, &["submit", "--dry-run", "request.toml"]);
    assert!(one.contains("request.toml: 1 record, 0 bad"), "{one}");
    assert!(site.json(&["submit", "bad.csv"])[0]["bad"].as_u64().unwrap() > 0);
    assert!(site.json(&["submit", "request.toml", "held.toml"])[1]["handed_in"].is_string());
    wait("both requests", || site.json(&["list"]).as_array().unwrap().len() == 2);
    site.wait_for("B-12/2026", "done");
    site.wait_for("H-1", "held");
    assert_eq!(site.json(&["pause", "email", "--reason", "the server moves"])["state"], "done");
    let said = site.exits(0, &["audit", "show", "--kind", "order"]);
    assert!(said.contains("lane=email") && said.contains("verb=pause"), "{said}");
    assert!(said.contains("reason=\"the server moves\"") && said.contains(" by="), "{said}");
    assert_eq!(site.json(&["unpause", "email"])["state"], "done");
    assert_eq!(site.json(&["retry", "B-12/2026"])["state"], "refused", "it is not stuck");
    assert_eq!(site.json(&["release", "H-1"])["state"], "refused", "a form is missing");
    assert_eq!(site.json(&["withdraw", "H-1", "--reason", "test"])["state"], "done");
    site.wait_for("H-1", "withdrawn");
    assert_eq!(site.json(&["audit", "verify"])["good"], true);
    assert!(!site.json(&["audit", "show"]).as_array().unwrap().is_empty());
    assert!(site.json(&["check"]).is_array());
    for schema in ["request", "procedure", "outcome"] {
        assert!(site.json(&["schema", schema])["$schema"].is_string());
    }
    for notice in ["credentials", "refusal", "redirect", "form", "incomplete", "conflict", "changed"] {
        assert!(site.json(&["template", "preview", notice, "--language", "en"])["text"].is_string());
    }
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_dry_run_ticks_off_nothing_that_only_the_register_knows() {
    let site = Site::new();
    let procedure = site.at("procedures/generic.toml");
    let text = fs::read_to_string(&procedure).unwrap();
    let strict = ["one_account_per_holder = false", "one_account_per_unit = false"]
        .iter()
        .fold(text, |text, rule| text.replace(rule, &rule.replace("false", "true")));
    fs::write(&procedure, strict).unwrap();
    site.write("request.toml", &record());
    let dry = site.json(&["submit", "--dry-run", "request.toml"]);
    let judged = &dry[0]["judged"][0];
    assert_eq!(judged["verdict"], "permit", "{dry:#}");
    let checklist = judged["checklist"].as_array().unwrap();
    for what in ["holder has no account yet", "unit has no account yet"] {
        let check = checklist.iter().find(|check| check["requirement"] == what).unwrap();
        assert_eq!(check["met"], serde_json::Value::Null, "{check}");
    }
}

#[test]
fn show_and_list_fit_eighty_columns() {
    let site = Site::new();
    let daemon = site.start();
    site.write("request.toml", &record());
    site.exits(0, &["submit", "request.toml"]);
    wait("the request", || site.akund(&["show", "B-12/2026"]).status.success());
    site.wait_for("B-12/2026", "done");
    for arguments in [&["show", "B-12/2026"][..], &["list"]] {
        let output = site.command(env!("CARGO_BIN_EXE_akund")).args(arguments).env("COLUMNS", "80").output().unwrap();
        for line in text(&output).lines() {
            assert!(line.trim_end().chars().count() <= 80, "{line}");
        }
    }
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn ten_thousand_requests_are_listed_at_once() {
    let site = Site::new();
    let daemon = site.start();
    site.write("request.toml", &record());
    site.exits(0, &["submit", "request.toml"]);
    wait("the request", || site.akund(&["show", "B-12/2026"]).status.success());
    site.wait_for("B-12/2026", "done");
    assert_eq!(daemon.stop(), Some(0));
    let db = Connection::open(site.at("state/journal.db")).unwrap();
    db.execute_batch(
        "INSERT INTO request SELECT * FROM request WHERE 0;
         CREATE TEMP TABLE one AS SELECT * FROM request LIMIT 1;
         CREATE TEMP TABLE numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
           SELECT i FROM n;",
    )
    .unwrap();
    let columns: Vec<String> = db
        .prepare("SELECT name FROM pragma_table_info('request')")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let values: Vec<&str> = columns
        .iter()
        .map(|column| match column.as_str() {
            "id" => "numbers.i + 10",
            "uid" => "randomblob(16)",
            "ext_id" => "'N-' || numbers.i",
            other => other,
        })
        .collect();
    let insert = format!("INSERT INTO request ({}) SELECT {} FROM one, numbers", columns.join(","), values.join(","));
    db.execute(&insert, []).unwrap();
    drop(db);
    let start = Instant::now();
    let all = site.json(&["list", "--most", "20000"]);
    assert_eq!(all.as_array().unwrap().len(), 10_001);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}
