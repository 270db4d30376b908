//! SSHSIG and allowed signers beside OpenSSH's own: what `ssh-keygen -Y sign` makes is judged by `ssh-keygen -Y verify` and by akund.
#![allow(clippy::unwrap_used)]

use akund::intake::signature::{AllowedSigners, NAMESPACE};
use jiff::Timestamp;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Of `ssh-keygen`. Not the machine's: where that has summer time, OpenSSH (9.2) takes such times for standard time all the same.
const ZONE: &str = "Asia/Jakarta";
const MESSAGE: &[u8] = b"akund = 1\nid = \"B-12/Un.03/2026\"\n";

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A new key; gives the public half, `TYPE BASE64`.
    fn key(&self, name: &str, kind: &[&str]) -> String {
        run(Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-C", "", "-f"])
            .arg(self.path(name))
            .arg("-t")
            .args(kind));
        let public = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        public.trim().to_owned()
    }

    /// What `ssh-keygen -Y sign` makes of a message.
    fn sign(&self, key: &str, namespace: &str, message: &[u8]) -> String {
        let file = self.path("message");
        fs::write(&file, message).unwrap();
        let signature = self.path("message.sig");
        let _ = fs::remove_file(&signature);
        run(Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(self.path(key))
            .arg(&file));
        fs::read_to_string(signature).unwrap()
    }

    /// Whether `ssh-keygen -Y verify` accepts it for this principal at this time.
    fn theirs(&self, allowed: &str, principal: &str, message: &[u8], signature: &str, at: Timestamp) -> bool {
        let (signers, sig) = (self.path("allowed"), self.path("checked.sig"));
        fs::write(&signers, allowed).unwrap();
        fs::write(&sig, signature).unwrap();
        let time = at.to_zoned(jiff::tz::TimeZone::UTC).strftime("verify-time=%Y%m%d%H%M%SZ").to_string();
        let mut child = Command::new("ssh-keygen")
            .env("TZ", ZONE)
            .args(["-Y", "verify", "-n", NAMESPACE, "-I", principal, "-O", &time, "-f"])
            .arg(&signers)
            .arg("-s")
            .arg(&sig)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It may have decided before it has read everything.
        let _ = child.stdin.take().unwrap().write_all(message);
        child.wait().unwrap().success()
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn ours(allowed: &str, role: &str, message: &[u8], signature: &str, at: Timestamp) -> Result<(), String> {
    let signers = AllowedSigners::parse("allowed", allowed).map_err(|errors| errors.join("\n"))?;
    let signer = signers.verify(message, signature, NAMESPACE, at)?;
    if signer.holds(role, "uin") { Ok(()) } else { Err(format!("the key does not hold {role}")) }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn akund_and_openssh_agree_on_which_signatures_are_good() {
    let bench = Bench::new();
    let key = bench.key("head", &["ed25519"]);
    let other = bench.key("other", &["ed25519"]);
    let ecdsa = bench.key("ecdsa", &["ecdsa", "-b", "256"]);
    let good = bench.sign("head", NAMESPACE, MESSAGE);
    let by_ecdsa = bench.sign("ecdsa", NAMESPACE, MESSAGE);
    let for_git = bench.sign("head", "git", MESSAGE);
    let now = "2026-06-01T00:00:00Z";
    let valid = r#"valid-after="20260101Z",valid-before="20270101Z""#;
    let bad_key = "is not listed in allowed";
    for (allowed, message, signature, at, why) in [
        (format!("head {key}"), MESSAGE, &good, now, ""),
        (format!("head {key} a comment"), MESSAGE, &good, now, ""),
        (format!("# all\n\nhead {ecdsa}"), MESSAGE, &by_ecdsa, now, ""),
        (format!("deputy,head {key}"), MESSAGE, &good, now, ""),
        (format!("he* {key}"), MESSAGE, &good, now, ""),
        (format!("\"head\" {key}"), MESSAGE, &good, now, ""),
        (format!(r#"head namespaces="akund-request,git" {key}"#), MESSAGE, &good, now, ""),
        (format!(r#"head namespaces="akund-*" {key}"#), MESSAGE, &good, now, ""),
        (format!("head {valid} {key}"), MESSAGE, &good, now, ""),
        (format!("head {other}\nhead {key}"), MESSAGE, &good, now, ""),
        (format!("head {valid} {key}"), MESSAGE, &good, "2026-01-01T00:00:00Z", ""),
        (format!("head {valid} {key}"), MESSAGE, &good, "2027-01-01T00:00:00Z", ""),
        (format!("head {key}"), &MESSAGE[1..], &good, now, "is not over this content"),
        (format!("head {key}"), b"", &good, now, "is not over this content"),
        (format!("head {key}"), MESSAGE, &for_git, now, "was made for namespace `git`"),
        (format!(r#"head namespaces="git" {key}"#), MESSAGE, &good, now, "may sign for namespaces `git`"),
        (format!("head {valid} {key}"), MESSAGE, &good, "2025-12-31T23:59:59Z", "is not valid before 2026-01-01"),
        (format!("head {valid} {key}"), MESSAGE, &good, "2027-01-01T00:00:01Z", "has expired"),
        (format!("head {other}"), MESSAGE, &good, now, bad_key),
        (format!("head {key}"), MESSAGE, &by_ecdsa, now, bad_key),
        (String::new(), MESSAGE, &good, now, bad_key),
        (format!("deputy {key}"), MESSAGE, &good, now, "does not hold head"),
        (format!("*,!head {key}"), MESSAGE, &good, now, "does not hold head"),
        (format!("Head {key}"), MESSAGE, &good, now, "does not hold head"),
    ] {
        let (message, at) = (message, time(at));
        let theirs = bench.theirs(&allowed, "head", message, signature, at);
        let ours = ours(&allowed, "head", message, signature, at);
        assert_eq!(theirs, why.is_empty(), "ssh-keygen on {allowed}");
        match ours {
            Ok(()) => assert!(why.is_empty(), "akund accepts {allowed}"),
            Err(error) => assert!(!why.is_empty() && error.contains(why), "{allowed}\n gave {error}\n not {why}"),
        }
    }
}

#[test]
fn validity_without_z_is_local_time_for_both() {
    let bench = Bench::new();
    let key = bench.key("head", &["ed25519"]);
    let signature = bench.sign("head", NAMESPACE, MESSAGE);
    let allowed = format!(r#"head valid-after="202606010800" {key}"#);
    let zone = jiff::tz::TimeZone::get(ZONE).unwrap();
    let start = jiff::civil::datetime(2026, 6, 1, 8, 0, 0, 0).to_zoned(zone.clone()).unwrap().timestamp();
    let ours = AllowedSigners::parse_in("allowed", &allowed, &zone).unwrap();
    for (at, good) in [(start, true), (start - jiff::SignedDuration::from_secs(1), false)] {
        assert_eq!(bench.theirs(&allowed, "head", MESSAGE, &signature, at), good);
        assert_eq!(ours.verify(MESSAGE, &signature, NAMESPACE, at).is_ok(), good);
    }
}

#[test]
fn a_key_type_that_cannot_sign_records_is_named_and_harms_no_other_key() {
    let bench = Bench::new();
    let key = bench.key("head", &["ed25519"]);
    let good = bench.sign("head", NAMESPACE, MESSAGE);
    for (name, kind, shown) in [
        ("rsa", &["rsa", "-b", "3072"][..], "ssh-rsa"),
        ("p384", &["ecdsa", "-b", "384"], "ecdsa-sha2-nistp384"),
        ("p521", &["ecdsa", "-b", "521"], "ecdsa-sha2-nistp521"),
    ] {
        let unsupported = bench.key(name, kind);
        let signature = bench.sign(name, NAMESPACE, MESSAGE);
        let allowed = format!("head {unsupported}\nhead {key}\n");
        let error = ours(&allowed, "head", MESSAGE, &signature, Timestamp::now()).unwrap_err();
        assert_eq!(
            error,
            format!("a key of type {shown} cannot sign records; use one of type ed25519 or ecdsa-sha2-nistp256")
        );
        ours(&allowed, "head", MESSAGE, &good, Timestamp::now()).unwrap();
    }
}

#[test]
fn the_fingerprint_is_the_one_that_ssh_keygen_shows() {
    let bench = Bench::new();
    let key = bench.key("head", &["ed25519"]);
    let signature = bench.sign("head", NAMESPACE, MESSAGE);
    let signers = AllowedSigners::parse("allowed", &format!("head,deputy {key}\nboss {key}")).unwrap();
    let signer = signers.verify(MESSAGE, &signature, NAMESPACE, Timestamp::now()).unwrap();
    let shown = Command::new("ssh-keygen").arg("-lf").arg(bench.path("head.pub")).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(Some(signer.key_fingerprint.as_str()), shown.split(' ').nth(1));
    assert_eq!(signer.principals, ["head,deputy", "boss"]);
}

#[test]
fn carriage_returns_and_blanks_around_a_signature_do_no_harm_and_every_damage_does() {
    let bench = Bench::new();
    let key = bench.key("head", &["ed25519"]);
    let good = bench.sign("head", NAMESPACE, MESSAGE);
    let allowed = format!("head {key}");
    let check = |signature: &str| ours(&allowed, "head", MESSAGE, signature, Timestamp::now());
    check(&good.replace('\n', "\r\n")).unwrap();
    check(&format!("\n{good}\n\n")).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    for cut in 0..lines.len() {
        let mut damaged = lines.clone();
        damaged.remove(cut);
        assert!(check(&damaged.join("\n")).is_err(), "without line {cut}");
    }
    // Past the header every changed base64 character is either refused as a form or as a signature.
    let body = good.find('\n').unwrap() + 1;
    let end = good.find("-----END").unwrap();
    for at in body..end - 4 {
        let old = good.as_bytes()[at];
        if old == b'\n' {
            continue;
        }
        let mut damaged = good.clone().into_bytes();
        damaged[at] = if old == b'A' { b'B' } else { b'A' };
        assert!(check(&String::from_utf8(damaged).unwrap()).is_err(), "byte {at}");
    }
}

#[test]
fn a_certificate_authority_is_refused_with_its_line() {
    let bench = Bench::new();
    let key = bench.key("ca", &["ed25519"]);
    let errors = AllowedSigners::parse("/etc/akund/signers", &format!("# CA\nhead cert-authority {key}")).unwrap_err();
    assert_eq!(
        errors,
        ["/etc/akund/signers: line 2: certificate authorities are not supported; list the signing keys themselves"]
    );
}
