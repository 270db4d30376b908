//! What goes wrong with an answer, on a bad day or when a test wants it.

use super::directory::{Reply, refusal};
use super::server::write;
use serde_json::Value;
use std::collections::VecDeque;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// One trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Nothing,
    /// The connection ends; nothing was done.
    CutBefore,
    /// It was done, and the connection ends.
    CutAfter,
    /// It was done, and half of the answer comes.
    Half,
    /// Nothing was done, and no answer ever comes.
    SilentBefore,
    /// It was done, and no answer ever comes.
    SilentAfter,
    /// It was done, and this status comes all the same.
    StatusAfter(u16),
    /// Nothing was done.
    Status(u16),
    /// 403 with this reason; nothing was done.
    Forbidden(&'static str),
    /// 429, and how long to wait, seconds.
    Slow(Option<u64>),
    /// A page with this status; nothing was done.
    Page(u16),
    /// It was done, and a page comes with 200.
    PageAfter,
    /// 412, as of a user that was made a moment ago.
    Incomplete,
    /// 404, as from a server that has not heard of it yet.
    Unseen,
}

use Trouble::*;

/// What befalls any call.
const ANY: [Trouble; 18] = [
    CutBefore,
    CutAfter,
    Half,
    SilentBefore,
    SilentAfter,
    StatusAfter(503),
    StatusAfter(500),
    Status(500),
    Status(503),
    Slow(None),
    Slow(Some(3)),
    Forbidden("userRateLimitExceeded"),
    Forbidden("rateLimitExceeded"),
    Forbidden("quotaExceeded"),
    Page(502),
    Page(200),
    PageAfter,
    Status(401),
];
/// What befalls a call on a user that is there.
const LATER: [Trouble; 3] = [Incomplete, Unseen, Forbidden("forbidden")];

/// When what goes wrong.
#[derive(Default)]
pub struct Mood {
    /// For each call that waits for one: the end of its id, and the trouble.
    script: VecDeque<(&'static str, Trouble)>,
    /// With this probability.
    pub bad: f64,
    seed: u64,
    /// How often something went wrong.
    pub troubles: usize,
}

impl Mood {
    /// The next call of this kind fares so.
    pub fn then(&mut self, call: &'static str, trouble: Trouble) {
        self.script.push_back((call, trouble));
    }

    pub fn is_through(&self) -> bool {
        self.script.is_empty()
    }

    pub fn next(&mut self, id: &str) -> Trouble {
        if let Some(at) = self.script.iter().position(|(call, _)| id == format!("directory.{call}")) {
            self.troubles += 1;
            return self.script.remove(at).unwrap().1;
        }
        if self.random() >= self.bad {
            return Nothing;
        }
        self.troubles += 1;
        let number = self.random();
        let pick = |from: &[Trouble]| from[(number * from.len() as f64) as usize];
        match id {
            "directory.users.insert" => pick(&[&ANY[..], &[StatusAfter(409)]].concat()),
            "directory.users.update" => pick(&[&ANY[..], &LATER, &[StatusAfter(409)]].concat()),
            "directory.users.list" | "directory.orgunits.get" => pick(&ANY),
            _ => pick(&[&ANY[..], &LATER].concat()),
        }
    }

    /// From 0 to 1; the same in every run.
    fn random(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Trouble {
    /// What is answered in the place of carrying it out.
    pub fn instead(self) -> Option<Reply> {
        Some(match self {
            Status(401) => refusal(401, "authError", "Invalid Credentials"),
            Status(code) => refusal(code, "backendError", "Service unavailable. Please try again"),
            Forbidden("forbidden") => refusal(403, "forbidden", "Not Authorized to access this resource/api"),
            Forbidden(reason) => refusal(403, reason, "Quota exceeded"),
            Slow(_) => refusal(429, "rateLimitExceeded", "Too many concurrent requests"),
            Incomplete => refusal(412, "conditionNotMet", "User creation is not complete."),
            Unseen => refusal(404, "notFound", "Resource Not Found: userKey"),
            Page(code) => (code, Value::Null),
            _ => return None,
        })
    }

    pub fn is_carried_out(self) -> bool {
        !matches!(self, CutBefore | SilentBefore)
    }

    /// What is answered after it was carried out.
    pub fn after(self, reply: Reply) -> Reply {
        match self {
            StatusAfter(409) => refusal(409, "duplicate", "Entity already exists."),
            StatusAfter(412) => refusal(412, "conditionNotMet", "User creation is not complete."),
            StatusAfter(code) => refusal(code, "backendError", "Backend Error"),
            _ => reply,
        }
    }

    /// Sends the answer; whether the connection goes on.
    pub async fn send(
        self,
        stream: &mut TcpStream,
        status: u16,
        reply: &Value,
        date: jiff::Timestamp,
    ) -> std::io::Result<bool> {
        let body = if reply.is_null() { Vec::new() } else { serde_json::to_vec(reply).unwrap() };
        let json = "application/json; charset=UTF-8";
        let page = format!("<html><head><title>Error {status}</title></head><body><h1>Gateway</h1></body></html>");
        match self {
            CutBefore | CutAfter => return Ok(false),
            SilentBefore | SilentAfter => std::future::pending().await,
            Half => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: {json}\r\nContent-Length: {}\r\n\r\n",
                    body.len() + 10
                );
                stream.write_all(&[head.as_bytes(), &body[..body.len() / 2]].concat()).await?;
                return Ok(false);
            }
            Page(_) => write(stream, status, "", "text/html", page.as_bytes(), date).await?,
            PageAfter => write(stream, 200, "", "text/html", page.as_bytes(), date).await?,
            Slow(Some(seconds)) => {
                write(stream, status, &format!("Retry-After: {seconds}\r\n"), json, &body, date).await?
            }
            _ => write(stream, status, "", json, &body, date).await?,
        }
        Ok(true)
    }
}
