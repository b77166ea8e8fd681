"""A running simulator, HubSpot's own client pointed at it, and a place for webhooks to arrive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import hubspot
import pytest
import requests

from sync_workers.sandbox.hubspot import Simulator, start

GENEROUS = {"burst": 100_000, "search_per_s": 100_000}


@dataclass
class Arrival:
    """One webhook request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Takes webhooks; ``statuses`` are the answers to give first, then 204 for ever."""

    url: str = ""
    arrivals: list[Arrival] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    inside: int = 0
    most_inside: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, arrival: Arrival) -> int:
        with self.changed:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
            self.arrivals.append(arrival)
            status = self.statuses.pop(0) if self.statuses else 204
            self.changed.notify_all()
        self.gate.wait(30)
        with self.changed:
            self.inside -= 1
        return status

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout=30)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = made.take(Arrival(self.path, dict(self.headers.items()), body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep the test output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}/hooks/crm?account=1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield made
    made.gate.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def simulator(receiver: Receiver) -> Iterator[Simulator]:
    running = start(webhook_url=receiver.url, webhook_window_s=0.01, **GENEROUS)
    yield running
    running.stop()


@pytest.fixture
def client(simulator: Simulator) -> hubspot.Client:
    return hubspot.Client.create(access_token=simulator.account.settings.token, host=simulator.url)


@pytest.fixture
def web(simulator: Simulator) -> Callable[..., requests.Response]:
    """Call the simulator without a client, for what the client cannot say."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {simulator.account.settings.token}"

    def call(method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        more.setdefault("timeout", 30)
        return session.request(method, simulator.url + path, json=body, **more)

    return call
