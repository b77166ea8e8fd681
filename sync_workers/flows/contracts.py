"""A mapping that fails closed: compare each system's metadata with what the sheets depend on (section 10)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import structlog

from sync_workers.connectors.contract import FieldType
from sync_workers.errors import SyncError
from sync_workers.ledger import contracts, inbox
from sync_workers.ledger.statements import Tx
from sync_workers.runtime import Runtime
from sync_workers.sheets import paths_of

log = structlog.get_logger(__name__)


def check(runtime: Runtime) -> dict[tuple[str, str], list[str]]:
    """Compare all flows, pin what was never pinned, and return what drifted, by (kind, system).

    A system that does not answer is left for its circuit: no answer is no drift.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for system, connector in runtime.connectors.items():
        for kind, paths in paths_of(runtime.sheets, system).items():
            try:
                live = connector.describe(kind)
            except SyncError as error:
                log.info("A contract could not be checked", system=system, kind=kind, error=type(error).__name__)
                continue
            shown = {path: _pinnable(live[path]) for path in paths if path in live}
            drift = runtime.ledger.run(partial(_compare, system=system, kind=kind, used=set(paths), live=shown))
            if drift:
                found[kind, system] = drift
    return found


def _compare(tx: Tx, *, system: str, kind: str, used: Collection[str], live: Mapping[str, Any]) -> list[str]:
    known = contracts.pinned(tx, system, kind)
    if known is None:
        contracts.pin(tx, system, kind, live)
        _wake(tx, kind)
        return []
    was_stopped = (kind, system) in contracts.drifted(tx)
    pinned = {path: field for path, field in known.items() if path in used}  # a sheet may need less than the last
    drift = [f"{path} is gone" for path in sorted(set(pinned) - set(live))]
    drift += [f"{path} was {pinned[path]['type']} and is {live[path]['type']}"
              for path in sorted(set(pinned) & set(live)) if pinned[path]["type"] != live[path]["type"]]
    if not drift and live != known:
        contracts.pin(tx, system, kind, live)
    contracts.note_drift(tx, system, kind, drift)
    if was_stopped and not drift:
        _wake(tx, kind)
    return drift


def _wake(tx: Tx, kind: str) -> None:
    waiting = [row[0] for row in tx.rows(
        "SELECT id FROM records WHERE state = 'held' AND hold_code = 'contract_drift' AND kind = %s", (kind,))]
    inbox.touch(tx, waiting, "wake", "the contract holds again")


def _pinnable(field: FieldType) -> dict[str, Any]:
    return {"type": field.type, "required": field.required, "unique": field.unique}
