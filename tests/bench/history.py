"""Whether claiming work costs more when the ledger is full of settled events."""

from __future__ import annotations

import statistics
import time

from sync_workers.ledger import records
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.migrate import migrate
from sync_workers.ledger.statements import Tx
from sync_workers.sandbox.services import create_database, drop_database
from tests.bench.figures import Bound, Figure

BATCH, DUE = 16, 800
EVENTS_PER_RECORD = 10
VERSIONS = {"order": 1}
# Spread over the months that have partitions, so that more than one of them is full.
FILL_RECORDS = """
INSERT INTO records (kind, origin_system, origin_id, asked, settled)
SELECT 'order', 'crm', 'old-' || n, %(each)s, %(each)s FROM generate_series(1, %(count)s) AS n
"""
FILL_EVENTS = """
INSERT INTO events (record_id, gen, system, kind, external_id, source, received_at, settled_at, outcome)
SELECT r.id, g, 'crm', 'order', r.origin_id, 'webhook', now(), now(), 'applied'
  FROM records r CROSS JOIN generate_series(1, %(each)s) AS g WHERE r.origin_id LIKE 'old-%%'
"""
DUE_RECORDS = """
INSERT INTO records (kind, origin_system, origin_id, asked, due_at)
SELECT 'order', 'crm', 'new-' || n, 1, clock_timestamp() FROM generate_series(1, %(count)s) AS n
"""
DUE_EVENTS = """
INSERT INTO events (record_id, gen, system, kind, external_id, source)
SELECT id, 1, 'crm', 'order', origin_id, 'webhook' FROM records WHERE due_at IS NOT NULL
"""


class History:
    """Figure 7: claim, load and release, in turn on a ledger with history and on one without."""

    def __init__(self, postgres_url: str, events: int) -> None:
        self.cost = Figure(f"claim cost with {events:,} settled events against none", "times",
                           Bound(1.2, 1.05, at_least=False))
        self.figures = [self.cost]
        self._postgres_url, self._events = postgres_url, events
        self._ledgers: dict[str, Ledger] = {}

    def start(self) -> None:
        for name, events in (("bench_empty", 0), ("bench_full", self._events)):
            drop_database(self._postgres_url, name)
            url = create_database(self._postgres_url, name)
            migrate(url)
            ledger = self._ledgers[name] = Ledger(url, pool_size=1)
            counts = {"count": events // EVENTS_PER_RECORD, "each": EVENTS_PER_RECORD}
            with ledger.transaction() as tx:
                tx.execute(FILL_RECORDS, counts)
                tx.execute(FILL_EVENTS, counts)
            with ledger.transaction() as tx:
                tx.execute(DUE_RECORDS, {"count": DUE})
                tx.execute(DUE_EVENTS)
            with ledger.transaction() as tx:
                tx.execute("ANALYZE")

    def stop(self) -> None:
        for name, ledger in self._ledgers.items():
            ledger.dispose()
            drop_database(self._postgres_url, name)

    def round(self) -> None:
        took: dict[str, list[float]] = {name: [] for name in self._ledgers}
        ids = {name: self._due(ledger) for name, ledger in self._ledgers.items()}
        for start in range(0, DUE, BATCH):
            for name, ledger in self._ledgers.items():
                took[name].append(self._claim(ledger, ids[name][start:start + BATCH]))
        empty, full = (statistics.median(took[name]) * 1000 for name in ("bench_empty", "bench_full"))
        self.cost.add(full / empty, with_history_ms=full, without_ms=empty)

    def _due(self, ledger: Ledger) -> list[int]:
        with ledger.transaction() as tx:
            return [record_id for record_id, *_ in records.due(tx, limit=DUE)]

    def _claim(self, ledger: Ledger, ids: list[int]) -> float:
        began = time.perf_counter()
        claims = ledger.run(lambda tx: records.claim(tx, ids, owner="bench", lease_s=60, versions=VERSIONS))
        with ledger.transaction() as tx:
            works = records.load(tx, claims)
        took = time.perf_counter() - began
        if len(works) != len(ids) or not all(work.events for work in works):
            raise AssertionError(f"{len(works)} of {len(ids)} due records were claimed")

        def give_back(tx: Tx) -> object:
            return records.release(tx, claims)

        ledger.run(give_back)
        return took
