"""Stock in bulk: read what moved, compare page by page, raise events only for figures that changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sync_workers.connectors.contract import Native
from sync_workers.engine.runs import Again
from sync_workers.ledger.readings import Reading
from sync_workers.ledger.statements import Tx
from sync_workers.ledger.stock import all_is_well, stage
from sync_workers.runtime import Runtime

PAGE = 500  # products in one read: ten thousand in one call take the ERP seconds
COLUMNS = ("code", "on_hand", "allocated", "available")  # these have a column of their own in the ledger


def readings(runtime: Runtime, system: str, external_ids: Sequence[str]) -> list[Reading]:
    """Read the figures of these parts in the ERP, base units; parts that are gone are left out.

    A part that is switched off still has what is on the shelf, where the sheet shows such parts.
    """
    connector, sheet = runtime.connectors[system], runtime.sheets.get("stock")
    shows_archived = sheet is not None and system in sheet.shows_archived
    unique = list(dict.fromkeys(external_ids))
    found: list[Reading] = []
    for start in range(0, len(unique), PAGE):
        at = datetime.now(UTC)
        natives = connector.read_many("stock", unique[start:start + PAGE])
        found += [reading_of(native, at) for native in natives.values()
                  if shows_archived or not native.archived]
    return found


def sweep(runtime: Runtime, system: str) -> list[Again]:
    """Compare every part's figures with the last ones known: heals whatever the increments missed.

    Each page is read outside of any transaction and staged in one of its own, so that polls go on
    meanwhile, nothing waits in the ledger while the ERP answers, and what was read before it went away stays.
    """
    connector = runtime.connectors[system]
    due: list[Again] = []
    refusals, after = 0, ""
    while ids := connector.ids("stock", after):
        page = readings(runtime, system, ids)
        staged = runtime.ledger.run(lambda tx, page=page: stage(tx, system, page, whole=False))  # type: ignore[misc]
        due += [Again(record_id, "stock", 0.0) for record_id in staged.due]
        refusals += staged.refusals
        after = ids[-1]
    if after and not refusals:
        runtime.ledger.run(lambda tx: all_is_well(tx, system))
    return due


def stage_levels(tx: Tx, system: str, rows: Iterable[Reading]) -> list[Again]:
    """Stage readings, store those that changed, and return the stock records to wake."""
    return [Again(record_id, "stock", 0.0) for record_id in stage(tx, system, rows).due]


def reading_of(native: Native, at: datetime) -> Reading:
    """Return what is compared of one part: its figures, and a digest of all else that a sheet may use.

    A figure that is no number stays as it is, for the ledger to refuse it by itself.
    """
    shown = native.fields
    on_hand, allocated, available = (_figure(shown.get(name, 0)) for name in COLUMNS[1:])
    others = {name: value for name, value in shown.items() if name not in COLUMNS}
    return Reading(native.id, str(shown.get("code") or ""), on_hand, allocated, available, at, _digest(others))


def _figure(value: Any) -> Any:
    try:
        return value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return value


def _digest(others: Any) -> str:
    text = json.dumps(_plain(others), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    """Write each number in one way: 5, 5.0 and 5.00 are the same."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal | int | float) and not isinstance(value, bool):
        number = Decimal(str(value))
        return f"{number.normalize() + 0:f}" if number.is_finite() else str(number)  # + 0: there is a -0
    return value
