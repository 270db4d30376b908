//! A daemon with something of everything: requests that are done, waiting, stuck, held and late, lanes that are paused and out of
//! reach, ids and replies that are hostile, long or run from right to left, and 30 days of history.

use crate::daemon::{Daemon, Setup, Site, records};
use crate::fixture;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// An id may be anything that a letter's number may be.
pub const HOSTILE: &str = "\"><script>alert(1)</script><img src=//evil.example/x onerror=alert(2)>'";
pub const RIGHT_TO_LEFT: &str = "طلب رقم ١٢٣/أ (לבקשה) B-9";
/// 200 characters, and no place to break the line.
pub fn long() -> String {
    format!("B-{}/Un.03/2026", "1a".repeat(93))
}

/// Takes every notice, but for recipients with `tolak` in their name.
fn mail_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A dialogue ends with an error when the client ends.
            std::thread::spawn(move || serve(&stream));
        }
    });
    port
}

fn serve(mut stream: &TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    stream.write_all(b"220 test ESMTP\r\n")?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line.starts_with("RCPT") && line.contains("tolak") {
            stream
                .write_all(b"550 5.1.1 <b>No such \"user\"</b> <img src=//evil.example/y onerror=alert(3)> here\r\n")?;
        } else if line.starts_with("DATA") {
            stream.write_all(b"354 Go on\r\n")?;
            let mut message = String::new();
            while !message.ends_with("\r\n.\r\n") {
                if lines.read_line(&mut message)? == 0 {
                    return Ok(());
                }
            }
            stream.write_all(b"250 2.0.0 Ok: queued\r\n")?;
        } else {
            stream.write_all(b"250 2.0.0 Ok\r\n")?;
        }
    }
}

/// The shipped procedure under another name, in which every minute is working time and five of them are allowed from approvals
/// that are two days old.
fn hurried() -> String {
    let (head, _) = records::PROCEDURE.split_once("[calendar]").unwrap();
    format!(
        "{}[calendar]\nworking_days = [\"monday\", \"tuesday\", \"wednesday\", \"thursday\", \"friday\", \"saturday\", \"sunday\"]\n\
         hours = \"00:00-24:00\"\n[[deadline]]\nname = \"Lima menit sejak persetujuan\"\nfrom = \"approved\"\n\
         to = \"handed-over\"\nworking_minutes = 5\nstep = \"6\"\n",
        head.replacen("name = \"generic\"", "name = \"kilat\"", 1)
    )
}

pub fn kilat(id: &str, local: &str) -> String {
    records::good(id, local).replacen("procedure = \"generic\"", "procedure = \"kilat\"", 1)
}

pub fn site() -> Site {
    let smtp = format!(
        "kind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"akun@example.ac.id\"\n\
         hello = \"akund.example.ac.id\"\n",
        mail_server()
    );
    // Nobody listens there.
    let more = "[channel.tickets]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/akund\"\nsecret_file = \"./webhook-secret\"\n\
         [channel.arsip]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\nsecret_file = \"./webhook-secret\"\n";
    let site = fixture::with(Setup { channel: smtp, more: more.into(), ..Setup::default() });
    std::fs::write(site.path("webhook-secret"), "rahasia-webhook-0123456789").unwrap();
    std::fs::write(site.path("procedures/kilat.toml"), hurried()).unwrap();
    site
}

/// Starts it, and brings everything about.
pub fn busy(site: &Site) -> Daemon {
    let daemon = site.start();
    site.drop_in("lama.csv", records::students("m", 90, None));
    site.until_rest(90);
    daemon.terminate();
    spread(site);
    let daemon = site.start();
    let state = |procedure: &str, id: &str| site.state(&format!("{procedure}:{id}@1"));
    site.drop_in("selesai.toml", records::good("B-12/Un.03/2026", "humas"));
    site.drop_in("tolak.toml", records::good("B-13/Un.03/2026", "tolak.satu"));
    site.drop_in("macet.toml", records::good(HOSTILE, "tolak.dua"));
    site.drop_in("ditolak.toml", records::refused("B-14/Un.03/2026", "purna"));
    site.drop_in("ditahan.toml", records::formless("B-15/Un.03/2026", "hukum"));
    site.drop_in("menunggu.toml", fixture::request("005/88/Dishub/2026", "dishub"));
    site.until("they are where they stay", || {
        ["B-13/Un.03/2026", HOSTILE].iter().all(|id| state("generic", id) == "stuck")
            && state("generic", "B-12/Un.03/2026") == "done"
            && state("generic", "B-15/Un.03/2026") == "held"
            && state("lumajang-email", "005/88/Dishub/2026") == "waiting"
    });
    assert_eq!(site.told(&["pause", "email"]).0, 0);
    assert_eq!(site.told(&["pause", "arsip", "--reason", "dipindah"]).0, 0);
    site.drop_in("kilat.toml", kilat("K-1/2026", "kilat"));
    site.drop_in("arab.toml", records::good(RIGHT_TO_LEFT, "arab"));
    site.drop_in("panjang.toml", kilat(&long(), "panjang"));
    site.until("three wait for the paused lane", || {
        let journal = rusqlite::Connection::open(&site.journal).unwrap();
        let sql = "SELECT count(*) FROM step WHERE lane = 'email' AND verb = 'deliver' AND state = 'ready'";
        crate::daemon::count(&journal, sql) >= 3
    });
    site.until("it is seen that nobody listens", || {
        daemon.get("/metrics").1.contains("akund_target_up{lane=\"tickets\"} 0")
    });
    site.until("what is late is seen", || daemon.get("/metrics").1.contains("standing=\"breached\"} 2"));
    daemon
}

/// The students of a moment ago become 29 days of them, with times from a minute to some hours. Only for the picture: no daemon runs.
fn spread(site: &Site) {
    let journal = rusqlite::Connection::open(&site.journal).unwrap();
    let day = 86_400_000_000_i64;
    journal
        .execute(
            "UPDATE request SET ended_at = ended_at - (1 + (id * id) % 29) * ?1,
               received_at = ended_at - (1 + (id * id) % 29) * ?1 - (id % 11 + 1) * (id % 5 + 1) * 300000000",
            [day],
        )
        .unwrap();
}
