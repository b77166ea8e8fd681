"""Law L4 by the sheets: the merge itself, asked about what every system last held, must want no write.

Pure reading: one pass over all settled records, a chunk at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sync_workers.domain.mapping import Sheet
from sync_workers.domain.merge import merge
from sync_workers.domain.records import Op, Plan, Ref, View
from sync_workers.domain.taken import after_write
from sync_workers.domain.values import decode
from sync_workers.errors import SyncError
from sync_workers.ledger import modes
from sync_workers.ledger.statements import Row, Tx

CHUNK = 500

SETTLED = """
SELECT r.id, r.kind, r.origin_system, r.origin_id, f.system, f.external_id, f.held, f.item_ids
  FROM (SELECT * FROM records r
         WHERE kind = %(kind)s AND id > %(after)s AND state = 'open' AND due_at IS NULL AND owner IS NULL
           AND asked = settled AND (mapping_version IS NULL OR mapping_version = %(version)s)
           AND NOT EXISTS (SELECT FROM attempts a WHERE a.record_id = r.id AND a.status = 'open')
         ORDER BY id LIMIT %(limit)s) r
  JOIN refs f ON f.record_id = r.id AND f.alias_of IS NULL AND f.gone_since IS NULL
 ORDER BY r.id, f.system
"""


@dataclass(frozen=True)
class Disagreement:
    """One field of one settled record on which two systems differ."""

    record_id: int
    text: str


def compare(tx: Tx, sheets: Mapping[str, Sheet]) -> Iterator[Disagreement | None]:
    """Yield one item per settled record that several systems hold: None when they agree, else what differs."""
    switched = modes.mode_of(tx)
    for kind, sheet in sheets.items():
        silent = {system for (of, system), mode in switched.items() if of == kind and mode.mode != "live"}
        live = [system for system in sheet.systems if system not in silent]
        for rows in _chunks(tx, kind, sheet.version):
            yield from _compare(sheet, rows, live)


def _chunks(tx: Tx, kind: str, version: int) -> Iterator[list[Row]]:
    after = 0
    while True:
        asked = {"kind": kind, "version": version, "after": after, "limit": CHUNK}
        rows = tx.rows(SETTLED, asked)
        if not rows:
            return
        yield rows
        after = rows[-1][0]


def _compare(sheet: Sheet, rows: list[Row], live: list[str]) -> Iterator[Disagreement | None]:
    records: dict[int, list[Row]] = {}
    for row in rows:
        records.setdefault(row[0], []).append(row)
    for record_id, members in records.items():
        if len(members) < 2:
            continue
        refs = {
            # without what was sent: "we sent just that" excuses nothing here
            row[4]: Ref(row[4], row[5], None, {}, decode(row[6]), row[7]) for row in members
        }
        views = {name: View(name, ref.held, None, ref.item_ids) for name, ref in refs.items()}
        name = f"record {record_id} ({sheet.kind} {members[0][2]}:{members[0][3]})"
        try:
            plan = merge(sheet, views, refs, origin=members[0][2], live=live)
        except SyncError as error:
            yield Disagreement(record_id, f"{name}: what it holds cannot be merged: {error.message}")
            continue
        wrong = list(_differences(sheet, plan, refs))
        yield Disagreement(record_id, f"{name}: " + "; ".join(wrong)) if wrong else None


def _differences(sheet: Sheet, plan: Plan, refs: Mapping[str, Ref]) -> Iterator[str]:
    """Say what differs by more than a system's own way of keeping a value (protocol G2, G3)."""
    for write in plan.writes:
        if write.op is not Op.UPDATE:
            continue
        ref = refs[write.system]
        for field, change in write.changes.items():
            if field in ref.held and field in after_write(sheet, ref.system, ref, {field: change}, ref.held).returned:
                yield f"{write.system} holds {field} {change.before!s:.60} where it should be {change.after!s:.60}"
    for conflict in plan.conflicts:
        yield f"{conflict.field} differs between {' and '.join(sorted(conflict.values))}"
