"""A worker frozen past its lease and resumed: another one finished meanwhile (C2, W1, W3, W11, L8)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.workers import assert_the_laws_hold, start_worker
from tests.world import World, make_world


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url, erp={"variant": "T2"}) as made:
        made.erp.rules("order", unique=())
        yield made


@pytest.mark.parametrize("step", ["claim", "read", "gate", "open", "call", "answer"])
def test_a_worker_frozen_after(step: str, world: World) -> None:
    deal = world.place_order(status="first")
    record = world.tell("crm", "order", deal)
    frozen = start_worker(world, step, record, freeze=True)
    os.waitpid(frozen.pid, os.WUNTRACED)

    world.crm.edit("order", deal, {"status": "second"})
    world.tell("crm", "order", deal)
    world.settle(seconds=40)
    frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(60) == 0
    world.settle(seconds=40)

    assert_the_laws_hold(world, orders=1)
    assert [order["status"] for order in world.orders()] == ["second"]


def test_an_answer_that_comes_after_the_lease_was_lost_leaves_one_event_and_nothing_else(world: World) -> None:
    record = world.tell("crm", "order", world.place_order())
    frozen = start_worker(world, "call", record, freeze=True)
    os.waitpid(frozen.pid, os.WUNTRACED)
    world.settle(seconds=40)
    refs_before = world.rows("SELECT record_id, system, external_id, sent, held FROM refs ORDER BY id")

    frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(60) == 0

    assert world.rows("SELECT source FROM events WHERE source = 'late answer'") == [("late answer",)]
    assert world.rows("SELECT late_answer ->> 'id' FROM attempts WHERE late_answer IS NOT NULL") == [
        (world.erp.store.all("order")[0].id,)
    ]
    assert world.rows("SELECT record_id, system, external_id, sent, held FROM refs ORDER BY id") == refs_before
