"""The trytond process: its configuration file, its start, and how it learns of a new database.

One process serves every database of one PostgreSQL by name. No cron and no queue worker run: without
a worker trytond carries out what a button queues (the processing of a confirmed sale) at the end
of the same request.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import requests

from sync_workers.sandbox.databases import database_url
from sync_workers.sandbox.processes import POLITELY, Place, Running, ServiceError
from sync_workers.sandbox.tryton.installation import environment

OPEN_WITHIN_S = 120.0
_CONFIG = """\
[database]
uri = {uri}
language = en
[web]
listen = 127.0.0.1:{port}
[session]
timeout = 86400
"""
# errors only: one line per request is what the werkzeug logger would write otherwise
_LOGGING = """\
[loggers]
keys = root,werkzeug
[handlers]
keys = stream
[formatters]
keys = plain
[logger_root]
level = ERROR
handlers = stream
[logger_werkzeug]
level = ERROR
handlers = stream
propagate = 0
qualname = werkzeug
[handler_stream]
class = StreamHandler
args = (sys.stderr,)
formatter = plain
[formatter_plain]
format = %(asctime)s %(levelname)s %(name)s %(message)s
"""


@dataclass(frozen=True)
class Trytond:
    """A server process and the address where it answers."""

    url: str
    running: Running

    def end(self) -> None:
        self.running.end(POLITELY)


def spawn(place: Place, python: Path, postgres_url: str) -> Trytond:
    """Start trytond for all databases of that PostgreSQL and wait until it answers."""
    port = place.port()
    config = place.folder / "trytond.conf"
    _write(config, _CONFIG.format(uri=database_url(postgres_url, "").rstrip("/"), port=port))
    log_config = place.folder / "logging.conf"
    _write(log_config, _LOGGING)
    argv = [str(python), "-m", "trytond.cli", "-c", str(config), "--logconf", str(log_config)]
    running = place.spawn(argv, env=environment(), cwd=place.folder)
    url = f"http://127.0.0.1:{port}"
    place.await_ready(running, lambda: is_answering(url))
    place.remember(pid=running.pid, began=running.began, port=port)
    return Trytond(url, running)


def is_answering(url: str) -> bool:
    """Tell whether a trytond answers there, without touching any database."""
    with _session() as http:
        try:
            body = {"id": 1, "method": "common.server.version", "params": []}
            return http.post(f"{url}/rpc/", json=body, timeout=5).ok
        except requests.RequestException:  # not listening yet
            return False


def open_database(url: str, database: str) -> None:
    """Have trytond load a database that was made after it started.

    trytond 8.2.1 lists databases once per Host header and session time-out, and a login to one that it has
    not loaded fails for good: a transaction's start enters the empty pool that the login then takes for
    loaded (``trytond/cache.py`` sync, ``trytond/security.py`` _get_pool). A REST request loads it first
    (``trytond/protocols/wrappers.py`` with_pool), under a Host of its own, and is then refused with 401.
    """
    with _session() as http:
        reply = http.get(
            f"{url}/{database}/rest/model/res.user",
            headers={"Host": f"{database.replace('_', '-')}.localhost"},
            timeout=OPEN_WITHIN_S,
        )
    if reply.status_code != requests.codes.unauthorized:
        raise ServiceError(
            f"trytond does not open database {database}: HTTP {reply.status_code} {reply.text[:300]}",
            mend="look at the log of trytond",
        )


def _session() -> requests.Session:
    http = requests.Session()
    http.trust_env = False
    return http


def _write(file: Path, text: str) -> None:
    """Write a file that only we can read: it may hold a password."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(text)
