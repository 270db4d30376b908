//! The pages as they are served, from a journal of their own.

use super::*;
use crate::observe::pulse::Pulse;
use axum::serve::Listener;
use jiff::SignedDuration;
use rusqlite::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=y>";

/// Another who looks for the first time.
async fn serve(source: Source) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Listener::local_addr(&listener).unwrap();
    tokio::spawn(async move { axum::serve(listener, router(source)).await });
    address
}

struct Site {
    source: Source,
    _dir: tempfile::TempDir,
    connection: Connection,
    address: std::net::SocketAddr,
    metrics: Metrics,
    health: Health,
    watch: Watch,
}

impl Site {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let mut connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        crate::journal::schema::migrate(&mut connection, &path).unwrap();
        let text = include_str!("../../../config/procedures/generic.toml");
        let procedure = Arc::new(Procedure::parse("generic.toml", text).unwrap());
        let (metrics, health, watch) = (Metrics::new(), Health::new(Pulse::new()), Watch::default());
        health.set_journal(Ok(()));
        health.set_intake(Ok(()));
        let source = Source {
            journal: path,
            lanes: vec!["credentials".into(), "mail".into(), "email".into()],
            outlets: vec!["tickets".into()],
            watch: watch.clone(),
            metrics: metrics.clone(),
            health: health.clone(),
            procedures: Arc::new(RwLock::new(Arc::new(BTreeMap::from([("generic".to_owned(), procedure)])))),
        };
        let address = serve(source.clone()).await;
        Self { source, _dir: dir, connection, address, metrics, health, watch }
    }

    /// A request of the hostile kind, with two steps of which the second has the state and fault; its uid.
    fn request(&self, id: i64, ext_id: &str, state: &str, step: &str, fault: &str) -> uuid::Uuid {
        let uid = uuid::Uuid::from_u128(id.unsigned_abs().into());
        let ended = ["done", "refused"].contains(&state).then_some(now());
        let c = &self.connection;
        c.execute(
            "INSERT INTO request (id, uid, procedure, ext_id, revision, digest, action, state, verdict, submission, row,
               flow, procedure_sha256, texts, received_at, state_at, ended_at)
             VALUES (?1, ?2, 'generic', ?3, 1, x'00', 'create', ?4, 'permit', 1, 1, 0, '', 1, ?5, ?5, ?6)",
            (id, uid, ext_id, state, now() - 5_000_000, ended),
        )
        .unwrap();
        let account =
            serde_json::json!({"address": "budi.santoso@example.ac.id", "username": "budi.santoso"}).to_string();
        c.execute("INSERT INTO personal VALUES (?1, x'00', '{}', '{}', ?2)", (id, account)).unwrap();
        let insert =
            "INSERT INTO step (id, part, lane, verb, detail, state, first_at, done_at, fault, fault_class, due)
             VALUES (?1, 'plan', 'mail', ?2, ?3, ?4, ?5, ?6, ?7, 'permanent', ?8)";
        let begun = now() - 4_000_000;
        let done = (step == "done").then_some(begun + 1_000_000);
        c.execute(insert, (id << 8, "apply", r#"{"sop":"5"}"#, "done", begun, begun + 1_000_000, None::<String>, 0))
            .unwrap();
        c.execute(insert, (id << 8 | 1, "prove", r#"{"sop":"5"}"#, step, begun, done, fault, now() + 60_000_000))
            .unwrap();
        uid
    }

    async fn get(&self, path: &str, headers: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
    }
}

fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

#[tokio::test]
async fn a_hostile_text_is_shown_and_does_nothing() {
    let site = Site::new().await;
    let uid = site.request(1, HOSTILE, "stuck", "stuck", HOSTILE);
    for path in ["/".to_owned(), format!("/request/{uid}")] {
        let (status, _, body) = site.get(&path, "").await;
        assert_eq!(status, 200);
        for active in ["<script", "<img", "onerror=y>", "<iframe", "javascript:", " style="] {
            assert!(!body.contains(active), "{path}: {active} in\n{body}");
        }
        assert!(body.contains("&lt;script&gt;alert(1)"), "{body}");
    }
}

#[tokio::test]
async fn personal_data_is_masked_and_the_request_is_found_by_its_uid() {
    let site = Site::new().await;
    let fault = "budi.santoso@example.ac.id exists; uid=budi.santoso; +6281234567890";
    let uid = site.request(1, "B-12/Un.03/2026", "stuck", "stuck", fault);
    let nip = site.request(2, "198501012015041003", "working", "retry", fault);
    for path in ["/".to_owned(), format!("/request/{uid}"), format!("/request/{nip}")] {
        let (_, _, body) = site.get(&path, "").await;
        for personal in ["budi.santoso", "81234567890", "19850101201504"] {
            assert!(!body.contains(personal), "{path}: {personal} in\n{body}");
        }
    }
    let (_, _, body) = site.get("/", "").await;
    assert!(
        body.contains("generic:B-12&#x2f;Un.03&#x2f;2026@1") || body.contains("generic:B-12/Un.03/2026@1"),
        "{body}"
    );
    assert!(body.contains(&format!("href=\"/request/{uid}\"")), "{body}");
    for path in ["/request/1", "/request/00000000-0000-0000-0000-00000000ffff", "/request/..%2f..%2fetc%2fpasswd"] {
        let (status, _, body) = site.get(path, "").await;
        assert_eq!(status, 404, "{path}");
        assert!(body.contains("<html"), "{body}");
    }
}

#[tokio::test]
async fn nothing_may_be_loaded_from_elsewhere_and_nothing_may_run() {
    let site = Site::new().await;
    let uid = site.request(1, "B-1", "done", "done", "");
    for path in ["/".to_owned(), format!("/request/{uid}"), "/request/x".to_owned(), "/style.css".to_owned()] {
        let (_, head, body) = site.get(&path, "").await;
        assert!(
            head.contains("content-security-policy: default-src 'none'; style-src 'self'; img-src 'self';"),
            "{head}"
        );
        assert!(head.contains("referrer-policy: no-referrer"), "{head}");
        for outside in ["http://", "https://", "//", "url(", "@import", "<style", "<script"] {
            let allowed = outside == "//" && path == "/style.css";
            assert!(allowed || !body.contains(outside), "{path}: {outside}");
        }
    }
    let (_, head, body) = site.get("/icon.svg", "").await;
    assert!(head.contains("content-type: image/svg+xml"), "{head}");
    assert!(body.starts_with("<svg"), "{body}");
}

#[tokio::test]
async fn it_refreshes_itself_unless_it_is_told_not_to_and_speaks_both_languages() {
    let site = Site::new().await;
    let uid = site.request(1, "B-1", "held", "blocked", "");
    let (_, head, body) = site.get("/", "Accept-Language: en-GB\r\n").await;
    assert!(head.contains("refresh: 30") && head.contains("content-language: en"), "{head}");
    assert!(body.contains("<html lang=\"en\">") && body.contains("All is running"), "{body}");
    let (_, head, body) = site.get("/?lang=id&refresh=0", "Accept-Language: en\r\n").await;
    assert!(!head.contains("refresh: 30") && head.contains("content-language: id"), "{head}");
    assert!(body.contains("Semua berjalan"), "{body}");
    // Links keep what was asked for.
    assert!(body.contains(&format!("/request/{uid}?lang=id&amp;refresh=0")), "{body}");
}

#[tokio::test]
async fn every_state_of_every_step_renders_in_both_languages() {
    let site = Site::new().await;
    let mut uids = Vec::new();
    let states = crate::journal::State::ALL;
    for (n, state) in states.iter().enumerate() {
        for (m, step) in ["blocked", "ready", "retry", "running", "done", "stuck", "cancelled"].iter().enumerate() {
            let id = i64::try_from(n * 10 + m + 1).unwrap();
            uids.push(site.request(id, &format!("B-{id}"), state.as_str(), step, "x"));
        }
    }
    site.health.set_intake(Err("akund is draining".into()));
    site.metrics.set_target_up("mail", false);
    for lang in ["id", "en"] {
        let (status, _, body) = site.get(&format!("/?lang={lang}"), "").await;
        assert_eq!(status, 200, "{body}");
        assert!(body.len() < 200_000, "{} bytes", body.len());
        for uid in &uids {
            assert_eq!(site.get(&format!("/request/{uid}?lang={lang}"), "").await.0, 200);
        }
    }
}

#[tokio::test]
async fn an_outlet_has_a_row_as_lanes_have_with_how_many_documents_wait_since_when_and_why() {
    let site = Site::new().await;
    let uid = site.request(1, "B-1", "done", "done", "");
    site.request(2, "B-2", "done", "done", "");
    let hour = 3_600_000_000_i64;
    let insert = "INSERT INTO posting (outlet, request, delivery, body, state, due, made_at, fault_class, fault)
         VALUES ('tickets', ?1, ?1, x'7b7d', ?2, ?3, ?4, ?5, ?6)";
    let fault = "https:<b>tickets</b> of budi.santoso@example.ac.id: connection refused";
    let (away, none) = (Some("transient"), None::<&str>);
    site.connection.execute(insert, (1, "retry", now() + hour, now() - 3 * hour, away, Some(fault))).unwrap();
    site.connection.execute(insert, (2, "ready", 0, now() - hour, none, none)).unwrap();
    let (long, recent) = (Timestamp::now() - SignedDuration::from_hours(2), Timestamp::now());
    site.watch.saw("tickets", Some("refused"), long);
    site.watch.saw("email", Some("refused"), recent);
    site.metrics.set_target_up("tickets", false);
    let (_, _, body) = site.get("/?lang=en", "").await;
    let row = |body: &str, name: &str| {
        let row = body.split("<tr>").find(|row| row.contains(&format!(">{name}</th>"))).unwrap_or_default();
        row.split("</tr>").next().unwrap_or_default().to_owned()
    };
    let tickets = row(&body, "tickets");
    for said in [
        "unreachable</span> <span class=\"dim\">for 2 h",
        "the oldest waits 3 h",
        "data-label=\"Queued\">1<",
        "data-label=\"To repeat\">1<",
        "connection refused</bdi> <span class=\"dim\">transient",
    ] {
        assert!(tickets.contains(said), "{said} in {tickets}");
    }
    assert!(!tickets.contains("<b>") && !tickets.contains("budi.santoso"), "{tickets}");
    assert!(body.contains("Cannot be reached: tickets"), "{body}");
    assert!(!row(&body, "mail").contains("the oldest waits"), "nothing waits there");
    // Paused by an order, and what was refused for good.
    let pause = "INSERT INTO lane VALUES ('tickets', 1, 0, ''); UPDATE posting SET state = 'stuck', fault_class = 'permanent' WHERE id = 1;
         UPDATE posting SET state = 'done' WHERE id = 2";
    site.connection.execute_batch(pause).unwrap();
    let fresh = Site { address: serve(site.source.clone()).await, ..site };
    let (_, _, body) = fresh.get("/?lang=id", "").await;
    let tickets = row(&body, "tickets");
    assert!(tickets.contains("dijeda") && tickets.contains("data-label=\"Macet\">1<"), "{tickets}");
    assert!(!tickets.contains("tertua menunggu"), "{tickets}");
    assert!(body.contains("Dijeda: tickets") && body.contains("Tujuan dokumen hasil"), "{body}");
    assert!(fresh.get(&format!("/request/{uid}"), "").await.0 == 200);
}

#[tokio::test]
async fn the_page_is_bounded_and_says_how_many_more_there_are() {
    let site = Site::new().await;
    for id in 1..=300 {
        site.request(id, &format!("B-{id}"), "stuck", "stuck", &"long ".repeat(500));
    }
    let (_, _, body) = site.get("/?lang=en", "").await;
    assert_eq!(body.matches("href=\"/request/").count(), data::MOST as usize);
    assert!(body.contains("288 more; see all with <code>akund list --state stuck</code>"), "{body}");
    assert!(body.len() < 60_000, "{} bytes", body.len());
}

#[tokio::test]
async fn many_who_look_cost_the_journal_one_look() {
    let site = Site::new().await;
    assert!(site.get("/", "").await.2.contains("id=\"lanes\""));
    // What changed a moment ago is seen only when the last look is two seconds old.
    site.request(1, "B-1", "stuck", "stuck", "x");
    assert!(!site.get("/", "").await.2.contains("/request/"));
    let begun = Instant::now();
    while !site.get("/", "").await.2.contains("/request/") {
        assert!(begun.elapsed().as_secs() < 60, "the page never sees it");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_is_said_and_tried_again() {
    let site = Site::new().await;
    site.connection.pragma_update(None, "user_version", 99).unwrap();
    let (status, head, body) = site.get("/?lang=en", "").await;
    assert_eq!(status, 503);
    assert!(head.contains("refresh: 30") && body.contains("The journal cannot be read"), "{body}");
    site.connection.pragma_update(None, "user_version", crate::journal::schema::VERSION).unwrap();
    assert_eq!(site.get("/", "").await.0, 200);
}

#[test]
fn the_page_cannot_write_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let mut connection = Connection::open(&path).unwrap();
    crate::journal::schema::migrate(&mut connection, &path).unwrap();
    let reader = Reader::open(&path).unwrap();
    assert!(reader.read_only());
}

#[test]
fn text_can_be_read_on_its_ground_in_light_and_dark() {
    let palette = |text: &str| -> BTreeMap<String, [f64; 3]> {
        let colour = |hex: &str| [1, 3, 5].map(|n| f64::from(u8::from_str_radix(&hex[n..n + 2], 16).unwrap()) / 255.0);
        let pairs = text.split(';').filter_map(|pair| pair.trim().trim_start_matches([':', '{']).split_once(": #"));
        pairs.map(|(name, hex)| (name.rsplit_once("--").unwrap().1.to_owned(), colour(&format!("#{hex}")))).collect()
    };
    let light = |[r, g, b]: [f64; 3]| {
        let one = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        0.2126 * one(r) + 0.7152 * one(g) + 0.0722 * one(b)
    };
    let (day, night) = pages::STYLE.split_once("@media (prefers-color-scheme: dark)").unwrap();
    for part in [day, night.split("* {").next().unwrap()] {
        let colours = palette(part);
        assert!(colours.len() >= 16, "{colours:?}");
        let contrast = |one: &str, other: &str| {
            let (one, other) = (light(colours[one]), light(colours[other]));
            (one.max(other) + 0.05) / (one.min(other) + 0.05)
        };
        // WCAG 2.2, 1.4.3: text 4.5; 1.4.11: what must be seen of a picture 3.
        for (ink, ground) in [
            ("ink", "paper"),
            ("ink", "card"),
            ("dim", "paper"),
            ("dim", "card"),
            ("link", "paper"),
            ("link", "card"),
            ("link", "accent-soft"),
            ("good", "good-soft"),
            ("warn", "warn-soft"),
            ("bad", "bad-soft"),
            ("bad", "card"),
            ("warn", "card"),
            ("good", "card"),
        ] {
            assert!(contrast(ink, ground) >= 4.5, "{ink} on {ground}: {}", contrast(ink, ground));
        }
        for (mark, ground) in [("bar", "card"), ("bar-2", "card"), ("bar-3", "card"), ("bad", "card"), ("warn", "card")]
        {
            assert!(contrast(mark, ground) >= 3.0, "{mark} on {ground}: {}", contrast(mark, ground));
        }
    }
}
