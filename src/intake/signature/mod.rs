//! Detached signatures on records: `NAME.sig`, made with `ssh-keygen -Y sign -n akund-request -f KEY NAME`.
//!
//! The format is OpenSSH's PROTOCOL.sshsig; who may sign is in an allowed-signers file (ssh-keygen(1), ALLOWED
//! SIGNERS). **A principal there is a role that the key may approve as**, for every procedure (`head`) or for one
//! (`head@uin-malang-email`); patterns and negation work as everywhere in OpenSSH:
//!
//! ```text
//! head@uin-malang-email,deputy namespaces="akund-request" ssh-ed25519 AAAA… head of the IT unit
//! ```
//!
//! Pure but for [`SignersFile`]: a signature is judged against the file's text at a given time.

mod allowed;
mod file;
mod pattern;

pub use allowed::{AllowedSigners, Signer};
pub use file::SignersFile;

use jiff::Timestamp;
use ssh_key::public::KeyData;
use ssh_key::{EcdsaCurve, HashAlg, LineEnding, PublicKey, SshSig};

/// The namespace that a record is signed in: a signature made for mail or for git is none on a record.
pub const NAMESPACE: &str = "akund-request";

/// The key that signed, and what it may approve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSigner {
    /// The principals field of each line that lists the key for this namespace and time: comma-separated patterns.
    pub principals: Vec<String>,
    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub key_fingerprint: String,
}

impl VerifiedSigner {
    /// Whether the key may approve as `role` in `procedure`: one line's patterns match `role` or `role@procedure`, and
    /// none of that line's negated patterns does.
    ///
    /// A role that contains `@` is held by nobody: it could pass for another procedure's.
    pub fn holds(&self, role: &str, procedure: &str) -> bool {
        if role.is_empty() || role.contains('@') {
            return false;
        }
        let here = format!("{role}@{procedure}");
        self.principals.iter().any(|list| pattern::list_allows(list, &[role, &here]))
    }
}

impl AllowedSigners {
    /// Judges the detached signature `sig_pem` over `message`, made in `namespace`, at the time `at`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the signature: its form, its namespace, its key, the key's validity, or
    /// that the record is not the one that was signed.
    pub fn verify(
        &self,
        message: &[u8],
        sig_pem: &str,
        namespace: &str,
        at: Timestamp,
    ) -> Result<VerifiedSigner, String> {
        let signature = read_signature(sig_pem)?;
        if signature.namespace() != namespace {
            return Err(format!(
                "the signature was made for namespace `{}`, not `{namespace}`: sign with `ssh-keygen -Y sign -n {namespace}`",
                shown(signature.namespace())
            ));
        }
        let key = signature.public_key();
        require_supported(key)?;
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let principals = self.principals_of(key, namespace, at).map_err(|why| format!("key {fingerprint} {why}"))?;
        PublicKey::from(key.clone()).verify(namespace, message, &signature).map_err(|_| {
            format!("the signature by key {fingerprint} is not over this content: the file was changed after signing, or NAME.sig belongs to another file")
        })?;
        Ok(VerifiedSigner { principals, key_fingerprint: fingerprint })
    }
}

fn read_signature(text: &str) -> Result<SshSig, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if !text.starts_with("-----BEGIN SSH SIGNATURE-----") {
        return Err("this is no OpenSSH signature: it must begin with `-----BEGIN SSH SIGNATURE-----`".into());
    }
    let damaged = |e: ssh_key::Error| format!("the OpenSSH signature is damaged ({e})");
    let signature = SshSig::from_pem(format!("{text}\n")).map_err(damaged)?;
    // Version and lengths are not among what is signed, and the decoder is lenient about them.
    let again = signature.to_pem(LineEnding::LF).map_err(damaged)?;
    let same = again.split_whitespace().flat_map(str::chars).eq(text.split_whitespace().flat_map(str::chars));
    if same && signature.version() == SshSig::VERSION {
        Ok(signature)
    } else {
        Err("the OpenSSH signature is damaged (its lengths or its version are not what they should be)".into())
    }
}

fn require_supported(key: &KeyData) -> Result<(), String> {
    match key {
        KeyData::Ed25519(_) => Ok(()),
        KeyData::Ecdsa(ecdsa) if ecdsa.curve() == EcdsaCurve::NistP256 => Ok(()),
        other => Err(format!(
            "a key of type {} cannot sign records; use one of type ed25519 or ecdsa-sha2-nistp256",
            shown(other.algorithm().as_str())
        )),
    }
}

/// Somebody else's text in a message: short and free of control characters.
fn shown(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(lists: &[&str]) -> VerifiedSigner {
        VerifiedSigner {
            principals: lists.iter().map(|s| (*s).to_owned()).collect(),
            key_fingerprint: "SHA256:x".into(),
        }
    }

    #[test]
    fn a_principal_is_a_role_everywhere_or_in_one_procedure() {
        for (lists, role, procedure, holds) in [
            (&["head"][..], "head", "uin", true),
            (&["head"], "Head", "uin", false),
            (&["head@uin"], "head", "uin", true),
            (&["head@uin"], "head", "other", false),
            (&["head,deputy"], "deputy", "uin", true),
            (&["head"], "deputy", "uin", false),
            (&["*@uin"], "anyone", "uin", true),
            (&["*@uin"], "anyone", "other", false),
            (&["head,!head@uin"], "head", "uin", false),
            (&["head,!head@uin"], "head", "other", true),
            (&["deputy", "head"], "head", "uin", true),
            (&["*"], "", "uin", false),
            (&["head@other"], "head@other", "uin", false),
            (&[], "head", "uin", false),
        ] {
            assert_eq!(signer(lists).holds(role, procedure), holds, "{lists:?} {role} {procedure}");
        }
    }

    #[test]
    fn what_is_no_signature_is_said_to_be_none_and_never_panics() {
        let signers = AllowedSigners::parse("f", "").unwrap();
        for text in [
            "",
            "garbage",
            "-----BEGIN SSH SIGNATURE-----",
            "-----BEGIN SSH SIGNATURE-----\n!!!\n-----END SSH SIGNATURE-----\n",
            "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n",
            "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAf////8=\n-----END SSH SIGNATURE-----\n",
        ] {
            let error = signers.verify(b"", text, NAMESPACE, Timestamp::UNIX_EPOCH).unwrap_err();
            assert!(error.contains("OpenSSH signature"), "{text}: {error}");
        }
    }
}
