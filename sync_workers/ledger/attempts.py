"""Attempts: the row that stands in the ledger before a call goes out (protocol W1, W2, R2).

Closing them by their answer belongs to ``settle``; deciding the fate of an open one to the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync_workers.domain.values import JsonText
from sync_workers.ledger.claims import Claim
from sync_workers.ledger.connection import Prepared, Tx, as_json, storable, storable_json
from sync_workers.ledger.identities import Taken, reserve

__all__ = [
    "LostLease",
    "Opened",
    "Opening",
    "Replan",
    "Taken",
    "create_gate",
    "open_attempts",
    "record_shadow",
]

LIVE = "live"  # a flow nobody has switched


@dataclass(frozen=True)
class Opening:
    """One call about to be made. ``linger_s`` is P + F of its target; ``fields`` and ``request`` may be JSON text.

    ``identities`` are (name, value) to reserve;
    ``decided`` are older attempts of this record whose fate is known now: (id, status, note).
    """

    claim: Claim
    system: str
    kind: str
    op: str
    action: str
    key: str
    mapping_version: int
    fields: Mapping[str, Any] | JsonText
    request: Mapping[str, Any] | JsonText | None
    linger_s: float
    identities: tuple[tuple[str, str], ...] = ()
    decided: tuple[tuple[int, str, str], ...] = ()


@dataclass(frozen=True)
class Opened:
    """The attempt stands once the transaction has committed; 'not there' means nothing before ``sure_at``."""

    attempt_id: int
    lease_until: datetime
    sure_at: datetime


@dataclass(frozen=True)
class LostLease:
    """Somebody else holds the record, or the lease left is too short for the call: touch nothing."""


@dataclass(frozen=True)
class Replan:
    """Mode or mapping version is not what the call was planned under."""

    reason: str


HOLDING = Prepared("""
SELECT r.id, r.lease_until
  FROM unnest(%s::bigint[], %s::bigint[]) AS held (id, fence)
  JOIN records r ON r.id = held.id AND r.fence = held.fence
 WHERE r.lease_until > clock_timestamp() + make_interval(secs => %s)
 ORDER BY r.id FOR UPDATE OF r
""")
LOCK_FLOWS = Prepared("""
SELECT pg_advisory_xact_lock_shared(lock) FROM
    (SELECT DISTINCT hashtext(flow) AS lock FROM unnest(%s::text[]) AS flow ORDER BY 1) AS locks
""")
SWITCHES = Prepared("""
SELECT kind, system, mode, NULL FROM modes WHERE kind = ANY(%(kinds)s::text[])
UNION ALL SELECT kind, NULL, NULL, version FROM mapping_versions WHERE kind = ANY(%(kinds)s::text[])
""")
CLOSE_DECIDED = Prepared("""
UPDATE attempts a SET status = d.status, note = d.note, finished_at = clock_timestamp()
  FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]) AS d (record_id, id, status, note)
 WHERE a.record_id = d.record_id AND a.id = d.id AND a.status = 'open'
""")
OPEN = Prepared("""
WITH planned AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('attempts', 'id')) AS id, p.*,
           lease_until + make_interval(secs => linger_s + %s) AS sure_at
      FROM unnest(%s::int[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                  %s::int[], %s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::float8[])
        AS p (n, record_id, system, kind, op, action, key,
              mapping_version, fence, fields, request, lease_until, linger_s)),
made AS (
    INSERT INTO attempts (id, record_id, system, kind, op, action, key, mapping_version, fence, fields,
                          request, sure_at)
    OVERRIDING SYSTEM VALUE
    SELECT id, record_id, system, kind, op, action, key, mapping_version, fence, fields::jsonb,
           request::jsonb, sure_at FROM planned)
SELECT n, id, sure_at FROM planned
""")
SHADOW = """
INSERT INTO attempts (record_id, system, kind, op, action, key, mapping_version, fence, fields, status,
                      sure_at, finished_at)
SELECT r.id, %(system)s, %(kind)s, %(op)s, %(action)s, %(key)s, %(version)s, r.fence, %(fields)s::jsonb,
       'shadow', clock_timestamp(), clock_timestamp()
  FROM records r
 WHERE r.id = %(id)s AND r.fence = %(fence)s AND NOT EXISTS (
    SELECT FROM (SELECT * FROM attempts a WHERE a.record_id = %(id)s AND a.system = %(system)s
                    AND a.status = 'shadow' ORDER BY a.started_at DESC LIMIT 1) AS newest
     WHERE newest.op = %(op)s AND newest.action = %(action)s AND newest.mapping_version = %(version)s
       AND newest.fields = %(fields)s::jsonb)
"""


def open_attempts(
    tx: Tx,
    openings: Sequence[Opening],
    *,
    call_s: float,
    margin_s: float,
    modes: Mapping[tuple[str, str], str],
    versions: Mapping[str, int],
) -> list[Opened | LostLease | Replan | Taken]:
    """Open one attempt per opening, in order, if its record is still held and nothing was switched (W1).

    ``modes`` by (kind, system) and ``versions`` by kind are what the calls were planned under; a flow
    that stands in neither table is live under any version. Call nothing before the commit (W2).
    """
    if not openings:
        return []
    ids = [one.claim.id for one in openings]
    fences = [one.claim.fence for one in openings]
    # The row stays locked to the end: a claim that commits in between could not see our attempt.
    leases: dict[int, datetime] = dict(tx.rows(HOLDING, (ids, fences, call_s + margin_s)))
    held = [one for one in openings if one.claim.id in leases]
    if not held:
        return [LostLease() for _ in openings]
    _close_decided(tx, held)
    tx.execute(LOCK_FLOWS, ([f"{one.kind}/{one.system}" for one in held],))
    replans = _switched(tx, held, modes, versions)
    planned = [one for one in held if id(one) not in replans]
    refused = reserve(tx, [(one.claim.kind, one.claim.id, one.identities) for one in planned])
    opened = _insert(tx, [one for one in planned if one.claim.id not in refused], leases, margin_s)
    answers: list[Opened | LostLease | Replan | Taken] = []
    for one in openings:
        if one.claim.id not in leases:
            answers.append(LostLease())
        elif id(one) in replans:
            answers.append(replans[id(one)])
        else:
            answers.append(refused.get(one.claim.id) or opened[id(one)])
    return answers


def _close_decided(tx: Tx, held: Sequence[Opening]) -> None:
    rows = [(one.claim.id, *decided) for one in held for decided in one.decided]
    if rows:
        tx.execute(CLOSE_DECIDED, tuple(list(column) for column in zip(*rows, strict=True)))


def _switched(
    tx: Tx, held: Sequence[Opening], modes: Mapping[tuple[str, str], str], versions: Mapping[str, int]
) -> dict[int, Replan]:
    active_modes: dict[tuple[str, str], str] = {}
    active_versions: dict[str, int] = {}
    for kind, system, mode, version in tx.rows(SWITCHES, {"kinds": sorted({one.kind for one in held})}):
        if system is None:
            active_versions[kind] = version
        else:
            active_modes[kind, system] = mode
    replans: dict[int, Replan] = {}
    for one in held:
        now, then = active_modes.get((one.kind, one.system), LIVE), modes.get((one.kind, one.system), LIVE)
        loaded = versions.get(one.kind, one.mapping_version)
        active = active_versions.get(one.kind, loaded)
        if now != then:
            replans[id(one)] = Replan(f"the flow {one.kind} to {one.system} was switched from {then}"
                                      f" to {now}")
        elif active != loaded or active != one.mapping_version:
            replans[id(one)] = Replan(f"the mapping of {one.kind} is version {active} now,"
                                      f" the call was planned under {one.mapping_version}")
    return replans


def _insert(
    tx: Tx, openings: Sequence[Opening], leases: Mapping[int, datetime], margin_s: float
) -> dict[int, Opened]:
    if not openings:
        return {}
    rows = [
        (number, one.claim.id, one.system, one.kind, one.op, one.action, one.key,
         one.mapping_version, one.claim.fence, as_json(one.fields), storable_json(one.request),
         leases[one.claim.id], one.linger_s)
        for number, one in enumerate(openings)
    ]
    found = tx.rows(OPEN, (margin_s, *(list(column) for column in zip(*rows, strict=True))))
    return {
        id(openings[number]): Opened(attempt_id, leases[openings[number].claim.id], sure_at)
        for number, attempt_id, sure_at in found
    }


def create_gate(tx: Tx, system: str, kind: str, first_seen_at: datetime, but_record: int) -> bool:
    """Say whether an unknown foreign record may get counterparts: no create of ours made it (R2)."""
    row = tx.execute(
        "SELECT NOT EXISTS (SELECT FROM attempts WHERE system = %s AND kind = %s AND status = 'open'"
        " AND op = 'create' AND started_at < %s AND record_id <> %s)",
        (system, kind, first_seen_at, but_record),
    ).fetchone()
    return bool(row and row[0])


def record_shadow(
    tx: Tx,
    claim: Claim,
    system: str,
    kind: str,
    op: str,
    action: str,
    key: str,
    mapping_version: int,
    fields: Mapping[str, Any] | JsonText,
) -> bool:
    """Keep what would have been sent; False when the newest shadow of this place says the same already."""
    tx.execute(SHADOW, {
        "id": claim.id, "fence": claim.fence, "system": system, "kind": kind, "op": op, "action": action,
        "key": storable(key), "version": mapping_version, "fields": as_json(fields),
    })
    return tx.rowcount == 1
