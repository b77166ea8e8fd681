"""We are told of what we made ourselves before we know it, and of what two people typed twice (R1 to R5)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.engine.interposed import after_step
from tests.integration.engine.laws import assert_all_laws_hold, hurry_until_quiet, prove
from tests.world import World, make_runtime, make_world

BOTH = Path(__file__).resolve().parents[2] / "data" / "both"
NUMBERS = {"lease_s": 3.0, "call_s": 0.4, "margin_s": 0.1}


@pytest.fixture(params=["T1", "T2"])
def world(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Iterator[World]:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "mappings").symlink_to(BOTH)
    with make_world(tmp_path, database_url, erp={"variant": request.param}, **NUMBERS) as made:
        if request.param == "T2":
            made.erp.rules("customer", unique=())
        yield made


def customers(world: World) -> tuple[int, int]:
    return len(world.crm.store.all("customer")), len(world.erp.store.all("customer"))


def assert_one_thing(world: World) -> None:
    assert customers(world) == (1, 1)
    assert world.rows("SELECT count(*) FROM records WHERE state = 'open'") == [(1,)]
    assert world.rows("SELECT count(*) FROM records WHERE state NOT IN ('open', 'merged')") == [(0,)]
    assert world.rows("SELECT system FROM refs WHERE alias_of IS NULL ORDER BY system") == [("crm",), ("erp",)]
    assert_all_laws_hold(world.runtime)


@pytest.mark.parametrize("worked_at_once", [True, False], ids=["worked at once", "worked later"])
@pytest.mark.parametrize("step", ["call", "answer", "settle", "settled"])
def test_the_report_of_our_own_create_never_becomes_a_second_customer(
    step: str, worked_at_once: bool, world: World
) -> None:
    record = world.tell("crm", "customer", world.crm.put("customer", {"name": "Nordlicht", "vat": "DE1"}))
    other = make_runtime(world.environ, worker="another", **NUMBERS)

    def report() -> None:
        from sync_workers.engine import drain
        told = world.tell("erp", "customer", world.erp.store.all("customer")[0].id)
        if worked_at_once and step != "settle":
            drain(other, [told])

    try:
        with after_step(step, report) as done:
            world.work(record)
        assert done == [step]
        hurry_until_quiet(world)
    finally:
        other.dispose()
    assert_one_thing(world)


def test_a_row_whose_reference_comes_later_has_no_counterpart_made_while_a_create_is_undecided(world: World) -> None:
    """R2: the reference is set in a second call, and the answer of the first was lost."""
    world.erp.fault("drop", kind="customer", op="create")
    record = world.tell("crm", "customer", world.crm.put("customer", {"name": "Nordlicht", "vat": "DE1"}))
    world.work(record)
    [made] = world.erp.store.all("customer")
    reference = made.fields["reference"]
    world.erp.edit("customer", made.id, {"reference": ""})
    told = world.tell("erp", "customer", made.id)
    world.work(told)
    assert customers(world) == (1, 1)

    world.erp.edit("customer", made.id, {"reference": reference})
    hurry_until_quiet(world)

    assert_one_thing(world)


def test_one_customer_typed_into_both_systems_at_once_is_held_for_a_person_and_not_doubled(world: World) -> None:
    crm = world.tell("crm", "customer", world.crm.put("customer", {"name": "Nordlicht", "vat": "DE1"}))
    erp = world.tell("erp", "customer", world.erp.put("customer", {"name": "Nordlicht GmbH", "tax_id": "DE1"}))
    other = make_runtime(world.environ, worker="another", **NUMBERS)
    from sync_workers.engine import drain
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda pair: drain(*pair), [(world.runtime, [crm]), (other, [erp])]))
    other.dispose()
    world.settle()

    assert customers(world) == (1, 1)
    assert set(world.rows("SELECT state, hold_code FROM records")) == {("held", "likely_same")}
    assert prove(world.runtime).law("L2").holds


def test_one_customer_typed_twice_into_one_system_at_once_gets_one_counterpart(world: World) -> None:
    ids = [world.tell("crm", "customer", world.crm.put("customer", {"name": f"Nordlicht {number}", "vat": "de 1"}))
           for number in range(4)]
    runtimes = [make_runtime(world.environ, worker=f"w{number}", **NUMBERS) for number in range(4)]
    from sync_workers.engine import drain
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: drain(pair[0], [pair[1]]), zip(runtimes, ids, strict=True)))
    for runtime in runtimes:
        runtime.dispose()
    world.settle()

    assert len(world.erp.store.all("customer")) == 1
    assert sorted(world.rows("SELECT state, hold_code FROM records")) == [
        ("held", "likely_same")] * 3 + [("open", None)]


def test_a_merge_in_the_crm_of_a_known_and_an_unknown_company_keeps_the_counterpart(world: World) -> None:
    old = world.crm.put("customer", {"name": "Nordlicht", "vat": "DE1"})
    world.work(world.tell("crm", "customer", old))
    world.crm.remove("customer", old)
    new = world.crm.put("customer", {"name": "Nordlicht AG", "vat": "DE1"})

    world.work(world.tell("crm", "customer", new, same_as=(old,)))
    hurry_until_quiet(world)

    assert [each.fields["name"] for each in world.erp.store.all("customer")] == ["Nordlicht AG"]
    assert world.rows("SELECT external_id FROM refs WHERE system = 'crm' AND alias_of IS NULL") == [(new,)]
    assert world.rows("SELECT external_id FROM refs WHERE alias_of IS NOT NULL") == [(old,)]
    world.work(world.tell("crm", "customer", old))  # a late report under the old id leads to the same record
    assert_all_laws_hold(world.runtime)


def test_a_merge_of_two_companies_that_both_have_counterparts_is_frozen_for_a_person(world: World) -> None:
    first, second = (world.crm.put("customer", {"name": f"Nordlicht {vat}", "vat": vat}) for vat in ("DE1", "DE2"))
    world.work(world.tell("crm", "customer", first), world.tell("crm", "customer", second))
    world.crm.remove("customer", first)
    world.crm.edit("customer", second, {"name": "Nordlicht together"})
    writes = len([call for call in world.erp.log if call.method != "GET"])

    world.work(world.tell("crm", "customer", second, same_as=(first,)))
    world.settle()

    assert world.rows("SELECT hold_code FROM records WHERE state = 'held'") == [("duplicate",)]
    assert len(world.erp.store.all("customer")) == 2
    names = sorted(each.fields["name"] for each in world.erp.store.all("customer"))
    assert names == ["Nordlicht DE1", "Nordlicht together"]
    assert len([call for call in world.erp.log if call.method != "GET"]) == writes + 1
    [(subject, text)] = world.rows("SELECT subject, body FROM alerts WHERE closed_at IS NULL")
    assert subject == "customer held: duplicate"
    assert f"crm merged customer {first} into {second}" in text
