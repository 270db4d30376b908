//! The passwords that were handed over are searched for in everything else that a whole run leaves behind.

use crate::daemon::{Site, files_under, mailbox};
use crate::once::Work;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;

/// One character per byte, so that bytes can be searched as text.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The characters of base64 that depend on the password alone, `before` bytes into what was encoded.
fn base64_within(password: &str, before: usize) -> String {
    let whole = [vec![0; before], password.as_bytes().to_vec(), vec![0; 3]].concat();
    let encoded = STANDARD.encode(whole);
    let (first, end) = ((before * 8).div_ceil(6), (before + password.len()) * 8 / 6);
    encoded[first..end].to_owned()
}

/// Every way in which a password could stand somewhere.
fn disguises(password: &str) -> Vec<String> {
    let each = |write: &dyn Fn(u8) -> String| password.bytes().map(write).collect::<String>();
    let hex = each(&|byte| format!("{byte:02x}"));
    let odd = |byte: u8| !byte.is_ascii_alphanumeric();
    let mut disguises = vec![
        password.to_owned(),
        password.replace('-', ""),
        each(&|byte| if odd(byte) { format!("%{byte:02X}") } else { char::from(byte).to_string() }),
        each(&|byte| if odd(byte) { format!("={byte:02X}") } else { char::from(byte).to_string() }),
        each(&|byte| if odd(byte) { format!("&#x{byte:x};") } else { char::from(byte).to_string() }),
        hex.to_uppercase(),
        hex,
        each(&|byte| format!("{}\0", char::from(byte))),
        each(&|byte| format!("\0{}", char::from(byte))),
    ];
    disguises.extend((0..3).map(|before| base64_within(password, before)));
    disguises
}

/// Which of the passwords stand in the bytes.
fn found(passwords: &[String], bytes: &[u8]) -> Vec<String> {
    let text = latin(bytes);
    // Soft line breaks of quoted-printable, and the lines of wrapped base64.
    let unwrapped = text.replace("=\r\n", "").replace(['\r', '\n'], "");
    let stands = |needle: &String| text.contains(needle) || unwrapped.contains(needle);
    passwords.iter().filter(|password| disguises(password).iter().any(stands)).cloned().collect()
}

#[test]
fn the_search_sees_through_each_disguise() {
    use std::fmt::Write as _;
    let password = "kk7E-m5nt-EaDD-rDnp".to_owned();
    let utf16: Vec<u16> = format!("x{password}y").encode_utf16().collect();
    let mut hidden = vec![
        format!("a{password}b").into_bytes(),
        b"kk7E-m5nt-=\r\nEaDD-rDnp".to_vec(),
        b"kk7E=2Dm5nt=2DEaDD=2DrDnp".to_vec(),
        b"kk7E%2Dm5nt%2DEaDD%2DrDnp".to_vec(),
        utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        password
            .bytes()
            .fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02X}");
                hex
            })
            .into_bytes(),
    ];
    hidden.extend((0..6).map(|before| STANDARD.encode(format!("{}{password}tail", "z".repeat(before))).into_bytes()));
    for bytes in &hidden {
        assert_eq!(found(std::slice::from_ref(&password), bytes).len(), 1, "{}", latin(bytes));
        assert_eq!(found(&["kk7E-m5nt-EaDE-rDnp".to_owned()], bytes), Vec::<String>::new());
    }
}

/// Everything under the site's directory but the outbox, by what is told of it.
fn everything(site: &Site, when: &str, into: &mut BTreeMap<String, Vec<u8>>) {
    let outbox = site.path("outbox");
    for path in files_under(&site.path("")).into_iter().filter(|path| !path.starts_with(&outbox)) {
        into.insert(format!("{when}: {}", path.display()), std::fs::read(&path).unwrap());
    }
}

#[test]
fn a_password_is_found_in_the_outbox_and_nowhere_else() {
    let work = Work::mixed();
    let site = Site::new();
    let mut daemon = site.spawn(&[("AKUND_LOG", "trace")]);
    assert!(daemon.takes_requests());
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    for (name, text) in &work.files {
        site.drop_in(name, text);
    }
    let mut seen = BTreeMap::new();
    // While the passwords are sealed in the journal: made, written, proven, and not yet handed over.
    site.until("all accounts wait for their notice", || {
        let journal = site.reader();
        let email = journal.lane("email").unwrap();
        email.paused && email.ready == 41
    });
    everything(&site, "before delivery", &mut seen);
    daemon.kill();
    everything(&site, "after a kill", &mut seen);
    let mut daemon = site.spawn(&[("AKUND_LOG", "trace")]);
    assert!(daemon.takes_requests());
    assert_eq!(site.told(&["unpause"]).0, 0);
    site.until_rest(work.requests());
    everything(&site, "after delivery", &mut seen);
    for page in ["/metrics", "/healthz", "/readyz"] {
        seen.insert(page.to_owned(), daemon.get(page).1.into_bytes());
    }
    for command in
        [&["list", "--json", "--most", "99"][..], &["audit", "show", "--json"], &["show", "BAIK/0", "--json"]]
    {
        seen.insert(command.join(" "), site.akund(command).stdout);
    }
    daemon.terminate();
    everything(&site, "at the end", &mut seen);
    seen.insert("the log".into(), site.log().into_bytes());

    let notices = mailbox::notices(&site);
    let passwords: Vec<String> = notices.iter().filter_map(|notice| notice.password().map(str::to_owned)).collect();
    assert_eq!(passwords.len(), 38, "one password for each account");
    for notice in &notices {
        let bytes = std::fs::read(&notice.file).unwrap();
        assert_eq!(
            found(&passwords, &bytes),
            Vec::from_iter(notice.password().map(str::to_owned)),
            "its own and no other"
        );
    }
    assert!(seen.keys().any(|name| name.ends_with("journal.db-wal")), "the journal's WAL was looked at");
    assert!(site.log().contains("a request was received"), "the log was looked at");
    for (name, bytes) in &seen {
        assert_eq!(found(&passwords, bytes), Vec::<String>::new(), "{name}");
    }
}
