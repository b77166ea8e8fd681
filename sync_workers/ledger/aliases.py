"""Ids that a system merged into another one: they keep leading to the record (protocol R5)."""

from __future__ import annotations

from collections.abc import Mapping

from sync_workers.ledger.births import Standing
from sync_workers.ledger.links import Place
from sync_workers.ledger.merging import Merge, merge_rows
from sync_workers.ledger.refs import add_alias, repoint
from sync_workers.ledger.statements import Tx

# Both have a counterpart elsewhere: its own run sees that it is a twin, and writes nothing before they are one.
MERGED = "merge"
TELL = """
WITH raised AS (
    UPDATE records SET asked = asked + 1, due_at = least(due_at, clock_timestamp()) WHERE id = %(record)s
    RETURNING id, asked)
INSERT INTO events (record_id, gen, system, kind, external_id, source, note)
SELECT id, asked, %(system)s, %(kind)s, %(external_id)s, %(source)s, %(note)s FROM raised
"""


def repoint_all(tx: Tx, older: Mapping[Place, tuple[str, ...]], records: Mapping[Place, Standing]) -> None:
    """Let older ids lead to their place's record; records of theirs are joined, or looked at once more.

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
    if merge_rows(tx, survivor, other, same_in={system}) is Merge.CLASH:
        tx.execute(TELL, {"record": other, "system": system, "kind": kind, "external_id": external_id,
                          "source": MERGED, "note": f"{system} merged {old} into it"})
