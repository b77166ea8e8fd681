"""What each flow depends on in its systems' metadata, pinned, and where the live system has drifted from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sync_workers.ledger.alerts import close_incident, raise_alert
from sync_workers.ledger.statements import Tx
from sync_workers.ledger.texts import as_json


def pinned(tx: Tx, system: str, kind: str) -> dict[str, Any] | None:
    """Return the pinned fields by path, None where nothing was pinned yet."""
    row = tx.execute("SELECT pinned FROM contracts WHERE system = %s AND kind = %s", (system, kind)).fetchone()
    return row[0] if row else None


def pin(tx: Tx, system: str, kind: str, fields: Mapping[str, Any]) -> None:
    """Take what the system shows now as what the mapping depends on; ends an incident of drift."""
    tx.execute(
        "INSERT INTO contracts (system, kind, pinned) VALUES (%s, %s, %s::jsonb) ON CONFLICT (system, kind)"
        " DO UPDATE SET pinned = excluded.pinned, drift = '[]', checked_at = clock_timestamp()",
        (system, kind, as_json(dict(fields))),
    )
    close_incident(tx, incident_of(system, kind))


def forget(tx: Tx, kind: str) -> None:
    """Unpin a kind: another version of its sheet depends on other things, and the next check pins those."""
    for (system,) in tx.rows("DELETE FROM contracts WHERE kind = %s RETURNING system", (kind,)):
        close_incident(tx, incident_of(system, kind))


def note_drift(tx: Tx, system: str, kind: str, drift: Sequence[str]) -> None:
    """Keep what differs now: with any drift the flow stops, and people hear of it once."""
    tx.execute(
        "UPDATE contracts SET drift = %s::jsonb, checked_at = clock_timestamp() WHERE system = %s AND kind = %s",
        (as_json(list(drift)), system, kind),
    )
    if drift:
        raise_alert(
            tx, incident_of(system, kind), "critical", f"{kind} in {system} is not what the mapping was made for",
            "\n".join(drift) + f"\nThis flow stands still, all others go on. What to do: restore the field in {system},"
            " or activate a version of the sheet that fits: sync-workers mapping activate",
        )
    else:
        close_incident(tx, incident_of(system, kind))


def drifted(tx: Tx) -> dict[tuple[str, str], list[str]]:
    """Return the flows that stand still, by (kind, system), with what differs."""
    rows = tx.rows("SELECT kind, system, drift FROM contracts WHERE drift <> '[]'")
    return {(row[0], row[1]): list(row[2]) for row in rows}


def incident_of(system: str, kind: str) -> str:
    return f"drift:{system}:{kind}"
