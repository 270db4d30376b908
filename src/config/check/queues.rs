//! Queues, and the sources that hand in through them.

use super::super::tree::Part;
use super::{Config, Findings, NAME_RULE, is_name, key};
use crate::config::{QueueConfig, SourceConfig};
use crate::model::Verb;
use std::collections::BTreeMap;

pub(super) fn queues(config: &Config, found: &mut Findings) {
    for (name, queue) in &config.queue {
        found.check(is_name(name), ["queue", name], || format!("{name:?} cannot be a queue's name: {NAME_RULE}"));
        let taken = config.source.iter().any(|source| source.name == *name && source.queue.is_none());
        found.check(!taken, ["queue", name], || {
            format!("{name} is also the name of a spool directory: what nobody may hand in would be put down to it")
        });
        let used = config.source.iter().any(|source| source.queue.as_ref() == Some(name));
        found.check(used || queue.outcomes.is_some(), ["queue", name], || {
            format!("no [[source]] has queue = \"{name}\": nobody could hand in anything through it")
        });
        one(name, queue, config, found);
    }
    let mut owners: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (i, source) in config.source.iter().enumerate() {
        let at = |name: &str| vec![key("source"), Part::Index(i), key(name)];
        let name = &source.name;
        let Some(queue) = &source.queue else {
            found.check_at(source.users.is_empty(), at("users"), || {
                format!("source {name} has users and no queue: a directory's files have owners")
            });
            continue;
        };
        found.check_at(config.queue.contains_key(queue), at("queue"), || {
            format!("source {name} hands in through the queue {queue}, and there is no [queue.{queue}]")
        });
        found.check_at(source.owners.is_empty(), at("owners"), || {
            format!("source {name} has owners and a queue: a message has the broker's user; name users")
        });
        found.check_at(!source.users.is_empty(), at("users"), || {
            format!("source {name} hands in through a queue, and users does not say which of the broker's users it is")
        });
        found.check_at(name != crate::config::source::LOCAL, at("queue"), || {
            format!("source {name} is the directory incoming/ itself: call the one that uses the queue something else")
        });
        for user in &source.users {
            if let Some(other) = owners.insert((queue.as_str(), user.as_str()), name.as_str()) {
                found.check_at(false, at("users"), || {
                    format!("user {user} of queue {queue} is source {other} already: a message is of one source only")
                });
            }
        }
    }
}

fn one(name: &str, queue: &QueueConfig, config: &Config, found: &mut Findings) {
    found.check(queue.url.tls || queue.url.is_local(), ["queue", name, "url"], || {
        format!("queue {name} would send its password to {} in clear text: use amqps://", queue.url.server())
    });
    found.check(queue.url.tls || queue.ca_file.is_none(), ["queue", name, "ca_file"], || {
        format!("queue {name} has a ca_file, and its url is not amqps://")
    });
    for (field, value) in [("queue", &queue.queue), ("dead_letter_exchange", &queue.dead_letter_exchange)] {
        name_on_broker(name, field, value, found);
    }
    for (field, value) in [
        ("prefetch", u64::from(queue.prefetch)),
        ("max_bytes", queue.max_bytes),
        ("delivery_limit", u64::from(queue.delivery_limit)),
    ] {
        found.check(value > 0, ["queue", name, field], || format!("{field} of queue {name} must be at least 1"));
    }
    let Some(outcomes) = &queue.outcomes else { return };
    // By its name what waits for it is told from what waits elsewhere.
    found.check(!config.channel.contains_key(name) && !config.target.contains_key(name), ["queue", name, "outcomes"], || {
        format!("queue {name} publishes outcomes, and a target or channel is called {name}, too: call one of them something else")
    });
    found.check(![Verb::MINT_LANE, Verb::LETTER_LANE].contains(&name), ["queue", name, "outcomes"], || {
        format!("queue {name} publishes outcomes, and {name} is a lane of akund's own: call the queue something else")
    });
    let at = |field: &str| vec![key("queue"), key(name), key("outcomes"), key(field)];
    found.check_at(is_brokers_name(&outcomes.exchange), at("exchange"), || {
        bad_name(name, "outcomes.exchange", &outcomes.exchange)
    });
    found.check_at(outcomes.exchange != queue.dead_letter_exchange, at("exchange"), || {
        format!("queue {name} would publish outcomes to its dead-letter exchange {}", outcomes.exchange)
    });
    let known = |source: &str| {
        source == crate::config::source::LOCAL || config.source.iter().any(|s: &SourceConfig| s.name == source)
    };
    for source in outcomes.sources.iter().filter(|source| !known(source)) {
        found.check_at(false, at("sources"), || {
            format!("queue {name} would publish outcomes of the source {source}, which is not configured")
        });
    }
}

fn name_on_broker(name: &str, field: &str, value: &str, found: &mut Findings) {
    found.check(is_brokers_name(value), ["queue", name, field], || bad_name(name, field, value));
}

/// RabbitMQ: at most 255 bytes; those that begin with `amq.` are its own. With room for `.dead`.
fn is_brokers_name(value: &str) -> bool {
    (1..=250).contains(&value.len()) && !value.starts_with("amq.") && !value.chars().any(char::is_control)
}

fn bad_name(queue: &str, field: &str, value: &str) -> String {
    format!("{field} of queue {queue} is {value:?}; expected 1 to 250 bytes that do not begin with `amq.`")
}
