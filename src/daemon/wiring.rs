//! From the configuration to what it names: targets, channels, procedures, templates. Used by the daemon, and by
//! `akund check`, which looks at the same things without starting anything.

use crate::channel::Channel;
use crate::channel::notice::Templates;
use crate::channel::outbox::Outbox;
use crate::channel::smtp::Smtp;
use crate::config::target::{MailMapsConfig, MapFilesConfig, RadiusConfig};
use crate::config::{ChannelConfig, Config, TargetConfig};
use crate::model::Fault;
use crate::procedure::{self, Procedure, Site, SiteChannel, SiteTarget};
use crate::secret::place::credentials_directory;
pub use crate::secret::place::read_secret;
use crate::target::Target;
use crate::target::ldap::Directory;
use crate::target::login::Proofs;
use crate::target::mailmaps::MailMaps;
use crate::target::mapfiles::MapFiles;
use crate::target::radius::Radius;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A channel and the domain that its Message-IDs carry.
pub struct OpenChannel {
    /// The channel.
    pub channel: Arc<dyn Channel>,
    /// Domain of its sender address.
    pub message_domain: String,
}

/// Opens every target, making its database if it is missing; one sentence for each that cannot be.
pub fn targets(config: &Config) -> Result<Vec<Arc<dyn Target>>, Vec<String>> {
    each_target(config, MailMaps::open, MapFiles::open, Radius::open)
}

/// Every target as `check` wants it: configured, no file touched; one sentence for each that cannot be.
pub fn targets_untouched(config: &Config) -> Result<Vec<Arc<dyn Target>>, Vec<String>> {
    each_target(config, MailMaps::configured, MapFiles::configured, Radius::configured)
}

fn each_target(
    config: &Config,
    mail_maps: impl Fn(&str, &MailMapsConfig) -> Result<MailMaps, Fault>,
    map_files: impl Fn(&str, &MapFilesConfig) -> Result<MapFiles, Fault>,
    radius: impl Fn(&str, &RadiusConfig) -> Result<Radius, Fault>,
) -> Result<Vec<Arc<dyn Target>>, Vec<String>> {
    sort(config.target.iter().map(|(name, target)| -> Result<Arc<dyn Target>, String> {
        let said = |fault: Fault| format!("target {name}: {}", fault.message);
        let wrong = |sentence: String| format!("[target.{name}]: {sentence}");
        Ok(match target {
            TargetConfig::MailMaps(settings) => {
                let proofs = Proofs::of_mail(settings.proof.as_ref()).map_err(wrong)?;
                Arc::new(mail_maps(name, settings).map_err(said)?.proven_by(proofs))
            }
            TargetConfig::Radius(settings) => {
                let nt_hash = settings.password.serves_ms_chap();
                let proofs = Proofs::of_radius(settings.proof.as_ref(), &settings.nas, nt_hash, &read_secret);
                Arc::new(radius(name, settings).map_err(said)?.proven_by(proofs.map_err(wrong)?))
            }
            TargetConfig::MapFiles(settings) => {
                let proofs = Proofs::of_mail(settings.proof.as_ref()).map_err(wrong)?;
                Arc::new(map_files(name, settings).map_err(said)?.proven_by(proofs))
            }
            TargetConfig::Ldap(settings) => {
                Arc::new(Directory::configured(name, settings, &read_secret).map_err(said)?)
            }
        })
    }))
}

/// Opens every channel; one sentence for each that cannot be.
pub fn channels(config: &Config) -> Result<Vec<OpenChannel>, Vec<String>> {
    sort(config.channel.iter().map(|(name, channel)| {
        Ok(match channel {
            ChannelConfig::Smtp(smtp) => OpenChannel {
                message_domain: domain_of(&smtp.from),
                channel: Arc::new(Smtp::open(name, smtp, &read_secret)?),
            },
            ChannelConfig::Outbox(outbox) => {
                OpenChannel { message_domain: domain_of(&outbox.from), channel: Arc::new(Outbox::open(name, outbox)?) }
            }
        })
    }))
}

fn sort<T>(results: impl Iterator<Item = Result<T, String>>) -> Result<Vec<T>, Vec<String>> {
    let mut problems = Vec::new();
    let good = results.filter_map(|result| result.map_err(|problem| problems.push(problem)).ok()).collect();
    if problems.is_empty() { Ok(good) } else { Err(problems) }
}

/// What the configuration says of targets and channels, without opening any.
pub fn site_of(config: &Config) -> Site {
    Site {
        targets: config
            .target
            .iter()
            .map(|(name, target)| {
                let (services, schemes) = match target {
                    TargetConfig::MailMaps(mail) => (&mail.services, vec![mail.password]),
                    TargetConfig::Radius(radius) => (&radius.services, radius.password.scheme().into_iter().collect()),
                    TargetConfig::MapFiles(files) => (&files.services, vec![files.password]),
                    TargetConfig::Ldap(ldap) => (&ldap.services, ldap.schemes()),
                };
                SiteTarget { name: name.clone(), services: services.clone(), schemes }
            })
            .collect(),
        channels: config
            .channel
            .iter()
            .map(|(name, channel)| SiteChannel {
                name: name.clone(),
                carries_email: match channel {
                    ChannelConfig::Smtp(_) => true,
                    ChannelConfig::Outbox(outbox) => outbox.carries_email(),
                },
            })
            .collect(),
    }
}

/// Loads the procedures and holds them against the site; every problem, a sentence or a report each.
pub fn procedures(config: &Config, site: &Site) -> Result<BTreeMap<String, Arc<Procedure>>, Vec<String>> {
    let (procedures, reports) = procedure::load_dir(&config.procedures.path);
    let mut problems: Vec<String> = reports.iter().map(ToString::to_string).collect();
    for (name, procedure) in &procedures {
        problems.extend(procedure.check_site(site).into_iter().map(|problem| format!("procedure {name}: {problem}")));
    }
    if problems.is_empty() { Ok(procedures) } else { Err(problems) }
}

/// Loads the templates over the built-in ones.
pub fn templates(config: &Config) -> Result<Templates, Vec<String>> {
    let dir = &config.templates.path;
    Templates::load(dir.is_dir().then_some(dir.as_path()))
}

/// Where the sealing key is: systemd's credentials directory, and the file to fall back on.
pub fn key_places(config: &Config) -> (Option<PathBuf>, PathBuf) {
    let file = config.journal.key_file.clone().unwrap_or_else(|| config.journal.path.with_extension("key"));
    (credentials_directory(), file)
}

/// The domain of "Name <a@b>" or "a@b".
fn domain_of(from: &str) -> String {
    let address = from.rsplit_once('<').map_or(from, |(_, rest)| rest).trim_end_matches('>').trim();
    address.rsplit_once('@').map_or("localhost", |(_, domain)| domain).to_owned()
}
