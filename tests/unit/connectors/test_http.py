"""Promises of the one HTTP client: the budget holds, failures are sorted, secrets stay secret."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import responses

from sync_workers.connectors import budget, sockets
from sync_workers.connectors.failures import wait_asked
from sync_workers.connectors.http import Http
from sync_workers.errors import (
    Exists,
    PermanentError,
    SystemDown,
    Throttled,
    TransientError,
    Unsure,
)

TLS = Path(__file__).parents[2] / "data" / "tls"
TOKEN = "pat-very-secret-token"
BUDGET_S = 0.5
FAR_TOO_LONG_S = 20.0  # the targets below would take minutes; noise of a shared machine stays far below


Behave = Callable[[socket.socket], None]


@contextmanager
def listening(behave: Behave, *, tls: bool = False) -> Iterator[str]:
    """Serve every connection with ``behave`` on a real socket; yields the base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if tls:
        context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                if tls:
                    connection = context.wrap_socket(connection, server_side=True)
                behave(connection)
            except OSError:
                return  # the client left, which is what these tests are about

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # the test is over
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def take_request(connection: socket.socket) -> bytes:
    taken = b""
    while b"\r\n\r\n" not in taken:
        piece = connection.recv(65536)
        if not piece:
            raise OSError("the client left")
        taken += piece
    return taken


def drip(data: bytes, pause_s: float) -> Behave:
    def behave(connection: socket.socket) -> None:
        take_request(connection)
        for at in range(len(data)):
            connection.sendall(data[at : at + 1])
            time.sleep(pause_s)

    return behave


def say(data: bytes, then: Callable[[socket.socket], None] | None = None) -> Behave:
    def behave(connection: socket.socket) -> None:
        while True:
            take_request(connection)
            connection.sendall(data)
            if then is not None:
                then(connection)
                return

    return behave


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def http(url: str, **options: object) -> Http:
    return Http("erp", url, headers={"Authorization": f"Bearer {TOKEN}"}, secrets=[TOKEN], **options)  # type: ignore[arg-type]


WHOLE = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"id":"17"}'
HEAD_AND_LONG_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + b" " * 4000


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 4000, HEAD_AND_LONG_BODY], ids=["head", "body"]
)
def test_a_target_that_drips_is_left_at_the_end_of_the_budget(data: bytes, tls: bool) -> None:
    with listening(drip(data, 0.05), tls=tls) as url:
        client = http(url, ca_file=str(TLS / "cert.pem"))
        started = time.monotonic()
        with pytest.raises(Unsure, match="no answer within the time budget"):
            client.call("POST", "/order", json={"a": 1}, writes=True, budget_s=BUDGET_S)
        assert time.monotonic() - started < FAR_TOO_LONG_S


def test_a_target_that_takes_no_bytes_is_left_at_the_end_of_the_budget() -> None:
    never = threading.Event()
    with listening(lambda connection: never.wait(60) and None) as url:
        started = time.monotonic()
        with pytest.raises(Unsure):
            http(url).call("POST", "/", json={"a": "x" * 20_000_000}, writes=True, budget_s=BUDGET_S)
        assert time.monotonic() - started < FAR_TOO_LONG_S
    never.set()


def test_a_name_server_that_does_not_answer_is_left_at_the_end_of_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()
    monkeypatch.setattr(sockets.socket, "getaddrinfo", lambda *a, **k: answered.wait(60) and [])
    with pytest.raises(TransientError, match="nothing was sent"):
        http("http://erp.example").call("POST", "/", json={}, writes=True, budget_s=0.1)
    answered.set()


def test_a_write_to_a_refused_connection_was_never_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransientError, match="nothing was sent") as caught:
        http(f"http://127.0.0.1:{port}").call("POST", "/", json={}, writes=True)
    assert "can be reached" in caught.value.mend


def test_a_write_to_a_name_that_does_not_exist_was_never_sent() -> None:
    with pytest.raises(TransientError, match="nothing was sent"):
        http("http://no-such-host.invalid").call("POST", "/", json={}, writes=True)


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent() -> None:
    with listening(say(WHOLE), tls=True) as url, pytest.raises(TransientError, match="nothing was sent"):
        http(url).call("POST", "/", json={}, writes=True)


@pytest.mark.parametrize(
    ("behave"),
    [
        pytest.param(say(b"", reset), id="reset"),
        pytest.param(say(b"", lambda c: c.close()), id="closed with no answer"),
        pytest.param(say(HEAD_AND_LONG_BODY[:100], lambda c: c.close()), id="half a body"),
        pytest.param(say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>"), id="not JSON"),
        pytest.param(say(b"SSH-2.0-nonsense\r\n", lambda c: c.close()), id="not HTTP"),
        pytest.param(say(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), id="503"),
        pytest.param(say(b"HTTP/1.1 504 Late\r\nContent-Length: 0\r\n\r\n"), id="504"),
        pytest.param(
            say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"), id="bad gzip"
        ),
    ],
)
def test_an_answer_that_proves_nothing_leaves_a_write_unsure_and_a_read_to_be_repeated(
    behave: Behave,
) -> None:
    with listening(behave) as url:
        with pytest.raises(Unsure):
            http(url).call("POST", "/", json={}, writes=True, budget_s=5)
        with pytest.raises(TransientError):
            http(url).call("GET", "/", writes=False, budget_s=5)


def test_a_kept_connection_carries_the_next_call() -> None:
    opened: list[int] = []
    with listening(lambda c: (opened.append(1), say(WHOLE)(c))[1]) as url:
        client = http(url)
        for _ in range(3):
            assert client.call("GET", "/", writes=False).json == {"id": "17"}
    assert len(opened) == 1


def test_a_connection_that_idled_is_renewed_before_a_write(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    with listening(lambda c: (opened.append(1), say(WHOLE)(c))[1]) as url:
        client = http(url)
        client.call("POST", "/", json={}, writes=True)
        monkeypatch.setattr(sockets, "MAX_IDLE_S", -1.0)
        client.call("POST", "/", json={}, writes=True)
    assert len(opened) == 2


def test_a_compressed_answer_is_read() -> None:
    packed = gzip.compress(b'{"id":"17"}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with listening(say(head + packed)) as url:
        assert http(url).call("GET", "/", writes=False).json == {"id": "17"}


def test_an_answer_that_unpacks_beyond_the_cap_is_not_taken() -> None:
    packed = gzip.compress(b" " * 50_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with listening(say(head + packed)) as url, pytest.raises(TransientError, match="larger than"):
        http(url, max_body=1_000_000).call("GET", "/", writes=False)


@pytest.mark.parametrize("deep", ["[" * 100 + "]" * 100, "[" * 100_000], ids=["100", "100,000"])
def test_json_that_nests_too_deep_is_not_taken(deep: str) -> None:
    with responses.RequestsMock() as mocked:
        mocked.get("http://erp.example/", body=deep)
        with pytest.raises(TransientError, match=r"nests|not JSON"):
            http("http://erp.example").call("GET", "/", writes=False)


@pytest.mark.parametrize(
    ("status", "read", "write"),
    [
        (301, SystemDown, SystemDown),
        (400, PermanentError, PermanentError),
        (401, SystemDown, SystemDown),
        (403, SystemDown, SystemDown),
        (404, PermanentError, PermanentError),
        (408, TransientError, Unsure),
        (409, TransientError, TransientError),
        (412, TransientError, TransientError),
        (422, PermanentError, PermanentError),
        (429, Throttled, Throttled),
        (500, TransientError, Unsure),
        (502, TransientError, Unsure),
    ],
)
def test_statuses_are_sorted_by_what_happens_next(status: int, read: type, write: type) -> None:
    with responses.RequestsMock() as mocked:
        mocked.get("http://erp.example/x", status=status, json={"detail": "no"})
        mocked.post("http://erp.example/x", status=status, json={"detail": "no"})
        with pytest.raises(read) as reading:
            http("http://erp.example").call("GET", "/x", writes=False)
        with pytest.raises(write) as writing:
            http("http://erp.example").call("POST", "/x", json={}, writes=True)
    assert type(reading.value) is read
    assert type(writing.value) is write


def test_the_platforms_own_sorting_comes_first() -> None:
    def sort(reply, writes):  # type: ignore[no-untyped-def]
        return Exists("there already", external_id=reply.json["id"])

    with responses.RequestsMock() as mocked:
        mocked.post("http://erp.example/x", status=500, json={"id": "9"})
        with pytest.raises(Exists) as caught:
            http("http://erp.example", sort=sort).call("POST", "/x", json={}, writes=True)
    assert caught.value.external_id == "9"


def test_a_throttled_call_carries_the_wait_that_was_asked_for() -> None:
    with responses.RequestsMock() as mocked:
        mocked.get("http://erp.example/x", status=429, headers={"Retry-After": "7"})
        with pytest.raises(Throttled) as caught:
            http("http://erp.example").call("GET", "/x", writes=False)
    assert caught.value.wait == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("1.5", timedelta(seconds=1.5)),
        ("Tue, 24 Nov 2026 10:01:00 GMT", timedelta(seconds=60)),
        ("Tue, 24 Nov 2026 09:00:00 GMT", timedelta(0)),
        ("1e99", None),
        ("99999999", timedelta(days=1)),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, wait: timedelta | None) -> None:
    assert wait_asked({"Retry-After": text}, datetime(2026, 11, 24, 10, tzinfo=UTC)) == wait


def test_a_secret_echoed_by_the_target_never_reaches_the_error() -> None:
    with responses.RequestsMock() as mocked:
        mocked.get("http://erp.example/x", status=400, json={"got": f"Bearer {TOKEN}", "q": TOKEN})
        with pytest.raises(PermanentError) as caught:
            http("http://erp.example").call("GET", "/x", writes=False)
    assert TOKEN not in str(caught.value)
    assert "***" in str(caught.value)


def test_a_secret_in_the_url_never_reaches_the_error() -> None:
    with pytest.raises(TransientError) as caught:
        http("http://127.0.0.1:9").call("GET", f"/x?hapikey={TOKEN}", writes=False, budget_s=1)
    assert TOKEN not in str(caught.value)


def test_a_whole_url_is_refused_so_that_credentials_stay_with_their_host() -> None:
    with pytest.raises(ValueError):
        http("http://erp.example").call("GET", "http://elsewhere.example/", writes=False)


def test_cookies_and_proxies_of_the_environment_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    data = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n{}"
    seen: list[bytes] = []

    def behave(connection: socket.socket) -> None:
        while True:
            seen.append(take_request(connection))
            connection.sendall(data)

    with listening(behave) as url:
        client = http(url)
        client.call("GET", "/", writes=False)
        client.call("GET", "/", writes=False)
    assert not any(b"cookie" in each.lower() for each in seen)


def test_a_call_goes_out_in_one_piece_that_wakes_the_target_once() -> None:
    pieces: list[bytes] = []
    with listening(lambda c: (pieces.append(c.recv(65536)), c.sendall(WHOLE))[1]) as url:
        http(f"{url}/api").call("POST", "/größe 1", params={"at": "ü"}, json={"a": 1}, writes=True)
    head, _, body = pieces[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/gr%C3%B6%C3%9Fe%201?at=%C3%BC HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer " + TOKEN.encode() in head
    assert body == b'{"a":1}'


def test_what_completes_a_write_is_worth_waiting_for_and_nothing_else_is() -> None:
    asked: list[tuple[bool, bool]] = []

    @contextmanager
    def slot(budget_s: float, begun: bool) -> Iterator[None]:
        asked.append((begun, budget_s <= BUDGET_S))
        yield

    with listening(say(WHOLE)) as url:
        client = http(url)
        client.slot = slot
        with budget.within(BUDGET_S):
            client.call("GET", "/", writes=False, budget_s=60)
            client.call("POST", "/", writes=True, budget_s=60)
            client.call("GET", "/", writes=False, budget_s=60)
        client.call("POST", "/", writes=True, budget_s=60)
        client.call("GET", "/", writes=False, budget_s=60)
    assert asked == [(False, True), (False, True), (True, True), (False, False), (False, False)]


def test_a_header_of_one_call_takes_the_place_of_the_systems_own() -> None:
    seen: list[bytes] = []
    with listening(lambda c: (seen.append(take_request(c)), c.sendall(WHOLE))[1]) as url:
        http(url).call("POST", "/", json={}, headers={"Authorization": "Bearer another"}, writes=True)
    assert seen[0].count(b"Authorization:") == 1
    assert b"Authorization: Bearer another\r\n" in seen[0]


def test_a_refusal_that_comes_before_the_whole_request_was_read_is_heard() -> None:
    def behave(connection: socket.socket) -> None:
        take_request(connection)
        connection.sendall(b"HTTP/1.1 422 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with listening(behave) as url, pytest.raises(PermanentError):
        http(url).call("POST", "/", json={"a": "x" * 2_000_000}, writes=True, budget_s=10)
