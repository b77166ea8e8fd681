"""Natural keys reserved before a create: two systems that report one new thing collide here (protocol R4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sync_workers.ledger.columns import as_columns
from sync_workers.ledger.statements import Prepared, Tx

Wish = tuple[str, int, tuple[tuple[str, str], ...]]

RESERVE = Prepared("""
INSERT INTO identities (kind, name, value, record_id)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[]) AS wish (kind, name, value, record_id)
 ORDER BY 1, 2, 3, 4
ON CONFLICT (kind, name, value) DO NOTHING
RETURNING kind, name, value, record_id
""")
OWNERS = """
SELECT i.kind, i.name, i.value, coalesce(r.merged_into, r.id)
  FROM unnest(%s::text[], %s::text[], %s::text[]) AS wish (kind, name, value)
  JOIN identities i ON i.kind = wish.kind AND i.name = wish.name AND i.value = wish.value
  JOIN records r ON r.id = i.record_id
"""
GIVE_BACK = """
DELETE FROM identities i USING unnest(%s::text[], %s::text[], %s::text[]) AS wish (kind, name, value)
 WHERE i.kind = wish.kind AND i.name = wish.name AND i.value = wish.value
"""


@dataclass(frozen=True)
class Taken:
    """Another record reserved this natural key first: likely the same thing."""

    name: str
    value: str
    record_id: int


def reserve(tx: Tx, wishes: Sequence[Wish]) -> dict[int, Taken]:
    """Reserve all keys of each record or none; return who came first, by the record that was refused."""
    rows = sorted({(kind, name, value, record_id)
                   for kind, record_id, pairs in wishes for name, value in pairs})
    if not rows:
        return {}
    fresh = {(row[0], row[1], row[2]): row[3] for row in tx.rows(RESERVE, as_columns(rows))}
    contested = sorted({row[:3] for row in rows if fresh.get(row[:3]) != row[3]})
    if not contested:
        return {}
    owners = {(row[0], row[1], row[2]): row[3] for row in tx.rows(OWNERS, as_columns(contested))}
    refused: dict[int, Taken] = {}
    for kind, name, value, record_id in rows:
        owner = owners.get((kind, name, value), record_id)
        if owner != record_id:
            refused.setdefault(record_id, Taken(name, value, owner))
    back = sorted(key for key, record_id in fresh.items() if record_id in refused)
    if back:
        tx.execute(GIVE_BACK, as_columns(back))
    return refused
