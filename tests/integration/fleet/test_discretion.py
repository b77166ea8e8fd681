"""What a fleet at work leaves outside of the ledger: JSON lines, messages and figures with ids, no customer's data."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from tests.fleets import Fleet, running, send_hooks_to, wait_for, wait_until_quiet
from tests.world import World, make_world

pytestmark = pytest.mark.slow
NAME, PHONE, ORDER, PART, NOTE = "Ann Smith & Sons", "+49 170 5550123", "PO-OF-ANN", "PART-OF-ANN", "ring Ann twice"
DEFECTIVE = "Ann the Defect"
BODY = re.compile(r'\\*"body\\*": *\\*"([A-Za-z0-9+/=]+)')
HEARD_ENOUGH = "that is all"
PRIVATE = (NAME, PHONE, ORDER, PART, NOTE, DEFECTIVE)


@pytest.fixture
def world(tmp_path: Path, database_url: str, broker_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url, broker_url=broker_url) as made:
        yield made


@pytest.fixture
def fleet(world: World, tmp_path: Path) -> Iterator[Fleet]:
    with running({**world.environ, "WORLD_DEFECT": DEFECTIVE}, tmp_path / "fleet", "web", "worker", "beat") as started:
        wait_for(lambda: world.rows("SELECT worker FROM heartbeats"))
        send_hooks_to(world, started)
        yield started


@contextmanager
def overheard(url: str) -> Iterator[list[bytes]]:
    """Give what goes through the broker meanwhile: every command, and the bodies of Celery's messages in clear."""
    heard: list[bytes] = []
    with redis.Redis.from_url(url) as client, client.monitor() as monitor:
        ear = threading.Thread(target=_listen, args=(monitor, heard), daemon=True)
        ear.start()
        yield heard
        client.echo(HEARD_ENOUGH)
        ear.join(10)
        assert not ear.is_alive()


def _listen(monitor: Any, heard: list[bytes]) -> None:
    for spoken in monitor.listen():
        command = str(spoken["command"])
        if HEARD_ENOUGH in command:
            return
        heard.append(command.encode())
        heard.extend(base64.b64decode(body) for body in BODY.findall(command))


def live_through_everything(world: World, fleet: Fleet) -> None:
    """Let orders go through, be refused, be lost on the way, meet a defect, and come in as nobody can read them."""
    world.erp.rules("order", refused={"lines.part": [PART]})
    world.erp.fault("drop", kind="customer", op="create")
    world.erp.fault("garbage", kind="order", op="create")
    for hooks in (world.crm.hooks, world.erp.hooks):
        hooks.whole = True
    company = world.crm.put("customer", {"name": NAME, "phone": PHONE})
    world.place_order(company=company, po_number=ORDER, notes=NOTE)
    world.place_order(po_number=ORDER, lines=[{"sku": PART, "quantity": "1", "price": "1"}])
    world.crm.put("customer", {"name": DEFECTIVE, "phone": PHONE})
    wait_until_quiet(world)
    [sale] = world.erp.store.all("order")
    world.erp.edit("order", sale.id, {"po": f"not {ORDER}"})
    wait_until_quiet(world)
    assert fleet.post("crm", json.dumps({"events": NAME}).encode())[0] == 202
    assert fleet.post("crm", json.dumps({"events": [{
        "id": "nul", "kind": "order", "record_id": "1", "version": 1,
        "record": {"fields": {"po_number": f"{ORDER}\0"}}}]}).encode())[0] == 202
    unsigned = requests.post(fleet.hook("crm"), data=NAME.encode(), timeout=10)
    assert unsigned.status_code == 401
    errors = {row[0] for row in world.rows("SELECT error FROM dead_letters WHERE state = 'open'")}
    assert errors == {"PermanentError", "ValueError"}, "it did not meet what it was to meet"
    assert len(world.rows("SELECT id FROM quarantine")) == 2


def test_no_line_no_message_and_no_figure_names_a_customer(world: World, fleet: Fleet, tmp_path: Path) -> None:
    with overheard(world.environ["SYNC_BROKER_URL"]) as messages:
        live_through_everything(world, fleet)
    assert any(re.match(rb"\[\[\[\d", message) for message in messages), "no message was read"
    queued = b"\n".join(messages)
    metrics = requests.get(fleet.hook("crm").replace("/hooks/crm", "/metrics"), timeout=10).text
    pages = {file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "fleet" / "logs").glob("*.log")}
    assert set(pages) == {"web.log", "worker.log", "beat.log"}

    for text in PRIVATE:
        assert text not in metrics
        assert text.encode() not in queued
        for name, page in pages.items():
            assert text not in page, name
            assert json.dumps(text)[1:-1] not in page, name
    told = [json.loads(line) for line in pages["worker.log"].splitlines() if line.startswith("{")]
    (defect,) = [line for line in told if "defect" in line["message"]]
    assert defect["level"] == "error"
    assert {"record", "kind", "fence"} <= set(defect), "ids are bound"
    assert "ValueError: cannot merge" in defect["exception"]
    kept = world.rows("SELECT traceback FROM dead_letters WHERE error = 'ValueError'")
    assert DEFECTIVE in kept[0][0], "the ledger has all of it, for who must mend it"


def test_every_line_of_a_process_is_json(world: World, fleet: Fleet, tmp_path: Path) -> None:
    world.place_order()
    wait_until_quiet(world)
    for file in (tmp_path / "fleet" / "logs").glob("*.log"):
        lines = file.read_text(encoding="utf-8").splitlines()
        assert lines, file.name
        assert [line for line in lines if not line.startswith("{")] == [], file.name
