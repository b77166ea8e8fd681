"""Fetching news by cursor (section 8 of the design): events and position move in one transaction.

A poll writes to no system: it puts hints into the inbox, and the engine does the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from sync_workers.connectors.contract import Cursor, Notice, Page
from sync_workers.engine.runs import Again
from sync_workers.errors import SystemDown
from sync_workers.flows import stock
from sync_workers.ledger import circuits, cursors, inbox, records
from sync_workers.ledger.statements import Tx
from sync_workers.runtime import Runtime

log = structlog.get_logger(__name__)

READ_PAGE = 100
MAX_PAGES = 200  # one firing's share; the next one goes on from the cursor


@dataclass
class Polled:
    """What one poll saw: rows read, events raised, and the records to wake; ``source`` of the events.

    The first poll of all reads everything there is: that is work in bulk, like a reconcile run.
    """

    source: str = "poll"
    seen: int = 0
    raised: int = 0
    due: list[Again] = field(default_factory=list)


def poll(runtime: Runtime, system: str, kind: str) -> Polled:
    """Read what changed in one system since its cursor. Twice is harmless: repeats equal what refs hold.

    Raises TransientError and its kin when the system does not answer; the cursor then stays.
    """
    connector = runtime.connectors[system]
    polled = Polled()
    with runtime.ledger.transaction() as tx:
        standing = circuits.states(tx).get(system)
    if standing is not None and standing.state == "open":
        raise SystemDown(f"{system} is down: {standing.reason}")
    signs: set[str] = set()
    for _ in range(MAX_PAGES):
        with runtime.ledger.transaction() as tx:
            stored = cursors.position(tx, system, kind)
        if not stored:
            polled.source = "reconcile"
        page = connector.changes(kind, _cursor(stored))
        polled.seen += len(page.notices)
        fresh = page.notices if kind == "stock" else _without_repeats(runtime, system, kind, page.notices)
        if kind == "stock":
            readings = stock.readings(runtime, system, [notice.external_id for notice in page.notices])
            arrived = runtime.ledger.run(lambda tx, page=page, readings=readings, stored=stored: [  # type: ignore[misc]
                *stock.stage_levels(tx, system, readings), *_advance(tx, system, kind, stored, page)])
        else:
            arrived = runtime.ledger.run(
                lambda tx, page=page, stored=stored, fresh=fresh: _take(  # type: ignore[misc]
                    tx, system, kind, stored, page, fresh, polled.source))
        polled.raised += len(arrived)
        polled.due += arrived
        signs.update(*(notice.signs for notice in page.notices))
        if not page.more:
            break
    runtime.polled[system, kind] = frozenset(signs)  # all of them are in the ledger by now
    log.info("a poll ended", system=system, kind=kind, seen=polled.seen, raised=polled.raised)
    return polled


def _take(
    tx: Tx, system: str, kind: str, stored: dict[str, Any], page: Page, fresh: Sequence[Notice], source: str
) -> list[Again]:
    arrivals = [inbox.Arrival(system, notice.kind, notice.external_id, source, version=notice.version,
                              echo=notice.echo, same_as=notice.same_as) for notice in fresh]
    arrived = inbox.record_arrivals(tx, arrivals)
    _advance(tx, system, kind, stored, page)
    return [Again(item.record_id, item.kind, 0.0) for item in arrived if item.due]


def _without_repeats(runtime: Runtime, system: str, kind: str, notices: Sequence[Notice]) -> list[Notice]:
    """Drop what the overlap brings again and again (Q2): what the last poll brought for the same reasons, and
    rows that show the version we last saw or wrote.

    Where a notice tells no version the records are read in bulk, which costs one call instead of a
    run for each; a record without any version is always news.
    """
    brought = runtime.polled.get((system, kind), frozenset())
    notices = [notice for notice in notices if not notice.signs or not notice.signs <= brought]
    with runtime.ledger.transaction() as tx:
        known = records.versions_of(tx, system, kind, [notice.external_id for notice in notices])
    asked = [notice.external_id for notice in notices if notice.version is None and notice.external_id in known]
    shown = {notice.external_id: notice.version for notice in notices}
    for start in range(0, len(asked), READ_PAGE):
        natives = runtime.connectors[system].read_many(kind, asked[start:start + READ_PAGE])
        shown.update({name: None if native.archived else native.version for name, native in natives.items()})
    return [notice for notice in notices
            if shown[notice.external_id] is None or known.get(notice.external_id) != shown[notice.external_id]]


def _advance(tx: Tx, system: str, kind: str, stored: dict[str, Any], page: Page) -> list[Again]:
    cursors.polled(tx, system, kind)
    new = {"at": page.cursor.at.isoformat() if page.cursor.at else None, "id": page.cursor.id}
    if new != stored:
        cursors.advance(tx, system, kind, stored, new)  # False: another beat moved it; the events stay (Q1)
    return []


def _cursor(stored: dict[str, Any]) -> Cursor:
    at = stored.get("at")
    return Cursor(datetime.fromisoformat(at) if at else None, stored.get("id") or "")
