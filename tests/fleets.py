"""The Procfile's processes as they really run, for tests that kill them, and deliveries to them over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from sync_workers.connectors.plain.signatures import headers
from sync_workers.fleet.procfile import read_procfile
from sync_workers.fleet.supervisor import Supervisor
from sync_workers.sandbox.services import Service, start_broker, start_postgres
from tests.world import QUICK, SECRET, World

LEFT = """
SELECT id, kind, state, due_at - clock_timestamp(), owner, lease_until - clock_timestamp(), waits_for, failures, note
  FROM records WHERE due_at IS NOT NULL OR owner IS NOT NULL
UNION ALL
SELECT record_id, kind, status, sure_at - clock_timestamp(), op, NULL, NULL, 0, note
  FROM attempts WHERE status = 'open'
"""
ROOT = Path(__file__).resolve().parents[1]


def wait_for(what: Callable[[], Any], within_s: float = 60, why: str = "it never came") -> Any:
    """Ask until there is an answer; the time limit only ends a test that fails."""
    ends, pause = time.monotonic() + within_s, threading.Event()
    while not (found := what()):
        assert time.monotonic() < ends, why
        pause.wait(0.05)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def delivery(kind: str, record_id: str, *, key: str, version: int = 1, **more: Any) -> bytes:
    """Return the body of one delivery of one event, as plain sends it."""
    event = {"id": key, "kind": kind, "record_id": record_id, "version": version, "record": None, **more}
    return json.dumps({"events": [event]}).encode()


@dataclass
class Fleet:
    """A running supervisor and the address of its receiver."""

    supervisor: Supervisor
    port: int

    def hook(self, system: str) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/{system}"

    def post(self, system: str, body: bytes) -> tuple[int, Mapping[str, str]]:
        """Deliver once; status 0 when the receiver did not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", f"/hooks/{system}", body=body, headers=headers(SECRET, datetime.now(UTC), body))
            answer = connection.getresponse()
            answer.read()
            return answer.status, dict(answer.headers)
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            connection.close()

    def is_alive(self) -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill one process with its children; the supervisor starts it again."""
        pid = self.supervisor.processes[name].pid
        if pid is not None:
            try:
                os.killpg(pid, number)
            except ProcessLookupError:
                return


@contextmanager
def running(environ: Mapping[str, str], home: Path, *names: str, web_command: str = "",
            numbers: Mapping[str, float] | None = None) -> Iterator[Fleet]:
    """Run some of the Procfile's processes until the block ends; the workers with small time constants."""
    commands = {name: command.replace("-m sync_workers.fleet worker", "-m sync_workers.fleet -A tests.quick_app worker")
                for name, command in read_procfile(ROOT / "Procfile").items()}
    if web_command:
        commands["web"] = web_command
    port = free_port()
    environment = {**os.environ, **environ, "SYNC_WEB_BIND": f"127.0.0.1:{port}", "PYTHONPATH": str(ROOT),
                   "WORLD_NUMBERS": json.dumps({**QUICK, **(numbers or {})})}
    supervisor = Supervisor(commands, home, environ=environment, names=names, grace_s=5,
                            echo=lambda name, line: print(f"{name}: {line}", file=sys.stderr))
    thread = threading.Thread(target=supervisor.run, daemon=True)
    thread.start()
    fleet = Fleet(supervisor, port)
    try:
        assert supervisor.started.wait(30)
        if "web" in names:
            wait_for(fleet.is_alive)
        yield fleet
    finally:
        supervisor.stop()
        thread.join(60)
    assert not thread.is_alive()


@dataclass
class Servers:
    """A database server and a broker that a test may kill; they come back at the same addresses."""

    home: Path
    postgres: Service
    broker: Service

    def restart_broker(self, *, kill: bool) -> None:
        self.broker = self._restarted(self.broker, kill, lambda: start_broker(self.home))

    def restart_postgres(self, *, kill: bool) -> None:
        self.postgres = self._restarted(self.postgres, kill, lambda: start_postgres(self.home))

    @staticmethod
    def _restarted(service: Service, kill: bool, start: Callable[[], Service]) -> Service:
        if kill:
            os.kill(service.pid, signal.SIGKILL)
            wait_for(lambda: not psutil.pid_exists(service.pid) or
                     psutil.Process(service.pid).status() == psutil.STATUS_ZOMBIE)
        service.stop()
        again = start()
        assert again.url == service.url
        return again


def send_hooks_to(world: World, fleet: Fleet) -> None:
    """Let both systems deliver their changes to the receiver, and come again while they are refused."""
    for name, server in (("crm", world.crm), ("erp", world.erp)):
        server.hooks.secret, server.hooks.whole, server.hooks.tries = SECRET, False, 200
        server.hooks.url = fleet.hook(name)


def is_quiet(world: World) -> bool:
    """Whether nothing is on its way: no delivery, no due record, no lease, no open attempt."""
    if not (world.crm.hooks.wait_until_sent(0) and world.erp.hooks.wait_until_sent(0)):
        return False
    left = world.rows("SELECT (SELECT count(*) FROM records WHERE state <> 'merged' AND (due_at IS NOT NULL OR owner"
                      " IS NOT NULL)) + (SELECT count(*) FROM attempts WHERE status = 'open')")
    return bool(left[0][0] == 0)


def wait_until_quiet(world: World, within_s: float = 60) -> None:
    try:
        wait_for(lambda: is_quiet(world), within_s)
    except AssertionError:
        left = world.rows(LEFT)
        raise AssertionError(f"the fleet never came to rest: {left}") from None
