"""Calls of one batch go out side by side, and none of them holds up what the others have done (C4, L7)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sync_workers.connectors.callers import Callers
from sync_workers.engine import drain
from tests.integration.engine.laws import assert_all_laws_hold
from tests.world import World, make_world

DELAY_S = 0.2


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url, call_s=5.0, lease_s=60.0) as made:
        yield made


def place(world: World, count: int) -> list[int]:
    return [world.tell("crm", "order", world.place_order(po_number=f"PO-{number}")) for number in range(count)]


def test_a_slow_system_gets_a_batchs_calls_side_by_side(world: World) -> None:
    ids = place(world, 24)
    world.erp.delay_s = DELAY_S
    world.work(*ids)
    assert len(world.orders()) == 24
    assert 4 <= world.erp.most_in_flight <= world.runtime.callers.most("erp")
    assert_all_laws_hold(world.runtime)


def test_one_call_that_hangs_does_not_hold_up_the_others_settling(world: World) -> None:
    ids = place(world, 12)
    world.erp.fault("slow", kind="order", op="create", delay_s=4.0, times=1)
    began = time.monotonic()
    world.work(*ids)
    assert time.monotonic() - began >= 4.0
    [(first, eleventh, last)] = world.rows(
        "SELECT min(settled_at), percentile_disc(0.9) WITHIN GROUP (ORDER BY settled_at), max(settled_at) FROM events"
    )
    assert (last - eleventh).total_seconds() > 1.5, "eleven are settled long before the twelfth is answered"
    assert (eleventh - first).total_seconds() < 1.5
    assert_all_laws_hold(world.runtime)


def test_a_system_that_has_not_answered_yet_is_asked_one_call_at_a_time(world: World) -> None:
    ids = place(world, 24)
    world.erp.refuse()
    world.work(*ids)
    assert world.rows("SELECT count(*) FROM records WHERE failures > 0") == [(world.runtime.circuit_threshold,)]


def test_a_system_that_breaks_down_meanwhile_costs_only_what_is_under_way(world: World) -> None:
    ids = place(world, 40)
    world.work(*ids[:1])
    world.erp.fault("status", kind="order", op="create", status=503, commit=False, times=None)
    world.work(*ids[1:])
    most = world.runtime.callers.most("erp") + world.runtime.circuit_threshold
    assert 0 < world.rows("SELECT count(*) FROM attempts WHERE status = 'open'")[0][0] <= most
    assert world.rows("SELECT count(*) FROM records WHERE failures > 0")[0][0] <= most


def test_a_systems_own_places_are_all_that_is_tried(world: World) -> None:
    runtime = replace(world.runtime, callers=Callers({"erp": 1}))
    assert runtime.callers.most("erp") == 3
    ids = place(world, 12)
    world.erp.delay_s = DELAY_S
    drain(runtime, ids)
    assert len(world.orders()) == 12
    assert 1 < world.erp.most_in_flight <= 3


def test_a_defect_in_a_call_ends_the_drain_and_loses_no_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = place(world, 12)

    def broken(*_: object) -> None:
        raise MemoryError("a defect in the machinery")

    with monkeypatch.context() as patched:
        patched.setattr("sync_workers.engine.calls.send", broken)
        with pytest.raises(MemoryError):
            world.work(*ids)
    assert world.rows("SELECT count(*) FROM records WHERE owner IS NOT NULL AND due_at IS NOT NULL") == [(12,)]
    world.rows("UPDATE records SET lease_until = clock_timestamp() RETURNING id")
    world.rows("UPDATE attempts SET sure_at = clock_timestamp() RETURNING id")
    world.settle()
    assert len(world.orders()) == 12
    assert_all_laws_hold(world.runtime)
