//! `akund check`

mod ends;
mod line;
mod nagios;
mod newest;
mod retention;
mod trial;

use super::exit::{Exit, Failure};
use super::output::say;
use super::{Common, output};
use crate::channel::{Destination, Outlet};
use crate::config::Config;
use crate::daemon::key::{self, Standing};
use crate::daemon::wiring::{self, OpenChannel};
use crate::intake::spool::Spool;
use crate::journal::read::Reader;
use crate::model::Finding;
use crate::procedure::Procedure;
use clap::Args as ClapArgs;
use jiff::Timestamp;
use line::Line;
use std::io::ErrorKind::PermissionDenied;
use std::path::Path;

/// Options of `akund check`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  akund check
  akund check --send-to admin@example.org         also send a test notice there
  akund check --config ./akund.toml --json
  akund check --nagios                            one line from the running daemon, for Nagios or Icinga")]
pub struct Args {
    /// Also send a test notice to this address or phone number, over each channel that reaches it.
    #[arg(long, value_name = "ADDRESS|PHONE", value_parser = trial::destination)]
    send_to: Option<Destination>,
    /// Ask only the running daemon, and answer as a Nagios plugin: one line, exit code 0, 1, 2 or 3.
    #[arg(long, conflicts_with = "send_to")]
    nagios: bool,
}

/// Looks at everything that the configuration names; changes nothing, and sends nothing unless it is told to.
pub fn run(common: &Common, args: &Args) -> Result<Exit, Failure> {
    if args.nagios {
        return Ok(nagios::run(common));
    }
    let config = common.load()?;
    let lines = super::run::runtime()?.block_on(look(&config, args.send_to.as_ref()));
    let good = lines.iter().all(|line| line.good);
    if common.json {
        output::json(&lines)?;
    } else {
        for line in &lines {
            say!("{}", line.shown());
        }
        say!("{}", if good { "all is in order" } else { "something must be mended first" });
    }
    let mut wrong = lines.iter().filter(|line| !line.good).map(|line| line.exit);
    Ok(match wrong.next() {
        None => Exit::Good,
        Some(first) => wrong.fold(first, |worst, exit| if exit == Exit::Config { exit } else { worst }),
    })
}

async fn look(config: &Config, send_to: Option<&Destination>) -> Vec<Line> {
    let mut lines = Vec::new();
    let bad = |part: &str, problems: Vec<String>| -> Vec<Line> {
        problems.into_iter().map(|said| Line::bad(part, said, Exit::Config)).collect()
    };
    let problems = crate::config::problems(config);
    if problems.is_empty() {
        lines.push(Line::good("configuration", "read and understood"));
    }
    lines.extend(bad("configuration", problems));
    lines.extend(bad("spool", Spool::problems(&config.spool, &config.source)));
    lines.extend(kept(config));
    let closed = std::fs::read_dir(&config.templates.path).is_err_and(|error| error.kind() == PermissionDenied);
    match wiring::templates(config) {
        Ok(templates) => lines.push(Line::good("templates", wiring::told(&templates))),
        Err(problems) => lines.extend(bad("templates", problems)),
    }
    let targets = wiring::targets(config).unwrap_or_else(|problems| {
        lines.extend(bad("targets", problems));
        Vec::new()
    });
    let channels = wiring::channels(config).unwrap_or_else(|problems| {
        lines.extend(bad("channels", problems));
        Vec::new()
    });
    let webhooks = wiring::webhooks(config).unwrap_or_else(|problems| {
        lines.extend(bad("channels", problems));
        Vec::new()
    });
    let site = wiring::site_of(config);
    match wiring::procedures(config, &site) {
        Ok(procedures) => {
            let names: Vec<&str> = procedures.keys().map(String::as_str).collect();
            lines.push(Line::good("procedures", names.join(", ")));
            lines.extend(procedures.values().filter_map(|procedure| holidays(procedure, Timestamp::now())));
            match wiring::letters(config, &procedures) {
                // Told of above: these are in the same directory.
                Err(_) if closed => {}
                Ok(letters) => {
                    let names: Vec<&str> = letters.names().collect();
                    if !names.is_empty() {
                        let said = format!("every placeholder is known in {}", names.join(", "));
                        lines.push(Line::good("letters", said));
                    }
                }
                Err(problems) => lines.extend(bad("letters", problems)),
            }
        }
        Err(problems) => lines.extend(bad("procedures", problems)),
    }
    match wiring::operator(config) {
        Ok(Some(_)) => lines.push(Line::good("operator", "is told of what needs a person")),
        Ok(None) => {}
        Err(problems) => lines.extend(bad("operator", problems)),
    }
    // Without the register, of which was told above, they say what they see.
    let register = Reader::open_untouched(&config.journal.path).ok();
    let newest = register.map_or_else(Vec::new, |register| {
        let _ = wiring::expect_accounts(&targets, &register);
        newest::of(&targets, &register)
    });
    for target in &targets {
        let part = format!("target {}", target.name());
        lines.extend(found(&part, target.check().await));
        for (target, wanted) in newest.iter().filter(|(of, _)| of.name() == target.name()) {
            lines.extend(newest::look(&part, *target, wanted).await);
        }
    }
    for open in &channels {
        lines.extend(found(&format!("channel {}", open.channel.name()), open.channel.check().await));
    }
    for (name, queue) in &config.queue {
        lines.extend(found(&format!("queue {name}"), crate::amqp::check::check(queue).await));
    }
    for webhook in &webhooks {
        lines.extend(found(&format!("channel {}", Outlet::name(webhook)), webhook.check().await));
    }
    if let Some(to) = send_to {
        lines.extend(try_out(&channels, to).await);
    }
    lines.extend(ends::lines(Timestamp::now()));
    lines
}

/// A test notice over each channel that goes there.
async fn try_out(channels: &[OpenChannel], to: &Destination) -> Vec<Line> {
    let mut lines = Vec::new();
    for open in channels.iter().filter(|open| trial::carries(open, to)) {
        lines.extend(found(&format!("channel {}", open.channel.name()), vec![trial::send(open, to).await]));
    }
    if lines.is_empty() {
        let said = "no channel of the configuration goes there, so no test notice was sent";
        lines.push(Line::bad("channels", said, Exit::Config));
    }
    lines
}

/// Working time would be counted as if nobody had a day off.
fn holidays(procedure: &Procedure, now: Timestamp) -> Option<Line> {
    let year = procedure.lacks_holidays(now)?;
    let name = procedure.name();
    let said = format!(
        "{name}: its holidays file is not complete for {year}; add that year's days, and `complete {year}`, else its \
         deadlines fall too early"
    );
    Some(Line::warning("procedures", said))
}

/// The journal, its key and what retention would take from it. What cannot be seen for one reason is told once.
fn kept(config: &Config) -> Vec<Line> {
    let path = &config.journal.path;
    let Err(error) = path.metadata() else {
        let journal = journal(path);
        let readable = journal.good;
        return vec![journal, sealing(config), retention::line(config, readable)];
    };
    if error.kind() == std::io::ErrorKind::NotFound {
        let journal = Line::good("journal", format!("{} will be made at the first start", path.display()));
        return vec![journal, sealing(config), retention::line(config, false)];
    }
    let said = format!("{}: {error}; run this as akund's own user", path.display());
    let journal = Line::bad("journal", said, Exit::NotPermitted);
    let key = sealing(config);
    let beside = key::places(config).1.parent() == path.parent();
    [Some(journal), Some(key).filter(|key| key.good || !beside), Some(retention::line(config, false))]
        .into_iter()
        .flatten()
        .collect()
}

/// Looked at, where it is there.
fn journal(path: &Path) -> Line {
    let looked = Reader::look(path).map(|()| format!("{} can be read", path.display()));
    Line::found("journal", looked.map_err(|error| error.to_string()), Exit::Unavailable)
}

fn sealing(config: &Config) -> Line {
    let (credentials, file) = key::places(config);
    let said = key::look(credentials.as_deref(), &file, &config.journal.path).and_then(|standing| match &standing {
        // Where systemd hands it over, only the service sees it: this command, typed by a person, does not.
        Standing::Lost { bound } if credentials.is_none() && runs(config) => {
            Ok(format!("the running akund has {bound}; systemd hands it over, so it is not to be seen from here"))
        }
        Standing::Lost { .. } if credentials.is_none() => standing.said(&file).map_err(|lost| {
            format!(
                "{lost}; if systemd hands it over (LoadCredential=), start akund, or look as the service does: \
                 akund-as-service check"
            )
        }),
        _ => standing.said(&file),
    });
    Line::found("key", said, Exit::Config)
}

/// Whether a daemon listens, which it does only when it has its journal's key.
fn runs(config: &Config) -> bool {
    std::os::unix::net::UnixStream::connect(&config.control.socket).is_ok()
}

fn found(part: &str, findings: Vec<Finding>) -> Vec<Line> {
    findings.into_iter().map(|finding| Line::found(part, finding, Exit::Unavailable)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind, called by a word that stands nowhere else; nothing listens where they look.
    const EACH: &str = r#"
akund = 1
[spool]
path = "HERE/spool"
[journal]
path = "HERE/akund.db"
[procedures]
path = "HERE/procedures"
[templates]
path = "HERE/templates"
[target.nusantara-1]
kind = "mail-maps"
database = "HERE/mail.db"
[target.nusantara-2]
kind = "mail-maps"
database = "postgresql://akund@127.0.0.1:1/mail"
password_file = "HERE/secret"
make_tables = false
[target.nusantara-3]
kind = "radius"
database = "HERE/radius.db"
password = "cleartext"
[target.nusantara-4]
kind = "radius"
database = "mysql://akund@127.0.0.1:1/radius"
password_file = "HERE/secret"
[target.nusantara-5]
kind = "map-files"
passwd = "HERE/maps/passwd"
mailboxes = "texthash:HERE/maps/mailboxes"
aliases = "texthash:HERE/maps/aliases"
domains = "texthash:HERE/maps/domains"
[target.nusantara-5.proof]
imap = "imap://127.0.0.1:1"
submission = "submission://127.0.0.1:1"
[target.nusantara-6]
kind = "ldap"
url = "ldap://127.0.0.1:1"
bind_dn = "cn=akund,dc=example,dc=org"
password_file = "HERE/secret"
base = "ou=people,dc=example,dc=org"
object_classes = ["inetOrgPerson"]
attributes = { cn = "{name}", sn = "{family_name}" }
[channel.nusantara-11]
kind = "smtp"
host = "127.0.0.1"
port = 1
tls = "none"
from = "akun@example.org"
[channel.nusantara-12]
kind = "outbox"
path = "HERE/outbox"
from = "akun@example.org"
[channel.nusantara-13]
kind = "sms-kannel"
url = "http://127.0.0.1:1/cgi-bin/sendsms"
username = "akund"
password_file = "HERE/secret"
[channel.nusantara-14]
kind = "sms-gammu"
database = "HERE/gammu.db"
[channel.nusantara-15]
kind = "sms-http"
url = "http://127.0.0.1:1/send?to={to}&text={text}"
[channel.nusantara-16]
kind = "webhook"
url = "http://127.0.0.1:1/outcomes"
secret_file = "HERE/secret"
"#;

    /// A line of `check`, a fault in the journal: both have the name beside them already.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_target_or_a_channel_says_never_has_its_own_name_in_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "0123456789abcdef").unwrap();
        let text = EACH.replace("HERE", dir.path().to_str().unwrap());
        let config = crate::config::load::from_text(&text, dir.path()).unwrap_or_else(|report| panic!("{report}"));
        let mut said: Vec<String> = Vec::new();
        // Before any start, and with tables and files.
        for to in ["admin@example.org", "+6281234567890"] {
            let lines = look(&config, Some(&trial::destination(to).unwrap())).await;
            let known = |line: &&Line| ["target ", "channel "].iter().any(|kind| line.part.starts_with(kind));
            let parts: std::collections::BTreeSet<&str> =
                lines.iter().filter(known).map(|line| line.part.as_str()).collect();
            assert_eq!(parts.len(), 12, "{parts:?}");
            said.extend(lines.into_iter().map(|line| line.said));
            let targets = wiring::targets(&config).unwrap();
            wiring::make_ready(&targets).unwrap();
            for target in targets {
                let names = ["budi@example.org".to_owned()];
                said.extend(target.find(&names).await.err().map(|fault| fault.message));
                said.extend(target.list().await.err().map(|fault| fault.message));
            }
        }
        for database in ["mail.db", "radius.db"] {
            let path = dir.path().join(database);
            assert!(path.exists());
            std::fs::write(&path, "no database".repeat(1000)).unwrap();
        }
        said.extend(look(&config, None).await.into_iter().map(|line| line.said));
        let posting = crate::model::Posting {
            id: 1,
            delivery: "1".into(),
            attempt: 1,
            first_at: Timestamp::now(),
            body: b"{}".to_vec(),
        };
        for webhook in wiring::webhooks(&config).unwrap() {
            for posted in webhook.post(std::slice::from_ref(&posting)).await {
                said.push(format!("{:?}", posted.unwrap_err()));
            }
        }
        let named: Vec<&String> = said.iter().filter(|said| said.contains("nusantara")).collect();
        // What tells of several parts, or of the configuration, names them.
        assert_eq!(named, Vec::<&String>::new());
        assert!(said.len() > 40, "{said:#?}");
        // The name that stands before it is the only one.
        let line = found("target mail", vec![Err("database /a.db: opening it failed".to_owned())]).remove(0);
        assert_eq!(line.shown(), "✗ target mail: database /a.db: opening it failed");
    }

    #[test]
    fn from_december_on_it_warns_while_the_next_years_holidays_are_not_known() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let generic = include_str!("../../config/procedures/generic.toml");
        file("generic.toml", &generic.replace("# holidays = ", "holidays = "));
        let said = |text: &str, now: &str| {
            file("holidays-id-2026.txt", text);
            let (procedures, reports) = crate::procedure::load_dir(dir.path());
            assert!(reports.is_empty(), "{reports:?}");
            holidays(&procedures["generic"], now.parse().unwrap())
        };
        let shipped = include_str!("../../config/procedures/holidays-id-2026.txt");
        let (november, december) = ("2026-11-30T12:00:00Z", "2026-12-01T12:00:00Z");
        assert!(said(shipped, november).is_none());
        let line = said(shipped, december).unwrap();
        assert!(line.good && line.warns && line.said.contains("not complete for 2027"), "{}", line.said);
        assert!(said(&shipped.replace("lengkap 2026", "lengkap 2027"), december).is_none());
    }
}
