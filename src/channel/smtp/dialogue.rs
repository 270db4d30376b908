//! One connection, and how one notice goes over it.

use super::reply::{Progress, Server, Stage, line};
use crate::channel::message::Built;
use crate::model::Fault;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::MailParameter;
use std::fmt::Display;
use std::time::Duration;

/// How long a server may take over QUIT; the notices are safe by then.
const FAREWELL: Duration = Duration::from_secs(2);

/// A connection that has been greeted, protected and authenticated. Its owner must drop it after any error:
/// only [`Connection::hand_over`] that returned `Ok` leaves it fit for reuse.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    /// The server offers DSN (RFC 3461), so `RET=HDRS` may be asked for.
    pub(super) dsn: bool,
    /// The name in its reply to EHLO.
    pub(super) name: String,
}

impl Connection {
    pub(super) fn new(smtp: AsyncSmtpConnection, dsn: bool) -> Self {
        let name = smtp.server_info().name().to_owned();
        Self { smtp, dsn, name }
    }

    /// Hands one message to one recipient. The reply's line, if the server took it.
    pub(super) async fn hand_over(
        &mut self,
        server: &Server,
        from: &lettre::Address,
        built: &Built,
        progress: &Progress,
    ) -> Result<String, Fault> {
        // RFC 3461 §4.3: a bounce brings back the headers only, never the password.
        let headers_only = MailParameter::Other { keyword: "RET".into(), value: Some("HDRS".into()) };
        let parameters = if self.dsn { vec![headers_only] } else { Vec::new() };
        let asks = Asks { server, to: &built.to, progress };
        asks.command(self, Stage::Mail, Mail::new(Some(from.clone()), parameters), &[250]).await?;
        asks.command(self, Stage::Rcpt, Rcpt::new(built.to.clone(), Vec::new()), &[250, 251]).await?;
        asks.command(self, Stage::Data, Data, &[354]).await?;
        asks.content(self, &built.bytes).await
    }

    /// Whether an idle connection is still good for a notice: it answers RSET with 250.
    pub(super) async fn fresh_again(&mut self) -> bool {
        self.smtp.command(Rset).await.is_ok_and(|r| r.has_code(250))
    }

    /// Says goodbye, for at most two seconds.
    pub(super) async fn quit(mut self) {
        let _ = tokio::time::timeout(FAREWELL, self.smtp.command(Quit)).await;
    }
}

struct Asks<'a> {
    server: &'a Server,
    to: &'a lettre::Address,
    progress: &'a Progress,
}

impl Asks<'_> {
    async fn command<C: Display>(
        &self,
        connection: &mut Connection,
        stage: Stage,
        command: C,
        fits: &[u16],
    ) -> Result<(), Fault> {
        self.progress.enter(stage);
        let response = connection.smtp.command(command).await.map_err(|e| self.server.failed(stage, &e, self.to))?;
        if fits.iter().any(|code| response.has_code(*code)) {
            return Ok(());
        }
        Err(self.server.out_of_step(stage, &response, self.to))
    }

    async fn content(&self, connection: &mut Connection, bytes: &[u8]) -> Result<String, Fault> {
        self.progress.enter(Stage::Content);
        // lettre writes each part and flushes it before it asks for the next, and sends the final dot when there is
        // none: asking again is the last moment at which the server surely has not been told of the end.
        let body = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
        let parts = std::iter::once(body).chain(std::iter::from_fn(|| {
            self.progress.enter(Stage::Answer);
            None
        }));
        let sent = connection.smtp.message_iter(parts).await;
        let stage = self.progress.stage();
        let response = sent.map_err(|e| self.server.failed(stage, &e, self.to))?;
        if response.has_code(250) {
            return Ok(line(&response, self.to.user()));
        }
        Err(self.server.out_of_step(stage, &response, self.to))
    }
}
