"""The inbox as a list to look through: newest first, by system, kind, outcome, record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync_workers.ledger.statements import Tx

PENDING = "pending"

SELECT = """
SELECT e.id, e.record_id, e.gen, e.system, e.kind, e.external_id, e.source, e.echo, e.version, e.received_at,
       e.settled_at, e.outcome, e.note,
       CASE WHEN e.settled_at IS NULL THEN
            CASE r.state WHEN 'held' THEN coalesce(r.hold_reason, r.hold_code) ELSE r.note END END
  FROM events e LEFT JOIN records r ON r.id = e.record_id
 WHERE (%(system)s::text IS NULL OR e.system = %(system)s) AND (%(kind)s::text IS NULL OR e.kind = %(kind)s)
   AND (%(external_id)s::text IS NULL OR e.external_id = %(external_id)s)
   AND (%(record_id)s::bigint IS NULL OR e.record_id = %(record_id)s)
   AND (%(source)s::text IS NULL OR e.source = %(source)s)
   AND (%(outcome)s::text IS NULL OR coalesce(e.outcome, 'pending') = %(outcome)s)
   AND (%(since)s::timestamptz IS NULL OR e.received_at >= %(since)s)
   AND (%(before)s::bigint IS NULL OR e.id < %(before)s)
 ORDER BY e.id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True)
class Event:
    """One event with its end; ``reason`` is why an unsettled one still waits."""

    id: int
    record_id: int
    gen: int
    system: str
    kind: str
    external_id: str
    source: str
    echo: bool
    version: str | None
    received_at: datetime
    settled_at: datetime | None
    outcome: str | None
    note: str | None
    reason: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "record": self.record_id, "system": self.system, "kind": self.kind,
            "external_id": self.external_id, "source": self.source, "echo": self.echo, "version": self.version,
            "received_at": self.received_at.isoformat(),
            "settled_at": self.settled_at.isoformat() if self.settled_at else None,
            "outcome": self.outcome or PENDING, "note": self.note, "reason": self.reason, "gen": self.gen,
        }


def listed(
    tx: Tx, *, system: str | None = None, kind: str | None = None, external_id: str | None = None,
    record_id: int | None = None, source: str | None = None, outcome: str | None = None,
    since: datetime | None = None, before: int | None = None, limit: int = 50,
) -> list[Event]:
    """Return events, newest first. ``outcome`` may be ``pending``; ``before`` is an event's id, to page on."""
    return [Event(*row) for row in tx.rows(SELECT, {
        "system": system, "kind": kind, "external_id": external_id, "record_id": record_id, "source": source,
        "outcome": outcome, "since": since, "before": before, "limit": limit,
    })]
