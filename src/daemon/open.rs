//! Opening what the configuration names, before anything moves.

use super::{EndError, key, put_back, wiring};
use crate::admission::SharedProcedures;
use crate::channel::Outlet;
use crate::config::Config;
use crate::intake::amqp::Queue;
use crate::intake::spool::Spool;
use crate::journal::read::Reader;
use crate::journal::{Journal, Moment, OpenOptions};
use crate::lane::deliver::SharedTemplates;
use crate::lane::letter::SharedLetters;
use crate::observe::{metrics::Metrics, pulse::Beat, systemd};
use crate::procedure::Site;
use crate::secret::seal::SealingKey;
use crate::target::Target;
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// Everything opened, nothing moving yet.
pub struct Opened {
    pub targets: Vec<Arc<dyn Target>>,
    pub channels: Vec<wiring::OpenChannel>,
    pub outlets: Vec<Arc<dyn Outlet>>,
    pub site: Arc<Site>,
    pub procedures: SharedProcedures,
    pub templates: SharedTemplates,
    pub letters: SharedLetters,
    pub key: Arc<SealingKey>,
    pub spool: Arc<Spool>,
    pub queues: Vec<Arc<Queue>>,
}

/// Opens all that the configuration names but the journal and the targets.
///
/// # Errors
/// What cannot be opened or read.
pub fn open(config: &Config) -> Result<Opened, EndError> {
    let problems = crate::config::problems(config);
    if !problems.is_empty() {
        return Err(EndError::Config(problems.join("\n")));
    }
    let bad = |problems: Vec<String>| EndError::Config(problems.join("\n"));
    let templates = wiring::templates(config).map_err(bad)?;
    let targets = wiring::targets(config).map_err(bad)?;
    let channels = wiring::channels(config).map_err(bad)?;
    let queues = wiring::queues(config).map_err(bad)?;
    let outlets = wiring::outlets(config, &queues).map_err(bad)?;
    let site = Arc::new(wiring::site_of(config));
    let procedures = wiring::procedures(config, &site).map_err(bad)?;
    let letters = wiring::letters(config, &procedures).map_err(bad)?;
    // The key is made beside the journal, and so before it.
    if let Some(dir) = config.journal.path.parent() {
        crate::durable::make_dir(dir, 0o750)
            .map_err(|error| EndError::Unavailable(format!("{}: {error}", dir.display())))?;
    }
    let (credentials, file) = key::places(config);
    let key = key::load_or_make(credentials.as_deref(), &file, &config.journal.path).map_err(EndError::Config)?;
    let spool = Spool::open(&config.spool, &config.source).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidInput => EndError::Config(error.to_string()),
        _ => EndError::Unavailable(format!("[spool] {}: {error}", config.spool.path.display())),
    })?;
    Ok(Opened {
        targets,
        channels,
        outlets,
        site,
        procedures: Arc::new(RwLock::new(Arc::new(procedures))),
        templates: Arc::new(RwLock::new(Arc::new(templates))),
        letters: Arc::new(RwLock::new(Arc::new(letters))),
        key: Arc::new(key),
        spool,
        queues,
    })
}

/// Makes the targets ready, now that the register can be asked what they must hold.
///
/// # Errors
/// [`EndError::Unavailable`].
pub fn targets(opened: &Opened, journal: &Journal) -> Result<(), EndError> {
    let register = Reader::open(journal.path());
    register
        .and_then(|register| wiring::expect_accounts(&opened.targets, &register))
        .map_err(|error| EndError::Unavailable(error.to_string()))?;
    wiring::make_ready(&opened.targets).map_err(|problems| EndError::Unavailable(problems.join("\n")))
}

/// Opens the journal; a migration happens here.
///
/// # Errors
/// [`EndError::Unavailable`].
pub async fn journal(
    config: &Config,
    metrics: &Metrics,
    beat: Beat,
) -> Result<(Journal, std::thread::JoinHandle<()>), EndError> {
    let options = OpenOptions { path: config.journal.path.clone() };
    let elsewhere = [config.spool.path.join(put_back::WITNESS)];
    let metrics = metrics.clone();
    // A large journal may take long to migrate.
    systemd::extend_timeout(Duration::from_secs(600));
    tokio::task::spawn_blocking(move || {
        Journal::open_watched(&options, &elsewhere, move |moment| match moment {
            Moment::Begins => beat.busy(),
            Moment::Committed(commit) => metrics.journal_commit(commit.took, commit.operations),
            Moment::Failed => {}
            Moment::Rests => beat.idle(),
        })
        .map_err(|error| EndError::Unavailable(error.to_string()))
    })
    .await
    .map_err(|error| EndError::Failed(crate::panics::how(error).to_owned()))?
}
