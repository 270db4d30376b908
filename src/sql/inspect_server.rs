//! `check` of a database on a server: from the name to the rights, one step after the other; changes nothing.

use super::server::Server;
use super::{Engine, Kind, Remote, Trouble};
use crate::config::database::ServerPlace;
use crate::model::Finding;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

const KNOCK: Duration = Duration::from_secs(5);

/// All findings, up to the first step without which the next is of no use.
pub fn inspect(server: &Server) -> Vec<Finding> {
    let mut findings = reach(server);
    if findings.iter().any(Result::is_err) {
        return findings;
    }
    let mut session = match server.connect() {
        Ok(session) => session,
        Err(trouble) => {
            findings.push(Err(format!("no login at {}: {}", server.at(), trouble.cause)));
            return findings;
        }
    };
    findings.push(Ok(format!("akund logs in at {}", server.at())));
    for look in [version, encryption, tables, rights, habits] {
        let said = look(server, session.as_mut());
        findings.extend(
            said.unwrap_or_else(|trouble| vec![Err(format!("looking into {} failed: {}", server.at(), trouble.cause))]),
        );
        if session.is_lost() {
            return findings;
        }
    }
    session.close();
    findings
}

/// Name and port, or the socket.
fn reach(server: &Server) -> Vec<Finding> {
    let host = match &server.at().place {
        ServerPlace::Host(host) => host,
        ServerPlace::Socket(path) => {
            return vec![match path.exists() {
                true => Ok(format!("{} is there", path.display())),
                false => Err(format!("there is no socket {}; is the server running?", path.display())),
            }];
        }
    };
    let port = server.at().port;
    let addresses: Vec<SocketAddr> = match (host.as_str(), port).to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(e) => return vec![Err(format!("the name {host} has no address: {e}"))],
    };
    let mut refusals = Vec::new();
    for address in &addresses {
        match TcpStream::connect_timeout(address, KNOCK) {
            Ok(_) => return vec![Ok(format!("{host} is {address}, and answers"))],
            Err(e) => refusals.push(format!("{address}: {e}")),
        }
    }
    vec![Err(format!("nothing answers at {host} port {port} ({}); is the server running?", refusals.join("; ")))]
}

fn version(_: &Server, db: &mut dyn Remote) -> Result<Vec<Finding>, Trouble> {
    let version = word(db, "SELECT version()")?;
    Ok(vec![Ok(format!("it is {version}"))])
}

fn encryption(server: &Server, db: &mut dyn Remote) -> Result<Vec<Finding>, Trouble> {
    if !server.has_ca() {
        return Ok(vec![Ok("the connection does not leave this machine, in clear text".into())]);
    }
    let how = match db.engine() {
        Engine::Postgres => word(db, "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl")?,
        Engine::MariaDb | Engine::Sqlite => {
            word(db, "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Ssl_version'")
                .unwrap_or_else(|_| "TLS".into())
        }
    };
    Ok(vec![if how.is_empty() {
        Err("the connection is not encrypted".into())
    } else {
        Ok(format!("the connection is encrypted ({how}), and the certificate is right"))
    }])
}

fn tables(server: &Server, db: &mut dyn Remote) -> Result<Vec<Finding>, Trouble> {
    let found = server.schema_version(db)?;
    let at = server.at();
    if found > server.schema().version {
        return Ok(vec![Err(server.is_newer(found))]);
    }
    if server.makes_tables()
        && let Some(lost) = server.lost(db, found)?
    {
        return Ok(vec![Err(lost)]);
    }
    Ok(match server.schema().first_wrong(db)? {
        None => {
            let beside = server.schema().without_readers_tables(db)?;
            [Some(format!("{at} has the tables and columns")), beside].into_iter().flatten().map(Ok).collect()
        }
        Some(wrong) if wrong.kind == Kind::NoTable && server.makes_tables() => vec![may_make(server, db)?],
        Some(wrong) => vec![Err(server.lacks(&wrong))],
    })
}

/// Whether akund's user may make the tables that are missing.
fn may_make(server: &Server, db: &mut dyn Remote) -> Result<Finding, Trouble> {
    let at = server.at();
    let may = match db.engine() {
        Engine::Postgres => {
            word(db, "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)::int::text")? == "1"
        }
        Engine::MariaDb | Engine::Sqlite => {
            // Without a database's own line, the right for all of them; roles are resolved by the server.
            db.rows("SHOW GRANTS", &[])?
                .iter_mut()
                .any(|row| row.text(0).is_ok_and(|grant| grant.contains("ALL PRIVILEGES") || grant.contains("CREATE")))
        }
    };
    Ok(if may {
        Ok(format!("{at} gets its tables when akund starts"))
    } else {
        Err(format!(
            "{at} lacks tables, and akund's user may not make them: grant CREATE, or load config/integration/sql"
        ))
    })
}

/// Asks for plans of statements, which needs the right to run them and runs none.
fn rights(server: &Server, db: &mut dyn Remote) -> Result<Vec<Finding>, Trouble> {
    let mut findings = Vec::new();
    let mut is_whole = true;
    for (table, column) in server.schema().writes {
        for (right, statement) in [
            ("INSERT", format!("EXPLAIN INSERT INTO {table} ({column}) VALUES ('')")),
            ("UPDATE", format!("EXPLAIN UPDATE {table} SET {column} = {column} WHERE {column} = ''")),
            ("DELETE", format!("EXPLAIN DELETE FROM {table} WHERE {column} = ''")),
        ] {
            match db.rows(&statement, &[]) {
                Ok(_) => {}
                Err(trouble) if trouble.kind == Kind::Disconnected => return Err(trouble),
                // A table that is still missing has been told of.
                Err(trouble) if trouble.kind == Kind::NoTable => is_whole = false,
                Err(trouble) => findings.push(Err(format!("akund has no {right} on {table}: {}", trouble.cause))),
            }
        }
    }
    findings.extend(numbers(server, db)?);
    if findings.is_empty() && is_whole {
        findings.push(Ok("akund may write to every table".into()));
    }
    Ok(findings)
}

/// PostgreSQL numbers rows from sequences, which have rights of their own.
fn numbers(server: &Server, db: &mut dyn Remote) -> Result<Vec<Finding>, Trouble> {
    if db.engine() != Engine::Postgres {
        return Ok(Vec::new());
    }
    let mut findings = Vec::new();
    for (table, _) in server.schema().writes {
        let sequence = "SELECT pg_get_serial_sequence(attrelid::regclass::text, attname) FROM pg_attribute \
                        WHERE attrelid = to_regclass(?) AND attname = 'id'";
        let Some(name) = db.rows(sequence, &[(*table).into()])?.first_mut().map(|row| row.text(0)).transpose()? else {
            continue;
        };
        let mut may = db.rows("SELECT has_sequence_privilege(?, 'USAGE')::int", &[name.as_str().into()])?;
        if may.first_mut().map_or(Ok(1), |row| row.integer(0))? == 0 {
            findings.push(Err(format!("akund has no USAGE on the sequence {name}")));
        }
    }
    Ok(findings)
}

/// Settings of the server that take away what akund relies on.
fn habits(server: &Server, db: &mut dyn Remote) -> Result<Vec<Finding>, Trouble> {
    let at = server.at();
    let mut findings = Vec::new();
    let read_only = match db.engine() {
        Engine::Postgres => word(db, "SELECT current_setting('transaction_read_only')")? == "on",
        Engine::MariaDb | Engine::Sqlite => word(db, "SELECT cast(@@global.read_only AS char)")? == "1",
    };
    if read_only {
        findings.push(Err(format!("{at} is read-only; is it a replica?")));
    }
    if db.engine() == Engine::MariaDb {
        if word(db, "SELECT cast(@@global.innodb_flush_log_at_trx_commit AS char)")? != "1" {
            findings.push(Err(format!(
                "{at} may lose what it has confirmed when the machine fails: set innodb_flush_log_at_trx_commit = 1"
            )));
        }
        let exact = "SELECT concat(table_name, '.', column_name, ' ', collation_name) FROM information_schema.columns \
                     WHERE table_schema = database() AND column_name IN ('username', 'address', 'domain') \
                     AND table_name IN ('radcheck', 'radreply', 'radusergroup', 'akund_account', 'mailboxes', 'aliases', 'domains') \
                     AND collation_name NOT LIKE '%\\_ci'";
        for mut row in db.rows(exact, &[])? {
            findings.push(Err(format!(
                "{} tells capitals from small letters, so that names that people take for the same pass for different \
                 ones: give it a collation that ends in _ci",
                row.text(0)?
            )));
        }
    }
    Ok(findings)
}

fn word(db: &mut dyn Remote, query: &str) -> Result<String, Trouble> {
    db.rows(query, &[])?.first_mut().map_or(Ok(String::new()), |row| row.text(0))
}
