//! A broker, its users, and the applications that hand in.

use crate::daemon::{Setup, Site};
use crate::peers::RabbitMq;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Connection};
use std::fmt::Write as _;

/// Permissions as config/examples/rabbitmq/README.md gives them.
pub const AKUND: [&str; 3] = ["^akund\\.", "^akund\\.", "^akund\\."];
/// May publish to the default exchange only, and so into any queue whose name it knows.
pub const PRODUCER: [&str; 3] = ["^$", "^amq\\.default$", "^akund\\.helpdesk$"];

/// The broker with its users.
pub struct Campus {
    pub broker: RabbitMq,
}

impl Campus {
    pub fn open() -> Self {
        let users = [
            ("akund", AKUND),
            ("siakad", PRODUCER),
            ("helpdesk", PRODUCER),
            ("tamu", PRODUCER),
            ("akund-reader", ["^$", "^$", "^akund\\."]),
            ("akund-writer", ["^$", "^akund\\.", "^$"]),
        ];
        Self { broker: RabbitMq::start(&users) }
    }

    /// `[queue.requests]` with the broker's queue `queue`, and the sources `siakad` (students only) and `helpdesk`.
    pub fn sections(&self, port: u16, queue: &str, more: &str) -> String {
        let mut text = format!(
            "[queue.requests]\nurl = \"amqp://akund@127.0.0.1:{port}/kampus\"\npassword_file = {:?}\nqueue = \"{queue}\"\n{more}\n",
            self.broker.password_file()
        );
        let sources = [("siakad", "categories = [\"student\"]"), ("helpdesk", "")];
        for (name, rules) in sources {
            let _ =
                writeln!(text, "[[source]]\nname = \"{name}\"\nqueue = \"requests\"\nusers = [\"{name}\"]\n{rules}");
        }
        text
    }

    /// An installation that takes from the queue and declares it.
    pub fn site(&self, queue: &str, more: &str) -> Site {
        let declared = format!("declare = true\ndead_letter_exchange = \"{queue}.rejected\"\n{more}");
        Self::with(self.sections(self.broker.port(), queue, &declared))
    }

    pub fn with(more: String) -> Site {
        Site::with(Setup { more, ..Setup::default() })
    }

    /// An application that has logged in.
    pub fn producer(&self, user: &str) -> Producer<'_> {
        let (connection, channel) = self.broker.block_on(self.broker.client(user));
        self.broker.block_on(channel.confirm_select(ConfirmSelectOptions::default())).unwrap();
        Producer { broker: &self.broker, user: user.to_owned(), channel, _connection: connection }
    }
}

/// Publishes with confirms, and with its own name as user_id.
pub struct Producer<'a> {
    broker: &'a RabbitMq,
    user: String,
    channel: Channel,
    _connection: Connection,
}

impl Producer<'_> {
    pub fn properties(&self) -> BasicProperties {
        BasicProperties::default().with_delivery_mode(2).with_user_id(self.user.as_str().into())
    }

    /// Hands a record in; its id is the message's.
    pub fn hand_in(&self, queue: &str, id: &str, body: &str) {
        self.publish(queue, self.properties().with_message_id(id.into()), body.as_bytes());
    }

    pub fn publish(&self, queue: &str, properties: BasicProperties, body: &[u8]) {
        self.publish_all(queue, &[(properties, body.to_vec())]);
    }

    /// Publishes them all, and then waits until the broker has them.
    pub fn publish_all(&self, queue: &str, messages: &[(BasicProperties, Vec<u8>)]) {
        self.broker.block_on(async {
            let mut confirms = Vec::new();
            for (properties, body) in messages {
                let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                let sent = self.channel.basic_publish("".into(), queue.into(), options, body, properties.clone());
                confirms.push(sent.await.unwrap());
            }
            for confirm in confirms {
                let confirmation = confirm.await.unwrap();
                assert!(confirmation.is_ack() && confirmation.take_message().is_none(), "the broker took no message");
            }
        });
    }
}

/// A student whom the head of the unit has approved.
pub fn student(id: &str, number: usize) -> serde_json::Value {
    let letters: String = format!("{number:05}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48);
    serde_json::json!({
        "akund": 1, "id": id, "procedure": "generic",
        "applicant": {
            "name": format!("Mahasiswa {letters}"), "category": "student", "identifier": format!("26{number:08}"),
            "email": format!("m{number}@example.org"),
        },
        "approval": [{"role": "head", "by": "Kepala Pusat TIK", "decision": "approved", "at": at.to_string()}],
    })
}

/// The same, whom the head has refused.
pub fn refused_student(id: &str, number: usize) -> serde_json::Value {
    let mut record = student(id, number);
    record["approval"][0]["decision"] = "refused".into();
    record["approval"][0]["reason"] = "Bukan mahasiswa aktif.".into();
    record
}
