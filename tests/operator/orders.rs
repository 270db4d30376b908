//! What the README tells of three orders in its sentences, tried in its very words: reconciling by a report, a machine put back from
//! a snapshot, and what may have been sent already.

use crate::blocks::{block, read};
use crate::service::{Site, dated, text, wait};
use rusqlite::Connection;

/// Each README has these words, wherever its lines break.
fn told(words: &str) {
    for name in ["README.md", "README.id.md"] {
        let text = read(name).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(words), "{name} no longer says {words}");
    }
}

/// A command line as an operator types it, and its exit code.
fn shell(site: &Site, line: &str) -> (Option<i32>, String) {
    let output = site.command("bash").args(["-c", line]).output().unwrap();
    (output.status.code(), text(&output))
}

fn request(id: &str, local: &str) -> String {
    dated(&block("UPT Perpustakaan"))
        .replace("B-12/2026", id)
        .replace("UPT Perpustakaan", local)
        .replace("perpustakaan@", &format!("{local}@"))
}

fn left(site: &Site) -> usize {
    std::fs::read_dir(site.at("outbox")).map_or(0, |files| files.count())
}

#[test]
fn a_report_is_ordered_to_be_put_right_as_the_readme_has_it() {
    told("akund reconcile --fix --from report.json --reason");
    let site = Site::new();
    let config = std::fs::read_to_string(site.config()).unwrap();
    let source = "[[source]]\nname = \"local\"\nactions = [\"create\", \"suspend\", \"reset\"]\n";
    std::fs::write(site.config(), config + source).unwrap();
    let daemon = site.start();
    for (file, id, local) in [("a.toml", "R-1", "satu"), ("b.toml", "R-2", "dua")] {
        site.write(file, &request(id, local));
        site.exits(0, &["submit", file]);
        site.wait_for(id, "done");
    }
    let suspend = request("R-3", "dua").replace("procedure = ", "action = \"suspend\"\nprocedure = ");
    site.write("c.toml", &suspend);
    site.exits(0, &["submit", "c.toml"]);
    site.wait_for("R-3", "done");
    let (code, said) = shell(&site, "akund reconcile");
    assert!(code == Some(0) && said.contains("no differences"), "{said}");
    let mail = Connection::open(site.at("targets/mail/mail.db")).unwrap();
    mail.execute_batch(
        "UPDATE mailboxes SET enabled = 1 WHERE address LIKE 'dua@%'; DELETE FROM mailboxes WHERE address LIKE 'satu@%'",
    )
    .unwrap();
    let radius = Connection::open(site.at("targets/radius/radius.db")).unwrap();
    radius.execute_batch("DELETE FROM radusergroup WHERE username = 'satu'").unwrap();
    let (code, _) = shell(&site, "akund reconcile --json > report.json");
    assert_eq!(code, Some(1));
    let (code, said) = shell(&site, "akund reconcile --fix --from report.json --reason 'put back by hand'");
    assert!(code == Some(1) && said.contains("2 asked for: 2 are being put right"), "{said}");
    assert!(said.contains("of 3 differences 2 were asked for; 1 are left to you"), "{said}");
    wait("what is safe to be put right", || {
        let (_, said) = shell(&site, "akund reconcile --json");
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        report["differences"].as_array().unwrap().len() == 1
    });
    let (_, said) = shell(&site, "akund reconcile");
    assert!(said.contains("missing") && said.contains("hand in a reset"), "it makes no account: {said}");
    site.write("d.toml", &request("R-4", "satu").replace("procedure = ", "action = \"reset\"\nprocedure = "));
    site.exits(0, &["submit", "d.toml"]);
    site.wait_for("R-4", "done");
    let (code, said) = shell(&site, "akund reconcile");
    assert!(code == Some(0) && said.contains("no differences"), "{said}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn of_a_machine_put_back_nothing_leaves_until_it_is_ordered_or_said_to_have_arrived() {
    told("akund journal restored");
    told("--uncertain");
    told("akund retry --lane email --since");
    let site = Site::new();
    let daemon = site.start();
    site.exits(0, &["pause", "email", "--reason", "the test"]);
    for (file, id, local) in [("a.toml", "P-1", "satu"), ("b.toml", "P-2", "dua")] {
        site.write(file, &request(id, local));
        site.exits(0, &["submit", file]);
        wait("its notice to wait", || {
            let shown = site.json(&["show", id]);
            let steps = shown["steps"].as_array().cloned().unwrap_or_default();
            steps.iter().any(|step| step["verb"] == "deliver" && step["state"] == "ready")
        });
    }
    let (code, said) = shell(&site, "akund journal restored");
    assert_eq!(code, Some(69), "not while the daemon runs: {said}");
    assert_eq!(daemon.stop(), Some(0));
    let (code, said) = shell(&site, "akund journal restored");
    assert_eq!(code, Some(0), "{said}");

    let daemon = site.start();
    let (_, said) = shell(&site, "akund audit show --kind restored");
    assert!(said.contains("restored"), "{said}");
    for id in ["P-1", "P-2"] {
        site.wait_for(id, "stuck");
    }
    let (code, said) = shell(&site, "akund unpause --reason 'looked at'");
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = shell(&site, "akund retry --lane email --since 1d --dry-run");
    assert!(code == Some(0) && said.contains("0 to be tried again") && said.contains("left alone: 2"), "{said}");
    let (code, said) = shell(&site, "akund retry --lane email --since 1d --reason 'the server is back'");
    assert!(code == Some(1), "{said}");
    assert_eq!(left(&site), 0, "no older notice leaves without an order");

    let (code, said) = shell(&site, "akund arrived P-1");
    assert!(code == Some(64) && said.contains("--reason"), "{said}");
    let (code, said) = shell(&site, "akund arrived P-1 --channel email --reason 'the applicant has logged in'");
    assert!(code == Some(0) && said.contains("done") && said.contains("credentials at email"), "{said}");
    assert_eq!(site.json(&["show", "P-1"])["state"], "done");
    let (_, shown) = shell(&site, "akund show P-1");
    assert!(shown.contains("it arrived, by order"), "{shown}");
    assert_eq!(left(&site), 0, "it is not sent again");
    let (code, said) = shell(&site, "akund arrived P-1 --reason 'once more'");
    assert!(code == Some(1) && said.contains("no stuck notice"), "{said}");
    let (_, said) = shell(&site, "akund audit show P-1 --kind order");
    assert!(said.contains("verb=arrived") && said.contains("the applicant has logged in"), "{said}");

    let (code, said) = shell(&site, "akund retry --lane email --since 1d --uncertain --reason 'not in the log'");
    assert_eq!(code, Some(0), "{said}");
    site.wait_for("P-2", "done");
    assert!(left(&site) > 0);
    assert_eq!(site.json(&["audit", "verify"])["good"], true);
    assert_eq!(daemon.stop(), Some(0));
}
