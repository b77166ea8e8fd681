"""A line to the ledger that an event loop waits for: one connection, one statement at a time.

For what a loop must have committed without a thread in between: a thread that waits for the interpreter
behind a busy loop costs more than the statement. Each statement is a transaction of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_WRITE

from sync_workers.ledger.connection import PING_AFTER_S, SESSION, LedgerDown, driver_url

WITHIN_S = 10.0  # connecting, or one statement


class Line:
    """Opens at the first statement, and anew after a failure or a rest, in which the server may have gone and come.

    For the loop that runs when it is used.
    """

    def __init__(self, url: str) -> None:
        self._dsn = driver_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection: Any = None
        self._cursor: Any = None
        self._used_at = 0.0

    async def execute(self, sql: str, parameters: Sequence[Any]) -> None:
        """Run a statement and return once it is committed. Raises LedgerDown: then nobody knows its fate."""
        try:
            async with asyncio.timeout(WITHIN_S):
                if time.monotonic() - self._used_at > PING_AFTER_S:
                    self.close()
                if self._connection is None:
                    await self._open()
                self._cursor.execute(sql, parameters)
                await self._answered()
                self._used_at = time.monotonic()
        except (psycopg2.Error, TimeoutError, OSError) as error:
            self.close()
            raise LedgerDown(f"the ledger's database does not answer: {type(error).__name__}",
                             mend="see that PostgreSQL runs and SYNC_DATABASE_URL points to it") from error
        except BaseException:  # cancelled in between: the connection is of no use to anybody
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._cursor = None

    async def _open(self) -> None:
        self._connection = psycopg2.connect(self._dsn, async_=True, options=SESSION, application_name="sync-workers")
        await self._answered()
        self._cursor = self._connection.cursor()

    async def _answered(self) -> None:
        while (state := self._connection.poll()) != POLL_OK:
            await self._ready(writes=state == POLL_WRITE)

    async def _ready(self, *, writes: bool) -> None:
        loop, socket = asyncio.get_running_loop(), self._connection.fileno()
        ready: asyncio.Future[None] = loop.create_future()
        add: Callable[..., None] = loop.add_writer if writes else loop.add_reader
        add(socket, _set, ready)
        try:
            await ready
        finally:
            (loop.remove_writer if writes else loop.remove_reader)(socket)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
