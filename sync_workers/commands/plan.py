"""``sync-workers plan``: what a mapping version would change in the systems, record by record. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import click

from sync_workers.commands import output
from sync_workers.connectors.contract import Connector
from sync_workers.domain.mapping import Sheet, fields_without_base
from sync_workers.domain.merge import merge
from sync_workers.domain.records import Plan, Ref, View
from sync_workers.domain.translate import read_native
from sync_workers.domain.values import decode, encode
from sync_workers.engine.links import LedgerLinks
from sync_workers.errors import SyncError
from sync_workers.ledger.connection import Ledger
from sync_workers.runtime import Runtime, connectors_for, open_runtime
from sync_workers.sheets import stored_sheets

PAGE = 200
RECORDS = """
SELECT r.id, r.origin_system, r.origin_id,
       jsonb_agg(jsonb_build_array(f.system, f.external_id, coalesce(f.sent, f.held), f.held, f.item_ids))
  FROM records r JOIN refs f ON f.record_id = r.id AND f.alias_of IS NULL
 WHERE r.kind = %s AND r.state <> 'merged' AND r.id > %s GROUP BY r.id ORDER BY r.id LIMIT %s
"""


@dataclass(frozen=True)
class Planned:
    """One record: what would be written, or why nothing can be said."""

    record: str
    refs: Mapping[str, str]
    plan: Plan = field(default_factory=Plan)
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        writes = []
        for write in self.plan.writes:
            before = encode({name: change.before for name, change in write.changes.items()})
            after = encode({name: change.after for name, change in write.changes.items()})
            fields = {name: {"before": before[name], "after": after[name], "rule": change.rule}
                      for name, change in write.changes.items()}  # fmt: skip
            writes.append({"system": write.system, "op": write.op.value, "action": write.action, "fields": fields})
        conflicts = [conflict.field for conflict in self.plan.conflicts]
        return {"record": self.record, "refs": dict(self.refs), "writes": writes, "conflicts": conflicts,
                "problem": self.problem}  # fmt: skip


@click.command()
@click.argument("kind")
@click.argument("version", type=int)
@click.option("--limit", type=click.IntRange(min=1), help="Look at this many records at most.")
@output.as_json
@click.pass_context
def plan(ctx: click.Context, kind: str, version: int, limit: int | None, as_json: bool) -> None:
    """Show what VERSION of the sheet of KIND would change, before anybody switches it on.

    Reads every record of the kind in all its systems and merges it under that sheet. Exit code 0: nothing
    would change, 1: something would.
    """
    runtime = open_runtime(pool_size=2, patience_s=output.PATIENCE_S)
    try:
        sheet = stored_sheets(runtime.settings).get(kind, {}).get(version)
        if sheet is None:
            raise click.UsageError(f"there is no sheet of {kind} in version {version}")
        looked, found = 0, []
        for each in plans(runtime, sheet, runtime.sheets.get(kind)):
            looked += 1
            if each.plan.writes or each.plan.conflicts or each.problem:
                found.append(each)
            if looked == limit:
                break
    finally:
        runtime.dispose()
    if as_json:
        output.print_json({"kind": kind, "version": version, "looked_at": looked,
                           "changes": [each.as_json() for each in found]})  # fmt: skip
    else:
        _show(found, looked, f"{kind} v{version}")
    ctx.exit(1 if found else 0)


def plans(runtime: Runtime, sheet: Sheet, active: Sheet | None) -> Iterator[Planned]:
    """Yield what each record of the sheet's kind would become; nothing is written anywhere."""
    connectors = connectors_for(runtime, {**runtime.sheets, sheet.kind: sheet})
    links = LedgerLinks(runtime.ledger)
    for rows in _pages(runtime.ledger, sheet.kind):
        natives = _read(connectors, sheet, rows)
        for _, origin, origin_id, refs in rows:
            known = {system: _ref(system, external_id, sent, held, item_ids, active, sheet)
                     for system, external_id, sent, held, item_ids in refs
                     if system in connectors and system in sheet.systems}  # fmt: skip
            name, places = f"{origin}:{origin_id}", {system: ref.external_id for system, ref in known.items()}
            try:
                views = {}
                for system, ref in known.items():
                    native = natives.get((system, ref.external_id))
                    if native is None or native.archived:
                        raise SyncError(f"{system} does not show {ref.external_id}")
                    values, item_ids = read_native(
                        sheet, system, native.fields, links=links, item_ids=ref.item_ids
                    )
                    views[system] = View(system, values, native.version, item_ids, native.changed_at)
                yield Planned(name, places, merge(sheet, views, known, origin=origin))
            except SyncError as error:
                yield Planned(name, places, problem=error.message)


def _pages(ledger: Ledger, kind: str) -> Iterator[list[Any]]:
    after = 0
    while True:
        with ledger.transaction() as tx:
            rows = tx.rows(RECORDS, (kind, after, PAGE))
        if not rows:
            return
        yield rows
        after = rows[-1][0]


def _read(connectors: Mapping[str, Connector], sheet: Sheet, rows: list[Any]) -> dict[tuple[str, str], Any]:
    wanted: dict[str, list[str]] = {}
    for row in rows:
        for system, external_id, *_ in row[3]:
            if system in connectors and system in sheet.systems:
                wanted.setdefault(system, []).append(external_id)
    return {
        (system, external_id): native
        for system, ids in wanted.items()
        for external_id, native in connectors[system].read_many(sheet.kind, ids).items()
    }


def _ref(
    system: str, external_id: str, sent: Any, held: Any, item_ids: Any, active: Sheet | None, sheet: Sheet
) -> Ref:
    """Return the base under the new sheet: a field that is converted otherwise has none (protocol G7)."""
    ref = Ref(system, external_id, None, decode(sent), decode(held), item_ids)
    if active is None or active.version == sheet.version:
        return ref
    gone = fields_without_base(active, sheet, system)
    return replace(
        ref,
        sent={name: value for name, value in ref.sent.items() if name not in gone},
        held={name: value for name, value in ref.held.items() if name not in gone},
    )


def _show(found: list[Planned], looked: int, title: str) -> None:
    page = output.table("record", "system", "what", "before", "after", "rule")
    for each in found:
        if each.problem:
            output.row(page, each.record, "", "cannot be planned", "", each.problem, "")
        for conflict in each.plan.conflicts:
            output.row(page, each.record, "", f"conflict in {conflict.field}", "", "", "a person decides")
        for write in each.plan.writes:
            if not write.changes:
                output.row(page, each.record, write.system, f"step {write.action}", "", "", "")
            for name, change in write.changes.items():
                output.row(page, each.record, write.system, f"{write.op} {name}", _short(change.before),
                           _short(change.after), change.rule)  # fmt: skip
    console = output.console()
    if found:
        console.print(page)
    console.print(f"{title}: {looked} records looked at, {len(found)} would change. Nothing was written.")


def _short(value: Any) -> str:
    return f"{len(value)} items" if isinstance(value, dict) else "" if value is None else str(value)
