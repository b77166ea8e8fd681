"""A proxy in front of the real Tryton that spoils the answer of one chosen call, once."""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

DRIPS = 200


class TrytonProxy:
    """Forwards to ``target``; ``spoil(method, what)`` makes the next call of that RPC method go wrong."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.spoiled: dict[str, str] = {}
        self.ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def spoil(self, method: str, what: str) -> None:
        self.ended.clear()
        self.spoiled[method] = what

    def untroubled(self) -> None:
        self.spoiled.clear()
        self.ended.set()

    def stop(self) -> None:
        self.untroubled()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(proxy: TrytonProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            what = proxy.spoiled.pop(json.loads(body)["method"], None)
            if what == "drop":
                self.close_connection = True
                return
            if what == "429":
                self._answer(429, b"", {"Retry-After": "3"})
                return
            status, answer, headers = self._forward(body)
            if what is None:
                self._answer(status, answer, headers)
            elif what == "commit_503":
                self._answer(503, b"<!doctype html><title>503</title>the gateway gave up", {})
            elif what == "commit_drop":
                self.close_connection = True
            else:
                self._begin(answer, headers)
                if what == "drip":
                    self._drip(answer)
                else:
                    self.wfile.write(answer[: len(answer) // 2])
                self.close_connection = True

        def _forward(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
            connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=60)
            names = ("Content-Type", "Authorization", "Accept", "Accept-Encoding")
            sent = {name: self.headers[name] for name in names if self.headers[name]}
            try:
                connection.request("POST", self.path, body, sent)
                reply = connection.getresponse()
                kept = ("Content-Type", "Content-Encoding", "WWW-Authenticate")
                return reply.status, reply.read(), {n: reply.headers[n] for n in kept if reply.headers[n]}
            finally:
                connection.close()

        def _begin(self, answer: bytes, headers: dict[str, str]) -> None:
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer) + DRIPS))
            self.end_headers()

        def _drip(self, answer: bytes) -> None:
            for at in range(DRIPS):
                if proxy.ended.wait(0.2):
                    return
                try:
                    self.wfile.write(answer[at : at + 1] or b" ")
                    self.wfile.flush()
                except OSError:  # the caller hung up, which is what the test wants
                    return

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
