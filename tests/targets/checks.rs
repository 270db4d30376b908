//! What `check` says of a database on a server: from the name to the rights, without changing anything.

use crate::fixture::*;
use crate::peers::{MariaDb, Postgres};
use akund::config::database::{Database, SqlAccess};
use akund::config::target::{MailMapsConfig, RadiusConfig};
use akund::model::{Action, FaultClass, Scheme};
use akund::sql::lite::Lite;
use akund::sql::server::Server;
use akund::sql::{Kind, Schema, Session};
use akund::target::Target;
use akund::target::mailmaps::MailMaps;
use akund::target::radius::Radius;
use std::path::{Path, PathBuf};

const SERVERS: [Engine; 2] = [Engine::Postgres, Engine::MariaDb];

/// What is wrong, one line each; nothing if all is well.
async fn wrong(target: &dyn Target) -> String {
    target.check().await.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("\n")
}

fn mail(base: &Base, change: impl Fn(&mut MailMapsConfig)) -> MailMaps {
    let mut config = base.mail_config();
    change(&mut config);
    MailMaps::configured("mail", &config).unwrap()
}

fn url(base: &Base) -> (String, PathBuf) {
    match base {
        Base::File(_) => panic!("a file has no address"),
        Base::Postgres(server, name) => (server.url(name, server.port()), server.password_file()),
        Base::MariaDb(server, name) => (server.url(name, server.port()), server.password_file()),
    }
}

#[tokio::test]
async fn it_names_the_step_at_which_a_server_is_out_of_reach() {
    for engine in SERVERS {
        let base = Base::new(engine);
        let (url, password) = url(&base);
        let with = |url: String, password: Option<PathBuf>| {
            mail(&base, |config| {
                config.database = Database::parse(&url).unwrap();
                config.password_file.clone_from(&password);
            })
        };
        let good = with(url.clone(), Some(password.clone()));
        assert_eq!(wrong(&good).await, "");
        let port = url.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
        let nobody = with(url.replace("127.0.0.1", "tidak-ada.invalid"), Some(password.clone()));
        assert!(wrong(&nobody).await.contains("has no address"), "{}", wrong(&nobody).await);
        let closed = with(url.replace(&format!(":{port}/"), ":1/"), Some(password.clone()));
        assert!(wrong(&closed).await.contains("nothing answers at 127.0.0.1 port 1"));
        let stranger = with(url.replace("akund@", "asing@"), Some(password.clone()));
        assert!(wrong(&stranger).await.contains("no login"), "{}", wrong(&stranger).await);
        let empty = with(url.replace("/b", "/c"), Some(password));
        assert!(wrong(&empty).await.contains("no login"), "no such database");
        let secret = with(url, Some("/nonexistent/password".into()));
        assert!(wrong(&secret).await.contains("/nonexistent/password cannot be read"));
        // The same when there is work: it waits, and nothing is stuck.
        let create =
            work(Action::Create, &named("humas"), Some(akund::secret::hash::new_credential(closed.schemes()).unwrap()));
        for target in [&nobody, &closed, &stranger, &empty, &secret] {
            assert_eq!(class_of(&target.apply(std::slice::from_ref(&create)).await.remove(0)), FaultClass::Transient);
        }
    }
}

#[tokio::test]
async fn it_finds_missing_tables_and_columns_and_makes_none() {
    for engine in SERVERS {
        let base = Base::new(engine);
        let makes = mail(&base, |_| {});
        let good: Vec<String> = makes.check().await.into_iter().map(Result::unwrap).collect();
        assert!(good.iter().any(|told| told.contains("gets its tables when akund starts")), "{good:?}");
        let left = mail(&base, |config| config.make_tables = false);
        assert!(wrong(&left).await.contains("lacks what akund needs"));
        assert_eq!(base.rows(), Vec::<String>::new());
        let create =
            work(Action::Create, &named("humas"), Some(akund::secret::hash::new_credential(left.schemes()).unwrap()));
        let waiting = left.apply(std::slice::from_ref(&create)).await.remove(0);
        assert_eq!(class_of(&waiting), FaultClass::Transient);
        assert!(waiting.unwrap_err().message.contains("make_tables"));
        // An administrator loads the shipped tables.
        let file = if engine == Engine::Postgres { "mail.postgresql.sql" } else { "mail.mysql.sql" };
        let path = format!("{}/config/integration/sql/{file}", env!("CARGO_MANIFEST_DIR"));
        base.by_hand(&std::fs::read_to_string(path).unwrap());
        if engine == Engine::Postgres {
            assert!(wrong(&left).await.contains("permission denied"), "they are the administrator's");
            base.by_hand("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO akund");
        }
        assert_eq!(wrong(&left).await, "");
        left.apply(std::slice::from_ref(&create)).await.remove(0).unwrap();
        base.by_hand("ALTER TABLE mailboxes DROP COLUMN quota");
        assert!(wrong(&left).await.contains("quota"), "{}", wrong(&left).await);
    }
}

#[tokio::test]
async fn tables_are_made_before_the_first_account_so_that_their_readers_can_be_let_in() {
    for engine in SERVERS {
        let base = Base::new(engine);
        let makes = mail(&base, |_| {});
        assert_eq!(makes.keep_up().await.unwrap(), None);
        assert_eq!(wrong(&mail(&base, |config| config.make_tables = false)).await, "");
        // Once is enough: from then on it costs nothing.
        base.by_hand("DROP TABLE mailboxes");
        assert_eq!(makes.keep_up().await.unwrap(), None);
        assert_ne!(wrong(&makes).await, "");
        let other = mail(&base, |config| config.make_tables = false);
        assert_eq!(other.keep_up().await.unwrap_err().class, FaultClass::Transient);
    }
}

#[tokio::test]
async fn a_column_that_was_lost_is_told_where_akund_made_the_tables_and_what_comes_meanwhile_waits() {
    for engine in SERVERS {
        let base = Base::new(engine);
        let (made, anew) = (mail(&base, |_| {}), mail(&base, |_| {}));
        let of = |name: &str| {
            let credential = akund::secret::hash::new_credential(made.schemes()).unwrap();
            [work(Action::Create, &named(name), Some(credential))]
        };
        made.apply(&of("humas")).await.remove(0).unwrap();
        base.by_hand("ALTER TABLE mailboxes DROP COLUMN quota");
        // Akund changes no table that is there.
        for target in [&made, &anew] {
            assert!(wrong(target).await.contains("quota"), "{}", wrong(target).await);
        }
        let waiting = anew.apply(&of("dekan")).await.remove(0);
        assert_eq!(class_of(&waiting), FaultClass::Transient);
        let told = waiting.unwrap_err().message;
        assert!(told.contains("quota") && !told.contains("make_tables"), "{told}");
        // A table that is missing, too, and could be made, does not hide it.
        base.by_hand("DROP TABLE domains; DROP TABLE akund_mail_schema");
        assert!(wrong(&anew).await.contains("quota"), "{}", wrong(&anew).await);
    }
}

#[tokio::test]
async fn it_finds_rights_that_are_missing_one_by_one() {
    for engine in SERVERS {
        let base = Base::new(engine);
        let config: RadiusConfig = base.radius_config(Scheme::NtHash);
        make_tables(engine, Radius::open("hotspot", &config).unwrap());
        let target = Radius::configured("hotspot", &config).unwrap();
        assert_eq!(wrong(&target).await, "");
        match &base {
            Base::Postgres(..) => base.by_hand(
                "ALTER TABLE radreply OWNER TO postgres; GRANT SELECT, INSERT ON radreply TO akund;
                 ALTER TABLE radcheck OWNER TO postgres; GRANT SELECT, INSERT, UPDATE, DELETE ON radcheck TO akund;",
            ),
            Base::MariaDb(server, name) => {
                // Rights on a whole database cannot be taken back for one table: everything is granted anew.
                let tables = [
                    "radcheck",
                    "radusergroup",
                    "radgroupcheck",
                    "radgroupreply",
                    "akund_account",
                    "akund_attribute",
                    "akund_profile",
                    "akund_radius_schema",
                ];
                let grants: String = tables
                    .iter()
                    .flat_map(|t| {
                        ["%", "localhost"]
                            .map(|h| format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.{t} TO akund@'{h}';"))
                    })
                    .collect();
                let all = ["%", "localhost"].map(|h| {
                    format!("REVOKE ALL ON {name}.* FROM akund@'{h}'; GRANT SELECT, INSERT ON {name}.radreply TO akund@'{h}';")
                });
                server.sql(name, &format!("{}{grants}", all.concat()));
            }
            Base::File(_) => {}
        }
        let told = wrong(&target).await;
        for right in ["no UPDATE on radreply", "no DELETE on radreply"] {
            assert!(told.contains(right), "{engine:?}: {told}");
        }
        assert!(!told.contains("INSERT on radreply"), "{told}");
        assert_eq!(told.contains("USAGE on the sequence"), engine == Engine::Postgres, "{told}");
    }
}

#[tokio::test]
async fn a_database_of_a_newer_akund_is_refused() {
    for engine in SERVERS {
        let base = Base::new(engine);
        make_tables(engine, mail(&base, |_| {}));
        base.by_hand("UPDATE akund_mail_schema SET version = 99");
        let target = mail(&base, |_| {});
        assert!(wrong(&target).await.contains("newer akund"));
        assert_eq!(target.find(&[]).await.unwrap_err().class, FaultClass::Permanent);
    }
}

#[tokio::test]
async fn it_warns_of_passwords_in_clear_text() {
    let base = Base::new(Engine::Sqlite);
    let target =
        Radius::configured("hotspot", &base.radius_config(akund::config::target::RadiusPassword::Cleartext)).unwrap();
    let told: Vec<String> = target.check().await.into_iter().map(|f| f.unwrap_or_else(|e| e)).collect();
    assert!(told.iter().any(|words| words.contains("beware") && words.contains("cleartext")), "{told:?}");
}

/// A CA, and a server's certificate from it in the server's own directory.
fn certify(dir: &std::path::Path, user: &str, name: &str, not_after: (i32, u8, u8)) -> PathBuf {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = rcgen::CertifiedIssuer::self_signed(params, ca_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(not_after.0, not_after.1, not_after.2);
    let cert = params.signed_by(&key, &ca).unwrap();
    let user = nix::unistd::User::from_name(user).unwrap().unwrap();
    for (file, text) in [("server.pem", cert.pem()), ("server.key", key.serialize_pem())] {
        let path = dir.join(file);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        nix::unistd::chown(&path, Some(user.uid), Some(user.gid)).unwrap();
    }
    let path = dir.join("ca.pem");
    std::fs::write(&path, ca.pem()).unwrap();
    path
}

/// TLS to a server with a certificate for 127.0.0.1, its CA and another CA.
async fn tls(url: &str, password: PathBuf, ca: PathBuf, other_ca: PathBuf) {
    let with = |ca_file: PathBuf, url: String| {
        let mut config = mail_config(std::path::Path::new(""));
        config.database = Database::parse(&url).unwrap();
        (config.password_file, config.ca_file) = (Some(password.clone()), Some(ca_file));
        MailMaps::configured("mail", &config).unwrap()
    };
    let good = with(ca.clone(), url.to_owned());
    let told: Vec<String> = good.check().await.into_iter().map(Result::unwrap).collect();
    assert!(told.iter().any(|words| words.contains("is encrypted (TLSv1.3)")), "{told:?}");
    let create =
        work(Action::Create, &named("humas"), Some(akund::secret::hash::new_credential(good.schemes()).unwrap()));
    good.apply(std::slice::from_ref(&create)).await.remove(0).unwrap();
    good.prove(std::slice::from_ref(&create)).await.remove(0).unwrap();
    let nowhere = with(ca.with_file_name("tidak-ada.pem"), url.to_owned());
    assert!(wrong(&nowhere).await.contains("ca_file") && wrong(&nowhere).await.contains("tidak-ada.pem"));
    let stranger = with(other_ca, url.to_owned());
    assert!(wrong(&stranger).await.contains("TLS failed"), "{}", wrong(&stranger).await);
    let named_otherwise = with(ca, url.replace("127.0.0.1", "localhost"));
    assert!(wrong(&named_otherwise).await.contains("TLS failed"), "{}", wrong(&named_otherwise).await);
}

/// The day after tomorrow, in UTC: a short-lived certificate; and when it ends, Unix time.
fn soon() -> ((i32, u8, u8), i64) {
    let day = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48)).to_zoned(jiff::tz::TimeZone::UTC).date();
    let end = day.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
    ((day.year().into(), day.month().unsigned_abs(), day.day().unsigned_abs()), end)
}

/// A certificate that ended long ago.
const PAST: (i32, u8, u8) = (2001, 3, 9);

/// Until when the certificate of the server at this port is valid, as the metrics have it.
fn noted(port: u16) -> Option<i64> {
    let place = format!("127.0.0.1:{port}");
    akund::tls::seen().into_iter().find(|(server, _)| *server == place).map(|(_, until)| until)
}

/// A server whose certificate ends soon is noted while it works; one whose certificate has ended, although akund does not talk to it.
async fn ends((url, port): (&str, u16), password: PathBuf, ca: PathBuf, until: i64, works: bool) {
    let mut config = mail_config(std::path::Path::new(""));
    config.database = Database::parse(url).unwrap();
    (config.password_file, config.ca_file) = (Some(password), Some(ca.clone()));
    let target = MailMaps::configured("mail", &config).unwrap();
    assert_eq!(target.check().await.iter().all(Result::is_ok), works);
    assert_eq!(noted(port), Some(until));
    let files = akund::tls::files_that_end(jiff::Timestamp::now().as_second());
    assert!(files.iter().any(|(file, _)| *file == ca), "{files:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn until_when_postgresqls_certificate_is_valid_is_known_also_when_it_has_ended() {
    let (day, until) = soon();
    for (day, until, works) in [(day, until, true), (PAST, 984_096_000, false)] {
        let mut server = Postgres::start();
        let ca = certify(server.dir(), "postgres", "127.0.0.1", day);
        server.restart();
        let name = server.database();
        ends((&server.url(&name, server.port()), server.port()), server.password_file(), ca, until, works).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn until_when_mariadbs_certificate_is_valid_is_known_also_when_it_has_ended() {
    let (day, until) = soon();
    for (day, until, works) in [(day, until, true), (PAST, 984_096_000, false)] {
        let mut server = MariaDb::start();
        let ca = certify(server.dir(), "mysql", "127.0.0.1", day);
        server.restart();
        let name = server.database();
        ends((&server.url(&name, server.port()), server.port()), server.password_file(), ca, until, works).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_to_postgresql_wants_the_right_ca_and_the_right_name() {
    let mut server = Postgres::start();
    let ca = certify(server.dir(), "postgres", "127.0.0.1", soon().0);
    let other = tempfile::tempdir().unwrap();
    let other_ca = certify(other.path(), "postgres", "127.0.0.1", soon().0);
    server.restart();
    let name = server.database();
    tls(&server.url(&name, server.port()), server.password_file(), ca, other_ca).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_to_mariadb_wants_the_right_ca_and_the_right_name() {
    let mut server = MariaDb::start();
    let ca = certify(server.dir(), "mysql", "127.0.0.1", soon().0);
    let other = tempfile::tempdir().unwrap();
    let other_ca = certify(other.path(), "mysql", "127.0.0.1", soon().0);
    server.restart();
    let name = server.database();
    tls(&server.url(&name, server.port()), server.password_file(), ca, other_ca).await;
}

/// The script that makes the tables of mail, as an operator loads it.
fn load_by_hand(base: &Base, engine: Engine) {
    let name = match engine {
        Engine::Sqlite => "mail.sqlite.sql",
        Engine::Postgres => "mail.postgresql.sql",
        Engine::MariaDb => "mail.mysql.sql",
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/integration/sql").join(name);
    let as_akund = if engine == Engine::Postgres { "SET ROLE akund;" } else { "" };
    base.by_hand(&(as_akund.to_owned() + &std::fs::read_to_string(script).unwrap()));
}

const LOST: &str = "has lost what akund wrote into it";

/// Made anew it would be empty, and Postfix would bounce everybody's mail, which it defers while there is no table.
#[tokio::test]
async fn a_table_that_was_lost_is_told_and_is_not_made_anew() {
    for engine in [Engine::Sqlite, Engine::Postgres, Engine::MariaDb] {
        let base = Base::new(engine);
        let open = || MailMaps::open("mail", &base.mail_config()).unwrap();
        let names = ["tidak.ada@example.org".to_owned()];
        let running = open();
        running.find(&names).await.unwrap();
        running.answers().await.unwrap();
        assert_eq!(wrong(&running).await, "");
        let credential = || Some(akund::secret::hash::new_credential(running.schemes()).unwrap());
        let create = work(Action::Create, &named("humas"), credential());

        base.by_hand("DROP TABLE aliases");
        let told = wrong(&mail(&base, |_| {})).await;
        assert!(told.contains("aliases") && !told.contains("mailboxes") && told.contains(LOST), "{engine:?}: {told}");
        let fault = running.answers().await.unwrap_err();
        assert!(fault.message.contains("aliases") && fault.message.contains(LOST), "{engine:?}: {fault}");
        base.by_hand("DROP TABLE mailboxes");
        for target in [&running, &open()] {
            let fault = target.find(&names).await.unwrap_err();
            assert!(fault.class == FaultClass::Transient && fault.message.contains(LOST), "{engine:?}: {fault}");
            let fault = target.list().await.unwrap_err();
            assert!(fault.class == FaultClass::Transient && fault.message.contains(LOST), "{engine:?}: {fault}");
            let missed = target.apply(std::slice::from_ref(&create)).await.remove(0);
            assert_eq!(class_of(&missed), FaultClass::Transient, "{engine:?}: {missed:?}");
        }
        assert!(wrong(&running).await.contains(LOST), "{engine:?}: none of this has made it");
        load_by_hand(&base, engine);
        running.answers().await.unwrap();
        running.apply(std::slice::from_ref(&create)).await.remove(0).unwrap();
        assert_eq!(wrong(&running).await, "", "{engine:?}: made by hand, it is taken as it is");

        // Everything that is akund's: only who knows that there were accounts can tell it from a new database.
        let versions = if engine == Engine::Sqlite { "akund_schema" } else { "akund_mail_schema" };
        for table in ["domains", "mailboxes", "aliases", "retired_homes", versions] {
            base.by_hand(&format!("DROP TABLE {table}"));
        }
        let fault = running.find(&names).await.unwrap_err();
        assert!(fault.message.contains(LOST), "{engine:?}: it has written accounts itself: {fault}");
        let registered = mail(&base, |_| {});
        registered.expect_accounts();
        registered.make_ready().unwrap();
        assert!(registered.find(&names).await.unwrap_err().message.contains(LOST), "{engine:?}");
        assert!(wrong(&registered).await.contains(LOST), "{engine:?}");
        assert!(
            open().find(&names).await.unwrap().is_empty(),
            "{engine:?}: to who has no accounts there, it is a new one"
        );
        assert!(registered.find(&names).await.unwrap().is_empty() && wrong(&registered).await.is_empty());

        if engine == Engine::Sqlite {
            continue;
        }
        base.by_hand("DROP TABLE aliases");
        let left = mail(&base, |config| config.make_tables = false);
        let fault = left.find(&names).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Transient);
        assert!(fault.message.contains("lacks what akund needs") && fault.message.contains("make_tables"), "{fault}");
        assert!(wrong(&left).await.contains("lacks what akund needs"), "{engine:?}");
    }
}

/// MariaDB gives a connection the rights that its database had when that was opened.
#[tokio::test]
async fn a_right_that_is_given_back_holds_from_the_next_attempt_on() {
    for engine in SERVERS {
        let base = Base::new(engine);
        make_tables(engine, mail(&base, |_| {}));
        let right = |take: bool| match &base {
            Base::Postgres(..) if take => base.by_hand("REVOKE INSERT ON mailboxes FROM akund"),
            Base::MariaDb(_, name) if take => {
                base.by_hand(
                    &["%", "localhost"].map(|h| format!("REVOKE INSERT ON {name}.* FROM akund@'{h}';")).concat(),
                );
            }
            Base::MariaDb(_, name) => {
                base.by_hand(&["%", "localhost"].map(|h| format!("GRANT INSERT ON {name}.* TO akund@'{h}';")).concat());
            }
            _ => base.by_hand("GRANT INSERT ON mailboxes TO akund"),
        };
        right(true);
        let target = mail(&base, |_| {});
        let credential = akund::secret::hash::new_credential(target.schemes()).unwrap();
        let create = [work(Action::Create, &named("humas"), Some(credential))];
        let refused = target.apply(&create).await.remove(0);
        assert_eq!(class_of(&refused), FaultClass::Transient, "{engine:?}: {refused:?}");
        assert!(refused.unwrap_err().message.contains("denied"));
        right(false);
        target.apply(&create).await.remove(0).unwrap_or_else(|fault| panic!("{engine:?}: {fault}"));
    }
}

/// By its code, and not by words that somebody's trigger may say, too.
fn each_kind_of_trouble(db: &mut dyn Session) {
    let mut kind = |sql: &str| db.run(sql, &[]).unwrap_err().kind;
    for sql in ["SELECT 1 FROM tidak_ada", "INSERT INTO tidak_ada VALUES (1)", "DELETE FROM tidak_ada"] {
        assert_eq!(kind(sql), Kind::NoTable, "{sql}");
    }
    for sql in ["SELECT tidak_ada FROM mailboxes", "SELECT 1 FROM", "INSERT INTO mailboxes (address) VALUES (NULL)"] {
        assert_eq!(kind(sql), Kind::Other, "{sql}");
    }
    let (says_so, end) = match db.engine() {
        // Where a table that is not there has no code.
        akund::sql::Engine::Sqlite => return,
        akund::sql::Engine::Postgres => (
            "DO $$ BEGIN RAISE EXCEPTION 'no such table: aliases'; END $$",
            "SELECT pg_terminate_backend(pg_backend_pid())",
        ),
        akund::sql::Engine::MariaDb => {
            ("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no such table: aliases'", "KILL CONNECTION_ID()")
        }
    };
    let said = db.run(says_so, &[]).unwrap_err();
    assert!(said.kind == Kind::Other && said.cause.starts_with("no such table"), "{said:?}");
    let _ = db.run(end, &[]);
    assert_eq!(db.run("SELECT 1", &[]).unwrap_err().kind, Kind::Disconnected);
}

#[tokio::test]
async fn what_a_trouble_asks_for_is_known_where_the_databases_error_is_read() {
    const NONE: Schema = Schema {
        version: 0,
        versions: "none",
        scripts: "",
        missing: "",
        ddl: |_| "",
        probes: &[],
        writes: &[],
        readers: (&[], ""),
    };
    for engine in ENGINES {
        let base = Base::new(engine);
        let config = base.mail_config();
        MailMaps::open("mail", &config).unwrap().find(&[]).await.unwrap();
        let asked = tokio::task::spawn_blocking(move || match &config.database {
            Database::File(path) => each_kind_of_trouble(&mut Lite(&rusqlite::Connection::open(path).unwrap())),
            Database::Server(at) => {
                let access = SqlAccess {
                    database: &config.database,
                    password_file: config.password_file.as_deref(),
                    ca_file: None,
                    make_tables: false,
                    mode: "0600",
                };
                each_kind_of_trouble(Server::new("mail", at, access, NONE).connect().unwrap().as_mut());
            }
        });
        asked.await.unwrap();
    }
}

#[tokio::test]
async fn an_empty_file_that_a_reader_made_first_is_told_with_what_heals_it() {
    let base = Base::new(Engine::Sqlite);
    let config = base.mail_config();
    let Database::File(path) = &config.database else { panic!("no file") };
    std::fs::write(path, "").unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    std::os::unix::fs::chown(path, Some(nobody.uid.as_raw()), None).unwrap();
    let told = wrong(&mail(&base, |_| {})).await;
    assert!(told.contains("is empty and belongs to nobody") && told.contains("remove the file"), "{told}");
    let target = MailMaps::open("mail", &config).unwrap();
    let fault = target.find(&[]).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Transient);
    assert!(fault.message.contains("is empty and belongs to nobody"), "{fault}");
    std::fs::remove_file(path).unwrap();
    target.find(&[]).await.unwrap();
    assert_eq!(target.check().await.into_iter().filter(|said| format!("{said:?}").contains("is empty")).count(), 0);
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_named_before_akund_makes_it() {
    let base = Base::new(Engine::Sqlite);
    let Database::File(path) = &base.mail_config().database else { panic!("no file") };
    let dir = path.with_file_name("radus");
    let target = mail(&base, |config| config.database = Database::File(dir.join("mail.db")));
    let told = format!("{:?}", target.check().await);
    assert!(told.contains(&format!("there is no directory {}", dir.display())), "{told}");
    assert!(!dir.exists());
    target.find(&[]).await.unwrap();
    assert!(dir.join("mail.db").exists(), "as it was told");
    let told = format!("{:?}", mail(&base, |_| {}).check().await);
    assert!(!told.contains("there is no directory") && told.contains("will be made"), "{told}");
}
