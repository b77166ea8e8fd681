"""Ids that a system merged into another one: they keep leading to the record (protocol R5)."""

from __future__ import annotations

from collections.abc import Mapping

from sync_workers.ledger.alerts import raise_alert
from sync_workers.ledger.births import Standing
from sync_workers.ledger.connection import Tx
from sync_workers.ledger.incidents import hold_incident
from sync_workers.ledger.links import Place
from sync_workers.ledger.merging import Merge, merge_rows
from sync_workers.ledger.refs import add_alias, repoint

FREEZE = """
UPDATE records SET state = 'held', hold_code = 'duplicate', hold_reason = %s, hold_since = clock_timestamp(),
       hold_mend = 'see what hangs on each counterpart, remove one of them, then requeue', due_at = NULL
 WHERE id = %s AND owner IS NULL
"""


def repoint_all(tx: Tx, older: Mapping[Place, tuple[str, ...]], records: Mapping[Place, Standing]) -> None:
    """Let older ids lead to their place's record; records of theirs are joined, or frozen for a person.

    One that is at work is left alone: its own run reads the new id and comes here again.
    """
    for place in sorted(older):
        system, kind, external_id = place
        record = records[place]
        repoint(tx, record.id, system, kind, external_id)
        for old in older[place]:
            holder = tx.execute(
                "SELECT record_id FROM refs WHERE system = %s AND kind = %s AND external_id = %s",
                (system, kind, old),
            ).fetchone()
            if holder is None:
                add_alias(tx, record.id, system, kind, old)
            elif holder[0] != record.id:
                _join(tx, record.id, int(holder[0]), place, old)


def _join(tx: Tx, survivor: int, other: int, place: Place, old: str) -> None:
    system, kind, external_id = place
    if merge_rows(tx, survivor, other, same_in=system) is not Merge.CLASH:
        return
    reason = (f"{system} merged {kind} {old} into {external_id}, but records {other} and {survivor}"
              " each have a counterpart elsewhere")
    tx.execute(FREEZE, (reason, other))
    raise_alert(tx, hold_incident(kind, "duplicate"), "error", f"a {kind} was merged in {system}", reason)
