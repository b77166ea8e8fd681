"""Two records that the CRM made one: one customer in the ERP, both histories, no orphan (protocol R5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engine.laws import assert_all_laws_hold, hurry_until_quiet
from tests.world import World, make_world


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url, erp={"unites": True}) as made:
        yield made


def merge_two_customers(world: World) -> tuple[str, str]:
    """Let two companies with a counterpart each become one in the CRM; return the survivor's id and the other's."""
    first, second = (world.crm.put("customer", {"name": f"Nordlicht {vat}", "vat": vat}) for vat in ("DE1", "DE2"))
    world.work(world.tell("crm", "customer", first), world.tell("crm", "customer", second))
    order = world.place_order(company=first)
    world.work(world.tell("crm", "order", order))
    world.crm.merge("customer", second, first)
    world.crm.edit("order", order, {"company": second})
    world.crm.edit("customer", second, {"name": "Nordlicht together"})
    return second, first


def customer_parties(world: World) -> list[str]:
    return [each.id for each in world.erp.store.all("customer")]


@pytest.mark.parametrize("told", [True, False], ids=["by a webhook", "found by looking"])
def test_two_companies_that_are_merged_become_one_customer_with_both_histories(
    world: World, told: bool
) -> None:
    survivor, other = merge_two_customers(world)
    before = customer_parties(world)

    if told:
        world.work(world.tell("crm", "customer", survivor, same_as=(other,)))
    else:
        world.work(world.tell("crm", "customer", survivor), world.tell("crm", "customer", other))
    hurry_until_quiet(world)

    (party,) = customer_parties(world)
    assert party in before
    assert world.erp.fields("customer", party)["name"] == "Nordlicht together"
    assert world.rows("SELECT count(*) FROM records WHERE kind = 'customer' AND state = 'merged'") == [(1,)]
    assert world.rows("SELECT count(*) FROM records WHERE state IN ('held', 'dead')") == [(0,)]
    leads = world.rows("SELECT external_id FROM refs WHERE kind = 'customer' AND alias_of IS NOT NULL ORDER BY system")
    assert leads == [(other,), next((each,) for each in before if each != party)]
    assert [order["party"] for order in world.orders()] == [next(each for each in before if each != party)]
    assert_all_laws_hold(world.runtime)


def test_a_replacement_whose_answer_was_lost_is_asked_for_again_and_the_rows_are_joined(
    world: World,
) -> None:
    survivor, other = merge_two_customers(world)
    world.erp.fault("drop", kind="customer", op="action")

    world.work(world.tell("crm", "customer", survivor, same_as=(other,)))
    hurry_until_quiet(world)

    assert len(customer_parties(world)) == 1
    assert world.rows("SELECT count(*) FROM records WHERE state = 'merged'") == [(1,)]
    states = world.rows("SELECT status FROM attempts WHERE action = 'replace' ORDER BY id")
    assert [status for (status,) in states] == ["superseded", "done"]
    assert_all_laws_hold(world.runtime)
