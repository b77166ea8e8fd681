"""One record of a batch kills its worker, another sleeps past the lease: the other 48 do not pay (C3, C4, L7)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engine.laws import assert_all_laws_hold
from tests.world import QUICK, World, make_world

ROOT = Path(__file__).resolve().parents[3]
NUMBERS = {**QUICK, "lease_s": 2.0, "call_s": 0.3, "margin_s": 0.1}


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url, **NUMBERS) as made:
        yield made


def run_worker(world: World, killer: int, sleeper: int, marker: Path, ids: list[int]) -> int:
    """Let one worker process work until it has nothing left or is killed; return how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "tests.crash.poisoned", "--environ", json.dumps(world.environ), "--killer", str(killer),
         "--sleeper", str(sleeper), "--marker", str(marker), *map(str, ids)],
        cwd=ROOT, env={"WORLD_NUMBERS": json.dumps(NUMBERS)}, check=False, timeout=120, stdout=subprocess.DEVNULL,
    ).returncode


def wait_for_leases(world: World) -> None:
    world.rows("SELECT pg_sleep(coalesce(greatest(0, extract(epoch FROM max(lease_until) - clock_timestamp())::float8)"
               " + 0.02, 0)) FROM records")


def test_of_fifty_records_one_kills_and_one_sleeps_and_48_are_applied_at_once(world: World, tmp_path: Path) -> None:
    ids = [world.tell("crm", "order", world.place_order(po_number=f"PO-{number}")) for number in range(50)]
    killer, sleeper = ids[20], ids[30]
    others = set(ids) - {killer, sleeper}
    ends: list[int] = []
    applied_after: int | None = None
    while world.rows("SELECT id FROM records WHERE due_at IS NOT NULL"):
        ends.append(run_worker(world, killer, sleeper, tmp_path / "slept", ids))
        applied = {row[0] for row in world.rows("SELECT record_id FROM events WHERE outcome = 'applied'")}
        if applied_after is None and others <= applied:
            applied_after = len(ends)
            assert world.rows("SELECT state FROM records WHERE id = %s", killer) == [("open",)]
        wait_for_leases(world)
        assert len(ends) < 12

    assert applied_after is not None
    assert applied_after <= 4, "the others waited for the one that kills"
    assert ends.count(-signal.SIGKILL) >= 3
    assert world.rows("SELECT id FROM records WHERE state = 'dead'") == [(killer,)]
    [(message,)] = world.rows("SELECT message FROM dead_letters")
    assert "when its worker died or froze" in message
    assert world.rows("SELECT outcome FROM events WHERE record_id = %s", sleeper) == [("applied",)]
    assert len(world.orders()) == 49
    assert_all_laws_hold(world.runtime)


def test_a_slow_system_makes_a_batch_give_back_what_it_cannot_finish_in_its_lease(world: World) -> None:
    ids = [world.tell("crm", "order", world.place_order(po_number=f"PO-{number}")) for number in range(20)]
    world.erp.delay_s = 0.15  # twenty creates do not fit into one lease

    world.work(*ids)
    world.settle(seconds=60)

    assert len(world.orders()) == 20
    assert world.rows("SELECT max(lapses), max(failures) FROM records") == [(0, 0)]
    assert world.rows("SELECT count(*) FROM attempts WHERE status = 'done'") == [(20,)]
    assert_all_laws_hold(world.runtime)


def test_what_deliveries_told_of_a_batch_is_not_read_again(world: World) -> None:
    placed = [world.place_order(po_number=f"PO-{number}") for number in range(5)]
    records = [world.crm.store.get("order", external_id) for external_id in placed]
    ids = [world.tell("crm", "order", one.id, version=str(one.version), payload=one.fields) for one in records]
    before = len(world.crm.log)

    world.work(*ids)

    assert len(world.orders()) == 5
    read = [call.target for call in list(world.crm.log)[before:] if call.method == "GET"]
    assert read == []
