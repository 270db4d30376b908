//! Sources that need a signature.

use crate::bench::*;
use akund::config::source::SignatureRule;
use akund::intake::spool::{Arrivals, Parted, Spool, Taken};
use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

struct Signed {
    bench: Bench,
}

impl Signed {
    /// `uin` needs signatures by the key `head`.
    fn new() -> Self {
        let mut bench = Bench::new();
        bench.sources[0].signature = SignatureRule::Required;
        bench.sources[0].allowed_signers = Some(bench.dir.path().join("signers"));
        bench.sources[0].owners = vec!["0".into()];
        let signed = Self { bench };
        let key = signed.key("head");
        signed.allow(&format!("head@uin-* {key}"));
        signed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.dir.path().join(name)
    }

    fn key(&self, name: &str) -> String {
        let status =
            Command::new("ssh-keygen").args(["-q", "-N", "", "-t", "ed25519", "-f"]).arg(self.path(name)).status();
        assert!(status.unwrap().success());
        fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap()
    }

    fn allow(&self, text: &str) {
        fs::write(self.path("signers"), text).unwrap();
    }

    fn sign(&self, key: &str, content: &str) -> Vec<u8> {
        let file = self.path("to-sign");
        let _ = fs::remove_file(self.path("to-sign.sig"));
        fs::write(&file, content).unwrap();
        let status = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", "akund-request", "-f"])
            .arg(self.path(key))
            .arg(&file)
            .status();
        assert!(status.unwrap().success());
        fs::read(self.path("to-sign.sig")).unwrap()
    }

    /// Drops a record with its signature.
    fn submit(&self, name: &str, content: &str, key: &str) {
        let signature = self.sign(key, content);
        self.bench.drop_file(&format!("uin/{name}"), content);
        self.bench.drop_file(&format!("uin/{name}.sig"), signature);
    }

    /// The reason for which the one file that lies there is refused; it and its signature are then gone.
    fn refusal(&self, spool: &Spool) -> String {
        let bad = bad(take(spool, &only(spool)));
        spool.reject(&[bad.rejection()]).unwrap();
        assert_eq!(spool.acknowledge(&[&bad.seen]).unwrap(), [Parted::Removed]);
        bad.reason
    }
}

#[tokio::test]
async fn a_record_waits_for_its_signature_and_both_are_kept_and_let_go() {
    let signed = Signed::new();
    let spool = signed.bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    begin(&signed.bench, &mut arrivals).await;
    let signature = signed.sign("head", "content");
    signed.bench.drop_file("uin/a.toml", "content");
    quiet(&mut arrivals).await;
    signed.bench.drop_file("uin/a.toml.sig", &signature);
    let dropped = good(take(&spool, &next_one(&mut arrivals).await));
    let signer = dropped.signature.as_ref().unwrap();
    assert!(signer.holds("head", "uin-malang-email"));
    assert!(!signer.holds("head", "bone-email") && !signer.holds("deputy", "uin-malang-email"));
    let kept = spool.keep_evidence(&[&dropped]).unwrap();
    assert_eq!(fs::read(signed.bench.root().join(&kept[0])).unwrap(), b"content");
    let beside = format!("{}.sig", kept[0].to_str().unwrap());
    assert_eq!(fs::read(signed.bench.root().join(beside)).unwrap(), signature);
    assert_eq!(spool.acknowledge(&[&dropped.seen]).unwrap(), [Parted::Removed]);
    assert!(signed.bench.files("incoming").is_empty());
}

#[tokio::test]
async fn a_record_without_a_signature_is_refused_when_its_time_is_over() {
    let signed = Signed::new();
    let spool = signed.bench.open();
    let mut arrivals = Arrivals::new(spool.clone());
    begin(&signed.bench, &mut arrivals).await;
    let start = std::time::Instant::now();
    signed.bench.drop_file("uin/a.toml", "content");
    let bad = bad(take(&spool, &next_one(&mut arrivals).await));
    // The kernel's file times go in ticks of some milliseconds.
    assert!(start.elapsed().as_millis() >= 950, "{:?}", start.elapsed());
    assert!(bad.reason.contains("`a.toml.sig` did not come within 1 s"), "{}", bad.reason);
    assert_eq!(bad.bytes.as_deref(), Some(&b"content"[..]));
}

#[test]
fn other_sources_need_none() {
    let signed = Signed::new();
    let spool = signed.bench.open();
    signed.bench.drop_file("a.toml", "content");
    assert!(good(take(&spool, &only(&spool))).signature.is_none());
}

#[test]
fn bad_signatures_are_refused_with_the_reason_and_kept_beside_it() {
    let signed = Signed::new();
    signed.key("other");
    let spool = signed.bench.open();
    let sig = signed.bench.incoming("uin/a.sig");

    signed.submit("a", "content", "head");
    fs::write(signed.bench.incoming("uin/a"), "Content").unwrap();
    assert!(signed.refusal(&spool).contains("is not over this content"));

    signed.submit("a", "content", "other");
    assert!(signed.refusal(&spool).contains("is not listed in"));

    signed.submit("a", "content", "head");
    fs::write(&sig, "garbage").unwrap();
    assert!(signed.refusal(&spool).contains("this is no OpenSSH signature"));

    signed.submit("a", "content", "head");
    chown(&sig, Some(NOBODY), None).unwrap();
    assert!(signed.refusal(&spool).contains("`a.sig` belongs to user 65534"));
    fs::remove_file(&sig).unwrap();

    signed.submit("a", "content", "head");
    fs::rename(&sig, signed.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(signed.path("elsewhere"), &sig).unwrap();
    assert!(signed.refusal(&spool).contains("`a.sig` is a symbolic link"));
    fs::remove_file(&sig).unwrap();

    signed.submit("a", "content", "head");
    fs::write(&sig, vec![b'x'; 100_000]).unwrap();
    assert!(signed.refusal(&spool).contains("`a.sig` is larger than the 65536 bytes"));
    fs::remove_file(&sig).unwrap();

    assert!(signed.bench.files("incoming").is_empty());
    let rejected = signed.bench.files("rejected");
    assert_eq!(rejected["a-3.sig"], b"garbage");
    assert_eq!(rejected["a-3"], b"content");
}

#[test]
fn a_name_without_room_for_a_signatures_name_is_refused() {
    let signed = Signed::new();
    let spool = signed.bench.open();
    signed.bench.drop_file(&format!("uin/{}", "n".repeat(254)), "content");
    assert!(signed.refusal(&spool).contains("did not come within"));
}

#[test]
fn a_key_taken_out_of_the_file_is_out_at_once_and_a_broken_file_lets_nobody_in() {
    let signed = Signed::new();
    let spool = signed.bench.open();
    let good_file = fs::read_to_string(signed.path("signers")).unwrap();
    signed.submit("a", "content", "head");
    assert!(matches!(take(&spool, &only(&spool)), Taken::File(_)));

    signed.allow("head ssh-ed25519 broken");
    assert!(matches!(take(&spool, &only(&spool)), Taken::Later));
    fs::remove_file(signed.path("signers")).unwrap();
    assert!(matches!(take(&spool, &only(&spool)), Taken::Later));
    assert!(signed.bench.incoming("uin/a").exists() && signed.bench.incoming("uin/a.sig").exists());

    signed.allow(&good_file);
    assert!(matches!(take(&spool, &only(&spool)), Taken::File(_)));
    signed.allow("# nobody\n");
    assert!(signed.refusal(&spool).contains("is not listed in"));
}
