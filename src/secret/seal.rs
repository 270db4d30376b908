//! Secrets at rest: sealed so that neither the journal's file nor a backup of it gives them away.
//!
//! Sealed data is `version (1) | key id (8) | nonce (24) | ciphertext and tag`, XChaCha20-Poly1305 under a key
//! derived (HKDF-SHA-256, RFC 5869) from the sealing key for the kind of secret. Header and purpose are authenticated: a
//! sealed secret copied to another row does not open.

use super::fill_random;
use crate::durable;
use crate::model::hex::hex;
use crate::model::{Credential, Fault, Scheme, Secret};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use zeroize::Zeroizing;

/// The name of the systemd credential that holds the key.
pub const CREDENTIAL: &str = "akund-key";

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
const HEADER_BYTES: usize = 1 + ID_BYTES;

/// The key under which secrets are sealed. Wiped when dropped; cannot be printed.
pub struct SealingKey {
    derive: Hkdf<Sha256>,
    id: [u8; ID_BYTES],
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingKey({})", self.key_id())
    }
}

impl SealingKey {
    /// The key: the file `akund-key` in `credential_dir` (systemd's `$CREDENTIALS_DIRECTORY`) if there is one,
    /// else `key_file`, which is made with mode 0600 if it is missing. Either holds 64 hex digits.
    ///
    /// # Errors
    /// A sentence saying what is wrong: unreadable, not 64 hex digits, a key file that others could read or own. A
    /// key is never made where one was expected but could not be read.
    pub fn load_or_make(credential_dir: Option<&Path>, key_file: &Path) -> Result<Self, String> {
        match Self::look(credential_dir, key_file)? {
            Some(key) => Ok(key),
            None => make_key(key_file),
        }
    }

    /// The key, if there is one already; makes nothing.
    ///
    /// # Errors
    /// As [`Self::load_or_make`].
    pub fn look(credential_dir: Option<&Path>, key_file: &Path) -> Result<Option<Self>, String> {
        if let Some(path) = credential_dir.map(|dir| dir.join(CREDENTIAL)) {
            match File::open(&path) {
                // systemd guards this directory itself; an ACL makes the mode look like group-readable.
                Ok(file) => return read_key(file, &path).map(Some),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(format!("the sealing key {} cannot be read: {e}", path.display())),
            }
        }
        match File::open(key_file) {
            Ok(file) => {
                check_private(&file, key_file)?;
                read_key(file, key_file).map(Some)
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(format!("the sealing key {} cannot be read: {e}", key_file.display())),
        }
    }

    fn from_bytes(bytes: &Zeroizing<[u8; KEY_BYTES]>) -> Result<Self, String> {
        let derive = Hkdf::<Sha256>::new(Some(b"akund sealing key"), bytes.as_slice());
        let mut id = [0u8; ID_BYTES];
        derive.expand(b"key id", &mut id).map_err(|e| format!("the sealing key cannot be used: {e}"))?;
        Ok(Self { derive, id })
    }

    /// A short digest that names the key and tells nothing about it: 16 hex digits.
    pub fn key_id(&self) -> String {
        hex(&self.id)
    }

    /// A token that only this key's holder can make for `what`: 32 hex digits.
    ///
    /// # Errors
    /// Permanent, where the key cannot be used.
    pub fn token(&self, what: &str) -> Result<String, Fault> {
        let mut token = [0u8; 16];
        self.derive
            .expand_multi_info(&[b"token", &[0], what.as_bytes()], &mut token)
            .map_err(|e| Fault::permanent(format!("the sealing key cannot be used: {e}")))?;
        Ok(hex(&token))
    }

    /// Seals `plain` for one purpose. The purpose names the place where the secret is kept, as in `REQUEST-UID|password`;
    /// it is authenticated, not stored, and what is behind the last `|` also picks the derived key.
    ///
    /// # Errors
    /// Transient, when the operating system gives no randomness.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut nonce = [0u8; NONCE_BYTES];
        fill_random(&mut nonce)?;
        let mut sealed = Vec::with_capacity(HEADER_BYTES + NONCE_BYTES + plain.len() + 16);
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.id);
        let aad = associated(&sealed, purpose);
        sealed.extend_from_slice(&nonce);
        let body = self
            .cipher(purpose)?
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad })
            .map_err(|_| Fault::permanent("a secret is too long to be sealed"))?;
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] made for the same purpose.
    ///
    /// # Errors
    /// Permanent, with a sentence that tells apart: no sealed data; sealed with another key (both ids are named); changed, or kept
    /// for another purpose.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let no_data =
            || Fault::permanent("a sealed secret cannot be opened: what is stored is not sealed data of this version");
        let (header, rest) = sealed.split_at_checked(HEADER_BYTES).ok_or_else(no_data)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(no_data)?;
        let (version, id) = header.split_first().ok_or_else(no_data)?;
        if *version != VERSION {
            return Err(no_data());
        }
        if id != self.id {
            return Err(Fault::permanent(format!(
                "a sealed secret cannot be opened: it was sealed with key {}, and the key in use is {}",
                hex(id),
                self.key_id()
            )));
        }
        self.cipher(purpose)?
            .decrypt(&XNonce::from(*nonce), Payload { msg: body, aad: &associated(header, purpose) })
            .map(Zeroizing::new)
            .map_err(|_| {
                Fault::permanent(
                    "a sealed secret cannot be opened: it was changed, or it was sealed for another request or field",
                )
            })
    }

    /// Seals a whole credential.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn seal_credential(&self, purpose: &str, credential: &Credential) -> Result<Vec<u8>, Fault> {
        self.seal(purpose, &encode(credential)?)
    }

    /// Opens what [`Self::seal_credential`] made for the same purpose.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_credential(&self, purpose: &str, sealed: &[u8]) -> Result<Credential, Fault> {
        decode(&self.open(purpose, sealed)?).ok_or_else(|| {
            Fault::permanent("a sealed credential cannot be read: it was sealed by another version of akund")
        })
    }

    fn cipher(&self, purpose: &str) -> Result<XChaCha20Poly1305, Fault> {
        let class = purpose.rsplit_once('|').map_or(purpose, |(_, class)| class);
        let mut key = Zeroizing::new([0u8; KEY_BYTES]);
        self.derive
            .expand_multi_info(&[b"seal ", class.as_bytes()], &mut *key)
            .map_err(|e| Fault::permanent(format!("deriving the key for a sealed {class}: {e}")))?;
        Ok(XChaCha20Poly1305::new((&*key).into()))
    }
}

fn associated(header: &[u8], purpose: &str) -> Vec<u8> {
    [header, purpose.as_bytes()].concat()
}

fn check_private(file: &File, path: &Path) -> Result<(), String> {
    let name = path.display();
    let meta = file.metadata().map_err(|e| format!("the sealing key {name} cannot be looked at: {e}"))?;
    let mode = meta.mode() & 0o7777;
    if !meta.is_file() {
        return Err(format!("the sealing key {name} is not a regular file"));
    }
    if mode & 0o077 != 0 {
        return Err(format!(
            "the sealing key {name} can be used by others (mode {mode:04o}): chmod 0600 it, and think about who has read it"
        ));
    }
    let me = nix::unistd::geteuid().as_raw();
    if meta.uid() != me && meta.uid() != 0 {
        return Err(format!(
            "the sealing key {name} belongs to user {}, neither root nor akund's own user {me}",
            meta.uid()
        ));
    }
    Ok(())
}

fn read_key(file: File, path: &Path) -> Result<SealingKey, String> {
    let name = path.display();
    let mut text = Zeroizing::new(Vec::with_capacity(256));
    file.take(256).read_to_end(&mut text).map_err(|e| format!("the sealing key {name} cannot be read: {e}"))?;
    let bytes = parse_hex(text.trim_ascii()).ok_or_else(|| {
        format!("the sealing key {name} is not 64 hex digits (it has {} characters)", text.trim_ascii().len())
    })?;
    SealingKey::from_bytes(&bytes)
}

fn make_key(path: &Path) -> Result<SealingKey, String> {
    let name = path.display();
    let mut bytes = Zeroizing::new([0u8; KEY_BYTES]);
    fill_random(&mut *bytes).map_err(|e| format!("the sealing key {name} cannot be made: {}", e.message))?;
    let mut text = Zeroizing::new(hex(&*bytes));
    text.push('\n');
    durable::replace(path, text.as_bytes(), 0o600)
        .map_err(|e| format!("the sealing key {name} cannot be made: {e}"))?;
    let key = SealingKey::from_bytes(&bytes)?;
    // Read back: a file system that loses modes (or bytes) is found out now, not when the key is needed.
    let made = fs::File::open(path).map_err(|e| format!("the sealing key {name} was made and cannot be read: {e}"))?;
    check_private(&made, path)?;
    match read_key(made, path)? {
        back if back.id == key.id => Ok(key),
        _ => Err(format!("the sealing key {name} was made and reads back differently")),
    }
}

fn parse_hex(text: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    if text.len() != 2 * KEY_BYTES {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut bytes = Zeroizing::new([0u8; KEY_BYTES]);
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = (digit(*pair.first()?)? << 4) | digit(*pair.get(1)?)?;
    }
    Some(bytes)
}

const ENCODING: u8 = 1;

/// `1 | password | (scheme | hash)…`, each text with its length as two bytes before it.
fn encode(credential: &Credential) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let texts = std::iter::once(&credential.password).chain(credential.hashes.iter().map(|(_, hash)| hash));
    // Reserved whole, so that growing leaves no copy behind.
    let mut out = Zeroizing::new(Vec::with_capacity(1 + texts.map(|t| t.expose().len() + 3).sum::<usize>()));
    out.push(ENCODING);
    put_text(&mut out, &credential.password)?;
    for (scheme, hash) in &credential.hashes {
        out.push(scheme_byte(*scheme));
        put_text(&mut out, hash)?;
    }
    Ok(out)
}

fn put_text(out: &mut Vec<u8>, text: &Secret) -> Result<(), Fault> {
    let text = text.expose().as_bytes();
    let length = u16::try_from(text.len()).map_err(|_| Fault::permanent("a secret is too long to be sealed"))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text);
    Ok(())
}

fn decode(bytes: &[u8]) -> Option<Credential> {
    let (version, rest) = bytes.split_first()?;
    if *version != ENCODING {
        return None;
    }
    let (password, mut rest) = take_text(rest)?;
    let mut hashes = Vec::new();
    while let Some((scheme, after)) = rest.split_first() {
        let (hash, after) = take_text(after)?;
        hashes.push((scheme_of(*scheme)?, hash));
        rest = after;
    }
    Some(Credential { password, hashes })
}

fn take_text(bytes: &[u8]) -> Option<(Secret, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let text: Box<str> = std::str::from_utf8(text).ok()?.into();
    Some((Secret::new(text), rest))
}

/// Fixed: sealed credentials outlive a version of akund.
fn scheme_byte(scheme: Scheme) -> u8 {
    match scheme {
        Scheme::Sha512Crypt => 1,
        Scheme::Ssha512 => 2,
        Scheme::NtHash => 3,
        Scheme::Bcrypt => 4,
        Scheme::Argon2id => 5,
    }
}

fn scheme_of(byte: u8) -> Option<Scheme> {
    let known = [Scheme::Sha512Crypt, Scheme::Ssha512, Scheme::NtHash, Scheme::Bcrypt, Scheme::Argon2id];
    known.into_iter().find(|s| scheme_byte(*s) == byte)
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
