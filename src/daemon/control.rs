//! The socket by which commands wake the daemon: it carries out the orders in the journal, and then closes the
//! connection. What is written to it says nothing; the orders stand in the journal.

use crate::admission::SharedProcedures;
use crate::journal::Journal;
use crate::journal::redeliver::Redeliver;
use crate::model::{Facts, Record};
use crate::observe::metrics::{Metrics, OrderResult};
use crate::procedure::{self, Site};
use jiff::Timestamp;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// Binds the socket, in place of one that a dead daemon left.
///
/// # Errors
/// What the system says of the path.
pub fn bind(path: &Path) -> std::io::Result<UnixListener> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => {
            return Err(std::io::Error::new(
                std::io::ErrorKind::AlreadyExists,
                "something that is no socket lies there",
            ));
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// What carrying out orders needs.
#[derive(Clone)]
pub struct Control {
    /// Where orders stand.
    pub journal: Journal,
    /// Counts.
    pub metrics: Metrics,
    /// Every lane there is.
    pub lanes: Vec<String>,
    /// By which what is handed out anew is judged.
    pub procedures: SharedProcedures,
    /// For planning it.
    pub site: Arc<Site>,
}

impl Control {
    /// Answers until shutdown.
    pub async fn serve(self, listener: UnixListener, shutdown: CancellationToken) {
        loop {
            let connection = tokio::select! {
                () = shutdown.cancelled() => return,
                connection = listener.accept() => connection,
            };
            match connection {
                Ok((stream, _)) => self.clone().answer(stream).await,
                Err(error) => {
                    tracing::warn!(%error, "a command could not be heard");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn answer(self, stream: UnixStream) {
        let mut heard = [0; 64];
        let mut stream = stream;
        // A command writes a line at once; one that says nothing must not keep others waiting.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), stream.read(&mut heard)).await;
        self.carry_out().await;
        drop(stream);
    }

    fn judge(&self) -> Arc<Redeliver> {
        let procedures = self.procedures.read().unwrap_or_else(PoisonError::into_inner).clone();
        let site = self.site.clone();
        Arc::new(move |record: &Record, facts: &Facts, now: Timestamp| {
            let name = &record.key.procedure;
            let procedure = procedures.get(name).ok_or_else(|| format!("its procedure {name} is not here any more"))?;
            Ok(procedure::decide_anew(record, procedure, &site, facts, now))
        })
    }

    /// Carries out the orders that are new.
    pub async fn carry_out(&self) {
        match self.journal.carry_out_orders(self.lanes.clone(), Some(self.judge())).await {
            Ok(orders) => {
                for order in orders {
                    self.metrics
                        .order(order.verb.as_str(), if order.done { OrderResult::Done } else { OrderResult::Refused });
                    tracing::info!(order = order.verb.as_str(), by = %order.login, done = order.done, "an order was carried out");
                }
            }
            Err(error) => tracing::error!(%error, "orders could not be carried out; they are kept"),
        }
    }
}
