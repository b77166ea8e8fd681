"""Deliveries under granian: the same answers as by WSGI, without a thread for each, whatever a sender does."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sync_workers.connectors.bodies import MAX_DELIVERY
from sync_workers.fleet import tasks
from sync_workers.fleet.messages import SORT
from sync_workers.ledger import doorstep
from sync_workers.ledger.connection import LedgerDown
from sync_workers.ledger.line import Line
from sync_workers.runtime import Runtime
from sync_workers.web import burst as bursts
from sync_workers.web import door as doors
from sync_workers.web.app import Site
from sync_workers.web.bodies import MAX_HEADERS
from sync_workers.web.door import Door
from sync_workers.web.writer import GroupWriter
from tests.fleets import Fleet, running
from tests.integration.fleet.project import delivery, signed
from tests.integration.fleet.test_receiver import queued, rows


class Scope:
    """What granian says of a request before its body."""

    scheme, query_string, authority, server = "http", "", None, "127.0.0.1:8000"

    def __init__(self, headers: dict[str, str], path: str = "/hooks/crm", method: str = "POST") -> None:
        self.headers, self.path, self.method = headers, path, method


class Exchange:
    """One request and its answer. ``body`` None: it never comes."""

    def __init__(self, body: bytes | None, *, pieces: int = 1) -> None:
        self._body, self._pieces = body, pieces
        self.read = 0
        self.answer: tuple[int, dict[str, str], bytes] | None = None

    async def __call__(self) -> bytes:
        if self._body is None:
            await asyncio.Event().wait()
        assert self._body is not None
        self.read += len(self._body)
        return self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert self._body is not None
        for _ in range(self._pieces):
            self.read += len(self._body)
            yield self._body

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        assert self.answer is None, "answered twice"
        self.answer = status, dict(headers), body

    @property
    def status(self) -> int:
        assert self.answer is not None
        return self.answer[0]


def whole(body: bytes, **more: str) -> dict[str, str]:
    return {"host": "here", "content-length": str(len(body)), **signed(body), **more}


Serve = Callable[[Callable[[Door], Awaitable[None]]], None]


@pytest.fixture
def serve(site: Site) -> Serve:
    """Return a function that runs a scene with a door on an event loop."""

    def run(scene: Callable[[Door], Awaitable[None]]) -> None:
        async def main() -> None:
            door = Door(site)
            door.__rsgi_init__(asyncio.get_running_loop())
            await scene(door)
            if door._burst is not None:
                door._burst.close()

        asyncio.run(main())

    return run


def test_deliveries_that_come_together_share_commits_and_are_all_answered(
    serve: Serve, site: Site, runtime: Runtime
) -> None:
    bodies = [delivery(str(number)) for number in range(50)]
    exchanges = [Exchange(body) for body in bodies]

    async def scene(door: Door) -> None:
        await asyncio.gather(*(door.__rsgi__(Scope(whole(body)), exchange)
                               for body, exchange in zip(bodies, exchanges, strict=True)))

    serve(scene)
    assert {each.status for each in exchanges} == {202}
    while doorstep.sort_out(runtime.ledger) is not None:
        pass
    assert rows(runtime.ledger, "SELECT count(*), count(DISTINCT external_id) FROM events") == [(50, 50)]
    ((transactions,),) = rows(runtime.ledger, "SELECT count(DISTINCT xmin::text) FROM events")
    assert transactions < 10


def test_a_burst_is_answered_from_the_doorstep_and_becomes_events_and_wake_ups(
    serve: Serve, site: Site, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bursts, "BURST", 0)
    bodies = [delivery(str(number)) for number in range(100)]
    exchanges = [Exchange(body) for body in [*bodies, bodies[0]]]  # one of them twice
    kept: list[int] = []

    async def scene(door: Door) -> None:
        await asyncio.gather(*(door.__rsgi__(Scope(whole(each._body or b"")), each) for each in exchanges))
        kept.extend(rows(runtime.ledger, "SELECT (SELECT count(*) FROM events)"
                                         " + (SELECT coalesce(sum(count), 0) FROM doorstep)")[0])

    serve(scene)
    assert {each.status for each in exchanges} == {202}
    assert kept[0] >= 100, "answered before the ledger had it"
    assert rows(runtime.ledger, "SELECT count(*) FROM events") == [(0,)]
    site.parts().publisher.flush(10)
    assert queued(runtime) == [SORT]
    assert runtime.redis is not None
    runtime.redis.delete("live")
    tasks.sort()
    assert rows(runtime.ledger, "SELECT count(*), count(DISTINCT external_id) FROM events") == [(100, 100)]
    assert rows(runtime.ledger, "SELECT count(*) FROM doorstep") == [(0,)]
    assert rows(runtime.ledger, "SELECT count(*) FROM records WHERE due_at <= clock_timestamp()") == [(100,)]
    assert len(queued(runtime)) == 100


def test_in_a_burst_a_ledger_that_is_away_is_503_and_the_sender_comes_again(
    serve: Serve, site: Site, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bursts, "BURST", 0)
    bodies = [delivery(str(number)) for number in range(20)]
    refused, taken = [Exchange(body) for body in bodies], [Exchange(body) for body in bodies]

    async def scene(door: Door) -> None:
        right = Line.execute

        async def away(*_: Any) -> None:
            raise LedgerDown("away")

        monkeypatch.setattr(Line, "execute", away)
        await asyncio.gather(*(door.__rsgi__(Scope(whole(each._body or b"")), each) for each in refused))
        monkeypatch.setattr(Line, "execute", right)
        await asyncio.gather(*(door.__rsgi__(Scope(whole(each._body or b"")), each) for each in taken))

    serve(scene)
    assert {each.status for each in refused} == {503}
    assert {each.status for each in taken} == {202}
    tasks.sort()
    assert rows(runtime.ledger, "SELECT count(*) FROM events") == [(20,)]


@pytest.mark.parametrize(("scope", "exchange", "status"), [
    pytest.param(Scope({}, method="GET"), Exchange(b""), 405, id="another method"),
    pytest.param(Scope({}, path="/hooks/nobody"), Exchange(None), 404, id="an unknown system, its body unread"),
    pytest.param(Scope({"content-length": "99999999"}), Exchange(None), 413, id="too long, its body unread"),
    pytest.param(Scope({"content-length": "x"}), Exchange(None), 400, id="no number"),
    pytest.param(Scope({"content-length": "2"}), Exchange(b"{}"), 401, id="unsigned"),
    pytest.param(Scope({f"h{number}": "1" for number in range(MAX_HEADERS + 1)}), Exchange(None), 431, id="headers"),
    pytest.param(Scope({}, path="/elsewhere"), Exchange(b""), 404, id="nothing there"),
    pytest.param(Scope({"authorization": "Basic eDp5"}, path="/console/", method="GET"), Exchange(b""), 401,
                 id="the console, with a wrong password"),
    pytest.param(Scope({}, path="/readyz", method="GET"), Exchange(b""), 200, id="readiness"),
])
def test_every_other_request_gets_the_answer_it_gets_by_wsgi(
    serve: Serve, scope: Scope, exchange: Exchange, status: int
) -> None:
    serve(lambda door: door.__rsgi__(scope, exchange))
    assert exchange.status == status


@pytest.mark.parametrize(("sent", "arrived", "status"), [
    pytest.param(b"{}", b"{", 400, id="it ends early"),
    pytest.param(b"no json", b"no json", 202, id="genuine and unreadable"),
])
def test_a_signed_request_gets_the_answer_it_gets_by_wsgi(
    serve: Serve, sent: bytes, arrived: bytes, status: int
) -> None:
    exchange = Exchange(arrived)
    serve(lambda door: door.__rsgi__(Scope(whole(sent)), exchange))  # signed now: a signature lives five minutes
    assert exchange.status == status


def test_a_body_in_pieces_is_taken_up_to_the_bound_and_read_no_further(serve: Serve, runtime: Runtime) -> None:
    body = delivery("1")
    small, endless = Exchange(body), Exchange(b"x" * 65536, pieces=10**6)

    async def scene(door: Door) -> None:
        await door.__rsgi__(Scope(signed(body)), small)
        await door.__rsgi__(Scope(signed(body)), endless)

    serve(scene)
    assert (small.status, endless.status) == (202, 413)
    assert endless.read <= MAX_DELIVERY + 65536
    assert rows(runtime.ledger, "SELECT external_id FROM events") == [("1",)]


def test_a_body_that_does_not_come_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "BODY_WITHIN_S", 0.05)
    exchange = Exchange(None)
    serve(lambda door: door.__rsgi__(Scope(whole(b"{}")), exchange))
    assert exchange.status == 408


def test_a_door_that_is_closed_while_a_body_comes_is_no_late_body(serve: Serve) -> None:
    exchange = Exchange(None)

    async def scene(door: Door) -> None:
        task = asyncio.create_task(door.__rsgi__(Scope(whole(b"{}")), exchange))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    serve(scene)
    assert exchange.answer is None


def test_a_ledger_that_fails_and_one_that_hangs_are_503_and_the_sender_comes_again(
    serve: Serve, site: Site, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = delivery("1")
    go = threading.Event()

    def hang(*_: Any) -> Any:
        assert go.wait(30)
        raise LedgerDown("away")

    def with_commit(door: Door, commit: Any) -> None:
        burst = door._burst or door._bursting(site.parts())
        monkeypatch.setattr(burst, "_writer", GroupWriter(commit))

    def fail(*_: Any) -> Any:
        raise LedgerDown("away")

    failed, hung, after = Exchange(body), Exchange(body), Exchange(body)

    async def scene(door: Door) -> None:
        with_commit(door, fail)
        await door.__rsgi__(Scope(whole(body)), failed)
        with_commit(door, hang)
        site.parts().receiver.answer_within_s = 0.05
        await door.__rsgi__(Scope(whole(body)), hung)
        go.set()
        site.parts().receiver.answer_within_s = 4.5
        monkeypatch.setattr(door._burst, "_writer", site.parts().writer)
        await door.__rsgi__(Scope(whole(body)), after)

    serve(scene)
    for each in (failed, hung):
        assert each.answer is not None
        assert (each.status, int(each.answer[1]["Retry-After"]) > 0) == (503, True)
    assert after.status == 202
    assert rows(runtime.ledger, "SELECT external_id FROM events") == [("1",)]


def test_while_the_ledger_cannot_be_opened_one_thread_tries_and_life_is_shown(runtime: Runtime) -> None:
    tries, release = [], threading.Event()

    def open_() -> Runtime:
        tries.append(1)
        assert release.wait(30)
        raise LedgerDown("away")

    body = delivery("1")
    waiting = [Exchange(body) for _ in range(20)]
    alive = Exchange(b"")

    async def main() -> None:
        door = Door(Site(open_))
        door.__rsgi_init__(asyncio.get_running_loop())
        tasks = [asyncio.create_task(door.__rsgi__(Scope(whole(body)), each)) for each in waiting]
        await asyncio.sleep(0)
        await door.__rsgi__(Scope({}, path="/healthz", method="GET"), alive)
        release.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert alive.status == 200
    assert {each.status for each in waiting} == {503}
    assert len(tries) == 1


@pytest.fixture
def fleet(environ: dict[str, str], tmp_path: Path) -> Iterator[Fleet]:
    """Return a running receiver, as the Procfile starts it."""
    with running(environ, tmp_path / "fleet", "web") as started:
        yield started


def request(fleet: Fleet, body: Any, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", fleet.port, timeout=30)
    try:
        connection.request("POST", "/hooks/crm", body=body, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_receiver_of_the_procfile_takes_what_is_sound_and_survives_what_is_not(
    fleet: Fleet, runtime: Runtime
) -> None:
    bodies = [delivery(str(number)) for number in range(64)]
    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(lambda body: request(fleet, body, signed(body)), bodies)) == {202}
    tasks.sort()
    assert rows(runtime.ledger, "SELECT count(*) FROM events") == [(64,)]

    body = delivery("chunked")
    assert request(fleet, iter([body[:10], body[10:]]), signed(body)) == 202
    assert request(fleet, b"x", {"X-Plain-Signature": "\xff\xfe", "X-Plain-Timestamp": "1"}) in (400, 401)
    for half in (b"POST /hooks/crm HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{", b"POST /hooks/cr"):
        with socket.create_connection(("127.0.0.1", fleet.port), timeout=10) as hangs_up:
            hangs_up.sendall(half)
    big = b'{"events": [], "pad": "' + b"x" * (MAX_DELIVERY - 100) + b'"}'
    assert request(fleet, big, signed(big)) == 202
    last = delivery("last")
    assert request(fleet, last, signed(last)) == 202
    shown = json.loads(http_get(fleet, "/readyz"))
    assert shown["ready"], shown


def http_get(fleet: Fleet, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", fleet.port, timeout=30)
    connection.request("GET", path)
    return connection.getresponse().read()
