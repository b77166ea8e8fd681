"""The main job on two plain systems: a deal won becomes one order, once."""

from __future__ import annotations

from sync_workers.ledger.story import tell
from tests.world import World


def test_a_deal_won_becomes_one_order_with_its_lines(world: World) -> None:
    deal = world.place_order()

    drained = world.work(world.tell("crm", "order", deal))

    assert drained.counts == {"applied": 1}
    [order] = world.orders()
    assert order["reference"] == f"crm-order-{deal}"
    assert [(line["part"], line["quantity"]) for line in order["lines"]] == [("BRG-6204", 10), ("00417", 2)]


def test_a_second_run_writes_nothing(world: World) -> None:
    deal = world.place_order()
    world.work(world.tell("crm", "order", deal))
    before = len(world.erp.log)

    drained = world.work(world.tell("crm", "order", deal))

    assert drained.counts == {"unchanged": 1}
    assert all(call.method == "GET" for call in list(world.erp.log)[before:])


def test_a_deal_that_is_not_won_stays_in_the_crm(world: World) -> None:
    world.work(world.tell("crm", "order", world.place_order(won=False)))

    assert world.orders() == []
    assert world.outcomes() == ["unchanged"]


def test_what_the_erp_owns_flows_back(world: World) -> None:
    deal = world.place_order()
    world.work(world.tell("crm", "order", deal))
    [order] = world.erp.store.all("order")
    world.erp.edit("order", order.id, {"number": "SO-77"})

    world.work(world.tell("erp", "order", order.id))

    assert world.crm.fields("order", deal)["erp_number"] == "SO-77"


def test_an_order_waits_for_its_customer_and_then_goes(world: World) -> None:
    company = world.crm.put("customer", {"name": "Nordlicht GmbH", "phone": "1"})
    deal = world.place_order(company=company)

    world.work(world.tell("crm", "order", deal))
    world.settle()

    [customer] = world.erp.store.all("customer")
    assert [order["party"] for order in world.orders()] == [customer.id]


def test_what_was_taken_as_it_was_sent_is_stored_once_and_told_all_the_same(world: World) -> None:
    deal = world.place_order()
    record = world.tell("crm", "order", deal)
    world.work(record)

    stored = world.rows(
        "SELECT system, sent IS NULL, held -> 'po_number' IS NOT NULL FROM refs WHERE record_id = %s", record)
    assert sorted(stored) == [("crm", True, True), ("erp", True, True)]
    with world.ledger.transaction() as tx:
        story = tell(tx, record)
    assert story["bases"]["erp"]["sent"] == story["bases"]["erp"]["held"]

    world.crm.edit("order", deal, {"po_number": "PO-2"})
    assert world.work(world.tell("crm", "order", deal)).counts == {"applied": 1}
    [order] = world.orders()
    assert order["po"] == "PO-2"
