"""Flask and procrastinate: the job is a row in PostgreSQL, so an accepted delivery is durable."""

from __future__ import annotations

import os
import threading

import procrastinate
from flask import Flask, abort, request
from order import is_genuine, send

DSN = os.environ["BENCH_DATABASE"]
jobs = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=DSN))


@jobs.task(queue="orders")
def push(delivery: dict) -> None:
    send(delivery)


app = Flask(__name__)
sender = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=DSN))
opening = threading.Lock()
opened: list[int] = []


def open_once() -> None:
    """Open the pool in the process that uses it: gunicorn forks after this module was loaded."""
    with opening:
        if not opened:
            sender.open()
            opened.append(os.getpid())


@app.post("/hook")
def hook() -> tuple[str, int]:
    if not is_genuine(request.get_data(), request.headers):
        abort(401)
    open_once()
    sender.configure_task("with_procrastinate.push", queue="orders", allow_unknown=True).defer(
        delivery=request.get_json())
    return "", 202
