"""Leases on records: who works on which, for how long, under which fence (protocol section 3).

What a claimed record carries is loaded by ``works``; how a lease ends with a result is ``settle``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync_workers.ledger.statements import Prepared, Tx


@dataclass(frozen=True)
class Claim:
    """One lease. ``gen`` is what this run may settle (protocol S1); ``fence`` proves that we still hold it.

    ``lapses`` counts leases that ran out in a row, this record's last ones: the first may be a
    neighbour's fault, since the record may have been claimed in a batch then; any further one is its own.
    ``facts`` are those stored with its hold or dead letter. ``claimed_at`` is the database's time.
    """

    id: int
    kind: str
    fence: int
    gen: int
    failures: int
    lapses: int
    incarnation: int
    origin_system: str
    origin_id: str
    state: str
    forced: bool
    facts: str | None
    stale_reads: int
    first_failed_at: datetime | None
    hold_code: str | None
    hold_since: datetime | None
    hold_reason: str | None
    hold_mend: str | None
    claimed_at: datetime
    mapping_version: int | None = None


_CLAIM = """
WITH picked AS MATERIALIZED (
    SELECT r.id FROM records r
      JOIN unnest(%(kinds)s::text[], %(versions)s::int[]) AS loaded (kind, version) ON loaded.kind = r.kind
      LEFT JOIN mapping_versions m ON m.kind = r.kind
     WHERE r.id = ANY(%(ids)s::bigint[]) AND coalesce(r.due_at, 'infinity') <= clock_timestamp()
       AND (m.version IS NULL OR m.version = loaded.version)
       AND r.state IN ('open', 'held', 'dead')
       AND (r.lease_until IS NULL OR r.lease_until < clock_timestamp())
       AND {lapsed}
     ORDER BY {order}
     FOR UPDATE OF r SKIP LOCKED)
UPDATE records r
   SET owner = %(owner)s, fence = r.fence + 1,
       lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s),
       lapses = r.lapses + (r.owner IS NOT NULL)::int
  FROM picked WHERE r.id = picked.id
RETURNING r.id, r.kind, r.fence, r.asked, r.failures, r.lapses, r.incarnation, r.origin_system, r.origin_id,
          r.state, r.forced, r.facts, r.stale_reads, r.first_failed_at, r.hold_code, r.hold_since,
          r.hold_reason, r.hold_mend, clock_timestamp(), r.mapping_version
"""
# An owner whose lease ran out is a lapse that no claim has counted yet.
CLAIM_SOUND = Prepared(_CLAIM.format(lapsed="r.lapses = 0 AND r.owner IS NULL", order="r.id"))
# The one that lapsed least goes first: neighbours of a record that kills its worker are not to wait for it.
CLAIM_LAPSED = Prepared(_CLAIM.format(lapsed="(r.lapses > 0 OR r.owner IS NOT NULL)",
                                      order="r.lapses + (r.owner IS NOT NULL)::int, r.id LIMIT 1"))

LOCK = Prepared("SELECT 1 FROM records WHERE id = ANY(%s::bigint[]) ORDER BY id FOR UPDATE")

# statement_timestamp() and not clock_timestamp(): only a stable function can bound an index scan.
DUE = """
SELECT r.id, r.kind,
       (SELECT CASE WHEN bool_and(e.source IN ('replay', 'reconcile')) THEN 'reconcile' ELSE 'webhook' END
          FROM events e WHERE e.record_id = r.id AND e.settled_at IS NULL)
  FROM records r
 WHERE due_at <= statement_timestamp() AND state IN ('open', 'held', 'dead')
   AND (lease_until IS NULL OR lease_until < statement_timestamp())
   AND (%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s::text[]))
 ORDER BY due_at LIMIT %(limit)s
"""


def claim(
    tx: Tx, ids: Sequence[int], *, owner: str, lease_s: float, versions: Mapping[str, int]
) -> list[Claim]:
    """Lease what is due of ``ids`` and free, in order of id; the rest is somebody else's or not due.

    ``versions`` are the mapping versions that this worker has loaded: a kind with another active version
    (table ``mapping_versions``) is left to workers that have it (C5); one never activated is anybody's.
    Records whose last holder never let go are claimed one at a time, when no other is left (C3): ask
    again until nothing comes. ``due_at`` stays (C1). Commit before reading anything else (C2).
    """
    if not ids or not versions:
        return []
    asked = {
        "ids": list(ids), "owner": owner, "lease_s": lease_s,
        "kinds": list(versions), "versions": list(versions.values()),
    }
    rows = tx.rows(CLAIM_SOUND, asked) or tx.rows(CLAIM_LAPSED, asked)
    return sorted((Claim(*row) for row in rows), key=lambda found: found.id)


def due(tx: Tx, *, limit: int, kinds: Iterable[str] | None = None) -> list[tuple[int, str, str]]:
    """Return (id, kind, source) of what is due and not leased, the longest due first: the sweep's question.

    ``source`` is "reconcile" for what only work in bulk has asked for, else "webhook".
    """
    wanted = None if kinds is None else list(kinds)
    return [(row[0], row[1], row[2]) for row in tx.rows(DUE, {"kinds": wanted, "limit": limit})]


def oldest_due(tx: Tx) -> timedelta | None:
    """Return how long the longest due record has been due, leased or not; None when nothing is due."""
    row = tx.execute(
        "SELECT statement_timestamp() - min(due_at) FROM records WHERE due_at <= statement_timestamp()"
    ).fetchone()
    return row[0] if row else None


def lock(tx: Tx, ids: Iterable[int], *, at_once: bool = True) -> None:
    """Lock records in order of id. Call it first where one transaction settles some and opens others:
    then it cannot meet an arrival's locks the other way round. Not ``at_once``: with the next statement."""
    (tx.execute if at_once else tx.later)(LOCK, (list(ids),))


def standing(tx: Tx, record_id: int) -> tuple[str, str, str]:
    """Return a record's state, why it has stopped ('' when it has not), and the system in which it was born."""
    row = tx.execute(
        """
        SELECT r.state, CASE r.state WHEN 'held' THEN r.hold_reason WHEN 'dead' THEN l.message END,
               r.origin_system
          FROM records r LEFT JOIN dead_letters l ON l.record_id = r.id AND l.state IN ('open', 'requeued')
         WHERE r.id = (SELECT coalesce(merged_into, id) FROM records WHERE id = %s)
        """,
        (record_id,),
    ).fetchone()
    if row is None:
        raise LookupError(f"there is no record {record_id}")
    return row[0], row[1] or "", row[2]


def waits_on(tx: Tx, record_id: int) -> list[int]:
    """Return the records that this one waits for, directly and through others (protocol D3)."""
    rows = tx.rows(
        "WITH RECURSIVE chain AS (SELECT id, waits_for, 1 AS n FROM records WHERE id = %s"
        " UNION ALL SELECT r.id, r.waits_for, n + 1 FROM records r JOIN chain ON r.id = chain.waits_for WHERE n < 50)"
        " SELECT DISTINCT waits_for FROM chain WHERE waits_for IS NOT NULL", (record_id,),
    )
    return [row[0] for row in rows]


def renew(tx: Tx, held: Claim, lease_s: float) -> bool:
    """Lengthen a lease that is still ours; False when somebody else has taken it or it was given back."""
    tx.execute(
        "UPDATE records SET lease_until = clock_timestamp() + make_interval(secs => %s)"
        " WHERE id = %s AND fence = %s AND owner IS NOT NULL",
        (lease_s, held.id, held.fence),
    )
    return tx.rowcount == 1


def release(tx: Tx, held: Iterable[Claim]) -> set[int]:
    """Give leases back untouched: ``due_at`` stays, no failure, no lapse (C4). Returns those still ours."""
    claims = sorted(held, key=lambda one: one.id)
    if not claims:
        return set()
    rows = tx.rows(
        """
        WITH ours AS MATERIALIZED (
            SELECT r.id FROM records r
              JOIN unnest(%s::bigint[], %s::bigint[]) AS held (id, fence)
                ON held.id = r.id AND held.fence = r.fence
             WHERE r.owner IS NOT NULL ORDER BY r.id FOR UPDATE OF r)
        UPDATE records r SET owner = NULL, lease_until = NULL FROM ours WHERE r.id = ours.id RETURNING r.id
        """,
        ([one.id for one in claims], [one.fence for one in claims]),
    )
    return {row[0] for row in rows}


def expire(tx: Tx, owner: str) -> list[int]:
    """End the leases of a worker that is known to be dead, and return its records. The fence keeps this safe
    even if it were not: whoever claims next raises it."""
    rows = tx.rows(
        "UPDATE records r SET lease_until = clock_timestamp() FROM (SELECT id FROM records WHERE owner = %s"
        " ORDER BY id FOR UPDATE) AS held WHERE r.id = held.id RETURNING r.id", (owner,),
    )
    return [row[0] for row in rows]
