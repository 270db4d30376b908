//! `kill -9` at any moment, and the same command again.

use crate::fixture::{ACCOUNTS, Demo, HOTSPOTS, MAILBOXES, MESSAGES, REQUESTS, WAITING, akund, pairs, unique};
use crate::peers::wait_for;
use akund::journal::read::{Listed, Reader};
use akund::model::{Scheme, Secret};
use akund::secret::hash::verify;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

/// Starts the demo, kills it as soon as the condition holds.
fn kill_when(demo: &Demo, what: &str, holds: impl FnMut() -> bool) {
    let mut child = demo.start();
    wait_for(what, holds);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(9), "it ended by itself before it was killed when {what}: {status}");
}

#[test]
fn killed_again_and_again_it_completes_with_every_account_once_and_every_password_right() {
    let demo = Demo::new();
    let incoming = demo.dir.join("spool/incoming");
    let lies = |name: &str| incoming.join(name).exists();
    kill_when(&demo, "it has written its configuration", || demo.dir.join("akund.toml").exists());
    kill_when(&demo, "its journal is there", || demo.journal().exists());
    kill_when(&demo, "the first sample lies in the spool", || lies("1-good.toml") || !demo.requests().is_empty());
    kill_when(&demo, "a request is in the journal", || !demo.requests().is_empty());
    kill_when(&demo, "the bulk file is in the journal", || demo.requests().len() >= REQUESTS);
    kill_when(&demo, "a message is in the outbox", || !demo.messages().is_empty());
    for share in [1, 2, 3] {
        let done = ACCOUNTS * share / 4;
        kill_when(&demo, "a quarter more is done", || demo.done() >= done);
    }
    let ended = demo.run();
    assert_eq!(ended.code, Some(0), "{:?} {}", ended.samples, ended.stderr);
    everything_is_there_once(&demo);
    // Nor does another run after the end do anything twice.
    let before = demo.messages().len();
    assert_eq!(demo.run().code, Some(0));
    assert_eq!(demo.messages().len(), before);
    everything_is_there_once(&demo);
}

#[test]
fn a_corrected_request_waits_until_its_applicant_was_told_what_to_correct() {
    let demo = Demo::new();
    kill_when(&demo, "a request is in the journal", || !demo.requests().is_empty());
    let typed = |arguments: &[&str]| {
        let output = akund().arg("--config").arg(demo.dir.join("akund.toml")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    // Kept for the next run: the notice of the conflict does not leave.
    assert_eq!(typed(&["pause", "email", "--reason", "test"]).0, Some(75));
    let mut child = akund().args(["demo", "--dir"]).arg(&demo.dir).stdout(Stdio::null()).spawn().unwrap();
    let stands = |end: &str| demo.requests().iter().any(|one| one.request.ends_with(end));
    wait_for("the conflict", || stands("F-2026-033@1"));
    let reader = Reader::open(&demo.journal()).unwrap();
    let idle = |lane: &str| reader.lane(lane).is_ok_and(|lane| lane.ready + lane.retry + lane.running == 0);
    wait_for("nothing moves but e-mail", || ["mail", "radius", "sms", "credentials"].into_iter().all(idle));
    assert!(!stands("F-2026-033@2"), "it was corrected before the applicant knew");
    let (code, said) = typed(&["unpause", "--reason", "test"]);
    assert_eq!(code, Some(0), "{said}");
    wait_for("the correction", || stands("F-2026-033@2"));
    let ended = || demo.requests().len() == REQUESTS && demo.requests().iter().all(Listed::rests);
    wait_for("the end", || ended() && !reader.moving().unwrap());
    assert_eq!(demo.messages().len(), MESSAGES);
    child.kill().unwrap();
    child.wait().unwrap();
}

fn everything_is_there_once(demo: &Demo) {
    assert_eq!(demo.requests().len(), REQUESTS);
    assert_eq!(demo.done(), ACCOUNTS - WAITING);
    let verified = Reader::open(&demo.journal()).unwrap().verify(None).unwrap();
    assert!(verified.good, "{:?}", verified.deviations);

    let mail = unique(pairs(&demo.mail_database(), "SELECT address, password FROM mailboxes"));
    let hotspot = "SELECT username, value FROM radcheck WHERE attribute = 'Crypt-Password'";
    let hotspot = unique(pairs(&demo.radius_database(), hotspot));
    assert_eq!((mail.len(), hotspot.len()), (MAILBOXES, HOTSPOTS));

    let credentials = demo.credentials();
    assert_eq!(credentials.len(), ACCOUNTS - WAITING, "each account was handed over, and once");
    assert_eq!(demo.messages().len(), MESSAGES, "everybody was told, and once");
    for one in &credentials {
        assert!(!one.address.is_empty() || !one.username.is_empty(), "{one:?}");
        assert!(one.address.is_empty() || opens(&mail, &one.address, &one.password), "{}", one.address);
        assert!(one.username.is_empty() || opens(&hotspot, &one.username, &one.password), "{}", one.username);
    }
    assert_eq!(files(&demo.dir.join("spool/outcome")), REQUESTS);
}

/// Whether the password that was sent opens what is stored.
fn opens(stored: &BTreeMap<String, String>, name: &str, password: &str) -> bool {
    let hash = stored.get(name).unwrap_or_else(|| panic!("{name} has no account"));
    verify(&Secret::new(password), hash, Scheme::Sha512Crypt)
}

/// How many outcome documents lie below a directory.
fn files(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.is_dir() {
            true => files(&path),
            false => usize::from(path.extension().is_some_and(|e| e == "json")),
        })
        .sum()
}
