"""Which firing of a job is whose, so that two beats do no harm and a missed slot is seen (protocol K5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sync_workers.ledger.statements import Tx
from sync_workers.ledger.texts import storable

TAKE = """
INSERT INTO slots AS s (job, slot, owner, lease_until)
VALUES (%s, %s, %s, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (job, slot) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until
 WHERE s.done_at IS NULL AND s.lease_until < clock_timestamp()
"""


def take(tx: Tx, job: str, slot: datetime, owner: str, lease_s: float) -> bool:
    """Claim one firing; False when it is done or somebody's. One whose owner died is given out again."""
    tx.execute(TAKE, (job, slot, owner, lease_s))
    return tx.rowcount == 1


def done(tx: Tx, job: str, slot: datetime, owner: str, note: str | None = None) -> bool:
    """Close a firing; False when its lease ran out and another has it now."""
    tx.execute(
        "UPDATE slots SET done_at = clock_timestamp(), note = %s"
        " WHERE job = %s AND slot = %s AND owner = %s AND done_at IS NULL",
        (storable(note, most=500), job, slot, owner),
    )
    return tx.rowcount == 1


def missed(tx: Tx, job: str, expected: Iterable[datetime]) -> list[datetime]:
    """Return those of the ``expected`` firings that nobody finished and nobody works on, the oldest first."""
    rows = tx.rows(
        "SELECT slot FROM unnest(%(slots)s::timestamptz[]) AS expected (slot) WHERE NOT EXISTS ("
        " SELECT FROM slots s WHERE s.job = %(job)s AND s.slot = expected.slot"
        " AND (s.done_at IS NOT NULL OR s.lease_until >= clock_timestamp())) ORDER BY slot",
        {"job": job, "slots": list(expected)},
    )
    return [row[0] for row in rows]


def last_done(tx: Tx) -> dict[str, datetime]:
    """Return when each job last came to its end."""
    rows = tx.rows("SELECT job, max(done_at) FROM slots WHERE done_at IS NOT NULL GROUP BY job")
    return {row[0]: row[1] for row in rows}
