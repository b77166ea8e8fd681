"""Records that need each other: parked without a gap, a circle that is entered, a dead one told once (D1 to D4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_workers.engine import drain
from sync_workers.ledger import records
from tests.integration.engine.interposed import after_step
from tests.integration.engine.laws import assert_all_laws_hold, hurry
from tests.world import World, make_runtime, make_world

FAMILY = Path(__file__).resolve().parents[2] / "data" / "family"


@pytest.fixture
def family(tmp_path: Path, database_url: str) -> Iterator[World]:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "mappings").symlink_to(FAMILY)
    with make_world(tmp_path, database_url) as made:
        yield made


def test_a_customer_that_is_linked_between_check_and_park_wakes_its_order(world: World) -> None:
    company = world.crm.put("customer", {"name": "Nordlicht GmbH"})
    customer = world.tell("crm", "customer", company)
    order = world.tell("crm", "order", world.place_order(company=company))
    held = world.ledger.run(lambda tx: records.claim(tx, [customer], owner="another worker", lease_s=60,
                                                     versions=world.runtime.versions))
    other = make_runtime(world.environ, worker="another")

    def link() -> None:
        world.ledger.run(lambda tx: records.release(tx, held))
        assert drain(other, [customer]).counts == {"applied": 1}

    with after_step("park", link) as done:
        world.work(order)
    assert done == ["park"]
    other.dispose()

    assert world.rows("SELECT waits_for FROM records WHERE id = %s", order) == [(None,)]
    world.settle()  # at once: the park's own date would be a minute away
    [party] = world.erp.store.all("customer")
    assert [each["party"] for each in world.orders()] == [party.id]
    assert_all_laws_hold(world.runtime)


def test_an_order_that_was_parked_is_woken_by_the_settle_that_links_its_customer(world: World) -> None:
    company = world.crm.put("customer", {"name": "Nordlicht GmbH"})
    customer = world.tell("crm", "customer", company)
    order = world.tell("crm", "order", world.place_order(company=company))
    held = world.ledger.run(lambda tx: records.claim(tx, [customer], owner="another worker", lease_s=60,
                                                     versions=world.runtime.versions))
    assert world.work(order).counts == {"park": 1}
    assert world.rows("SELECT waits_for, failures FROM records WHERE id = %s", order) == [(customer, 0)]
    world.ledger.run(lambda tx: records.release(tx, held))

    world.work(customer)
    woken = world.rows("SELECT waits_for, due_at <= clock_timestamp() FROM records WHERE id = %s", order)
    assert woken == [(None, True)]
    world.settle()
    assert len(world.orders()) == 1


def test_an_order_that_was_parked_is_woken_when_the_report_of_our_own_create_links_its_customer(world: World) -> None:
    """The customer's create was stored and its answer lost; the ERP's own news of it come first (R1)."""
    world.erp.fault("drop", kind="customer", op="create")
    company = world.crm.put("customer", {"name": "Nordlicht GmbH"})
    customer = world.tell("crm", "customer", company)
    world.work(customer)
    order = world.tell("crm", "order", world.place_order(company=company))
    world.work(order)
    assert world.rows("SELECT waits_for FROM records WHERE id = %s", order) == [(customer,)]
    [party] = world.erp.store.all("customer")

    world.work(world.tell("erp", "customer", party.id))

    linked = world.rows("SELECT record_id FROM refs WHERE system = 'erp' AND external_id = %s", party.id)
    assert linked == [(customer,)]
    woken = world.rows("SELECT waits_for, due_at <= clock_timestamp() FROM records WHERE id = %s", order)
    assert woken == [(None, True)], "it would wait for its own date, a minute away"
    world.settle()
    assert [each["party"] for each in world.orders()] == [party.id]
    assert_all_laws_hold(world.runtime)


def test_parents_in_a_circle_are_all_created_and_linked_in_a_second_pass(family: World) -> None:
    names = ("a", "b", "c")
    ids = {name: family.crm.put("customer", {"name": name}) for name in names}
    for child, parent in zip("abc", "bca", strict=True):
        family.crm.edit("customer", ids[child], {"parent": ids[parent]})
    told = [family.tell("crm", "customer", ids[name]) for name in names]

    family.work(*told)
    family.settle(seconds=30)

    made = {record.fields["name"]: record for record in family.erp.store.all("customer")}
    assert sorted(made) == ["a", "b", "c"]
    assert {name: record.fields.get("parent") for name, record in made.items()} == {
        "a": made["b"].id, "b": made["c"].id, "c": made["a"].id}
    assert_all_laws_hold(family.runtime)


def test_a_circle_that_two_workers_meet_from_both_ends_is_entered_too(family: World) -> None:
    first, second = family.crm.put("customer", {"name": "a"}), family.crm.put("customer", {"name": "b"})
    family.crm.edit("customer", first, {"parent": second})
    family.crm.edit("customer", second, {"parent": first})
    a, b = family.tell("crm", "customer", first), family.tell("crm", "customer", second)
    held = family.ledger.run(lambda tx: records.claim(tx, [b], owner="another worker", lease_s=60,
                                                      versions=family.runtime.versions))
    assert family.work(a).counts == {"park": 1}
    family.ledger.run(lambda tx: records.release(tx, held))

    family.work(b)
    family.settle(seconds=30)

    made = {record.fields["name"]: record for record in family.erp.store.all("customer")}
    assert (made["a"].fields.get("parent"), made["b"].fields.get("parent")) == (made["b"].id, made["a"].id)
    assert_all_laws_hold(family.runtime)


def test_a_company_that_is_its_own_parent_is_created(family: World) -> None:
    own = family.crm.put("customer", {"name": "a"})
    family.crm.edit("customer", own, {"parent": own})

    family.work(family.tell("crm", "customer", own))
    family.settle(seconds=30)

    [made] = family.erp.store.all("customer")
    assert made.fields.get("parent") == made.id


def test_a_dead_customer_holds_its_orders_with_its_id_and_one_incident(world: World) -> None:
    world.erp.rules("customer", refused={"name": ["Refused GmbH"]})
    company = world.crm.put("customer", {"name": "Refused GmbH"})
    orders = [world.tell("crm", "order", world.place_order(company=company, po_number=f"PO-{n}")) for n in range(5)]

    world.work(*orders)
    world.settle()

    [(customer,)] = world.rows("SELECT id FROM records WHERE kind = 'customer'")
    held = world.rows("SELECT state, hold_code, hold_reason, failures FROM records WHERE kind = 'order'")
    assert [row[:2] for row in held] == [("held", "dependency")] * 5
    assert all(f"record {customer}" in row[2] and row[3] == 0 for row in held)
    assert world.rows("SELECT count(*) FROM alerts WHERE closed_at IS NULL") == [(1,)]

    world.crm.edit("customer", company, {"name": "Mended GmbH"})
    world.tell("crm", "customer", company)
    world.settle()
    hurry(world)  # the recheck of the holds
    world.settle()

    assert len(world.orders()) == 5
    assert world.rows("SELECT count(*) FROM alerts WHERE closed_at IS NULL") == [(0,)]
    assert_all_laws_hold(world.runtime)
