//! The SMTP channel against a strict server that misbehaves on demand.
// Helpers of tests, too, may stop the test.
#![allow(clippy::unwrap_used)]

#[path = "support/smtp_server.rs"]
mod smtp_server;

use akund::channel::smtp::Smtp;
use akund::channel::{Channel, Destination, Envelope, HandedOver};
use akund::config::channel::{SmtpConfig, SmtpTls};
use akund::model::{Fault, FaultClass, Secret};
use smtp_server::{Act, At, Options, Protection, Server, say};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: &str = "hantu-laut-71-perak";

fn config(server: &Server, tls: SmtpTls) -> SmtpConfig {
    SmtpConfig {
        host: "localhost".into(),
        port: Some(server.address.port()),
        tls,
        ca_file: None,
        username: None,
        password_file: None,
        from: "Layanan Surel <akun@example.org>".into(),
        reply_to: None,
        hello: Some("akund.example.org".into()),
        connections: 4,
        timeout_seconds: 20,
    }
}

fn open(config: &SmtpConfig) -> Smtp {
    Smtp::open("mail", config, &|_: &Path| Ok(Secret::new("server-s3cret"))).unwrap()
}

fn clear(server: &Server) -> Smtp {
    open(&config(server, SmtpTls::None))
}

fn impatient(server: &Server) -> Smtp {
    open(&SmtpConfig { timeout_seconds: 8, ..config(server, SmtpTls::None) })
}

/// A channel that trusts the server's CA, and the directory that holds it.
fn private_ca(server: &Server, tls: SmtpTls, change: impl FnOnce(&mut SmtpConfig)) -> (Smtp, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, &server.ca_pem).unwrap();
    let mut config = SmtpConfig { ca_file: Some(ca), ..config(server, tls) };
    change(&mut config);
    (open(&config), dir)
}

fn notice(number: u32) -> Envelope {
    Envelope {
        message_id: format!("0190-77.{number}@akund.example.org"),
        to: Destination::Email(format!("penerima.surat{number}@example.net").parse().unwrap()),
        to_name: "Biro Humas".into(),
        language: "id".into(),
        subject: "Akun baru".into(),
        text: Secret::new(format!("Nomor {number}\n.titik di awal baris\nKata sandi: {PASSWORD}\n")),
        html: None,
        receipt: None,
        attachments: Vec::new(),
    }
}

async fn sent(channel: &Smtp, number: u32) -> Result<HandedOver, Fault> {
    let outcome = channel.send(&notice(number)).await;
    if let Err(fault) = &outcome {
        for hidden in ["penerima.surat", PASSWORD, "server-s3cret"] {
            assert!(!fault.message.contains(hidden), "{}", fault.message);
        }
        assert!(fault.message.starts_with("localhost:"), "{}", fault.message);
    }
    outcome
}

async fn class(channel: &Smtp, number: u32) -> FaultClass {
    sent(channel, number).await.unwrap_err().class
}

#[tokio::test]
async fn a_notice_arrives_whole_and_its_queue_id_comes_back() {
    let server = Server::start(Options::default()).await;
    let reply = sent(&clear(&server), 1).await.unwrap().reply;
    assert_eq!(reply, "250 2.0.0 Ok: queued as Q1");
    let message = &server.messages()[0];
    assert_eq!(message.rcpt, "RCPT TO:<penerima.surat1@example.net>");
    assert!(message.data.contains("\r\n.titik di awal baris\r\n"), "{}", message.data);
    assert!(message.data.contains("Message-ID: <0190-77.1@akund.example.org>\r\n"));
    assert!(message.data.contains(PASSWORD));
    assert_eq!(server.breaches(), Vec::<String>::new());
}

#[tokio::test]
async fn bounces_without_the_body_are_asked_for_where_dsn_is_offered_and_only_there() {
    for dsn in [true, false] {
        let server = Server::start(Options { dsn, ..Options::default() }).await;
        sent(&clear(&server), 1).await.unwrap();
        let expected = if dsn { "MAIL FROM:<akun@example.org> RET=HDRS" } else { "MAIL FROM:<akun@example.org>" };
        assert_eq!(server.messages()[0].mail, expected);
        assert_eq!(server.breaches(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_connection_cut_before_the_final_dot_is_transient_and_after_it_unknown() {
    let cuts = [
        (At::Connect, FaultClass::Transient),
        (At::Ehlo, FaultClass::Transient),
        (At::Mail, FaultClass::Transient),
        (At::Rcpt, FaultClass::Transient),
        (At::Data, FaultClass::Transient),
        (At::Dot, FaultClass::Unknown),
    ];
    for (cut, expected) in cuts {
        let server = Server::start(Options::hooked(move |at, connection, _| match connection {
            1 if at == cut => Act::Cut,
            _ => Act::Usual,
        }))
        .await;
        let channel = clear(&server);
        assert_eq!(class(&channel, 1).await, expected, "cut at {cut:?}");
        sent(&channel, 2).await.unwrap();
        assert_eq!(server.connections(), 2, "cut at {cut:?}");
    }
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_a_large_message_is_transient() {
    let server = Server::start(Options::hooked(|at, connection, _| match at {
        At::MidData if connection == 1 => Act::Cut,
        _ => Act::Usual,
    }))
    .await;
    let channel = clear(&server);
    // More than the socket buffers of both sides take, so that the cut is met while writing.
    let large = Envelope { text: Secret::new("baris\r\n".repeat(2_000_000)), ..notice(1) };
    let fault = channel.send(&large).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Transient, "{fault}");
    assert!(fault.message.contains("while sending the message"), "{fault}");
    sent(&channel, 2).await.unwrap();
}

#[tokio::test]
async fn a_reply_to_the_message_cut_at_any_octet_is_unknown() {
    let reply = "250-2.0.0 Ok:\r\n250 2.0.0 queued as Q1\r\n";
    for end in (1..reply.len()).step_by(3).chain([reply.len() - 1]) {
        let server = Server::start(Options::hooked(move |at, _, _| match at {
            At::Dot => Act::SayAndCut(reply[..end].into()),
            _ => Act::Usual,
        }))
        .await;
        assert_eq!(class(&clear(&server), 1).await, FaultClass::Unknown, "cut after {:?}", &reply[..end]);
    }
    let server = Server::start(Options::hooked(move |at, _, _| match at {
        At::Dot => Act::SayAndCut(reply.into()),
        _ => Act::Usual,
    }))
    .await;
    assert_eq!(sent(&clear(&server), 1).await.unwrap().reply, "250 2.0.0 Ok: 2.0.0 queued as Q1");
}

#[tokio::test]
async fn a_server_silent_before_the_final_dot_is_transient_and_after_it_unknown() {
    let stages = [At::Connect, At::Ehlo, At::Mail, At::Rcpt, At::Data, At::MidData, At::Dot];
    let cases = stages.map(|silent| async move {
        let server = Server::start(Options::hooked(move |at, connection, _| match connection {
            1 if at == silent => Act::Silent,
            _ => Act::Usual,
        }))
        .await;
        let channel = impatient(&server);
        let large = Envelope { text: Secret::new("baris\r\n".repeat(2_000_000)), ..notice(1) };
        let first = if silent == At::MidData { large } else { notice(1) };
        let class = channel.send(&first).await.unwrap_err().class;
        // Silent in the middle of the data means that this side cannot tell: it could write everything.
        let unknown = matches!(silent, At::Dot | At::MidData);
        assert_eq!(class, if unknown { FaultClass::Unknown } else { FaultClass::Transient }, "silent at {silent:?}");
        sent(&channel, 2).await.unwrap();
        assert_eq!(server.connections(), 2, "silent at {silent:?}: the connection must not be used again");
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test]
async fn each_refusal_is_classed_by_its_code_and_place() {
    use FaultClass::{Permanent, Transient};
    let cases = [
        (At::Connect, "554 5.3.2 No service", Transient),
        (At::Connect, "421 4.3.2 Come back later", Transient),
        (At::Ehlo, "550 5.7.1 Your name is not welcome", Transient),
        (At::Mail, "550 5.1.8 Sender refused", Permanent),
        (At::Mail, "452 4.3.1 Disk full", Transient),
        (At::Mail, "530 5.7.0 Authentication required", Transient),
        (At::Rcpt, "550 5.1.1 <penerima.surat1@example.net>: unknown user penerima.surat1", Permanent),
        (At::Rcpt, "451 4.7.1 Greylisted", Transient),
        (At::Rcpt, "421 4.3.2 Closing", Transient),
        (At::Data, "554 5.5.1 No valid recipients", Permanent),
        (At::Data, "451 4.3.0 Try again", Transient),
        (At::Dot, "550 5.7.1 Content rejected", Permanent),
        (At::Dot, "451 4.3.0 Queue file write error", Transient),
        (At::Dot, "421 4.3.2 Closing", Transient),
    ];
    for (place, reply, expected) in cases {
        let server = Server::start(Options::hooked(move |at, connection, _| match connection {
            1 if at == place => say(reply),
            _ => Act::Usual,
        }))
        .await;
        let channel = clear(&server);
        let fault = sent(&channel, 1).await.unwrap_err();
        assert_eq!(fault.class, expected, "{place:?} {reply}: {fault}");
        assert!(fault.message.contains(&reply[..9]), "{fault}");
        sent(&channel, 2).await.unwrap();
    }
}

#[tokio::test]
async fn a_positive_reply_that_does_not_fit_is_never_taken_for_success() {
    let cases = [
        (At::Mail, "354 go on", FaultClass::Transient),
        (At::Rcpt, "354 go on", FaultClass::Transient),
        (At::Data, "250 ok", FaultClass::Transient),
        (At::Dot, "354 go on", FaultClass::Unknown),
        (At::Dot, "220 hello", FaultClass::Unknown),
        (At::Dot, "nonsense", FaultClass::Unknown),
    ];
    for (place, reply, expected) in cases {
        let server =
            Server::start(Options::hooked(move |at, _, _| if at == place { say(reply) } else { Act::Usual })).await;
        assert_eq!(class(&clear(&server), 1).await, expected, "{place:?} {reply}");
    }
}

/// Message 1 runs out of time waiting for a reply; if its connection were used again, message 2 would be
/// judged by message 1's reply.
#[tokio::test]
async fn a_late_reply_is_never_taken_for_the_next_notice() {
    for late in [At::Mail, At::Data, At::Dot] {
        let server = Arc::new(
            Server::start(Options::hooked(move |at, connection, _| match (at, connection) {
                (at, 1) if at == late => Act::Late,
                (At::Dot, 2) => say("550 5.7.1 REJECTED"),
                _ => Act::Usual,
            }))
            .await,
        );
        let channel = impatient(&server);
        let first = sent(&channel, 1).await.unwrap_err();
        assert_eq!(first.class, if late == At::Dot { FaultClass::Unknown } else { FaultClass::Transient }, "{first}");
        server.release();
        let second = sent(&channel, 2).await.unwrap_err();
        assert_eq!(second.class, FaultClass::Permanent, "{second}");
        assert!(second.message.contains("REJECTED"), "{second}");
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn a_dropped_send_never_gives_its_connection_back() {
    let server = Server::start(Options::hooked(|at, connection, message| match (at, connection, message) {
        (At::Data, 1, 2) => Act::Late,
        _ => Act::Usual,
    }))
    .await;
    let channel = clear(&server);
    sent(&channel, 1).await.unwrap();
    let second = notice(2);
    let gave_up = tokio::time::timeout(Duration::from_millis(300), channel.send(&second)).await;
    assert!(gave_up.is_err());
    server.release();
    sent(&channel, 3).await.unwrap();
    assert_eq!(server.connections(), 2);
    assert_eq!(server.messages().len(), 2);
}

#[tokio::test]
async fn a_connection_is_reused_after_a_whole_reply() {
    let server = Server::start(Options::default()).await;
    let channel = clear(&server);
    for number in 1..=5 {
        assert_eq!(sent(&channel, number).await.unwrap().reply, format!("250 2.0.0 Ok: queued as Q{number}"));
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(server.commands().iter().filter(|c| *c == "RSET").count(), 4);
    assert_eq!(server.breaches(), Vec::<String>::new());
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_is_replaced_unseen() {
    for farewell in [Act::Cut, say("421 4.4.2 Timeout"), Act::SayAndCut("421 4.4.2 Timeout\r\n".into())] {
        let server = Server::start(Options::hooked(move |at, connection, _| match (at, connection) {
            (At::Rset, 1) => farewell.clone(),
            _ => Act::Usual,
        }))
        .await;
        let channel = clear(&server);
        sent(&channel, 1).await.unwrap();
        sent(&channel, 2).await.unwrap();
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn a_stray_second_reply_to_a_message_spoils_no_other_notice() {
    let server = Server::start(Options::hooked(|at, connection, _| match (at, connection) {
        (At::Dot, 1) => Act::Say("250 2.0.0 Ok: queued as Q1\r\n250 2.0.0 Ok again\r\n".into()),
        (At::Dot, _) => say("550 5.7.1 REJECTED"),
        _ => Act::Usual,
    }))
    .await;
    let channel = clear(&server);
    sent(&channel, 1).await.unwrap();
    // Out of step by one: noticed before the message leaves, at the latest where 354 is due.
    assert_eq!(class(&channel, 2).await, FaultClass::Transient);
    assert!(sent(&channel, 2).await.unwrap_err().message.contains("REJECTED"));
}

#[tokio::test]
async fn idle_connections_are_closed_with_quit() {
    let server = Server::start(Options::default()).await;
    let channel = clear(&server).keep_idle(Duration::from_millis(50));
    sent(&channel, 1).await.unwrap();
    server.all_closed().await;
    assert_eq!(server.commands().last().map(String::as_str), Some("QUIT"));
    sent(&channel, 2).await.unwrap();
    server.all_closed().await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn never_more_connections_than_configured() {
    let server = Arc::new(Server::start(Options::default()).await);
    let channel = open(&SmtpConfig { connections: 2, ..config(&server, SmtpTls::None) });
    assert_eq!(channel.parallel(), 2);
    let all: Vec<u32> = (1..=20).collect();
    let outcomes = futures_util::future::join_all(all.iter().map(|n| sent(&channel, *n))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert!(server.connections() <= 2, "{}", server.connections());
    assert_eq!(server.messages().len(), 20);
}

#[tokio::test]
async fn starttls_and_tls_work_with_a_private_ca() {
    for (protection, tls) in [(Protection::Starttls, SmtpTls::Starttls), (Protection::Tls, SmtpTls::Tls)] {
        let server = Server::start(Options { protection, ..Options::default() }).await;
        let (channel, _dir) = private_ca(&server, tls, |_| ());
        sent(&channel, 1).await.unwrap();
        sent(&channel, 2).await.unwrap();
        assert_eq!(server.connections(), 1);
        assert_eq!(server.messages()[0].mail, "MAIL FROM:<akun@example.org> RET=HDRS");
        assert_eq!(server.breaches(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn nothing_leaves_in_clear_text_where_tls_was_asked_for() {
    let server = Server::start(Options { protection: Protection::Clear, ..Options::default() }).await;
    let (channel, _dir) = private_ca(&server, SmtpTls::Starttls, |c| {
        (c.username, c.password_file) = (Some("akun".into()), Some("smtp".into()));
    });
    let fault = sent(&channel, 1).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Transient);
    assert!(fault.message.contains("does not offer STARTTLS"), "{fault}");
    let said = server.commands();
    assert!(said.iter().all(|c| c.starts_with("EHLO") || c == "QUIT"), "{said:?}");
}

#[tokio::test]
async fn clear_text_behind_the_reply_to_starttls_is_not_taken_for_a_reply() {
    let server = Server::start(Options {
        protection: Protection::Starttls,
        hook: Arc::new(|at, _, _| match at {
            At::Starttls => Act::UsualAnd("250-injected\r\n250 DSN\r\n".into()),
            _ => Act::Usual,
        }),
        ..Options::default()
    })
    .await;
    let (channel, _dir) = private_ca(&server, SmtpTls::Starttls, |_| ());
    let fault = sent(&channel, 1).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Transient);
    assert!(fault.message.contains("could not agree on TLS"), "{fault}");
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_or_of_another_name_is_transient_and_says_what_to_do() {
    for tls in [SmtpTls::Starttls, SmtpTls::Tls] {
        let protection = if tls == SmtpTls::Tls { Protection::Tls } else { Protection::Starttls };
        let other =
            Server::start(Options { protection, certificate_name: "mail.example.com", ..Options::default() }).await;
        let (wrong_name, _dir) = private_ca(&other, tls, |_| ());
        let server = Server::start(Options { protection, ..Options::default() }).await;
        for (channel, what, advice) in [
            (wrong_name, "certificate that is not for this host", "mail.example.com"),
            (open(&config(&server, tls)), "certificate that is not trusted", "set ca_file"),
        ] {
            let fault = sent(&channel, 1).await.unwrap_err();
            assert_eq!(fault.class, FaultClass::Transient);
            assert!(fault.message.contains(what) && fault.message.contains(advice), "{fault}");
        }
        assert!(other.messages().is_empty() && server.messages().is_empty());
    }
}

#[tokio::test]
async fn authentication_works_with_plain_and_login_and_a_refusal_strands_no_notice() {
    for mechanism in ["PLAIN", "LOGIN", "PLAIN LOGIN"] {
        let auth = Some((mechanism, "akun", "server-s3cret"));
        let server = Server::start(Options { protection: Protection::Starttls, auth, ..Options::default() }).await;
        let with_login = |user: &'static str| {
            private_ca(&server, SmtpTls::Starttls, |c| {
                (c.username, c.password_file) = (Some(user.into()), Some("smtp".into()));
            })
        };
        let (channel, _dir) = with_login("akun");
        sent(&channel, 1).await.unwrap();
        let (channel, _dir) = with_login("orang-lain");
        let fault = sent(&channel, 2).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Transient);
        assert!(fault.message.contains("535 5.7.8") && fault.message.contains("password_file"), "{fault}");
        assert_eq!(server.messages().len(), 1);
    }
    let server = Server::start(Options { auth: Some(("CRAM-MD5", "akun", "x")), ..Options::default() }).await;
    let mut config = config(&server, SmtpTls::None);
    (config.username, config.password_file) = (Some("akun".into()), Some("smtp".into()));
    let fault = sent(&open(&config), 1).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Transient);
    assert!(fault.message.contains("no way to authenticate"), "{fault}");
}

#[tokio::test]
async fn a_repeat_carries_the_same_message_id() {
    let server = Server::start(Options::hooked(|at, connection, _| match (at, connection) {
        (At::Dot, 1) => Act::Cut,
        _ => Act::Usual,
    }))
    .await;
    let channel = clear(&server);
    assert_eq!(class(&channel, 1).await, FaultClass::Unknown);
    sent(&channel, 1).await.unwrap();
    let ids: Vec<String> = server
        .messages()
        .iter()
        .flat_map(|m| m.data.lines().filter(|l| l.starts_with("Message-ID:")).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(ids, ["Message-ID: <0190-77.1@akund.example.org>"; 2]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_transient() {
    let server = Server::start(Options::default()).await;
    let config = config(&server, SmtpTls::None);
    drop(server);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = SmtpConfig { port: Some(listener.local_addr().unwrap().port()), ..config };
    drop(listener);
    let channel = open(&config);
    assert_eq!(class(&channel, 1).await, FaultClass::Transient);
    let findings = channel.check().await;
    assert!(matches!(&findings[..], [Err(sentence)] if sentence.contains("cannot be reached")), "{findings:?}");
}

#[test]
fn clear_text_is_refused_off_loopback() {
    let config = SmtpConfig {
        host: "192.0.2.1".into(),
        port: None,
        tls: SmtpTls::None,
        ca_file: None,
        username: None,
        password_file: None,
        from: "akun@example.org".into(),
        reply_to: None,
        hello: None,
        connections: 4,
        timeout_seconds: 60,
    };
    let error = Smtp::open("mail", &config, &|_: &Path| Err("no secret".into())).unwrap_err();
    assert!(error.contains("192.0.2.1") && error.contains("starttls"), "{error}");
    for host in ["127.0.0.1", "::1", "localhost"] {
        let config = SmtpConfig { host: host.into(), ..config.clone() };
        assert!(Smtp::open("mail", &config, &|_: &Path| Err("no secret".into())).is_ok(), "{host}");
    }
}

#[tokio::test]
async fn mistakes_in_the_configuration_are_found_when_it_is_opened() {
    let server = Server::start(Options::default()).await;
    let good = config(&server, SmtpTls::Starttls);
    let dir = tempfile::tempdir().unwrap();
    let (empty, broken) = (dir.path().join("empty.pem"), dir.path().join("broken.pem"));
    std::fs::write(&empty, "").unwrap();
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nxxxx\n-----END CERTIFICATE-----\n").unwrap();
    let cases: Vec<(&str, SmtpConfig)> = vec![
        ("host", SmtpConfig { host: "a b".into(), ..good.clone() }),
        ("from", SmtpConfig { from: "nobody".into(), ..good.clone() }),
        ("reply_to", SmtpConfig { reply_to: Some("a\r\nb@example.org".into()), ..good.clone() }),
        ("hello", SmtpConfig { hello: Some("a\r\nMAIL".into()), ..good.clone() }),
        ("connections", SmtpConfig { connections: 0, ..good.clone() }),
        ("timeout_seconds", SmtpConfig { timeout_seconds: 0, ..good.clone() }),
        ("password_file", SmtpConfig { username: Some("a".into()), ..good.clone() }),
        ("username", SmtpConfig { password_file: Some("a".into()), ..good.clone() }),
        ("ca_file", SmtpConfig { ca_file: Some("/nonexistent/ca.pem".into()), ..good.clone() }),
        ("ca_file", SmtpConfig { ca_file: Some(empty), ..good.clone() }),
        ("ca_file", SmtpConfig { ca_file: Some(broken), ..good.clone() }),
        ("ca_file", SmtpConfig { tls: SmtpTls::None, ca_file: Some("/nonexistent/ca.pem".into()), ..good.clone() }),
    ];
    for (field, config) in cases {
        let error = Smtp::open("mail", &config, &|_: &Path| Ok(Secret::new("x"))).unwrap_err();
        assert!(error.starts_with("channel mail: ") && error.contains(field), "{field}: {error}");
    }
    let config = SmtpConfig { username: Some("a".into()), password_file: Some("smtp".into()), ..good };
    let error = Smtp::open("mail", &config, &|p: &Path| Err(format!("{}: not there", p.display()))).unwrap_err();
    assert_eq!(error, "channel mail: smtp: not there");
}

#[tokio::test]
async fn check_connects_and_sends_nothing() {
    let auth = Some(("PLAIN", "akun", "server-s3cret"));
    let server = Server::start(Options { protection: Protection::Starttls, auth, ..Options::default() }).await;
    let (channel, _dir) = private_ca(&server, SmtpTls::Starttls, |c| {
        (c.username, c.password_file) = (Some("akun".into()), Some("smtp".into()));
    });
    let findings = channel.check().await;
    assert!(findings.iter().all(Result::is_ok), "{findings:?}");
    assert!(findings.iter().flatten().any(|f| f.contains("STARTTLS") && f.contains("authenticated")), "{findings:?}");
    server.all_closed().await;
    assert!(server.messages().is_empty());
    assert!(!server.commands().iter().any(|c| c.starts_with("MAIL")), "{:?}", server.commands());
    assert_eq!(server.breaches(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_that_can_be_printed_holds_a_password() {
    let server = Server::start(Options::default()).await;
    let mut config = config(&server, SmtpTls::None);
    (config.username, config.password_file) = (Some("akun".into()), Some("smtp".into()));
    let channel = open(&config);
    let printed = format!("{channel:?} {:?} {config:?}", notice(1));
    assert!(!printed.contains("server-s3cret") && !printed.contains(PASSWORD), "{printed}");
    assert!(!printed.contains("penerima.surat"), "{printed}");
}
