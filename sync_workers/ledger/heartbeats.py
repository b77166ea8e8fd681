"""Which workers are alive: each writes its row, whoever asks compares ages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sync_workers.ledger.statements import Tx

FORGOTTEN_S = 86400.0


@dataclass(frozen=True)
class Heartbeat:
    """One worker process; ``age_s`` by the database's clock."""

    worker: str
    queues: tuple[str, ...]
    seen_at: datetime
    age_s: float


def beat(tx: Tx, worker: str, queues: Iterable[str]) -> None:
    """Say that this worker is alive and what it serves."""
    tx.execute(
        "INSERT INTO heartbeats (worker, queues) VALUES (%s, %s) ON CONFLICT (worker)"
        " DO UPDATE SET queues = excluded.queues, seen_at = clock_timestamp()", (worker, ",".join(queues)),
    )


def all_of(tx: Tx) -> list[Heartbeat]:
    """Return every worker heard of within a day, the freshest first."""
    rows = tx.rows("SELECT worker, queues, seen_at, extract(epoch FROM clock_timestamp() - seen_at)::float8"
                   " FROM heartbeats ORDER BY seen_at DESC")
    return [Heartbeat(row[0], tuple(filter(None, row[1].split(","))), row[2], row[3]) for row in rows]


def leave(tx: Tx, worker: str) -> None:
    """Forget a worker that ended in order, and those not heard of for a day."""
    tx.execute("DELETE FROM heartbeats WHERE worker = %s OR seen_at < clock_timestamp() - make_interval(secs => %s)",
               (worker, FORGOTTEN_S))
