//! What lies in the outbox, read as a recipient's mail program would.

use super::{Site, files_under};

/// One notice.
pub struct Notice {
    /// The request's uid, from the Message-ID.
    pub request: String,
    pub message_id: String,
    /// Without transfer encoding.
    pub text: String,
    pub file: std::path::PathBuf,
}

impl Notice {
    pub fn parse(file: std::path::PathBuf, message: &str) -> Self {
        let header = message.lines().find_map(|line| line.strip_prefix("Message-ID: <")).unwrap();
        let message_id = header.trim_end().trim_end_matches('>').to_owned();
        let request = message_id.split('.').next().unwrap().to_owned();
        Self { request, message_id, text: decoded(message), file }
    }

    /// The password in it.
    pub fn password(&self) -> Option<&str> {
        let line = self.text.lines().find_map(|line| line.strip_prefix("Kata sandi awal: "))?;
        Some(line.trim())
    }
}

/// Every notice in the outbox; nothing else is there.
pub fn notices(site: &Site) -> Vec<Notice> {
    let read = |path: std::path::PathBuf| {
        let message = std::fs::read_to_string(&path).unwrap();
        let notice = Notice::parse(path.clone(), &message);
        assert_eq!(path.file_name().unwrap().to_string_lossy(), format!("{}.eml", notice.message_id));
        notice
    };
    files_under(&site.path("outbox")).into_iter().map(read).collect()
}

/// Quoted-printable (RFC 2045 §6.7) undone.
fn decoded(message: &str) -> String {
    let joined = message.replace("=\r\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.filter(|_| byte == b'=').and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
