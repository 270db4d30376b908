//! The operator's mail: one for a burst, delayed and not lost by an outage, the same one again after a kill; and the digest.

use crate::daemon::{Setup, Site, count, crashed, files_under, mailbox::Notice, records};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Takes what is for the operator while it is open; everybody else it refuses for good.
#[derive(Clone, Default)]
struct Server {
    open: Arc<AtomicBool>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn listen(&self, listener: TcpListener) {
        let server = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                // A dialogue ends with an error when the client dies.
                std::thread::spawn(move || server.serve(&stream));
            }
        });
    }

    fn serve(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?);
        stream.write_all(b"220 test ESMTP\r\n")?;
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.starts_with("RCPT") && !line.contains("<operator@") {
                stream.write_all(b"550 5.1.1 Recipient address rejected: mahasiswa.0@example.org unknown\r\n")?;
            } else if line.starts_with("RCPT") && !self.open.load(Ordering::SeqCst) {
                stream.write_all(b"451 4.3.0 Try again later\r\n")?;
            } else if line.starts_with("DATA") {
                stream.write_all(b"354 Go on\r\n")?;
                let mut message = String::new();
                while !message.ends_with("\r\n.\r\n") {
                    if lines.read_line(&mut message)? == 0 {
                        return Ok(());
                    }
                }
                self.taken.lock().unwrap().push(message);
                stream.write_all(b"250 2.0.0 Ok: queued\r\n")?;
            } else {
                stream.write_all(b"250 2.0.0 Ok\r\n")?;
            }
        }
    }

    fn taken(&self) -> Vec<Notice> {
        self.taken.lock().unwrap().iter().map(|message| Notice::parse("".into(), message)).collect()
    }
}

fn smtp(port: u16) -> String {
    format!(
        "kind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nfrom = \"akun@example.ac.id\"\nhello = \"akund.example.ac.id\"\n"
    )
}

fn site(channel: &str, operator: &str) -> Site {
    Site::with(Setup {
        channel: format!("{channel}\n[operator]\naddress = \"operator@example.org\"\n{operator}\n"),
        ..Setup::default()
    })
}

fn settled(site: &Site) -> bool {
    let reader = site.reader();
    let told = reader.operator_told().unwrap();
    told.telling.is_none() && reader.first_news(told.told).unwrap().is_none()
}

#[test]
fn a_burst_is_one_notice_that_an_outage_delays_and_a_kill_does_not_lose() {
    let server = Server::default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    server.listen(listener);
    let site = site(&smtp(port), "digest = \"\"\ngather_seconds = 12\nlane_down_minutes = 100\n");
    let mut daemon = site.start();
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    site.drop_in("semua.csv", records::students("m", 40, None));
    site.until("all wait for the lane", || {
        let journal = rusqlite::Connection::open(&site.journal).unwrap();
        count(&journal, "SELECT count(*) FROM step WHERE verb = 'deliver' AND state = 'ready'") == 40
    });
    assert_eq!(site.told(&["unpause", "email"]).0, 0);
    site.until("all are stuck", || site.states().values().filter(|state| *state == "stuck").count() == 40);
    assert!(daemon.until_says("a notice to the operator could not be handed over"));
    assert!(server.taken().is_empty());
    daemon.kill();
    server.open.store(true, Ordering::SeqCst);
    let daemon = site.start();
    site.until("the operator is told", || settled(&site));
    let taken = server.taken();
    assert_eq!(taken.len(), 1, "one notice for all");
    let text = &taken[0].text;
    assert!(text.contains("Macet: 40 permohonan") && text.contains("dan 20 lagi: akund list --state stuck"), "{text}");
    assert!(text.contains("  akund retry generic:m0@1 --reason"), "{text}");
    assert!(text.contains("…@example.org unknown") && !text.contains("mahasiswa.0@"), "{text}");
    let told = "akund_operator_notices_total{kind=\"alert\",result=\"handed-over\"} 1";
    site.until("it is counted", || daemon.get("/metrics").1.contains(told));
    daemon.terminate();
    // What was told is not told again.
    let daemon = site.start();
    site.until("nothing is left to tell", || settled(&site));
    daemon.terminate();
    assert_eq!(server.taken().len(), 1);
}

#[test]
fn a_notice_that_was_taken_when_akund_died_goes_again_with_the_same_message_id() {
    let server = Server::default();
    server.open.store(true, Ordering::SeqCst);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    server.listen(listener);
    let site = site(&smtp(port), "digest = \"\"\ngather_seconds = 0\n");
    site.drop_in("a.toml", records::good("O/1", "oper"));
    let status = site.spawn(&[("AKUND_CRASH_AT", "operator-sent")]).ended();
    assert!(crashed(status), "{status}:\n{}", site.log());
    let daemon = site.start();
    site.until("the operator is told", || settled(&site));
    daemon.terminate();
    let taken = server.taken();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0].message_id, taken[1].message_id);
    assert!(taken[0].message_id.starts_with("alert."), "{}", taken[0].message_id);
}

#[test]
fn a_lane_that_gets_nothing_done_is_told_and_so_is_its_return() {
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = reserved.local_addr().unwrap().port();
    drop(reserved);
    let surat = "[channel.surat]\nkind = \"outbox\"\npath = \"surat\"\nfrom = \"akun@example.ac.id\"\n";
    let operator = "channel = \"surat\"\nlanguage = \"en\"\ndigest = \"\"\ngather_seconds = 0\nevery_minutes = 0\nlane_down_minutes = 0\n";
    let site = site(&format!("{}{surat}", smtp(port)), operator);
    let daemon = site.start();
    let mails = || -> Vec<String> {
        let read =
            |path: std::path::PathBuf| Notice::parse(path.clone(), &std::fs::read_to_string(&path).unwrap()).text;
        files_under(&site.path("surat"))
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "eml"))
            .map(read)
            .collect()
    };
    site.drop_in("a.toml", records::good("O/1", "oper"));
    site.until("the operator hears of it", || {
        mails().iter().any(|text| text.contains("email: nothing has succeeded since"))
    });
    let down = mails().iter().filter(|text| text.contains("nothing has succeeded")).count();
    assert_eq!(down, 1, "once");
    let server = Server::default();
    server.listen(TcpListener::bind(("127.0.0.1", port)).unwrap());
    site.until("it is back", || mails().iter().any(|text| text.contains("email: works again (was down since")));
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    assert_eq!(count(&journal, "SELECT count(*) FROM event WHERE kind = 'lane'"), 2);
    drop(journal);
    daemon.terminate();
}

#[test]
fn the_digest_is_sent_once_a_day_also_around_restarts() {
    let surat = "[channel.surat]\nkind = \"outbox\"\npath = \"surat\"\nfrom = \"akun@example.ac.id\"\n";
    let outbox = Setup::default().channel;
    // Half a day from now, whenever this runs.
    let time = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(12)).in_tz("Asia/Jakarta").unwrap();
    let time = time.strftime("%H:00");
    let operator = format!("channel = \"surat\"\ngather_seconds = 3600\ndigest = \"{time}\"\n");
    let site = site(&format!("{outbox}{surat}"), &operator);
    let digests = || -> Vec<Notice> {
        let read = |path: std::path::PathBuf| Notice::parse(path.clone(), &std::fs::read_to_string(&path).unwrap());
        files_under(&site.path("surat"))
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "eml"))
            .map(read)
            .collect()
    };
    let day = || site.reader().operator_told().unwrap().digest;
    let daemon = site.start();
    site.until("digests begin", || day().is_some());
    site.drop_in("a.toml", records::good("O/1", "oper"));
    site.drop_in("b.toml", records::formless("O/2", "hukum"));
    site.until_rest(2);
    daemon.terminate();
    assert!(digests().is_empty(), "not before its time");
    // As if akund had last run days ago.
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    journal.execute("UPDATE operator SET digest = '2026-01-01'", []).unwrap();
    drop(journal);
    let daemon = site.start();
    site.until("the digest is taken", || day() > "2026-01-01".parse().ok());
    daemon.terminate();
    site.start().terminate();
    let digests = digests();
    assert_eq!(digests.len(), 1, "once");
    let text = &digests[0].text;
    for wanted in [
        "Masuk:                2",
        "Selesai:              1",
        "Ditahan:              1",
        "akund show generic:O/2@1",
        "- radius: 0 menunggu, 0 macet",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!text.contains("Rukmini") && !text.contains("pribadi"), "{text}");
}
