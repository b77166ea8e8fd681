"""The processes of the Procfile as they really run: server, worker and beat, killed and started again."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sync_workers.connectors import bodies
from sync_workers.fleet.procfile import read_procfile
from sync_workers.fleet.supervisor import Supervisor
from sync_workers.ledger import doorstep
from sync_workers.ledger.connection import Ledger
from tests.integration.fleet.project import delivery, signed

pytestmark = pytest.mark.slow
PROCFILE = Path(__file__).resolve().parents[3] / "Procfile"


def wait_for(what: Callable[[], Any], within_s: float = 60) -> Any:
    """Ask until there is an answer; the time limit only ends a test that fails."""
    ends, pause = time.monotonic() + within_s, threading.Event()
    while not (found := what()):
        assert time.monotonic() < ends, "it never came"
        pause.wait(0.05)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def ledger(environ: dict[str, str]) -> Iterator[Ledger]:
    opened = Ledger(environ["SYNC_DATABASE_URL"], pool_size=1)
    yield opened
    opened.dispose()


@pytest.fixture
def start(environ: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    """Return a function that runs some of the Procfile's processes until the test ends."""
    running: list[tuple[Supervisor, threading.Thread]] = []

    def begin(*names: str, **more: str) -> Supervisor:
        environment = {**os.environ, **environ, "SYNC_WEB_BIND": f"127.0.0.1:{free_port()}", **more}
        supervisor = Supervisor(
            read_procfile(PROCFILE),
            tmp_path / "home",
            environ=environment,
            names=names,
            echo=lambda name, line: print(f"{name}: {line}", file=sys.stderr),
        )
        thread = threading.Thread(target=supervisor.run, daemon=True)
        thread.start()
        running.append((supervisor, thread))
        assert supervisor.started.wait(30)
        return supervisor

    yield begin
    for supervisor, thread in running:
        supervisor.stop()
        thread.join(60)
        assert not thread.is_alive()


def connect(supervisor: Supervisor) -> http.client.HTTPConnection:
    """Return a connection to the server, once it answers."""
    host, _, port = supervisor.environ["SYNC_WEB_BIND"].partition(":")

    def alive() -> http.client.HTTPConnection | None:
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        try:
            connection.request("GET", "/healthz")
            return connection if connection.getresponse().read() else None
        except OSError:
            return None

    found: http.client.HTTPConnection = wait_for(alive)
    return found


def post(connection: http.client.HTTPConnection, body: bytes, **headers: str) -> int:
    connection.request("POST", "/hooks/crm", body=body, headers={**signed(body), **headers})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def one(ledger: Ledger, sql: str) -> Any:
    with ledger.transaction() as tx:
        return tx.rows(sql)[0][0]


def test_the_real_server_takes_parallel_deliveries_and_loses_none_that_it_took(
    start: Callable[..., Supervisor], ledger: Ledger
) -> None:
    supervisor = start("web")
    connect(supervisor)

    def send(number: int) -> int:
        connection = connect(supervisor)
        return post(connection, delivery(str(number)))

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(send, range(50))) == {202}
    doorstep.sort_out(ledger)  # no worker runs that would
    assert one(ledger, "SELECT count(DISTINCT external_id) FROM events") == 50


def test_the_real_server_bounds_bodies_with_and_without_a_length(
    start: Callable[..., Supervisor], ledger: Ledger
) -> None:
    supervisor = start("web")
    body = delivery("1")

    def status_of(head: bytes, *pieces: bytes) -> int:
        """Send what the server will take, and return its answer; 0 when it hung up on us while we sent."""
        connection = connect(supervisor).sock
        proof = "".join(f"{name}: {value}\r\n" for name, value in signed(body).items()).encode()
        try:
            connection.sendall(b"POST /hooks/crm HTTP/1.1\r\nHost: h\r\n" + proof + head + b"\r\n\r\n")
            for piece in pieces:
                connection.sendall(piece)
            return int(connection.makefile("rb").readline().split()[1])
        except OSError:
            return 0

    def chunk(piece: bytes) -> bytes:
        return b"%x\r\n%s\r\n" % (len(piece), piece)

    chunked = b"Transfer-Encoding: chunked"
    assert status_of(b"Content-Length: %d" % (bodies.MAX_DELIVERY + 1)) == 413
    assert status_of(chunked, chunk(body[:10]), chunk(body[10:]), b"0\r\n\r\n") == 202
    endless = [chunk(b"x" * 65536)] * (bodies.MAX_DELIVERY // 65536 + 1)
    assert status_of(chunked, *endless) in (413, 0)
    assert one(ledger, "SELECT count(*) FROM events") == 1


def test_a_server_that_was_killed_in_a_burst_comes_back_and_has_all_that_it_answered(
    start: Callable[..., Supervisor], ledger: Ledger
) -> None:
    supervisor = start("web")
    connect(supervisor)
    first_pid = supervisor.processes["web"].pid
    assert first_pid is not None
    accepted: list[int] = []
    killed = threading.Event()

    def send(number: int) -> None:
        if number == 60:
            os.killpg(first_pid, signal.SIGKILL)
            killed.set()
        try:
            if post(connect(supervisor), delivery(str(number))) == 202:
                accepted.append(number)
        except (OSError, http.client.HTTPException):
            return  # no answer, no promise

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(120)))
    assert killed.is_set()
    assert supervisor.processes["web"].pid != first_pid
    with ledger.transaction() as tx:
        stored = {int(row[0]) for row in tx.rows("SELECT external_id FROM events")}
    assert len(accepted) > 60
    assert set(accepted) <= stored


def test_a_worker_that_was_killed_is_started_again_and_reads_its_queues(
    start: Callable[..., Supervisor], ledger: Ledger
) -> None:
    supervisor = start("worker")
    seen = "SELECT max(seen_at) FROM heartbeats WHERE worker LIKE 'worker@%'"
    first = wait_for(lambda: one(ledger, seen))
    assert one(ledger, "SELECT queues FROM heartbeats") == "beat,dead_letter,live"
    pid = supervisor.processes["worker"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: one(ledger, seen) > first)
    assert supervisor.processes["worker"].pid != pid


def test_a_worker_that_ends_in_order_is_not_missed(start: Callable[..., Supervisor], ledger: Ledger) -> None:
    supervisor = start("worker")
    wait_for(lambda: one(ledger, "SELECT count(*) FROM heartbeats"))
    supervisor.stop()
    wait_for(lambda: one(ledger, "SELECT count(*) FROM heartbeats") == 0)


def test_two_beats_fire_each_job_once_per_slot(start: Callable[..., Supervisor], ledger: Ledger) -> None:
    start("worker", "beat")
    start("beat")
    wait_for(lambda: one(ledger, "SELECT count(*) FROM slots WHERE job = 'sweep' AND done_at IS NOT NULL") >= 4)
    assert one(ledger, "SELECT count(*) FROM (SELECT job, slot FROM slots GROUP BY 1, 2 HAVING count(*) > 1) x") == 0
    assert one(ledger, "SELECT bool_and(extract(epoch FROM slot)::int % 2 = 0) FROM slots WHERE job = 'sweep'")


def test_what_was_delivered_reaches_a_worker(start: Callable[..., Supervisor], ledger: Ledger) -> None:
    supervisor = start("web", "worker", "beat")
    assert post(connect(supervisor), delivery("1")) == 202
    wait_for(lambda: one(ledger, "SELECT fence FROM records") > 0)
