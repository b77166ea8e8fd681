"""The slow sweep by set comparison: finds what no hook and no cursor told, and every delete.

It repairs nothing itself: what differs goes into the inbox as an event, and the engine looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import structlog

from sync_workers.connectors.contract import Connector, Native
from sync_workers.domain.mapping import Sheet
from sync_workers.domain.translate import read_native
from sync_workers.domain.values import decode, encode
from sync_workers.engine.facts import dig
from sync_workers.engine.links import LedgerLinks
from sync_workers.engine.runs import Again, origin_in
from sync_workers.errors import SyncError
from sync_workers.flows import stock
from sync_workers.ledger import cursors, inbox, loads, records
from sync_workers.runtime import Runtime

log = structlog.get_logger(__name__)

READ_PAGE = 100
BEYOND_NUMBERS = "9" * 40  # past any id of digits
BEYOND = "\U0010ffff"  # past any other id


@dataclass
class Reconciled:
    """What one sweep of a kind in a system found; ``news`` are the events it raised, by reason."""

    system: str
    kind: str
    read: int = 0
    unknown: int = 0
    changed: int = 0
    gone: int = 0
    due: list[Again] = field(default_factory=list)


def is_too_early(runtime: Runtime, system: str, kind: str) -> bool:
    """Whether a first load of the kind is to come or under way: what it brings would only be read and asked for twice.

    Never so of a facet: a part that has never moved is in no poll of its stock.
    """
    if runtime.sheets[kind].extends:
        return False
    with runtime.ledger.transaction() as tx:
        unread = any(kind in settings.poll_s and not cursors.position(tx, name, kind)
                     for name, settings in runtime.settings.systems.items())
        return unread or loads.is_loading(tx, [kind])


def reconcile(runtime: Runtime, system: str, kind: str) -> Reconciled:
    """Compare all that a system shows of a kind with what the ledger holds. Twice is harmless."""
    sheet, connector = runtime.sheets[kind], runtime.connectors[system]
    if sheet.extends and system in sheet.created_by:
        return Reconciled(system, kind, due=stock.sweep(runtime, system))
    links = LedgerLinks(runtime.ledger)
    result = Reconciled(system, kind)
    after = ""
    while ids := connector.ids(kind, after):
        with runtime.ledger.transaction() as tx:
            held = records.held_between(tx, system, kind, after, ids[-1])
        for native in _natives(connector, kind, ids):
            result.read += 1
            row = held.get(native.id)
            if row is None:
                if _is_ours_to_see(sheet, system, native, runtime):
                    result.unknown += 1
                    _raise(runtime, result, native.id, "not in the ledger")
            elif _differs(sheet, system, native, row, links):
                result.changed += 1
                _raise(runtime, result, native.id, "shows other values than the ledger holds")
        _miss(runtime, result, set(held) - set(ids))
        after = ids[-1]
    if after:  # a system that shows nothing at all is more likely restored or mistaken than emptied (G8)
        with runtime.ledger.transaction() as tx:
            beyond = records.held_between(tx, system, kind, after, BEYOND_NUMBERS if after.isdecimal() else BEYOND)
        _miss(runtime, result, set(beyond))
    log.info("a reconcile ended", system=system, kind=kind, read=result.read, unknown=result.unknown,
             changed=result.changed, gone=result.gone)
    return result


def _miss(runtime: Runtime, result: Reconciled, missing: Iterable[str]) -> None:
    for external_id in sorted(missing):
        result.gone += 1
        _raise(runtime, result, external_id, "not listed any more")


def _natives(connector: Connector, kind: str, ids: list[str]) -> Iterator[Native]:
    for start in range(0, len(ids), READ_PAGE):
        yield from connector.read_many(kind, ids[start:start + READ_PAGE]).values()


def _is_ours_to_see(sheet: Sheet, system: str, native: Native, runtime: Runtime) -> bool:
    """An unknown row matters when it may be born here, or when it carries a reference of ours."""
    if native.archived and system not in sheet.shows_archived:
        return False
    path = sheet.reference.get(system)
    carried = dig(native.fields, path) if path else None
    return system in sheet.created_by or bool(carried and origin_in(str(carried), runtime.connectors))


def _differs(sheet: Sheet, system: str, native: Native, row: records.RefRow, links: LedgerLinks) -> bool:
    if native.archived and system not in sheet.shows_archived:
        return True
    try:
        values, _ = read_native(sheet, system, native.fields, links=links, item_ids=row.item_ids)
    except SyncError:
        return True  # whatever stands in the way of reading it is for the engine to name
    shown, held = encode(values), encode(decode(row.held))
    return any(name in held and held[name] != value for name, value in shown.items())


def _raise(runtime: Runtime, result: Reconciled, external_id: str, why: str) -> None:
    arrival = inbox.Arrival(result.system, result.kind, external_id, "reconcile", note=why)
    arrived = runtime.ledger.run(lambda tx: inbox.record_arrivals(tx, [arrival]))
    result.due += [Again(item.record_id, item.kind, 0.0) for item in arrived if item.due]
