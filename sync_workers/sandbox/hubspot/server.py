"""The socket side: a threaded HTTP/1.1 server that answers, or fails on purpose.

Plain sockets rather than WSGI, because a fault must be able to reset a connection, stop in the
middle of a body, or send it a byte at a time. What to answer is decided in ``routes``.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from sync_workers.sandbox.handlers import read_body
from sync_workers.sandbox.hubspot import routes
from sync_workers.sandbox.hubspot.faults import Fault
from sync_workers.sandbox.hubspot.limits import BURST, throttled
from sync_workers.sandbox.hubspot.wire import Refusal, Reply, Request, new_correlation_id

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

SAVE_EVERY_S = 1.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Handler(BaseHTTPRequestHandler):
    """Reads one request after another from a connection that is kept open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def _serve(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        fault = None if path.startswith("/sandbox") else self.server.account.faults.take(self.command, path)
        if fault is not None and fault.kind == "drop":
            self._reset()
            return
        request = Request(
            self.command,
            path,
            parse_qs(url.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            read_body(self),
        )
        if fault is None:
            self._send(routes.answer(self.server.account, request))
        else:
            self._fail(fault, request)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _fail(self, fault: Fault, request: Request) -> None:
        """Carry a fault out; all but throttle and error do the work first."""
        if fault.kind == "throttle":
            self._send(throttled(*BURST))
            return
        if fault.kind == "error":
            self._send(_broken(fault.status))
            return
        reply = routes.answer(self.server.account, request)
        if fault.kind == "commit_drop":
            self._reset()
        elif fault.kind == "commit_status":
            self._send(_broken(fault.status))
        elif fault.kind == "half":
            head, body = self._encode(reply)
            self.wfile.write(head + body[: len(body) // 2])
            self.close_connection = True
        elif fault.kind == "drip":
            self._drip(reply, fault)
        else:
            # Both wait on the fault itself, so that removing it or stopping the server ends the wait.
            fault.released.wait(fault.seconds if fault.kind == "delay" else None)
            self._send(reply)

    def _drip(self, reply: Reply, fault: Fault) -> None:
        head, body = self._encode(reply)
        self.wfile.write(head)
        for position in range(len(body)):
            self.wfile.write(body[position : position + 1])
            fault.released.wait(fault.seconds)

    def _encode(self, reply: Reply) -> tuple[bytes, bytes]:
        body = reply.encoded()
        lines = [f"HTTP/1.1 {reply.status} {_reason(reply.status)}", f"Date: {self.date_time_string()}"]
        headers = {"Content-Type": "application/json;charset=utf-8"} if body else {}
        if reply.status != HTTPStatus.NO_CONTENT:
            headers["Content-Length"] = str(len(body))
        lines += [f"{name}: {value}" for name, value in {**headers, **reply.headers}.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1"), body

    def _send(self, reply: Reply) -> None:
        head, body = self._encode(reply)
        self.wfile.write(head + body)

    def _reset(self) -> None:
        """Close so that the caller sees a reset, as from a crashed peer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: requests are kept in the account's own log."""


class Listener(ThreadingHTTPServer):
    """The listening socket, with the account that its handlers serve."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], account: Account) -> None:
        self.account = account
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, without the polite farewell where a reset was asked for."""
        with self._lock:
            self._open.discard(request)
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over callers that hang up; anything else is a bug and printed."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """End the connections that callers keep open, so that a stopped server answers nobody."""
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the caller was faster


class Simulator:
    """A running simulator: ``url``, ``account``, and ``stop()``."""

    def __init__(self, account: Account, listener: Listener, state: Path | None) -> None:
        self.account = account
        self.state = state
        self._listener = listener
        host, port = listener.server_address[:2]
        self.url = f"http://{host!s}:{port}"
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True)]
        if state is not None:
            self._threads.append(threading.Thread(target=self._keep_saving, daemon=True))

    def start(self) -> None:
        self.account.delivery.start()
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Simulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening and sending, then save; safe to call twice."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self._listener.shutdown()
        self._listener.server_close()
        self.account.faults.clear()
        self._listener.hang_up()
        self.account.delivery.stop()
        for thread in self._threads:
            thread.join(timeout=10)
        if self.state is not None:
            self.account.save(self.state)

    def _keep_saving(self) -> None:
        """Save every second; a big account less often, so that saving takes a fifth of the time at most."""
        pause_s = SAVE_EVERY_S
        while not self._stopped.wait(pause_s):
            if self.account.dirty and self.state is not None:
                began = time.monotonic()
                self.account.save(self.state)
                pause_s = max(SAVE_EVERY_S, 4 * (time.monotonic() - began))


def _broken(status: int) -> Reply:
    message = "internal error" if status == 500 else HTTPStatus(status).phrase
    return Reply(status, Refusal(status, "INTERNAL_ERROR", message).body(new_correlation_id()))


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
