"""Which record a foreign id belongs to, asked of the ledger as translation needs it."""

from __future__ import annotations

from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.records import places_of, records_of


class LedgerLinks:
    """Answers for one batch. A missing link is asked again each time: it may be made while we work."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._records: dict[tuple[str, str, str], str] = {}
        self._ids: dict[tuple[str, str], str] = {}
        self._gone: set[tuple[str, str]] = set()

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
            self._ask(record)
        return self._ids.get((record, system))

    def is_gone(self, record: str, system: str) -> bool:
        """Whether a record is held because a person archived or deleted it in ``system``."""
        if (record, system) not in self._ids:
            self._ask(record)
        return (record, system) in self._gone

    def _ask(self, record: str) -> None:
        with self._ledger.transaction() as tx:
            found = places_of(tx, [int(record)])
        for (number, system), place in found.items():
            self._ids[str(number), system] = place.external_id
            if place.is_gone:
                self._gone.add((str(number), system))
