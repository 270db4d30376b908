//! Idle connections, each left over from a notice whose reply was read whole.

use super::dialogue::Connection;
use super::reply::{Progress, Stage};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Holds what `give_back` got, newest last, for at most `keep`. How many there can be is bounded by the channel's
/// semaphore: a connection is taken before it is given back.
pub(super) struct Pool {
    state: Mutex<State>,
    keep: Duration,
}

#[derive(Default)]
struct State {
    idle: Vec<(Instant, Connection)>,
    /// The task that closes what has been idle for too long. It lives only while there is something to close, so
    /// that an idle daemon neither holds connections nor wakes up for them.
    reaper: Option<AbortHandle>,
}

impl Pool {
    pub(super) fn new(keep: Duration) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), keep })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle connection that still answers, or none.
    pub(super) async fn take(&self, progress: &Progress) -> Option<Connection> {
        progress.enter(Stage::Reset);
        loop {
            let (since, mut connection) = self.state().idle.pop()?;
            // While this waits, the connection belongs to this future alone: dropped with it, it is closed.
            if since.elapsed() < self.keep && connection.fresh_again().await {
                return Some(connection);
            }
        }
    }

    /// Takes a connection back. Only after [`Connection::hand_over`] returned `Ok`. Needs a Tokio runtime.
    pub(super) fn give_back(self: &Arc<Self>, connection: Connection) {
        let mut state = self.state();
        state.idle.push((Instant::now(), connection));
        if state.reaper.is_none() {
            let task = tokio::spawn(reap(Arc::downgrade(self), self.keep));
            state.reaper = Some(task.abort_handle());
        }
    }

    /// What has been idle for too long, and when to look again; the reaper ends with `None`.
    fn expired(&self) -> (Vec<Connection>, Option<Instant>) {
        let mut state = self.state();
        let now = Instant::now();
        let fresh = state.idle.iter().position(|(since, _)| *since + self.keep > now).unwrap_or(state.idle.len());
        let old = state.idle.drain(..fresh).map(|(_, connection)| connection).collect();
        let next = state.idle.first().map(|(since, _)| *since + self.keep);
        if next.is_none() {
            state.reaper = None;
        }
        (old, next)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(reaper) = self.state().reaper.take() {
            reaper.abort();
        }
    }
}

async fn reap(pool: Weak<Pool>, keep: Duration) {
    let mut next = Instant::now() + keep;
    loop {
        tokio::time::sleep_until(next).await;
        let Some((old, then)) = pool.upgrade().map(|pool| pool.expired()) else { return };
        for connection in old {
            connection.quit().await;
        }
        match then {
            Some(then) => next = then,
            None => return,
        }
    }
}
