"""The phone of whoever is on duty: an address that Apprise sends alerts to, and the list of what came."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Alarms:
    """Listens on a free port of this machine. ``url`` is what SYNC_ALERT_URLS takes."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.received))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True, name="alarms").start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self._server.server_address[1]}/"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(received: list[str]) -> type[BaseHTTPRequestHandler]:
    class Phone(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            document: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append(str(document.get("title") or document.get("message")))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing: what came stands in the list."""

    return Phone
