//! What systemd is told: sd_notify(3). Without `NOTIFY_SOCKET` nothing is sent and nothing fails.

use super::health::Health;
use sd_notify::NotifyState;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The daemon takes requests; also after a reload.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
}

/// A reload begins; [`ready`] ends it. Carries the time, as `Type=notify-reload` wants it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the monotonic clock cannot be read: systemd is not told of the reload"),
    }
}

/// The daemon drains and ends.
pub fn stopping(status: &str) {
    send(&[NotifyState::Stopping, NotifyState::Status(&one_line(status))]);
}

/// One line for `systemctl status`: what is waiting and what is wrong. No personal data.
pub fn status(text: &str) {
    send(&[NotifyState::Status(&one_line(text))]);
}

/// The start takes longer (a migration, a large journal): systemd should wait this much more from now.
pub fn extend_timeout(by: Duration) {
    send(&[NotifyState::ExtendTimeoutUsec(u32::try_from(by.as_micros()).unwrap_or(u32::MAX))]);
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd cannot be notified");
    }
}

/// A line break would begin another assignment.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Feeds systemd's watchdog at half its period, while everything that must move moves; until `shutdown`, which should come
/// after everything else has drained. Without a watchdog it only waits for `shutdown` and wakes nobody.
///
/// A journal that cannot be written does not stop the feeding: a restart does not make room on a disk.
pub async fn watchdog(health: Health, shutdown: CancellationToken) {
    match sd_notify::watchdog_enabled().map(|period| period / 2).filter(|half| !half.is_zero()) {
        Some(half) => feed(half, &health, &shutdown).await,
        None => shutdown.cancelled().await,
    }
}

async fn feed(half: Duration, health: &Health, shutdown: &CancellationToken) {
    let mut ticks = tokio::time::interval(half);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut complained = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let stalled = health.pulse().stalled(Instant::now());
        if stalled.is_empty() {
            send(&[NotifyState::Watchdog]);
        } else if !complained {
            let stalled = stalled.join("; ");
            tracing::error!(%stalled, "the watchdog is no longer fed: systemd will restart akund");
            status(&format!("not moving: {stalled}"));
        }
        complained = !stalled.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::pulse::Pulse;
    use std::io::{BufRead, Write};
    use std::os::unix::net::UnixDatagram;
    use std::process::{Child, Command, Stdio};

    /// Run in a child process by the tests below, with a socket of theirs: the environment cannot be changed safely within one.
    /// Reads what to do from its standard input.
    #[tokio::test]
    #[ignore = "the child of the tests that listen to it"]
    async fn child_obeys_and_notifies() {
        let pulse = Pulse::new();
        let beat = pulse.register("lane mail", Duration::ZERO);
        let shutdown = CancellationToken::new();
        let feeding = tokio::spawn(watchdog(Health::new(pulse), shutdown.clone()));
        let mut lines = tokio::task::spawn_blocking(|| {
            let (send, receive) = tokio::sync::mpsc::unbounded_channel();
            std::thread::spawn(move || {
                std::io::stdin().lock().lines().map_while(Result::ok).try_for_each(|l| send.send(l))
            });
            receive
        })
        .await
        .unwrap();
        while let Some(line) = lines.recv().await {
            match line.as_str() {
                "ready" => ready("3 requests\nREADY=0"),
                "reload" => reloading(),
                "status" => status("2 waiting"),
                "extend" => extend_timeout(Duration::from_secs(10)),
                "stall" => beat.busy(),
                "move" => beat.idle(),
                "stop" => break,
                other => panic!("{other}"),
            }
        }
        stopping("draining");
        shutdown.cancel();
        feeding.await.unwrap();
    }

    /// A child and the socket that it notifies.
    struct Service {
        child: Child,
        socket: UnixDatagram,
        _dir: tempfile::TempDir,
    }

    impl Service {
        fn start(watchdog: Option<Duration>) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("notify");
            let socket = UnixDatagram::bind(&path).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "observe::systemd::tests::child_obeys_and_notifies", "--ignored"]);
            command.env_remove("WATCHDOG_PID").env_remove("WATCHDOG_USEC").env("NOTIFY_SOCKET", &path);
            if let Some(period) = watchdog {
                command.env("WATCHDOG_USEC", period.as_micros().to_string());
            }
            let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            Self { child, socket, _dir: dir }
        }

        fn tell(&mut self, word: &str) {
            writeln!(self.child.stdin.as_mut().unwrap(), "{word}").unwrap();
        }

        /// What comes next; fails the test after 20 s of silence.
        fn next(&self) -> String {
            let mut buffer = [0; 4096];
            let length = self.socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        }

        fn until(&self, found: impl Fn(&str) -> bool) -> String {
            std::iter::repeat_with(|| self.next()).find(|m| found(m)).unwrap()
        }
    }

    impl Drop for Service {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[test]
    fn systemd_hears_of_the_start_the_reload_the_counts_and_the_end() {
        let mut service = Service::start(None);
        service.tell("ready");
        assert_eq!(service.next(), "READY=1\nSTATUS=3 requests READY=0\n");
        service.tell("reload");
        let reload = service.next();
        let (word, time) = reload.trim_end().split_once('\n').unwrap();
        assert_eq!(word, "RELOADING=1");
        assert!(time.strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().unwrap() > 0, "{reload}");
        service.tell("status");
        assert_eq!(service.next(), "STATUS=2 waiting\n");
        service.tell("extend");
        assert_eq!(service.next(), "EXTEND_TIMEOUT_USEC=10000000\n");
        service.tell("stop");
        assert_eq!(service.next(), "STOPPING=1\nSTATUS=draining\n");
        assert!(service.child.wait().unwrap().success());
    }

    #[test]
    fn the_watchdog_is_fed_only_while_everything_moves() {
        let period = Duration::from_millis(100);
        let mut service = Service::start(Some(period));
        for _ in 0..3 {
            service.until(|m| m == "WATCHDOG=1\n");
        }
        service.tell("stall");
        let complaint = service.until(|m| m.starts_with("STATUS="));
        assert!(complaint.starts_with("STATUS=not moving: lane mail has not moved for"), "{complaint}");
        // Five whole periods of silence: what systemd would have killed it for.
        service.socket.set_read_timeout(Some(period * 5)).unwrap();
        assert!(service.socket.recv(&mut [0; 64]).is_err(), "the watchdog was fed, or complained twice");
        service.socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        service.tell("move");
        service.until(|m| m == "WATCHDOG=1\n");
        service.tell("stop");
        service.until(|m| m.starts_with("STOPPING=1"));
    }

    #[test]
    fn without_a_watchdog_nothing_is_fed() {
        let mut service = Service::start(None);
        service.tell("ready");
        service.until(|m| m.starts_with("READY=1"));
        service.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        assert!(service.socket.recv(&mut [0; 64]).is_err());
        service.tell("stop");
        assert!(service.child.wait().unwrap().success());
    }

    #[tokio::test]
    async fn without_systemd_nothing_is_sent_and_nothing_fails() {
        assert!(std::env::var_os("NOTIFY_SOCKET").is_none(), "the tests are themselves run as a notifying service");
        ready("x");
        reloading();
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        watchdog(Health::new(Pulse::new()), shutdown).await;
    }
}
