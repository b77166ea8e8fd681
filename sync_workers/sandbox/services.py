"""The embedded servers, and a group that stops what it started whatever ends the program.

PostgreSQL and the broker are used where ``SYNC_DATABASE_URL`` or ``SYNC_BROKER_URL`` is unset; how
each is run stands in the modules of their names.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Protocol, TypeVar

from sync_workers.sandbox.broker import start_broker
from sync_workers.sandbox.databases import create_database, database_exists, drop_database
from sync_workers.sandbox.postgres import start_postgres
from sync_workers.sandbox.processes import Service, ServiceError

__all__ = [
    "Service",
    "ServiceError",
    "ServiceGroup",
    "create_database",
    "database_exists",
    "drop_database",
    "start_broker",
    "start_postgres",
]


AGAIN_AFTER_S = 3.0


class Stoppable(Protocol):
    """What a group can hold: an embedded server, an ERP, a proxy, a worker."""

    def stop(self) -> None: ...


Member = TypeVar("Member", bound=Stoppable)


class ServiceGroup:
    """Servers that end with the ``with`` block, last one first: on return, error, Ctrl-C or SIGTERM.

    SIGTERM and SIGINT end the block as SystemExit(143) and KeyboardInterrupt do; further ones that
    arrive while servers are being stopped are ignored, since half a stop leaves orphans. Servers
    run in sessions of their own, so a Ctrl-C at the terminal reaches this program alone.

    A signal is sent again until the block ends: what a handler raises is lost when Python was just inside the
    callback of a weak reference, as it often is while it imports.
    """

    def __init__(self) -> None:
        self._members: list[Stoppable] = []
        self._handlers: dict[signal.Signals, Any] = {}
        self._is_stopping = False
        self._is_over = threading.Event()

    def add(self, member: Member) -> Member:
        """Take over stopping ``member`` and return it."""
        self._members.append(member)
        return member

    def stop(self) -> None:
        """Stop all, last one first, each even if another fails. ExceptionGroup when any did."""
        self._is_stopping = True
        failures: list[Exception] = []
        while self._members:
            member = self._members.pop()
            try:
                member.stop()
            except Exception as error:
                failures.append(error)
        self._is_stopping = False
        if failures:
            raise ExceptionGroup("some servers could not be stopped", failures)

    def __enter__(self) -> ServiceGroup:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._handlers[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        try:
            self.stop()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._is_stopping or self._is_over.is_set():
            return
        threading.Thread(target=self._insist, args=(number,), daemon=True).start()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    def _insist(self, number: int) -> None:
        if not self._is_over.wait(AGAIN_AFTER_S) and not self._is_stopping:
            os.kill(os.getpid(), number)
