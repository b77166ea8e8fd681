"""A poll killed between reading, storing and moving its cursor: no change is lost, none is told twice (Q1, L1)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_workers.flows.polling import poll
from sync_workers.flows.reconcile import reconcile
from sync_workers.ledger import cursors
from sync_workers.sandbox.plain.rules import Record
from tests.crash.poller import STEPS
from tests.integration.engine.laws import assert_all_laws_hold
from tests.world import World, make_world

ROOT = Path(__file__).resolve().parents[2]
STOCK = ROOT / "tests" / "data" / "stock"


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def warehouse(tmp_path: Path, database_url: str) -> Iterator[World]:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "mappings").symlink_to(STOCK)
    with make_world(tmp_path, database_url, crm={"batch": 100}, erp={"variant": "T2"}) as made:
        yield made


def kill_a_poll(world: World, step: str, system: str, kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.poller", "--after", step, "--environ", json.dumps(world.environ),
         system, kind], cwd=ROOT, check=False, timeout=60)  # fmt: skip
    assert done.returncode == -signal.SIGKILL


def position(world: World, system: str, kind: str) -> object:
    with world.ledger.transaction() as tx:
        return cursors.position(tx, system, kind)


@pytest.mark.parametrize("step", STEPS)
def test_a_poll_of_records_killed_after(step: str, world: World) -> None:
    names = [world.crm.put("customer", {"name": f"Company {number}", "phone": str(number)}) for number in range(5)]
    before = position(world, "crm", "customer")

    kill_a_poll(world, step, "crm", "customer")
    counted = step == "committed"
    assert world.rows("SELECT count(*) FROM events") == [(5 if counted else 0,)]
    assert (position(world, "crm", "customer") != before) is counted, "events and cursor move together"
    world.settle()  # what was stored is due, though nobody was left to wake a worker
    poll(world.runtime, "crm", "customer")
    world.settle()

    assert world.rows("SELECT external_id, outcome FROM events ORDER BY external_id") == [
        (name, "applied") for name in sorted(names)]
    assert len(world.erp.store.all("customer")) == 5
    found = reconcile(world.runtime, "crm", "customer")
    assert (found.read, found.unknown, found.changed, found.gone) == (5, 0, 0, 0)
    assert_all_laws_hold(world.runtime)


@pytest.mark.parametrize("step", STEPS)
def test_a_poll_of_stock_killed_after(step: str, warehouse: World) -> None:
    for number in range(5):
        part = warehouse.erp.put("part", {"code": f"P-{number}"})
        warehouse.crm.put("part", {"sku": f"P-{number}"})
        warehouse.tell("erp", "part", part)
    warehouse.settle()
    links = warehouse.rows("SELECT e.external_id, c.external_id FROM refs e JOIN refs c ON c.record_id = e.record_id"
                           " AND c.system = 'crm' WHERE e.system = 'erp' ORDER BY 1")
    for erp_id, crm_id in links:
        place(warehouse, "erp", erp_id, {"on_hand": "9", "allocated": "2", "available": "7"})
        place(warehouse, "crm", crm_id, {"available": "0"})
    before = position(warehouse, "erp", "stock")

    kill_a_poll(warehouse, step, "erp", "stock")
    counted = step == "committed"
    assert warehouse.rows("SELECT count(*) FROM events WHERE kind = 'stock'") == [(5 if counted else 0,)]
    assert (position(warehouse, "erp", "stock") != before) is counted, "figures and cursor move together"
    warehouse.settle()
    poll(warehouse.runtime, "erp", "stock")
    warehouse.settle()

    assert [float(warehouse.crm.store.get("stock", crm_id).fields["available"]) for _, crm_id in links] == [7.0] * 5
    assert warehouse.rows("SELECT count(*) FROM events WHERE kind = 'stock'") == [(5,)]
    assert_all_laws_hold(warehouse.runtime)


def place(world: World, system: str, name: str, fields: dict[str, str]) -> None:
    """Give a part its stock, which stands under the same id there."""
    server = world.erp if system == "erp" else world.crm
    now = server.store.clock()
    server.store._kinds.setdefault("stock", {})[name] = Record("stock", name, fields, 1, now, now, "person")
    ids = server.store._sorted_ids.setdefault("stock", [])
    ids.append(name)
    ids.sort()
