"""A mapping that fails closed: a field that vanished stops its flow loudly and leaves the others running."""

from __future__ import annotations

from dataclasses import replace

from sync_workers.flows import contracts
from sync_workers.ledger import modes
from tests.world import World


def declare(world: World, *paths: str) -> None:
    world.erp.rules("order", types={path: {"type": "text"} for path in paths})


ALL = ("po", "status", "comment", "number", "party", "lines", "lines.part", "lines.key", "lines.quantity",
       "lines.unit_price", "reference")


def test_a_field_that_vanished_stops_its_flow_and_no_other(world: World) -> None:
    declare(world, *ALL)
    assert contracts.check(world.runtime) == {}
    declare(world, *[path for path in ALL if path != "po"])

    assert contracts.check(world.runtime) == {("order", "erp"): ["po is gone"]}
    world.work(world.tell("crm", "order", world.place_order()))
    world.work(world.tell("crm", "customer", world.crm.put("customer", {"name": "Nordlicht"})))

    assert world.orders() == []
    assert world.rows("SELECT state, hold_code FROM records WHERE kind = 'order'") == [("held", "contract_drift")]
    assert len(world.erp.store.all("customer")) == 1
    [(count,)] = world.rows("SELECT count(*) FROM alerts WHERE incident = 'drift:erp:order' AND closed_at IS NULL")
    assert count == 1


def test_a_restored_field_lets_the_flow_go_on_by_itself(world: World) -> None:
    declare(world, *ALL)
    contracts.check(world.runtime)
    declare(world, *ALL[1:])
    contracts.check(world.runtime)
    world.work(world.tell("crm", "order", world.place_order()))

    declare(world, *ALL)
    contracts.check(world.runtime)
    world.settle()

    assert len(world.orders()) == 1


def test_a_changed_type_is_drift_until_a_version_that_fits_is_activated(world: World) -> None:
    declare(world, *ALL)
    contracts.check(world.runtime)
    world.erp.rules("order", types={**{path: {"type": "text"} for path in ALL}, "po": {"type": "number"}})
    assert contracts.check(world.runtime) == {("order", "erp"): ["po was text and is number"]}
    world.work(world.tell("crm", "order", world.place_order()))

    modes.activate(world.ledger, "order", 1, "digest", "ann", "the field is a number now", systems=["crm", "erp"])
    assert contracts.check(world.runtime) == {}
    world.settle()

    assert len(world.orders()) == 1


def test_a_sheet_that_needs_less_than_the_last_one_finds_no_drift(world: World) -> None:
    declare(world, *ALL)
    contracts.check(world.runtime)
    order = world.runtime.sheets["order"]
    smaller = replace(order, fields=tuple(rule for rule in order.fields if rule.name != "notes"))
    runtime = replace(world.runtime, sheets={**world.runtime.sheets, "order": smaller})

    assert contracts.check(runtime) == {}
