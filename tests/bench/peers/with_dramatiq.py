"""Flask and dramatiq over Redis: the payload travels in the message, nothing is recorded."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from flask import Flask, abort, request
from order import is_genuine, send

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_BROKER"]))
app = Flask(__name__)


@dramatiq.actor(max_retries=10)
def push(delivery: dict) -> None:
    send(delivery)


@app.post("/hook")
def hook() -> tuple[str, int]:
    if not is_genuine(request.get_data(), request.headers):
        abort(401)
    push.send(request.get_json())
    return "", 202
