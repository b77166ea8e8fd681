"""The composition root: settings become a ledger, connectors, sheets and limits, once per process.

Everything is opened lazily, so that building a Runtime costs no connection; what a function needs is
passed on from here.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

import orjson
from redis import Redis

from sync_workers import logs
from sync_workers.connectors.callers import Callers
from sync_workers.connectors.contract import Connector
from sync_workers.connectors.limiter import PATIENCE_S, Limiter
from sync_workers.domain.mapping import Sheet
from sync_workers.domain.values import JsonText
from sync_workers.ledger import modes
from sync_workers.ledger.connection import Ledger
from sync_workers.services import broker_url, connect_redis, database_url
from sync_workers.settings import Settings
from sync_workers.sheets import active_sheets, build_connectors, share_limits, stored_sheets

log = logs.get(__name__)

REFRESH_S = 5.0  # how long a worker may not notice that a mapping version was switched on


@dataclass(frozen=True)
class Runtime:
    """All that a process works with. ``sheets`` holds the active version of each kind.

    ``stored`` are all that this process has a file of, by kind and version.

    ``polled`` are the signs that the last poll of a system's kind brought, to know what it brings again.

    ``call_s``, ``margin_s`` and ``lease_s`` are C, M and L of the protocol's arithmetic. ``stopping``
    is set when the process was told to end: start no further record.
    """

    settings: Settings
    ledger: Ledger
    connectors: Mapping[str, Connector]
    sheets: Mapping[str, Sheet]
    worker: str
    limiter: Limiter
    callers: Callers = field(default_factory=Callers)
    stored: Mapping[str, Mapping[int, Sheet]] = field(default_factory=dict)
    redis: Redis | None = None
    broker_url: str = field(default="", repr=False)
    lease_s: float = 120.0
    call_s: float = 30.0
    margin_s: float = 5.0
    circuit_threshold: int = 5
    probe_s: float = 15.0
    stopping: threading.Event = field(default_factory=threading.Event)
    polled: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    @property
    def versions(self) -> dict[str, int]:
        """Return the kinds that this process may claim, with the mapping version it has of each.

        Parts (an order line) have no sheet: they only lead to their whole, and stand under version 0.
        """
        parts = {kind: 0 for connector in self.connectors.values() for kind in connector.parts}
        return {**parts, **{kind: sheet.version for kind, sheet in self.sheets.items()}}

    @contextmanager
    def alone(self, connector: Connector, kind: str, action: str) -> Iterator[None]:
        """Keep steps of a kind apart where its system cannot bear them side by side. Throttled if it takes long."""
        if action not in connector.traits(kind).serial:
            yield
            return
        with self.limiter.alone(connector.system, f"{kind}:{action}", self.call_s):
            yield

    def redact(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return a JSON document without known secrets, fit to be kept in the ledger."""
        result: dict[str, Any] = json.loads(self.redact_text(document))
        return result

    def redact_text(self, document: Mapping[str, Any]) -> JsonText:
        """Return the same as JSON text."""
        try:
            text = orjson.dumps(document, _plain, orjson.OPT_PASSTHROUGH_DATETIME).decode()
        except TypeError:  # a lone surrogate or a very long number
            text = json.dumps(document, default=_plain, ensure_ascii=False)
        for secret in self._hidden:
            text = text.replace(secret, logs.MASK)
        return JsonText(text)

    @cached_property
    def _hidden(self) -> tuple[str, ...]:
        """The secrets as they look inside JSON, the longest first: one may begin with another."""
        known = (secret for secret in self.settings.secrets if len(secret) >= logs.SHORTEST)
        return tuple(sorted((json.dumps(secret, ensure_ascii=False)[1:-1] for secret in known), key=len, reverse=True))

    def dispose(self, *, close: bool = True) -> None:
        """Let go of connections. ``close`` False in a forked child: the sockets are the parent's."""
        self.ledger.dispose(close=close)
        self.callers.stop()
        if self.redis is not None and close:
            self.redis.close()


def _plain(value: Any) -> Any:
    """Give what JSON does not know a form: the parts of a dataclass, the text of anything else."""
    if type(value) is Decimal:
        return str(value)
    return vars(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def open_ledger(environ: Mapping[str, str] | None = None, *, pool_size: int = 10) -> Ledger:
    """Return the ledger alone, for what needs no system. Connects when first used."""
    settings = Settings.load(environ)
    logs.hide(settings.secrets)
    return Ledger(database_url(settings), pool_size=pool_size)


def open_runtime(
    environ: Mapping[str, str] | None = None, *, pool_size: int = 10, by_key: bool = False,
    patience_s: float = PATIENCE_S,
) -> Runtime:
    """Build a runtime from the environment. Asks the ledger which mapping versions are active.

    ``by_key`` as ``Ledger`` has it, ``patience_s`` as ``Limiter``: a person's command waits where a worker turns
    to other work.
    """
    settings = Settings.load(environ)
    logs.hide(settings.secrets)
    ledger = Ledger(database_url(settings), pool_size=pool_size, by_key=by_key)
    broker = broker_url(settings)
    redis = connect_redis(broker)
    sheets = active_sheets(settings, ledger)
    connectors = build_connectors(settings, sheets)
    limiter = Limiter({name: connector.limits for name, connector in connectors.items()}, redis,
                      patience_s=patience_s)
    share_limits(connectors, limiter)
    return Runtime(
        settings=settings,
        ledger=ledger,
        connectors=connectors,
        sheets=sheets,
        worker=f"{socket.gethostname()}:{os.getpid()}",
        limiter=limiter,
        callers=Callers({name: connector.limits.in_flight for name, connector in connectors.items()}),
        stored=stored_sheets(settings),
        redis=redis,
        broker_url=broker,
    )


class _Current:
    """This process's runtime, and when its sheets were last compared with the ledger's."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.runtime: Runtime | None = None
        self.pid = 0
        self.looked_at = 0.0


_current = _Current()


def current_runtime() -> Runtime:
    """Return this process's runtime, opened at first use and again after a fork.

    When a mapping version was switched on meanwhile a new Runtime replaces the old one; work that is
    under way keeps the one it began with, and W1 refuses its writes if they were planned too early.
    """
    with _current.lock:
        if _current.runtime is None or _current.pid != os.getpid():
            if _current.runtime is not None:
                _current.runtime.dispose(close=False)
            _current.runtime, _current.pid = open_runtime(by_key=True), os.getpid()
            _current.looked_at = time.monotonic()
        elif time.monotonic() - _current.looked_at > REFRESH_S:
            _current.looked_at = time.monotonic()
            _current.runtime = _refreshed(_current.runtime)
        return _current.runtime


def use_runtime(runtime: Runtime | None) -> None:
    """Make this the process's runtime (a test's, or None to open a new one at the next use)."""
    with _current.lock:
        _current.runtime, _current.pid, _current.looked_at = runtime, os.getpid(), time.monotonic()


def forget_runtime() -> None:
    """Drop what a forked child inherited; its sockets stay with the parent."""
    with _current.lock:
        if _current.runtime is not None:
            _current.runtime.dispose(close=False)
        _current.runtime = None


def stop_work() -> None:
    """Tell whatever works in this process to finish its record and start no other."""
    if _current.runtime is not None:
        _current.runtime.stopping.set()


def _refreshed(runtime: Runtime) -> Runtime:
    with runtime.ledger.transaction() as tx:
        active = dict(modes.active(tx))
    loaded = {kind: sheet.version for kind, sheet in runtime.sheets.items()}
    if all(loaded.get(kind) == version for kind, version in active.items()):
        return runtime
    sheets = active_sheets(runtime.settings, runtime.ledger)
    log.info("The mapping sheets changed", versions={kind: sheet.version for kind, sheet in sheets.items()})
    return replace(runtime, sheets=sheets, connectors=connectors_for(runtime, sheets))


def connectors_for(runtime: Runtime, sheets: Mapping[str, Sheet]) -> dict[str, Connector]:
    """Return connectors for other sheets than the runtime's own, under the same limits."""
    connectors = build_connectors(runtime.settings, sheets)
    share_limits(connectors, runtime.limiter)
    return connectors
