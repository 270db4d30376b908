//! The English README, walked through by a newcomer: its blocks are run as they stand, in its order. (That the Indonesian
//! one has the same blocks is another test.) Replaced are the dates, and what belongs to the machine: paths below /etc and /var,
//! the key's place, the port.

use crate::blocks::{Block, block, blocks, read};
use crate::service::{Site, dated, text, wait};
use std::process::Command;

/// Blocks that another test runs, and which: the pipeline itself (`.ci/run`) runs the demo and all tests; `tests/package.rs`
/// installs, both ways; `tests/demo` asks the servers.
const ELSEWHERE: [(&str, &str); 7] = [
    ("--release -- demo", ".ci/run"),
    ("tests/run", ".ci/run"),
    ("apt install ", "tests/package.rs"),
    ("cargo build --release", "tests/package.rs"),
    ("openssl rand", "tests/package.rs"),
    ("systemctl daemon-reload", "tests/package.rs"),
    ("postmap -q", "tests/demo/servers.rs"),
];

struct Walk {
    site: Site,
    run: Vec<String>,
}

impl Walk {
    /// Runs a block in a shell; it must succeed.
    fn run(&mut self, words: &str, replaced: &[(&str, &str)]) -> String {
        let mut script = block(words);
        self.run.push(script.clone());
        for (from, to) in replaced {
            assert!(script.contains(from), "{from} is not in {script}");
            script = script.replace(from, to);
        }
        let output = self.site.command("bash").args(["-euo", "pipefail", "-c", &script]).output().unwrap();
        assert!(output.status.success(), "{script}: {}", text(&output));
        text(&output)
    }
}

#[test]
fn everything_that_the_readme_tells_a_newcomer_to_type_works() {
    let site = Site::new();
    // What the demo has done before the newcomer's second terminal: its samples, less the bulk file.
    let mut walk = Walk { site, run: Vec::new() };
    let daemon = walk.site.start();
    a_first_request(&mut walk);
    a_correction(&mut walk);
    many_at_once(&mut walk);
    operating(&mut walk, &daemon.http);
    assert_eq!(daemon.stop(), Some(0));
    a_signed_request(&mut walk);
    for (words, by) in ELSEWHERE {
        assert!(read(by).contains(words), "{by} does not run {words}");
        walk.run.push(block(words));
    }
    for (line, Block { language, body, .. }) in blocks(&read("README.md")) {
        assert!(language != "sh" || walk.run.contains(&body), "README.md:{line}: nothing runs this block");
    }
}

fn a_first_request(walk: &mut Walk) {
    let listed = walk.run("export PATH", &[("$PWD/target/release:", "")]);
    assert!(listed.contains("all is in order"), "{listed}");
    let record = block("UPT Perpustakaan");
    walk.site.write("request.toml", &dated(&record));
    let said = walk.run("--dry-run request.toml", &[]);
    assert!(said.contains("permit") && said.contains("handed in") && said.contains("not looked up"), "{said}");
    walk.site.wait_for("B-12/2026", "done");
    let shown = walk.run("akund show B-12/2026", &[]);
    assert!(shown.contains("perpustakaan@example.ac.id") && shown.contains("deliver credentials"), "{shown}");
    let outcome = walk.site.at("spool/outcome/local/generic/B-12%2F2026@1.json");
    wait("its outcome document", || outcome.exists());
    walk.run("mv akund-demo", &[]);
    let dropped = walk.site.at("spool/incoming/request.toml");
    wait("the same file to be taken again", || !dropped.exists());
    assert_eq!(walk.site.json(&["list"]).as_array().unwrap().len(), 1, "it counts once");
}

fn a_correction(walk: &mut Walk) {
    let record = dated(&block("UPT Perpustakaan"));
    let conflict = record
        .replace("id = \"B-12/2026\"\nrevision = 1", "id = \"DEMO/2/2026\"")
        .replace("UPT Perpustakaan", "Biro Hukum")
        .replace("perpustakaan@example.ac.id", "humas@example.ac.id");
    let first = conflict.replace("DEMO/2/2026", "DEMO/1/2026");
    walk.site.write("first.toml", &first);
    walk.site.exits(0, &["submit", "first.toml"]);
    walk.site.wait_for("DEMO/1/2026", "done");
    std::fs::create_dir_all(walk.site.at("samples")).unwrap();
    walk.site.write("akund-demo/samples/2-conflict.toml", &conflict);
    walk.site.exits(0, &["submit", "akund-demo/samples/2-conflict.toml"]);
    walk.site.wait_for("generic:DEMO/2/2026@1", "conflicted");
    let offered = walk.site.json(&["show", "DEMO/2/2026"])["alternatives"].clone();
    assert!(offered.as_array().unwrap().contains(&"biro.hukum@example.ac.id".into()), "{offered}");
    walk.run("corrected.toml", &[]);
    walk.site.wait_for("DEMO/2/2026", "done");
    let shown = walk.run("DEMO/2/2026@2", &[]);
    assert!(shown.contains("biro.hukum@example.ac.id"), "{shown}");
}

fn many_at_once(walk: &mut Walk) {
    let rows = block("MABA-2026-001");
    walk.site.write("students.csv", &dated(&rows));
    walk.run("--dry-run students.csv", &[]);
    for id in ["MABA-2026-001", "MABA-2026-002"] {
        walk.site.wait_for(id, "done");
    }
}

fn operating(walk: &mut Walk, http: &str) {
    let sent = walk.run("--send-to", &[("runuser -u akund -- ", "")]);
    assert!(sent.contains("took the test notice"), "{sent}");
    let said = walk.run("akund pause", &[]);
    assert!(said.contains("unbroken") && said.contains("Subject:"), "{said}");
    let said = walk.run("/healthz", &[("127.0.0.1:9380", http)]);
    assert!(said.contains("akund_"), "{said}");
    let said = walk.run("akund journal backup", &[]);
    assert!(said.contains("journal.key") && said.contains("no differences"), "{said}");
    let (mail, copy) = (walk.site.at("targets/mail/mail.db"), walk.site.here.join("copy.db"));
    let backup = format!(".backup {}", copy.display());
    let mut sqlite = Command::new("sqlite3");
    let output = sqlite.arg("-readonly").arg(mail).arg(backup).output().expect("sqlite3, as the README has it");
    assert!(output.status.success() && copy.exists(), "{}", text(&output));
}

fn a_signed_request(walk: &mut Walk) {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let (key, signers) = (walk.site.here.join("id"), walk.site.here.join("allowed_signers"));
    let mut keygen = Command::new("ssh-keygen");
    assert!(keygen.args(["-q", "-N", "", "-t", "ed25519", "-f"]).arg(&key).status().unwrap().success());
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let line = block("head@generic namespaces").replace("ssh-ed25519 AAAAC3Nz…", public.trim());
    walk.site.write("allowed_signers", &line);
    let source = block("name = \"helpdesk\"")
        .replace("[\"helpdesk\"]", &format!("[{user:?}]"))
        .replace("/etc/akund/allowed_signers", signers.to_str().unwrap());
    let config = std::fs::read_to_string(walk.site.config()).unwrap();
    std::fs::write(walk.site.config(), config + &source + "[[source]]\nname = \"local\"\n").unwrap();
    let daemon = walk.site.start();

    let record = dated(&block("UPT Perpustakaan"));
    let signed = |id: &str| record.replace("B-12/2026", id).replace("perpustakaan@", &format!("{id}@").to_lowercase());
    walk.site.write("request.toml", &signed("S1"));
    let incoming = walk.site.at("spool/incoming/helpdesk/");
    walk.run(
        "ssh-keygen",
        &[
            ("~/.ssh/id_ed25519", key.to_str().unwrap()),
            ("/var/spool/akund/incoming/helpdesk/", incoming.to_str().unwrap()),
        ],
    );
    wait("the signed request", || walk.site.akund(&["show", "S1"]).status.success());
    walk.site.wait_for("S1", "done");
    // With a signature over something else it is none.
    walk.site.write("request.toml", &signed("S2"));
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-Y", "sign", "-n", "akund-request", "-f"]).arg(&key).arg(walk.site.here.join("request.toml"));
    assert!(sign.status().unwrap().success());
    walk.site.write("request.toml", &signed("S3"));
    let said = walk.site.exits(77, &["submit", "--source", "helpdesk", "request.toml"]);
    assert!(said.contains("changed after signing"), "{said}");
    for file in ["request.toml.sig", "request.toml"] {
        std::fs::copy(walk.site.here.join(file), incoming.join(format!(".{file}"))).unwrap();
        std::fs::rename(incoming.join(format!(".{file}")), incoming.join(file)).unwrap();
    }
    let reason = walk.site.at("spool/rejected/request.toml.reason.txt");
    wait("the reason", || reason.exists());
    assert!(std::fs::read_to_string(reason).unwrap().contains("changed after signing"));
    walk.site.exits(1, &["show", "S3"]);
    assert_eq!(daemon.stop(), Some(0));
}
