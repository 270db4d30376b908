//! Wiring and lifetimes: config → journal → lanes → intake → READY, and drained in reverse.
//!
//! Every task is owned. A task that ends although it was not told to ends the daemon: half a daemon that looks alive is worse than
//! one that systemd restarts.

pub mod control;
pub mod gauges;
pub mod intake;
mod put_back;
pub mod queue;
mod receipts;
pub mod wiring;

use crate::admission::{Admitter, SharedProcedures};
use crate::channel::Outlet;
use crate::channel::letter::Letters;
use crate::config::Config;
use crate::intake::amqp::Queue;
use crate::intake::spool::{Arrivals, Spool};
use crate::journal::life::LifeEvent;
use crate::journal::orders::Lanes;
use crate::journal::{Journal, JournalError, Moment, OpenOptions};
use crate::lane::deliver::{ChannelWorker, SharedTemplates};
use crate::lane::letter::{Drafter, SharedLetters};
use crate::lane::operator::{Operator, Way};
use crate::lane::{self, Context, Worker, mint::Minter, retry::Policy, target::TargetWorker};
use crate::model::Verb;
use crate::observe::{
    health::Health, http, metrics::Metrics, pulse::Beat, pulse::Pulse, status, systemd, watch::Watch,
};
use crate::procedure::Site;
use crate::secret::seal::SealingKey;
use crate::target::Target;
use control::Control;
use gauges::Gauges;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
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

/// Everything opened, nothing moving yet.
struct Opened {
    targets: Vec<Arc<dyn Target>>,
    channels: Vec<wiring::OpenChannel>,
    outlets: Vec<Arc<dyn Outlet>>,
    site: Arc<Site>,
    procedures: SharedProcedures,
    templates: SharedTemplates,
    letters: SharedLetters,
    key: Arc<SealingKey>,
    spool: Arc<Spool>,
    queues: Vec<Arc<Queue>>,
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
    let opened = open(&config)?;
    let metrics = Metrics::new();
    let pulse = Pulse::new();
    let health = Health::new(pulse.clone());
    let beat = pulse.register("the journal", LONGEST_COMMIT);
    let (journal, writer) = open_journal(&config, &metrics, beat).await?;
    let workers = workers(&config, &opened);
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
        policy: policy(&config),
        watch: Watch::default(),
        shutdown: stages.lanes.clone(),
    };
    let gauges = Gauges::open(&journal, &metrics, &health, &names, outlets.clone())
        .map_err(|error| EndError::Unavailable(error.to_string()))?;
    for lane in gauges.orphans() {
        // Nothing is in flight there any more: an operator may withdraw what waits. A notice may have been taken, and is not sent
        // again by itself when the channel is configured again.
        journal.recover(&lane, true).await.map_err(|error| EndError::Unavailable(error.to_string()))?;
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
    let mut tasks = JoinSet::new();
    spawn(&mut tasks, "the control socket", {
        let shutdown = stages.rest.clone();
        async move {
            control.serve(socket, left, shutdown).await;
            Ok(())
        }
    });
    spawn(&mut tasks, "the HTTP server", {
        let (health, metrics, shutdown) = (health.clone(), metrics.clone(), stages.rest.clone());
        let refresh = gauges.clone();
        let receipts = receipts::taker(&config, journal.clone(), opened.key.clone());
        async move {
            http::serve(listener, health, metrics, move || refresh.refresh(), receipts, pages, shutdown)
                .await
                .map_err(|error| error.to_string())
        }
    });
    spawn(&mut tasks, "the watchdog", {
        let (health, shutdown) = (health.clone(), stages.rest.clone());
        async move {
            systemd::watchdog(health, shutdown).await;
            Ok(())
        }
    });
    spawn(&mut tasks, "outcome documents", {
        let context = Context { shutdown: stages.rest.clone(), ..context.clone() };
        let spool = opened.spool.clone();
        let outlets = wiring::outlet_sources(&config);
        async move {
            if !context.journal.released(&context.shutdown).await {
                return Ok(());
            }
            lane::outcome::run(spool, outlets, context).await.map_err(|error| error.to_string())
        }
    });
    spawn(&mut tasks, "the clock", {
        let context = Context { shutdown: stages.rest.clone(), ..context.clone() };
        async move { lane::clock::run(context).await.map_err(|error| error.to_string()) }
    });
    spawn(&mut tasks, "retention", {
        let context = Context { shutdown: stages.rest.clone(), ..context.clone() };
        let retention =
            lane::retention::Retention { context, spool: opened.spool.clone(), policy: config.retention.policy() };
        async move {
            // What was put back is looked at before anything of it goes.
            if !retention.context.journal.released(&retention.context.shutdown).await {
                return Ok(());
            }
            retention.run().await.map_err(|error| error.to_string())
        }
    });
    spawn(&mut tasks, "the operator's notices", {
        let operator = operator(&config, &opened, &context, &stages, lanes_and_outlets)?;
        async move { operator.run().await.map_err(|error| error.to_string()) }
    });
    for outlet in &opened.outlets {
        let (outlet, context) = (outlet.clone(), Context { shutdown: stages.rest.clone(), ..context.clone() });
        // After the journal was put back each is paused, as a lane is.
        spawn(&mut tasks, "an outlet of outcome documents", async move {
            lane::post::run(outlet, context).await.map_err(|error| error.to_string())
        });
    }
    for open in &opened.channels {
        let (channel, context) = (open.channel.clone(), Context { shutdown: stages.rest.clone(), ..context.clone() });
        spawn(&mut tasks, "the arrivals of a channel", async move {
            lane::receipts::run(channel, context).await.map_err(|error| error.to_string())
        });
    }
    let admitter = Admitter {
        spool: opened.spool.clone(),
        journal: journal.clone(),
        procedures: opened.procedures.clone(),
        site: opened.site.clone(),
        targets: opened.targets.clone(),
        sources: Arc::new(
            opened
                .spool
                .sources()
                .chain(config.source.iter().filter(|source| source.queue.is_some()))
                .map(|source| (source.name.clone(), source.clone()))
                .collect::<BTreeMap<_, _>>(),
        ),
        metrics: metrics.clone(),
        ending: stages.intake.clone(),
    };
    for queue in opened.queues.iter().filter(|queue| queue.takes_messages()) {
        let task = queue::QueueTask {
            queue: queue.clone(),
            admitter: admitter.clone(),
            gauges: gauges.clone(),
            shutdown: stages.intake.clone(),
        };
        let (journal, end) = (journal.clone(), stages.intake.clone());
        spawn(&mut tasks, "a queue", async move {
            if journal.released(&end).await {
                task.run().await;
            }
            Ok(())
        });
    }
    let held = put_back::close_intake(&journal, &health, &metrics);
    spawn(&mut tasks, "the spool", {
        let (spool, journal, end) = (opened.spool.clone(), journal.clone(), stages.intake.clone());
        let intake = intake::Intake { admitter, health: health.clone(), gauges, shutdown: stages.intake.clone() };
        async move {
            if journal.released(&end).await {
                intake.run(Arrivals::new(spool)).await;
            }
            Ok(())
        }
    });
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

fn spawn(
    tasks: &mut JoinSet<Ended>,
    name: &'static str,
    task: impl Future<Output = Result<(), String>> + Send + 'static,
) {
    tasks.spawn(async move { (name, task.await) });
}

fn open(config: &Config) -> Result<Opened, EndError> {
    let problems = crate::config::problems(config);
    if !problems.is_empty() {
        return Err(EndError::Config(problems.join("\n")));
    }
    let bad = |problems: Vec<String>| EndError::Config(problems.join("\n"));
    let templates = wiring::templates(config).map_err(bad)?;
    let targets = wiring::targets(config).map_err(|problems| EndError::Unavailable(problems.join("\n")))?;
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
    let (credentials, file) = wiring::key_places(config);
    let key = wiring::key(credentials.as_deref(), &file, &config.journal.path).map_err(EndError::Config)?;
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

async fn open_journal(
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
            Moment::Failed => beat.idle(),
            Moment::Committed(commit) => {
                beat.idle();
                metrics.journal_commit(commit.took, commit.operations);
            }
        })
        .map_err(|error| EndError::Unavailable(error.to_string()))
    })
    .await
    .map_err(|error| EndError::Failed(error.to_string()))?
}

fn policy(config: &Config) -> Policy {
    let seconds = |seconds: u64| SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX / 4));
    Policy {
        first: seconds(config.lane.retry_seconds),
        longest: seconds(config.lane.retry_max_seconds),
        give_up: seconds(config.lane.give_up_hours.saturating_mul(3600)),
        settle: seconds(config.lane.settle_seconds),
        never_blindly: false,
    }
}

/// How long nothing may succeed in a lane, where nothing is configured.
const LANE_DOWN_MINUTES: u32 = 5;

fn operator(
    config: &Config,
    opened: &Opened,
    context: &Context,
    stages: &Stages,
    lanes: Lanes,
) -> Result<Operator, EndError> {
    let settings = wiring::operator(config).map_err(|problems| EndError::Config(problems.join("\n")))?;
    let channel = config
        .operator
        .as_ref()
        .and_then(|operator| opened.channels.iter().find(|open| open.channel.name() == operator.channel));
    let way = match (settings, channel) {
        (Some(settings), Some(open)) => Some(Way {
            settings,
            channel: open.channel.clone(),
            message_domain: open.message_domain.clone(),
            templates: opened.templates.clone(),
        }),
        _ => None,
    };
    let minutes = config.operator.as_ref().map_or(LANE_DOWN_MINUTES, |operator| operator.lane_down_minutes);
    Ok(Operator {
        context: Context { shutdown: stages.rest.clone(), ..context.clone() },
        lanes,
        lane_down: SignedDuration::from_mins(i64::from(minutes)),
        way,
    })
}

/// Steps that one core hashes in one batch: about 50 ms of SHA-512-crypt, so that a single request is not kept waiting.
const MINT_BATCH: usize = 32;

fn workers(config: &Config, opened: &Opened) -> Vec<Arc<dyn Worker>> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let batch = config.lane.batch.max(1);
    let mut workers: Vec<Arc<dyn Worker>> =
        vec![Arc::new(Minter { key: opened.key.clone(), cores, batch: MINT_BATCH.min(batch) })];
    for target in &opened.targets {
        workers.push(Arc::new(TargetWorker::new(target.clone(), opened.key.clone(), batch)));
    }
    workers.push(Arc::new(Drafter { letters: opened.letters.clone(), spool: opened.spool.clone(), batch }));
    for open in &opened.channels {
        workers.push(Arc::new(ChannelWorker {
            channel: open.channel.clone(),
            templates: opened.templates.clone(),
            key: opened.key.clone(),
            spool: opened.spool.clone(),
            message_domain: open.message_domain.clone(),
        }));
    }
    debug_assert!(workers.iter().any(|worker| worker.lane() == Verb::MINT_LANE));
    workers
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
            Err(error) => format!("takes requests; the reload ended: {error}"),
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
        Err(error) => format!("a task ended: {error}"),
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
