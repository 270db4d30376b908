//! Tables as the contract meets them: mail and hotspot, on three engines.

use crate::broken::{cut_at_every_point, ends_in_mid_batch};
use crate::contract::{self, Subject, contract};
use crate::fixture::*;
use crate::peers::{MariaDb, Postgres};
use akund::config::database::Database;
use akund::model::{Account, Proof, Scheme};
use akund::target::Target;
use akund::target::mailmaps::MailMaps;
use akund::target::radius::Radius;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where the tables are.
enum Place {
    Shared(Base),
    /// A server of one's own, and the database.
    Postgres(Postgres, String),
    MariaDb(MariaDb, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mail,
    Radius(Scheme),
}

const KINDS: [Kind; 3] = [Kind::Mail, Kind::Radius(Scheme::Sha512Crypt), Kind::Radius(Scheme::NtHash)];

struct Tables {
    place: Place,
    kind: Kind,
}

impl Tables {
    async fn at(place: Place, kind: Kind) -> Self {
        let tables = Self { place, kind };
        tables.target().find(&[]).await.unwrap();
        tables
    }

    async fn each(engine: Engine) -> Vec<Self> {
        let mut each = Vec::new();
        for kind in KINDS {
            each.push(Self::at(Place::Shared(Base::new(engine)), kind).await);
        }
        each
    }

    fn open(&self, database: Database, password_file: Option<PathBuf>) -> Box<dyn Target> {
        match self.kind {
            Kind::Mail => {
                let mut config = mail_config(std::path::Path::new(""));
                (config.database, config.password_file) = (database, password_file);
                Box::new(MailMaps::open("mail", &config).unwrap())
            }
            Kind::Radius(scheme) => {
                let mut config = radius_config(std::path::Path::new(""), scheme);
                (config.database, config.password_file) = (database, password_file);
                Box::new(Radius::open("hotspot", &config).unwrap())
            }
        }
    }

    fn by_hand(&self, sql: &str) {
        match &self.place {
            Place::Shared(base) => base.by_hand(sql),
            Place::Postgres(server, name) => drop(server.sql(name, sql)),
            Place::MariaDb(server, name) => drop(server.sql(name, sql)),
        }
    }
}

impl Subject for Tables {
    fn target(&self) -> Box<dyn Target> {
        let (url, password_file) = match &self.place {
            Place::Shared(base) => {
                let (database, password_file) = base.access();
                return self.open(database, password_file);
            }
            Place::Postgres(server, name) => (server.socket_url(name), None),
            Place::MariaDb(server, name) => (server.socket_url(name), Some(server.password_file())),
        };
        self.open(Database::parse(&url).unwrap(), password_file)
    }
    fn rows(&self) -> Vec<String> {
        match &self.place {
            Place::Shared(base) => base.rows(),
            Place::Postgres(server, name) => rows_of(|sql| server.sql(name, sql), "public"),
            Place::MariaDb(server, name) => rows_of(|sql| server.sql(name, sql), name),
        }
    }
    fn put_foreign(&self, account: &Account) {
        if self.kind != Kind::Mail {
            return self.by_hand(&format!(
                "INSERT INTO radcheck (username, attribute, op, value) VALUES ('{}', 'Cleartext-Password', ':=', 'x')",
                account.username.as_str().to_uppercase()
            ));
        }
        self.by_hand(&format!(
            "INSERT INTO mailboxes (address, password, home) VALUES ('{}', '$6$x$y', '/foreign/{}')",
            account.address.as_ref().unwrap(),
            account.uid
        ));
        if !self.rows().iter().any(|row| row.starts_with("domains:") && row.contains("example.org")) {
            self.by_hand("INSERT INTO domains (domain) VALUES ('example.org')");
        }
    }
    fn put_foreign_twice(&self, account: &Account) -> bool {
        self.put_foreign(account);
        if self.kind == Kind::Mail {
            let address = account.address.as_ref().unwrap();
            self.by_hand(&format!("INSERT INTO aliases (address, destination) VALUES ('{address}', 'x@example.org')"));
        } else {
            self.put_foreign(account);
        }
        true
    }
    fn clear(&self) {
        let tables: &[&str] = match self.kind {
            Kind::Mail => &["mailboxes", "aliases", "domains", "retired_homes"],
            Kind::Radius(_) => &["radcheck", "radreply", "radusergroup", "akund_attribute", "akund_account"],
        };
        self.by_hand(&tables.iter().map(|table| format!("DELETE FROM {table};")).collect::<String>());
    }
    fn proof(&self) -> Proof {
        Proof::Stored
    }
    fn name_of(&self, account: &Account) -> String {
        match self.kind {
            Kind::Mail => account.address.as_ref().unwrap().to_string(),
            Kind::Radius(_) => account.username.to_string(),
        }
    }
    fn has_aliases(&self) -> bool {
        self.kind == Kind::Mail
    }
    fn refuses(&self, text: &str) -> bool {
        // A group's name, which a request brings along, stands in a column of FreeRADIUS's.
        self.kind != Kind::Mail && text.chars().any(char::is_control)
    }
    fn cuts(&self) -> u64 {
        28
    }
    fn whole_batches(&self) -> bool {
        true
    }
    fn line(&self) -> SocketAddr {
        let port = match &self.place {
            Place::Shared(Base::Postgres(server, _)) => server.port(),
            Place::Shared(Base::MariaDb(server, _)) => server.port(),
            Place::Shared(Base::File(..)) => panic!("a file has no line"),
            Place::Postgres(server, _) => server.port(),
            Place::MariaDb(server, _) => server.port(),
        };
        SocketAddr::from(([127, 0, 0, 1], port))
    }
    fn through(&self, port: u16) -> Box<dyn Target> {
        let (url, password_file) = match &self.place {
            Place::Shared(Base::Postgres(server, name)) => (server.url(name, port), server.password_file()),
            Place::Shared(Base::MariaDb(server, name)) => (server.url(name, port), server.password_file()),
            Place::Shared(Base::File(..)) => panic!("a file has no line"),
            Place::Postgres(server, name) => (server.url(name, port), server.password_file()),
            Place::MariaDb(server, name) => (server.url(name, port), server.password_file()),
        };
        self.open(Database::parse(&url).unwrap(), Some(password_file))
    }
    fn kill(&mut self) {
        match &mut self.place {
            Place::Shared(_) => panic!("others use this server"),
            Place::Postgres(server, _) => server.kill(),
            Place::MariaDb(server, _) => server.kill(),
        }
    }
    fn start_again(&mut self) {
        match &mut self.place {
            Place::Shared(_) => panic!("others use this server"),
            Place::Postgres(server, _) => server.start_again(),
            Place::MariaDb(server, _) => server.start_again(),
        }
    }
}

contract!(Tables::each(Engine::Sqlite).await);

/// In one process, since the server takes longer to start than the contract.
#[tokio::test]
async fn the_contract_holds_on_postgresql() {
    for mut subject in Tables::each(Engine::Postgres).await {
        contract::all(&mut subject).await;
    }
}

#[tokio::test]
async fn the_contract_holds_on_mariadb() {
    for mut subject in Tables::each(Engine::MariaDb).await {
        contract::all(&mut subject).await;
    }
}

async fn cut(engine: Engine) {
    for kind in [Kind::Mail, Kind::Radius(Scheme::NtHash)] {
        cut_at_every_point(&mut Tables::at(Place::Shared(Base::new(engine)), kind).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_to_postgresql_cut_at_any_point_makes_no_account_twice_and_loses_none() {
    cut(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_to_mariadb_cut_at_any_point_makes_no_account_twice_and_loses_none() {
    cut(Engine::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_ends_in_mid_batch_and_comes_back_loses_nothing() {
    let server = Postgres::start();
    let name = server.database();
    ends_in_mid_batch(&mut Tables::at(Place::Postgres(server, name), Kind::Mail).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_that_ends_in_mid_batch_and_comes_back_loses_nothing() {
    let server = MariaDb::start();
    let name = server.database();
    ends_in_mid_batch(&mut Tables::at(Place::MariaDb(server, name), Kind::Radius(Scheme::NtHash)).await).await;
}
