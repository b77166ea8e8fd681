"""The plain server keeps the habits and commits the faults that engine tests and the benchmark rely on."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from sync_workers.connectors.contract import ListChange, NativeWrite, Request, SystemSettings
from sync_workers.connectors.plain.connector import PlainConnector
from sync_workers.errors import Exists, SystemDown, Throttled, TransientError, Unsure
from sync_workers.sandbox.plain import PlainServer, start


@pytest.fixture
def server() -> Iterator[PlainServer]:
    server = start()
    yield server
    server.stop()


def connect(server: PlainServer, **options: Any) -> PlainConnector:
    return PlainConnector(
        SystemSettings("erp", "plain", server.url, options, webhook_secret="hook-secret"), {}
    )


def create(number: int = 1, **fields: Any) -> NativeWrite:
    return NativeWrite("order", None, {"po": f"PO-{number}", **fields}, f"ref-{number}", "reference")


def test_a_store_rounds_recases_and_forgets_as_told(server: PlainServer) -> None:
    server.rules(
        "order", decimals={"total": 2, "lines.price": 2}, upper=("po",), known=("po", "total", "lines")
    )
    lines = ListChange(add=(("a", {"price": "9.995"}), ("b", {"price": 1.005})))
    shown = connect(server).write(create(po="ab-1", total="9.995", lines=lines, unknown="lost"))
    assert shown.fields["po"] == "AB-1"
    assert shown.fields["total"] == "10.00"
    assert [line["price"] for line in shown.fields["lines"]] == ["10.00", 1.01]
    assert "unknown" not in shown.fields


def test_a_lagging_look_up_is_blind_to_a_new_record(server: PlainServer) -> None:
    server.rules("order", find_lag_s=3600.0)
    erp = connect(server, variant="T3", find_lag_s=3600)
    made = erp.write(create())
    assert erp.find("order", "reference", "ref-1") == []
    server.rules("order", find_lag_s=0.0)
    assert [native.id for native in erp.find("order", "reference", "ref-1")] == [made.id]


def test_without_a_unique_rule_a_second_create_doubles_and_is_counted(server: PlainServer) -> None:
    erp = connect(server)
    erp.write(create())
    erp.write(create())
    assert server.store.references["order:ref-1"] == 2
    server.rules("order", unique=("reference",))
    erp.write(create(2))
    with pytest.raises(Exists):
        erp.write(create(2))
    assert server.counts["order.create"] == 3


def test_a_held_call_is_carried_out_long_after_its_caller_left(server: PlainServer) -> None:
    erp = connect(server)
    server.fault("hold", op="create")
    with pytest.raises(Unsure):
        erp.write(create())
    assert erp.find("order", "reference", "ref-1") == []
    assert server.release() == 1
    assert len(erp.find("order", "reference", "ref-1")) == 1


def test_a_server_that_refuses_is_back_on_the_same_port(server: PlainServer) -> None:
    erp = connect(server)
    erp.write(create())
    server.refuse()
    with pytest.raises(TransientError):
        erp.write(create(2))
    server.accept()
    assert erp.write(create(2)).fields["po"] == "PO-2"


def test_a_thin_answer_is_followed_by_a_read(server: PlainServer) -> None:
    server.rules("order", thin=True)
    assert connect(server).write(create()).fields["po"] == "PO-1"
    assert [call.op for call in server.log] == ["create", "read"]


def test_an_action_changes_the_state(server: PlainServer) -> None:
    erp = connect(server)
    made = erp.write(create())
    shown = erp.write(NativeWrite("order", made.id, {}, "ref-1", action="confirm"))
    assert shown.fields["state"] == "confirmed"
    assert server.counts["order.confirm"] == 1


def test_list_items_are_edited_by_the_servers_ids(server: PlainServer) -> None:
    erp = connect(server)
    made = erp.write(create(lines=ListChange(add=(("a", {"sku": "A"}), ("b", {"sku": "B"})))))
    one, two = (line["id"] for line in made.fields["lines"])
    edit = ListChange(add=(("c", {"sku": "C"}),), change=((one, {"sku": "A2"}),), remove=(two,))
    shown = erp.write(NativeWrite("order", made.id, {"lines": edit}, "ref-1"))
    assert [line["sku"] for line in shown.fields["lines"]] == ["A2", "C"]


def test_no_more_calls_run_at_once_than_allowed(server: PlainServer) -> None:
    server.in_flight, server.delay_s = 3, 0.01
    erp = connect(server)
    workers = [threading.Thread(target=erp.write, args=(create(n),)) for n in range(12)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert server.most_in_flight == 3
    assert server.counts["order.create"] == 12
    server.refuses, server.in_flight = True, 0
    with pytest.raises(Throttled):
        erp.write(create(13))


def test_a_wrong_token_is_refused(server: PlainServer) -> None:
    server.token = "right-token"
    with pytest.raises(SystemDown):
        connect(server, token="wrong-token").read("order", "1")
    assert connect(server, token="right-token").read("order", "1") is None


def test_every_change_is_delivered_signed_whole_and_retried(server: PlainServer) -> None:
    taken: list[Request] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            taken.append(Request("POST", self.path, headers, body, datetime.now(UTC)))
            self.send_response(503 if len(taken) == 1 else 202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output quiet."""

    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=receiver.serve_forever, daemon=True)
    thread.start()
    server.hooks.url = f"http://127.0.0.1:{receiver.server_address[1]}/hooks/erp"
    server.hooks.secret, server.hooks.retry_s = "hook-secret", 0.01
    erp = connect(server, counts_versions=True)
    made = erp.write(create())
    server.edit("order", made.id, {"po": "changed"})
    assert server.hooks.wait_until_sent()
    receiver.shutdown()
    receiver.server_close()
    notices = []
    for request in taken:
        erp.verify(request)
        notices += erp.events(request)
    assert notices[0] == notices[1], "the refused delivery came again"
    ours, persons = notices[1], notices[2]
    assert (ours.echo, persons.echo) == (True, False)
    assert (ours.version, persons.version) == ("1", "2")
    assert persons.payload is not None
    assert persons.payload["po"] == "changed"
    assert ours.key != persons.key


def test_the_server_runs_as_a_process_with_the_same_controls() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sync_workers.sandbox.plain", "--keeps-bodies"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        erp = PlainConnector(SystemSettings("erp", "plain", url), {})
        requests.post(
            f"{url}/_sandbox/rules/order", json={"unique": ["reference"]}, timeout=5
        ).raise_for_status()
        fault = [{"does": "status", "status": 504, "op": "create", "times": 1}]
        requests.post(f"{url}/_sandbox/faults", json=fault, timeout=5).raise_for_status()
        with pytest.raises(Unsure):
            erp.write(create())
        with pytest.raises(Exists):
            erp.write(create())
        counts = requests.get(f"{url}/_sandbox/counts", timeout=5).json()
        assert counts["references"] == {"order:ref-1": 1}
        log = requests.get(f"{url}/_sandbox/log?op=create", timeout=5).json()
        assert [call["status"] for call in log] == [504, 409]
        wrong = requests.post(f"{url}/_sandbox/settings", json={"dely_s": 1}, timeout=5)
        assert wrong.status_code == 400
    finally:
        process.terminate()
        assert process.wait(10) == 0
