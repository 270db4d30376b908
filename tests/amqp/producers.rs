//! The programs in config/examples/rabbitmq, as they stand there.

use crate::campus::{Campus, student};
use crate::peers::RabbitMq;
use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples/rabbitmq").join(name)
}

/// Debian's own interpreters: their modules are Debian's packages.
fn run(broker: &RabbitMq, program: &str, script: &str, queue: &str, arguments: &[&Path], tls: bool) -> Output {
    let mut command = Command::new(program);
    command.arg(example(script)).args(arguments).env_clear().env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("AMQP_HOST", "localhost").env("AMQP_VHOST", "kampus").env("AMQP_USER", "helpdesk");
    command.env("AMQP_PASSWORD_FILE", broker.password_file()).env("AMQP_QUEUE", queue);
    command.env("AMQP_PORT", if tls { broker.tls_port() } else { broker.port() }.to_string());
    if tls {
        command.env("AMQP_CA", broker.ca());
    }
    command.output().unwrap_or_else(|e| panic!("{program} cannot be run: {e}"))
}

pub fn the_examples_hand_in_what_akund_accepts_and_hear_of_its_outcome(campus: &Campus) {
    const QUEUE: &str = "akund.examples";
    let broker = &campus.broker;
    // The way of a subscriber: its queue is there before the first outcome.
    broker.block_on(async {
        let (_connection, channel) = broker.client("admin").await;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let (exchange, queue) = ("akund.examples.outcomes", "akund.helpdesk");
        channel.exchange_declare(exchange.into(), ExchangeKind::Topic, durable, FieldTable::default()).await.unwrap();
        channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();
        let options = QueueBindOptions::default();
        channel
            .queue_bind(queue.into(), exchange.into(), "helpdesk.#".into(), options, FieldTable::default())
            .await
            .unwrap();
    });
    let site = campus.site(QUEUE, "[queue.requests.outcomes]\nexchange = \"akund.examples.outcomes\"");
    let key = site.path("key");
    let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-t", "ed25519", "-f"]).arg(&key).status().unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    std::fs::write(site.path("signers"), format!("head {public}")).unwrap();
    let config = std::fs::read_to_string(site.path("akund.toml")).unwrap();
    let of_helpdesk = "users = [\"helpdesk\"]\n";
    assert!(config.contains(of_helpdesk));
    let signed = format!("{of_helpdesk}signature = \"required\"\nallowed_signers = \"signers\"\n");
    std::fs::write(site.path("akund.toml"), config.replace(of_helpdesk, &signed)).unwrap();
    let mut daemon = site.start();
    assert!(daemon.until_says("messages are taken from the queue"));

    let mut expected = Vec::new();
    for (number, (program, script, tls)) in [
        ("/usr/bin/python3", "hand_in.py", false),
        ("/usr/bin/python3", "hand_in.py", true),
        ("/usr/bin/php", "hand_in.php", false),
        ("/usr/bin/php", "hand_in.php", true),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("CONTOH-{number}");
        let file = site.path(&format!("{id}.json"));
        std::fs::write(&file, student(&id, 50_000 + number).to_string()).unwrap();
        let signed = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", "akund-request", "-f"])
            .args([&key, &file])
            .status()
            .unwrap();
        assert!(signed.success());
        let output = run(broker, program, script, QUEUE, &[&file], tls);
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        expected.push(format!("helpdesk generic:{id}@1 done"));
        // Nothing for a queue that is not there is taken for handed in.
        let lost = run(broker, program, script, "akund.no-such-queue", &[&file], tls);
        assert!(!lost.status.success(), "{script} did not notice that nobody took its message");
    }
    site.until_rest(expected.len());
    let mut heard = Vec::new();
    site.until("the outcomes are heard", || {
        let arguments = [Path::new("--all-there-are")];
        let output = run(broker, "/usr/bin/python3", "hear.py", QUEUE, &arguments, false);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        heard.extend(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned));
        expected.iter().all(|line| heard.contains(line))
    });
    daemon.terminate();
}
