#!/usr/bin/python3
"""Hears of outcomes: prints one line for each, SOURCE PROCEDURE:ID@REVISION STATE, and drops repeats.

    hear.py [--all-there-are]

Needs python3-pika. Subscribes with a durable queue of its own (AMQP_OUTCOME_QUEUE), so that what comes while it is not
running waits there. With --all-there-are it ends when that queue is empty.
"""
import json
import os
import sys

import pika

from hand_in import settings


def main(until_empty):
    user, parameters = settings()
    queue = os.environ.get("AMQP_OUTCOME_QUEUE", "akund.helpdesk")
    channel = pika.BlockingConnection(parameters).channel()
    channel.basic_qos(prefetch_count=16)
    seen = set()  # an application keeps these beside what it does with the outcome, in one transaction
    for method, properties, body in channel.consume(queue, inactivity_timeout=1 if until_empty else None):
        if method is None:
            return
        if properties.message_id not in seen:
            seen.add(properties.message_id)
            outcome = json.loads(body)
            request = outcome["request"]
            print(request["source"], "%(procedure)s:%(id)s@%(revision)s" % request, outcome["state"], flush=True)
        channel.basic_ack(method.delivery_tag)


if __name__ == "__main__":
    main("--all-there-are" in sys.argv[1:])
