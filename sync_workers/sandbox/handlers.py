"""What answers the requests of a sandbox's own HTTP servers, well or badly."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# headers about one connection and not about the message (RFC 9110, section 7.6.1)
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"}


@dataclass(frozen=True)
class Answer:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


def read_body(request: BaseHTTPRequestHandler) -> bytes:
    """Return the body of a request, in one piece or chunked."""
    if "chunked" not in request.headers.get("Transfer-Encoding", "").lower():
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))
    parts = []
    while size := int(request.rfile.readline().split(b";")[0], 16):
        parts.append(request.rfile.read(size))
        request.rfile.readline()
    request.rfile.readline()
    return b"".join(parts)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes, and the second waited 40 ms for an ACK

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: the proxy's log holds it."""

    def send(
        self,
        answer: Answer,
        *,
        up_to: int | None = None,
        pace_s: float | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Write the answer; cut after ``up_to`` bytes, a byte per ``pace_s`` unless stopped."""
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers:
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        body = answer.body if self.command != "HEAD" else b""
        try:
            if pace_s is None:
                self.wfile.write(body[:up_to])
            else:
                for place in range(len(body)):
                    self.wfile.write(body[place : place + 1])
                    self.wfile.flush()
                    if stop and stop.wait(pace_s):
                        pace_s = 0.0
        except (BrokenPipeError, ConnectionResetError):  # the caller gave up, which is what a fault is for
            self.close_connection = True
        if up_to is not None:
            self.cut()

    def cut(self, *, reset: bool = False) -> None:
        """Close without an answer; with ``reset`` the caller gets RST in place of FIN."""
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def shutdown_request(self, request: Any) -> None:
        # the default sends FIN before close, which would take the place of a reset asked for by SO_LINGER
        if struct.unpack("ii", request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))[0]:
            request.close()
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of callers that went away; anything else is a bug to be seen."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def serve(listen: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    server = _Server(listen, handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


def answering(handle: Callable[[Handler], None], *verbs: str) -> type[Handler]:
    """Return a handler class that hands every request with one of these verbs to ``handle``."""
    return type("Answering", (Handler,), {f"do_{verb}": handle for verb in verbs})
