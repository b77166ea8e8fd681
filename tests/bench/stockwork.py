"""A million stock figures against the last ones known: ours in SQL, against a loop over a dict.

Each side runs in a process of its own (``stockjob``), so that the peak of its memory is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys

from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.migrate import migrate
from sync_workers.sandbox.services import create_database, drop_database
from tests.bench.figures import Bound, Figure
from tests.bench.stacks import CHECKOUT
from tests.bench.stockjob import EVERY, FIRST_AT, SYSTEM

FILL = """
INSERT INTO stock_levels (system, external_id, part_number, on_hand, allocated, available, further, read_at)
SELECT %(system)s, lpad(n::text, 8, '0'), 'BRG-' || n, n %% 1000, n %% 10, n %% 1000 - n %% 10,
       lpad(to_hex(n), 32, '0'), %(at)s
  FROM generate_series(0, %(count)s - 1) AS n
"""


class Stock:
    """Figure 9: time against the dict loop, and the peak of our own process."""

    def __init__(self, postgres_url: str, count: int) -> None:
        self.time = Figure(f"stock: {count:,} SKUs, 2 % changed, compare and apply, against a dict loop that only"
                           " compares", "times", Bound(1.8, 1.2, at_least=False))
        self.memory = Figure("the same, peak memory of the process", "MB", Bound(64, 40, at_least=False))
        self.figures = [self.time, self.memory]
        self._postgres_url, self._count = postgres_url, count

    def start(self) -> None:
        drop_database(self._postgres_url, "bench_stock")
        self._url = create_database(self._postgres_url, "bench_stock")
        migrate(self._url)
        ledger = Ledger(self._url, pool_size=1)
        with ledger.transaction() as tx:
            tx.execute(FILL, {"system": SYSTEM, "at": FIRST_AT, "count": self._count})
        with ledger.transaction() as tx:
            tx.execute("ANALYZE")
        ledger.dispose()

    def stop(self) -> None:
        drop_database(self._postgres_url, "bench_stock")

    def round(self, number: int) -> None:
        theirs, ours = self._run("dict", number), self._run("sql", number)
        expected = len(range(number, self._count, EVERY))
        if not ours["changed"] == theirs["changed"] == expected:
            raise AssertionError(f"{ours['changed']} and {theirs['changed']} changed, {expected} expected")
        self.time.add(ours["seconds"] / theirs["seconds"], ours_s=ours["seconds"], dict_s=theirs["seconds"])
        self.memory.add(ours["peak_mb"], dict_mb=theirs["peak_mb"], grown_by_mb=ours["grown_mb"])

    def _run(self, side: str, number: int) -> dict[str, float]:
        argv = [sys.executable, "-m", "tests.bench.stockjob", side, self._url, str(self._count), str(number)]
        done = subprocess.run(argv, check=True, capture_output=True, text=True, cwd=CHECKOUT)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found
