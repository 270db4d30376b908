//! TLS towards servers (RFC 8314, RFC 4513 §3): version 1.2 or later, certificates always verified, one provider.

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::BuilderVerifierExt;
use std::path::Path;
use std::sync::Arc;

/// What a client must hold against a server's certificate. With `ca_file` (PEM), the CAs in it alone are trusted; without, the
/// system's.
///
/// # Errors
/// A sentence: a file that cannot be read or holds no certificate, or a system without CAs.
pub fn client(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS cannot be set up: {e}"))?;
    let builder = match ca_file {
        Some(path) => builder.with_root_certificates(authorities(path)?),
        None => {
            builder.with_platform_verifier().map_err(|e| format!("TLS cannot be set up with the system's CAs: {e}"))?
        }
    };
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// Every certificate of the file; one that cannot be used spoils it all, so that none is missed silently.
fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let broken = |cause: String| format!("ca_file {}: {cause}", path.display());
    let pem = std::fs::read(path).map_err(|e| broken(e.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| broken(format!("is not PEM: {e}")))?;
        roots.add(certificate).map_err(|e| broken(format!("holds a certificate that cannot be used: {e}")))?;
    }
    if roots.is_empty() { Err(broken("holds no certificate in PEM form".into())) } else { Ok(roots) }
}
