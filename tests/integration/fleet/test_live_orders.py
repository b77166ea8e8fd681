"""Which process takes a live order: the stock worker helps, but takes none that would wait there behind other work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from sync_workers.fleet.wakeups import Wakeups, wake_of
from tests.fleets import running, wait_for
from tests.world import World, make_world

pytestmark = pytest.mark.slow
THREADS = 4  # of the stock worker, as the Procfile says
SLOW_S = 12.0
NUMBERS = {"call_s": 20.0, "lease_s": 120.0}


@pytest.fixture
def world(tmp_path: Path, database_url: str, broker_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url, broker_url=broker_url, **NUMBERS) as made:
        yield made


@pytest.fixture
def redis(broker_url: str) -> Iterator[Redis]:
    with Redis.from_url(broker_url) as client:
        yield client


def place(world: World, number: int, source: str) -> int:
    return world.tell("crm", "order", world.place_order(po_number=f"PO-{number}"), source=source)


def test_the_stock_worker_takes_live_orders_and_leaves_them_to_others_while_it_is_busy(
    world: World, redis: Redis, tmp_path: Path
) -> None:
    wakeups = Wakeups(redis)
    with running(world.environ, tmp_path / "fleet", "stock", numbers=NUMBERS):
        first = place(world, 0, "webhook")
        wakeups.publish([wake_of(first, "order")])
        wait_for(lambda: world.rows("SELECT 1 FROM events WHERE record_id = %s AND outcome = 'applied'", first))

        world.crm.delay_s = SLOW_S
        for number in range(1, THREADS + 1):  # a message each, and each waits for its read
            wakeups.publish([wake_of(place(world, number, "reconcile"), "order", source="reconcile")])
            wait_for(lambda number=number: world.rows("SELECT count(*) FROM records WHERE owner IS NOT NULL")
                     == [(number,)])
        live = place(world, 9, "webhook")
        wakeups.publish([wake_of(live, "order")])
        world.crm.delay_s = 0.0
        is_taken = threading.Event().wait(1.0) or redis.llen("live") == 0
        assert world.rows("SELECT count(*) FROM records WHERE owner IS NOT NULL") == [(THREADS,)], "this came too late"
        assert not is_taken, "another worker could have done it by now"
        wait_for(lambda: world.rows("SELECT 1 FROM events WHERE record_id = %s AND outcome = 'applied'", live))
