"""The naive script: Flask hands the payload to Celery, a task posts it. Nothing is recorded, a crash loses work."""

from __future__ import annotations

import os

from celery import Celery
from flask import Flask, abort, request
from order import is_genuine, send

celery = Celery("naive", broker=os.environ["BENCH_BROKER"])
celery.conf.update(task_ignore_result=True, worker_send_task_events=False)
app = Flask(__name__)


@celery.task
def push(delivery: dict) -> None:
    send(delivery)


@app.post("/hook")
def hook() -> tuple[str, int]:
    if not is_genuine(request.get_data(), request.headers):
        abort(401)
    push.delay(request.get_json())
    return "", 202
