"""Stock in bulk: read what moved, compare in SQL, raise events only for figures that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from sync_workers.connectors.contract import Connector, Native
from sync_workers.engine.runs import Again
from sync_workers.ledger.connection import Tx
from sync_workers.ledger.stock import Reading, stage
from sync_workers.runtime import Runtime

PAGE = 500  # products in one read: ten thousand in one call take the ERP seconds


def readings(connector: Connector, external_ids: Sequence[str]) -> list[Reading]:
    """Read the figures of these parts in the ERP, base units; parts that are gone are left out."""
    unique = list(dict.fromkeys(external_ids))
    found: list[Reading] = []
    for start in range(0, len(unique), PAGE):
        at = datetime.now(UTC)
        natives = connector.read_many("stock", unique[start:start + PAGE])
        found += [_reading(native, at) for native in natives.values() if not native.archived]
    return found


def sweep(runtime: Runtime, system: str) -> list[Again]:
    """Compare every part's figures with the last ones known: heals whatever the increments missed."""
    connector = runtime.connectors[system]

    def rows() -> Iterator[Reading]:
        after = ""
        while ids := connector.ids("stock", after):
            yield from readings(connector, ids)
            after = ids[-1]

    return runtime.ledger.run(lambda tx: stage_levels(tx, system, rows()))


def stage_levels(tx: Tx, system: str, rows: Sequence[Reading] | Iterator[Reading]) -> list[Again]:
    """Stage readings with COPY, store those that changed, and return the stock records to wake."""
    return [Again(record_id, "stock", 0.0) for record_id in stage(tx, system, iter(rows)).due]


def _reading(native: Native, at: datetime) -> Reading:
    figures = native.fields
    return Reading(native.id, str(figures.get("code") or ""), Decimal(figures["on_hand"]),
                   Decimal(figures["allocated"]), Decimal(figures["available"]), at)
