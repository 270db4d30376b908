//! IMAP up to the login (RFC 9051 §3.1, §6.1 and §6.2). In that state every response is one line, and the server's own words
//! are what the person on call needs, so the lines are read as they are.

use crate::model::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use zeroize::Zeroizing;

/// Longest line taken. Longer than any capability list.
const LONGEST_LINE: u64 = 16 * 1024;
/// Most lines before the end of a command.
const MOST_LINES: usize = 100;

/// A connection on which the server has its say after each command.
#[derive(Debug)]
pub struct Dialogue<S> {
    stream: BufReader<S>,
    commands: u32,
    capabilities: Option<Vec<String>>,
}

/// Why a dialogue could not go on.
#[derive(Debug)]
pub enum Broken {
    /// The connection failed or ended.
    Io(io::Error),
    /// The server said goodbye (`BYE`), and why.
    Bye(String),
    /// What came is not IMAP.
    Nonsense,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// `OK`
    Ok,
    /// `NO`, and the server's words.
    No(String),
    /// `BAD`, and the server's words.
    Bad(String),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<S> {
    /// Over a connection on which nothing has been said yet, or nothing since TLS.
    pub fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream), commands: 0, capabilities: None }
    }

    /// Reads the greeting: `* OK`.
    pub async fn greeting(&mut self) -> Result<(), Broken> {
        let line = self.line().await?;
        let words = line.strip_prefix("* ").ok_or(Broken::Nonsense)?;
        if starts_with(words, "BYE") {
            return Err(Broken::Bye(words.to_owned()));
        }
        if !starts_with(words, "OK") {
            return Err(Broken::Nonsense);
        }
        self.note_capabilities(words);
        Ok(())
    }

    /// What the server can do, in capitals; asked for where it did not say so by itself.
    pub async fn capabilities(&mut self) -> Result<Vec<String>, Broken> {
        if self.capabilities.is_none() {
            self.command("CAPABILITY").await?;
        }
        Ok(self.capabilities.clone().unwrap_or_default())
    }

    /// STARTTLS. After `OK` the connection underneath is to be protected, and all that was said before forgotten.
    pub async fn starttls(&mut self) -> Result<Ended, Broken> {
        self.command("STARTTLS").await
    }

    /// The connection underneath.
    pub fn into_inner(self) -> S {
        self.stream.into_inner()
    }

    /// AUTHENTICATE PLAIN (RFC 4616), which takes any user name and password; `wanted` is whom the user wants to be let in as, empty
    /// where that is the same.
    pub async fn authenticate_as(&mut self, wanted: &str, user: &str, password: &Secret) -> Result<Ended, Broken> {
        let tag = self.send(b"AUTHENTICATE PLAIN").await?;
        if let Some(ended) = self.until_prompt(&tag).await? {
            return Ok(ended);
        }
        let mut plain = Zeroizing::new(Vec::with_capacity(wanted.len() + user.len() + password.expose().len() + 2));
        plain.extend_from_slice(wanted.as_bytes());
        for part in [user, password.expose()] {
            plain.push(0);
            plain.extend_from_slice(part.as_bytes());
        }
        let mut encoded = Zeroizing::new(String::with_capacity(plain.len().div_ceil(3) * 4 + 2));
        STANDARD.encode_string(&*plain, &mut encoded);
        encoded.push_str("\r\n");
        self.write(encoded.as_bytes()).await?;
        self.until_end(&tag).await
    }

    /// LOGIN, both arguments as literals (RFC 9051 §4.3), so that no character of them means anything.
    pub async fn login(&mut self, user: &str, password: &Secret) -> Result<Ended, Broken> {
        let tag = self.send(format!("LOGIN {{{}}}", user.len()).as_bytes()).await?;
        if let Some(ended) = self.until_prompt(&tag).await? {
            return Ok(ended);
        }
        self.write(format!("{user} {{{}}}\r\n", password.expose().len()).as_bytes()).await?;
        if let Some(ended) = self.until_prompt(&tag).await? {
            return Ok(ended);
        }
        let mut last = Zeroizing::new(Vec::with_capacity(password.expose().len() + 2));
        last.extend_from_slice(password.expose().as_bytes());
        last.extend_from_slice(b"\r\n");
        self.write(&last).await?;
        self.until_end(&tag).await
    }

    /// Says goodbye; what the server answers does not matter any more.
    pub async fn logout(&mut self) {
        let _ = self.command("LOGOUT").await;
    }

    async fn command(&mut self, command: &str) -> Result<Ended, Broken> {
        let tag = self.send(command.as_bytes()).await?;
        self.until_end(&tag).await
    }

    async fn send(&mut self, command: &[u8]) -> Result<String, Broken> {
        self.commands += 1;
        let tag = format!("a{} ", self.commands);
        self.write(&[tag.as_bytes(), command, b"\r\n"].concat()).await?;
        Ok(tag)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.stream.get_mut().write_all(bytes).await?;
        Ok(self.stream.get_mut().flush().await?)
    }

    /// None: the server asks for more. Else how the command ended instead.
    async fn until_prompt(&mut self, tag: &str) -> Result<Option<Ended>, Broken> {
        self.until(tag, true).await
    }

    async fn until_end(&mut self, tag: &str) -> Result<Ended, Broken> {
        self.until(tag, false).await?.ok_or(Broken::Nonsense)
    }

    async fn until(&mut self, tag: &str, prompt: bool) -> Result<Option<Ended>, Broken> {
        let mut goodbye = None;
        for _ in 0..MOST_LINES {
            let line = match (self.line().await, goodbye) {
                (Ok(line), _) => line,
                (Err(_), Some(words)) => return Err(Broken::Bye(words)),
                (Err(broken), None) => return Err(broken),
            };
            goodbye = None;
            if prompt && line.starts_with('+') {
                return Ok(None);
            }
            if let Some(words) = line.strip_prefix(tag) {
                self.note_capabilities(words);
                return match words {
                    _ if starts_with(words, "OK") => Ok(Some(Ended::Ok)),
                    _ if starts_with(words, "NO") => Ok(Some(Ended::No(words.to_owned()))),
                    _ if starts_with(words, "BAD") => Ok(Some(Ended::Bad(words.to_owned()))),
                    _ => Err(Broken::Nonsense),
                };
            }
            let words = line.strip_prefix("* ").ok_or(Broken::Nonsense)?;
            if starts_with(words, "BYE") {
                goodbye = Some(words.to_owned());
            }
            self.note_capabilities(words);
        }
        Err(Broken::Nonsense)
    }

    /// One line without its end.
    async fn line(&mut self) -> Result<String, Broken> {
        let mut line = Vec::new();
        (&mut self.stream).take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            let long = line.len() + 1 >= usize::try_from(LONGEST_LINE).unwrap_or(usize::MAX);
            return Err(if long { Broken::Nonsense } else { Broken::Io(io::ErrorKind::UnexpectedEof.into()) });
        }
        Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned())
    }

    /// Remembers `CAPABILITY …`, also as a response code.
    fn note_capabilities(&mut self, words: &str) {
        let listed = match words.split_once("[CAPABILITY ") {
            Some((_, rest)) => rest.split(']').next(),
            None => words.strip_prefix("CAPABILITY "),
        };
        if let Some(list) = listed {
            self.capabilities = Some(list.split_whitespace().map(str::to_ascii_uppercase).collect());
        }
    }
}

/// Whether the first word is this one.
fn starts_with(words: &str, first: &str) -> bool {
    words.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case(first))
}

/// The response code of a `NO`, in capitals: `[AUTHENTICATIONFAILED]` (RFC 5530).
pub fn response_code(words: &str) -> Option<String> {
    let (_, rest) = words.split_once('[')?;
    let code = rest.split([']', ' ']).next()?;
    Some(code.to_ascii_uppercase())
}

#[cfg(test)]
mod tests;
