//! RADIUS packets as a client makes and reads them: RFC 2865 §3 and §5, RFC 3579 §3.2 (Message-Authenticator),
//! RFC 5176 §2.3 (Disconnect and CoA). Pure.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

/// Longest packet (RFC 2865 §3).
const LONGEST: usize = 4096;
const HEADER: usize = 20;

/// Codes of packets (RFC 2865 §3, RFC 5176 §2.3, RFC 5997).
pub mod code {
    #![allow(missing_docs, reason = "the names are the RFCs' own")]
    pub const ACCESS_REQUEST: u8 = 1;
    pub const ACCESS_ACCEPT: u8 = 2;
    pub const ACCESS_REJECT: u8 = 3;
    pub const ACCESS_CHALLENGE: u8 = 11;
    pub const STATUS_SERVER: u8 = 12;
    pub const DISCONNECT_REQUEST: u8 = 40;
    pub const DISCONNECT_ACK: u8 = 41;
    pub const DISCONNECT_NAK: u8 = 42;
    pub const COA_REQUEST: u8 = 43;
    pub const COA_ACK: u8 = 44;
    pub const COA_NAK: u8 = 45;
}

/// Numbers of attributes (RFC 2865 §5, RFC 2869 §5, RFC 5176 §3.5).
pub mod attribute {
    #![allow(missing_docs, reason = "the names are the RFCs' own")]
    pub const USER_NAME: u8 = 1;
    pub const USER_PASSWORD: u8 = 2;
    pub const REPLY_MESSAGE: u8 = 18;
    pub const VENDOR_SPECIFIC: u8 = 26;
    pub const SESSION_TIMEOUT: u8 = 27;
    pub const NAS_IDENTIFIER: u8 = 32;
    pub const EVENT_TIMESTAMP: u8 = 55;
    pub const NAS_PORT_TYPE: u8 = 61;
    pub const MESSAGE_AUTHENTICATOR: u8 = 80;
    pub const ERROR_CAUSE: u8 = 101;
}

/// Why a packet cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is longer than RADIUS can carry")]
pub struct TooLong(pub &'static str);

/// Attributes in the order in which they go out.
#[derive(Debug, Default, Clone)]
pub struct Attributes(Zeroizing<Vec<u8>>);

impl Attributes {
    /// Adds one; `what` names it if its value is longer than 253 bytes.
    ///
    /// # Errors
    /// A value that is too long.
    pub fn add(mut self, kind: u8, value: &[u8], what: &'static str) -> Result<Self, TooLong> {
        let length = u8::try_from(value.len() + 2).map_err(|_| TooLong(what))?;
        self.0.extend_from_slice(&[kind, length]);
        self.0.extend_from_slice(value);
        Ok(self)
    }

    /// Adds all of these.
    pub fn with(mut self, more: &Self) -> Self {
        self.0.extend_from_slice(&more.0);
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one of a vendor's, in the format that RFC 2865 §5.26 recommends.
    ///
    /// # Errors
    /// A value that is too long.
    pub fn add_vendors(self, vendor: u32, kind: u8, value: &[u8], what: &'static str) -> Result<Self, TooLong> {
        let length = u8::try_from(value.len() + 2).map_err(|_| TooLong(what))?;
        let mut inner = Zeroizing::new(vendor.to_be_bytes().to_vec());
        inner.extend_from_slice(&[kind, length]);
        inner.extend_from_slice(value);
        self.add(attribute::VENDOR_SPECIFIC, &inner, what)
    }
}

/// A request as it goes out, each time it is repeated the same.
#[derive(Debug)]
pub struct Request {
    bytes: Zeroizing<Vec<u8>>,
    authenticator: [u8; 16],
}

impl Request {
    /// An Access-Request or Status-Server: `authenticator` is random (RFC 2865 §3), Message-Authenticator the first attribute.
    ///
    /// # Errors
    /// Attributes that are too long together.
    pub fn access(
        code: u8,
        identifier: u8,
        authenticator: [u8; 16],
        attributes: &Attributes,
        secret: &[u8],
    ) -> Result<Self, TooLong> {
        let mut bytes = unsigned(code, identifier, authenticator, attributes)?;
        sign_message(&mut bytes, secret);
        Ok(Self { bytes, authenticator })
    }

    /// A Disconnect-Request or CoA-Request: the authenticator is a hash over the packet (RFC 5176 §2.3), made after the
    /// Message-Authenticator, which is computed with sixteen zero bytes in its place (RFC 5176 §3.4).
    ///
    /// # Errors
    /// Attributes that are too long together.
    pub fn change(code: u8, identifier: u8, attributes: &Attributes, secret: &[u8]) -> Result<Self, TooLong> {
        let mut bytes = unsigned(code, identifier, [0; 16], attributes)?;
        sign_message(&mut bytes, secret);
        let authenticator: [u8; 16] = Md5::new().chain_update(&*bytes).chain_update(secret).finalize().into();
        bytes[4..HEADER].copy_from_slice(&authenticator);
        Ok(Self { bytes, authenticator })
    }

    /// The datagram.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads a datagram as the answer to this request.
    ///
    /// `signed`: it must carry a Message-Authenticator, without which an answer can be forged (CVE-2024-3596); where it
    /// carries one, it must be right in any case.
    ///
    /// # Errors
    /// Why it is not the answer.
    pub fn answer(&self, datagram: &[u8], secret: &[u8], signed: Signed) -> Result<Reply, NoAnswer> {
        let (Some([code, identifier, high, low]), Some(theirs)) =
            (datagram.first_chunk::<4>(), datagram.get(4..HEADER))
        else {
            return Err(NoAnswer::Malformed);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        // Bytes beyond the length are padding (RFC 2865 §3).
        let Some(packet) = datagram.get(..length).filter(|_| (HEADER..=LONGEST).contains(&length)) else {
            return Err(NoAnswer::Malformed);
        };
        if Some(identifier) != self.bytes.get(1) {
            return Err(NoAnswer::Malformed);
        }
        let attributes = split(&packet[HEADER..]).ok_or(NoAnswer::Malformed)?;
        let expected = Md5::new()
            .chain_update(&packet[..4])
            .chain_update(self.authenticator)
            .chain_update(&packet[HEADER..])
            .chain_update(secret)
            .finalize();
        if !equal(&expected, theirs) {
            return Err(NoAnswer::OtherSecret);
        }
        self.check_message(packet, secret, signed)?;
        Ok(Reply { code: *code, attributes })
    }

    fn check_message(&self, packet: &[u8], secret: &[u8], signed: Signed) -> Result<(), NoAnswer> {
        let Some(at) = message_authenticator(packet) else {
            return if signed == Signed::Required { Err(NoAnswer::Unsigned) } else { Ok(()) };
        };
        let Some(theirs) = packet.get(at..at + 16) else { return Err(NoAnswer::Malformed) };
        let mut copy = packet.to_vec();
        copy[4..HEADER].copy_from_slice(&self.authenticator);
        copy[at..at + 16].fill(0);
        if equal(&hmac_md5(secret, &copy), theirs) { Ok(()) } else { Err(NoAnswer::OtherSecret) }
    }
}

/// Whether an answer must carry a Message-Authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// Answers to Access-Request and Status-Server.
    Required,
    /// Answers to Disconnect and CoA (RFC 5176 §3.4: it may).
    IfThere,
}

/// Why a datagram is not the answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// No RADIUS packet, or one for another request.
    Malformed,
    /// Signed with another secret, or changed on the way.
    OtherSecret,
    /// Without the Message-Authenticator that it must have.
    Unsigned,
}

/// An answer that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its code.
    pub code: u8,
    attributes: Vec<(u8, Vec<u8>)>,
}

impl Reply {
    /// All Reply-Messages as one text (RFC 2865 §5.18).
    pub fn message(&self) -> String {
        let texts = self.of_kind(attribute::REPLY_MESSAGE).map(String::from_utf8_lossy);
        texts.collect::<Vec<_>>().join(" ")
    }

    /// Error-Cause (RFC 5176 §3.5).
    pub fn error_cause(&self) -> Option<u32> {
        let value = self.of_kind(attribute::ERROR_CAUSE).next()?;
        value.try_into().ok().map(u32::from_be_bytes)
    }

    /// The first value of a vendor's attribute.
    pub fn vendors(&self, vendor: u32, kind: u8) -> Option<&[u8]> {
        self.of_kind(attribute::VENDOR_SPECIFIC).find_map(|value| {
            let inner = value.strip_prefix(&vendor.to_be_bytes())?;
            split_borrowed(inner).find(|(found, _)| *found == kind).map(|(_, value)| value)
        })
    }

    fn of_kind(&self, kind: u8) -> impl Iterator<Item = &[u8]> {
        self.attributes.iter().filter(move |(found, _)| *found == kind).map(|(_, value)| value.as_slice())
    }
}

/// A password as User-Password carries it (RFC 2865 §5.2).
///
/// # Errors
/// More than 128 bytes.
pub fn hidden_password(
    password: &[u8],
    authenticator: &[u8; 16],
    secret: &[u8],
) -> Result<Zeroizing<Vec<u8>>, TooLong> {
    if password.len() > 128 {
        return Err(TooLong("the password"));
    }
    let mut hidden = Zeroizing::new(vec![0; password.len().div_ceil(16).max(1) * 16]);
    hidden[..password.len()].copy_from_slice(password);
    let mut before: [u8; 16] = *authenticator;
    for block in hidden.chunks_exact_mut(16) {
        let pad = Md5::new().chain_update(secret).chain_update(before).finalize();
        for (byte, pad) in block.iter_mut().zip(pad) {
            *byte ^= pad;
        }
        before.copy_from_slice(block);
    }
    Ok(hidden)
}

/// Header and attributes, with the Message-Authenticator first (draft-ietf-radext-deprecating-radius §5.2) and still zero.
fn unsigned(
    code: u8,
    identifier: u8,
    authenticator: [u8; 16],
    attributes: &Attributes,
) -> Result<Zeroizing<Vec<u8>>, TooLong> {
    let length = HEADER + 18 + attributes.0.len();
    let stated = u16::try_from(length).ok().filter(|_| length <= LONGEST).ok_or(TooLong("the request"))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    bytes.extend_from_slice(&[code, identifier]);
    bytes.extend_from_slice(&stated.to_be_bytes());
    bytes.extend_from_slice(&authenticator);
    bytes.extend_from_slice(&[attribute::MESSAGE_AUTHENTICATOR, 18]);
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&attributes.0);
    Ok(bytes)
}

/// Fills the Message-Authenticator that [`unsigned`] has put first.
fn sign_message(bytes: &mut [u8], secret: &[u8]) {
    let signature = hmac_md5(secret, bytes);
    bytes[HEADER + 2..HEADER + 18].copy_from_slice(&signature);
}

/// RFC 2104. A key of any length will do.
fn hmac_md5(key: &[u8], message: &[u8]) -> [u8; 16] {
    // Only a key length could be refused, and none is: an all-zero signature would be verified by nobody.
    Hmac::<Md5>::new_from_slice(key).map_or([0; 16], |mac| mac.chain_update(message).finalize().into_bytes().into())
}

/// In constant time.
fn equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Where the value of a Message-Authenticator of the right length begins in a packet.
fn message_authenticator(packet: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    while let Some([kind, length]) = packet.get(at..at + 2) {
        if *kind == attribute::MESSAGE_AUTHENTICATOR {
            return Some(at + 2).filter(|_| *length == 18);
        }
        at += usize::from(*length).max(2);
    }
    None
}

/// The attributes of a packet; none if one does not fit.
fn split(bytes: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut covered = 0;
    let all: Vec<(u8, Vec<u8>)> = split_borrowed(bytes)
        .inspect(|(_, value)| covered += value.len() + 2)
        .map(|(kind, value)| (kind, value.to_vec()))
        .collect();
    (covered == bytes.len()).then_some(all)
}

/// Up to the first that does not fit.
fn split_borrowed(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let [kind, length] = *bytes.first_chunk::<2>()?;
        let value = bytes.get(2..usize::from(length))?;
        bytes = bytes.get(usize::from(length)..)?;
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests;
