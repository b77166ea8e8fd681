"""Reading and looking up in bulk what a batch will need, before its records are planned one by one.

Only a saving: what is not found here is read singly, and the single read names what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from sync_workers.connectors.contract import Native
from sync_workers.domain.native import look
from sync_workers.engine import endings, lookup
from sync_workers.engine.facts import stand_in
from sync_workers.engine.planning import Batch
from sync_workers.engine.runs import Run
from sync_workers.errors import SyncError, Throttled

log = structlog.get_logger(__name__)


def prefetch(runs: Sequence[Run], batch: Batch) -> None:
    """Fill ``batch.prefetched`` and each run's ``found``. A throttled system ends its runs: asking singly asks more."""
    wanted: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        for system in run.work.refs:
            if _is_served(system, batch) and _told(run, system, batch) is None:
                wanted.setdefault((system, run.kind), []).append(run)
    for (system, kind), members in wanted.items():
        if len(members) > 1:
            _read(system, kind, members, batch)
    _look_up([run for run in runs if run.ending is None], batch)


def _read(system: str, kind: str, members: Sequence[Run], batch: Batch) -> None:
    ids = [run.work.refs[system].external_id for run in members]
    try:
        found = batch.runtime.connectors[system].read_many(kind, ids)
    except Throttled as error:
        _put_off(members, error)
    except SyncError as error:
        log.info("a bulk read failed, reading one by one", system=system, kind=kind, error=type(error).__name__)
    else:
        batch.prefetched.update({(system, kind, external_id): native for external_id, native in found.items()})


def _look_up(runs: Sequence[Run], batch: Batch) -> None:
    """Ask targets without a place for our reference for all natural keys at once."""
    asked: dict[tuple[str, str, str], dict[str, Run]] = {}
    for run in runs:
        name = run.sheet.natural_keys[0] if run.sheet.natural_keys and not run.sheet.extends else ""
        value = _key_of(run, name, batch)
        for system in run.sheet.systems if value else ():
            path = lookup.path_of(run, name, system)
            if path and system not in run.work.refs and system not in run.sheet.reference and _is_served(system, batch):
                asked.setdefault((system, run.kind, path), {})[value] = run
    for (system, kind, path), members in asked.items():
        if len(members) < 2:
            continue
        try:
            found = batch.runtime.connectors[system].find_many(kind, path, list(members))
        except Throttled as error:
            _put_off(list(members.values()), error)
        except SyncError as error:
            log.info("a bulk look-up failed, asking one by one", system=system, kind=kind, error=type(error).__name__)
        else:
            for value, run in members.items():
                run.found[system] = found.get(value, [])


def _key_of(run: Run, name: str, batch: Batch) -> str:
    """Return the natural key as the origin's record shows it, '' where it was neither told nor read in bulk."""
    origin = run.work.refs.get(run.origin)
    path = lookup.path_of(run, name, run.origin)
    if origin is None or not path:
        return ""
    native = batch.prefetched.get((run.origin, run.kind, origin.external_id)) or _told(run, run.origin, batch)
    value = look(native.fields, path) if native is not None else None
    return "" if value is None else str(value)


def _told(run: Run, system: str, batch: Batch) -> Native | None:
    """Return what a delivery told of the record, where that makes reading it needless."""
    connector = batch.runtime.connectors.get(system)
    return stand_in(run, system, connector, run.work.refs[system].version) if connector is not None else None


def _put_off(runs: Sequence[Run], error: Throttled) -> None:
    for run in runs:
        run.ending = run.ending or endings.ending_for(run, error)


def _is_served(system: str, batch: Batch) -> bool:
    circuit = batch.circuits.get(system)
    return system in batch.runtime.connectors and (circuit is None or circuit.state == "closed")
