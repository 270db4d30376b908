//! Until when the certificates of the servers that akund connected to are valid, for the metrics.
//!
//! One registry for the process, by the name that the certificate had to carry and the port: these come from the configuration, so
//! that there are few. A resumed session shows no certificate; what was seen before stays.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// More servers than any configuration names.
const MOST: usize = 256;

static SEEN: Mutex<BTreeMap<String, i64>> = Mutex::new(BTreeMap::new());

/// Notes the certificate that a server has shown. One that cannot be read is not noted.
pub fn saw(host: &str, port: u16, certificate: &[u8]) {
    let Some(until) = not_after(certificate) else { return };
    let server = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() < MOST || seen.contains_key(&server) {
        seen.insert(server, until);
    }
}

/// Every server (`HOST:PORT`) whose certificate was seen, and until when that is valid (Unix time, seconds).
pub fn seen() -> Vec<(String, i64)> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.iter().map(|(server, until)| (server.clone(), *until)).collect()
}

/// By file, when each of what it holds ends.
static FILES: Mutex<BTreeMap<PathBuf, Vec<i64>>> = Mutex::new(BTreeMap::new());

/// Notes when what a file of the configuration holds ends (Unix time, seconds), in place of what was noted of it before. The ends of
/// those keys or certificates that have none are left out.
pub fn file_ends(file: &Path, ends: Vec<i64>) {
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    if files.len() < MOST || files.contains_key(file) {
        files.insert(file.to_owned(), ends);
    }
}

/// Every file that holds something with an end, and when the next of it ends; where all has ended, when the last did.
pub fn files_that_end(now: i64) -> Vec<(PathBuf, i64)> {
    let files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let next = |ends: &Vec<i64>| ends.iter().filter(|end| **end > now).min().or(ends.iter().max()).copied();
    files.iter().filter_map(|(file, ends)| Some((file.clone(), next(ends)?))).collect()
}

/// Notes the certificates in a PEM file.
pub(super) fn pem_ends(file: &Path, pem: &[u8]) {
    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    file_ends(file, certificates.filter_map(|certificate| not_after(&certificate)).collect());
}

/// Notes what it is shown, also what it then refuses: a certificate that has expired is the one that somebody looks for.
#[derive(Debug)]
pub(super) struct Noting {
    /// What verifies.
    pub verifier: Arc<dyn ServerCertVerifier>,
    /// Of the server.
    pub port: u16,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        saw(&server_name.to_str(), self.port, end_entity);
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// `notAfter` of a certificate (RFC 5280 §4.1): Certificate { tbsCertificate { [0] version, serialNumber, signature, issuer,
/// validity { notBefore, notAfter }, … } … }.
fn not_after(certificate: &[u8]) -> Option<i64> {
    const SEQUENCE: u8 = 0x30;
    let (_, whole, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut rest, _) = element(whole).filter(|(tag, ..)| *tag == SEQUENCE)?;
    if element(rest)?.0 == 0xa0 {
        rest = element(rest)?.2;
    }
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, _, after) = element(validity)?;
    let (tag, text, _) = element(after)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// Tag, content and what follows (X.690 §8.1, definite lengths of at most four bytes).
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// UTCTime `YYMMDDHHMMSSZ` (years 1950 to 2049) or GeneralizedTime `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5).
fn time(tag: u8, text: &str) -> Option<i64> {
    let (year, rest) = match tag {
        0x17 => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { year + 2000 } else { year + 1900 }, rest)
        }
        0x18 => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let digits =
        rest.strip_suffix('Z').filter(|digits| digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_digit()))?;
    let two = |place: usize| digits.get(place..place + 2)?.parse::<i8>().ok();
    let (month, day, hour, minute, second) = (two(0)?, two(2)?, two(4)?, two(6)?, two(8)?);
    let moment = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    moment.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn certificate(year: i32) -> CertificateDer<'static> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["ldap.example.org".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 3, 9);
        parameters.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn the_last_day_is_read_before_and_after_2050() {
        // date -ud 2031-03-09 +%s, date -ud 2055-03-09 +%s
        for (year, wanted) in [(2031, 1_930_780_800), (2055, 2_688_163_200)] {
            assert_eq!(not_after(&certificate(year)), Some(wanted), "{year}");
        }
    }

    #[test]
    fn what_a_server_shows_is_noted_also_when_it_is_refused() {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate(2040)).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let verify = |host: &'static str, port: u16, until: i32| {
            let noting = Noting { verifier: verifier.clone(), port };
            let name = ServerName::try_from(host).unwrap();
            assert!(noting.verify_server_cert(&certificate(until), &[], &name, &[], UnixTime::now()).is_err());
        };
        verify("noted.example.org", 636, 2031);
        // Another server of the same host has another certificate.
        verify("noted.example.org", 993, 2055);
        verify("2001:db8::1", 993, 2031);
        for (server, until) in [
            ("noted.example.org:636", 1_930_780_800),
            ("noted.example.org:993", 2_688_163_200),
            ("[2001:db8::1]:993", 1_930_780_800),
        ] {
            assert!(seen().contains(&(server.to_owned(), until)), "{server}");
        }
    }

    #[test]
    fn of_a_file_the_next_end_counts_and_when_all_have_ended_the_last() {
        let file = Path::new("/nonexistent/ca.pem");
        let known = |now: i64| files_that_end(now).into_iter().find(|(known, _)| known == file).map(|(_, end)| end);
        file_ends(file, vec![30, 10, 20]);
        assert_eq!([5, 10, 25, 40].map(known), [Some(10), Some(20), Some(30), Some(30)]);
        file_ends(file, Vec::new());
        assert_eq!(known(5), None, "what has no end is not shown");
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_certificate_give_nothing_and_break_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = not_after(&bytes);
        }

        #[test]
        fn a_certificate_that_is_cut_gives_nothing(cut in 0_usize..150) {
            let whole = certificate(2031);
            prop_assert_eq!(not_after(whole.get(..cut).unwrap()), None);
        }
    }
}
