"""Each fault breaks the request that it was meant for, in the way that its name says, and no other."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from sync_workers.errors import SettingsError
from sync_workers.sandbox.faults import Fault, Rule
from sync_workers.sandbox.proxy import FaultProxy


class Target:
    """A system that remembers what reached it and says it back."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.arrived = threading.Semaphore(0)
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                target.seen.append(body.decode())
                self.send_response(201)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Path", self.path)
                self.end_headers()
                self.wfile.write(body)
                target.arrived.release()

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def proxy(target: Target) -> Iterator[FaultProxy]:
    with FaultProxy(f"{target.url}/base") as made:
        yield made


def post(proxy: FaultProxy, body: str = "order", timeout: float = 20) -> requests.Response:
    return requests.post(f"{proxy.url}/hooks", data=body, timeout=timeout)


def test_without_a_rule_everything_passes_unchanged(proxy, target):
    reply = post(proxy, "order ü")
    assert (reply.status_code, reply.text, reply.headers["X-Path"]) == (201, "order ü", "/base/hooks")
    (entry,) = proxy.log
    assert (entry.method, entry.path, entry.fault, entry.status) == ("POST", "/hooks", None, 201)


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.DROP])
def test_a_request_dropped_before_forwarding_never_arrives(fault, proxy, target):
    proxy.add(fault)
    with pytest.raises(requests.ConnectionError):
        post(proxy)
    assert target.seen == []
    assert post(proxy).status_code == 201


def test_a_committed_drop_does_the_work_and_hides_the_answer(proxy, target):
    proxy.add(Fault.COMMITTED_DROP)
    with pytest.raises(requests.ConnectionError):
        post(proxy)
    assert target.seen == ["order"]
    assert proxy.log[0].status == 201


@pytest.mark.parametrize("status", [503, 504])
def test_a_committed_status_does_the_work_and_reports_failure(status, proxy, target):
    proxy.add(Fault.COMMITTED_STATUS, status=status)
    assert post(proxy).status_code == status
    assert target.seen == ["order"]


def test_a_status_keeps_the_request_from_the_target(proxy, target):
    proxy.add("status", status=429)
    assert post(proxy).status_code == 429
    assert target.seen == []


def test_a_delayed_answer_comes_after_the_time_out(proxy, target):
    proxy.add(Fault.DELAY, seconds=60)
    with pytest.raises(requests.ReadTimeout):
        post(proxy, timeout=0.3)
    assert target.seen == ["order"]


def test_a_dripping_answer_defeats_a_read_time_out_and_arrives_whole(proxy):
    proxy.add(Fault.DRIP, seconds=0.02)
    assert post(proxy, "a" * 20, timeout=5).text == "a" * 20


def test_half_a_body_is_seen_as_a_broken_answer(proxy, target):
    proxy.add(Fault.HALF)
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        post(proxy, "a" * 100)
    assert target.seen == ["a" * 100]


def test_a_late_request_arrives_after_its_caller_has_given_up(proxy, target):
    proxy.add(Fault.LATE)
    with pytest.raises(requests.ConnectionError):
        post(proxy, "first")
    post(proxy, "second")
    assert target.seen == ["second"]
    proxy.release()
    assert target.seen == ["second", "first"]


def test_a_late_request_arrives_by_itself_after_its_seconds(proxy, target):
    proxy.add(Fault.LATE, seconds=0.05)
    with pytest.raises(requests.ConnectionError):
        post(proxy)
    assert target.arrived.acquire(timeout=20)


def test_a_frozen_request_gets_no_answer_and_never_arrives(proxy, target):
    proxy.add(Fault.FREEZE)
    with pytest.raises(requests.ReadTimeout):
        post(proxy, timeout=0.3)
    proxy.release()
    proxy.await_log(1)
    assert target.seen == []


def test_a_rule_acts_on_matching_requests_only_and_only_so_often(proxy):
    proxy.add(Fault.STATUS, path="^/hooks", body=r'"model\.sale\.sale\.create"', times=2)
    calls = ['{"method": "model.sale.sale.read"}', *['{"method": "model.sale.sale.create"}'] * 3]
    assert [post(proxy, call).status_code for call in calls] == [201, 503, 503, 201]


def test_a_rule_may_let_the_first_ones_pass(proxy):
    proxy.add(Fault.STATUS, skip=1)
    assert [post(proxy).status_code for _ in range(3)] == [201, 503, 201]


def test_the_same_seed_breaks_the_same_requests(target):
    def run() -> list[int]:
        with FaultProxy(target.url, seed=7) as proxy:
            proxy.add(Fault.STATUS, times=None, probability=0.5)
            return [post(proxy).status_code for _ in range(20)]

    first = run()
    assert first == run()
    assert set(first) == {201, 503}


def test_a_rule_that_cannot_be_read_names_what_is_wrong():
    with pytest.raises(SettingsError, match="mehtod"):
        Rule.load({"fault": "drop", "mehtod": "x"})
    with pytest.raises(SettingsError, match="explode"):
        Rule.load({"fault": "explode"})


def test_a_proxy_in_a_process_of_its_own_is_switched_over_http(target):
    argv = [sys.executable, "-m", "sync_workers.sandbox.proxy", "--target", target.url]
    program = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        told = json.loads(program.stdout.readline())
        control = told["control"]
        assert requests.post(f"{control}/rules", json={"fault": "status", "status": 504}, timeout=20).ok
        assert requests.post(told["url"], data="a", timeout=20).status_code == 504
        assert requests.post(told["url"], data="b", timeout=20).status_code == 201
        assert requests.post(f"{control}/rules", json={"fault": "explode"}, timeout=20).status_code == 400
        log = requests.get(f"{control}/log", timeout=20).json()["log"]
        assert [(entry["fault"], entry["status"]) for entry in log] == [("status", None), (None, 201)]
    finally:
        program.terminate()
        program.communicate(timeout=20)
    assert program.returncode == 0
