"""Steps 1 to 4: the receiver killed after each while a sender keeps trying, and who sorts a burst; and step 14."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync_workers.fleet.tasks import LEFT_AFTER_S
from sync_workers.ledger import doorstep, modes
from sync_workers.ledger.inbox import Arrival
from tests.crash.receiver import BURST_PLACES, PLACES
from tests.crash.sorter import STEPS
from tests.crash.workers import ROOT, assert_the_laws_hold, start_worker
from tests.fleets import running, send_hooks_to, wait_for
from tests.integration.engine.laws import assert_all_laws_hold, hurry, hurry_until_quiet
from tests.world import World, make_world

BESIDE_THE_ANSWER = {"publish", "knock"}  # which may have gone out by then


@pytest.fixture
def world(tmp_path: Path, database_url: str, broker_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url, broker_url=broker_url) as made:
        yield made


def swept(world: World) -> bool:
    """Sort what a receiver left that has no more requests, as the sweep does; return whether nothing lies there."""
    return doorstep.sort_out(world.ledger, older_than_s=LEFT_AFTER_S) is None and not world.rows("SELECT FROM doorstep")


@pytest.mark.parametrize("step", [*PLACES, *BURST_PLACES])
def test_a_receiver_killed_after(step: str, world: World, tmp_path: Path) -> None:
    marker = tmp_path / "died"
    environ = {**world.environ, "RECEIVER_DIES_AFTER": step, "RECEIVER_MARKER": str(marker)}
    with running(environ, tmp_path / "fleet", "web", web_command="python -m tests.crash.receiver") as fleet:
        send_hooks_to(world, fleet)
        deals = [world.place_order(po_number=f"PO-{number}") for number in range(3)]
        assert world.crm.hooks.wait_until_sent(60), "the sender was never told that it was taken"
        wait_for(marker.exists)
        accepted = {answer["status"] for answer in world.crm.hooks.delivered}
        assert accepted <= {0, 202, 503}, "never a 4xx: it makes a sender give up"
        if step not in BESIDE_THE_ANSWER:
            assert 0 in accepted, "the delivery that it died under was answered all the same"

        wait_for(lambda: swept(world))
        promised = world.rows("SELECT external_id FROM events WHERE system = 'crm' ORDER BY external_id")
        assert promised == [(deal,) for deal in sorted(deals)]
        due = world.rows("SELECT count(*) FROM records WHERE due_at <= clock_timestamp()")
        assert due == [(3,)], "an event without its mark is never looked at"
        world.crm.hooks.url = world.erp.hooks.url = ""
    world.settle()

    assert world.crm.hooks.failed == 0
    assert_the_laws_hold(world, orders=3)
    assert_all_laws_hold(world.runtime)


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_sorts_a_burst_killed_after(step: str, world: World) -> None:
    deals = [world.place_order(po_number=f"PO-{number}") for number in range(3)]
    texts = [str(doorstep.as_text(Arrival("crm", "order", deal, "webhook"))) for deal in deals]
    world.ledger.run(lambda tx: tx.execute(doorstep.PUT, doorstep.as_row(texts)))

    done = subprocess.run([sys.executable, "-m", "tests.crash.sorter", "--after", step, "--environ",
                           json.dumps(world.environ)], cwd=ROOT, check=False, timeout=60)  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    is_sorted = step in ("sort", "publish")
    assert world.rows("SELECT count(*) FROM doorstep") == [(0 if is_sorted else 1,)], "its row goes with its events"
    assert world.rows("SELECT count(*) FROM events") == [(3 if is_sorted else 0,)]

    wait_for(lambda: swept(world))
    assert world.rows("SELECT external_id FROM events ORDER BY 1") == [(deal,) for deal in sorted(deals)]
    world.settle()
    assert_the_laws_hold(world, orders=3)
    assert_all_laws_hold(world.runtime)


def refuse_the_part(world: World) -> Callable[[], Any]:
    world.erp.rules("order", refused={"status": ["nonsense"]})
    return lambda: world.erp.rules("order", refused={})


def switch_off(world: World) -> Callable[[], Any]:
    modes.switch(world.ledger, "order", "erp", "off", "a person")
    return lambda: modes.switch(world.ledger, "order", "erp", "live", "a person")


def go_away(world: World) -> Callable[[], Any]:
    world.erp.refuse()
    return world.erp.accept


@pytest.mark.parametrize("step", ["settle", "settled"])
@pytest.mark.parametrize(("trouble", "state"), [
    pytest.param(refuse_the_part, "dead", id="dead"),
    pytest.param(switch_off, "held", id="held"),
    pytest.param(go_away, "open", id="due later"),
])
def test_a_worker_killed_while_it_stores_a_failure(
    step: str, trouble: Callable[[World], Callable[[], Any]], state: str, world: World
) -> None:
    mend = trouble(world)
    deal = world.place_order(status="nonsense" if state == "dead" else "new")
    record = world.tell("crm", "order", deal)

    assert start_worker(world, step, record).wait(60) == -signal.SIGKILL
    [(now, letters, alerts)] = world.rows(
        "SELECT state, (SELECT count(*) FROM dead_letters), (SELECT count(*) FROM alerts) FROM records")
    reached = step == "settled"
    assert now == (state if reached else "open")
    assert (letters, alerts) == ((1, 1) if reached and state == "dead" else (0, 0)), "all in one transaction"
    if not reached:
        wait_for(lambda: world.rows("SELECT id FROM records WHERE lease_until < clock_timestamp()"))
        world.work(record) if state == "open" else world.settle()
        assert world.rows("SELECT state FROM records") == [(state,)]

    mend()
    if state == "dead":
        world.crm.edit("order", deal, {"status": "sense"})
        world.tell("crm", "order", deal)
    hurry(world)
    hurry_until_quiet(world)
    assert len(world.orders()) == 1
    assert_the_laws_hold(world, orders=1)
    assert_all_laws_hold(world.runtime)
