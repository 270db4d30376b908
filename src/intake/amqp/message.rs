//! One message, and whose it is.

use super::{Queue, User};
use crate::intake::Handed;
use crate::intake::signature::{NAMESPACE, VerifiedSigner};
use crate::intake::spool::safe_name;
use jiff::Timestamp;
use lapin::Acker;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::AMQPValue;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The header with the detached signature over the body.
pub const SIGNATURE: &str = "akund-signature";
/// Its name where it has no message id.
const NAMELESS: &str = "message.json";
/// Longest name, bytes.
const NAME_MAX: usize = 200;

/// What reading a delivery gave.
pub enum Read {
    /// Bytes with provenance.
    Message(Message),
    /// Nothing that can be a record, and why: a sentence for its publisher.
    Bad(Message, String),
    /// Not now: its source's allowed signers cannot be read. Why.
    Later(Delivery, String),
}

/// A message's bytes, where they come from, and how to acknowledge it.
#[derive(Debug, Clone)]
pub struct Message {
    source: String,
    name: String,
    body: Arc<Vec<u8>>,
    size: u64,
    sha256: [u8; 32],
    received: Timestamp,
    signer: Option<VerifiedSigner>,
    signature: Option<Vec<u8>>,
    /// As the publisher set them.
    pub properties: BasicProperties,
    /// The exchange that it was published to.
    pub exchange: String,
    /// With this routing key.
    pub routing_key: String,
    /// Whether the broker may have delivered it before.
    pub redelivered: bool,
    /// Whether its dead letter was confirmed in this session. Clones share it.
    pub(super) set_aside: Arc<AtomicBool>,
    pub(super) acker: Acker,
}

/// Why a delivery is no [`Message`].
enum Fault {
    Bad(String),
    Later(String),
}

impl Queue {
    /// Whose a delivery is, and whether it can be a record at all. `now` is when. Blocks on the disk where the source needs
    /// signatures.
    pub fn read(&self, delivery: Delivery, now: Timestamp) -> Read {
        let user = delivery.properties.user_id().as_ref().and_then(|user| self.users.get(user.as_str()));
        let source = user.map_or(&self.name, |user| &user.source).clone();
        // A signature is read by somebody else's code: what that cannot bear is no reason to lose the message or its neighbours.
        let judged = catch_unwind(AssertUnwindSafe(|| self.judge(&delivery, user, now)))
            .unwrap_or_else(|_| Err(Fault::Bad("cannot be read by akund: report this message to its makers".into())));
        if let Err(Fault::Later(why)) = judged {
            return Read::Later(delivery, why);
        }
        let mut message = Message {
            source,
            name: name(delivery.properties.message_id().as_ref().map(lapin::types::ShortString::as_str)),
            size: delivery.data.len() as u64,
            sha256: Sha256::digest(&delivery.data).into(),
            body: Arc::new(delivery.data),
            received: now,
            signer: None,
            signature: header(&delivery.properties, SIGNATURE),
            exchange: delivery.exchange.to_string(),
            routing_key: delivery.routing_key.to_string(),
            redelivered: delivery.redelivered,
            set_aside: Arc::default(),
            properties: delivery.properties,
            acker: delivery.acker,
        };
        match judged {
            Ok(signer) => {
                message.signer = signer;
                Read::Message(message)
            }
            Err(Fault::Bad(why) | Fault::Later(why)) => {
                let reason = format!("`{}` {why}.", message.name);
                Read::Bad(message, reason)
            }
        }
    }

    /// Who signed it, where that is asked for.
    fn judge(&self, delivery: &Delivery, user: Option<&User>, now: Timestamp) -> Result<Option<VerifiedSigner>, Fault> {
        let Some(user) = user else {
            return Err(Fault::Bad(match delivery.properties.user_id() {
                Some(user) => format!("is of user {}, who may hand in nothing through this queue", shown(user.as_str())),
                None => "has no user_id: its publisher must set this property to the name with which it logs in to the broker, \
                         which compares the two"
                    .into(),
            }));
        };
        if let Some(why) = self.unfit(delivery) {
            return Err(Fault::Bad(why));
        }
        let Some(signers) = &user.signers else { return Ok(None) };
        let unsigned = |why: String| Fault::Bad(format!("is not taken without a good signature: {why}"));
        let signature = header(&delivery.properties, SIGNATURE).ok_or_else(|| {
            unsigned(format!(
                "the header {SIGNATURE} is missing (make it with `ssh-keygen -Y sign -n {NAMESPACE} -f KEY < BODY`)"
            ))
        })?;
        // The file's state is logged where it is read; until it is good again the message waits.
        let signers = signers.current().map_err(Fault::Later)?;
        signers.verify(&delivery.data, &String::from_utf8_lossy(&signature), NAMESPACE, now).map(Some).map_err(unsigned)
    }

    /// Why a body is not even looked into.
    fn unfit(&self, delivery: &Delivery) -> Option<String> {
        let most = self.config.max_bytes;
        if delivery.data.len() as u64 > most {
            return Some(format!("has {} bytes, more than the {most} that akund takes", delivery.data.len()));
        }
        let encoding = delivery.properties.content_encoding().as_ref()?.as_str().to_ascii_lowercase();
        let plain = ["", "utf-8", "utf8", "identity", "8bit", "binary"].contains(&encoding.as_str());
        (!plain)
            .then(|| format!("has the content encoding {}; expected JSON in UTF-8, not compressed", shown(&encoding)))
    }
}

/// A header's text or bytes.
fn header(properties: &BasicProperties, name: &str) -> Option<Vec<u8>> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.as_bytes().to_vec()),
        AMQPValue::ByteArray(bytes) => Some(bytes.as_slice().to_vec()),
        _ => None,
    }
}

/// A file's name for a message id: a record in JSON.
fn name(id: Option<&str>) -> String {
    let Some(id) = id.filter(|id| !id.is_empty()) else { return NAMELESS.to_owned() };
    let mut safe = safe_name(OsStr::new(id));
    safe.truncate(safe.floor_char_boundary(NAME_MAX));
    if safe.ends_with(".json") { safe } else { format!("{safe}.json") }
}

/// Somebody else's text in a sentence.
fn shown(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl Handed for Message {
    fn source(&self) -> &str {
        &self.source
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn bytes(&self) -> &[u8] {
        &self.body
    }
    fn size(&self) -> u64 {
        self.size
    }
    fn let_go(&mut self) {
        self.body = Arc::default();
    }
    fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
    fn received(&self) -> Timestamp {
        self.received
    }
    fn signer(&self) -> Option<&VerifiedSigner> {
        self.signer.as_ref()
    }
    fn again(&self) -> bool {
        self.redelivered
    }
    fn signature_bytes(&self) -> Option<&[u8]> {
        self.signature.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourceConfig;
    use crate::intake::signature::SignersFile;
    use lapin::types::{FieldTable, LongString, ShortString};
    use proptest::option;
    use proptest::prelude::*;

    fn queue() -> Queue {
        let dir = tempfile::tempdir().unwrap();
        let password = dir.path().join("password");
        std::fs::write(&password, "x").unwrap();
        let config = format!(
            "url = \"amqp://akund@127.0.0.1\"\nqueue = \"akund.requests\"\nmax_bytes = 100\npassword_file = {password:?}"
        );
        let source = SourceConfig {
            name: "siakad".into(),
            queue: Some("requests".into()),
            users: vec!["siakad-app".into()],
            ..SourceConfig::default()
        };
        Queue::configured("requests", &toml::from_str(&config).unwrap(), &[source]).unwrap()
    }

    fn delivery(properties: BasicProperties, body: &str) -> Delivery {
        let mut delivery = Delivery::mock(1, "".into(), "akund.requests".into(), false, body.into());
        delivery.properties = properties;
        delivery
    }

    #[test]
    fn a_message_is_its_users_and_what_no_source_names_is_refused() {
        let of = |properties, body: &str| match queue().read(delivery(properties, body), Timestamp::now()) {
            Read::Message(message) => (message.source().to_owned(), message.name().to_owned(), String::new()),
            Read::Bad(message, why) => (message.source().to_owned(), message.name().to_owned(), why),
            Read::Later(_, why) => panic!("{why}"),
        };
        let known = || BasicProperties::default().with_user_id("siakad-app".into());
        let (source, name, why) = of(known().with_message_id("B-1/2026".into()), "{}");
        assert_eq!((source.as_str(), name.as_str(), why.as_str()), ("siakad", "B-1%2F2026.json", ""));
        assert_eq!(of(known(), "{}").1, "message.json");
        for (properties, body, expected) in [
            (BasicProperties::default(), "{}".to_owned(), "has no user_id"),
            (BasicProperties::default().with_user_id("other\n".into()), "{}".to_owned(), "of user other\u{fffd},"),
            (known(), "x".repeat(101), "more than the 100"),
            (known().with_content_encoding("gzip".into()), "{}".to_owned(), "content encoding gzip"),
        ] {
            let (source, _, why) = of(properties.clone(), &body);
            assert!(why.contains(expected), "{why}");
            assert_eq!(source == "siakad", properties.user_id().as_ref().is_some_and(|u| u.as_str() == "siakad-app"));
        }
    }

    proptest! {
        /// Whatever a publisher writes: a message, or one that is given back with a reason.
        #[test]
        fn no_delivery_makes_reading_panic(
            user in option::of(prop_oneof![Just("siakad-app".to_owned()), "\\PC{0,64}"]),
            id in option::of(".{0,120}"),
            encoding in option::of(".{0,40}"),
            signature in prop_oneof![
                Just(Vec::new()),
                prop::collection::vec(any::<u8>(), 0..200),
                prop::collection::vec(any::<u8>(), 0..200).prop_map(armoured),
                prop::collection::vec(any::<u8>(), 0..200).prop_map(|rest| armoured([&b"SSHSIG\0\0\0\x01"[..], &rest].concat())),
            ],
            as_text in any::<bool>(),
            body in prop::collection::vec(any::<u8>(), 0..150),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let signers = dir.path().join("signers");
            std::fs::write(&signers, "head ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbVTOSUCqALbuCLg/8nKAi4N0tQmBJnGLHLnJSLB/kD\n").unwrap();
            let mut queue = queue();
            queue.users.values_mut().for_each(|user| user.signers = Some(SignersFile::new(&signers)));
            let mut properties = BasicProperties::default();
            type Set = fn(BasicProperties, ShortString) -> BasicProperties;
            for (value, set) in [
                (user, BasicProperties::with_user_id as Set),
                (id, BasicProperties::with_message_id),
                (encoding, BasicProperties::with_content_encoding),
            ] {
                if let Some(value) = value {
                    properties = set(properties, crate::amqp::short(&value));
                }
            }
            let value = match as_text {
                true => AMQPValue::LongString(LongString::from(signature)),
                false => AMQPValue::ByteArray(signature.into()),
            };
            let mut headers = FieldTable::default();
            headers.insert(SIGNATURE.into(), value);
            let mut delivery = delivery(properties.with_headers(headers), "");
            delivery.data = body;
            let user = delivery.properties.user_id().as_ref().and_then(|user| queue.users.get(user.as_str()));
            // Not through `read`, which would hide it.
            prop_assert!(queue.judge(&delivery, user, Timestamp::now()).is_err(), "nobody has signed this");
            let Read::Bad(message, reason) = queue.read(delivery, Timestamp::now()) else { panic!("it is not bad") };
            let letter = super::super::letter::dead_letter(&queue, &message, &reason);
            prop_assert_eq!(letter.body, message.bytes());
        }
    }

    fn armoured(bytes: Vec<u8>) -> Vec<u8> {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        format!("-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n").into_bytes()
    }

    #[test]
    fn a_names_end_says_json_whatever_the_message_id_says() {
        for (id, expected) in [
            (None, "message.json"),
            (Some(""), "message.json"),
            (Some("a.json"), "a.json"),
            (Some("a.csv"), "a.csv.json"),
        ] {
            assert_eq!(name(id), expected);
        }
        let long = name(Some(&"é/".repeat(80)));
        assert!(long.len() <= NAME_MAX + 5 && long.ends_with(".json"), "{long}");
    }
}
