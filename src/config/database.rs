//! Where tables are: an SQLite file, or a database on a PostgreSQL or MariaDB server.

use percent_encoding::percent_decode_str;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// `database = "…"`: a path, `postgresql://USER@HOST:PORT/NAME`, `mysql://USER@HOST:PORT/NAME`, or with a Unix socket
/// `postgresql://USER@/NAME?host=/run/postgresql` and `mysql://USER@/NAME?socket=/run/mysqld/mysqld.sock`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Database {
    /// An SQLite file.
    File(PathBuf),
    /// A database on a server.
    Server(DatabaseServer),
}

/// The way to a database.
#[derive(Debug, Clone, Copy)]
pub struct SqlAccess<'c> {
    /// Where it is.
    pub database: &'c Database,
    /// File with the password for a server.
    pub password_file: Option<&'c Path>,
    /// CA of a server's certificate.
    pub ca_file: Option<&'c Path>,
    /// Whether akund makes missing tables on a server.
    pub make_tables: bool,
    /// Permission bits of a file, octal.
    pub mode: &'c str,
}

/// A database on a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DatabaseServer {
    /// Whose protocol it speaks.
    pub kind: ServerKind,
    /// The role or user to log in as.
    pub user: String,
    /// Where it listens.
    pub place: ServerPlace,
    /// TCP port; with PostgreSQL also part of the socket's name.
    pub port: u16,
    /// The database's name.
    pub name: String,
}

/// Whose protocol a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerKind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB or MySQL.
    MariaDb,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerPlace {
    /// A host name or address.
    Host(String),
    /// PostgreSQL: the directory of its socket. MariaDB: the socket.
    Socket(PathBuf),
}

impl Database {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Server(_) => None,
        }
    }

    /// The file, if it is one.
    pub fn file_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Server(_) => None,
        }
    }

    /// The server, if it is on one.
    pub fn server(&self) -> Option<&DatabaseServer> {
        match self {
            Self::File(_) => None,
            Self::Server(server) => Some(server),
        }
    }

    /// Reads a path or a URL.
    ///
    /// # Errors
    /// A sentence, for a URL that will not do; it never holds a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() { Err("database is empty".into()) } else { Ok(Self::File(text.into())) };
        };
        let (kind, port) = match scheme {
            "postgresql" | "postgres" => (ServerKind::Postgres, 5432),
            "mysql" | "mariadb" => (ServerKind::MariaDb, 3306),
            _ => {
                return Err(format!(
                    "database has the scheme {scheme}://; known are a path, postgresql:// and mysql://"
                ));
            }
        };
        server(kind, port, rest).map(Self::Server)
    }
}

fn server(kind: ServerKind, port: u16, rest: &str) -> Result<DatabaseServer, String> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, name) =
        rest.split_once('/').ok_or("database is a URL without the database's name: write …/NAME at its end")?;
    let (user, host) =
        authority.rsplit_once('@').ok_or("database is a URL without a user: write USER@ in front of the host")?;
    if user.contains(':') {
        return Err("database has a password in its URL, where everybody who may read the configuration sees it: \
                    put it into a file and name that as password_file"
            .into());
    }
    let (host, port) = host_and_port(host, port)?;
    let (user, name) = (decoded(user)?, decoded(name)?);
    let mut place = match decoded(host)? {
        socket if socket.starts_with('/') => Some(ServerPlace::Socket(socket.into())),
        host if host.is_empty() => None,
        host => Some(ServerPlace::Host(host)),
    };
    for (key, value) in query.split('&').filter(|part| !part.is_empty()).map(|p| p.split_once('=').unwrap_or((p, ""))) {
        let value = decoded(value)?;
        match key {
            "host" | "socket" if value.starts_with('/') && place.is_none() => {
                place = Some(ServerPlace::Socket(value.into()));
            }
            "host" | "socket" if place.is_some() => return Err("database names two places: a host and a socket".into()),
            "host" | "socket" => return Err(format!("database has {key}={value}, which is not an absolute path")),
            "password" => return Err("database has a password in its URL: name a password_file instead".into()),
            _ => return Err(format!("database has the parameter {key}; known are host and socket, for a Unix socket")),
        }
    }
    let place = place
        .ok_or("database is a URL without a host: write one, or ?host=DIRECTORY or ?socket=PATH for a Unix socket")?;
    if user.is_empty() || name.is_empty() {
        return Err("database is a URL without a user or without the database's name".into());
    }
    Ok(DatabaseServer { kind, user, place, port, name })
}

fn host_and_port(text: &str, default: u16) -> Result<(&str, u16), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    match port.map(str::parse::<u16>) {
        None => Ok((host, default)),
        Some(Ok(port)) if port > 0 => Ok((host, port)),
        Some(_) => Err(format!("database has a port that is none: {:?}", port.unwrap_or_default())),
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| "database is a URL that is not UTF-8 text")?;
    if text.chars().any(char::is_control) {
        return Err("database is a URL with a control character in it".into());
    }
    Ok(text.into_owned())
}

impl DatabaseServer {
    /// Whether a connection to it cannot leave the machine.
    pub fn is_local(&self) -> bool {
        match &self.place {
            ServerPlace::Socket(_) => true,
            ServerPlace::Host(host) => {
                host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Server(server) => server.fmt(f),
        }
    }
}

impl fmt::Display for DatabaseServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, key) = match self.kind {
            ServerKind::Postgres => ("postgresql", "host"),
            ServerKind::MariaDb => ("mysql", "socket"),
        };
        match &self.place {
            ServerPlace::Host(host) if host.contains(':') => {
                write!(f, "{scheme}://{}@[{host}]:{}/{}", self.user, self.port, self.name)
            }
            ServerPlace::Host(host) => write!(f, "{scheme}://{}@{host}:{}/{}", self.user, self.port, self.name),
            ServerPlace::Socket(path) => {
                write!(f, "{scheme}://{}@/{}?{key}={}", self.user, self.name, path.display())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Database {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

impl From<&Path> for Database {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_urls_are_told_apart_and_shown_as_they_are() {
        for (text, shown) in [
            ("/var/lib/akund/mail.db", "/var/lib/akund/mail.db"),
            ("mail.db", "mail.db"),
            ("postgresql://akund@db.example.org/mail", "postgresql://akund@db.example.org:5432/mail"),
            ("postgres://akund@127.0.0.1:5433/mail", "postgresql://akund@127.0.0.1:5433/mail"),
            ("mysql://akund@[::1]:3307/radius", "mysql://akund@[::1]:3307/radius"),
            ("mariadb://akund@[::1]/radius", "mysql://akund@[::1]:3306/radius"),
            ("postgresql://akund@/mail?host=/run/postgresql", "postgresql://akund@/mail?host=/run/postgresql"),
            ("postgresql://akund@%2Frun%2Fpostgresql/mail", "postgresql://akund@/mail?host=/run/postgresql"),
            ("mysql://akund@/radius?socket=/run/m.sock", "mysql://akund@/radius?socket=/run/m.sock"),
        ] {
            assert_eq!(Database::parse(text).map(|d| d.to_string()).as_deref(), Ok(shown), "{text}");
        }
        let local = |text: &str| Database::parse(text).unwrap().server().unwrap().is_local();
        assert!(local("mysql://a@localhost/b") && local("mysql://a@[::1]/b") && local("postgres://a@/b?host=/run"));
        assert!(!local("mysql://a@db/b") && !local("mysql://a@127.0.0.1.example.org/b"));
    }

    #[test]
    fn a_url_that_will_not_do_is_refused_with_the_reason_and_without_the_password() {
        for (text, reason) in [
            ("", "empty"),
            ("sqlite:///x", "scheme"),
            ("mysql://localhost/x", "without a user"),
            ("mysql://akund@localhost", "name"),
            ("mysql://akund@localhost/", "name"),
            ("mysql://@localhost/x", "without a user"),
            ("mysql://akund@/x", "without a host"),
            ("mysql://akund:rahasia@localhost/x", "password_file"),
            ("mysql://akund@localhost/x?password=rahasia", "password_file"),
            ("mysql://akund@localhost:0/x", "port"),
            ("mysql://akund@localhost:x/x", "port"),
            ("mysql://akund@localhost/x?socket=/a", "two places"),
            ("mysql://akund@/x?socket=a", "absolute"),
            ("mysql://akund@localhost/x?sslmode=disable", "parameter"),
            ("mysql://akund@localhost/x%00", "control"),
        ] {
            let told = Database::parse(text).unwrap_err();
            assert!(told.contains(reason) && !told.contains("rahasia"), "{text}: {told}");
        }
    }
}
