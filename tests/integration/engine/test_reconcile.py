"""The slow sweep by set comparison: it raises events for what differs, repairs nothing, and is the only one
that sees a delete."""

from __future__ import annotations

from sync_workers.flows.reconcile import reconcile
from tests.world import World


def linked_customers(world: World, count: int) -> list[str]:
    companies = [world.crm.put("customer", {"name": f"Customer {number}"}) for number in range(count)]
    for company in companies:
        world.work(world.tell("crm", "customer", company))
    return companies


def test_a_sweep_of_systems_in_step_raises_nothing(world: World) -> None:
    linked_customers(world, 3)

    assert reconcile(world.runtime, "crm", "customer").due == []
    assert reconcile(world.runtime, "erp", "customer").due == []


def test_what_no_hook_and_no_poll_told_is_found(world: World) -> None:
    world.crm.put("customer", {"name": "Nobody told of it"})

    found = reconcile(world.runtime, "crm", "customer")
    world.work(*[one.id for one in found.due])

    assert found.unknown == 1
    assert [record.fields["name"] for record in world.erp.store.all("customer")] == ["Nobody told of it"]


def test_a_silent_edit_is_found_and_put_back_by_the_engine(world: World) -> None:
    linked_customers(world, 2)
    party = world.erp.store.all("customer")[0]
    world.erp.edit("customer", party.id, {"name": "typed in the ERP"})

    found = reconcile(world.runtime, "erp", "customer")
    assert world.erp.fields("customer", party.id)["name"] == "typed in the ERP", "a reconcile repairs nothing itself"
    world.work(*[one.id for one in found.due])

    assert found.changed == 1
    assert world.erp.fields("customer", party.id)["name"] == "Customer 0"


def test_a_delete_is_seen_also_of_the_last_one_listed(world: World) -> None:
    linked_customers(world, 3)
    first, *_, last = world.erp.store.all("customer")
    world.erp.remove("customer", first.id)
    world.erp.remove("customer", last.id)

    assert reconcile(world.runtime, "erp", "customer").gone == 2


def test_a_system_that_shows_nothing_at_all_is_not_taken_for_emptied(world: World) -> None:
    linked_customers(world, 2)
    for record in world.erp.store.all("customer"):
        world.erp.remove("customer", record.id)

    assert reconcile(world.runtime, "erp", "customer").gone == 0


def test_an_order_of_the_erp_that_is_not_ours_is_left_alone(world: World) -> None:
    world.erp.put("order", {"po": "keyed by hand"})

    assert reconcile(world.runtime, "erp", "order").due == []
