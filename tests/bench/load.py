"""Sends deliveries: as fast as a number of connections allows, or at a steady pace.

Requests are built beforehand, and a connection does nothing but send one and wait for its answer, so
that the sender takes as little of the machine as a sender in one process can.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

AGAIN_S = 0.05
TRIES = 100


@dataclass
class Sent:
    """What became of the deliveries: seconds each took, in order of their answers, and the answers by status."""

    began_at: float
    took_s: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    sent_at: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.took_s


class _Connection(asyncio.Protocol):
    """One kept connection: the next request goes out when the answer to the last one is whole."""

    def __init__(self, requests: Iterator[bytes], sent: Sent) -> None:
        self._requests, self._sent = requests, sent
        self._rest = b""
        self._request = b""
        self._tries = 0
        self._at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's own class is none
        self._next()

    def _next(self) -> None:
        self._request = next(self._requests, b"")
        self._tries = 0
        if not self._request:
            self.done.set_result(None)
            self._transport.close()
            return
        self._send()

    def _send(self) -> None:
        self._at = time.perf_counter()
        self._sent.sent_at.append(time.time())
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        head, found, rest = self._rest.partition(b"\r\n\r\n")
        if not found:
            return
        if len(rest) < _length(head):
            return
        self._rest = b""
        status = int(head[9:12])
        self._sent.statuses[status] = self._sent.statuses.get(status, 0) + 1
        if status == 503 and self._tries < TRIES:  # a sender comes again, as the receiver asks it to
            self._tries += 1
            asyncio.get_running_loop().call_later(AGAIN_S, self._send)
            return
        self._sent.latencies.append(time.perf_counter() - self._at)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))


def burst(url: str, requests: Sequence[bytes], *, connections: int) -> Sent:
    """Send all requests over so many connections, each as soon as the one before was answered."""
    return uvloop.run(_burst(url, requests, connections))


async def _burst(url: str, requests: Iterable[bytes], connections: int) -> Sent:
    loop = asyncio.get_running_loop()
    host, port = _place(url)
    sent = Sent(time.time())
    waiting = iter(requests)
    began = time.perf_counter()
    made = [await loop.create_connection(lambda: _Connection(waiting, sent), host, port)
            for _ in range(connections)]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    sent.took_s = time.perf_counter() - began
    return sent


def pace(url: str, requests: Sequence[bytes], *, per_second: float) -> Sent:
    """Send requests one after the other at a steady pace, whatever the answers take."""
    return uvloop.run(_pace(url, requests, per_second))


async def _pace(url: str, requests: Sequence[bytes], per_second: float) -> Sent:
    loop = asyncio.get_running_loop()
    host, port = _place(url)
    sent = Sent(time.time())
    began = time.perf_counter()
    running = []
    for number, request in enumerate(requests):
        await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        _, protocol = await loop.create_connection(
            lambda request=request: _Connection(iter([request]), sent), host, port)  # type: ignore[misc]
        running.append(protocol.done)
    await asyncio.gather(*running)
    sent.took_s = time.perf_counter() - began
    return sent


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
