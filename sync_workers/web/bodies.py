"""Reading a request from WSGI within bounds: length, header count, and the address the sender called."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
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
    return Request(
        method=environ["REQUEST_METHOD"],
        url=address(environ, public_url),
        headers=headers,
        body=_body(environ, most),
        received_at=datetime.now(UTC),
    )


def address(environ: Environ, public_url: str | None) -> str:
    """Return the URL as the sender called it, which some senders sign.

    Behind a proxy only ``public_url`` knows: a whole address is taken as it is, one without a path
    gets ours. Forwarding headers are not believed: anybody can send them.
    """
    path, query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
    if public_url is None:
        host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
        base = f"{environ.get('wsgi.url_scheme', 'http')}://{host}{path}"
    elif urlsplit(public_url).path in ("", "/"):
        base = public_url.rstrip("/") + path
    else:
        base = public_url
    return f"{base}?{query}" if query else base


def _headers(environ: Environ) -> dict[str, str]:
    headers = {
        key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")
    }
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            headers[key.replace("_", "-").lower()] = environ[key]
    if len(headers) > MAX_HEADERS or sum(map(len, headers.values())) > MAX_HEADER_BYTES:
        raise Unacceptable(431, "the request has too many headers, or too large ones")
    return headers


def _body(environ: Environ, most: int) -> bytes:
    stream, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH") or ""
    if length:
        if not (length.isascii() and length.isdigit()):
            raise Unacceptable(400, "Content-Length is no number")
        if len(length) > 12 or int(length) > most:
            raise Unacceptable(413, f"the body is larger than {most} bytes")
        body = _read(stream, int(length))
        if len(body) < int(length):
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
