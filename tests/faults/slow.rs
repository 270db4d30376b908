//! A server that takes long over every log-in, and one that is away for a while.

use crate::daemon::{Setup, Site, count, files_under, records};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// IMAP that lets everybody in.
#[derive(Default)]
struct Imap {
    port: u16,
    /// What it takes over each log-in.
    takes: Duration,
    /// How many have tried.
    tried: AtomicUsize,
    /// Whether it hangs up on everybody.
    away: AtomicBool,
}

impl Imap {
    fn start(takes: Duration) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let imap = Arc::new(Self { port: listener.local_addr().unwrap().port(), takes, ..Self::default() });
        let shared = imap.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let imap = shared.clone();
                std::thread::spawn(move || imap.serve(stream));
            }
        });
        imap
    }

    fn serve(&self, mut stream: TcpStream) {
        if self.away.load(Ordering::SeqCst) {
            return;
        }
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        let _ = stream.write_all(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] siap\r\n");
        while let Some(line) = lines.next() {
            let (tag, command) = line.split_once(' ').unwrap_or_default();
            if command.starts_with("AUTHENTICATE") {
                self.tried.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(b"+ \r\n");
                lines.next();
                std::thread::sleep(self.takes);
            }
            let _ = stream.write_all(format!("{tag} OK\r\n").as_bytes());
        }
    }

    /// A site whose mail target logs in here, one account after the other, with these lines of `[lane]`.
    fn site(&self, lane: &'static str) -> Site {
        let more = format!(
            "[target.mail.proof]\nimap = \"imap://127.0.0.1:{}\"\nstarttls = false\nconcurrency = 1\ntimeout_seconds = 60\n",
            self.port
        );
        Site::with(Setup { more, lane, ..Setup::default() })
    }
}

#[test]
fn who_has_been_proven_need_not_wait_for_the_rest_and_no_attempt_is_counted_that_was_not_begun() {
    // A lane, with its two slots, goes on beginning log-ins for ten of them.
    const ACCOUNTS: usize = 12;
    let imap = Imap::start(Duration::from_secs(6));
    let site = imap.site("retry_seconds = 1");
    let daemon = site.start();
    site.drop_in("a.csv", records::students("a", ACCOUNTS, None));
    site.until("somebody is told", || !files_under(&site.path("outbox")).is_empty());
    assert!(imap.tried.load(Ordering::SeqCst) < ACCOUNTS, "while others are still to be proven");
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    let written = "SELECT count(*) FROM step a JOIN step p ON p.id = a.id + 1
                   WHERE a.lane = 'mail' AND a.verb = 'apply' AND a.state = 'done' AND p.state <> 'done'";
    assert!(count(&journal, written) > 0, "what was written is recorded before all of it is proven");
    site.until_rest(ACCOUNTS);
    assert!(site.states().values().all(|state| state == "done"), "{:?}", site.states());
    assert_eq!(count(&journal, "SELECT count(*) FROM step WHERE verb IN ('apply', 'prove') AND attempts <> 1"), 0);
    assert_eq!(imap.tried.load(Ordering::SeqCst), ACCOUNTS, "each once");
    daemon.terminate();
}

/// By their own times they would be tried again after five minutes at least.
#[test]
fn once_a_server_answers_again_all_that_waited_for_it_is_tried_at_once() {
    const ACCOUNTS: usize = 5;
    let imap = Imap::start(Duration::ZERO);
    imap.away.store(true, Ordering::SeqCst);
    let site = imap.site("retry_seconds = 600\nretry_max_seconds = 600");
    let mut daemon = site.start();
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    for n in 1..=ACCOUNTS {
        site.drop_in(&format!("{n}.toml"), records::good(&n.to_string(), &format!("humas{n}")));
        let waits = "SELECT count(*) FROM step WHERE lane = 'mail' AND verb = 'prove' AND state = 'retry'";
        site.until("its proof waits", || count(&journal, waits) == n);
    }
    imap.away.store(false, Ordering::SeqCst);
    site.drop_in("baru.toml", records::good("baru", "pers"));
    site.until_rest(ACCOUNTS + 1);
    assert!(site.states().values().all(|state| state == "done"), "{:?}", site.states());
    assert!(daemon.until_says("it answers again"));
    daemon.terminate();
}
