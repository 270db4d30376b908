//! The site that a procedure is carried out at, and what of the procedure cannot be carried out there.

use super::compiled::Procedure;
use crate::model::Scheme;
use std::collections::BTreeSet;

/// What this site has, as far as procedures must know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// In the order of the configuration.
    pub targets: Vec<SiteTarget>,
    /// In the order of the configuration.
    pub channels: Vec<SiteChannel>,
}

/// A target of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteTarget {
    /// Its name; the name of its lane.
    pub name: String,
    /// The services it provides.
    pub services: Vec<String>,
    /// The password schemes it needs.
    pub schemes: Vec<Scheme>,
}

/// A channel of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteChannel {
    /// Its name; the name of its lane.
    pub name: String,
    /// Whether it carries e-mail (else SMS).
    pub carries_email: bool,
}

impl Procedure {
    /// What in this procedure cannot be carried out at this site; each a sentence for the sysadmin. Empty: all is well.
    pub fn check_site(&self, site: &Site) -> Vec<String> {
        let name = self.name();
        let mut wrong = Vec::new();
        let services = self.categories.values().flat_map(|c| c.services.iter().chain(&c.allowed_services));
        let services: BTreeSet<&String> = services.collect();
        for service in services.into_iter().filter(|s| !site.targets.iter().any(|t| t.services.contains(s))) {
            wrong.push(format!(
                "procedure `{name}` grants the service `{service}`, but no [target] provides it; \
                 add it to a target's `services` or take it out of the procedure"
            ));
        }
        let delivery = &self.file.delivery;
        let mut channels: Vec<&String> = Vec::new();
        let news = delivery.news_channels.iter().flatten();
        for channel in delivery.channels.iter().chain(&delivery.username_channels).chain(news) {
            if !channels.contains(&channel) {
                channels.push(channel);
            }
        }
        for channel in channels.into_iter().filter(|c| !site.channels.iter().any(|s| s.name == **c)) {
            let known: Vec<&str> = site.channels.iter().map(|c| c.name.as_str()).collect();
            let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
            wrong.push(format!(
                "procedure `{name}` delivers through the channel `{channel}`, but the configuration has no \
                 [channel.{channel}] (channels: {known})"
            ));
        }
        // Gateways keep what they sent: such a password must be changed at once, and the message says where.
        let sms = site.channels.iter().find(|c| !c.carries_email && delivery.channels.contains(&c.name));
        let mints = self.actions().iter().any(|action| action.mints());
        if let Some(sms) = sms.filter(|_| mints && !self.file.texts.contains_key("change_url")) {
            wrong.push(format!(
                "procedure `{name}` hands passwords out by text message ({}), which must be changed at the first log-in: say where in [texts], as \
                 `change_url = \"https://…\"`",
                sms.name
            ));
        }
        let writes = self.file.letter.is_some() || !self.file.report.is_empty();
        if writes && self.email_channel(site).is_none() {
            wrong.push(format!(
                "procedure `{name}` sends reports or letters, but the configuration has no [channel] that carries e-mail"
            ));
        }
        wrong
    }

    /// The channel for what only e-mail carries: the first of the procedure's that does, else of the site's.
    pub(super) fn email_channel<'s>(&self, site: &'s Site) -> Option<&'s SiteChannel> {
        let named = |name: &String| site.channels.iter().find(|c| c.name == *name && c.carries_email);
        self.file.delivery.channels.iter().find_map(named).or_else(|| site.channels.iter().find(|c| c.carries_email))
    }
}
