//! Mail submission (RFC 6409) with a server that takes the notice on.
//!
//! Read `dial` for how a connection is made, `dialogue` for how one notice is handed over, `pool` for how
//! connections are reused, `reply` for how failures become faults. What makes this channel more than a call of
//! `lettre`'s transport:
//!
//! * **The final dot divides.** Until the line that ends the message has begun to leave, nothing can have been taken: every
//!   failure is transient, or permanent where the server said 5xx. From then on, and until the whole reply has been
//!   read, the notice may have been taken: every failure is *unknown* (RFC 5321 §4.2.5, §6.1).
//! * **A connection is reused only after a reply read whole**, and is asked RSET first. One that met any error, or whose
//!   notice ran out of time, is closed: its next reply could belong to the previous notice.
//! * **Only the very reply that a command calls for counts** (250, 354, 235): a stray reply is a fault, not a success.
//! * **The operator's mistakes don't cost a notice**: a wrong password, certificate or server name is transient.

mod dial;
mod dialogue;
mod pool;
mod reply;

use super::message::{Built, Sender, build};
use super::{Channel, Envelope, HandedOver, Uncertain};
use crate::config::channel::{SmtpConfig, SmtpTls};
use crate::model::{Answer, Finding};
use crate::model::{Fault, Secret};
use dial::Dialer;
use pool::Pool;
use reply::{Progress, Server};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Connections idle for longer than this are closed. Postfix and Exim close them after 300 s themselves.
const KEEP_IDLE: Duration = Duration::from_secs(30);

/// `kind = "smtp"`
pub struct Smtp {
    server: Server,
    sender: Sender,
    dialer: Dialer,
    pool: Arc<Pool>,
    busy: Semaphore,
    connections: usize,
    limit: Duration,
}

impl Smtp {
    /// Checks the configuration, reads the CA and, with `read_secret`, the password. Connects to nothing.
    ///
    /// `read_secret` gets `password_file` as configured: a path, or a bare name for a systemd credential.
    /// Errors are sentences for the operator.
    pub fn open(
        name: &str,
        config: &SmtpConfig,
        read_secret: &dyn Fn(&Path) -> Result<Secret, String>,
    ) -> Result<Self, String> {
        let problem = |cause: String| format!("channel {name}: {cause}");
        if config.connections == 0 || config.connections > 1000 {
            return Err(problem(format!("connections = {}: expected 1 to 1000", config.connections)));
        }
        if config.timeout_seconds == 0 || config.timeout_seconds > 3600 {
            return Err(problem(format!("timeout_seconds = {}: expected 1 to 3600", config.timeout_seconds)));
        }
        let sender = Sender::parse(&config.from, config.reply_to.as_deref()).map_err(problem)?;
        let dialer = Dialer::new(config, read_secret).map_err(problem)?;
        Ok(Self {
            server: Server::new(name, &dialer.place()),
            sender,
            dialer,
            pool: Pool::new(KEEP_IDLE),
            busy: Semaphore::new(config.connections),
            connections: config.connections,
            limit: Duration::from_secs(config.timeout_seconds),
        })
    }

    /// Closes idle connections after `keep` instead of 30 seconds.
    #[must_use]
    pub fn keep_idle(mut self, keep: Duration) -> Self {
        self.pool = Pool::new(keep);
        self
    }

    async fn deliver(&self, notice: &Envelope) -> Result<HandedOver, Fault> {
        let built = build(&self.sender, notice, SystemTime::now())?;
        let _permit = match timeout(self.limit, self.busy.acquire()).await {
            Ok(Ok(permit)) => permit,
            _ => return Err(self.server.all_busy(self.connections)),
        };
        let progress = Progress::default();
        // When the time is up, the future is dropped, and with it the connection that it owns: it never
        // comes back to the pool.
        match timeout(self.limit, self.attempt(&built, &progress)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.server.too_late(progress.stage(), self.limit, &built.to)),
        }
    }

    async fn attempt(&self, built: &Built, progress: &Progress) -> Result<HandedOver, Fault> {
        let mut connection = match self.pool.take(progress).await {
            Some(connection) => connection,
            None => self.dialer.dial(&self.server, progress).await?,
        };
        let reply = connection.hand_over(&self.server, self.sender.address(), built, progress).await?;
        self.pool.give_back(connection);
        Ok(HandedOver { reply, reference: None })
    }

    async fn look(&self) -> Vec<Finding> {
        let progress = Progress::default();
        let dialled = timeout(self.limit, self.dialer.dial(&self.server, &progress)).await;
        match dialled {
            Ok(Ok(connection)) => {
                let findings = self.dialer.findings(&self.server, &connection);
                connection.quit().await;
                findings
            }
            Ok(Err(fault)) => vec![Err(fault.message)],
            Err(_) => vec![Err(self.server.too_late_to_look(progress.stage(), self.limit))],
        }
    }
}

impl Channel for Smtp {
    fn name(&self) -> &str {
        self.server.channel()
    }
    fn carries_email(&self) -> bool {
        true
    }
    /// The repeat carries the same Message-ID.
    fn uncertain(&self) -> Uncertain {
        Uncertain::SendAgain
    }
    fn parallel(&self) -> usize {
        self.connections
    }
    fn send<'a>(&'a self, notice: &'a Envelope) -> Answer<'a, Result<HandedOver, Fault>> {
        Box::pin(self.deliver(notice))
    }
    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
        Box::pin(self.look())
    }
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp").field("server", &self.server).finish_non_exhaustive()
    }
}

/// The port that goes with a protection, where the configuration names none (RFC 6409 §3.1, RFC 8314 §3.3).
fn default_port(tls: SmtpTls) -> u16 {
    match tls {
        SmtpTls::Starttls => 587,
        SmtpTls::Tls => 465,
        SmtpTls::None => 25,
    }
}
