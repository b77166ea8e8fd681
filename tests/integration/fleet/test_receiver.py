"""What a sender is told, and what the ledger holds by then."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from redis import Redis
from werkzeug.test import Client, EnvironBuilder, TestResponse, run_wsgi_app

from sync_workers.connectors import bodies
from sync_workers.connectors.contract import Notice, Request
from sync_workers.fleet.tasks import sweep
from sync_workers.ledger.connection import Ledger
from sync_workers.runtime import Runtime
from sync_workers.sandbox.services import Service
from sync_workers.web.app import Site
from sync_workers.web.bodies import MAX_HEADERS
from sync_workers.web.receiver import DELIVERIES
from tests.integration.fleet.project import NOWHERE, SECRET, delivery, signed

Post = Callable[..., TestResponse]


def rows(ledger: Ledger, sql: str) -> list[tuple[Any, ...]]:
    with ledger.transaction() as tx:
        return tx.rows(sql)


def counted(outcome: str) -> float:
    return DELIVERIES.labels("crm", outcome)._value.get()  # type: ignore[no-any-return]


@contextmanager
def closed(postgres: Service, ledger: Ledger) -> Iterator[None]:
    """Make the database refuse everybody, as one that is restarting does."""
    name = ledger.url.rpartition("/")[2].partition("?")[0]
    server = psycopg2.connect(postgres.url)
    server.autocommit = True
    try:
        with server.cursor() as cursor:
            cursor.execute("UPDATE pg_database SET datallowconn = false WHERE datname = %s", (name,))
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            yield
            cursor.execute("UPDATE pg_database SET datallowconn = true WHERE datname = %s", (name,))
    finally:
        server.close()


def queued(runtime: Runtime, queue: str = "live") -> list[int | str]:
    """Return what waits in a queue: the record ids of a drain, the name of another task."""
    assert runtime.redis is not None
    found: list[int | str] = []
    for item in runtime.redis.lrange(queue, 0, -1):  # type: ignore[union-attr]
        message = json.loads(item)
        args = json.loads(base64.b64decode(message["body"]))[0]
        found += args[0] if args else [message["headers"]["task"]]
    return found


def test_a_delivery_is_answered_202_once_its_events_are_committed_and_due(post: Post, runtime: Runtime) -> None:
    answer = post(delivery("1", "2"))
    assert answer.status_code == 202
    found = rows(runtime.ledger, "SELECT external_id, source, payload->>'po_number' FROM events ORDER BY external_id")
    assert found == [("1", "webhook", "PO-1"), ("2", "webhook", "PO-2")]
    assert rows(runtime.ledger, "SELECT count(*) FROM records WHERE due_at <= clock_timestamp()") == [(2,)]


def test_the_records_are_named_to_the_workers_without_any_of_their_data(
    post: Post, runtime: Runtime, site: Site
) -> None:
    post(delivery("1", "2"))
    assert site.parts().publisher.flush(10)
    assert sorted(queued(runtime)) == [row[0] for row in rows(runtime.ledger, "SELECT id FROM records ORDER BY id")]
    assert runtime.redis is not None
    assert b"PO-1" not in b"".join(runtime.redis.lrange("live", 0, -1))  # type: ignore[arg-type]


def test_a_second_delivery_of_the_same_webhook_is_recorded_once(post: Post, runtime: Runtime) -> None:
    assert [post(delivery("1")).status_code for _ in range(3)] == [202, 202, 202]
    assert rows(runtime.ledger, "SELECT count(*) FROM events") == [(1,)]
    assert rows(runtime.ledger, "SELECT seen FROM deliveries") == [(3,)]


def test_fifty_deliveries_at_once_are_all_stored_in_fewer_commits(post: Post, runtime: Runtime) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda number: post(delivery(str(number))), range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert rows(runtime.ledger, "SELECT count(*), count(DISTINCT external_id) FROM events") == [(50, 50)]
    ((transactions,),) = rows(runtime.ledger, "SELECT count(DISTINCT xmin::text) FROM events")
    assert transactions < 50


def test_fifty_deliveries_of_one_event_at_once_make_one_event(post: Post, runtime: Runtime) -> None:
    body = delivery("1")
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: post(body), range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert rows(runtime.ledger, "SELECT count(*) FROM events") == [(1,)]


@pytest.mark.parametrize(
    "proof",
    [
        pytest.param({}, id="none"),
        pytest.param(signed(delivery("1"), secret="another-secret"), id="with another secret"),
        pytest.param(signed(delivery("2")), id="of another body"),
        pytest.param(signed(delivery("1"), at=datetime.now(UTC) - timedelta(hours=1)), id="an hour old"),
        pytest.param(signed(delivery("1"), at=datetime.now(UTC) + timedelta(hours=1)), id="an hour ahead"),
    ],
)
def test_a_delivery_without_proof_is_refused_with_a_reason_and_leaves_no_trace(
    post: Post, runtime: Runtime, proof: dict[str, str]
) -> None:
    answer = post(delivery("1"), proof=proof)
    assert answer.status_code == 401
    assert answer.get_json()["message"]
    for table in ("events", "records", "deliveries", "quarantine", "alerts"):
        assert rows(runtime.ledger, f"SELECT count(*) FROM {table}") == [(0,)]


def test_nothing_is_parsed_before_the_signature_holds(
    post: Post, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []
    real = bodies.json.loads
    monkeypatch.setattr(bodies.json, "loads", lambda text, **options: parsed.append(text) or real(text, **options))
    monkeypatch.setattr(
        type(runtime.connectors["crm"]), "events", lambda *_: pytest.fail("split before it was verified")
    )
    assert post(delivery("1"), proof={"X-Plain-Signature": "0" * 64, "X-Plain-Timestamp": "1"}).status_code == 401
    assert parsed == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"no json", id="not JSON"),
        pytest.param(b'{"events": 7}', id="another shape"),
        pytest.param(b'{"events": ' + b"[" * 5000 + b"]" * 5000 + b"}", id="too deep"),
        pytest.param(b'{"events": "\xff"}', id="not UTF-8"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_genuine_but_unreadable_is_kept_told_and_answered_as_the_connector_says(
    post: Post, runtime: Runtime, body: bytes
) -> None:
    before = counted("malformed")
    assert post(body).status_code == 202
    ((system, kept, reason),) = rows(runtime.ledger, "SELECT system, body, reason FROM quarantine")
    assert (system, bytes(kept)) == ("crm", body)
    assert reason
    assert rows(runtime.ledger, "SELECT incident FROM alerts") == [("quarantine:crm",)]
    assert counted("malformed") == before + 1


def test_an_event_that_the_ledger_cannot_hold_is_kept_aside_and_its_neighbours_are_stored(
    post: Post, runtime: Runtime
) -> None:
    document = json.loads(delivery("1", "2", "3"))
    document["events"][1]["record"]["fields"]["po_number"] = "NUL \x00 inside"
    body = json.dumps(document).encode()
    assert post(body).status_code == 202
    assert rows(runtime.ledger, "SELECT external_id FROM events ORDER BY 1") == [("1",), ("3",)]
    ((kept,),) = rows(runtime.ledger, "SELECT body FROM quarantine")
    assert bytes(kept) == body


def test_a_defect_of_a_connector_keeps_the_delivery_too(
    post: Post, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, request: Request) -> list[Notice]:
        raise KeyError("a defect")

    monkeypatch.setattr(type(runtime.connectors["crm"]), "events", broken)
    assert post(delivery("1")).status_code == 202
    assert rows(runtime.ledger, "SELECT count(*) FROM quarantine") == [(1,)]


def test_a_kind_that_no_sheet_maps_is_accepted_and_not_stored(post: Post, runtime: Runtime) -> None:
    assert post(delivery("1", kind="ticket")).status_code == 202
    assert rows(runtime.ledger, "SELECT count(*) FROM events") == [(0,)]


def test_an_unknown_system_is_404_and_any_other_method_405(post: Post, site: Site) -> None:
    assert post(delivery("1"), path="/hooks/nobody").status_code == 404
    assert post(delivery("1"), path="/hooks/crm/more").status_code == 404
    assert post(delivery("1"), path="/elsewhere").status_code == 404
    for method in ("GET", "PUT", "DELETE", "HEAD", "OPTIONS"):
        answer = Client(site).open("/hooks/crm", method=method)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert Client(site).post("/healthz").status_code == 405


def test_a_body_beyond_the_bound_is_413_and_is_not_read(site: Site) -> None:
    class Untouched(io.BytesIO):
        def read(self, *_: object) -> bytes:
            pytest.fail("the body was read")

    answer = Client(site).open(
        "/hooks/crm",
        method="POST",
        input_stream=Untouched(),
        environ_overrides={"CONTENT_LENGTH": "99999999"},
    )
    assert answer.status_code == 413


def test_a_body_without_a_length_is_read_up_to_the_bound_and_no_further(site: Site) -> None:
    read = 0

    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            nonlocal read
            assert size > 0
            read += size
            return b"x" * size

    environ = EnvironBuilder("/hooks/crm", method="POST").get_environ()
    environ |= {"wsgi.input": Endless(), "wsgi.input_terminated": True}
    _, status, _ = run_wsgi_app(site, environ)
    assert status.startswith("413")
    assert read <= bodies.MAX_DELIVERY + 1


def test_a_body_that_ends_early_is_refused(site: Site) -> None:
    body = delivery("1")
    answer = Client(site).open(
        "/hooks/crm",
        method="POST",
        input_stream=io.BytesIO(body[:-5]),
        headers=signed(body),
        environ_overrides={"CONTENT_LENGTH": str(len(body))},
    )
    assert answer.status_code == 400


def test_too_many_headers_are_refused(post: Post) -> None:
    body = delivery("1")
    many = {**signed(body), **{f"X-Header-{number}": "1" for number in range(MAX_HEADERS + 1)}}
    assert post(body, proof=many).status_code == 431


def test_while_the_database_is_away_the_sender_is_told_when_to_come_again(
    post: Post, runtime: Runtime, postgres: Service
) -> None:
    assert post(delivery("1")).status_code == 202
    with closed(postgres, runtime.ledger):
        answer = post(delivery("2"))
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert post(b"no json").status_code == 503, "nowhere to keep it: the sender must come again"
    assert post(delivery("2")).status_code == 202
    assert rows(runtime.ledger, "SELECT external_id FROM events ORDER BY 1") == [("1",), ("2",)]


def test_while_the_broker_is_away_deliveries_are_taken_and_the_sweep_wakes_them(
    runtime: Runtime, environ: dict[str, str], set_environ: Callable[[dict[str, str]], None]
) -> None:
    from dataclasses import replace

    from sync_workers.runtime import connect_redis

    set_environ({**environ, "SYNC_BROKER_URL": NOWHERE})
    site = Site(lambda: replace(runtime, redis=connect_redis(NOWHERE)))
    body = delivery("1", "2")
    assert Client(site).post("/hooks/crm", data=body, headers=signed(body)).status_code == 202
    assert site.parts().publisher.flush(30)
    assert queued(runtime) == []
    set_environ(environ)
    sweep()
    site.parts().writer.stop()
    assert sorted(queued(runtime)) == [row[0] for row in rows(runtime.ledger, "SELECT id FROM records ORDER BY id")]


def test_readiness_names_what_is_missing_and_life_needs_nothing(
    site: Site, runtime: Runtime, postgres: Service
) -> None:
    client = Client(site)
    assert client.get("/readyz").get_json() == {
        "ready": True,
        "database": "ok",
        "migrations": "ok",
        "broker": "ok",
    }
    site.parts().health.keep_s = 0
    with closed(postgres, runtime.ledger):
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.get_json()["database"].startswith("failed")
        assert client.get("/healthz").status_code == 200
        assert b"sync_ledger_up 0.0" in client.get("/metrics").data


def test_a_process_that_starts_before_its_database_answers_503_and_then_serves(
    runtime: Runtime, postgres: Service
) -> None:
    from sync_workers.errors import TransientError

    is_up = False

    def open_() -> Runtime:
        if not is_up:
            raise TransientError("the ledger is away")
        return runtime

    site = Site(open_)
    body = delivery("1")
    answer = Client(site).post("/hooks/crm", data=body, headers=signed(body))
    assert (answer.status_code, Client(site).get("/healthz").status_code) == (503, 200)
    assert Client(site).get("/readyz").status_code == 503
    is_up, site._failed_at = True, None
    assert Client(site).post("/hooks/crm", data=body, headers=signed(body)).status_code == 202


def test_metrics_show_deliveries_by_outcome_and_the_ledgers_own_figures(post: Post, site: Site) -> None:
    post(delivery("1"))
    page = Client(site).get("/metrics").get_data(as_text=True)
    assert 'sync_deliveries_total{outcome="accepted",system="crm"}' in page
    assert "sync_records_due 1.0" in page
    assert "sync_commit_events_bucket" in page


def test_no_secret_is_shown_to_anybody_who_asks(post: Post, site: Site) -> None:
    shown = Client(site).get("/metrics").data + Client(site).get("/readyz").data + post(b"{}", proof={}).data
    assert SECRET.encode() not in shown
    assert isinstance(site.parts().runtime.redis, Redis)
