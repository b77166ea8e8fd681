"""Who did what by hand, and why: one row per operator action, in the action's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync_workers.ledger.statements import Tx
from sync_workers.ledger.texts import storable, storable_json


@dataclass(frozen=True)
class Entry:
    """One action of a named person."""

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    why: str
    detail: dict[str, Any]


def note(tx: Tx, who: str, action: str, subject: str, why: str = "", detail: Mapping[str, Any] | None = None) -> None:
    """Write down an action; nobody acts without a name."""
    if not who.strip():
        raise ValueError(f"{action} {subject}: an action needs the name of who does it")
    tx.execute(
        "INSERT INTO audit (who, action, subject, why, detail) VALUES (%s, %s, %s, %s, %s::jsonb)",
        (storable(who), action, storable(subject), storable(why), storable_json(dict(detail or {}))),
    )


def entries(tx: Tx, *, subject: str | None = None, limit: int = 100) -> list[Entry]:
    """Return the newest actions, those on one subject if asked (``order/erp``, ``letter 7``)."""
    rows = tx.rows(
        "SELECT id, at, who, action, subject, why, detail FROM audit"
        " WHERE (%(subject)s::text IS NULL OR subject = %(subject)s) ORDER BY id DESC LIMIT %(limit)s",
        {"subject": subject, "limit": limit},
    )
    return [Entry(*row) for row in rows]
