"""What the ledger says right now, for the screen: counts, systems, the last decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sync_workers.ledger import counts
from sync_workers.ledger.connection import Ledger

IN_BOTH = """
SELECT kind, count(*) FILTER (WHERE n > 1), count(*)
  FROM (SELECT record_id, kind, count(*) AS n FROM refs WHERE alias_of IS NULL GROUP BY record_id, kind) AS each
 GROUP BY kind
"""
DECISIONS = """
SELECT a.started_at, a.kind, r.origin_system, r.origin_id, a.system, a.op, a.action, a.status, a.took_ms, a.fields,
       coalesce(a.note, '')
  FROM attempts a JOIN records r ON r.id = a.record_id ORDER BY a.started_at DESC, a.id DESC LIMIT %s
"""


@dataclass(frozen=True)
class Decision:
    """One call to a system: which record, what it carries and by which rule, and how it went."""

    at: datetime
    record: str
    system: str
    what: str
    why: str
    status: str
    took_ms: float | None


@dataclass(frozen=True)
class Snapshot:
    """One look. ``linked`` is kind -> (records known in both systems, records known)."""

    status: Mapping[str, Any] = field(default_factory=dict)
    linked: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()


def look(ledger: Ledger, *, decisions: int) -> Snapshot:
    """Ask the ledger once."""
    with ledger.transaction() as tx:
        status = counts.status(tx)
        linked = {row[0]: (row[1], row[2]) for row in tx.rows(IN_BOTH)}
        rows = tx.rows(DECISIONS, (decisions,))
    return Snapshot(status, linked, tuple(_decision(*row) for row in rows))


def _decision(
    at: datetime, kind: str, origin: str, origin_id: str, system: str, op: str, action: str, status: str,
    took_ms: float | None, fields: Mapping[str, Any], note: str,
) -> Decision:  # fmt: skip
    names = list(fields)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    what = action if op == "action" else f"{op} {shown}"
    rules = {str(change.get("rule", "")) for change in fields.values()}
    why = note or (rules.pop() if len(rules) == 1 else f"{len(rules)} rules" if rules else "step of the sheet")
    return Decision(at, f"{kind} {origin}:{origin_id}", system, what, why, status, took_ms)
