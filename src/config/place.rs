//! Where a mail server is, and how the connection to it is protected.

use std::fmt;

/// A server, from a URL such as `imaps://mail.example.org`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    url: String,
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Protection of the connection.
    pub protection: Protection,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// STARTTLS, required.
    Starttls,
    /// Clear text, to this machine only.
    LoopbackOnly,
}

/// A URL's scheme, its port, and whether it is TLS from the first byte.
type Kind = (&'static str, u16, Protection);

/// IMAP's (RFC 8314 §3.2).
pub const IMAP: [Kind; 2] = [("imaps", 993, Protection::Tls), ("imap", 143, Protection::Starttls)];
/// Message submission's (RFC 8314 §3.3).
pub const SUBMISSION: [Kind; 2] = [("submissions", 465, Protection::Tls), ("submission", 587, Protection::Starttls)];

impl Place {
    /// Reads `SCHEME://HOST[:PORT]`. `starttls = false` asks for clear text where the scheme is not TLS from the first byte.
    ///
    /// # Errors
    /// What is wrong with it, as the rest of a sentence.
    pub fn parse(url: &str, kinds: &[Kind], starttls: Starttls) -> Result<Self, String> {
        let known =
            || kinds.iter().map(|(scheme, ..)| format!("{scheme}://HOST[:PORT]")).collect::<Vec<_>>().join(" or ");
        let wrong = || format!("{url:?} is not {}", known());
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let (_, usual, protection) =
            kinds.iter().find(|(known, ..)| known.eq_ignore_ascii_case(scheme)).copied().ok_or_else(wrong)?;
        let (host, port) = split(rest.trim_end_matches('/')).ok_or_else(wrong)?;
        let port = port.map_or(Some(usual), |text| text.parse().ok().filter(|p| *p > 0)).ok_or_else(wrong)?;
        let named = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
        if !named {
            return Err(wrong());
        }
        let protection = match (protection, starttls) {
            (Protection::Starttls, Starttls::Off) => Protection::LoopbackOnly,
            (as_is, _) => as_is,
        };
        Ok(Self { url: url.trim_end_matches('/').to_owned(), host: host.to_owned(), port, protection })
    }
}

/// Whether clear text is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starttls {
    /// STARTTLS where the scheme is not TLS from the first byte.
    Required,
    /// Clear text there; loopback only.
    Off,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// Host and port; an IPv6 address stands in brackets.
fn split(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest {
            "" => Some((host, None)),
            port => Some((host, Some(port.strip_prefix(':')?))),
        };
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_are_read_and_the_ports_are_the_usual_ones() {
        for (url, starttls, host, port, protection) in [
            ("imaps://mail.example.org", Starttls::Required, "mail.example.org", 993, Protection::Tls),
            ("imaps://mail.example.org", Starttls::Off, "mail.example.org", 993, Protection::Tls),
            ("imap://mail.example.org/", Starttls::Required, "mail.example.org", 143, Protection::Starttls),
            ("IMAP://127.0.0.1:1143", Starttls::Off, "127.0.0.1", 1143, Protection::LoopbackOnly),
            ("imap://[::1]", Starttls::Off, "::1", 143, Protection::LoopbackOnly),
            ("imaps://[2001:db8::1]:10993", Starttls::Required, "2001:db8::1", 10993, Protection::Tls),
        ] {
            let place = Place::parse(url, &IMAP, starttls).unwrap();
            assert_eq!((place.host.as_str(), place.port, place.protection), (host, port, protection), "{url}");
        }
        let place = Place::parse("submissions://smtp.example.org", &SUBMISSION, Starttls::Required).unwrap();
        assert_eq!((place.port, place.protection), (465, Protection::Tls));
    }

    #[test]
    fn what_is_no_such_url_is_told() {
        for url in [
            "mail.example.org",
            "http://x",
            "imaps://",
            "imaps://x:0",
            "imaps://x:port",
            "imaps://x:1:2",
            "imaps://[::1",
            "imaps://a b",
            "imaps://u@h",
        ] {
            let told = Place::parse(url, &IMAP, Starttls::Required).unwrap_err();
            assert!(told.contains("imaps://HOST[:PORT] or imap://HOST[:PORT]"), "{told}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(imaps?://)?\\PC{0,30}") {
            let _ = Place::parse(&text, &IMAP, Starttls::Required);
        }
    }
}
