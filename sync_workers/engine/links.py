"""Which record a foreign id belongs to, asked of the ledger as translation needs it."""

from __future__ import annotations

from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.records import ids_of, records_of


class LedgerLinks:
    """Answers for one batch. A missing link is asked again each time: it may be made while we work."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._records: dict[tuple[str, str, str], str] = {}
        self._ids: dict[tuple[str, str], str] = {}

    def record_of(self, kind: str, system: str, external_id: str) -> str | None:
        place = (system, kind, external_id)
        if place not in self._records:
            with self._ledger.transaction() as tx:
                found = records_of(tx, [place])
            if place not in found:
                return None
            self._records[place] = str(found[place])
        return self._records[place]

    def id_in(self, kind: str, record: str, system: str) -> str | None:
        if (record, system) not in self._ids:
            with self._ledger.transaction() as tx:
                found = ids_of(tx, [int(record)])
            self._ids.update({(str(number), where): external for (number, where), external in found.items()})
        return self._ids.get((record, system))
