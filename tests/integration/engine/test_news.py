"""Which news counts: equal bodies, edits within one stamp, stale reads, what events end as (A2, Q2, S6, S7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sync_workers.flows.polling import poll
from tests.integration.engine.interposed import after_step
from tests.integration.engine.laws import hurry, prove
from tests.world import World, make_order


def body(status: str) -> dict[str, Any]:
    return {"payload": make_order(status=status)}


@pytest.mark.parametrize("settled_between", [True, False], ids=["each settled", "all before the run"])
def test_a_third_delivery_that_equals_the_first_is_still_news(world: World, settled_between: bool) -> None:
    deal = world.place_order(status="A")
    record = world.tell("crm", "order", deal, **body("A"))
    world.work(record)
    for status in ("B", "A"):
        world.crm.edit("order", deal, {"status": status})
        world.tell("crm", "order", deal, **body(status))
        if settled_between:
            world.work(record)
            assert world.orders()[0]["status"] == status
    world.settle()

    assert world.orders()[0]["status"] == "A"
    assert len(world.outcomes()) == 3
    assert None not in world.outcomes()


def test_two_edits_within_a_stamps_second_around_a_poll_both_arrive(world: World) -> None:
    company = world.crm.put("customer", {"name": "Nordlicht GmbH", "phone": "1"})
    world.work(world.tell("crm", "customer", company))
    [party] = world.erp.store.all("customer")
    second = float(int(world.crm.store.clock()))
    world.crm.store.clock = lambda: second + 0.2
    world.crm.rules("customer", stamp_s=1.0)

    world.crm.edit("customer", company, {"phone": "2"})
    assert poll(world.runtime, "crm", "customer").raised == 1
    world.settle()
    assert world.erp.fields("customer", party.id)["phone"] == "2"
    world.crm.edit("customer", company, {"phone": "3"})
    assert world.crm.store.get("customer", company).changed_at == second

    assert poll(world.runtime, "crm", "customer").raised == 1
    world.settle()
    assert world.erp.fields("customer", party.id)["phone"] == "3"
    assert poll(world.runtime, "crm", "customer").raised == 0, "what we have seen is no news"


def test_news_of_a_record_under_work_is_looked_at_by_the_one_who_holds_it(world: World) -> None:
    deal = world.place_order(status="A")
    record = world.tell("crm", "order", deal)

    def edit() -> None:
        world.crm.edit("order", deal, {"status": "B"})
        world.tell("crm", "order", deal)

    with after_step("answer", edit):
        drained = world.work(record)
    assert drained.settled == [record]
    assert [(one.id, one.wait_s) for one in drained.again] == [(record, 0.0)]
    assert world.work(record).again == []
    assert world.orders()[0]["status"] == "B"


def test_facts_older_than_the_event_do_not_settle_it(world: World) -> None:
    deal = world.place_order(status="A")
    record = world.tell("crm", "order", deal, version="2")

    assert world.work(record).counts == {"retry": 1}
    assert world.outcomes() == [None]
    assert world.orders() == []

    world.crm.edit("order", deal, {"status": "B"})  # version 2: the replica has caught up
    hurry(world)
    assert world.work(record).counts == {"applied": 1}
    assert world.orders()[0]["status"] == "B"


def test_a_read_that_stays_stale_is_settled_after_five_looks_with_a_note(world: World) -> None:
    record = world.tell("crm", "order", world.place_order(), version="9")
    for _ in range(5):
        assert world.work(record).counts == {"retry": 1}
        hurry(world)

    assert world.work(record).counts == {"applied": 1}
    [(note,)] = world.rows("SELECT note FROM records")
    assert "kept showing version 1 although 9 was announced" in note
    [(failures,)] = world.rows("SELECT failures FROM records")
    assert failures == 0


def test_only_the_newest_event_has_the_runs_outcome_and_older_ones_are_superseded(world: World) -> None:
    deal = world.place_order(status="A")
    for status in "BCD":
        world.crm.edit("order", deal, {"status": status})
        world.tell("crm", "order", deal, **body(status))
    world.settle()

    assert world.outcomes() == ["superseded", "superseded", "applied"]
    assert prove(world.runtime).holds


def test_news_that_arrives_during_a_run_is_not_settled_by_it(world: World, tmp_path: Path) -> None:
    from tests.integration.engine.interposed import after_step

    deal = world.place_order(status="A")
    record = world.tell("crm", "order", deal)

    def edit() -> None:
        world.crm.edit("order", deal, {"status": "B"})
        world.tell("crm", "order", deal)

    with after_step("read", edit):
        world.work(record)
        first = world.outcomes()
    world.settle()

    assert first in (["applied", None], ["applied", "applied"])
    assert world.orders()[0]["status"] == "B"
    assert None not in world.outcomes()
