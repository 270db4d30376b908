//! From a target's configuration to its proofs.

use super::imap::Imap;
use super::mail::{MailLogin, Master};
use super::radius::Access;
use super::radius::exchange::Peer;
use super::submission::Submission;
use super::{Login, Proofs};
use crate::config::place::{IMAP, Place, Protection, SUBMISSION, Starttls};
use crate::config::proof::{MailProofConfig, NasChange, NasConfig, RadiusMethod, RadiusProofConfig, with_port};
use crate::config::target::RadiusConfig;
use crate::model::Secret;
use crate::target::nas::{AccessServers, Nas};
use crate::target::radius::wire::Sessions;
use crate::tls;
use std::path::Path;
use std::time::Duration;

/// Reads a secret from the file, or the systemd credential, of that name.
pub type ReadSecret<'a> = &'a dyn Fn(&Path) -> Result<Secret, String>;

impl Proofs {
    /// For a mail target; connects to nothing.
    ///
    /// # Errors
    /// A sentence: what the configuration must not say, or a secret that cannot be read.
    pub fn of_mail(config: Option<&MailProofConfig>, read_secret: ReadSecret<'_>) -> Result<Self, String> {
        let login: Option<Box<dyn Login>> = match config {
            Some(config) => Some(Box::new(mail_login(config, read_secret).map_err(|e| format!("proof: {e}"))?)),
            None => None,
        };
        Ok(Self::new(login, AccessServers::default()))
    }

    /// For a RADIUS target; connects to nothing.
    ///
    /// # Errors
    /// A sentence: what the configuration must not say, or a secret that cannot be read.
    pub fn of_radius(config: &RadiusConfig, read_secret: ReadSecret<'_>) -> Result<Self, String> {
        let nt_hash = config.password.serves_ms_chap();
        let login: Option<Box<dyn Login>> = match &config.proof {
            Some(proof) => Some(Box::new(access(proof, nt_hash, read_secret).map_err(|e| format!("proof: {e}"))?)),
            None => None,
        };
        let in_nas = |e| format!("nas: {e}");
        let peer = |nas: &NasConfig| peer(&nas.address, 3799, &nas.secret_file, nas.timeout_seconds, read_secret);
        let servers = config.nas.iter().map(|nas| Ok(Nas { peer: peer(nas)?, change: nas.change }));
        let servers = servers.collect::<Result<Vec<_>, String>>().map_err(in_nas)?;
        let changes = servers.iter().any(|nas| nas.change == NasChange::Coa);
        let sessions = if changes { Sessions::configured(config).map_err(in_nas)? } else { Sessions::default() };
        Ok(Self::new(login, AccessServers::new(servers, sessions)))
    }
}

fn mail_login(config: &MailProofConfig, read_secret: ReadSecret<'_>) -> Result<MailLogin, String> {
    let starttls = if config.starttls { Starttls::Required } else { Starttls::Off };
    let (ca_file, limit) = (config.ca_file.as_deref(), Duration::from_secs(config.timeout_seconds));
    let imap = match &config.imap {
        Some(url) => {
            let place = Place::parse(url, &IMAP, starttls)?;
            let tls = match place.protection {
                Protection::LoopbackOnly => None,
                Protection::Tls | Protection::Starttls => Some(tls::client_config(ca_file, place.port)?),
            };
            Some(Imap::new(place, tls, limit)?)
        }
        None => None,
    };
    let submission = match &config.submission {
        Some(url) => Some(Submission::new(Place::parse(url, &SUBMISSION, starttls)?, ca_file, limit)?),
        None => None,
    };
    if imap.is_none() && submission.is_none() {
        return Err("it names neither imap nor submission".into());
    }
    let master = match (&config.master_user, &config.master_password_file) {
        (Some(user), Some(file)) => Some(Master { user: user.clone(), password: read_secret(file)? }),
        (None, None) => None,
        _ => return Err("it needs both of master_user and master_password_file, or neither".into()),
    };
    Ok(MailLogin::new(imap, submission, master, config.concurrency))
}

fn access(config: &RadiusProofConfig, nt_hash: bool, read_secret: ReadSecret<'_>) -> Result<Access, String> {
    let peer = peer(&config.server, 1812, &config.secret_file, config.timeout_seconds, read_secret)?;
    let methods = match &config.methods {
        Some(methods) => methods.clone(),
        None if nt_hash => vec![RadiusMethod::Pap, RadiusMethod::Mschapv2],
        None => vec![RadiusMethod::Pap],
    };
    Ok(Access::new(peer, methods, config.nas_identifier.clone(), config.concurrency))
}

fn peer(
    address: &str,
    usual: u16,
    secret_file: &Path,
    seconds: u64,
    read_secret: ReadSecret<'_>,
) -> Result<Peer, String> {
    let place = with_port(address, usual).ok_or_else(|| format!("{address:?} is not HOST or HOST:PORT"))?;
    Ok(Peer::new(&place, read_secret(secret_file)?, Duration::from_secs(seconds)))
}
