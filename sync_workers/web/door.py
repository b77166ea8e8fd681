"""The WSGI application under granian's own interface, RSGI: a delivery waits without a thread.

A WSGI server gives each request a thread, and most of a delivery's life is waiting for the commit of its
group: handing the interpreter around between those threads takes more than all other work on a delivery.
Here deliveries wait as futures on one event loop; what they are told is the application's, word for word.
A slow sender holds no thread, either. Everything else is answered by the application in a thread.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]

from sync_workers import logs
from sync_workers.connectors.bodies import MAX_DELIVERY
from sync_workers.connectors.contract import Request
from sync_workers.errors import TransientError
from sync_workers.fleet.memory import spare_the_lasting
from sync_workers.ledger.line import Line
from sync_workers.web.app import AWAY, DEFECT, HOOKS, ONLY_POST, Parts, Site, create_app
from sync_workers.web.bodies import Called, Unacceptable, address, announced, bounded
from sync_workers.web.burst import Burst
from sync_workers.web.deadlines import Deadlines
from sync_workers.web.replies import Answer, said
from sync_workers.web.writer import Delivery

log = logs.get(__name__)
T = TypeVar("T")

THREADS = 8  # for what may wait for the ledger: opening it, quarantine, readiness, metrics
BODY_WITHIN_S = 20.0
SWITCH_S = 0.0005  # the writer wants the interpreter back after each statement, and the loop is busy


class Door:
    """Takes requests from granian for a site. All but the threads' work happens on its event loop."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._threads = ThreadPoolExecutor(THREADS, "request")
        self._opening: asyncio.Future[Parts] | None = None
        self._waiting: dict[Delivery, asyncio.Future[None]] = {}
        self._answers = Deadlines(self._give_up)
        self._bodies = Deadlines(_cancel)
        self._burst: Burst | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        sys.setswitchinterval(SWITCH_S)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._burst is not None:
            self._burst.close()
        self._site.close()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        path: str = scope.path
        if path.startswith(HOOKS):
            try:
                made = said(await self._hook(path.removeprefix(HOOKS), scope, protocol))
            except TransientError:
                made = said(AWAY)
            except Exception:
                log.exception("A request met a defect", path=path)
                made = said(DEFECT)
        else:
            authorization = scope.headers.get("authorization", "")
            made = await self._in_thread(lambda: self._site.look(scope.method, path, authorization))
        protocol.response_bytes(made.status, made.headers, made.body)

    async def _hook(self, system: str, scope: Any, protocol: Any) -> Answer:
        if scope.method != "POST":
            return ONLY_POST
        parts = self._site.parts() if self._site.is_open else await self._opened()
        receiver = parts.receiver
        burst = self._burst or self._bursting(parts)
        reading = await self._reading(scope, protocol, receiver.knows(system))
        step = receiver.begin(system, reading, burst.submit)
        if isinstance(step, Answer):
            return step
        if step.delivery is not None:
            await self._settled(step.delivery, step.started + receiver.answer_within_s)
        if step.is_to_be_kept:
            return await self._in_thread(lambda: receiver.finish(step))
        return receiver.finish(step)

    async def _opened(self) -> Parts:
        """Open the ledger, in one thread however many requests wait for it."""
        if self._opening is None:
            self._opening = self._loop.run_in_executor(self._threads, self._site.parts)
            self._opening.add_done_callback(self._forget_opening)
        return await asyncio.shield(self._opening)

    def _bursting(self, parts: Parts) -> Burst:
        line = Line(parts.runtime.ledger.url)
        self._burst = Burst(parts.writer, line, tell=self._tell, tell_here=self._wake, knock=parts.publisher.knock)
        return self._burst

    def _forget_opening(self, opening: asyncio.Future[Parts]) -> None:
        self._opening = None
        if opening.exception() is None:  # else whoever waits was told
            spare_the_lasting()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._threads, work)

    async def _settled(self, delivery: Delivery, until: float) -> None:
        """Wait for the writer, or until we give up on it."""
        self._waiting[delivery] = future = self._loop.create_future()
        self._answers.add(delivery, until)
        await future

    def _tell(self, deliveries: Sequence[Delivery]) -> None:
        """Take the writer's word, in its thread: one call wakes the loop for a whole group."""
        self._loop.call_soon_threadsafe(self._wake, deliveries)

    def _wake(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._answers.remove(delivery)
            future = self._waiting.pop(delivery, None)
            if future is not None and not future.done():
                future.set_result(None)

    def _give_up(self, delivery: Delivery) -> None:
        delivery.give_up()
        self._wake([delivery])

    async def _reading(self, scope: Any, protocol: Any, is_known: bool) -> Callable[[str | None], Request]:
        """Read the body, within bounds, and return what makes the request of it, or raises Unacceptable.

        For a system that nobody knows nothing is read.
        """
        refusal: Unacceptable | None = None
        headers: dict[str, str] = {}
        body = b""
        if is_known:
            try:
                headers = bounded(_headers(scope))
                body = await self._body(protocol, headers)
            except Unacceptable as error:
                refusal = error

        def read(public_url: str | None) -> Request:
            if refusal is not None:
                raise refusal
            host = headers.get("host") or scope.authority or scope.server
            called = Called(scope.scheme, host, scope.path, scope.query_string)
            return Request(scope.method, address(called, public_url), headers, body, datetime.now(UTC))

        return read

    async def _body(self, protocol: Any, headers: dict[str, str]) -> bytes:
        task = asyncio.current_task()
        assert task is not None
        self._bodies.add(task, time.monotonic() + BODY_WITHIN_S)
        try:
            if "content-length" in headers:
                size = announced(headers["content-length"])
                body: bytes = await protocol()
                if len(body) < size:
                    raise Unacceptable(400, "the body ended before its Content-Length")
                return body
            pieces = bytearray()
            async for piece in protocol:
                pieces += piece
                if len(pieces) > MAX_DELIVERY:
                    raise Unacceptable(413, f"the body is larger than {MAX_DELIVERY} bytes")
            return bytes(pieces)
        except ProtocolClosed:
            raise Unacceptable(400, "the sender hung up before the body was whole") from None
        except asyncio.CancelledError:
            if self._bodies.remove(task):  # not by us
                raise
            task.uncancel()
            raise Unacceptable(408, f"the body did not come within {BODY_WITHIN_S:.0f} s") from None
        finally:
            self._bodies.remove(task)


def _headers(scope: Any) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in scope.headers.items():
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


def create_door() -> Door:
    """Return the application for granian; opens nothing yet."""
    return Door(create_app())
