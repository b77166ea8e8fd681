"""Which record a foreign id belongs to, which ids a record has, who reserved a natural key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sync_workers.ledger.statements import Prepared, Tx

Place = tuple[str, str, str]

RECORDS = Prepared("""
SELECT wanted.system, wanted.kind, wanted.external_id, coalesce(r.merged_into, r.id)
  FROM unnest(%s::text[], %s::text[], %s::text[]) AS wanted (system, kind, external_id)
  JOIN refs f ON f.system = wanted.system AND f.kind = wanted.kind AND f.external_id = wanted.external_id
  JOIN records r ON r.id = f.record_id
""")
IDS = Prepared("""
SELECT r.id, f.system, f.external_id,
       s.state = 'held' AND s.hold_code IN ('archived_in_' || f.system, 'deleted_in_' || f.system)
  FROM records r JOIN records s ON s.id = coalesce(r.merged_into, r.id)
  JOIN LATERAL (SELECT f.system, f.external_id FROM refs f WHERE f.record_id = s.id AND f.alias_of IS NULL OFFSET 0) f
    ON true
 WHERE r.id = ANY(%s::bigint[])
""")
UNDECIDED = Prepared("""
SELECT DISTINCT system, kind FROM attempts WHERE status = 'open' AND op = 'create' AND kind = ANY(%s::text[])
""")


def records_of(tx: Tx, places: Iterable[Place]) -> dict[Place, int]:
    """Return the record of each known (system, kind, external id), through aliases and merges (A5)."""
    wanted = list(set(places))
    if not wanted:
        return {}
    rows = tx.rows(RECORDS, tuple(list(column) for column in zip(*wanted, strict=True)))
    return {(row[0], row[1], row[2]): row[3] for row in rows}


class Counterpart(NamedTuple):
    """Where a record lives in one system; ``is_gone``: it is held because a person archived or deleted it there."""

    external_id: str
    is_gone: bool


def places_of(tx: Tx, record_ids: Iterable[int]) -> dict[tuple[int, str], Counterpart]:
    """Return the counterpart per (record, system); a merged record answers with its survivor's."""
    wanted = list(set(record_ids))
    if not wanted:
        return {}
    return {(row[0], row[1]): Counterpart(row[2], bool(row[3])) for row in tx.rows(IDS, (wanted,))}


def ids_of(tx: Tx, record_ids: Iterable[int]) -> dict[tuple[int, str], str]:
    """Return the external id per (record, system)."""
    return {place: found.external_id for place, found in places_of(tx, record_ids).items()}


def versions_of(tx: Tx, system: str, kind: str, external_ids: Iterable[str]) -> dict[str, str]:
    """Return the version that each known id had when we last saw or wrote it, if it had one."""
    rows = tx.rows(
        "SELECT external_id, version FROM refs WHERE system = %s AND kind = %s"
        " AND external_id = ANY(%s::text[]) AND alias_of IS NULL AND version IS NOT NULL",
        (system, kind, list(external_ids)),
    )
    return {row[0]: row[1] for row in rows}


def open_creates(tx: Tx, system: str, kind: str) -> set[str]:
    """Return the keys of creates in a system whose fate is not decided yet."""
    rows = tx.rows("SELECT key FROM attempts WHERE system = %s AND kind = %s AND status = 'open'"
                   " AND op = 'create'", (system, kind))
    return {row[0] for row in rows}


def undecided_creates(tx: Tx, kinds: Iterable[str]) -> set[tuple[str, str]]:
    """Return the (system, kind) of these kinds in which a create of ours is open: elsewhere R2 has nothing to ask."""
    rows = tx.rows(UNDECIDED, (sorted(set(kinds)),))
    return {(row[0], row[1]) for row in rows}


def taken(tx: Tx, kind: str, name: str, value: str) -> int | None:
    """Return the record that reserved this natural key (protocol R4), None when it is free."""
    row = tx.execute(
        "SELECT coalesce(r.merged_into, r.id) FROM identities i JOIN records r ON r.id = i.record_id"
        " WHERE i.kind = %s AND i.name = %s AND i.value = %s", (kind, name, value),
    ).fetchone()
    return row[0] if row else None
