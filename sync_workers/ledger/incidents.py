"""Names of incidents, and which of them are over: one alert for a cause, however many records it stops."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from sync_workers.ledger.alerts import close_incident
from sync_workers.ledger.statements import Tx
from sync_workers.ledger.works import ErrorInfo

# What differs from record to record in one and the same failure: quoted values, numbers and ids.
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\S*\d\S*")

STILL_DEAD = """
SELECT DISTINCT incident FROM dead_letters
 WHERE incident = ANY(%s::text[]) AND state IN ('open', 'requeued')
"""
STILL_HELD = """
SELECT DISTINCT kind, hold_code FROM records WHERE state = 'held' AND (kind, hold_code) IN
    (SELECT * FROM unnest(%s::text[], %s::text[]))
"""


def incident_of(kind: str, error: ErrorInfo) -> str:
    """Name the incident that a dead record belongs to: same kind, class, and field or message."""
    what = re.sub(r"\[[^\]]*\]", "", error.field or "")  # lines[17].part is one cause, whatever the line
    if not what:
        gist = _PARTICULAR.sub("#", error.message.splitlines()[0] if error.message else "")
        what = hashlib.sha256(gist.casefold().encode("utf-8", "replace")).hexdigest()[:12]
    return f"dead:{kind}:{error.cls}:{what}"


def hold_incident(kind: str, code: str) -> str:
    return f"hold:{kind}:{code}"


def close_quiet(tx: Tx, incidents: Iterable[str]) -> None:
    """Close dead-letter incidents of which no letter stands any more."""
    asked = sorted(set(incidents) - {""})
    if not asked:
        return
    standing = {row[0] for row in tx.rows(STILL_DEAD, (asked,))}
    for incident in asked:
        if incident not in standing:
            close_incident(tx, incident)


def close_quiet_holds(tx: Tx, holds: Iterable[tuple[str, str]]) -> None:
    """Close hold incidents, by (kind, code), under which no record is held any more."""
    asked = sorted(set(holds))
    if not asked:
        return
    held = {(row[0], row[1])
            for row in tx.rows(STILL_HELD, ([kind for kind, _ in asked], [code for _, code in asked]))}
    for kind, code in asked:
        if (kind, code) not in held:
            close_incident(tx, hold_incident(kind, code))
