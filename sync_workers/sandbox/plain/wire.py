"""The least of HTTP/1.1 that a fast keep-alive server needs.

Bodies by Content-Length only: the connectors send nothing else. What a request means belongs to
``server`` and ``routes``.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

REASONS = {
    200: "OK",
    201: "Created",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    412: "Precondition Failed",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
MAX_HEAD = 64 * 1024


@dataclass
class Call:
    """One request as received; ``at`` in epoch seconds."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Answer:
    status: int
    body: bytes = b""
    retry_after_s: float | None = None

    def encode(self) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Status')}",
            "Content-Type: application/json",
        ]
        if self.retry_after_s is not None:
            lines.append(f"Retry-After: {self.retry_after_s:g}")
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("latin-1") + self.body


def answer(status: int, document: Any) -> Answer:
    return Answer(status, json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())


class Wire(asyncio.Protocol):
    """One connection: cuts the bytes into calls and answers them one after the other."""

    def __init__(self, serve: Callable[[Call, Wire], None], open_wires: set[Wire]) -> None:
        self._serve = serve
        self._open = open_wires
        self._buffer = b""
        self._busy = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream, since this is a stream server
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._busy:
            self._next()

    def _next(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                self.drop()
            return
        first, *rest = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in rest:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length") or 0)
        if len(self._buffer) < end + 4 + length:
            return
        body = self._buffer[end + 4 : end + 4 + length]
        self._buffer = self._buffer[end + 4 + length :]
        parts = first.split(" ")
        if len(parts) != 3:
            self.drop()
            return
        self._busy = True
        self._serve(Call(parts[0], parts[1], headers, body, time.time()), self)

    def send(self, data: bytes) -> None:
        """Send a whole answer and take the next call."""
        if self.transport is not None:
            self.transport.write(data)
        self._busy = False
        if self._buffer:
            self._next()

    def send_piece(self, data: bytes) -> bool:
        """Send a part of an answer; False when the caller has gone."""
        if self.transport is None or self.transport.is_closing():
            return False
        self.transport.write(data)
        return True

    def finish(self, data: bytes = b"") -> None:
        """Send what is left and close in good order."""
        if self.transport is not None:
            self.transport.write(data)
            self.transport.close()

    def drop(self) -> None:
        """Close at once, with a reset where data was unread."""
        if self.transport is not None:
            self.transport.abort()
