#!/usr/bin/php
<?php
// Hands request records in through RabbitMQ, and waits until the broker has them on disk.
//
//     hand_in.php request.json [request.json ...]
//
// Needs php-cli and php-amqplib. Where the broker is stands in variables, see below. A signature, made with
// `ssh-keygen -Y sign -n akund-request -f KEY request.json`, is sent along where request.json.sig lies beside the record.
// Exit code 0: the broker has every record. Anything else: hand them in again; what akund has already, it takes once only.
declare(strict_types=1);

require_once 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Connection\AMQPSSLConnection;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

function setting(string $name, ?string $default = null): string
{
    $value = getenv($name);
    if ($value === false || $value === '') {
        $value = $default ?? throw new RuntimeException("the variable $name is not set");
    }
    return $value;
}

function connect(string $user): AMQPStreamConnection
{
    $password = rtrim((string) file_get_contents(setting('AMQP_PASSWORD_FILE')), "\r\n");
    $host = setting('AMQP_HOST', 'localhost');
    $vhost = setting('AMQP_VHOST', '/');
    $ca = getenv('AMQP_CA');
    if ($ca !== false && $ca !== '') {
        $tls = ['cafile' => $ca, 'verify_peer' => true, 'verify_peer_name' => true];
        return new AMQPSSLConnection($host, (int) setting('AMQP_PORT', '5671'), $user, $password, $vhost, $tls);
    }
    return new AMQPStreamConnection($host, (int) setting('AMQP_PORT', '5672'), $user, $password, $vhost);
}

function main(array $paths): void
{
    $user = setting('AMQP_USER');
    $queue = setting('AMQP_QUEUE', 'akund.requests');
    $connection = connect($user);
    $channel = $connection->channel();
    $channel->confirm_select();
    $lost = 0;
    $channel->set_nack_handler(function () use (&$lost): void { $lost++; });
    $channel->set_return_listener(function () use (&$lost): void { $lost++; });
    foreach ($paths as $path) {
        $body = file_get_contents($path);                       // exactly the bytes that were signed
        if ($body === false) {
            throw new RuntimeException("$path cannot be read");
        }
        $record = json_decode($body, true, 64, JSON_THROW_ON_ERROR);
        $properties = [
            'user_id' => $user,                                 // the broker checks it, akund goes by it
            'message_id' => $record['id'] . '@' . ($record['revision'] ?? 1),
            'content_type' => 'application/json',
            'delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT,
        ];
        if (is_file("$path.sig")) {
            $properties['application_headers'] = new AMQPTable(['akund-signature' => file_get_contents("$path.sig")]);
        }
        // The default exchange: the routing key is the queue's name. Mandatory: without such a queue it comes back.
        $channel->basic_publish(new AMQPMessage($body, $properties), '', $queue, true);
        $channel->wait_for_pending_acks_returns(30);
        if ($lost > 0) {
            throw new RuntimeException("the broker has no queue $queue for $path, or did not take it");
        }
        echo "handed in: $path\n";
    }
    $channel->close();
    $connection->close();
}

if ($argc < 2) {
    fwrite(STDERR, "usage: hand_in.php request.json ...\n");
    exit(64);
}
try {
    main(array_slice($argv, 1));
} catch (Throwable $error) {
    fwrite(STDERR, 'hand_in.php: ' . $error->getMessage() . "\n");
    exit(1);
}
