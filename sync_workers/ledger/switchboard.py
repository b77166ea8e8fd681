"""All that may stop a call before it is planned, read in one statement: modes, circuits, drift, undecided creates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sync_workers.ledger.circuits import Circuit
from sync_workers.ledger.modes import Mode
from sync_workers.ledger.statements import Prepared, Tx
from sync_workers.ledger.works import with_instants

READ = Prepared("""
SELECT (SELECT json_agg(json_build_array(kind, system, mode, canary, who, why, at) ORDER BY kind, system) FROM modes),
       (SELECT json_agg(json_build_array(system, state, probe_at, reason, failures, opened_at)) FROM circuits),
       (SELECT json_agg(json_build_array(kind, system, drift)) FROM contracts WHERE drift <> '[]'),
       (SELECT json_agg(DISTINCT ARRAY[system, kind]) FROM attempts
         WHERE status = 'open' AND op = 'create' AND kind = ANY(%s::text[]))
""")


@dataclass(frozen=True)
class Switchboard:
    """``modes`` and ``drifted`` by (kind, system), ``circuits`` by system; ``undecided`` are (system, kind) in which
    a create of ours is open (protocol R2). What is missing is live, closed and at rest."""

    modes: dict[tuple[str, str], Mode]
    circuits: dict[str, Circuit]
    drifted: dict[tuple[str, str], list[str]]
    undecided: frozenset[tuple[str, str]]


def read(tx: Tx, kinds: Iterable[str]) -> Switchboard:
    """Read it as it stands now; W1 compares the modes once more when a call is opened."""
    [(modes, circuits, drifted, undecided)] = tx.rows(READ, (sorted(set(kinds)),))
    return Switchboard(
        {(row[0], row[1]): Mode(*with_instants(row, 6)[2:]) for row in modes or ()},
        {row[0]: Circuit(*with_instants(row, 2, 5)[1:]) for row in circuits or ()},
        {(row[0], row[1]): list(row[2]) for row in drifted or ()},
        frozenset((row[0], row[1]) for row in undecided or ()),
    )
