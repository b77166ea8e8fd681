"""Whether a system serves anybody now: counted over the whole fleet, opened and closed in the ledger.

An open circuit costs its records nothing: they wait for a date, one of them at a time tests the water,
and the first answer lets all of them go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sync_workers.ledger.alerts import close_incident, raise_alert
from sync_workers.ledger.statements import Tx
from sync_workers.ledger.texts import storable

PROBE_S = 60.0  # longer than one call: a probe that never came back gives its turn to another
FLAPS_WITHIN_S = 600.0
WAITS_AT_MOST_S = 600.0  # a record that waits for a system has its date nearer than this (protocol D5)
REASON_CHARS = 300

FAIL = """
INSERT INTO circuits AS c (system, failures, reason) VALUES (%(system)s, 1, %(reason)s)
ON CONFLICT (system) DO UPDATE SET failures = c.failures + 1, reason = excluded.reason,
   probe_at = CASE WHEN c.state = 'open' THEN clock_timestamp() + make_interval(secs => %(probe_s)s) END
RETURNING state, failures
"""
OPEN = """
UPDATE circuits SET state = 'open', opened_at = clock_timestamp(), changed_at = clock_timestamp(),
       probe_at = clock_timestamp() + make_interval(secs => %(probe_s)s) WHERE system = %(system)s
"""
SUCCEED = """
UPDATE circuits c SET state = 'closed', failures = 0, probe_at = NULL, opened_at = NULL, reason = '',
       changed_at = CASE WHEN was.state = 'open' THEN clock_timestamp() ELSE c.changed_at END
  FROM (SELECT system, state FROM circuits WHERE system = %s AND (state = 'open' OR failures > 0) FOR UPDATE) was
 WHERE c.system = was.system RETURNING was.state
"""
# Only a date comes nearer, so no event is needed: a record under lease is left out, and the date that its
# holder writes is a probe away at the most.
WAKE = """
WITH waiting AS MATERIALIZED (
    SELECT id FROM records
     WHERE due_at > clock_timestamp() AND due_at < clock_timestamp() + make_interval(secs => %s)
       AND state = 'open' AND owner IS NULL AND waits_for IS NULL
     ORDER BY id FOR UPDATE SKIP LOCKED)
UPDATE records r SET due_at = clock_timestamp() FROM waiting WHERE r.id = waiting.id
"""


@dataclass(frozen=True)
class Circuit:
    """One system's state; ``failures`` in a row, ``probe_at`` when the next probe may go out."""

    state: str
    probe_at: datetime | None
    reason: str
    failures: int
    opened_at: datetime | None = None


def states(tx: Tx) -> dict[str, Circuit]:
    """Return what is known of each system that ever failed; one that is not here is fine."""
    rows = tx.rows("SELECT system, state, probe_at, reason, failures, opened_at FROM circuits")
    return {row[0]: Circuit(*row[1:]) for row in rows}


def incident_of(system: str) -> str:
    return f"down:{system}"


def note_failure(tx: Tx, system: str, reason: str, *, threshold: int, probe_s: float) -> bool:
    """Count a failure of the system itself; True when this one opened the circuit, with its one alert.

    On an open circuit it puts the next probe off.
    """
    asked = {"system": system, "reason": storable(reason, most=REASON_CHARS), "probe_s": probe_s}
    row = tx.execute(FAIL, asked).fetchone()
    assert row is not None
    state, failures = row
    if state == "open" or failures < threshold:
        return False
    tx.execute(OPEN, asked)
    raise_alert(
        tx, incident_of(system), "critical", f"{system} is down",
        f"{system} failed {failures} times in a row: {asked['reason']}\n"
        f"Its work waits in the ledger and uses up no retries; it goes on by itself when {system} answers.\n"
        f"What to do: see that {system} runs, can be reached and accepts our credentials (sync-workers doctor).\n"
        "How much waits: sync-workers status",
        quiet_s=FLAPS_WITHIN_S,
    )
    return True


def note_success(tx: Tx, system: str) -> bool:
    """Forget the failures; True when this closed the circuit: the alert ends and what waits is due now."""
    row = tx.execute(SUCCEED, (system,)).fetchone()
    if row is None or row[0] != "open":
        return False
    close_incident(tx, incident_of(system))
    tx.execute(WAKE, (WAITS_AT_MOST_S,))
    return True


def may_probe(tx: Tx, system: str) -> bool:
    """Claim the next probe of an open circuit: True for one caller until its failure, or PROBE_S, makes room."""
    tx.execute(
        "UPDATE circuits SET probe_at = clock_timestamp() + make_interval(secs => %s)"
        " WHERE system = %s AND state = 'open' AND probe_at <= clock_timestamp()", (PROBE_S, system),
    )
    return tx.rowcount == 1
