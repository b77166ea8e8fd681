"""The ledger in numbers, for ``status``: what came in, what became of it, what waits, who is told."""

from __future__ import annotations

from typing import Any

from sync_workers.ledger import circuits, doorstep
from sync_workers.ledger.statements import Tx

OUTCOMES = ("applied", "unchanged", "superseded", "dead", "handled", "discarded")

# A dead event whose record has gone through since is superseded by the one that did.
EVENTS = """
SELECT CASE WHEN e.settled_at IS NULL THEN 'pending'
            WHEN e.outcome = 'dead' AND r.state <> 'dead' AND l.record_id IS NULL THEN 'superseded'
            ELSE e.outcome END, count(*)
  FROM events e LEFT JOIN records r ON e.outcome = 'dead' AND r.id = e.record_id
  LEFT JOIN dead_letters l ON l.record_id = r.id AND l.state IN ('open', 'requeued')
 GROUP BY 1
"""
RECORDS = """
SELECT count(*) FILTER (WHERE due_at <= clock_timestamp() AND state <> 'merged'),
       count(*) FILTER (WHERE state = 'held'), count(*) FILTER (WHERE state = 'dead'),
       coalesce(extract(epoch FROM clock_timestamp() - min(due_at)
                FILTER (WHERE due_at <= clock_timestamp() AND state <> 'merged')), 0)::float8,
       count(*) FILTER (WHERE due_at > clock_timestamp() AND state = 'open'),
       count(*) FILTER (WHERE owner IS NOT NULL)
  FROM records WHERE due_at IS NOT NULL OR state IN ('held', 'dead') OR owner IS NOT NULL
"""
SYSTEMS = """
SELECT DISTINCT system FROM refs UNION SELECT system FROM circuits UNION SELECT system FROM cursors
"""
POLLS = "SELECT system, kind, extract(epoch FROM clock_timestamp() - polled_at)::float8 FROM cursors ORDER BY 1, 2"
HOLDS = """
SELECT kind, hold_code, count(*), min(hold_since), min(hold_mend) FROM records WHERE state = 'held'
 GROUP BY kind, hold_code ORDER BY 3 DESC, 1, 2
"""
ALERTS = """
SELECT incident, severity, subject, count, opened_at, sent_at, error, closed_at FROM alerts
 WHERE closed_at IS NULL OR sent_at IS NULL
 ORDER BY array_position('{critical,error,warning,info}'::text[], severity), opened_at LIMIT %s
"""
ALERT_COUNTS = "SELECT count(*) FILTER (WHERE closed_at IS NULL), count(*) FILTER (WHERE sent_at IS NULL) FROM alerts" \
               " WHERE closed_at IS NULL OR sent_at IS NULL"
SHOWN_ALERTS = 50


def status(tx: Tx) -> dict[str, Any]:
    """Return the fixed shape of ``status --json``, with holds and alerts spelled out beside it."""
    found: dict[str, int] = {row[0]: row[1] for row in tx.rows(EVENTS)}
    lying, accepted = doorstep.lying(tx)
    found["pending"] = found.get("pending", 0) + lying
    events = {"received": sum(found.values()), "pending": found["pending"]}
    events |= {name: found.get(name, 0) for name in OUTCOMES}
    row = tx.execute(RECORDS).fetchone() or (0, 0, 0, 0.0, 0, 0)
    oldest_s = max(row[3], accepted.total_seconds() if accepted is not None else 0.0)
    records = {"due": row[0], "held": row[1], "dead": row[2], "oldest_due_s": round(oldest_s, 1), "waiting": row[4],
               "at_work": row[5]}
    return {
        "events": events, "records": records, "systems": systems(tx), "alerts": _alerts(tx), "holds": _holds(tx),
        "quarantine": _quarantine(tx),
    }


def systems(tx: Tx) -> dict[str, dict[str, Any]]:
    """Return the state of every system that the ledger knows, ``up`` or ``down``, with its polls and switches."""
    known: dict[str, dict[str, Any]] = {row[0]: {"state": "up"} for row in tx.rows(SYSTEMS)}
    for name, circuit in circuits.states(tx).items():
        if circuit.state == "open":
            since = circuit.opened_at.isoformat() if circuit.opened_at else None
            probe = circuit.probe_at.isoformat() if circuit.probe_at else None
            known[name] = {"state": "down", "reason": circuit.reason, "since": since, "next_probe_at": probe}
        elif circuit.failures:
            known[name]["failures"] = circuit.failures
    for name, kind, age_s in tx.rows(POLLS):
        known[name].setdefault("polled_s_ago", {})[kind] = round(age_s, 1)
    for kind, name, mode in tx.rows("SELECT kind, system, mode FROM modes WHERE mode <> 'live' ORDER BY 1, 2"):
        known.setdefault(name, {"state": "up"}).setdefault("modes", {})[kind] = mode
    for kind, name in tx.rows("SELECT kind, system FROM contracts WHERE drift <> '[]' ORDER BY 1, 2"):
        known.setdefault(name, {"state": "up"}).setdefault("drifted", []).append(kind)
    return dict(sorted(known.items()))


def _alerts(tx: Tx) -> dict[str, Any]:
    row = tx.execute(ALERT_COUNTS).fetchone() or (0, 0)
    listed = [
        {"incident": incident, "severity": severity, "subject": subject, "count": count, "since": at.isoformat(),
         "sent": sent_at is not None, "error": error, "open": closed_at is None}
        for incident, severity, subject, count, at, sent_at, error, closed_at in tx.rows(ALERTS, (SHOWN_ALERTS,))
    ]
    return {"open": row[0], "unsent": row[1], "list": listed}


def _holds(tx: Tx) -> list[dict[str, Any]]:
    return [
        {"kind": kind, "code": code, "count": count, "since": since.isoformat() if since else None, "mend": mend}
        for kind, code, count, since, mend in tx.rows(HOLDS)
    ]


def _quarantine(tx: Tx) -> int:
    row = tx.execute("SELECT count(*) FROM quarantine WHERE state = 'open'").fetchone()
    return int(row[0]) if row else 0
