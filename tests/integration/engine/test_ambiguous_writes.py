"""A write whose answer is lost, late or unreadable: one row, whatever the target can prove (W5 to W9, section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.world import World, make_world

LOST_ANSWERS = [
    pytest.param({"does": "drop"}, id="commits and drops the connection"),
    pytest.param({"does": "status", "status": 503}, id="commits and says 503"),
    pytest.param({"does": "status", "status": 504}, id="commits and says 504"),
    pytest.param({"does": "half"}, id="commits and sends half a body"),
    pytest.param({"does": "garbage"}, id="commits and sends a page of HTML"),
    pytest.param({"does": "slow", "delay_s": 1.0}, id="answers after the time-out"),
    pytest.param({"does": "drip", "delay_s": 0.2}, id="drips"),
]
VARIANTS = [
    pytest.param(({"variant": "T1"}, {"unique": ("reference",)}), id="T1"),
    pytest.param(({"variant": "T2"}, {"unique": ()}), id="T2"),
    pytest.param(({"variant": "T3", "find_lag_s": 1.0}, {"unique": (), "find_lag_s": 0.8}), id="T3"),
]


@pytest.fixture(params=VARIANTS)
def world(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Iterator[World]:
    options, rules = request.param
    numbers = {"lease_s": 3.0, "call_s": 0.4, "margin_s": 0.2, "probe_s": 0.2}
    with make_world(tmp_path, database_url, erp=options, **numbers) as made:
        made.erp.rules("order", **rules)
        yield made


@pytest.mark.parametrize("fault", LOST_ANSWERS)
def test_an_order_whose_answer_was_lost_is_found_and_not_created_again(
    world: World, fault: dict[str, Any]
) -> None:
    world.erp.fault(kind="order", op="create", **fault)

    world.work(world.tell("crm", "order", world.place_order()))
    world.settle()

    assert len(world.orders()) == 1
    assert world.outcomes() == ["applied"]
    assert world.rows("SELECT note FROM attempts WHERE op = 'create'") == [("found, not created",)]


@pytest.mark.parametrize("fault", [
    pytest.param({"does": "drop", "commit": False}, id="drops before it commits"),
    pytest.param({"does": "status", "status": 503, "commit": False}, id="says 503 and stored nothing"),
])
def test_an_order_that_never_arrived_is_created_by_the_next_run(world: World, fault: dict[str, Any]) -> None:
    world.erp.fault(kind="order", op="create", **fault)

    world.work(world.tell("crm", "order", world.place_order()))
    world.settle()

    assert len(world.orders()) == 1
    statuses = world.rows("SELECT status FROM attempts WHERE op = 'create' ORDER BY id")
    assert statuses == [("absent",), ("done",)]


def test_not_there_is_concluded_only_by_a_look_up_after_the_sure_time(world: World) -> None:
    world.erp.fault("drop", kind="order", op="create", commit=False)

    world.work(world.tell("crm", "order", world.place_order()))
    world.settle()

    [(sure_at,)] = world.rows("SELECT extract(epoch FROM sure_at)::float8 FROM attempts WHERE status = 'absent'")
    creates = [call for call in world.erp.log if call.op == "create"]
    looks = [call for call in world.erp.log if call.op == "list" and call.at < creates[1].at]
    assert looks[-1].at > sure_at
