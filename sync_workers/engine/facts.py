"""What every system shows of a record right now (steps 6 and 7): read, resolve, translate.

Deciding what to do about it belongs to ``planning``; open attempts belong to ``lookup``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sync_workers.connectors.contract import Connector, Native
from sync_workers.domain.records import Ref, View
from sync_workers.domain.translate import Links, read_native
from sync_workers.domain.values import decode
from sync_workers.engine.endings import LookAgain
from sync_workers.engine.runs import Run, origin_in
from sync_workers.errors import Hold
from sync_workers.ledger.aliases import MERGED
from sync_workers.ledger.records import EventRow, RefRow

GONE_TWICE = timedelta(seconds=5)  # protocol G8: an absent answer counts only when it repeats
MAX_STALE_READS = 5  # protocol S6


class AnotherOrigin(Exception):
    """This record carries our reference to another one: they are the same thing (protocol R1)."""

    def __init__(self, system: str, kind: str, external_id: str) -> None:
        super().__init__(f"{system} {kind} {external_id}")
        self.system, self.kind, self.external_id = system, kind, external_id


class Twins(Exception):
    """The system made one record of two, and the other one has a row of its own (protocol R5)."""

    def __init__(self, system: str, external_id: str, record: int) -> None:
        super().__init__(f"{system} {external_id} is record {record}")
        self.system, self.external_id, self.record = system, external_id, record


def ref_from(row: RefRow) -> Ref:
    """Turn a stored ref into the merge's base."""
    held = decode(row.held)
    sent = held if row.sent is None else decode(row.sent)
    return Ref(row.system, row.external_id, row.version, sent, held, row.item_ids)


def read_systems(
    run: Run, connectors: Mapping[str, Connector], links: Links, prefetched: Mapping[tuple[str, str, str], Native]
) -> None:
    """Fill ``run.views`` from every system that holds the record.

    Raises Hold for what was deleted or claimed by another record, LookAgain where the facts
    are older than the news, AnotherOrigin for protocol R1, Twins for R5, Unlinked from translation.
    """
    for event in run.work.events:
        if event.source == MERGED:
            _look_for_twin(run, event.system, event.external_id, links)
    for system in list(run.refs):
        if system in run.views and system not in run.gone:
            continue
        connector = connectors.get(system)
        if connector is None:
            raise Hold("no_system", f"{run.kind} {run.id}: the system {system!r} is not configured any more",
                       mend=f"add [systems.{system}] to systems.toml again, or discard the record")
        run.talking_to = system
        native = stand_in(run, system, connector, run.refs[system].version)
        if native is None:
            native = prefetched.get((system, run.kind, run.refs[system].external_id))
            if native is None:
                native = connector.read(run.kind, run.refs[system].external_id)
            run.heard.add(system)
        if native is None or (native.archived and system not in run.sheet.shows_archived):
            _absent(run, system, archived=native is not None)
            continue
        take_view(run, system, native, links, connectors)
        _insist_on_news(run, system, connector, native)
    run.talking_to = ""


def take_view(
    run: Run, system: str, native: Native, links: Links, connectors: Mapping[str, Connector]
) -> None:
    """Store what one system shows, after checking that the row is ours to touch (R1, R5, W9)."""
    ref = run.refs[system]
    if native.id != ref.external_id:
        _look_for_twin(run, system, native.id, links)
        run.aliases[system] = (*run.aliases.get(system, ()), ref.external_id)
        ref = replace(ref, external_id=native.id)
        run.dirty.add(system)
    path = run.sheet.reference.get(system)
    carried = str(dig(native.fields, path) or "") if path else ""
    named = origin_in(carried, connectors)
    if named and carried != run.reference and named != (run.origin, run.kind, run.work.claim.origin_id):
        if system == run.origin and len(run.refs) == 1:
            raise AnotherOrigin(*named[:1], run.kind, named[2])
        raise Hold("foreign_reference",
                   f"{run.kind} {native.id} of {system} carries the reference {carried!r}, ours is {run.reference!r}",
                   mend=f"correct {path} in {system}, or unlink the record")
    values, item_ids = read_native(run.sheet, system, native.fields, links=links, item_ids=ref.item_ids)
    row = run.work.refs.get(system)
    if native.version != ref.version or (row is not None and row.gone_since is not None):
        run.dirty.add(system)  # so that a poll which brings this row again knows it, and that it is not gone
    run.refs[system] = replace(ref, version=native.version, item_ids=item_ids)
    run.natives[system] = native
    run.views[system] = View(system, values, native.version, item_ids, native.changed_at)


def _look_for_twin(run: Run, system: str, external_id: str, links: Links) -> None:
    """Nothing is written while two rows stand for one record: their counterparts become one first."""
    holder = links.record_of(run.kind, system, external_id)
    if holder is not None and holder != str(run.id):
        raise Twins(system, external_id, int(holder))


def dig(fields: Mapping[str, Any], path: str) -> Any:
    """Return what lies at a dotted path, None where any step is missing."""
    value: Any = fields
    for step in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def stand_in(run: Run, system: str, connector: Connector, known: str | None) -> Native | None:
    """Take the newest delivery's payload for a read, where a counter proves it newer than ``known`` (protocol G5)."""
    news = _newest(run, system, connector)
    if news is None or news.payload is None or news.version is None:
        return None
    if known is not None and int(news.version) <= int(known):
        return None
    return Native(news.external_id, news.payload, news.version)


def _newest(run: Run, system: str, connector: Connector) -> EventRow | None:
    """Return the event that tells of the highest version: the last to arrive may be the oldest news."""
    if not connector.traits(run.kind).counts_versions:
        return None
    told = [event for event in run.work.events if event.system == system and event.version is not None]
    return max(told, key=lambda event: int(event.version or 0)) if told else None


def _insist_on_news(run: Run, system: str, connector: Connector, native: Native) -> None:
    """Facts older than the event that announced them do not settle it (protocol S6)."""
    news = _newest(run, system, connector)
    if news is None or news.version is None or native.version is None:
        return
    if int(native.version) >= int(news.version):
        return
    if run.work.claim.stale_reads < MAX_STALE_READS:
        raise LookAgain(2.0, f"{system} still shows version {native.version}, told was {news.version}", stale=True)
    run.notes.append(f"{system} kept showing version {native.version} although {news.version} was announced")


def _absent(run: Run, system: str, *, archived: bool) -> None:
    """A record that a person deleted is never recreated by us (protocol G8)."""
    run.gone.add(system)
    run.views.pop(system, None)
    row = run.work.refs.get(system)
    if not archived:
        run.dirty.add(system)
        if row is None or row.gone_since is None or datetime.now(UTC) - row.gone_since < GONE_TWICE:
            raise LookAgain(GONE_TWICE.total_seconds() + 1, f"{system} does not show {run.kind} any more")
    if len(run.refs) == 1:
        return
    what = "archived" if archived else "deleted"
    raise Hold(f"{what}_in_{system}", f"{run.kind} {run.refs[system].external_id} was {what} in {system}",
               mend=f"restore it in {system}, or finish or cancel its counterparts and discard this")
