use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::path::{Path, PathBuf};

/// A private CA and a certificate of a server on 127.0.0.1 from it, as PEM files in a directory.
pub struct Authority {
    /// The CA's certificate, `ca.pem`.
    pub ca: PathBuf,
}

impl Authority {
    /// Makes `ca.pem`, `server.pem` and `server.key`.
    pub fn new(dir: &Path) -> Self {
        Self::naming(dir, &["localhost", "127.0.0.1"])
    }

    /// With other names in the server's certificate.
    pub fn naming(dir: &Path, names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "akund's tests");
        let ca = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let server_key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = params.signed_by(&server_key, &issuer).unwrap();
        super::write(&dir.join("ca.pem"), &ca.pem());
        super::write(&dir.join("server.pem"), &server.pem());
        super::write(&dir.join("server.key"), &server_key.serialize_pem());
        Self { ca: dir.join("ca.pem") }
    }
}
