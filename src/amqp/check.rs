//! What `akund check` asks a broker. Nothing is declared, published or taken.

use super::{Broker, Link, Trouble, short, topology};
use crate::config::QueueConfig;
use crate::model::Finding;
use lapin::BasicProperties;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};

/// Looks at everything that a `[queue.NAME]` needs; one finding each, the first that fails ends what depends on it.
pub async fn check(config: &QueueConfig) -> Vec<Finding> {
    let broker = match Broker::configured(config) {
        Ok(broker) => broker,
        Err(sentence) => return vec![Err(sentence)],
    };
    let link = match broker.connect("check").await {
        Ok(link) => link,
        Err(trouble) => return vec![Err(trouble.said)],
    };
    let mut found = vec![Ok(format!(
        "{} takes the log-in of {} in vhost {}",
        config.url.server(),
        config.url.user,
        config.url.vhost
    ))];
    let there = queue(&link, config).await;
    let is_there = matches!(there, Ok((true, _)));
    found.push(there.map(|(_, said)| said).map_err(|trouble| trouble.said));
    if is_there {
        found.push(may_read(&link, config).await.map_err(|trouble| trouble.said));
    }
    found.push(exchange(&link, config, &config.dead_letter_exchange, "dead letters").await.map_err(|t| t.said));
    if let Some(outcomes) = &config.outcomes {
        found.push(exchange(&link, config, &outcomes.exchange, "outcomes").await.map_err(|t| t.said));
    }
    // Nothing depends on how it ends.
    let _ = link.close().await;
    found
}

/// Whether the queue is there, and as akund wants it.
async fn queue(link: &Link, config: &QueueConfig) -> Result<(bool, String), Trouble> {
    let name = &config.queue;
    match topology::look_for_queue(link, &link.channel().await?, name).await {
        Err(trouble) if trouble.code == Some(404) && config.declare => {
            return Ok((false, format!("queue {name} is not there yet, and will be declared at the start")));
        }
        Err(trouble) if trouble.code == Some(404) => {
            let said = format!("{}; until it is, akund waits for it. Declare it, or set declare = true", trouble.said);
            return Err(Trouble { said, ..trouble });
        }
        looked => looked?,
    }
    // It exists: declaring an equal one changes nothing, and an unequal one is refused with what differs.
    if config.declare {
        topology::declare_queue(link, &link.channel().await?, config).await?;
        return Ok((true, format!("queue {name} is there, as it is configured")));
    }
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let channel = link.channel().await?;
    let asked = link.within(channel.queue_declare(short(name), QueueDeclareOptions::durable(), quorum)).await;
    match asked {
        Err(trouble) if trouble.said.contains("x-queue-type") => {
            let said = format!(
                "{}; akund takes from it all the same, but a message that crashes akund again and again is not set aside, and the \
                 queue lives on one node only",
                trouble.said
            );
            Err(Trouble { said, ..trouble })
        }
        // Other arguments are the administrator's own, and so is the right to declare.
        _ => Ok((true, format!("queue {name} is there"))),
    }
}

/// Whether akund may take messages. The consumer is refused in any case: where it may read, for its nonsensical priority.
async fn may_read(link: &Link, config: &QueueConfig) -> Result<String, Trouble> {
    let mut nonsense = FieldTable::default();
    nonsense.insert("x-priority".into(), AMQPValue::LongString("none".into()));
    let channel = link.channel().await?;
    let asked = channel.basic_consume(short(&config.queue), "".into(), BasicConsumeOptions::default(), nonsense);
    match link.within(asked).await {
        Ok(consumer) => {
            link.within(channel.basic_cancel(consumer.tag(), BasicCancelOptions::default())).await?;
        }
        Err(trouble) if trouble.code == Some(406) => {}
        Err(trouble) => {
            return Err(Trouble { said: format!("{} (akund must read from it)", trouble.said), ..trouble });
        }
    }
    Ok(format!("{} may take messages from queue {}", config.url.user, config.queue))
}

/// Whether an exchange is there and akund may publish to it. What is published for that is rolled back.
async fn exchange(link: &Link, config: &QueueConfig, name: &str, of: &str) -> Result<String, Trouble> {
    match topology::look_for_exchange(link, &link.channel().await?, name).await {
        Err(trouble) if trouble.code == Some(404) && config.declare => {
            return Ok(format!("exchange {name}, for {of}, is not there yet, and will be declared at the start"));
        }
        Err(trouble) => return Err(Trouble { said: format!("{} (it is for {of})", trouble.said), ..trouble }),
        Ok(()) => {}
    }
    let channel = link.channel().await?;
    link.within(channel.tx_select()).await?;
    let refusals = link.refusals();
    let (to, key) = (short(name), short(&config.queue));
    let sent = channel.basic_publish(to, key, BasicPublishOptions::default(), b"", BasicProperties::default());
    link.within(sent).await?;
    if let Err(trouble) = link.within_or_refused(channel.tx_rollback(), refusals).await {
        return Err(Trouble { said: format!("{} (akund must write to it, for {of})", trouble.said), ..trouble });
    }
    Ok(format!("{} may publish {of} to exchange {name}", config.url.user))
}
