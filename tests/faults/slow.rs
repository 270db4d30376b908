//! A server that takes long over every log-in.

use crate::daemon::{Setup, Site, count, files_under, records};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// So that a lane, with its two slots, goes on beginning log-ins for ten of them.
const TAKES: Duration = Duration::from_secs(6);
const ACCOUNTS: usize = 12;

/// IMAP that lets everybody in, after a while. Where it is, and how many have tried.
fn imap() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, tried) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = tried.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let counted = counted.clone();
            std::thread::spawn(move || serve(stream, &counted));
        }
    });
    (port, tried)
}

fn serve(mut stream: TcpStream, tried: &AtomicUsize) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let _ = stream.write_all(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] siap\r\n");
    while let Some(line) = lines.next() {
        let (tag, command) = line.split_once(' ').unwrap_or_default();
        if command.starts_with("AUTHENTICATE") {
            tried.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(b"+ \r\n");
            lines.next();
            std::thread::sleep(TAKES);
        }
        let _ = stream.write_all(format!("{tag} OK\r\n").as_bytes());
    }
}

#[test]
fn who_has_been_proven_need_not_wait_for_the_rest_and_no_attempt_is_counted_that_was_not_begun() {
    let (port, tried) = imap();
    let more = format!(
        "[target.mail.proof]\nimap = \"imap://127.0.0.1:{port}\"\nstarttls = false\nconcurrency = 1\ntimeout_seconds = 60\n"
    );
    let site = Site::with(Setup { more, ..Setup::default() });
    let daemon = site.start();
    site.drop_in("a.csv", records::students("a", ACCOUNTS, None));
    site.until("somebody is told", || !files_under(&site.path("outbox")).is_empty());
    assert!(tried.load(Ordering::SeqCst) < ACCOUNTS, "while others are still to be proven");
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    let written = "SELECT count(*) FROM step a JOIN step p ON p.id = a.id + 1
                   WHERE a.lane = 'mail' AND a.verb = 'apply' AND a.state = 'done' AND p.state <> 'done'";
    assert!(count(&journal, written) > 0, "what was written is recorded before all of it is proven");
    site.until_rest(ACCOUNTS);
    assert!(site.states().values().all(|state| state == "done"), "{:?}", site.states());
    assert_eq!(count(&journal, "SELECT count(*) FROM step WHERE verb IN ('apply', 'prove') AND attempts <> 1"), 0);
    assert_eq!(tried.load(Ordering::SeqCst), ACCOUNTS, "each once");
    daemon.terminate();
}
