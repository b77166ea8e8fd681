"""A system that is down, or asks for patience, costs its records nothing (L7, D5, section 6 of the design)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engine.laws import assert_all_laws_hold, hurry
from tests.world import World, make_world

NUMBERS = {"circuit_threshold": 3, "probe_s": 0.3}


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url, **NUMBERS) as made:
        yield made


def open_alerts(world: World) -> list[tuple[str, int]]:
    return world.rows("SELECT incident, count FROM alerts WHERE closed_at IS NULL")  # type: ignore[return-value]


def failures(world: World) -> int:
    return int(world.rows("SELECT coalesce(sum(failures), 0) FROM records")[0][0])


def test_an_outage_opens_one_circuit_with_one_alert_and_costs_no_retries(world: World) -> None:
    ids = [world.tell("crm", "order", world.place_order(po_number=f"PO-{number}")) for number in range(30)]
    world.erp.refuse()
    world.work(*ids)
    assert [row[0] for row in open_alerts(world)] == ["down:erp"]
    spent = failures(world)
    opened = world.rows("SELECT count(*) FROM attempts")

    for _ in range(5):  # an hour of sweeps
        hurry(world)
        world.work(*ids)
        world.rows("UPDATE circuits SET probe_at = clock_timestamp() RETURNING system")

    assert failures(world) == spent <= NUMBERS["circuit_threshold"]
    assert world.rows("SELECT count(*) FROM attempts")[0][0] - opened[0][0] <= 5, "only the probes went out"
    assert [row[0] for row in open_alerts(world)] == ["down:erp"]
    assert world.rows("SELECT id FROM records WHERE state <> 'open'") == []

    world.erp.accept()
    world.rows("UPDATE circuits SET probe_at = clock_timestamp() RETURNING system")
    hurry(world)
    world.settle(seconds=40)

    assert len(world.orders()) == 30
    assert world.rows("SELECT state, failures FROM circuits WHERE system = 'erp'") == [("closed", 0)]
    assert open_alerts(world) == []
    assert_all_laws_hold(world.runtime)


def test_while_one_system_is_down_records_that_need_it_not_go_on(world: World) -> None:
    world.erp.refuse()
    waiting = [world.tell("crm", "order", world.place_order(po_number=f"PO-{number}")) for number in range(10)]
    fine = [world.tell("crm", "order", world.place_order(won=False)) for _ in range(10)]

    world.work(*waiting, *fine)

    done = world.rows("SELECT count(*) FROM events WHERE record_id = ANY(%s) AND outcome = 'unchanged'", fine)
    assert done == [(10,)]


def test_only_one_record_at_a_time_tests_a_system_that_was_down(world: World) -> None:
    ids = [world.tell("crm", "order", world.place_order(po_number=f"PO-{number}")) for number in range(20)]
    world.erp.refuse()
    world.work(*ids)
    world.erp.accept()
    world.erp.fault("status", status=503, commit=False, times=None)
    world.erp.log.clear()
    world.rows("UPDATE circuits SET probe_at = clock_timestamp() RETURNING system")
    hurry(world)

    world.work(*ids)

    assert len(world.erp.log) == 1, [(call.method, call.target) for call in world.erp.log]


def test_being_throttled_costs_no_budget_and_no_circuit(world: World) -> None:
    world.erp.fault("status", kind="order", op="create", status=429, commit=False, retry_after_s=1, times=3)
    record = world.tell("crm", "order", world.place_order())
    for _ in range(3):
        assert world.work(record).counts == {"retry": 1}
        assert failures(world) == 0
        hurry(world)

    world.settle()

    assert len(world.orders()) == 1
    assert world.rows("SELECT system FROM circuits WHERE state = 'open' OR failures > 0") == []
    assert open_alerts(world) == []
    assert_all_laws_hold(world.runtime)


def test_a_retry_waits_as_long_as_the_system_asked_for(world: World) -> None:
    world.erp.fault("status", kind="order", op="create", status=429, commit=False, retry_after_s=40, times=1)
    world.work(world.tell("crm", "order", world.place_order()))
    assert world.rows("SELECT due_at > clock_timestamp() + interval '35 seconds' FROM records") == [(True,)]
