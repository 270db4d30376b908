//! `akund submit` refuses what the daemon would reject, with the daemon's reason.

use crate::commands::record;
use crate::service::{Site, wait};
use std::fs;
use std::process::Command;

const SOURCES: &str = r#"
[[source]]
name = "local"
procedures = ["generic"]
[[source]]
name = "siakad"
procedures = ["uin-malang-email"]
categories = ["student"]
[[source]]
name = "helpdesk"
signature = "required"
allowed_signers = "signers"
[[source]]
name = "elsewhere"
owners = ["nobody"]
"#;

fn site() -> Site {
    let site = Site::new();
    let config = fs::read_to_string(site.config()).unwrap();
    let config = config.replace("[spool]\n", "[spool]\nmax_bytes = 4000\n");
    fs::write(site.config(), config + SOURCES).unwrap();
    let key = site.here.join("key");
    let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-t", "ed25519", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    fs::write(site.at("signers"), format!("deputy namespaces=\"akund-request\" {public}")).unwrap();
    site
}

/// Without the line breaks that reports have.
fn flat(text: &str) -> String {
    text.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sign(site: &Site, name: &str) {
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-Y", "sign", "-n", "akund-request", "-f"]).arg(site.here.join("key")).arg(site.here.join(name));
    assert!(sign.status().unwrap().success());
}

/// The reason that the daemon gives for a file that was dropped past `akund submit`.
fn daemons_reason(site: &Site, source: &str, name: &str) -> String {
    let reason = site.at("spool/rejected").join(format!("{name}.reason.txt"));
    let incoming = site.at("spool/incoming").join(source);
    let sidecar = format!("{name}.sig");
    for file in [sidecar.as_str(), name] {
        if site.here.join(file).exists() {
            fs::copy(site.here.join(file), incoming.join(format!(".{file}"))).unwrap();
            fs::rename(incoming.join(format!(".{file}")), incoming.join(file)).unwrap();
        }
    }
    wait("the reason", || reason.exists());
    flat(&fs::read_to_string(reason).unwrap())
}

#[test]
fn what_the_rules_of_the_source_reject_is_refused_with_the_daemons_reason_and_not_handed_in() {
    let site = site();
    let daemon = site.start();
    site.write("rights.toml", &record());
    site.write("forged.toml", &record());
    sign(&site, "forged.toml");
    site.write("forged.toml", &record().replace("B-12/2026", "B-13/2026"));
    site.write("role.toml", &record());
    sign(&site, "role.toml");
    for (source, name, words) in [
        ("siakad", "rights.toml", &["may not use the procedure generic", "may not ask for the category unit"][..]),
        ("helpdesk", "forged.toml", &["not taken without a good signature", "changed after signing"]),
        ("helpdesk", "role.toml", &["which may not sign as head"]),
    ] {
        for arguments in [&["submit", "--source", source, name][..], &["submit", "--dry-run", "--source", source, name]]
        {
            let said = flat(&site.exits(77, arguments));
            assert!(words.iter().all(|word| said.contains(word)) && !said.contains("handed in as"), "{said}");
        }
        let lies = fs::read_dir(site.at("spool/incoming").join(source)).unwrap().count();
        assert_eq!(lies, 0, "{name} was handed in");
        let reason = daemons_reason(&site, source, name);
        assert!(words.iter().all(|word| reason.contains(word)), "{name}: {reason}");
    }
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_is_wrong_with_the_file_itself_or_with_the_source_is_told_before_it_is_handed_in() {
    let site = site();
    assert_eq!(site.start().stop(), Some(0));
    site.write("request.toml", &record());
    site.write("unknown.toml", &record().replace("\"generic\"", "\"genric\""));
    site.write("large.toml", &format!("{}#{}", record(), "x".repeat(4000)));
    for (code, source, name, words) in [
        (77, "helpdesk", "request.toml", "`request.toml.sig` is not beside it (make it with `ssh-keygen"),
        (77, "elsewhere", "request.toml", "belongs to user 0, whom source `elsewhere` does not accept"),
        (77, "local", "unknown.toml", "may not use the procedure genric"),
        (77, "local", "large.toml", "larger than the 4000 bytes"),
        (64, "nowhere", "request.toml", "no [[source]] has the name \"nowhere\"; there are: local, siakad, helpdesk"),
    ] {
        let said = flat(&site.exits(code, &["submit", "--source", source, name]));
        assert!(said.contains(words), "{source} {name}: {said}");
    }
    // A source that may use every procedure: one that is not there is told as the daemon tells it.
    let config = fs::read_to_string(site.config()).unwrap().replace("procedures = [\"generic\"]\n", "");
    fs::write(site.config(), config).unwrap();
    let said = flat(&site.exits(77, &["submit", "unknown.toml"]));
    assert!(said.contains("unknown procedure") && said.contains("nothing was handed in"), "{said}");
    // A good file is handed in as before.
    site.exits(0, &["submit", "request.toml"]);
}

#[test]
fn what_is_handed_in_while_no_akund_runs_is_kept_and_says_what_it_waits_for() {
    let site = site();
    let away = "no akund is running now; it is taken when one starts";
    assert_eq!(site.start().stop(), Some(0));
    site.write("first.toml", &record());
    site.write("second.toml", &record().replace("B-12/2026", "B-13/2026"));
    site.write("third.toml", &record().replace("B-12/2026", "B-14/2026"));
    let said = flat(&site.exits(0, &["submit", "first.toml"]));
    assert!(said.contains("handed in as") && said.contains(away), "{said}");
    assert_eq!(site.json(&["submit", "second.toml"])[0]["waits"], away);
    assert!(!flat(&site.exits(0, &["submit", "--dry-run", "third.toml"])).contains(away), "nothing was handed in");
    let daemon = site.start();
    wait("both requests", || site.json(&["list"]).as_array().is_some_and(|all| all.len() == 2));
    let said = flat(&site.exits(0, &["submit", "third.toml"]));
    assert!(said.contains("handed in as") && !said.contains(away), "{said}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_signature_that_cannot_be_read_is_told_apart_from_one_that_is_not_there() {
    let site = site();
    assert_eq!(site.start().stop(), Some(0));
    site.write("request.toml", &record());
    fs::create_dir(site.here.join("request.toml.sig")).unwrap();
    let said = flat(&site.exits(74, &["submit", "--source", "helpdesk", "request.toml"]));
    assert!(said.contains("request.toml.sig: Is a directory") && !said.contains("is not beside it"), "{said}");
}

#[test]
fn a_record_or_a_signature_that_waits_is_not_replaced() {
    let site = site();
    let signers = fs::read_to_string(site.at("signers")).unwrap().replace("deputy ", "head ");
    fs::write(site.at("signers"), signers).unwrap();
    assert_eq!(site.start().stop(), Some(0));
    site.write("request.toml", &record());
    sign(&site, "request.toml");
    let incoming = site.at("spool/incoming/helpdesk");
    let submit = ["submit", "--source", "helpdesk", "request.toml"];
    fs::write(incoming.join("request.toml.sig"), "another's").unwrap();
    let said = flat(&site.exits(75, &submit));
    assert!(said.contains("request.toml.sig waits in the spool already"), "{said}");
    assert_eq!(fs::read_to_string(incoming.join("request.toml.sig")).unwrap(), "another's");
    assert!(!incoming.join("request.toml").exists());
    fs::remove_file(incoming.join("request.toml.sig")).unwrap();
    site.exits(0, &submit);
    for name in ["request.toml", "request.toml.sig"] {
        assert_eq!(fs::read(incoming.join(name)).unwrap(), fs::read(site.here.join(name)).unwrap(), "{name}");
    }
    assert_eq!(fs::read_dir(&incoming).unwrap().count(), 2, "no temporaries");
}
