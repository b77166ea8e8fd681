"""What the last duplicate sweep found in each system (protocol section 7); the sweep itself is the engine's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from sync_workers.ledger.statements import Tx
from sync_workers.ledger.texts import storable_json


class Finding(Protocol):
    """A breach seen in a system itself, as ``engine.sweep`` yields it."""

    @property
    def law(self) -> str: ...
    @property
    def system(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def ids(self) -> tuple[str, ...]: ...


def begin(tx: Tx) -> datetime:
    """Return the ledger's time, from which a sweep that starts now can answer."""
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


def record(tx: Tx, began_at: datetime, covered: Iterable[tuple[str, str]], findings: Sequence[Finding]) -> None:
    """Keep a finished sweep over ``covered`` (kind, system); it replaces what the last one found there."""
    places = {*covered, *((one.kind, one.system) for one in findings)}
    rows = [
        (system, kind, began_at, storable_json([
            {"law": one.law, "text": one.text, "ids": list(one.ids)}
            for one in findings if (one.kind, one.system) == (kind, system)
        ]))
        for kind, system in sorted(places)
    ]
    tx.values(
        "INSERT INTO sweeps (system, kind, began_at, findings) VALUES %s ON CONFLICT (system, kind)"
        " DO UPDATE SET began_at = excluded.began_at, findings = excluded.findings", rows,
        template="(%s, %s, %s, %s::jsonb)",
    )


def standing(tx: Tx) -> list[tuple[str, str]]:
    """Return (law, sentence) of all that the last sweeps found."""
    rows = tx.rows("SELECT s.system, s.kind, f.one ->> 'law', f.one ->> 'text', f.one -> 'ids' FROM sweeps s"
                   " CROSS JOIN LATERAL jsonb_array_elements(s.findings) AS f (one) ORDER BY 1, 2")
    return [(law, f"{kind} in {system}: {text} (ids {', '.join(ids)})") for system, kind, law, text, ids in rows]


def created_in(tx: Tx) -> list[tuple[str, str]]:
    """Return every (kind, system) that we ever created something in."""
    rows = tx.rows("SELECT DISTINCT kind, system FROM attempts WHERE op = 'create' AND status <> 'shadow'")
    return [(row[0], row[1]) for row in rows]
