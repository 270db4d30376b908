//! TLS as a client, set up in one place: rustls on aws-lc-rs, TLS 1.2 or later (RFC 8314 §4), and either the system's CAs or,
//! with a `ca_file`, the CAs in that file alone.

mod expiry;
mod mail;

pub use expiry::{file_ends, files_that_end, saw, seen};
pub use mail::MailGlance;

use crate::model::said::tidy;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// What a connection needs to be protected and the server's certificate verified. Make one per server and share it: it
/// keeps the sessions that later connections resume. By `port` its certificate is known in the metrics.
///
/// # Errors
/// A sentence: a `ca_file` that cannot be read, holds no certificate or holds one that cannot be used; no CAs of the system's.
pub fn client_config(ca_file: Option<&Path>, port: u16) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map_err(|e| format!("TLS cannot be set up: {e}"))?;
    let verifier: Arc<dyn ServerCertVerifier> = match ca_file {
        Some(path) => WebPkiServerVerifier::builder_with_provider(Arc::new(private_roots(path)?), provider)
            .build()
            .map_err(|e| unusable(path, &e.to_string()))?,
        None => Arc::new(rustls_platform_verifier::Verifier::new(provider).map_err(no_system_cas)?),
    };
    // Verifies as `verifier` does, and notes until when the certificate is valid.
    let config = builder.dangerous().with_custom_certificate_verifier(Arc::new(expiry::Noting { verifier, port }));
    Ok(Arc::new(config.with_no_client_auth()))
}

/// The same for lettre's connections, which set TLS up themselves; `host` is what the certificate must name.
///
/// # Errors
/// As [`client_config`].
pub fn smtp_parameters(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, String> {
    let builder = TlsParameters::builder(host.to_owned());
    let builder = match ca_file {
        None => builder,
        Some(path) => {
            let certificate = Certificate::from_pem(&read_pem(path)?).map_err(|e| unusable(path, &e.to_string()))?;
            builder.certificate_store(CertificateStore::None).add_root_certificate(certificate)
        }
    };
    builder.build().map_err(|e| match ca_file {
        Some(path) => unusable(path, &e.to_string()),
        None => no_system_cas(e),
    })
}

/// What a server's certificate must name: a host name or an IP address.
///
/// # Errors
/// A sentence, for text that is neither.
pub fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(host.to_owned()).map_err(|_| format!("{host:?} is neither a host name nor an IP address"))
}

/// What to say of a handshake that failed.
pub fn explain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => {
            let (state, advice) = distrusted(why);
            format!("shows a certificate that {state} ({}); {advice}", tidy(&why.to_string(), ""))
        }
        other => format!("could not agree on TLS: {}", tidy(&other.to_string(), "")),
    }
}

/// What is wrong with a certificate, and what to do.
fn distrusted(why: &CertificateError) -> (&'static str, &'static str) {
    use CertificateError as E;
    match why {
        E::Expired | E::ExpiredContext { .. } => {
            ("is not trusted any more", "renew it at that server, unless it is this machine's clock that is wrong")
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            ("is not valid yet", "look whether this machine's clock is right")
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => (
            "is not for this host",
            "set the host to a name that it carries, or give that server a certificate for this one",
        ),
        // webpki's, which rustls passes on as they are.
        E::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => (
            "is not trusted, being a CA's own",
            "give that server a certificate which its CA has issued, and set ca_file to the CA",
        ),
        _ => ("is not trusted", "set ca_file to its CA"),
    }
}

/// What to say of a handshake that failed, where the port may be one without TLS: `port` asks for that. Of a certificate that is not
/// trusted it says nothing, for then TLS was spoken.
pub fn explain_at(error: &(dyn std::error::Error + 'static), port: &str) -> String {
    match cause_among(error) {
        Some(cause @ rustls::Error::InvalidCertificate(_)) => explain(cause),
        Some(cause) => format!("{}; {port}", explain(cause)),
        None => format!("closed the connection before TLS stood ({error}); {port}"),
    }
}

/// The TLS error inside an error of input and output, where there is one.
pub fn cause_of(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// The TLS error among an error's causes, where there is one.
pub fn cause_among<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(cause) = next {
        let inner = cause.downcast_ref::<std::io::Error>().and_then(cause_of);
        if let Some(failed) = cause.downcast_ref::<rustls::Error>().or(inner) {
            return Some(failed);
        }
        next = cause.source();
    }
    None
}

/// Every certificate in the file, or an error: one that is left out unseen would only show when a server is not trusted.
fn private_roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&read_pem(path)?) {
        let certificate = certificate.map_err(|e| unusable(path, &e.to_string()))?;
        roots.add(certificate).map_err(|e| unusable(path, &e.to_string()))?;
    }
    Ok(roots)
}

fn read_pem(path: &Path) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(path).map_err(|e| format!("ca_file {}: {e}", path.display()))?;
    if !pem.windows(27).any(|w| w == b"-----BEGIN CERTIFICATE-----") {
        return Err(format!("ca_file {}: holds no certificate in PEM form", path.display()));
    }
    expiry::pem_ends(path, &pem);
    Ok(pem)
}

fn unusable(path: &Path, cause: &str) -> String {
    format!("ca_file {}: cannot be used: {cause}", path.display())
}

fn no_system_cas(cause: impl std::fmt::Display) -> String {
    format!("TLS cannot be set up with the system's CAs: {cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn certificate() -> String {
        rcgen::generate_simple_self_signed(["ca.example.org".to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn a_file_with_one_certificate_that_cannot_be_read_is_refused_whole() {
        let good = certificate();
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(client_config(Some(file(&good).path()), 636).is_ok());
        assert!(client_config(Some(file(&format!("{good}{good}")).path()), 636).is_ok());
        for text in [format!("{good}{broken}"), broken.to_owned(), "no certificate".to_owned(), String::new()] {
            let told = client_config(Some(file(&text).path()), 636).unwrap_err();
            assert!(told.starts_with("ca_file /"), "{told}");
        }
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        for told in [
            client_config(Some(Path::new("/nonexistent/ca.pem")), 636).map(|_| ()).unwrap_err(),
            smtp_parameters("mail.example.org", Some(Path::new("/nonexistent/ca.pem"))).map(|_| ()).unwrap_err(),
        ] {
            assert!(told.contains("/nonexistent/ca.pem") && told.contains("No such file"), "{told}");
        }
    }

    /// What is said of a server's certificate, which a CA of ours has issued unless it is that CA's own.
    fn said_of(name: &str, years: (i32, i32), own: bool) -> String {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut authority = CertificateParams::new([name.to_owned()]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = authority.self_signed(&key).unwrap();
        let mut shown = CertificateParams::new([name.to_owned()]).unwrap();
        (shown.not_before, shown.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        let issued = shown.signed_by(&KeyPair::generate().unwrap(), &Issuer::new(authority, &key)).unwrap();
        let roots = private_roots(file(&ca.pem()).path()).unwrap();
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let shown = if own { ca.der() } else { issued.der() };
        let host = server_name("ldap.example.org").unwrap();
        match verifier.verify_server_cert(shown, &[], &host, &[], rustls::pki_types::UnixTime::now()) {
            Ok(_) => String::new(),
            Err(error) => explain(&error),
        }
    }

    #[test]
    fn each_fault_of_a_certificate_has_its_own_advice() {
        let host = "ldap.example.org";
        assert_eq!(said_of(host, (2020, 2090), false), "");
        for (told, state, advice) in [
            (said_of(host, (2020, 2021), false), "is not trusted any more", "renew it"),
            (said_of(host, (2080, 2090), false), "is not valid yet", "clock"),
            (said_of("mail.example.org", (2020, 2090), false), "is not for this host", "mail.example.org"),
            (said_of(host, (2020, 2090), true), "a CA's own", "which its CA has issued"),
            (explain(&CertificateError::UnknownIssuer.into()), "is not trusted (", "set ca_file to its CA"),
        ] {
            assert!(
                told.starts_with("shows a certificate that ") && told.contains(state) && told.contains(advice),
                "{told}"
            );
        }
    }
}
