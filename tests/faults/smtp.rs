//! A mail server that takes a notice while akund dies: it goes again with the same Message-ID, and only that one.

use crate::daemon::{Setup, Site, count, crashed, mailbox::Notice, records};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Takes everything, and notes what it took. It serves until the process ends.
pub struct Server {
    pub port: u16,
    taken: Arc<Mutex<Vec<String>>>,
    /// It takes nothing now, for good.
    pub refuses: Arc<AtomicBool>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let notes = taken.clone();
        let refuses = Arc::new(AtomicBool::new(false));
        let refusing = refuses.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (notes, refusing) = (notes.clone(), refusing.clone());
                // A dialogue ends with an error when the client dies.
                std::thread::spawn(move || serve(&stream, &notes, &refusing));
            }
        });
        Self { port, taken, refuses }
    }

    pub fn taken_count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    pub fn taken(&self) -> Vec<Notice> {
        self.taken.lock().unwrap().iter().map(|message| Notice::parse("".into(), message)).collect()
    }

    pub fn site(&self) -> Site {
        self.site_with(1)
    }

    /// With so many connections at once.
    pub fn site_with(&self, connections: usize) -> Site {
        let channel = format!(
            "kind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"akun@example.ac.id\"\n\
             hello = \"akund.example.ac.id\"\nconnections = {connections}\n",
            self.port
        );
        Site::with(Setup { channel, ..Setup::default() })
    }
}

/// RFC 5321, as far as a client that makes no mistake needs it.
fn serve(mut stream: &TcpStream, taken: &Mutex<Vec<String>>, refuses: &AtomicBool) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    stream.write_all(b"220 test ESMTP\r\n")?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line.starts_with("MAIL") && refuses.load(Ordering::Relaxed) {
            stream.write_all(b"550 5.7.1 Not now\r\n")?;
            continue;
        }
        if !line.starts_with("DATA") {
            stream.write_all(b"250 2.0.0 Ok\r\n")?;
            continue;
        }
        stream.write_all(b"354 Go on\r\n")?;
        let mut message = String::new();
        while !message.ends_with("\r\n.\r\n") {
            if lines.read_line(&mut message)? == 0 {
                return Ok(());
            }
        }
        taken.lock().unwrap().push(message);
        stream.write_all(b"250 2.0.0 Ok: queued\r\n")?;
    }
}

/// Dies at the third notice, is started again; how often each notice came, by Message-ID.
fn sent_around_a_death(place: &str) -> BTreeMap<String, usize> {
    const REQUESTS: usize = 6;
    let server = Server::start();
    let site = server.site();
    for number in 0..REQUESTS {
        site.drop_in(&format!("{number}.toml"), records::good(&format!("S/{number}"), &format!("surat{number}")));
    }
    let status = site.spawn(&[("AKUND_CRASH_AT", place)]).ended();
    assert!(crashed(status), "{status}:\n{}", site.log());
    let before = server.taken();
    let daemon = site.start();
    site.until_rest(REQUESTS);
    daemon.terminate();
    assert!(site.states().values().all(|state| state == "done"), "{:?}", site.states());

    let taken = server.taken();
    let mut passwords = BTreeMap::new();
    let mut times = BTreeMap::new();
    for notice in &taken {
        *times.entry(notice.message_id.clone()).or_default() += 1;
        let password = notice.password().unwrap().to_owned();
        let known = passwords.entry(notice.message_id.clone()).or_insert_with(|| password.clone());
        assert_eq!(*known, password, "the same notice with another password");
    }
    assert_eq!(times.len(), REQUESTS, "one Message-ID for each request");
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).map(|(id, _)| id).collect();
    assert!(twice.iter().all(|id| **id == before.last().unwrap().message_id), "only the notice in flight comes again");
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    assert_eq!(count(&journal, "SELECT count(*) FROM step WHERE verb = 'deliver' AND attempts = 2"), 1);
    assert_eq!(count(&journal, "SELECT count(*) FROM step WHERE verb = 'deliver' AND attempts > 2"), 0);
    times
}

#[test]
fn a_notice_that_was_taken_but_not_recorded_goes_again_with_the_same_message_id() {
    let times = sent_around_a_death("email-done:3");
    assert_eq!(times.values().sum::<usize>(), 7, "{times:?}");
}

#[test]
fn a_notice_that_was_claimed_but_not_sent_goes_once() {
    let times = sent_around_a_death("email-claimed:3");
    assert!(times.values().all(|times| *times == 1), "{times:?}");
}
