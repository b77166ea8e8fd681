"""Worker processes of the crash suite, what they leave behind, and the laws that must hold after them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.engine.laws import assert_all_laws_hold
from tests.world import QUICK, Work, World

ROOT = Path(__file__).resolve().parents[2]


def start_worker(
    world: Work, after: str, *ids: int, kind: str = "order", freeze: bool = False, system: str = "", calls: int = 1,
    **numbers: Any,
) -> subprocess.Popen[str]:  # fmt: skip
    """Start a process that drains ``ids`` and kills (or freezes) itself after a step of a record of ``kind``.

    After the step "wrote" it has had the answer to so many ``calls`` that write to ``system``.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.worker", "--after", after, "--kind", kind,
         "--system", system, "--calls", str(calls),
         "--environ", json.dumps(world.environ), *(["--freeze"] if freeze else []), *map(str, ids)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, env={"WORLD_NUMBERS": json.dumps({**QUICK, **numbers})},
    )


def kill_in_the_middle_of_its_call(world: World, record: int, **numbers: Any) -> None:
    """Kill a worker after the ERP has stored what it sent and before the answer has reached it."""
    world.erp.fault("slow", kind="order", op="create", delay_s=0.3)
    stored = len(world.erp.store.all("order"))
    worker = start_worker(world, "none", record, **numbers)
    while len(world.erp.store.all("order")) == stored and worker.poll() is None:
        pass  # the answer is on its way for as long as the ERP delays it
    worker.send_signal(signal.SIGKILL)
    assert worker.wait(10) == -signal.SIGKILL
    left = left_of(world, record)
    assert left.attempts == ("open",), left


@dataclass(frozen=True)
class Left:
    """What stands of one record after its worker died: ``attempts`` and ``there`` are of the ERP."""

    leased: bool
    attempts: tuple[str, ...] = ()
    there: int = 0
    settled: bool = False


def left_of(world: World, record: int) -> Left:
    """Read from the ledger, and from the ERP itself, how far the work on a record has come."""
    [(kind, leased, settled)] = world.rows(
        "SELECT kind, owner IS NOT NULL, settled = asked FROM records WHERE id = %s", record)
    attempts = world.rows("SELECT status FROM attempts WHERE record_id = %s AND system = 'erp' ORDER BY id", record)
    return Left(leased, tuple(row[0] for row in attempts), len(world.erp.store.all(kind)), settled)


def assert_the_laws_hold(world: World, *, orders: int) -> None:
    references = [order["reference"] for order in world.orders()]
    assert len(references) == len(set(references)) == orders
    assert None not in world.outcomes()
    busy = "SELECT id FROM records WHERE state <> 'merged' AND (owner IS NOT NULL OR due_at IS NOT NULL)"
    assert world.rows(busy) == []
    assert world.rows("SELECT id FROM attempts WHERE status = 'open'") == []
    writes = sum(call.method != "GET" for call in [*world.erp.log, *world.crm.log])
    for (record_id,) in world.rows("SELECT id FROM records WHERE state = 'open'"):
        world.ledger.run(lambda tx, record_id=record_id: tx.execute(
            "UPDATE records SET asked = asked + 1, due_at = clock_timestamp() WHERE id = %s", (record_id,)) and None)
    world.settle()
    assert sum(call.method != "GET" for call in [*world.erp.log, *world.crm.log]) == writes, "it does not settle"
    assert_all_laws_hold(world.runtime)
