"""The real fleet while its servers and processes fail under load: exactly the orders there should be, and the proof.

Receiver, Celery workers and beat run as in the Procfile, on a PostgreSQL and a broker of these tests' own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis

from sync_workers.sandbox.services import create_database, start_broker, start_postgres
from tests.fleets import Fleet, Servers, delivery, running, send_hooks_to, wait_for, wait_until_quiet
from tests.integration.engine.laws import assert_all_laws_hold
from tests.world import World, make_world

pytestmark = pytest.mark.slow
NUMBERS = {"lease_s": 4.0, "call_s": 0.8, "margin_s": 0.2, "probe_s": 0.5}
ORDERS = 40


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    home = tmp_path_factory.mktemp("servers")
    made = Servers(home, start_postgres(home), start_broker(home))
    yield made
    made.broker.stop()
    made.postgres.stop()


@pytest.fixture
def world(servers: Servers, tmp_path: Path) -> Iterator[World]:
    with redis.Redis.from_url(servers.broker.url) as client:
        client.flushall()
    url = create_database(servers.postgres.url, f"fleet_{secrets.token_hex(4)}")
    with make_world(tmp_path, url, broker_url=servers.broker.url, erp={"variant": "T1"}, **NUMBERS) as made:
        yield made


@pytest.fixture
def fleet(world: World, tmp_path: Path) -> Iterator[Fleet]:
    with running(world.environ, tmp_path / "fleet", "web", "worker", "beat", numbers=NUMBERS) as started:
        wait_for(lambda: world.rows("SELECT worker FROM heartbeats"))
        send_hooks_to(world, started)
        yield started


def trade(world: World, harm: Callable[[int], Any], count: int = ORDERS) -> None:
    """Let sales reps win orders and correct them, with ``harm`` done now and then in between."""
    deals = []
    for number in range(count):
        deals.append(world.place_order(po_number=f"PO-{number}", status="new"))
        if number % 3 == 0:
            world.crm.edit("order", deals[number // 2], {"status": f"edited {number}"})
        if number % 4 == 0:  # the work keeps pace, so that the harm meets it under way
            wait_for(lambda number=number: len(world.erp.store.all("order")) >= number // 2 - 4)
        harm(number)


def assert_each_order_stands_once(world: World, count: int = ORDERS) -> None:
    wait_until_quiet(world, 120)
    orders = world.orders()
    assert len(orders) == count
    assert len({order["reference"] for order in orders}) == count
    wanted = {record.fields["po_number"]: record.fields["status"] for record in world.crm.store.all("order")}
    assert {order["po"]: order["status"] for order in orders} == wanted
    assert world.crm.hooks.failed == world.erp.hooks.failed == 0
    assert world.rows("SELECT id FROM dead_letters") == []
    assert_all_laws_hold(world.runtime)


def test_the_broker_is_wiped_again_and_again(world: World, fleet: Fleet, servers: Servers) -> None:
    with redis.Redis.from_url(servers.broker.url) as client:
        trade(world, lambda number: client.flushall() if number % 4 == 0 else None)
    assert_each_order_stands_once(world)


@pytest.mark.parametrize("kill", [False, True], ids=["in order", "killed"])
def test_the_broker_is_restarted(kill: bool, world: World, fleet: Fleet, servers: Servers) -> None:
    trade(world, lambda number: servers.restart_broker(kill=kill) if number == ORDERS // 2 else None)
    assert_each_order_stands_once(world)


@pytest.mark.parametrize("kill", [False, True], ids=["in order", "killed"])
def test_postgresql_is_restarted(kill: bool, world: World, fleet: Fleet, servers: Servers) -> None:
    for number in range(ORDERS):
        world.place_order(po_number=f"PO-{number}", status="new")
        if number == ORDERS // 2:
            servers.restart_postgres(kill=kill)
    world.runtime.ledger.dispose(close=True)
    assert_each_order_stands_once(world)


def test_fifty_deliveries_of_one_event_and_two_beats(world: World, fleet: Fleet, tmp_path: Path) -> None:
    world.crm.hooks.url = ""
    deal = world.place_order(status="new")
    body = delivery("order", deal, key="one event")
    with (running(world.environ, tmp_path / "second", "beat", numbers=NUMBERS),
          ThreadPoolExecutor(50) as pool):
        assert set(pool.map(lambda _: fleet.post("crm", body)[0], range(50))) == {202}
        fired = "SELECT count(*) FROM slots WHERE job = 'sweep' AND done_at IS NOT NULL"
        wait_for(lambda: world.rows(fired)[0][0] >= 3)
    assert world.rows("SELECT seen FROM deliveries WHERE system = 'crm'") == [(50,)]
    assert_each_order_stands_once(world, 1)


def test_workers_and_the_receiver_are_killed_under_load(world: World, fleet: Fleet) -> None:
    victims = {10: "worker", 18: "web", 26: "worker", 32: "beat"}
    world.erp.delay_s = 0.02

    def harm(number: int) -> None:
        if number in victims:
            fleet.kill(victims[number])

    trade(world, harm)
    assert_each_order_stands_once(world)
    assert fleet.supervisor.processes["worker"].starts > 1
