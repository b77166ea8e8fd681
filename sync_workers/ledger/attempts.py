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
from sync_workers.ledger.columns import as_columns, as_documents
from sync_workers.ledger.identities import Taken, reserve
from sync_workers.ledger.statements import Prepared, Row, Tx
from sync_workers.ledger.texts import as_json, storable, storable_json

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


HOLD = Prepared("""
SELECT 1 FROM unnest(%s::bigint[], %s::bigint[]) AS held (id, fence)
  JOIN records r ON r.id = held.id AND r.fence = held.fence
 WHERE r.lease_until > clock_timestamp() + make_interval(secs => %s)
 ORDER BY r.id FOR UPDATE OF r
""")
LOCK_FLOWS = Prepared("""
SELECT pg_advisory_xact_lock_shared(lock) FROM
    (SELECT DISTINCT hashtext(flow) AS lock FROM unnest(%s::text[]) AS flow ORDER BY 1) AS locks
""")
_PLANNED = """
    SELECT p.*, r.lease_until, coalesce(m.mode, 'live') AS mode_now, coalesce(v.version, p.loaded) AS version_now
      FROM planned p
      LEFT JOIN records r ON r.id = p.record_id AND r.fence = p.fence
                         AND r.lease_until > clock_timestamp() + make_interval(secs => p.worst_s)
      LEFT JOIN modes m ON m.kind = p.kind AND m.system = p.system
      LEFT JOIN mapping_versions v ON v.kind = p.kind
"""
STATES = Prepared(f"""
WITH planned AS (
    SELECT * FROM unnest(%s::int[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::int[], %s::float8[])
        AS p (n, record_id, system, kind, fence, loaded, worst_s))
SELECT n, lease_until, mode_now, version_now FROM ({_PLANNED}) AS states
""")  # noqa: S608 -- built once, of constants
CLOSE_DECIDED = Prepared("""
UPDATE attempts a SET status = d.status, note = d.note, finished_at = clock_timestamp()
  FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]) AS d (record_id, id, status, note)
 WHERE a.record_id = d.record_id AND a.id = d.id AND a.status = 'open' AND a.record_id = ANY(%s::bigint[])
""")
# What was planned under another mode or version, or is held no more, gets no attempt: the answer says what is now.
OPEN = Prepared(f"""
WITH planned AS (
    SELECT * FROM unnest(%s::int[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                         %s::int[], %s::bigint[], %s::float8[], %s::int[], %s::text[], %s::float8[],
                         string_to_array(%s, chr(30), ''), string_to_array(%s, chr(30), ''))
        AS p (n, record_id, system, kind, op, action, key, mapping_version, fence, linger_s, loaded, mode, worst_s,
              fields, request)),
states AS MATERIALIZED ({_PLANNED}),
opened AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('attempts', 'id')) AS id, s.*,
           lease_until + make_interval(secs => linger_s + %s) AS sure_at
      FROM states s
     WHERE lease_until IS NOT NULL AND mode_now = mode AND version_now = loaded AND version_now = mapping_version),
made AS (
    INSERT INTO attempts (id, record_id, system, kind, op, action, key, mapping_version, fence, fields,
                          request, sure_at)
    OVERRIDING SYSTEM VALUE
    SELECT id, record_id, system, kind, op, action, key, mapping_version, fence, fields::jsonb,
           request::json, sure_at FROM opened)
SELECT s.n, s.lease_until, s.mode_now, s.version_now, o.id, o.sure_at FROM states s LEFT JOIN opened o USING (n)
""")  # noqa: S608
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
    plans = [
        _Plan(number, one, call_s + margin_s, versions.get(one.kind, one.mapping_version),
              modes.get((one.kind, one.system), LIVE))
        for number, one in enumerate(openings)
    ]
    # The rows stay locked to the end: a claim that commits in between could not see our attempt. Then the flows:
    # whoever switches one either has committed, and the next statement sees it, or waits for us.
    tx.later(HOLD, ([one.claim.id for one in openings], [one.claim.fence for one in openings], call_s + margin_s))
    tx.later(LOCK_FLOWS, ([f"{one.kind}/{one.system}" for one in openings],))
    answers: dict[int, Opened | LostLease | Replan | Taken] = {}
    if any(one.identities or one.decided for one in openings):
        answers = _settle_beforehand(tx, plans)
    left = [plan for plan in plans if plan.number not in answers]
    for number, lease_until, mode, version, attempt_id, sure_at in _insert(tx, left, margin_s):
        answers[number] = plans[number].judge(lease_until, mode, version) or Opened(attempt_id, lease_until, sure_at)
    return [answers[plan.number] for plan in plans]


@dataclass(frozen=True)
class _Plan:
    """An opening with what it was planned under: ``loaded`` is the version that this worker has."""

    number: int
    opening: Opening
    worst_s: float
    loaded: int
    mode: str

    def judge(self, lease_until: datetime | None, mode: str, version: int) -> LostLease | Replan | None:
        """Say why no attempt may be opened, None when it may."""
        one = self.opening
        if lease_until is None:
            return LostLease()
        if mode != self.mode:
            return Replan(f"the flow {one.kind} to {one.system} was switched from {self.mode} to {mode}")
        if version != self.loaded or version != one.mapping_version:
            return Replan(f"the mapping of {one.kind} is version {version} now,"
                          f" the call was planned under {one.mapping_version}")
        return None


def _settle_beforehand(tx: Tx, plans: Sequence[_Plan]) -> dict[int, Opened | LostLease | Replan | Taken]:
    """Close what was decided and reserve natural keys, for what is still held; return what gets no attempt."""
    rows = [(plan.number, plan.opening.claim.id, plan.opening.system, plan.opening.kind, plan.opening.claim.fence,
             plan.loaded, plan.worst_s) for plan in plans]
    answers: dict[int, Opened | LostLease | Replan | Taken] = {}
    planned = []
    for number, lease_until, mode, version in tx.rows(STATES, as_columns(rows)):
        plan = plans[number]
        refused = plan.judge(lease_until, mode, version)
        if not isinstance(refused, LostLease):
            _close_decided(tx, plan.opening)
        if refused is None:
            planned.append(plan)
        else:
            answers[number] = refused
    planned.sort(key=lambda plan: plan.number)
    wishes = [(plan.opening.claim.kind, plan.opening.claim.id, plan.opening.identities) for plan in planned]
    taken = reserve(tx, wishes)
    answers |= {plan.number: taken[plan.opening.claim.id] for plan in planned if plan.opening.claim.id in taken}
    return answers


def _close_decided(tx: Tx, held: Opening) -> None:
    rows = [(held.claim.id, *decided) for decided in held.decided]
    if rows:
        tx.later(CLOSE_DECIDED, (*as_columns(rows), [held.claim.id]))


def _insert(tx: Tx, plans: Sequence[_Plan], margin_s: float) -> list[Row]:
    rows = [
        (plan.number, one.claim.id, one.system, one.kind, one.op, one.action, one.key, one.mapping_version,
         one.claim.fence, one.linger_s, plan.loaded, plan.mode, plan.worst_s)
        for plan in plans for one in (plan.opening,)
    ]
    fields = as_documents(as_json(plan.opening.fields) for plan in plans)
    requests = as_documents(storable_json(plan.opening.request) for plan in plans)
    return tx.rows(OPEN, (*as_columns(rows), fields, requests, margin_s)) if rows else []


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
