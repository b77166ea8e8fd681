"""``explain``: all that happened to one record, told from the ledger in the order it happened (law L5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sync_workers.ledger import events
from sync_workers.ledger.events import Event
from sync_workers.ledger.statements import Tx

MOST_EVENTS = 500


@dataclass(frozen=True)
class Candidate:
    """A record that a person may have meant."""

    record_id: int
    kind: str
    system: str
    external_id: str


# By any id in any system, by the reference that targets store, by its number in the ledger.
FIND = """
SELECT DISTINCT ON (id) id, kind, system, external_id FROM (
    SELECT coalesce(r.merged_into, r.id) AS id, r.kind, f.system, f.external_id
      FROM refs f JOIN records r ON r.id = f.record_id
     WHERE f.kind = %(kind)s AND f.external_id = %(wanted)s AND (%(system)s::text IS NULL OR f.system = %(system)s)
    UNION ALL
    SELECT coalesce(r.merged_into, r.id), r.kind, r.origin_system, r.origin_id FROM records r
     WHERE r.kind = %(kind)s AND %(wanted)s IN (
           r.origin_system || '-' || r.kind || '-' || r.origin_id, r.origin_system || ':' || r.origin_id, '#' || r.id)
) AS found ORDER BY id, system
"""
RECORD = """
SELECT kind, state, origin_system, origin_id, incarnation, due_at, asked, settled, failures, owner, lease_until,
       fence, hold_code, hold_reason, hold_mend, hold_since, mapping_version, note, waits_for, merged_into, created_at
  FROM records WHERE id = %s
"""
REFS = "SELECT system, external_id, alias_of IS NOT NULL, version, coalesce(sent, held), held, gone_since FROM refs" \
       " WHERE record_id = %s ORDER BY id"
ATTEMPTS = """
SELECT id, system, kind, op, action, key, mapping_version, fence, fields, request, response, status, note,
       started_at, finished_at, took_ms, sure_at, late_answer
  FROM attempts WHERE record_id = ANY(%s::bigint[]) ORDER BY started_at, id
"""
OVERRULES = """
SELECT field, system, lost, winner, won, rule, mapping_version, at FROM overrules
 WHERE record_id = ANY(%s::bigint[]) ORDER BY at, id
"""
LETTERS = """
SELECT id, error, message, mend, field, state, attempts, first_failed_at, last_failed_at, who, why, traceback
  FROM dead_letters WHERE record_id = ANY(%s::bigint[]) ORDER BY id
"""


def candidates(tx: Tx, kind: str, wanted: str, system: str | None = None) -> list[Candidate]:
    """Return the records that ``wanted`` may mean: an external id, ``system:id``, our reference or ``#number``."""
    rows = tx.rows(FIND, {"kind": kind, "wanted": wanted, "system": system})
    return [Candidate(*row) for row in rows]


def tell(tx: Tx, record_id: int) -> dict[str, Any]:
    """Return the fixed shape of ``explain --json``. LookupError when there is no such record."""
    row = tx.execute(RECORD, (record_id,)).fetchone()
    if row is None:
        raise LookupError(f"there is no record {record_id}")
    names = ("kind", "state", "origin_system", "origin_id", "incarnation", "due_at", "asked", "settled", "failures",
             "owner", "lease_until", "fence", "hold_code", "hold_reason", "hold_mend", "hold_since",
             "mapping_version", "note", "waits_for", "merged_into", "created_at")
    record = _plain(dict(zip(names, row, strict=True)))
    joined = [found[0] for found in tx.rows("SELECT id FROM records WHERE merged_into = %s", (record_id,))]
    ids = [record_id, *joined]
    places = tx.rows(REFS, (record_id,))
    hold = None
    if record["state"] == "held":
        hold = {"code": record["hold_code"], "reason": record["hold_reason"], "mend": record["hold_mend"],
                "since": record["hold_since"]}
    return {
        "kind": record["kind"], "refs": {place[0]: place[1] for place in places if not place[2]},
        "state": record["state"], "record": record_id, "hold": hold, "note": record["note"],
        "due_at": record["due_at"], "failures": record["failures"], "waits_for": record["waits_for"],
        "merged_into": record["merged_into"], "joined": joined, "created_at": record["created_at"],
        "origin": {"system": record["origin_system"], "id": record["origin_id"],
                   "incarnation": record["incarnation"]},
        "aliases": [f"{place[0]}:{place[1]}" for place in places if place[2]],
        "bases": {place[0]: _plain({"version": place[3], "sent": place[4], "held": place[5], "gone_since": place[6]})
                  for place in places if not place[2]},
        "events": [event.as_json() for event in _events(tx, ids)],
        "attempts": [_attempt(found) for found in tx.rows(ATTEMPTS, (ids,))],
        "overrules": [_named(found, "field", "system", "lost", "winner", "won", "rule", "mapping", "at")
                      for found in tx.rows(OVERRULES, (ids,))],
        "letters": [_named(found, "id", "error", "message", "mend", "field", "state", "attempts", "first_failed_at",
                           "last_failed_at", "who", "why", "traceback") for found in tx.rows(LETTERS, (ids,))],
    }


def _events(tx: Tx, ids: list[int]) -> list[Event]:
    found = [event for record_id in ids for event in events.listed(tx, record_id=record_id, limit=MOST_EVENTS)]
    return sorted(found, key=lambda event: event.id)


def _attempt(row: tuple[Any, ...]) -> dict[str, Any]:
    named = _named(row, "id", "system", "kind", "op", "action", "key", "mapping", "fence", "fields", "request",
                   "response", "status", "note", "at", "finished_at", "took_ms", "sure_at", "late_answer")
    return {"system": named.pop("system"), "mapping": named.pop("mapping"), "fields": named.pop("fields"),
            "status": named.pop("status"), "at": named.pop("at"), "took_ms": named.pop("took_ms"), **named}


def _named(row: tuple[Any, ...], *names: str) -> dict[str, Any]:
    return _plain(dict(zip(names, row, strict=True)))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}
