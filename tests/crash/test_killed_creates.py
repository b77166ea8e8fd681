"""A record that the CRM takes in several calls, killed after each: it ends complete, once, and nobody loses a part.

The CRM is the simulated HubSpot account. A company's further addresses, and the lines and labelled addresses of
a deal, are stored after the record itself, and a note before the change that it tells.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sync_workers.ledger.migrate import migrate
from sync_workers.sandbox import hubspot, plain
from sync_workers.sheets import paths_of, types_in
from tests.crash.workers import ROOT, start_worker
from tests.integration.engine.laws import assert_all_laws_hold
from tests.world import SECRET, Work, make_runtime

NUMBERS = {"lease_s": 4.5, "call_s": 1.0, "margin_s": 0.1}
PLENTY = 1_000_000
MAPPINGS = {"customer": ROOT / "config" / "mappings" / "customer", "order": ROOT / "tests/data/webshop/order"}
SYSTEMS = """
[systems.crm]
platform = "hubspot"
base_url = "{crm}"
token = "env:CRM_TOKEN"
webhook_secret = "env:CRM_SECRET"
developer_key = "env:CRM_DEVELOPER_KEY"
app_id = "54321"

[systems.erp]
platform = "plain"
base_url = "{erp}"
webhook_secret = "{secret}"
counts_versions = true
variant = "T1"
"""
PLACES = [
    {"id": f"item-{number}", "key": f"erp:{number}", "name": None, "street": f"{number} Mill Lane",
     "postal_code": "45402", "city": "Dayton", "country": {"code": "US"}, "billing": True, "shipping": True,
     "main": number == 1}
    for number in (1, 2, 3)
]  # fmt: skip
LINES = [{"id": "item-11", "key": "L1", "part": "BRG-6204", "quantity": "10"},
         {"id": "item-12", "key": "L2", "part": "00417", "quantity": "2"}]  # fmt: skip
Json = dict[str, Any]


@dataclass
class Trade(Work):
    """A HubSpot account that learns of what is born in the other system."""

    account: hubspot.Account
    erp: plain.PlainServer

    def seen(self, name: str) -> list[Json]:
        """Return what the account has of an object, as a person sees it."""
        return self.account.person().see_all(name)

    def let_its_time_pass(self) -> None:
        """Whatever the dead worker has sent would have arrived by now."""
        self.rows("UPDATE attempts SET sure_at = clock_timestamp() WHERE status = 'open' RETURNING id")
        self.rows("UPDATE records SET due_at = clock_timestamp() WHERE due_at IS NOT NULL RETURNING id")

    def take_over(self) -> None:
        """Let the next worker look, as soon as the dead one's lease has run out; its last call may still arrive."""
        self.rows("UPDATE records SET lease_until = clock_timestamp() WHERE owner IS NOT NULL RETURNING id")
        self.work(*(row[0] for row in self.rows("SELECT id FROM records WHERE due_at IS NOT NULL")))

    def finish(self) -> None:
        """Let the next worker do what is left."""
        for _ in range(3):
            self.let_its_time_pass()
            self.work(*(row[0] for row in self.rows("SELECT id FROM records WHERE due_at IS NOT NULL")))


@pytest.fixture
def trade(tmp_path: Path, database_url: str) -> Iterator[Trade]:
    with open_trade(tmp_path, database_url) as opened:
        yield opened


@contextmanager
def open_trade(folder: Path, database_url: str) -> Iterator[Trade]:
    migrate(database_url)
    simulator = hubspot.start(burst=PLENTY, search_per_s=PLENTY)
    erp = plain.start(seed=2)
    config = folder / "config"
    (config / "mappings").mkdir(parents=True)
    for kind, place in MAPPINGS.items():
        (config / "mappings" / kind).symlink_to(place)
    written = SYSTEMS.format(crm=simulator.url, erp=erp.url, secret=SECRET)
    (config / "systems.toml").write_text(written, encoding="utf-8")
    known = simulator.account.settings
    environ = {
        "SYNC_CONFIG": str(config), "SYNC_HOME": str(folder / "home"), "SYNC_DATABASE_URL": database_url,
        "SYNC_BROKER_URL": "redis://127.0.0.1:1/0", "CRM_TOKEN": known.token, "CRM_SECRET": known.client_secret,
        "CRM_DEVELOPER_KEY": known.developer_key,
    }  # fmt: skip
    runtime = make_runtime(environ, **NUMBERS)
    try:
        sheets = runtime.sheets
        runtime.connectors["crm"].examine(paths_of(sheets, "crm"), fix=True, types=types_in(sheets, "crm"))
        yield Trade(runtime, environ, simulator.account, erp)
    finally:
        runtime.dispose()
        simulator.stop()
        erp.stop()


def enter_customer(trade: Trade) -> str:
    return trade.erp.put("customer", {"code": "C1", "name": "Nordlicht GmbH", "addresses": PLACES, "contacts": []})


def kill_after(trade: Trade, kind: str, external_id: str, calls: int) -> int:
    record = trade.tell("erp", kind, external_id)
    assert start_worker(trade, "wrote", record, system="crm", calls=calls, **NUMBERS).wait(60) == -signal.SIGKILL
    assert trade.rows("SELECT op, status FROM attempts WHERE record_id = %s", record) == [("create", "open")]
    return record


def assert_it_rests(trade: Trade) -> None:
    """Nothing is left to do, another look writes nothing, and every law holds in the ledger and in both systems."""
    assert trade.rows("SELECT id FROM attempts WHERE status = 'open'") == []
    assert trade.rows("SELECT field, system, lost FROM overrules") == []
    assert trade.rows("SELECT id FROM records WHERE state <> 'open' OR due_at IS NOT NULL") == []
    written = trade.account.written_by_api()
    for kind, external_id in trade.rows("SELECT kind, external_id FROM refs WHERE system = 'erp'"):
        trade.work(trade.tell("erp", kind, external_id))
    assert trade.account.written_by_api() == written
    assert None not in trade.outcomes()
    assert_all_laws_hold(trade.runtime)


@pytest.mark.parametrize("calls", [1, 2], ids=["the company", "its further addresses"])
def test_a_customer_whose_create_was_killed_after(calls: int, trade: Trade) -> None:
    customer = enter_customer(trade)
    kill_after(trade, "customer", customer, calls)
    assert len(trade.seen("companies")) == 1
    stored = 0 if calls == 1 else 2
    assert len(trade.seen("addresses")) == stored

    trade.take_over()
    assert len(trade.seen("addresses")) == stored, "the dead worker's call could still arrive and make them twice"
    trade.finish()

    [company] = trade.seen("companies")
    assert company["properties"]["address"] == "1 Mill Lane"
    assert sorted(each["properties"]["street"] for each in trade.seen("addresses")) == ["2 Mill Lane", "3 Mill Lane"]
    linked = trade.account.person().associated("companies", company["id"], "addresses")
    assert len(linked) == 2
    assert trade.erp.fields("customer", customer)["addresses"] == PLACES, "where they are known nothing was lost"
    assert_it_rests(trade)


@pytest.mark.parametrize(
    "calls", [1, 2, 3, 4], ids=["the deal", "its first label", "its second label", "its lines"]
)
def test_an_order_whose_create_was_killed_after(calls: int, trade: Trade) -> None:
    customer = enter_customer(trade)
    trade.work(trade.tell("erp", "customer", customer))
    order = trade.erp.put("order", {"name": "Web order 1", "party": customer, "bill_to": "erp:2", "ship_to": "erp:3",
                                    "lines": LINES})  # fmt: skip
    kill_after(trade, "order", order, calls)
    assert len(trade.seen("deals")) == 1
    stored = 0 if calls < 4 else 2
    assert len(trade.seen("line_items")) == stored

    trade.take_over()
    assert len(trade.seen("line_items")) == stored, "the dead worker's call could still arrive and make them twice"
    trade.finish()

    [deal] = trade.seen("deals")
    [company] = trade.seen("companies")
    native = trade.runtime.connectors["crm"].read("order", deal["id"])
    assert native is not None
    assert native.fields["associations"]["companies"] == [company["id"]]
    assert (native.fields["bill_to"], native.fields["ship_to"]) == ("erp:2", "erp:3")
    found = [(each["key"], each["properties"]["hs_sku"]) for each in native.fields["line_items"]]
    assert sorted(found) == [("L1", "BRG-6204"), ("L2", "00417")]
    assert len(trade.seen("line_items")) == 2
    assert trade.erp.fields("order", order)["lines"] == LINES
    assert_it_rests(trade)


@pytest.mark.parametrize("calls", [1, 2], ids=["the note", "the deal"])
def test_an_update_that_is_told_in_a_note_whose_worker_was_killed_after(calls: int, trade: Trade) -> None:
    customer = enter_customer(trade)
    trade.work(trade.tell("erp", "customer", customer))
    order = trade.erp.put("order", {"name": "Web order 1", "party": customer, "bill_to": "erp:2", "ship_to": "erp:3",
                                    "lines": LINES})  # fmt: skip
    trade.work(trade.tell("erp", "order", order))
    assert trade.seen("notes") == []
    trade.erp.edit("order", order, {"name": "Web order 2"})
    record = trade.tell("erp", "order", order)
    assert start_worker(trade, "wrote", record, system="crm", calls=calls, **NUMBERS).wait(60) == -signal.SIGKILL
    assert len(trade.seen("notes")) == 1
    assert trade.seen("deals")[0]["properties"]["dealname"] == f"Web order {calls}"

    trade.take_over()
    trade.finish()

    [note], [deal] = trade.seen("notes"), trade.seen("deals")
    assert "Name: Web order 2" in note["properties"]["hs_note_body"]
    assert deal["properties"]["dealname"] == "Web order 2"
    assert_it_rests(trade)
