#!/usr/bin/python3
"""Hands request records in through RabbitMQ, and waits until the broker has them on disk.

    hand_in.py request.json [request.json ...]

Needs python3-pika. Where the broker is stands in variables, see settings() below. A signature, made with
`ssh-keygen -Y sign -n akund-request -f KEY request.json`, is sent along where request.json.sig lies beside the record.
Exit code 0: the broker has every record. Anything else: hand them in again; what akund has already, it takes once only.
"""
import json
import os
import ssl
import sys

import pika


def settings():
    """Host, port, vhost, user and password file from the environment; TLS where AMQP_CA names the CA's file."""
    user = os.environ["AMQP_USER"]
    with open(os.environ["AMQP_PASSWORD_FILE"], encoding="utf-8") as file:
        password = file.read().rstrip("\r\n")
    host = os.environ.get("AMQP_HOST", "localhost")
    ca = os.environ.get("AMQP_CA")
    tls = pika.SSLOptions(ssl.create_default_context(cafile=ca), host) if ca else None
    return user, pika.ConnectionParameters(
        host=host,
        port=int(os.environ.get("AMQP_PORT", "5671" if ca else "5672")),
        virtual_host=os.environ.get("AMQP_VHOST", "/"),
        credentials=pika.PlainCredentials(user, password),
        ssl_options=tls,
    )


def signature_of(path):
    try:
        with open(path + ".sig", encoding="ascii") as file:
            return {"akund-signature": file.read()}
    except FileNotFoundError:
        return None


def main(paths):
    user, parameters = settings()
    queue = os.environ.get("AMQP_QUEUE", "akund.requests")
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.confirm_delivery()  # from here on basic_publish() returns when the broker has stored the message
    for path in paths:
        with open(path, "rb") as file:
            body = file.read()
        record = json.loads(body)
        channel.basic_publish(
            exchange="",  # the default exchange: the routing key is the queue's name
            routing_key=queue,
            body=body,  # exactly the bytes that were signed
            mandatory=True,  # without such a queue: an error, not silence
            properties=pika.BasicProperties(
                user_id=user,  # the broker checks it, akund goes by it
                message_id="%s@%s" % (record["id"], record.get("revision", 1)),
                content_type="application/json",
                delivery_mode=2,  # on disk
                headers=signature_of(path),
            ),
        )
        print("handed in:", path)
    connection.close()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
