"""Delivery keys: which deliveries a sender repeated (protocol A2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sync_workers.ledger.columns import as_columns
from sync_workers.ledger.statements import Prepared, Tx

NOTE = Prepared("""
INSERT INTO deliveries AS known (system, key, seen, event_id)
SELECT system, key, seen, nextval('events_id_seq'::regclass)
  FROM (SELECT * FROM unnest(%s::text[], %s::text[], %s::int[]) AS new (system, key, seen)
         ORDER BY 1, 2) AS new
ON CONFLICT (system, key) DO UPDATE SET seen = known.seen + excluded.seen
RETURNING system, key, event_id, xmax = 0
""")


@dataclass(frozen=True)
class Slot:
    """Whether a delivery is news, and the id kept for its event (None without key)."""

    fresh: bool
    event_id: int | None = None


def note(tx: Tx, keys: Sequence[tuple[str, str | None]]) -> list[Slot]:
    """Count each (system, key) and say which are seen for the first time; without key always."""
    counts = Counter((system, key) for system, key in keys if key is not None)
    if not counts:
        return [Slot(True)] * len(keys)
    noted = tx.rows(NOTE, [*as_columns(counts), list(counts.values())])
    new = {(system, key): event_id for system, key, event_id, is_new in noted if is_new}
    slots = []
    for system, key in keys:
        if key is None:
            slots.append(Slot(True))
        else:
            event_id = new.pop((system, key), None)  # only the first of this group is news
            slots.append(Slot(event_id is not None, event_id))
    return slots
