"""Poll positions per system and kind: moved in the transaction of the events they stand for (protocol Q1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sync_workers.ledger.statements import Tx
from sync_workers.ledger.texts import as_json

MOVE = "UPDATE cursors SET position = %s::jsonb, moved_at = clock_timestamp()" \
       " WHERE system = %s AND kind = %s AND position = %s::jsonb"
FIRST = "INSERT INTO cursors (system, kind, position) VALUES (%s, %s, %s::jsonb) ON CONFLICT (system, kind) DO NOTHING"
POLLED = "INSERT INTO cursors (system, kind) VALUES (%s, %s)" \
         " ON CONFLICT (system, kind) DO UPDATE SET polled_at = clock_timestamp()"


def position(tx: Tx, system: str, kind: str) -> dict[str, Any]:
    """Return where the next poll begins; empty before the first one."""
    row = tx.execute("SELECT position FROM cursors WHERE system = %s AND kind = %s", (system, kind)).fetchone()
    return dict(row[0]) if row else {}


def advance(tx: Tx, system: str, kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Move the position if it still is ``old``. False: another poll moved it; keep the events, leave it alone."""
    tx.execute(MOVE, (as_json(new), system, kind, as_json(old)))
    if tx.rowcount == 0 and not old:
        tx.execute(FIRST, (system, kind, as_json(new)))
    return tx.rowcount == 1


def move_back(tx: Tx, system: str, kind: str, to: Mapping[str, Any]) -> None:
    """Set the position whatever it is: after a restore the past is read again (protocol K4)."""
    tx.execute(
        "INSERT INTO cursors (system, kind, position) VALUES (%s, %s, %s::jsonb) ON CONFLICT (system, kind)"
        " DO UPDATE SET position = excluded.position, moved_at = clock_timestamp()", (system, kind, as_json(to)),
    )


def polled(tx: Tx, system: str, kind: str) -> None:
    """Note that a poll was answered, with news or without."""
    tx.execute(POLLED, (system, kind))


def last_polls(tx: Tx) -> dict[tuple[str, str], datetime]:
    """Return when each poll was last answered, for whoever watches for silence."""
    return {(row[0], row[1]): row[2] for row in tx.rows("SELECT system, kind, polled_at FROM cursors")}
