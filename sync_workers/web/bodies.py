"""Reading a request from WSGI within bounds: length, header count, and the address the sender called."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sync_workers.connectors.bodies import MAX_DELIVERY
from sync_workers.connectors.contract import Request
from sync_workers.errors import SyncError

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024
PIECE = 64 * 1024

Environ = Mapping[str, Any]


class Unacceptable(SyncError):
    """A request that is turned away before anything is verified; ``status`` is what HTTP calls it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def read_request(environ: Environ, public_url: str | None, *, most: int = MAX_DELIVERY) -> Request:
    """Return the delivery as it came in. Raises Unacceptable for one that is out of bounds."""
    headers = _headers(environ)
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    called = Called(environ.get("wsgi.url_scheme", "http"), host, environ.get("PATH_INFO", ""),
                    environ.get("QUERY_STRING", ""))
    return Request(
        method=environ["REQUEST_METHOD"],
        url=address(called, public_url),
        headers=headers,
        body=_body(environ, most),
        received_at=datetime.now(UTC),
    )


class Called(NamedTuple):
    """The address of a request as this server sees it."""

    scheme: str
    host: str
    path: str
    query: str


def address(called: Called, public_url: str | None) -> str:
    """Return the URL as the sender called it, which some senders sign.

    Behind a proxy only ``public_url`` knows: a whole address is taken as it is, one without a path
    gets ours. Forwarding headers are not believed: anybody can send them.
    """
    if public_url is None:
        base = f"{called.scheme}://{called.host}{called.path}"
    elif urlsplit(public_url).path in ("", "/"):
        base = public_url.rstrip("/") + called.path
    else:
        base = public_url
    return f"{base}?{called.query}" if called.query else base


def bounded(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers. Raises Unacceptable for too many of them, or too large ones."""
    if len(headers) > MAX_HEADERS or sum(map(len, headers.values())) > MAX_HEADER_BYTES:
        raise Unacceptable(431, "the request has too many headers, or too large ones")
    return headers


def announced(length: str, most: int = MAX_DELIVERY) -> int:
    """Return what ``Content-Length`` says. Raises Unacceptable for what is no number, or more than ``most``."""
    if not (length.isascii() and length.isdigit()):
        raise Unacceptable(400, "Content-Length is no number")
    if len(length) > 12 or int(length) > most:
        raise Unacceptable(413, f"the body is larger than {most} bytes")
    return int(length)


def _headers(environ: Environ) -> dict[str, str]:
    headers = {_header(key): value for key, value in environ.items() if key.startswith("HTTP_")}
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            headers[key.replace("_", "-").lower()] = environ[key]
    return bounded(headers)


@lru_cache(maxsize=256)
def _header(key: str) -> str:
    return key[5:].replace("_", "-").lower()


def _body(environ: Environ, most: int) -> bytes:
    stream, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH") or ""
    if length:
        size = announced(length, most)
        body = _read(stream, size)
        if len(body) < size:
            raise Unacceptable(400, "the body ended before its Content-Length")
        return body
    if not environ.get("wsgi.input_terminated"):
        # without a length this server cannot say where the body ends, and reading on could wait for ever
        if environ.get("HTTP_TRANSFER_ENCODING"):
            raise Unacceptable(411, "send a Content-Length")
        return b""
    body = _read(stream, most + 1)
    if len(body) > most:
        raise Unacceptable(413, f"the body is larger than {most} bytes")
    return body


def _read(stream: Any, most: int) -> bytes:
    pieces: list[bytes] = []
    left = most
    while left > 0:
        piece = stream.read(min(left, PIECE))
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
