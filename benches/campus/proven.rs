//! With all proofs: each account logs in at slapd, at Dovecot (IMAP over TLS) and at FreeRADIUS (PAP), beside what hashing and these
//! servers' own verifying take.

use crate::peers::{FreeRadius, MailHost, SECRET, Slapd, setgid_dir};
use crate::support::{self, Site, records, watch};
use crate::{ATTRIBUTES, remove_everybody, runtime, settings, target as directory, told, works};
use akund::config::target::{MailMapsConfig, RadiusConfig};
use akund::model::{Fault, Scheme, Secret};
use akund::secret::hash;
use akund::target::login::Proofs;
use akund::target::mailmaps::MailMaps;
use akund::target::radius::Radius;
use akund::target::{Target, Work};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Log-ins under way at once, at each server.
const AT_ONCE: usize = 8;

/// Mail and hotspot servers on akund's tables.
struct Servers {
    mail: MailHost,
    radius: FreeRadius,
    mail_config: String,
    radius_config: String,
    _dir: TempDir,
}

impl Servers {
    fn start() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mail_db = setgid_dir(dir.path(), "mail", "postfix").join("mail.db");
        let radius_db = setgid_dir(dir.path(), "radius", "freerad").join("radius.db");
        let secret = dir.path().join("secret");
        fs::write(&secret, SECRET).unwrap();
        let base = format!("database = {mail_db:?}\npassword = \"sha512-crypt\"\n");
        drop(MailMaps::open("mail", &toml::from_str::<MailMapsConfig>(&base).unwrap()).unwrap());
        let radius_base = format!("database = {radius_db:?}\npassword = \"sha512-crypt\"\n");
        drop(Radius::open("radius", &toml::from_str::<RadiusConfig>(&radius_base).unwrap()).unwrap());
        let (mail, radius) = (MailHost::start(&mail_db), FreeRadius::start(&radius_db, "Asia/Jakarta"));
        let mail_config = format!(
            "{base}home = {:?}\n[PROOF]\nimap = \"imaps://127.0.0.1:{}\"\nca_file = {:?}\nconcurrency = {AT_ONCE}\n",
            mail.homes(),
            mail.imaps,
            mail.ca_file()
        );
        let radius_config = format!(
            "{radius_base}[PROOF]\nserver = \"127.0.0.1:{}\"\nsecret_file = {secret:?}\nconcurrency = {AT_ONCE}\n",
            radius.port
        );
        Self { mail, radius, mail_config, radius_config, _dir: dir }
    }

    fn targets(&self) -> (MailMaps, Radius) {
        let read = |_: &std::path::Path| Ok(Secret::new(SECRET));
        let mail: MailMapsConfig = toml::from_str(&self.mail_config.replace("PROOF", "proof")).unwrap();
        let proofs = Proofs::of_mail(mail.proof.as_ref(), &read).unwrap();
        let mail = MailMaps::open("mail", &mail).unwrap().proven_by(proofs);
        let radius: RadiusConfig = toml::from_str(&self.radius_config.replace("PROOF", "proof")).unwrap();
        let proofs = Proofs::of_radius(&radius, &read).unwrap();
        (mail, Radius::open("radius", &radius).unwrap().proven_by(proofs))
    }

    fn cpu(&self, slapd: &Slapd) -> [(&'static str, Duration); 3] {
        [
            ("slapd", slapd.cpu()),
            ("dovecot", watch::processor_time_of_tree(self.mail.dovecot_pid())),
            ("freeradius", watch::processor_time_of_tree(self.radius.pid())),
        ]
    }
}

fn spent(before: [(&'static str, Duration); 3], after: [(&'static str, Duration); 3]) -> Vec<(&'static str, Duration)> {
    before.into_iter().zip(after).map(|((name, before), (_, after))| (name, after.saturating_sub(before))).collect()
}

/// The whole of it for one round; prints its lines. Answers its installation, to be kept.
pub fn all(slapd: &Slapd, accounts: usize) -> Site {
    let servers = Servers::start();
    let sum = hashing(accounts) + verifying(slapd, &servers, accounts);
    let (took, site) = pipeline(slapd, &servers, accounts);
    println!("with all proofs / hashing and the three servers' verifying {:.2} (aim 0.7)", sum / took);
    site
}

/// Each password is hashed once; the servers verify.
fn hashing(accounts: usize) -> f64 {
    let (works, begun) = ((0..accounts).collect::<Vec<usize>>(), Instant::now());
    let made = hash::on_every_core(&works, |_| hash::new_credential(&[Scheme::Sha512Crypt]).map(drop));
    assert!(made.iter().all(Result::is_ok));
    told("hashing alone, once made", accounts, begun.elapsed(), &[])
}

/// Asks a target something about each account.
type Ask<'a> = dyn Fn(&[Work]) -> Vec<Result<(), Fault>> + 'a;

/// Each server by itself, with as many log-ins at once as the pipeline has there.
fn verifying(slapd: &Slapd, servers: &Servers, accounts: usize) -> f64 {
    let works = works(accounts, Scheme::Sha512Crypt);
    let (mail, radius) = servers.targets();
    let directory = directory(slapd, "sha512-crypt");
    let runtime = runtime();
    let all = |ask: &Ask<'_>| {
        for part in works.chunks(256) {
            for answer in ask(part) {
                answer.unwrap();
            }
        }
    };
    let targets: [(&str, &dyn Target); 3] = [
        ("slapd verifying alone: a bind for each", &directory),
        ("Dovecot verifying alone: an IMAP log-in for each", &mail),
        ("FreeRADIUS verifying alone: PAP for each", &radius),
    ];
    let mut sum = 0.0;
    for (name, target) in targets {
        all(&|part| runtime.block_on(target.apply(part)).into_iter().map(|a| a.map(drop)).collect());
        let (before, begun) = (servers.cpu(slapd), Instant::now());
        all(&|part| runtime.block_on(target.prove(part)).into_iter().map(|a| a.map(drop)).collect());
        let took = begun.elapsed();
        sum += told(name, accounts, took, &spent(before, servers.cpu(slapd)));
        all(&|part| runtime.block_on(target.undo(part)));
    }
    sum
}

fn pipeline(slapd: &Slapd, servers: &Servers, accounts: usize) -> (f64, Site) {
    let of = |name: &str, kind: &str, config: &str| {
        format!("[target.{name}]\nkind = \"{kind}\"\n{}", config.replace("PROOF", &format!("target.{name}.proof")))
    };
    let site = Site::with(&format!(
        "[target.directory]\nkind = \"ldap\"\n{}proofs = {AT_ONCE}\n{ATTRIBUTES}\n{}{}",
        settings(slapd, "sha512-crypt"),
        of("mail", "mail-maps", &servers.mail_config),
        of("radius", "radius", &servers.radius_config),
    ));
    site.hand_in(std::iter::once(records::bulk(0..accounts)));
    std::thread::sleep(Duration::from_millis(1100));
    let before = servers.cpu(slapd);
    let mut daemon = site.start();
    daemon.until_done(accounts as u64);
    let took = daemon.begun.elapsed();
    let (user, system) = watch::processor_time(daemon.pid());
    let mut parts = vec![("akund user", user), ("akund system", system)];
    parts.extend(spent(before, servers.cpu(slapd)));
    let took = told("the whole pipeline, each logs in at all three servers", accounts, took, &parts);
    daemon.stop();
    println!("    ended: {}", support::states(&site));
    remove_everybody(slapd);
    (took, site)
}
