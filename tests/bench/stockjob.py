"""One side's run over all stock figures, in a process that imports nothing else: its memory is measured.

``python -m tests.bench.stockjob SIDE URL COUNT ROUND`` prints as JSON what it took.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.readings import Reading
from sync_workers.ledger.stock import stage

SYSTEM = "erp"
EVERY = 50  # one in fifty has changed: 2 %
FIRST_AT = datetime(2026, 3, 2, tzinfo=UTC)
SNAPSHOT = "SELECT external_id, on_hand, allocated, available FROM stock_levels WHERE system = %s"


def feed(count: int, number: int) -> Iterator[Reading]:
    """Yield what a sweep of the ERP would read in round ``number``: each round another 2 % have moved."""
    at = FIRST_AT + timedelta(hours=1 + number)
    for n in range(count):
        moved = sum(1 for past in range(number + 1) if n % EVERY == past)
        on_hand, allocated = n % 1000 + moved, n % 10
        yield Reading(f"{n:08}", f"BRG-{n}", Decimal(on_hand), Decimal(allocated), Decimal(on_hand - allocated), at,
                      f"{n:032x}")


def with_sql(ledger: Ledger, count: int, number: int) -> int:
    """Compare, store what moved and make its records due: all that the product does."""
    return ledger.run(lambda tx: stage(tx, SYSTEM, feed(count, number))).changed


def with_dict(ledger: Ledger, count: int, number: int) -> int:
    """Only compare: the stored snapshot in a dict, and a loop over the feed."""
    with ledger.transaction() as tx:
        known = {row[0]: row[1:] for row in tx.rows(SNAPSHOT, (SYSTEM,))}
    changed = 0
    for reading in feed(count, number):
        if known.get(reading.external_id) != (reading.on_hand, reading.allocated, reading.available):
            changed += 1
    return changed


def main(side: str, url: str, count: int, number: int) -> None:
    ledger = Ledger(url, pool_size=1)
    with ledger.transaction() as tx:
        tx.execute("SELECT 1")
    before = peak_mb()
    began = time.perf_counter()
    changed = (with_sql if side == "sql" else with_dict)(ledger, count, number)
    took = time.perf_counter() - began
    print(json.dumps({"seconds": took, "changed": changed, "peak_mb": peak_mb(), "grown_mb": peak_mb() - before}))


def peak_mb() -> float:
    """Return the most memory that this program ever had; what its parent had before is not in it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
