"""A create that is carried out long after its caller gave up (protocol section 7, T4): healed by a key, else shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.engine.laws import assert_all_laws_hold, prove
from tests.world import World, make_world

NUMBERS = {"lease_s": 2.0, "call_s": 0.3, "margin_s": 0.1}


@pytest.fixture
def start(tmp_path: Path, database_url: str) -> Iterator[Callable[..., World]]:
    with ExitStack() as stack:
        def begin(variant: str, **rules: Any) -> World:
            world = stack.enter_context(make_world(tmp_path, database_url, erp={"variant": variant}, **NUMBERS))
            world.erp.rules("order", **rules)
            return world
        yield begin


def lose_a_create(world: World) -> None:
    """Let the first create be kept by a queue, and the record be worked off after its ``sure_at``."""
    world.erp.fault("hold", kind="order", op="create")
    world.work(world.tell("crm", "order", world.place_order()))
    world.settle()
    assert len(world.orders()) == 1
    assert world.rows("SELECT status FROM attempts ORDER BY id") == [("absent",), ("done",)]


def test_with_a_unique_key_the_late_create_is_refused_by_the_target_itself(start: Callable[..., World]) -> None:
    world = start("T1", unique=("reference",))
    lose_a_create(world)

    assert world.erp.release() == 1

    assert len(world.orders()) == 1
    assert_all_laws_hold(world.runtime)


def test_without_a_key_the_late_create_makes_two_rows_and_the_proof_names_both(start: Callable[..., World]) -> None:
    world = start("T2", unique=())
    lose_a_create(world)

    assert world.erp.release() == 1

    ids = [record.id for record in world.erp.store.all("order")]
    assert len(ids) == 2
    found = prove(world.runtime)
    assert not found.holds
    [broken] = found.law("L2").broken
    assert all(name in broken for name in ids)
    assert len(world.erp.store.all("order")) == 2, "undoing a duplicate is a person's act"


def test_where_absence_cannot_be_proven_the_law_is_unproven_until_a_sweep(start: Callable[..., World]) -> None:
    world = start("T4", unique=())
    lose_a_create(world)

    unproven = prove(world.runtime, systems=False)
    assert not unproven.holds
    assert "only a sweep of erp" in unproven.law("L2").unproven[0]
    world.rows("SELECT pg_sleep(greatest(0, extract(epoch FROM max(sure_at) - clock_timestamp())::float8) + 0.05)"
               " FROM attempts")
    assert_all_laws_hold(world.runtime)

    world.erp.release()
    assert len(prove(world.runtime).law("L2").broken) == 1
