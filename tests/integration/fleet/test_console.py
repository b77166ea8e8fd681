"""The console: held orders with their value, for those who have the password; nothing of it for anybody else."""

from __future__ import annotations

import base64
import json

import pytest
from werkzeug.test import Client, TestResponse

from sync_workers.ledger.inbox import Arrival, record_arrivals
from sync_workers.runtime import Runtime
from sync_workers.web.app import Site
from sync_workers.web.console import Console

HELD = {"total": {"$decimal": "708.30"}, "currency": "USD"}


@pytest.fixture
def page(site: Site) -> Client:
    return Client(site)


def hold(runtime: Runtime, deal: str, reason: str) -> None:
    arrived = runtime.ledger.run(lambda tx: record_arrivals(tx, [Arrival("crm", "order", deal, "webhook")]))[0]
    with runtime.ledger.transaction() as tx:
        tx.execute("UPDATE records SET state = 'held', hold_code = 'credit_hold', hold_reason = %s, hold_mend = 'pay',"
                   " hold_since = clock_timestamp() WHERE id = %s", (reason, arrived.record_id))
        tx.execute("UPDATE refs SET held = %s::jsonb WHERE record_id = %s", (json.dumps(HELD), arrived.record_id))


def ask(page: Client, password: str | None) -> TestResponse:
    headers = {}
    if password is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(f"sync:{password}".encode()).decode()
    return page.get("/console/", headers=headers)


def password_of(runtime: Runtime, page: Client) -> str:
    ask(page, "anything")  # makes it
    file = runtime.settings.home / "console.password"
    assert file.stat().st_mode & 0o077 == 0, "nobody but its owner may read it"
    return file.read_text()


@pytest.mark.parametrize("password", [None, "", "wrong"])
def test_nobody_gets_in_without_the_password(runtime: Runtime, page: Client, password: str | None) -> None:
    hold(runtime, "9001", "on credit hold: Nordlicht owes too much")
    answer = ask(page, password)
    assert answer.status_code == 401
    assert "Basic" in answer.headers["WWW-Authenticate"]
    assert "Nordlicht" not in answer.text


def test_whoever_has_it_reads_what_is_held(runtime: Runtime, page: Client) -> None:
    hold(runtime, "9001", "on credit hold: <b>Nordlicht</b> & Co")
    answer = ask(page, password_of(runtime, page))
    assert answer.status_code == 200
    assert "&lt;b&gt;Nordlicht&lt;/b&gt; &amp; Co" in answer.text, "what a system wrote is text, never markup"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_held_orders_are_counted_and_valued(runtime: Runtime) -> None:
    for deal in ("9001", "9002"):
        hold(runtime, deal, "on credit hold")
    text = Console(runtime.ledger, {"order": "total"}, lambda: "").page().decode()
    assert '<td class="number">2</td>' in text
    assert "1416.60 USD" in text


def test_it_is_for_reading_only(page: Client) -> None:
    assert page.post("/console/").status_code == 405
