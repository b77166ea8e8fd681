"""A worker frozen past its lease and resumed: another one finished meanwhile (C2, W1, W3, W11, L8)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.workers import assert_the_laws_hold, left_of, start_worker
from tests.world import World, make_world

ANSWERED = ("call", "answer")  # it knows an answer when it wakes up, and that is all it may tell


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url, erp={"variant": "T2"}) as made:
        made.erp.rules("order", unique=())
        yield made


def freeze_after(step: str, world: World, record: int) -> subprocess.Popen[str]:
    """Start a worker and return once it stands still right after the step, holding the record."""
    frozen = start_worker(world, step, record, freeze=True)
    _, status = os.waitpid(frozen.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), "it ended instead of standing still"
    assert left_of(world, record).leased
    return frozen


def resume(frozen: subprocess.Popen[str]) -> None:
    frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(60) == 0


def refs(world: World) -> list[tuple[object, ...]]:
    return world.rows("SELECT record_id, system, external_id, coalesce(sent, held), held FROM refs ORDER BY id")


@pytest.mark.parametrize("step", ["claim", "read", "gate", "open", "call", "answer"])
def test_a_worker_frozen_after(step: str, world: World) -> None:
    deal = world.place_order(status="first")
    record = world.tell("crm", "order", deal)
    frozen = freeze_after(step, world, record)

    world.crm.edit("order", deal, {"status": "second"})
    world.tell("crm", "order", deal)
    world.settle(seconds=40)
    [(fence, attempts)] = world.rows("SELECT fence, (SELECT count(*) FROM attempts) FROM records")
    before, writes = refs(world), sum(call.method != "GET" for call in world.erp.log)
    resume(frozen)

    assert world.rows("SELECT fence, (SELECT count(*) FROM attempts) FROM records") == [(fence, attempts)]
    assert refs(world) == before, "it may not touch what another one settled"
    assert sum(call.method != "GET" for call in world.erp.log) == writes, "nor call"
    told = world.rows("SELECT source FROM events WHERE source = 'late answer'")
    assert len(told) == (1 if step in ANSWERED else 0)
    world.settle(seconds=40)

    assert_the_laws_hold(world, orders=1)
    assert [order["status"] for order in world.orders()] == ["second"]


def test_an_answer_that_comes_after_the_lease_was_lost_leaves_one_event_and_nothing_else(world: World) -> None:
    record = world.tell("crm", "order", world.place_order())
    frozen = freeze_after("call", world, record)
    world.settle(seconds=40)
    before = refs(world)

    resume(frozen)

    assert world.rows("SELECT source FROM events WHERE source = 'late answer'") == [("late answer",)]
    assert world.rows("SELECT late_answer ->> 'id' FROM attempts WHERE late_answer IS NOT NULL") == [
        (world.erp.store.all("order")[0].id,)
    ]
    assert refs(world) == before
