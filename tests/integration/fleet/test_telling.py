"""A person on duty is told of a dead letter by the fleet itself: soon, once per incident, and until it is out (L6)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleets import Fleet, running, send_hooks_to, wait_for, wait_until_quiet
from tests.integration.ledger_reports.test_alerts import Mailbox
from tests.world import World, make_world

pytestmark = pytest.mark.slow
SYNC_WORKERS = Path(sys.executable).with_name("sync-workers")
BAD = [{"sku": "NO-SUCH-PART", "quantity": "1", "price": "1"}]
WITHIN_S = 60.0


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    yield box
    box.close()


@pytest.fixture
def world(tmp_path: Path, database_url: str, broker_url: str, mailbox: Mailbox) -> Iterator[World]:
    with make_world(tmp_path, database_url, broker_url=broker_url) as made:
        made.erp.rules("order", refused={"lines.part": ["NO-SUCH-PART"]})
        made.environ["SYNC_ALERT_URLS"] = mailbox.url
        yield made


@pytest.fixture
def fleet(world: World, tmp_path: Path) -> Iterator[Fleet]:
    with running(world.environ, tmp_path / "fleet", "web", "worker", "beat") as started:
        wait_for(lambda: world.rows("SELECT worker FROM heartbeats"))
        send_hooks_to(world, started)
        yield started


def status(world: World) -> tuple[int, dict[str, Any]]:
    done = subprocess.run([SYNC_WORKERS, "status", "--json"], env=world.environ, capture_output=True, text=True,
                          timeout=60, check=False)  # fmt: skip
    return done.returncode, json.loads(done.stdout)


def test_ten_dead_orders_of_one_cause_are_told_once_and_within_a_minute(
    world: World, fleet: Fleet, mailbox: Mailbox
) -> None:
    began = time.monotonic()
    for number in range(10):
        world.place_order(po_number=f"PO-{number}", lines=BAD)
    wait_for(lambda: mailbox.messages, WITHIN_S, "nobody was told")
    assert time.monotonic() - began < WITHIN_S
    wait_until_quiet(world)

    code, told = status(world)
    assert (code, told["records"]["dead"], told["alerts"]["open"], told["alerts"]["unsent"]) == (1, 10, 1, 0)
    assert len(mailbox.messages) == 1, "one alert per incident, not one per event"
    assert "sync-workers dead" in mailbox.messages[0]["message"]
    [(times,)] = world.rows("SELECT count FROM alerts")
    assert times == 10


def test_an_alert_that_no_channel_takes_stands_in_status_until_it_is_out(
    world: World, fleet: Fleet, mailbox: Mailbox
) -> None:
    mailbox.status = 503
    world.place_order(lines=BAD)
    wait_for(lambda: world.rows("SELECT id FROM alerts WHERE tries > 1"), WITHIN_S, "it was not tried again")

    code, told = status(world)
    [alert] = told["alerts"]["list"]
    assert (code, told["alerts"]["unsent"], alert["sent"]) == (1, 1, False)
    assert "SYNC_ALERT_URLS number 1" in alert["error"], "it says which channel to mend"
    assert mailbox.messages == []
    mailbox.status = 200
    wait_for(lambda: mailbox.messages, WITHIN_S, "it was given up")
    wait_for(lambda: status(world)[1]["alerts"]["unsent"] == 0)
    assert len(mailbox.messages) == 1
