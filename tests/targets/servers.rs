//! Accounts on PostgreSQL and MariaDB, as Postfix, Dovecot and FreeRADIUS see them with roles of their own.

use crate::fixture::*;
use crate::mail::Cast as MailCast;
use crate::peers::{Dovecot, FreeRadius, MariaDb, Method, Postfix, Postgres};
use crate::radius::Cast as RadiusCast;
use akund::config::target::{AttributeValue, RadiusPassword};
use akund::model::{Action, FaultClass, Scheme};
use akund::secret::hash;
use akund::target::mailmaps::MailMaps;
use akund::target::radius::Radius;
use akund::target::{Target, Work};
use std::path::Path;

const READER: &str = "rahasia-pembaca";

/// The readers' roles, as shipped, with a password.
fn readers(kind: &str, engine: Engine) -> String {
    let engine = if engine == Engine::Postgres { "postgresql" } else { "mysql" };
    let path = format!("{}/config/integration/sql/{kind}-readers.{engine}.sql", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(Path::new(&path)).unwrap();
    assert!(text.contains("CHANGE-ME"));
    text.replace("CHANGE-ME", READER)
}

fn port_and_name(base: &Base) -> (u16, &str) {
    match base {
        Base::File(..) => panic!("a file is on no port"),
        Base::Postgres(server, name) => (server.port(), name),
        Base::MariaDb(server, name) => (server.port(), name),
    }
}

async fn mail_servers_agree(engine: Engine, kind: &'static str) {
    let base = Base::new(engine);
    let target = MailMaps::open("mail", &base.mail_config()).unwrap();
    let cast = MailCast::make(&target).await;
    base.by_hand(&readers("mail", engine));
    let (port, name) = port_and_name(&base);
    let postfix = Postfix::start_on_server(kind, port, name, READER);
    cast.postfix_agrees(&postfix, kind);
    let dovecot = Dovecot::start_on_server(kind, port, name, READER);
    cast.dovecot_agrees(&dovecot, kind);
    for finding in target.check().await {
        finding.unwrap();
    }
}

#[tokio::test]
async fn postfix_and_dovecot_read_the_accounts_in_postgresql_with_roles_of_their_own() {
    mail_servers_agree(Engine::Postgres, "pgsql").await;
}

#[tokio::test]
async fn postfix_and_dovecot_read_the_accounts_in_mariadb_with_roles_of_their_own() {
    mail_servers_agree(Engine::MariaDb, "mysql").await;
}

/// Every way to store a password, each in a database of its own, and one FreeRADIUS after the other.
async fn freeradius_agrees(engine: Engine, kind: &'static str) {
    let ways: [(RadiusPassword, &[Method]); 3] = [
        (Scheme::Sha512Crypt.into(), &[Method::Pap]),
        (Scheme::NtHash.into(), &[Method::Pap, Method::MsChap]),
        (RadiusPassword::Cleartext, &[Method::Pap, Method::MsChap]),
    ];
    for (n, (password, methods)) in ways.into_iter().enumerate() {
        let base = Base::new(engine);
        let mut config = base.radius_config(password);
        config.check.insert("Simultaneous-Use".into(), AttributeValue::Integer(1));
        config.reply.insert("Mikrotik-Rate-Limit".into(), AttributeValue::Text("2M/5M".into()));
        config.groups.insert("unit".into(), "kantor".into());
        let tamu = config.profile.entry("tamu".into()).or_default();
        tamu.reply.insert("Filter-Id".into(), AttributeValue::Text("tamu".into()));
        let target = Radius::open("hotspot", &config).unwrap();
        let cast = RadiusCast::make(&target).await;
        for finding in target.check().await {
            finding.unwrap();
        }
        let mut roles = readers("radius", engine);
        if n > 0 {
            // The role is there, only its rights on this database are not.
            roles = roles.lines().filter(|line| !line.starts_with("CREATE")).collect::<Vec<_>>().join("\n");
        }
        base.by_hand(&roles);
        let (port, name) = port_and_name(&base);
        let server = FreeRadius::start_on_server(kind, port, name, READER);
        cast.agrees(&server, methods, kind);
        let secret = password_of(&cast);
        let accepted = server.login(Method::Pap, "humas", secret).unwrap();
        assert!(accepted.contains("Mikrotik-Rate-Limit = \"2M/5M\""), "{accepted}");
        // One session at most: the second is refused while the first lasts.
        assert!(server.session_starts("humas"), "{}", server.log());
        assert!(server.login(Method::Pap, "humas", secret).is_none(), "Simultaneous-Use := 1: {}", server.log());
        target.apply(&[plain(Action::Remove, &cast.active.account)]).await.remove(0).unwrap();
        assert!(server.login(Method::Pap, "humas", secret).is_none(), "removed");
    }
}

fn password_of(cast: &RadiusCast) -> &str {
    password(&cast.active)
}

#[tokio::test]
async fn freeradius_reads_the_accounts_in_postgresql_with_a_role_of_its_own() {
    freeradius_agrees(Engine::Postgres, "postgresql").await;
}

#[tokio::test]
async fn freeradius_reads_the_accounts_in_mariadb_with_a_role_of_its_own() {
    freeradius_agrees(Engine::MariaDb, "mysql").await;
}

#[tokio::test]
async fn a_name_that_the_database_takes_for_the_same_is_taken() {
    for bench in Bench::each() {
        bench.apply(&bench.create(&named("tetangga"))).await.unwrap();
        // MariaDB's collations pass over accents and trailing blanks, and so do Postfix and FreeRADIUS, which ask it.
        for alike in ["h\u{fc}mas", "humas "] {
            let mail = alike.replace(' ', "") + "@example.org" + alike.strip_prefix("humas").unwrap_or_default();
            bench.by_hand(&match bench.target.name() {
                "mail" => format!("INSERT INTO aliases (address, destination) VALUES ('{mail}', 'x@example.org')"),
                _ => format!(
                    "INSERT INTO radcheck (username, attribute, op, value) VALUES ('{alike}', 'Cleartext-Password', ':=', 'x')"
                ),
            });
            let before = bench.rows();
            let names = [bench.name_of(&named("humas")), bench.name_of(&named("tetangga"))];
            let found = bench.find(&[&names[0], &names[1]]).await;
            let create = bench.create(&named("humas"));
            let made = bench.apply(&create).await;
            let same = matches!(bench.base, Base::MariaDb(..));
            assert_eq!(found.len(), if same { 2 } else { 1 }, "{found:?}");
            if same {
                assert_eq!(class_of(&made), FaultClass::Conflict, "{alike:?}");
                assert_eq!(bench.rows(), before);
            } else {
                made.unwrap();
                bench.undo(&create).await.unwrap();
            }
            bench.by_hand(match bench.target.name() {
                "mail" => "DELETE FROM aliases",
                _ => "DELETE FROM radcheck WHERE value = 'x'",
            });
        }
    }
}

/// What holds up these tests where a port is taken between its choice and the server's start.
#[test]
fn a_database_server_whose_port_is_taken_starts_on_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (postgres, mariadb) = (Postgres::start_at(port), MariaDb::start_at(port));
    assert!(postgres.port() != port && mariadb.port() != port);
    assert!(postgres.database() == "b0" && mariadb.database() == "b0");
}

/// As a lane does that has the next batch written while the journal records the one before it.
#[tokio::test(flavor = "multi_thread")]
async fn two_batches_at_once_are_each_written_whole_and_one_name_goes_to_one_of_them() {
    for bench in Bench::each() {
        assert_eq!(bench.target.at_once(), 2);
        let credential = hash::new_credential(bench.target.schemes()).unwrap();
        let batch = |part: &str| -> Vec<Work> {
            let own = (0..100).map(|i| named(&format!("{part}{i}"))).chain([named("rektor")]);
            own.map(|account| crate::fixture::work(Action::Create, &account, Some(credential.clone()))).collect()
        };
        let (one, other) = (batch("kiri"), batch("kanan"));
        for _ in 0..2 {
            let (left, right) = tokio::join!(bench.target.apply(&one), bench.target.apply(&other));
            assert!(left[..100].iter().chain(&right[..100]).all(Result::is_ok));
            let conflicts: Vec<_> = [&left[100], &right[100]].into_iter().filter(|taken| taken.is_err()).collect();
            assert_eq!(conflicts.len(), 1);
            assert_eq!(class_of(conflicts[0]), FaultClass::Conflict);
        }
        let (left, right) = tokio::join!(bench.target.undo(&one), bench.target.prove(&other));
        assert!(left.iter().all(Result::is_ok) && right[..100].iter().all(Result::is_ok));
    }
}
