//! The tasks that serve for the daemon's whole life, beside the lanes.

use super::control::Control;
use super::gauges::Gauges;
use super::open::Opened;
use super::{EndError, Ended, Stages, intake, queue, receipts, wiring};
use crate::admission::Admitter;
use crate::config::Config;
use crate::intake::spool::Arrivals;
use crate::journal::orders::Lanes;
use crate::lane::operator::{Operator, Way};
use crate::lane::{self, Context};
use crate::observe::{health::Health, http, systemd};
use axum::Router;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;

/// How long nothing may succeed in a lane, where nothing is configured.
const LANE_DOWN_MINUTES: u32 = 5;

/// Starts them, and owns them.
pub struct Tasks<'a> {
    pub config: &'a Config,
    pub opened: &'a Opened,
    /// As the lanes have it.
    pub context: Context,
    pub stages: &'a Stages,
    pub set: JoinSet<Ended>,
}

impl Tasks<'_> {
    fn spawn(&mut self, name: &'static str, task: impl Future<Output = Result<(), String>> + Send + 'static) {
        self.set.spawn(async move { (name, task.await) });
    }

    /// For tasks that outlive the lanes: these may still write what the tasks carry on.
    fn to_the_end(&self) -> Context {
        Context { shutdown: self.stages.rest.clone(), ..self.context.clone() }
    }

    /// The control socket with the orders that are `left`, HTTP, and the watchdog.
    pub fn serve(
        &mut self,
        control: Control,
        (socket, left): (UnixListener, bool),
        health: &Health,
        (listener, gauges, pages): (TcpListener, Gauges, Router),
    ) {
        let shutdown = self.stages.rest.clone();
        self.spawn("the control socket", async move {
            control.serve(socket, left, shutdown).await;
            Ok(())
        });
        let (state, metrics, shutdown) = (health.clone(), self.context.metrics.clone(), self.stages.rest.clone());
        let receipts = receipts::taker(self.config, self.context.journal.clone(), self.opened.key.clone());
        self.spawn("the HTTP server", async move {
            http::serve(listener, state, metrics, move || gauges.refresh(), receipts, pages, shutdown)
                .await
                .map_err(|error| error.to_string())
        });
        let (health, shutdown) = (health.clone(), self.stages.rest.clone());
        self.spawn("the watchdog", async move {
            systemd::watchdog(health, shutdown).await;
            Ok(())
        });
    }

    /// Outcome documents and their outlets, and what channels tell of arrivals.
    pub fn documents(&mut self) {
        let (context, spool) = (self.to_the_end(), self.opened.spool.clone());
        let outlets = wiring::outlet_sources(self.config);
        self.spawn("outcome documents", async move {
            if !context.journal.released(&context.shutdown).await {
                return Ok(());
            }
            lane::outcome::run(spool, outlets, context).await.map_err(|error| error.to_string())
        });
        for outlet in self.opened.outlets.iter().cloned() {
            let context = self.to_the_end();
            // After the journal was put back each is paused, as a lane is.
            self.spawn("an outlet of outcome documents", async move {
                lane::post::run(outlet, context).await.map_err(|error| error.to_string())
            });
        }
        for channel in self.opened.channels.iter().map(|open| open.channel.clone()) {
            let context = self.to_the_end();
            self.spawn("the arrivals of a channel", async move {
                lane::receipts::run(channel, context).await.map_err(|error| error.to_string())
            });
        }
    }

    /// The clock, retention, and what the operator is told of these `lanes`.
    ///
    /// # Errors
    /// [`EndError::Config`].
    pub fn time(&mut self, lanes: Lanes) -> Result<(), EndError> {
        let context = self.to_the_end();
        self.spawn("the clock", async move { lane::clock::run(context).await.map_err(|error| error.to_string()) });
        let (context, spool) = (self.to_the_end(), self.opened.spool.clone());
        let retention = lane::retention::Retention { context, spool, policy: self.config.retention.policy() };
        self.spawn("retention", async move {
            // What was put back is looked at before anything of it goes.
            if !retention.context.journal.released(&retention.context.shutdown).await {
                return Ok(());
            }
            retention.run().await.map_err(|error| error.to_string())
        });
        let operator = self.operator(lanes)?;
        self.spawn("the operator's notices", async move { operator.run().await.map_err(|error| error.to_string()) });
        Ok(())
    }

    fn operator(&self, lanes: Lanes) -> Result<Operator, EndError> {
        let configured = self.config.operator.as_ref();
        let settings = wiring::operator(self.config).map_err(|problems| EndError::Config(problems.join("\n")))?;
        let named = |name: &str| self.opened.channels.iter().find(|open| open.channel.name() == name);
        let channel = configured.and_then(|operator| named(&operator.channel));
        let way = settings.zip(channel).map(|(settings, open)| Way {
            settings,
            channel: open.channel.clone(),
            message_domain: open.message_domain.clone(),
            templates: self.opened.templates.clone(),
        });
        let minutes = configured.map_or(LANE_DOWN_MINUTES, |operator| operator.lane_down_minutes);
        Ok(Operator {
            context: self.to_the_end(),
            lanes,
            lane_down: SignedDuration::from_mins(i64::from(minutes)),
            way,
        })
    }

    /// Queues and spool.
    pub fn intake(&mut self, health: &Health, gauges: &Gauges) {
        let Opened { spool, queues, procedures, site, targets, .. } = self.opened;
        let queued = self.config.source.iter().filter(|source| source.queue.is_some());
        let sources = spool.sources().chain(queued).map(|source| (source.name.clone(), source.clone()));
        let admitter = Admitter {
            spool: spool.clone(),
            journal: self.context.journal.clone(),
            procedures: procedures.clone(),
            site: site.clone(),
            targets: targets.clone(),
            sources: Arc::new(sources.collect::<BTreeMap<_, _>>()),
            metrics: self.context.metrics.clone(),
            ending: self.stages.intake.clone(),
        };
        for queue in queues.iter().filter(|queue| queue.takes_messages()) {
            let task = queue::QueueTask {
                queue: queue.clone(),
                admitter: admitter.clone(),
                gauges: gauges.clone(),
                shutdown: self.stages.intake.clone(),
            };
            let (journal, end) = (self.context.journal.clone(), self.stages.intake.clone());
            self.spawn("a queue", async move {
                if journal.released(&end).await {
                    task.run().await;
                }
                Ok(())
            });
        }
        let (spool, journal, end) = (spool.clone(), self.context.journal.clone(), self.stages.intake.clone());
        let (health, gauges, shutdown) = (health.clone(), gauges.clone(), self.stages.intake.clone());
        let intake = intake::Intake { admitter, health, gauges, shutdown };
        self.spawn("the spool", async move {
            if journal.released(&end).await {
                intake.run(Arrivals::new(spool)).await;
            }
            Ok(())
        });
    }
}
