"""When a record that has stopped looks again: for facts that changed, not for any event (G8, G9)."""

from __future__ import annotations

from typing import Any

import pytest

from sync_workers.flows.reconcile import reconcile
from tests.integration.engine.laws import assert_all_laws_hold, hurry, hurry_until_quiet
from tests.world import World


@pytest.fixture
def dead(world: World) -> tuple[str, int]:
    """Let an order die for its part number; return its id in the CRM and its record."""
    world.erp.rules("order", refused={"lines.part": ["NO-SUCH-PART"]})
    deal = world.place_order(lines=[{"sku": "NO-SUCH-PART", "quantity": "1", "price": "1"}])
    record = world.tell("crm", "order", deal)
    world.work(record)
    assert world.rows("SELECT state FROM records") == [("dead",)]
    return deal, record


@pytest.mark.parametrize("news", [
    pytest.param({"source": "webhook", "echo": True}, id="an echo"),
    pytest.param({"source": "poll"}, id="a poll"),
    pytest.param({"source": "reconcile"}, id="a reconcile run"),
    pytest.param({"source": "webhook"}, id="a repeated delivery"),
])
def test_a_dead_record_is_not_revived_by(news: dict[str, Any], world: World, dead: tuple[str, int]) -> None:
    deal, record = dead
    before = world.rows("SELECT id, attempts, last_failed_at, state FROM dead_letters")
    told = world.rows("SELECT incident, count, closed_at FROM alerts")
    calls = len([call for call in world.erp.log if call.method != "GET"])

    for _ in range(3):
        world.tell("crm", "order", deal, **news)
        world.settle()

    assert world.rows("SELECT state FROM records WHERE id = %s", record) == [("dead",)]
    assert world.rows("SELECT id, attempts, last_failed_at, state FROM dead_letters") == before
    assert world.rows("SELECT incident, count, closed_at FROM alerts") == told
    assert len([call for call in world.erp.log if call.method != "GET"]) == calls
    assert None not in world.outcomes()
    assert_all_laws_hold(world.runtime)


def test_a_dead_record_is_tried_again_when_its_facts_change_and_closes_its_letter(
    world: World, dead: tuple[str, int]
) -> None:
    deal, _ = dead
    world.crm.edit("order", deal, {"lines": [{"sku": "BRG-6204", "quantity": "1", "price": "1"}]})
    world.tell("crm", "order", deal)
    world.settle()

    assert len(world.orders()) == 1
    assert world.rows("SELECT state FROM dead_letters") == [("healed",)]
    assert world.rows("SELECT id FROM alerts WHERE closed_at IS NULL") == []
    assert_all_laws_hold(world.runtime)


def linked_customer(world: World) -> tuple[str, str]:
    company = world.crm.put("customer", {"name": "Nordlicht GmbH", "phone": "1"})
    world.work(world.tell("crm", "customer", company))
    return company, world.erp.store.all("customer")[0].id


def test_what_a_person_archived_is_held_and_goes_on_when_it_is_restored(world: World) -> None:
    company, party = linked_customer(world)
    world.erp.archive("customer", party)
    world.crm.edit("customer", company, {"phone": "2"})
    world.work(world.tell("crm", "customer", company))
    assert world.rows("SELECT state, hold_code FROM records") == [("held", "archived_in_erp")]
    assert world.erp.fields("customer", party)["phone"] == "1"

    world.tell("erp", "customer", party, echo=True)
    world.settle()
    assert world.rows("SELECT state FROM records") == [("held",)], "equal facts release nothing"

    world.erp.store.archive("customer", party, archived=False)
    world.tell("erp", "customer", party)
    world.settle()
    assert world.rows("SELECT state, hold_code FROM records") == [("open", None)]
    assert world.erp.fields("customer", party)["phone"] == "2"
    assert_all_laws_hold(world.runtime)


def test_a_delete_is_believed_only_when_it_repeats(world: World) -> None:
    company, party = linked_customer(world)
    kept = world.erp.store.get("customer", party)
    world.erp.remove("customer", party)
    record = world.tell("crm", "customer", company)
    assert world.work(record).counts == {"retry": 1}
    assert world.rows("SELECT state FROM records") == [("open",)]

    world.erp.store._kinds["customer"][party] = kept  # a restore was under way: it is there again
    world.erp.store._sorted_ids["customer"].append(party)
    hurry_until_quiet(world)
    assert world.rows("SELECT state FROM records") == [("open",)]
    assert world.rows("SELECT gone_since FROM refs WHERE system = 'erp'") == [(None,)]


def test_a_reconcile_raises_no_alert_for_a_record_that_is_held_already(world: World) -> None:
    company, party = linked_customer(world)
    world.erp.archive("customer", party)
    world.work(world.tell("crm", "customer", company))
    alerts = world.rows("SELECT incident, count FROM alerts")
    for _ in range(3):
        reconcile(world.runtime, "erp", "customer")
        hurry(world)
        world.settle()
    assert world.rows("SELECT incident, count FROM alerts") == alerts
    assert world.rows("SELECT state FROM records") == [("held",)]
