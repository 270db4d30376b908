//! What must hold between the values of a configuration that is well formed.

mod channels;
mod proofs;
mod queues;

use super::channel::{OutboxConfig, SmtpConfig, SmtpTls};
use super::database::{Database, ServerPlace, SqlAccess};
use super::source::SignatureRule;
use super::target::{GoogleConfig, LdapConfig, MailMapsConfig, MapFilesConfig, RadiusConfig};
use super::tree::Part;
use super::{ChannelConfig, Config, SourceConfig, TargetConfig, VERSION};
use crate::model::{Scheme, Verb};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A sentence about what is wrong, and the path of the key that it is about.
pub(super) struct Finding {
    pub path: Vec<Part>,
    pub sentence: String,
    /// The path of the key that it does not go together with.
    pub other: Option<Vec<Part>>,
}

/// Everything that is wrong with a configuration that is well formed, as sentences. Empty: nothing.
pub fn problems(config: &Config) -> Vec<String> {
    findings(config).into_iter().map(|f| f.sentence).collect()
}

pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    found.check(config.akund == VERSION, ["akund"], || {
        format!(
            "version {} of the configuration is not known to this akund, which reads version {VERSION}",
            config.akund
        )
    });
    spool_and_lane(config, &mut found);
    log(config, &mut found);
    operator(config, &mut found);
    for (key, sentence) in config.retention.problems() {
        found.check(false, ["retention", key], || sentence);
    }
    sources(&config.source, &mut found);
    queues::queues(config, &mut found);
    lane_names(config, &mut found);
    databases(config, &mut found);
    for (name, target) in &config.target {
        match target {
            TargetConfig::MailMaps(maps) => {
                mail_maps(name, maps, &mut found);
                proofs::mail(name, maps.proof.as_ref(), &mut found);
            }
            TargetConfig::Radius(radius) => {
                self::radius(name, radius, &mut found);
                proofs::radius(name, radius, &mut found);
            }
            TargetConfig::MapFiles(files) => {
                map_files(name, files, &mut found);
                proofs::mail(name, files.proof.as_ref(), &mut found);
            }
            TargetConfig::Ldap(ldap) => self::ldap(name, ldap, &mut found),
            TargetConfig::Google(google) => self::google(name, google, &config.target, &mut found),
        }
    }
    for (name, channel) in &config.channel {
        match channel {
            ChannelConfig::Smtp(smtp) => self::smtp(name, smtp, &mut found),
            ChannelConfig::Outbox(outbox) => self::outbox(name, outbox, &mut found),
            ChannelConfig::SmsKannel(kannel) => channels::kannel(name, kannel, config.http.listen, &mut found),
            ChannelConfig::SmsGammu(gammu) => channels::gammu(name, gammu, &mut found),
            ChannelConfig::SmsHttp(http) => channels::http(name, http, &mut found),
            ChannelConfig::Webhook(webhook) => channels::webhook(name, webhook, &config.source, &mut found),
        }
    }
    found.0
}

struct Findings(Vec<Finding>);

impl Findings {
    /// Notes `sentence` unless `holds`.
    fn check<const N: usize>(&mut self, holds: bool, path: [&str; N], sentence: impl FnOnce() -> String) {
        self.check_at(holds, path.map(key).into(), sentence);
    }
    fn check_at(&mut self, holds: bool, path: Vec<Part>, sentence: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Finding { path, sentence: sentence(), other: None });
        }
    }
    /// As [`Self::check_at`], of two keys that do not go together: `other` is where the other one stands.
    fn check_both(&mut self, holds: bool, path: Vec<Part>, other: Vec<Part>, sentence: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Finding { path, sentence: sentence(), other: Some(other) });
        }
    }
}

fn key(name: &str) -> Part {
    Part::Key(name.to_owned())
}

fn spool_and_lane(config: &Config, found: &mut Findings) {
    let lane = &config.lane;
    let positive: [(&[&str], bool); 9] = [
        (&["spool", "max_bytes"], config.spool.max_bytes > 0),
        (&["spool", "rescan_seconds"], config.spool.rescan_seconds > 0),
        (&["lane", "batch"], lane.batch > 0),
        (&["lane", "retry_seconds"], lane.retry_seconds > 0),
        (&["lane", "retry_max_seconds"], lane.retry_max_seconds > 0),
        (&["lane", "give_up_hours"], lane.give_up_hours > 0),
        (&["lane", "settle_seconds"], lane.settle_seconds > 0),
        (&["lane", "look_seconds"], lane.look_seconds > 0),
        (&["spool", "settle_ms"], config.spool.settle_ms > 0),
    ];
    for (path, holds) in positive {
        found.check_at(holds, path.iter().map(|k| key(k)).collect(), || {
            format!("{} must be at least 1", path.join("."))
        });
    }
    found.check(lane.retry_max_seconds >= lane.retry_seconds, ["lane", "retry_max_seconds"], || {
        format!(
            "the longest wait (lane.retry_max_seconds = {}) is shorter than the first one (lane.retry_seconds = {})",
            lane.retry_max_seconds, lane.retry_seconds
        )
    });
}

fn log(config: &Config, found: &mut Findings) {
    let Some(filter) = &config.log.filter else { return };
    if let Err(e) = crate::observe::logs::parse_filter(filter) {
        found.check(false, ["log", "filter"], || format!("the log filter \"{filter}\" cannot be read: {e}"));
    }
}

fn operator(config: &Config, found: &mut Findings) {
    let Some(operator) = &config.operator else { return };
    let at = |key: &'static str| ["operator", key];
    found.check(operator.address.parse::<crate::model::Address>().is_ok(), at("address"), || {
        format!("{:?} is no mail address: the operator's notices go there", operator.address)
    });
    found.check(config.channel.contains_key(&operator.channel), at("channel"), || {
        format!("the operator is to be told by the channel {}, and there is no [channel.{0}]", operator.channel)
    });
    found.check(["id", "en"].contains(&operator.language.as_str()), at("language"), || {
        format!("{:?} is no language of the operator's notices: expected \"id\" or \"en\"", operator.language)
    });
    found.check(jiff::tz::TimeZone::get(&operator.time_zone).is_ok(), at("time_zone"), || {
        format!("the time zone {:?} is not known: expected an IANA name, like \"Asia/Jakarta\"", operator.time_zone)
    });
    if let Err(cause) = operator.digest_time() {
        found.check(false, at("digest"), || cause);
    }
    for (key, value) in [("every_minutes", operator.every_minutes), ("lane_down_minutes", operator.lane_down_minutes)] {
        found.check(value <= 10_080, at(key), || format!("operator.{key} is at most 10080: a week"));
    }
    found.check(operator.gather_seconds <= 3600, at("gather_seconds"), || {
        "operator.gather_seconds is at most 3600: an hour".into()
    });
}

/// A name that is a directory, a lane, a label of metrics and an argument of commands all at once.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=64).contains(&name.len()) && name.starts_with(plain) && name.chars().all(|c| plain(c) || c == '-')
}

const NAME_RULE: &str =
    "names are of lower-case letters, digits and `-`, begin with a letter or digit, and have at most 64 characters";

fn sources(sources: &[SourceConfig], found: &mut Findings) {
    for (i, source) in sources.iter().enumerate() {
        let at = |name: &str| vec![key("source"), Part::Index(i), key(name)];
        let name = &source.name;
        found.check_at(is_name(name), at("name"), || format!("{name:?} cannot be a source's name: {NAME_RULE}"));
        let first = sources.iter().position(|s| s.name == *name).unwrap_or(i);
        found.check_both(first == i, at("name"), vec![key("source"), Part::Index(first), key("name")], || {
            format!("source {name} stands twice: each has one [[source]] entry")
        });
        match (source.signature, &source.allowed_signers) {
            (SignatureRule::Required, None) => found.check_at(false, at("signature"), || {
                format!("source {name} requires signatures, and allowed_signers does not say whose")
            }),
            (SignatureRule::None, Some(_)) => found.check_at(false, at("allowed_signers"), || {
                format!("source {name} names allowed_signers, but looks at no signature: set signature = \"required\"")
            }),
            _ => {}
        }
    }
}

fn lane_names(config: &Config, found: &mut Findings) {
    let targets = config.target.keys().map(|name| ("target", name));
    let channels = config.channel.keys().map(|name| ("channel", name));
    for (section, name) in targets.chain(channels) {
        found.check(is_name(name), [section, name], || format!("{name:?} cannot be a {section}'s name: {NAME_RULE}"));
        found.check(name != Verb::MINT_LANE, [section, name], || {
            format!("a {section} cannot be called {name}: that is the lane that makes passwords")
        });
        found.check(name != Verb::LETTER_LANE, [section, name], || {
            format!("a {section} cannot be called {name}: that is the lane of letters")
        });
    }
    for name in config.channel.keys().filter(|name| config.target.contains_key(*name)) {
        found.check_both(false, vec![key("channel"), key(name)], vec![key("target"), key(name)], || {
            format!("a target and a channel are both called {name}: each is a lane, and a lane's name stands once")
        });
    }
}

/// One SQLite file has one owner: mail's readers must never see NT hashes, and nobody the journal. On a server, mail and
/// RADIUS may share a database, whose roles keep them apart; two targets of one kind may not.
fn databases(config: &Config, found: &mut Findings) {
    let journal = (Database::File(config.journal.path.clone()), "");
    let mut owners = BTreeMap::from([(journal, "the journal".to_owned())]);
    for (name, target) in &config.target {
        let (access, kind) = match target {
            TargetConfig::MailMaps(maps) => (maps.access(), "mail-maps"),
            TargetConfig::Radius(radius) => (radius.access(), "radius"),
            TargetConfig::Ldap(_) | TargetConfig::Google(_) => continue,
            TargetConfig::MapFiles(files) => {
                for (key, path) in ["passwd", "mailboxes", "aliases", "domains"].into_iter().zip(files.paths()) {
                    owned(name, key, (Database::File(path.clone()), ""), &mut owners, found);
                }
                continue;
            }
        };
        database_access(name, access, found);
        let kind = if access.database.file().is_some() { "" } else { kind };
        owned(name, "database", (access.database.clone(), kind), &mut owners, found);
    }
}

/// The owner of a file is the first that names it.
fn owned(
    name: &str,
    key: &str,
    place: (Database, &'static str),
    owners: &mut BTreeMap<(Database, &'static str), String>,
    found: &mut Findings,
) {
    match owners.get(&place) {
        Some(owner) => found.check(false, ["target", name, key], || {
            let own = if place.1.is_empty() { "a file" } else { "a database" };
            format!("target {name} has the {key} {} which is that of {owner}: each needs {own} of its own", place.0)
        }),
        None => {
            owners.insert(place, format!("target {name}"));
        }
    }
}

/// No password crosses a network in clear text, and what says how to reach a server is for servers.
fn database_access(name: &str, access: SqlAccess<'_>, found: &mut Findings) {
    let server = access.database.server();
    let open = server.is_some_and(|server| !server.is_local()) && access.ca_file.is_none();
    found.check(!open, ["target", name, "database"], || {
        format!(
            "target {name} would send passwords and hashes in clear text to {}: name the CA of its certificate as ca_file, or use \
             a Unix socket or a loopback address",
            access.database
        )
    });
    let socket = server.is_some_and(|server| matches!(server.place, ServerPlace::Socket(_)));
    found.check(access.ca_file.is_none() || (server.is_some() && !socket), ["target", name, "ca_file"], || {
        format!("target {name} has a ca_file, and its database is not reached by TCP")
    });
    found.check(access.password_file.is_none() || server.is_some(), ["target", name, "password_file"], || {
        format!("target {name} has a password_file, and its database is a file")
    });
}

fn map_files(name: &str, files: &MapFilesConfig, found: &mut Findings) {
    services(name, &files.services, found);
    mail_password(name, files.password, found);
    file_mode(name, &files.mode, found);
    home(name, &files.home, found);
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == ':' || c == '%';
    found.check(!files.home.contains(odd), ["target", name, "home"], || {
        format!("home of target {name} cannot hold spaces, `:` or `%`: they mean something in a passwd-file")
    });
    found.check(files.mail_uid.is_some() == files.mail_gid.is_some(), ["target", name, "mail_uid"], || {
        format!("target {name} needs both mail_uid and mail_gid, or neither")
    });
}

fn mail_maps(name: &str, maps: &MailMapsConfig, found: &mut Findings) {
    services(name, &maps.services, found);
    mail_password(name, maps.password, found);
    file_mode(name, &maps.mode, found);
    home(name, &maps.home, found);
}

fn mail_password(name: &str, scheme: Scheme, found: &mut Findings) {
    found.check(scheme != Scheme::NtHash, ["target", name, "password"], || {
        format!("target {name} cannot store nt-hash: Postfix's and Dovecot's readers must not see it; use sha512-crypt")
    });
    found.check(!matches!(scheme, Scheme::Bcrypt | Scheme::Argon2id), ["target", name, "password"], || {
        format!("target {name}: the shipped queries for Dovecot take sha512-crypt and ssha512")
    });
}

fn home(name: &str, home: &str, found: &mut Findings) {
    let unknown = unknown_placeholder(home);
    found.check(unknown.is_none(), ["target", name, "home"], || {
        format!(
            "home of target {name}: {} is unknown; {{domain}}, {{local}}, {{address}} and {{uid}} are known",
            unknown.unwrap_or_default()
        )
    });
    found.check(home.starts_with('/'), ["target", name, "home"], || {
        format!("home of target {name} must be an absolute path, not {home}")
    });
}

/// The first `{…}` that is not known, or a brace without its partner.
fn unknown_placeholder(template: &str) -> Option<String> {
    let rest =
        ["{domain}", "{local}", "{address}", "{uid}"].iter().fold(template.to_owned(), |t, known| t.replace(known, ""));
    let start = rest.find(['{', '}'])?;
    let end = rest[start..].find('}').map_or(rest.len(), |i| start + i + 1);
    Some(rest[start..end].to_owned())
}

fn radius(name: &str, radius: &RadiusConfig, found: &mut Findings) {
    services(name, &radius.services, found);
    file_mode(name, &radius.mode, found);
    let known = matches!(radius.password.scheme(), None | Some(Scheme::Sha512Crypt | Scheme::NtHash));
    found.check(known, ["target", name, "password"], || {
        format!("target {name}: FreeRADIUS takes sha512-crypt, nt-hash or cleartext here")
    });
}

fn ldap(name: &str, ldap: &LdapConfig, found: &mut Findings) {
    services(name, &ldap.services, found);
    for (key, sentence) in ldap.problems() {
        found.check(false, ["target", name, key], || format!("target {name}: {sentence}"));
    }
    for (key, sentence) in crate::target::ldap::layout_problems(ldap) {
        found.check(false, ["target", name, key], || format!("target {name}: {sentence}"));
    }
}

fn google(name: &str, google: &GoogleConfig, targets: &BTreeMap<String, TargetConfig>, found: &mut Findings) {
    services(name, &google.services, found);
    for (key, sentence) in google.problems() {
        found.check(false, ["target", name, key], || format!("target {name}: {sentence}"));
    }
    let limits = |g: &GoogleConfig| (g.creations_per_second, g.queries_per_minute, g.concurrency);
    let same = |g: &GoogleConfig| g.root_url == google.root_url && g.primary_domain() == google.primary_domain();
    for (other, settings) in targets.iter().filter(|(other, _)| other.as_str() < name) {
        let TargetConfig::Google(settings) = settings else { continue };
        let agree = !same(settings) || limits(settings) == limits(google);
        found.check(agree, ["target", name, "domains"], || {
            format!(
                "targets {other} and {name} share the quotas of {}: creations_per_second, queries_per_minute and concurrency must be \
                 the same",
                google.primary_domain()
            )
        });
    }
}

/// Nobody but akund writes, and nobody executes.
fn file_mode(name: &str, mode: &str, found: &mut Findings) {
    found.check(["0600", "0640", "0644"].contains(&mode), ["target", name, "mode"], || {
        format!("mode of target {name} must be \"0600\", \"0640\" or \"0644\", not {mode:?}")
    });
}

fn services(name: &str, services: &[String], found: &mut Findings) {
    found.check(!services.is_empty(), ["target", name, "services"], || {
        format!("target {name} provides no service: no request would ever reach it")
    });
}

fn smtp(name: &str, smtp: &SmtpConfig, found: &mut Findings) {
    mailbox(name, "from", &smtp.from, found);
    if let Some(reply_to) = &smtp.reply_to {
        mailbox(name, "reply_to", reply_to, found);
    }
    found.check(smtp.tls != SmtpTls::None || is_loopback(&smtp.host), ["channel", name, "tls"], || {
        format!(
            "channel {name} would send passwords to {} in clear text: tls = \"none\" is for loopback only",
            smtp.host
        )
    });
    found.check(smtp.username.is_none() || smtp.password_file.is_some(), ["channel", name, "username"], || {
        format!("channel {name} has a username without a password_file")
    });
    found.check(smtp.password_file.is_none() || smtp.username.is_some(), ["channel", name, "password_file"], || {
        format!("channel {name} has a password_file without a username")
    });
    found.check(smtp.port != Some(0), ["channel", name, "port"], || format!("channel {name}: port 0 is no server's"));
    found.check((1..=64).contains(&smtp.connections), ["channel", name, "connections"], || {
        format!("channel {name}: connections must be from 1 to 64")
    });
    found.check(smtp.timeout_seconds > 0, ["channel", name, "timeout_seconds"], || {
        format!("channel {name}: timeout_seconds must be at least 1")
    });
    let hosts = [("host", Some(&smtp.host)), ("hello", smtp.hello.as_ref())];
    for (field, host) in hosts.iter().filter_map(|(field, host)| host.map(|h| (*field, h))) {
        let good = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(c));
        found.check(good, ["channel", name, field], || format!("channel {name}: {host:?} is no host name"));
    }
}

fn outbox(name: &str, outbox: &OutboxConfig, found: &mut Findings) {
    if outbox.carries_email() {
        mailbox(name, "from", &outbox.from, found);
    }
}

fn mailbox(name: &str, field: &str, text: &str, found: &mut Findings) {
    found.check(text.parse::<lettre::message::Mailbox>().is_ok(), ["channel", name, field], || {
        format!("{field} of channel {name} is neither an address nor `Name <address>`: {text:?}")
    });
}

/// Whether a connection to this name cannot leave the machine.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
