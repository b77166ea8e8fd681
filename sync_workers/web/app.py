"""The WSGI application: five paths, no framework, any server.

The ledger may be away when the process starts: then deliveries get 503 until it is back, and
``/healthz`` still says that the process lives.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sync_workers import logs
from sync_workers.errors import TransientError
from sync_workers.fleet import passwords
from sync_workers.fleet.publisher import Publisher
from sync_workers.fleet.wakeups import Wakeups, wake_of
from sync_workers.ledger import inbox, partitions
from sync_workers.ledger.inbox import Arrival, Arrived
from sync_workers.runtime import Runtime, open_runtime
from sync_workers.web import console
from sync_workers.web.bodies import Environ
from sync_workers.web.console import Console
from sync_workers.web.health import Health
from sync_workers.web.metrics import CONTENT_TYPE, Exposition
from sync_workers.web.receiver import TRY_AGAIN_S, Receiver
from sync_workers.web.replies import JSON, Answer, Reply, reply, said
from sync_workers.web.writer import GroupWriter

log = logs.get(__name__)

HOOKS = "/hooks/"
CONSOLE = "/console/"
OPEN_AGAIN_S = 1.0
POOL = 3  # the writer, a quarantine and a health check at one time

ONLY_POST = Answer(405, "deliveries come by POST")
NOTHING_HERE = Answer(404, "there is nothing here")
AWAY = Answer(503, "the ledger is away", TRY_AGAIN_S)
DEFECT = Answer(503, "something is wrong here", TRY_AGAIN_S)

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


@dataclass(frozen=True)
class Parts:
    """What the paths need, made once the ledger has answered."""

    runtime: Runtime
    receiver: Receiver
    writer: GroupWriter
    publisher: Publisher
    health: Health
    exposition: Exposition
    console: Console


def assemble(runtime: Runtime) -> Parts:
    """Put the receiver together."""
    publisher = Publisher(Wakeups(runtime.redis))
    ledger = runtime.ledger

    def commit(arrivals: Sequence[Arrival]) -> Sequence[Arrived]:
        return ledger.run(lambda tx: inbox.record_arrivals(tx, list(arrivals)))

    def committed(arrived: Sequence[Arrived]) -> None:
        publisher.add([wake_of(item.record_id, item.kind) for item in arrived if item.due])

    def quarantine(system: str, reason: str, body: bytes) -> None:
        ledger.run(lambda tx: inbox.quarantine(tx, system, reason, body))

    writer = GroupWriter(commit, committed)
    systems = runtime.settings.systems
    receiver = Receiver(
        runtime.connectors,
        {name: system.public_url for name, system in systems.items()},
        frozenset({*runtime.stored, *runtime.versions}),
        writer,
        quarantine,
    )
    health = Health(
        {"database": _database(runtime), "migrations": _migrations(runtime), "broker": _broker(runtime)}
    )
    worth = {kind: sheet.worth for kind, sheet in runtime.sheets.items() if sheet.worth}
    page = Console(ledger, worth, lambda: passwords.kept(runtime.settings.home, "console"))
    return Parts(runtime, receiver, writer, publisher, health, Exposition(ledger), page)


class Site:
    """The application. Assembled at the first request that needs it, and tried again while that fails."""

    def __init__(self, open_: Callable[[], Runtime] = lambda: open_runtime(pool_size=POOL, by_key=True)) -> None:
        self._open = open_
        self._guard = threading.Lock()
        self._parts: Parts | None = None
        self._failed_at: float | None = None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if path.startswith(HOOKS):
            made = self.guarded(path, lambda: said(self._hook(path.removeprefix(HOOKS), environ)))
        else:
            made = self.look(method, path, environ.get("HTTP_AUTHORIZATION", ""))
        start_response(made.line, made.headers)
        return [made.body]

    def look(self, method: str, path: str, authorization: str = "") -> Reply:
        """Answer a request that is no delivery. Never raises, may ask the ledger and the broker."""
        if path not in (CONSOLE, "/healthz", "/readyz", "/metrics"):
            return said(NOTHING_HERE)
        if method not in ("GET", "HEAD"):
            return said(Answer(405, "read this by GET"), "GET, HEAD")
        if path == "/healthz":
            return said(Answer(200, "alive"))
        show = {
            CONSOLE: lambda: self._show_console(authorization),
            "/metrics": self._show_metrics,
            "/readyz": self._show_readiness,
        }
        return self.guarded(path, show[path])

    def guarded(self, path: str, work: Callable[[], Reply]) -> Reply:
        """Do this; what fails becomes an answer that tells to come again."""
        try:
            return work()
        except TransientError:
            return said(AWAY)
        except Exception:
            log.exception("A request met a defect", path=path)
            return said(DEFECT)

    @property
    def is_open(self) -> bool:
        return self._parts is not None

    def parts(self) -> Parts:
        """Return the parts, made at the first call. Raises TransientError while the ledger is away."""
        if self._parts is None:
            with self._guard:
                if self._parts is None:
                    self._assemble()
        assert self._parts is not None
        return self._parts

    def close(self) -> None:
        """Store what waits and publish what it made due; for tests and orderly ends."""
        if self._parts is not None:
            self._parts.writer.stop()
            self._parts.publisher.flush(2.0)
            self._parts.runtime.dispose()

    def _assemble(self) -> None:
        # many requests wait here while the ledger is away: one of them tries, once a second
        if self._failed_at is not None and time.monotonic() - self._failed_at < OPEN_AGAIN_S:
            raise TransientError("the ledger is away")
        try:
            self._parts = assemble(self._open())
        except Exception:
            self._failed_at = time.monotonic()
            raise

    def _hook(self, system: str, environ: Environ) -> Answer:
        if environ["REQUEST_METHOD"] != "POST":
            return ONLY_POST
        return self.parts().receiver.take(system, environ)

    def _show_console(self, authorization: str) -> Reply:
        page = self.parts().console
        if not page.admits(authorization):
            return reply(401, "text/plain", b"a password is needed", [console.ASK])
        return reply(200, "text/html; charset=utf-8", page.page(), console.HEADERS)

    def _show_metrics(self) -> Reply:
        return reply(200, CONTENT_TYPE, self.parts().exposition.page())

    def _show_readiness(self) -> Reply:
        try:
            found = self.parts().health.look()
        except TransientError:
            found = {"database": "failed"}
        ready = set(found.values()) == {"ok"}
        return reply(200 if ready else 503, JSON, json.dumps({"ready": ready, **found}).encode())


def create_app() -> Site:
    """Return the application for a WSGI server; opens nothing yet."""
    return Site()


def _database(runtime: Runtime) -> Callable[[], str]:
    def check() -> str:
        with runtime.ledger.transaction() as tx:
            tx.execute("SELECT 1")
        return ""

    return check


def _migrations(runtime: Runtime) -> Callable[[], str]:
    seen_complete = threading.Event()  # migrations are only ever added by a release, which restarts us

    def check() -> str:
        if not seen_complete.is_set():
            with runtime.ledger.transaction() as tx:
                applied = partitions.applied_revision(tx)
            if applied < partitions.newest_revision():
                return f"the schema is at {applied or 'nothing'}: run 'sync-workers migrate'"
            seen_complete.set()
        return ""

    return check


def _broker(runtime: Runtime) -> Callable[[], str]:
    def check() -> str:
        if runtime.redis is not None:
            runtime.redis.ping()
            return ""
        from sync_workers.fleet.app import app

        with app.connection_for_write(connect_timeout=1.0) as connection:
            connection.ensure_connection(max_retries=1, timeout=1.0)
        return ""

    return check
