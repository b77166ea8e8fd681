"""The message that wakes a worker, by Celery's own way and, for Redis, in its wire form.

Celery spends as long on publishing one message as the receiver does on taking four deliveries in. On
Redis a message is one item of a list, so many of them leave in one command, and in the same one as their marks.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from kombu.utils.uuid import uuid

from sync_workers.fleet.app import app

DRAIN = "sync.drain"
SORT = "sync.sort"
PERSISTENT = 2


def send(task: str, args: list[Any], queue: str, countdown_s: float | None) -> None:
    """Publish one message: ids only, no customer data. Raises whatever the broker's client raises."""
    app.send_task(task, args=args, queue=queue, countdown=countdown_s, retry=False, ignore_result=True)


def redis_item(task: str, args: list[Any], queue: str) -> str:
    """Return what ``send`` would push to the list ``queue``.

    Source: Celery, "Message Protocol", version 2; the envelope is that of kombu's virtual transports
    (``kombu.transport.virtual.Channel.basic_publish``).
    """
    headers, properties, body, _ = app.amqp.create_task_message(
        uuid(), task, args, {}, reply_to=app.thread_oid, ignore_result=True, argsrepr=str(args), kwargsrepr="{}"
    )
    return json.dumps({
        "body": base64.b64encode(json.dumps(body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            **properties,
            "delivery_mode": PERSISTENT,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": uuid(),
        },
    })
