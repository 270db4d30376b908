//! Hotspot accounts, as FreeRADIUS sees them.

use crate::fixture::*;
use crate::peers::{FreeRadius, Method, open_dir, setgid_dir};
use akund::model::{Action, FaultClass, Scheme};
use akund::target::radius::Radius;
use akund::target::{Target, Work};
use rusqlite::Connection;

const SHIPPED_SCHEMA: &str = "/etc/freeradius/3.0/mods-config/sql/main/sqlite/schema.sql";

/// Every column and index of a database but akund's own.
fn shape(db: &Connection) -> Vec<String> {
    let list = |sql: &str| -> Vec<String> {
        db.prepare(sql).unwrap().query_map([], |r| r.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let mut shape = list(
        "SELECT m.name || '.' || c.name || ' ' || c.type || ' notnull=' || c.\"notnull\" || ' default=' ||
             trim(ifnull(c.dflt_value, 'NULL'), '''') || ' pk=' || c.pk
         FROM sqlite_master AS m, pragma_table_info(m.name) AS c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'akund_%'",
    );
    shape.extend(list(
        "SELECT m.name || ' ' || i.name || ' unique=' || i.\"unique\" || ' on ' ||
             (SELECT group_concat(name) FROM pragma_index_info(i.name))
         FROM sqlite_master AS m, pragma_index_list(m.name) AS i
         WHERE m.type = 'table' AND m.name NOT LIKE 'akund_%' AND i.name NOT LIKE 'akund_%'",
    ));
    shape.sort();
    shape
}

#[test]
fn the_schema_is_the_one_that_freeradius_ships() {
    let bench = Bench::radius(Scheme::Sha512Crypt);
    let theirs = Connection::open_in_memory().unwrap();
    let sql = std::fs::read_to_string(SHIPPED_SCHEMA)
        .unwrap_or_else(|e| panic!("{SHIPPED_SCHEMA} cannot be read ({e}): install freeradius"));
    theirs.execute_batch(&sql).unwrap();
    assert_eq!(shape(&Connection::open(&bench.path).unwrap()), shape(&theirs));
}

/// Every column and index of a server's database but akund's own.
fn shape_of(engine: Engine, base: &Base) -> String {
    base.ask(match engine {
        Engine::Postgres => {
            "SELECT table_name, column_name, data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '') AS said
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'akund%'
             UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes
             WHERE schemaname = 'public' AND indexname NOT LIKE 'akund%' ORDER BY 1, 2"
        }
        _ => {
            "SELECT table_name, column_name, column_type, is_nullable, column_default, collation_name
             FROM information_schema.columns WHERE table_schema = database() AND table_name NOT LIKE 'akund%'
             UNION ALL SELECT table_name, index_name, column_name, seq_in_index, non_unique, sub_part
             FROM information_schema.statistics WHERE table_schema = database() AND table_name NOT LIKE 'akund%'
             ORDER BY 1, 2, 3"
        }
    })
}

#[tokio::test]
async fn freeradius_own_tables_on_a_server_are_taken_over_as_they_are_and_made_the_same() {
    for (engine, folder) in [(Engine::Postgres, "postgresql"), (Engine::MariaDb, "mysql")] {
        let sql = std::fs::read_to_string(SHIPPED_SCHEMA.replace("sqlite", folder)).unwrap();
        let base = Base::new(engine);
        let owner = if engine == Engine::Postgres { "SET ROLE akund; " } else { "" };
        base.by_hand(&format!("{owner}{sql}"));
        base.by_hand(
            "INSERT INTO radcheck (username, attribute, op, value) VALUES ('lama', 'Cleartext-Password', ':=', 'x')",
        );
        let theirs = shape_of(engine, &base);
        let target = Radius::open("hotspot", &base.radius_config(Scheme::Sha512Crypt)).unwrap();
        let credential = akund::secret::hash::new_credential(target.schemes()).unwrap();
        let refused = target.apply(&[work(Action::Create, &named("lama"), Some(credential.clone()))]).await.remove(0);
        assert_eq!(class_of(&refused), FaultClass::Conflict);
        target.apply(&[work(Action::Create, &named("baru"), Some(credential))]).await.remove(0).unwrap();
        assert!(base.rows().iter().any(|row| row.contains("lama")));
        assert_eq!(shape_of(engine, &base), theirs, "nothing of FreeRADIUS's is changed");
        let own = Base::new(engine);
        make_tables(engine, Radius::open("hotspot", &own.radius_config(Scheme::Sha512Crypt)).unwrap());
        assert_eq!(shape_of(engine, &own), theirs, "the tables that akund makes are FreeRADIUS's");
    }
}

#[tokio::test]
async fn a_database_that_freeradius_has_been_using_is_taken_over_with_its_users_untouched() {
    let dir = open_dir();
    let path = dir.path().join("radius.db");
    by_hand(&path, &std::fs::read_to_string(SHIPPED_SCHEMA).unwrap());
    by_hand(
        &path,
        "INSERT INTO radcheck (username, attribute, op, value) VALUES ('lama', 'Cleartext-Password', ':=', 'x')",
    );
    let target = Radius::open("hotspot", &radius_config(&path, Scheme::Sha512Crypt)).unwrap();
    let credential = akund::secret::hash::new_credential(target.schemes()).unwrap();
    let refused = target.apply(&[work(Action::Create, &named("lama"), Some(credential.clone()))]).await.remove(0);
    assert_eq!(class_of(&refused), FaultClass::Conflict);
    target.apply(&[work(Action::Create, &named("baru"), Some(credential))]).await.remove(0).unwrap();
    assert!(rows(&path).iter().any(|row| row.contains("lama")));
}

#[tokio::test]
async fn a_name_that_is_only_in_a_group_or_a_reply_is_taken() {
    for bench in Bench::radius_each() {
        bench.by_hand(
            "INSERT INTO radusergroup (username, groupname) VALUES ('satu', 'tamu');
             INSERT INTO radreply (username, attribute, op, value) VALUES ('Dua', 'Session-Timeout', ':=', '60');",
        );
        for taken in ["satu", "dua"] {
            assert_eq!(class_of(&bench.apply(&bench.create(&named(taken))).await), FaultClass::Conflict, "{taken}");
        }
        assert_eq!(bench.find(&["satu", "dua", "tiga"]).await.len(), 2);
    }
}

#[tokio::test]
async fn rows_that_somebody_added_go_along_with_a_new_name_survive_an_undo_and_end_with_the_account() {
    for bench in Bench::radius_each() {
        let mut account = named("humas");
        let create = bench.create(&account);
        bench.apply(&create).await.unwrap();
        bench.by_hand(
            "INSERT INTO radcheck (username, attribute, op, value) VALUES ('humas', 'Simultaneous-Use', ':=', '1');
             INSERT INTO radusergroup (username, groupname, priority) VALUES ('humas', 'lantai-2', 5);",
        );
        let extra = |name: &str| {
            bench
                .rows()
                .iter()
                .filter(|r| r.contains(name) && (r.contains("Simultaneous-Use") || r.contains("lantai-2")))
                .count()
        };
        account.username = "pers".parse().unwrap();
        bench.apply(&plain(Action::Change, &account)).await.unwrap();
        assert_eq!((extra("humas"), extra("pers")), (0, 2));
        bench.prove(&work(Action::Create, &account, create.credential.clone())).await.unwrap();
        bench.undo(&create).await.unwrap();
        assert_eq!(extra("pers"), 2);
        bench.by_hand("DELETE FROM radcheck; DELETE FROM radusergroup");
        account.username = "humas".parse().unwrap();
        bench.apply(&work(Action::Create, &account, create.credential)).await.unwrap();
        bench.by_hand(
            "INSERT INTO radreply (username, attribute, op, value) VALUES ('humas', 'Session-Timeout', ':=', '60')",
        );
        bench.apply(&plain(Action::Remove, &account)).await.unwrap();
        assert!(!bench.rows().iter().any(|r| r.contains("humas")), "whoever gets the name next inherits nothing");
    }
}

#[tokio::test]
async fn a_second_way_in_or_a_barred_group_is_not_proven() {
    for extra in [
        "INSERT INTO radcheck (username, attribute, op, value) VALUES ('humas', 'Cleartext-Password', ':=', 'x')",
        "INSERT INTO radcheck (username, attribute, op, value) VALUES ('humas', 'auth-type', ':=', 'Accept')",
        "INSERT INTO radgroupcheck (groupname, attribute, op, value) VALUES ('tamu', 'Auth-Type', ':=', 'Reject')",
        "UPDATE radcheck SET attribute = 'Cleartext-Password'",
    ] {
        for bench in Bench::radius_each() {
            let mut account = named("humas");
            account.group = Some("tamu".into());
            let create = bench.create(&account);
            bench.apply(&create).await.unwrap();
            bench.prove(&create).await.unwrap();
            bench.by_hand(extra);
            assert_eq!(class_of(&bench.prove(&create).await), FaultClass::Permanent, "{extra}");
            let reset = work(Action::Reset, &account, bench.create(&account).credential);
            if extra.contains("Cleartext") {
                bench.apply(&reset).await.unwrap();
                bench.prove(&reset).await.expect("a reset leaves one password only");
            }
        }
    }
}

#[tokio::test]
async fn a_resumed_account_has_its_own_password_again_and_nobody_elses() {
    for bench in Bench::radius_each() {
        let account = named("humas");
        let create = bench.create(&account);
        bench.apply(&create).await.unwrap();
        let way_in = async || bench.target.list().await.unwrap().into_iter().find_map(|held| held.way_in);
        assert_eq!(way_in().await, None);
        bench.by_hand(
            "UPDATE radcheck SET id = id + 100;
             INSERT INTO radcheck (id, username, attribute, op, value) VALUES (1, 'humas', 'Cleartext-Password', ':=', 'x');
             INSERT INTO radcheck (id, username, attribute, op, value) VALUES (2, 'Humas', 'Cleartext-Password', ':=', 'x')",
        );
        let told = way_in().await.unwrap();
        assert!(told.contains("Cleartext-Password, Cleartext-Password, Crypt-Password"), "{told}");
        let suspend = plain(Action::Suspend, &account);
        bench.apply(&suspend).await.unwrap();
        bench.prove(&suspend).await.unwrap();
        assert_eq!(way_in().await, None);
        let others = || bench.rows().iter().any(|row| row.contains("Cleartext-Password"));
        assert!(!others(), "{:?}", bench.rows());
        let added = |name: &str, attribute: &str| {
            bench.by_hand(&format!(
                "INSERT INTO radcheck (username, attribute, op, value) VALUES ('{name}', '{attribute}', ':=', 'x')"
            ));
        };
        added("humas", "Cleartext-Password");
        added("HUMAS", "Cleartext-Password");
        assert!(way_in().await.unwrap().starts_with("suspended, and radcheck has what akund did not write"));
        bench.apply(&plain(Action::Resume, &account)).await.unwrap();
        bench.prove(&create).await.unwrap();
        assert!(!others(), "what was added while it was suspended is no way in afterwards: {:?}", bench.rows());
        assert_eq!(way_in().await, None);
        bench.by_hand(
            "INSERT INTO radcheck (username, attribute, op, value) VALUES ('humas', 'Auth-Type', ':=', 'Accept')",
        );
        assert!(way_in().await.unwrap().contains("Auth-Type := Accept"));
        bench.by_hand("DELETE FROM radcheck WHERE attribute = 'Auth-Type'");
        added("Humas", "Cleartext-Password");
        bench.apply(&work(Action::Reset, &account, bench.create(&account).credential)).await.unwrap();
        assert!(!others(), "{:?}", bench.rows());
        added("Humas", "Simultaneous-Use");
        bench.apply(&plain(Action::Remove, &account)).await.unwrap();
        assert!(!bench.rows().iter().any(|row| row.to_lowercase().contains("humas")), "{:?}", bench.rows());
    }
}

/// akund needs none of them, and FreeRADIUS may: whether it does, only its own configuration says.
#[tokio::test]
async fn check_names_the_tables_that_only_freeradius_uses_where_they_are_gone() {
    for bench in Bench::radius_each() {
        let said = async || {
            let findings = bench.target.check().await;
            assert!(findings.iter().all(Result::is_ok), "{findings:?}");
            findings.into_iter().flatten().collect::<Vec<_>>().join("\n")
        };
        assert!(!said().await.contains("there is no table"));
        bench.by_hand("DROP TABLE radacct; DROP TABLE nas");
        let told = said().await;
        assert!(told.contains("there is no table radacct, nas: FreeRADIUS keeps"), "{told}");
    }
}

#[tokio::test]
async fn a_name_or_group_that_freeradius_has_no_room_for_is_refused() {
    for bench in Bench::radius_each() {
        let mut account = named("humas");
        for group in ["", "x\ny", &"g".repeat(65)] {
            account.group = Some(group.into());
            assert_eq!(class_of(&bench.apply(&bench.create(&account)).await), FaultClass::Permanent);
        }
        account.group = Some("ñ".repeat(64));
        bench.apply(&bench.create(&account)).await.unwrap();
    }
}

pub struct Cast {
    pub active: Work,
    pub suspended: Work,
    expired: Work,
}

impl Cast {
    pub async fn make(target: &Radius) -> Self {
        let create = |local: &str, seconds: Option<i64>| {
            let mut account = named(local);
            account.ends_at = seconds.and_then(from_now);
            account.group = Some("tamu".into());
            let credential = akund::secret::hash::new_credential(target.schemes()).unwrap();
            work(Action::Create, &account, Some(credential))
        };
        let cast = Self {
            active: create("humas", Some(3600)),
            suspended: create("cuti", None),
            expired: create("tamu", Some(-1)),
        };
        for made in target.apply(&[cast.active.clone(), cast.suspended.clone(), cast.expired.clone()]).await {
            made.unwrap();
        }
        target.apply(&[plain(Action::Suspend, &cast.suspended.account)]).await.remove(0).unwrap();
        cast
    }

    pub fn agrees(&self, server: &FreeRadius, methods: &[Method], state: &str) {
        for method in methods {
            let login = |user: &str, work: &Work| server.login(*method, user, password(work));
            let accepted =
                login("humas", &self.active).unwrap_or_else(|| panic!("{state}, {method:?}: {}", server.log()));
            let rest: i64 = accepted
                .lines()
                .find_map(|l| l.trim().strip_prefix("Session-Timeout = "))
                .and_then(|n| n.parse().ok())
                .unwrap_or_else(|| panic!("{state}: no Session-Timeout in {accepted}"));
            assert!((3400..=3600).contains(&rest), "{state}: it ends in {rest} s, whatever the time zone");
            assert!(accepted.contains("Filter-Id = \"tamu\""), "{state}: the profile's reply");
            assert!(login("humas", &self.suspended).is_none(), "{state}, {method:?}: a wrong password");
            assert!(login("cuti", &self.suspended).is_none(), "{state}, {method:?}: suspended");
            assert!(login("tamu", &self.expired).is_none(), "{state}, {method:?}: ended");
            assert!(login("nobody", &self.active).is_none(), "{state}, {method:?}");
        }
    }
}

/// Takes servers in several time zones through akund running, stopped and killed in mid-transaction: first with a new
/// server each time and nobody else holding the database, then with one server that runs throughout.
async fn through_every_state(scheme: Scheme, methods: &[Method]) {
    let dir = open_dir();
    let path = setgid_dir(dir.path(), "radius", "freerad").join("radius.db");
    let open = || Radius::open("hotspot", &radius_config(&path, scheme)).unwrap();
    let target = open();
    by_hand(
        &path,
        "INSERT INTO radgroupreply (groupname, attribute, op, value) VALUES ('tamu', 'Filter-Id', ':=', 'tamu')",
    );
    let cast = Cast::make(&target).await;
    cast.agrees(&FreeRadius::start(&path, "UTC"), methods, "akund runs");
    drop(target);
    cast.agrees(&FreeRadius::start(&path, "Asia/Jakarta"), methods, "akund has stopped");
    kill_in_mid_transaction(&path);
    let server = FreeRadius::start(&path, "America/New_York");
    cast.agrees(&server, methods, "akund was killed");
    assert!(server.session_starts("humas"), "accounting goes into a file of its own: {}", server.log());
    let target = open();
    cast.agrees(&server, methods, "akund runs again");
    drop(target);
    cast.agrees(&server, methods, "akund has stopped under a running server");
    kill_in_mid_transaction(&path);
    cast.agrees(&server, methods, "akund was killed under a running server");
    let target = open();
    target.apply(&[plain(Action::Resume, &cast.suspended.account)]).await.remove(0).unwrap();
    for method in methods {
        assert!(server.login(*method, "cuti", password(&cast.suspended)).is_some(), "resumed");
    }
    target.apply(&[plain(Action::Remove, &cast.active.account)]).await.remove(0).unwrap();
    assert!(server.login(methods[0], "humas", password(&cast.active)).is_none(), "removed");
    for finding in target.check().await {
        finding.unwrap();
    }
}

#[tokio::test]
async fn freeradius_accepts_pap_against_crypt_whatever_has_become_of_akund() {
    through_every_state(Scheme::Sha512Crypt, &[Method::Pap]).await;
}

#[tokio::test]
async fn freeradius_accepts_pap_and_ms_chap_against_nt_whatever_has_become_of_akund() {
    through_every_state(Scheme::NtHash, &[Method::Pap, Method::MsChap]).await;
}

#[tokio::test]
async fn taking_a_user_back_leaves_the_rows_that_others_have_added_for_it() {
    for bench in Bench::radius_each() {
        let mut account = named("humas");
        account.ends_at = from_now(3600);
        let work = bench.create(&account);
        bench.apply(&work).await.unwrap();
        let own = bench.rows();
        for (attribute, value) in
            [("Cleartext-Password", "x"), ("Crypt-Password", "$6$a$b"), ("Expiration", "1 Jan 2031")]
        {
            bench.by_hand(&format!(
                "INSERT INTO radcheck (username, attribute, op, value) VALUES ('humas', '{attribute}', ':=', '{value}')"
            ));
        }
        let theirs: Vec<String> = bench.rows().into_iter().filter(|row| !own.contains(row)).collect();
        assert_eq!(theirs.len(), 3);
        for credential in [None, work.credential.clone()] {
            let back = crate::fixture::work(Action::Create, &account, credential);
            bench.undo(&back).await.unwrap();
            let left: Vec<String> = bench.rows().into_iter().filter(|row| row.contains("humas")).collect();
            assert_eq!(left, theirs);
        }
    }
}
