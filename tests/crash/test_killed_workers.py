"""The crash suite: SIGKILL right after each step of the design's table, then the laws (L1, L2, L4, L8).

An order comes with a customer that the ERP does not know: each of the two records meets each step, and is
killed there in a test of its own. That it died where it says is read from what it left behind.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.workers import (
    Left,
    assert_the_laws_hold,
    kill_in_the_middle_of_its_call,
    left_of,
    start_worker,
)
from tests.world import World, make_world

NUMBERS = {"lease_s": 3.4, "call_s": 0.4, "margin_s": 0.1}
NOTHING_SENT = Left(leased=True)
UNANSWERED = Left(leased=True, attempts=("open",), there=1)
STEPS = {
    "claim": NOTHING_SENT,
    "resolve": NOTHING_SENT,
    "read": NOTHING_SENT,
    "merge": NOTHING_SENT,
    "gate": NOTHING_SENT,
    "open": Left(leased=True, attempts=("open",)),
    "call": UNANSWERED,
    "answer": UNANSWERED,
    "settle": UNANSWERED,
    "settled": Left(leased=False, attempts=("done",), there=1, settled=True),
}


@pytest.fixture(params=["T1", "T2"])
def world(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url, erp={"variant": request.param}, **NUMBERS) as made:
        for kind in ("order", "customer"):
            made.erp.rules(kind, unique=("reference",) if request.param == "T1" else ())
        yield made


def assert_nothing_was_doubled(world: World) -> None:
    assert_the_laws_hold(world, orders=1)
    [party] = world.erp.store.all("customer")
    assert [order["party"] for order in world.orders()] == [party.id]
    assert max(world.erp.store.references.values()) == 1, "a second one was made, if only to be refused"


@pytest.mark.parametrize("kind", ["order", "customer"])
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_after(step: str, kind: str, world: World) -> None:
    company = world.crm.put("customer", {"name": "Nordlicht GmbH", "phone": "1"})
    order = world.tell("crm", "order", world.place_order(company=company))

    assert start_worker(world, step, order, kind=kind, **NUMBERS).wait(60) == -signal.SIGKILL
    [(died_at,)] = world.rows("SELECT id FROM records WHERE kind = %s", kind)
    assert left_of(world, died_at) == STEPS[step]
    world.settle(seconds=40)

    assert_nothing_was_doubled(world)
    if STEPS[step] == UNANSWERED:
        found = world.rows("SELECT status, note FROM attempts WHERE record_id = %s AND op = 'create'", died_at)
        assert found == [("done", "found, not created")]


def test_a_worker_killed_after_the_customer_went_first(world: World) -> None:
    company = world.crm.put("customer", {"name": "Nordlicht GmbH", "phone": "1"})
    order = world.tell("crm", "order", world.place_order(company=company))

    assert start_worker(world, "dependencies", order, **NUMBERS).wait(60) == -signal.SIGKILL
    assert left_of(world, order) == NOTHING_SENT
    assert len(world.erp.store.all("customer")) == 1
    world.settle(seconds=40)

    assert_nothing_was_doubled(world)


def test_a_worker_killed_between_two_writes_of_one_run(world: World) -> None:
    """The first write has its answer, and that goes into the ledger with the second one's attempt."""
    company = world.crm.put("customer", {"name": "Nordlicht GmbH", "phone": "1"})
    deal = world.place_order(company=company)
    order = world.tell("crm", "order", deal)
    world.work(order)
    [sale] = world.erp.store.all("order")
    world.crm.edit("order", deal, {"status": "edited in the CRM"})
    world.erp.edit("order", sale.id, {"number": "SO-1"})
    world.tell("crm", "order", deal)

    assert start_worker(world, "flush", order, **NUMBERS).wait(60) == -signal.SIGKILL
    assert world.rows("SELECT status FROM attempts WHERE op = 'update'") == [("open",)], "it was rolled back"
    written = [world.crm.store.get("order", deal).fields.get("erp_number") == "SO-1",
               world.erp.store.get("order", sale.id).fields["status"] == "edited in the CRM"]
    assert sorted(written) == [False, True]
    world.settle(seconds=40)

    assert_nothing_was_doubled(world)
    assert world.crm.store.get("order", deal).fields["erp_number"] == "SO-1"
    assert world.erp.store.get("order", sale.id).fields["status"] == "edited in the CRM"
    assert world.rows("SELECT id FROM overrules") == []


@pytest.mark.parametrize("step", ["absorb", "joined"])
def test_a_worker_killed_while_it_recognises_our_own_create(step: str, world: World) -> None:
    """The ERP reports an order before our create has returned, and it carries our reference (step 6)."""
    company = world.crm.put("customer", {"name": "Nordlicht GmbH", "phone": "1"})
    order = world.tell("crm", "order", world.place_order(company=company))
    assert start_worker(world, "call", order, **NUMBERS).wait(60) == -signal.SIGKILL
    [sale] = world.erp.store.all("order")
    reported = world.tell("erp", "order", sale.id)
    assert reported != order

    assert start_worker(world, step, reported, **NUMBERS).wait(60) == -signal.SIGKILL
    [(state, into)] = world.rows("SELECT state, merged_into FROM records WHERE id = %s", reported)
    assert (state, into) == (("merged", order) if step == "joined" else ("open", None))
    world.settle(seconds=40)

    assert_nothing_was_doubled(world)
    assert world.rows("SELECT record_id, external_id FROM refs WHERE system = 'erp' AND kind = 'order'") == [
        (order, sale.id)]


def test_a_worker_killed_in_the_middle_of_its_call(world: World) -> None:
    record = world.tell("crm", "order", world.place_order())
    kill_in_the_middle_of_its_call(world, record, **NUMBERS)
    assert left_of(world, record) == UNANSWERED

    world.settle(seconds=40)

    assert_the_laws_hold(world, orders=1)


def test_a_killed_workers_dead_end_is_reached_by_the_next_one(world: World) -> None:
    world.erp.rules("order", refused={"lines.part": ["NO-SUCH-PART"]})
    lines = [{"sku": "NO-SUCH-PART", "quantity": "1", "price": "1"}]
    record = world.tell("crm", "order", world.place_order(lines=lines))

    assert start_worker(world, "settle", record, **NUMBERS).wait(60) == -signal.SIGKILL
    world.settle(seconds=40)

    assert world.orders() == []
    assert world.outcomes() == ["dead"]
    [(state,)] = world.rows("SELECT state FROM dead_letters")
    [(incident,)] = world.rows("SELECT incident FROM alerts WHERE closed_at IS NULL")
    assert state == "open"
    assert incident.startswith("dead:order:")
