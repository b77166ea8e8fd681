"""``prove``: every law of the design, checked on the live ledger.

``broken`` names what breaks a law; ``unproven`` what nobody can know yet, and how it could be known. Nothing
is mended here. All checks of one proof see the ledger at one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sync_workers.domain.mapping import Sheet
from sync_workers.ledger import agreement, sweeps
from sync_workers.ledger.checks import BROKEN, CHECKS
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.statements import Tx

STUCK_S = 300.0
UNTOLD_S = 60.0
LISTED = 100
TITLES = {
    "L1": "Nothing is lost",
    "L2": "Nothing is doubled",
    "L3": "The owner wins",
    "L4": "It settles",
    "L5": "It is explained",
    "L6": "It is loud",
    "L7": "It is fair",
    "L8": "One at a time",
}


@dataclass
class Law:
    """One law's verdict. ``checked`` counts the rows that were looked at; long lists are cut, with their count."""

    law: str
    checked: int = 0
    broken: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return not self.broken and not self.unproven

    def as_json(self) -> dict[str, Any]:
        return {
            "law": self.law, "title": TITLES[self.law], "holds": self.holds, "checked": self.checked,
            "broken": _cut(self.broken), "unproven": _cut(self.unproven), **self.facts,
        }


@dataclass
class Proof:
    """The verdict on all laws."""

    laws: list[Law]

    @property
    def holds(self) -> bool:
        return all(law.holds for law in self.laws)

    def law(self, name: str) -> Law:
        return next(law for law in self.laws if law.law == name)

    def as_json(self) -> dict[str, Any]:
        """Return the fixed shape of ``prove --json``."""
        return {"holds": self.holds, "laws": [law.as_json() for law in self.laws]}


def prove(
    ledger: Ledger, *, sweep: Callable[[], Iterable[sweeps.Finding]] | None = None,
    covers: Collection[tuple[str, str]] | None = None, sheets: Mapping[str, Sheet] | None = None,
    proving: Collection[tuple[str, str]] = (), stuck_s: float = STUCK_S, untold_s: float = UNTOLD_S,
) -> Proof:
    """Check all laws. ``sweep`` also asks the systems themselves and is kept; ``covers`` are the (kind, system)
    it looks through (None: all that we create in). ``sheets`` are the active ones, without which L4 is
    unproven. ``proving``: (kind, system) where a unique key or a consistent look-up proves absence (T1, T2).

    Raises whatever ``sweep`` raises; nothing is kept then.
    """
    if sweep is not None:
        began_at = ledger.run(sweeps.begin)
        findings = list(sweep())

        def keep(tx: Tx) -> None:
            sweeps.record(tx, began_at, sweeps.created_in(tx) if covers is None else covers, findings)

        ledger.run(keep)
    laws = {name: Law(name) for name in TITLES}
    asked = {
        "stuck_s": stuck_s, "untold_s": untold_s, "proving": [f"{kind}/{system}" for kind, system in proving],
    }
    with ledger.transaction() as tx:
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for check in CHECKS:
            law = laws[check.law]
            row = tx.execute(check.counted).fetchone()
            law.checked += int(row[0]) if row else 0
            found = [text for (text,) in tx.rows(check.found, asked)]
            (law.broken if check.verdict == BROKEN else law.unproven).extend(found)
        for name, text in sweeps.standing(tx):
            laws[name].broken.append(text)
        _settles(tx, laws["L4"], sheets)
        laws["L7"].facts["oldest_due_s"] = _oldest_due(tx)
    return Proof(list(laws.values()))


def _settles(tx: Tx, law: Law, sheets: Mapping[str, Sheet] | None) -> None:
    if sheets is None:
        law.unproven.append("whether the systems agree: the mapping sheets were not at hand (set SYNC_CONFIG)")
        return
    for found in agreement.compare(tx, sheets):
        law.checked += 1
        if found is not None:
            law.broken.append(found.text)


def _oldest_due(tx: Tx) -> dict[str, float]:
    rows = tx.rows(
        "SELECT kind, round(extract(epoch FROM clock_timestamp() - min(due_at))::numeric, 1)::float8 FROM records"
        " WHERE due_at <= clock_timestamp() GROUP BY kind ORDER BY kind"
    )
    return {row[0]: row[1] for row in rows}


def _cut(found: list[str]) -> list[str]:
    return found if len(found) <= LISTED else [*found[:LISTED], f"and {len(found) - LISTED} more"]
