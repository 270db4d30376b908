//! Wiring and lifetimes: config → journal → lanes → intake → READY, and drained in reverse.
//!
//! Every task is owned. A task that ends although it was not told to ends the daemon: half a daemon that looks alive is worse than
//! one that systemd restarts.

pub mod control;
pub mod gauges;
pub mod intake;
pub mod key;
mod lanes;
mod open;
mod put_back;
pub mod queue;
mod receipts;
mod tasks;
pub mod wiring;

use crate::admission::SharedProcedures;
use crate::channel::letter::Letters;
use crate::config::Config;
use crate::journal::life::LifeEvent;
use crate::journal::orders::Lanes;
use crate::journal::{Journal, JournalError};
use crate::lane::deliver::SharedTemplates;
use crate::lane::letter::SharedLetters;
use crate::lane::{self, Context};
use crate::observe::{health::Health, metrics::Metrics, pulse::Pulse, status, systemd, watch::Watch};
use crate::procedure::Site;
use control::Control;
use gauges::Gauges;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tasks::Tasks;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A commit that takes longer is not moving, and the watchdog is no longer fed.
const LONGEST_COMMIT: Duration = Duration::from_secs(120);

/// Why the daemon did not start, or ended without being told to.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// The configuration, a procedure or a template must be mended first; starting again will not help.
    #[error("{0}")]
    Config(String),
    /// Something that is needed is not there; starting again may help.
    #[error("{0}")]
    Unavailable(String),
    /// A part of the daemon failed.
    #[error("{0}")]
    Failed(String),
}

/// What a task that serves for the daemon's whole life gives back.
type Ended = (&'static str, Result<(), String>);

/// A daemon that runs.
pub struct Running {
    /// Where health and metrics are served.
    pub http: SocketAddr,
    /// Cancel it to drain and end.
    pub shutdown: CancellationToken,
    config: Config,
    journal: Journal,
    writer: std::thread::JoinHandle<()>,
    site: Arc<Site>,
    procedures: SharedProcedures,
    templates: SharedTemplates,
    letters: SharedLetters,
    stages: Stages,
    tasks: JoinSet<Ended>,
    lanes: JoinSet<Ended>,
    health: Health,
    signals: Signals,
}

/// What is told to end, in this order.
struct Stages {
    intake: CancellationToken,
    lanes: CancellationToken,
    rest: CancellationToken,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, EndError> {
        let listen =
            |kind| signal(kind).map_err(|error| EndError::Unavailable(format!("signals cannot be heard: {error}")));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }
}

/// Starts the daemon; returns once it takes requests.
///
/// # Errors
/// [`EndError`]; nothing is left running.
pub async fn start(config: Config) -> Result<Running, EndError> {
    start_on(config, None).await
}

/// As [`start`], with the HTTP listener, where the caller has one already.
///
/// # Errors
/// As [`start`].
pub async fn start_on(config: Config, listener: Option<TcpListener>) -> Result<Running, EndError> {
    let signals = Signals::listen()?;
    let opened = open::open(&config)?;
    let metrics = Metrics::new();
    let pulse = Pulse::new();
    let health = Health::new(pulse.clone());
    let beat = pulse.register("the journal", LONGEST_COMMIT);
    let (journal, writer) = open::journal(&config, &metrics, beat).await?;
    open::targets(&opened, &journal)?;
    let workers = lanes::workers(&config, &opened);
    let names: Vec<String> = workers.iter().map(|worker| worker.lane().to_owned()).collect();
    // Before anything else is written: a crash must not make it forget that it was put back.
    let outlets: Vec<String> = opened.outlets.iter().map(|outlet| outlet.name().to_owned()).collect();
    let all: Vec<String> = names.iter().chain(&outlets).cloned().collect();
    put_back::recognise(&journal, &opened.spool, all.clone())
        .await
        .map_err(|error| EndError::Unavailable(error.to_string()))?;
    journal.bind_key(opened.key.key_id()).await.map_err(|error| EndError::Config(error.to_string()))?;
    journal.lived(LifeEvent::Started).await.map_err(|error| EndError::Unavailable(error.to_string()))?;

    let stages =
        Stages { intake: CancellationToken::new(), lanes: CancellationToken::new(), rest: CancellationToken::new() };
    let context = Context {
        journal: journal.clone(),
        metrics: metrics.clone(),
        pulse,
        policy: lanes::policy(&config),
        watch: Watch::default(),
        shutdown: stages.lanes.clone(),
    };
    let gauges = Gauges::open(&journal, &metrics, &health, &names, outlets.clone())
        .map_err(|error| EndError::Unavailable(error.to_string()))?;
    for lane in gauges.orphans() {
        // Nothing is in flight there any more: an operator may withdraw what waits. A notice may have been taken, and is not sent
        // again by itself when the channel is configured again.
        journal.orphan(&lane).await.map_err(|error| EndError::Unavailable(error.to_string()))?;
    }
    let forgotten = journal.forget_lanes_down(all).await;
    for lane in forgotten.map_err(|error| EndError::Unavailable(error.to_string()))? {
        tracing::info!(lane, "it was down, and is no longer configured");
    }
    let listener = match listener {
        Some(listener) => Ok(listener),
        None => TcpListener::bind(config.http.listen).await,
    }
    .map_err(|error| EndError::Unavailable(format!("[http] listen {}: {error}", config.http.listen)))?;
    let http = listener.local_addr().map_err(|error| EndError::Unavailable(error.to_string()))?;
    let socket = control::bind(&config.control.socket).map_err(|error| {
        EndError::Unavailable(format!("[control] socket {}: {error}", config.control.socket.display()))
    })?;

    let pages = status::router(status::Source {
        journal: config.journal.path.clone(),
        lanes: names.clone(),
        outlets: outlets.clone(),
        watch: context.watch.clone(),
        metrics: metrics.clone(),
        health: health.clone(),
        procedures: opened.procedures.clone(),
    });
    let lanes_and_outlets = Lanes { lanes: names, outlets };
    let control = Control {
        journal: journal.clone(),
        metrics: metrics.clone(),
        lanes: lanes_and_outlets.clone(),
        procedures: opened.procedures.clone(),
        site: opened.site.clone(),
        spool: opened.spool.clone(),
    };
    // Before any lane claims: a pause that was ordered while akund was down holds from the start.
    let left = control.carry_out().await;
    // Nor does any deadline that passed meanwhile go unseen because its step is done a moment later.
    lane::clock::look_once(&context).await.map_err(|error| EndError::Unavailable(error.to_string()))?;
    let mut lanes = JoinSet::new();
    for worker in workers {
        let context = context.clone();
        lanes.spawn(async move { ("a lane", lane::run(worker, context).await.map_err(|error| error.to_string())) });
    }
    let mut tasks = Tasks { config: &config, opened: &opened, context, stages: &stages, set: JoinSet::new() };
    tasks.serve(control, (socket, left), &health, (listener, gauges.clone(), pages));
    tasks.documents();
    tasks.time(lanes_and_outlets)?;
    let held = put_back::close_intake(&journal, &health, &metrics);
    tasks.intake(&health, &gauges);
    let tasks = tasks.set;
    // Whoever asks from READY on is told the truth.
    health.set_journal(journal.writable().borrow().clone());
    let (version, head) = (env!("CARGO_PKG_VERSION"), journal.head());
    let status = match held {
        None => {
            tracing::info!(version, %http, %head, "akund takes requests");
            format!("takes requests; head {head}")
        }
        Some(why) => {
            tracing::warn!(version, %http, %head, %why, "akund takes requests once it is told to: `akund unpause`");
            format!("paused until `akund unpause`: {why}")
        }
    };
    systemd::ready(&status);
    Ok(Running {
        http,
        shutdown: CancellationToken::new(),
        config,
        journal,
        writer,
        site: opened.site,
        procedures: opened.procedures,
        templates: opened.templates,
        letters: opened.letters,
        stages,
        tasks,
        lanes,
        health,
        signals,
    })
}

/// What made the daemon leave its main loop.
enum Wake {
    Told,
    Reload,
    Ended(String),
}

impl Running {
    /// Runs until told to end by SIGTERM, SIGINT or [`Running::shutdown`], then drains.
    ///
    /// # Errors
    /// [`EndError::Failed`] if a part of it ended by itself.
    pub async fn until_ended(mut self) -> Result<(), EndError> {
        let failed = loop {
            match self.wait().await {
                Wake::Told => break None,
                Wake::Reload => self.reload().await,
                Wake::Ended(what) => break Some(what),
            }
        };
        if let Some(what) = &failed {
            tracing::error!(%what, "a part of akund ended; the rest is drained");
        }
        self.drain().await;
        failed.map_or(Ok(()), |what| Err(EndError::Failed(what)))
    }

    async fn wait(&mut self) -> Wake {
        let mut writable = self.journal.writable();
        loop {
            let now = writable.borrow_and_update().clone();
            self.health.set_journal(now);
            tokio::select! {
                _ = self.signals.terminate.recv() => return Wake::Told,
                _ = self.signals.interrupt.recv() => return Wake::Told,
                () = self.shutdown.cancelled() => return Wake::Told,
                _ = self.signals.hangup.recv() => return Wake::Reload,
                Some(ended) = self.tasks.join_next() => return Wake::Ended(tell(ended)),
                Some(ended) = self.lanes.join_next() => return Wake::Ended(tell(ended)),
                changed = writable.changed() => if changed.is_err() {
                    return Wake::Ended("the journal's writer ended".into());
                },
            }
        }
    }

    /// Reads procedures and templates anew. A bad file keeps all of the old ones, and says so.
    async fn reload(&self) {
        systemd::reloading();
        let (config, site) = (self.config.clone(), self.site.clone());
        let loaded = tokio::task::spawn_blocking(move || {
            let procedures = wiring::procedures(&config, &site);
            let templates = wiring::templates(&config);
            let letters = procedures.as_ref().map_or(Ok(Letters::default()), |known| wiring::letters(&config, known));
            match (procedures, templates, letters) {
                (Ok(procedures), Ok(templates), Ok(letters)) => Ok((procedures, templates, letters)),
                (procedures, templates, letters) => {
                    let mut problems = procedures.err().unwrap_or_default();
                    problems.extend(templates.err().unwrap_or_default());
                    problems.extend(letters.err().unwrap_or_default());
                    Err(problems)
                }
            }
        });
        let status = match loaded.await {
            Ok(Ok((procedures, templates, letters))) => {
                *self.procedures.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(procedures);
                *self.templates.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(templates);
                *self.letters.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(letters);
                if let Err(error) = self.journal.lived(LifeEvent::Reloaded).await {
                    tracing::warn!(%error, "the reload could not be recorded");
                }
                tracing::info!("procedures and templates were read anew");
                "takes requests; procedures and templates were read anew".to_owned()
            }
            Ok(Err(problems)) => {
                let problems = problems.join("\n");
                tracing::error!(%problems, "the new procedures or templates are bad; the old ones stay in force");
                "takes requests; the new procedures or templates are bad, and the old ones stay in force".to_owned()
            }
            Err(error) => format!("takes requests; the reload ended: {}", crate::panics::how(error)),
        };
        systemd::ready(&status);
    }

    async fn drain(self) {
        let Self { journal, writer, stages, mut tasks, mut lanes, .. } = self;
        systemd::stopping("finishes what is in flight");
        tracing::info!("akund finishes what is in flight, and takes nothing new");
        stages.intake.cancel();
        stages.lanes.cancel();
        while let Some(ended) = lanes.join_next().await {
            note(ended);
        }
        stages.rest.cancel();
        while let Some(ended) = tasks.join_next().await {
            note(ended);
        }
        if let Err(error) = journal.lived(LifeEvent::Stopped).await {
            tracing::warn!(%error, "the end could not be recorded");
        }
        tracing::info!(head = %journal.head(), "akund has ended; keep this head of the audit chain");
        drop(journal);
        let _ = tokio::task::spawn_blocking(move || writer.join()).await;
    }
}

fn tell(ended: Result<Ended, tokio::task::JoinError>) -> String {
    match ended {
        Ok((name, Ok(()))) => format!("{name} ended"),
        Ok((name, Err(cause))) => format!("{name} ended: {cause}"),
        Err(error) => format!("a task ended: {}", crate::panics::how(error)),
    }
}

fn note(ended: Result<Ended, tokio::task::JoinError>) {
    if !matches!(ended, Ok((_, Ok(())))) {
        tracing::error!(what = %tell(ended), "a part of akund did not end well");
    }
}

impl From<JournalError> for EndError {
    fn from(error: JournalError) -> Self {
        Self::Failed(error.to_string())
    }
}
