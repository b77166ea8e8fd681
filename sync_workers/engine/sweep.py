"""The duplicate sweep (protocol section 7): every record in a system that carries our reference, counted.

It proves L2 where the target cannot: a duplicate or an orphan is named with its ids, never touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sync_workers.engine.facts import dig
from sync_workers.engine.runs import origin_in
from sync_workers.ledger import records
from sync_workers.runtime import Runtime

READ_PAGE = 100


@dataclass(frozen=True)
class Finding:
    """One breach of L1 or L2 seen in a system itself."""

    law: str
    system: str
    kind: str
    text: str
    ids: tuple[str, ...]


def sweep(runtime: Runtime) -> Iterator[Finding]:
    """Yield duplicates and orphans of every kind in every system that stores our reference."""
    for kind, sheet in runtime.sheets.items():
        for system, path in sheet.reference.items():
            if path and system in runtime.connectors:
                yield from _sweep(runtime, system, kind, path)


def _sweep(runtime: Runtime, system: str, kind: str, path: str) -> Iterator[Finding]:
    connector = runtime.connectors[system]
    carriers: dict[str, list[str]] = {}
    after = ""
    while ids := connector.ids(kind, after):
        for start in range(0, len(ids), READ_PAGE):
            for native in connector.read_many(kind, ids[start:start + READ_PAGE]).values():
                reference = str(dig(native.fields, path) or "")
                if origin_in(reference, runtime.connectors):
                    carriers.setdefault(reference, []).append(native.id)
        after = ids[-1]
    for reference, found in carriers.items():
        if len(found) > 1:
            yield Finding("L2", system, kind, f"{reference} stands {len(found)} times in {system}", tuple(found))
    places = {(system, kind, found[0]): reference for reference, found in carriers.items() if len(found) == 1}
    with runtime.ledger.transaction() as tx:
        known = records.records_of(tx, list(places))
        undecided = records.open_creates(tx, system, kind)
    for place, reference in places.items():
        if place not in known and reference not in undecided:
            yield Finding("L2", system, kind, f"{reference} stands in {system} but the ledger has no such ref",
                          (place[2],))
