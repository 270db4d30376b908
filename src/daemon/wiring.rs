//! From the configuration to what it names: targets, channels, procedures, templates. Used by the daemon, and by
//! `akund check`, which looks at the same things without starting anything.

use crate::channel::exchange::Exchange;
use crate::channel::letter::Letters;
use crate::channel::notice::{LANGUAGES, Templates};
use crate::channel::outbox::Outbox;
use crate::channel::sms::segments::segments;
use crate::channel::sms::{gammu::Gammu, kannel::Kannel, template::Gateway};
use crate::channel::smtp::Smtp;
use crate::channel::webhook::Webhook;
use crate::channel::{Channel, Outlet};
use crate::config::{ChannelConfig, Config, TargetConfig};
use crate::intake::amqp::Queue;
use crate::journal::JournalError;
use crate::journal::post::Wanted;
use crate::journal::read::Reader;
use crate::model::{Fault, NoticeKind, Scheme};
use crate::procedure::{self, Procedure, Site, SiteChannel, SiteTarget};
pub use crate::secret::place::read_secret;
use crate::target::Target;
use crate::target::google::Workspace;
use crate::target::ldap::Directory;
use crate::target::login::Proofs;
use crate::target::mailmaps::MailMaps;
use crate::target::mapfiles::MapFiles;
use crate::target::radius::Radius;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A channel and the domain that its Message-IDs carry.
pub struct OpenChannel {
    /// The channel.
    pub channel: Arc<dyn Channel>,
    /// Domain of its sender address.
    pub message_domain: String,
}

/// Every target, configured, no file touched; one sentence for each that cannot be.
pub fn targets(config: &Config) -> Result<Vec<Arc<dyn Target>>, Vec<String>> {
    sort(config.target.iter().map(|(name, target)| -> Result<Arc<dyn Target>, String> {
        let said = |fault: Fault| format!("target {name}: {}", fault.message);
        let wrong = |sentence: String| format!("[target.{name}]: {sentence}");
        Ok(match target {
            TargetConfig::MailMaps(settings) => {
                let proofs = Proofs::of_mail(settings.proof.as_ref(), &read_secret).map_err(wrong)?;
                Arc::new(MailMaps::configured(name, settings).map_err(said)?.proven_by(proofs))
            }
            TargetConfig::Radius(settings) => {
                let proofs = Proofs::of_radius(settings, &read_secret);
                Arc::new(Radius::configured(name, settings).map_err(said)?.proven_by(proofs.map_err(wrong)?))
            }
            TargetConfig::MapFiles(settings) => {
                let proofs = Proofs::of_mail(settings.proof.as_ref(), &read_secret).map_err(wrong)?;
                Arc::new(MapFiles::configured(name, settings).map_err(said)?.proven_by(proofs))
            }
            TargetConfig::Ldap(settings) => {
                Arc::new(Directory::configured(name, settings, &read_secret).map_err(said)?)
            }
            TargetConfig::Google(settings) => {
                Arc::new(Workspace::configured(name, settings, &read_secret).map_err(said)?)
            }
        })
    }))
}

/// Tells the targets where the register has accounts: what held them is not made anew.
///
/// # Errors
/// Where the register cannot be read.
pub fn expect_accounts(targets: &[Arc<dyn Target>], journal: &Reader) -> Result<(), JournalError> {
    for target in targets {
        if journal.has_accounts_at(target.name())? {
            target.expect_accounts();
        }
    }
    Ok(())
}

/// Makes every target ready; one sentence for each that cannot be.
pub fn make_ready(targets: &[Arc<dyn Target>]) -> Result<(), Vec<String>> {
    let made = targets
        .iter()
        .map(|target| target.make_ready().map_err(|fault| format!("target {}: {}", target.name(), fault.message)));
    sort(made).map(drop)
}

/// Right side of the ids of text messages, which show it to nobody.
const SMS_DOMAIN: &str = "sms.localhost";

/// Opens every channel that carries notices; one sentence for each that cannot be.
pub fn channels(config: &Config) -> Result<Vec<OpenChannel>, Vec<String>> {
    let sms = |channel: Arc<dyn Channel>| OpenChannel { channel, message_domain: SMS_DOMAIN.to_owned() };
    sort(config.channel.iter().filter(|(_, channel)| channel.carries_notices()).map(|(name, channel)| {
        Ok(match channel {
            ChannelConfig::SmsKannel(kannel) => sms(Arc::new(Kannel::open(name, kannel, &read_secret)?)),
            ChannelConfig::SmsGammu(gammu) => sms(Arc::new(Gammu::open(name, gammu)?)),
            ChannelConfig::SmsHttp(http) => sms(Arc::new(Gateway::open(name, http, &read_secret)?)),
            ChannelConfig::Webhook(_) => return Err(format!("channel {name} carries no notices")),
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

/// Every queue, with the sources that hand in through it; connects nowhere. One sentence for each that cannot be.
pub fn queues(config: &Config) -> Result<Vec<Arc<Queue>>, Vec<String>> {
    sort(config.queue.iter().map(|(name, queue)| Queue::configured(name, queue, &config.source).map(Arc::new)))
}

/// Opens every webhook; one sentence for each that cannot be.
pub fn webhooks(config: &Config) -> Result<Vec<Webhook>, Vec<String>> {
    sort(config.channel.iter().filter_map(|(name, channel)| match channel {
        ChannelConfig::Webhook(webhook) => Some(Webhook::open(name, webhook, &read_secret)),
        _ => None,
    }))
}

/// Every outlet of outcome documents: webhooks, and the queues' exchanges. One sentence for each that cannot be.
pub fn outlets(config: &Config, queues: &[Arc<Queue>]) -> Result<Vec<Arc<dyn Outlet>>, Vec<String>> {
    let exchanges = queues.iter().filter_map(|queue| Exchange::of(&queue.name, &queue.config, &queue.broker));
    let mut outlets: Vec<Arc<dyn Outlet>> = exchanges.map(|exchange| Arc::new(exchange) as Arc<dyn Outlet>).collect();
    outlets.extend(webhooks(config)?.into_iter().map(|webhook| Arc::new(webhook) as Arc<dyn Outlet>));
    Ok(outlets)
}

/// Which outlets want the documents of which sources, without opening any.
pub fn outlet_sources(config: &Config) -> Vec<Wanted> {
    let webhooks = config.channel.iter().filter_map(|(name, channel)| match channel {
        ChannelConfig::Webhook(webhook) => Some((name.clone(), webhook.sources.clone())),
        _ => None,
    });
    let exchanges = config.queue.iter().filter_map(|(name, queue)| {
        let named = &queue.outcomes.as_ref()?.sources;
        let own = config.source.iter().filter(|source| source.queue.as_ref() == Some(name));
        let sources = if named.is_empty() { own.map(|s| s.name.clone()).collect() } else { named.clone() };
        // A queue that nobody hands in through has nobody's.
        (!sources.is_empty()).then(|| (name.clone(), sources))
    });
    webhooks.chain(exchanges).collect()
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
                    TargetConfig::Google(google) => (&google.services, vec![Scheme::Sha512Crypt]),
                };
                SiteTarget { name: name.clone(), services: services.clone(), schemes }
            })
            .collect(),
        channels: config
            .channel
            .iter()
            .filter(|(_, channel)| channel.carries_notices())
            .map(|(name, channel)| SiteChannel { name: name.clone(), carries_email: channel.carries_email() })
            .collect(),
    }
}

/// What the operator is told when, if anybody is.
///
/// # Errors
/// A sentence, for what cannot be.
pub fn operator(config: &Config) -> Result<Option<crate::lane::operator::Settings>, Vec<String>> {
    let Some(operator) = &config.operator else { return Ok(None) };
    let wrong = |cause: String| vec![format!("[operator]: {cause}")];
    if !site_of(config).channels.iter().any(|channel| channel.name == operator.channel && channel.carries_email) {
        return Err(wrong(format!("its channel, {}, does not carry e-mail", operator.channel)));
    }
    Ok(Some(crate::lane::operator::Settings {
        to: operator.address.parse().map_err(|_| wrong(format!("{:?} is no mail address", operator.address)))?,
        host: nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default(),
        language: operator.language.clone(),
        zone: jiff::tz::TimeZone::get(&operator.time_zone).map_err(|error| wrong(error.to_string()))?,
        digest: operator.digest_time().map_err(wrong)?,
        every: jiff::SignedDuration::from_mins(i64::from(operator.every_minutes)),
        gather: jiff::SignedDuration::from_secs(i64::from(operator.gather_seconds)),
    }))
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

/// What `check` says of templates that are good.
pub fn told(templates: &Templates) -> String {
    let kinds = NoticeKind::ALL.into_iter().flat_map(|kind| LANGUAGES.map(|language| (kind, language)));
    let shorts = kinds.filter_map(|(kind, language)| Some((kind, templates.preview_short(kind, language).ok()?)));
    let longest = shorts
        .map(|(kind, short)| (segments(short.text.expose()), kind))
        .max_by_key(|(taken, _)| (taken.parts, taken.units));
    let longest = longest.map_or_else(String::new, |(taken, kind)| {
        format!("; of the text messages {} is the longest, with sample values {taken}", kind.as_str())
    });
    format!("every notice renders in every language{longest}")
}

/// Loads the letter templates that the procedures name, over the built-in one.
pub fn letters(config: &Config, procedures: &BTreeMap<String, Arc<Procedure>>) -> Result<Letters, Vec<String>> {
    Letters::load(&config.templates.path, procedures.values().filter_map(|procedure| procedure.letter_template()))
}

/// The domain of "Name <a@b>" or "a@b".
fn domain_of(from: &str) -> String {
    let address = from.rsplit_once('<').map_or(from, |(_, rest)| rest).trim_end_matches('>').trim();
    address.rsplit_once('@').map_or("localhost", |(_, domain)| domain).to_owned()
}
