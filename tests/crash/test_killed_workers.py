"""The crash suite: SIGKILL right after each step of the design's table, then the laws (L1, L2, L4, L8)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.workers import assert_the_laws_hold, start_worker
from tests.world import World, make_world

STEPS = ["claim", "resolve", "read", "dependencies", "merge", "gate", "open", "call", "answer", "flush", "settle",
         "settled"]


@pytest.fixture(params=["T1", "T2"])
def world(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url, erp={"variant": request.param}) as made:
        made.erp.rules("order", unique=("reference",) if request.param == "T1" else ())
        yield made


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_after(step: str, world: World) -> None:
    company = world.crm.put("customer", {"name": "Nordlicht GmbH", "phone": "1"})
    deal = world.place_order(company=company)
    record = world.tell("crm", "order", deal)

    killed = start_worker(world, step, record)
    assert killed.wait(60) == -signal.SIGKILL
    world.settle(seconds=40)

    assert_the_laws_hold(world, orders=1)
    assert len(world.erp.store.all("customer")) == 1


def test_a_worker_killed_in_the_middle_of_its_call(world: World) -> None:
    record = world.tell("crm", "order", world.place_order())
    world.erp.delay_s = 0.3
    worker = start_worker(world, "none", record)
    while not world.erp.store.references and worker.poll() is None:
        pass  # until the ERP has committed the create; the answer is still on its way
    worker.send_signal(signal.SIGKILL)
    worker.wait(10)
    world.erp.delay_s = 0.0

    world.settle(seconds=40)

    assert_the_laws_hold(world, orders=1)


def test_a_killed_workers_dead_end_is_reached_by_the_next_one(world: World) -> None:
    world.erp.rules("order", refused={"lines.part": ["NO-SUCH-PART"]})
    lines = [{"sku": "NO-SUCH-PART", "quantity": "1", "price": "1"}]
    record = world.tell("crm", "order", world.place_order(lines=lines))

    assert start_worker(world, "settle", record).wait(60) == -signal.SIGKILL
    world.settle(seconds=40)

    assert world.orders() == []
    assert world.outcomes() == ["dead"]
    [(state,)] = world.rows("SELECT state FROM dead_letters")
    [(incident,)] = world.rows("SELECT incident FROM alerts WHERE closed_at IS NULL")
    assert state == "open"
    assert incident.startswith("dead:order:")
