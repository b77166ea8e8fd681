"""The outbox of alerts: one standing row per incident, written in the transaction of its cause (law L6).

Sending is ``sync_workers.alerts``. Texts raised here go to people outside: ids and what to do, never
customer data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.statements import Tx
from sync_workers.ledger.texts import storable

SUBJECT_CHARS = 200
BODY_CHARS = 4000
DIGEST_AFTER_S = 3600  # an incident that goes on is told again, with its count
TAKEN_FOR_S = 120  # whoever dies while sending leaves the alert to the next one after this
FIRST_WAIT_S = 5
LONGEST_WAIT_S = 600

RAISE = """
INSERT INTO alerts AS a (incident, severity, subject, body, count)
VALUES (%(incident)s, %(severity)s, %(subject)s, %(body)s, %(count)s)
ON CONFLICT (incident) WHERE closed_at IS NULL DO UPDATE
   SET count = a.count + excluded.count, last_at = clock_timestamp(), subject = excluded.subject,
       body = excluded.body,
       severity = CASE WHEN array_position(%(order)s::text[], excluded.severity)
                          > array_position(%(order)s::text[], a.severity)
                       THEN excluded.severity ELSE a.severity END
RETURNING sent_at IS NULL AND count = %(count)s
"""
REOPEN = """
UPDATE alerts SET closed_at = NULL
 WHERE id = (SELECT id FROM alerts WHERE incident = %(incident)s AND sent_at IS NOT NULL
                AND closed_at > clock_timestamp() - make_interval(secs => %(quiet_s)s)
              ORDER BY id DESC LIMIT 1)
   AND NOT EXISTS (SELECT FROM alerts WHERE incident = %(incident)s AND closed_at IS NULL)
"""
TAKE = """
WITH due AS MATERIALIZED (
    SELECT id FROM alerts
     WHERE next_try_at <= statement_timestamp()
       AND (sent_at IS NULL OR (closed_at IS NULL AND count > sent_count
            AND sent_at < statement_timestamp() - make_interval(secs => %(digest_s)s)))
     ORDER BY array_position(%(order)s::text[], severity) DESC, opened_at
     LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
UPDATE alerts a SET next_try_at = clock_timestamp() + make_interval(secs => %(taken_s)s)
  FROM due WHERE a.id = due.id
RETURNING a.id, a.incident, a.severity, a.subject, a.body, a.count, a.opened_at, a.last_at, a.closed_at,
          a.sent_at, a.tries
"""
SEVERITIES = ["info", "warning", "error", "critical"]


@dataclass(frozen=True)
class Alert:
    """One incident to tell. ``sent_at`` is set when it was told before and has gone on since."""

    id: int
    incident: str
    severity: str
    subject: str
    body: str
    count: int
    opened_at: datetime
    last_at: datetime
    closed_at: datetime | None
    sent_at: datetime | None
    tries: int


def raise_alert(
    tx: Tx, incident: str, severity: str, subject: str, body: str = "", *, count: int = 1, quiet_s: float = 0.0
) -> bool:
    """Open an incident, or count one more in the standing one; True when this opened it.

    One that was told and closed less than ``quiet_s`` ago goes on instead of being told anew: for what
    flaps. Raise several in one transaction in the order of their incidents.
    """
    asked = {
        "incident": storable(incident, most=SUBJECT_CHARS), "severity": severity, "count": count,
        "subject": storable(subject, most=SUBJECT_CHARS), "body": storable(body, most=BODY_CHARS),
        "order": SEVERITIES, "quiet_s": quiet_s,
    }
    if quiet_s > 0:
        tx.execute(REOPEN, asked)
    row = tx.execute(RAISE, asked).fetchone()
    return bool(row and row[0])


def close_incident(tx: Tx, incident: str) -> bool:
    """End the standing incident; False when there was none. One that nobody was told of is still sent, once."""
    tx.execute(
        "UPDATE alerts SET closed_at = clock_timestamp() WHERE incident = %s AND closed_at IS NULL",
        (storable(incident, most=SUBJECT_CHARS),),
    )
    return tx.rowcount == 1


def due_alerts(tx: Tx, limit: int = 50) -> list[Alert]:
    """Take what is to be sent now, the gravest first. Commit before sending: nobody else is given these for
    TAKEN_FOR_S seconds, and a sender that dies leaves them to the next."""
    asked = {"limit": limit, "digest_s": DIGEST_AFTER_S, "taken_s": TAKEN_FOR_S, "order": SEVERITIES}
    found = [Alert(*row) for row in tx.rows(TAKE, asked)]
    return sorted(found, key=lambda alert: (-SEVERITIES.index(alert.severity), alert.opened_at))


def mark_sent(tx: Tx, alert: Alert, error: str | None = None) -> None:
    """Note that people were told ``alert`` as it was taken; what was counted since makes the next digest.

    ``error`` names a channel that did not take it while another one did.
    """
    tx.execute(
        "UPDATE alerts SET sent_at = clock_timestamp(), sent_count = %s, tries = 0, error = %s,"
        " next_try_at = clock_timestamp() WHERE id = %s", (alert.count, storable(error, most=500), alert.id),
    )


def mark_failed(tx: Tx, alert: Alert, error: str) -> None:
    """Try again later, after waits that double up to LONGEST_WAIT_S. There is no last try."""
    wait_s = min(FIRST_WAIT_S * 2 ** min(alert.tries, 20), LONGEST_WAIT_S)
    tx.execute(
        "UPDATE alerts SET tries = tries + 1, error = %s,"
        " next_try_at = clock_timestamp() + make_interval(secs => %s) WHERE id = %s",
        (storable(error, most=500), wait_s, alert.id),
    )


def mark_unsendable(tx: Tx, reason: str) -> int:
    """Note why nothing can be sent at all; returns how many alerts wait. They go out when that is mended."""
    tx.execute("UPDATE alerts SET error = %s WHERE sent_at IS NULL AND error IS DISTINCT FROM %s", (reason, reason))
    row = tx.execute("SELECT count(*) FROM alerts WHERE sent_at IS NULL").fetchone()
    return int(row[0]) if row else 0


class Outbox:
    """The alerts of one ledger as a sender needs them: each call is a transaction of its own."""

    def __init__(self, ledger: Ledger, *, at_once: int = 200) -> None:
        self._ledger = ledger
        self._at_once = at_once

    def take(self) -> list[Alert]:
        return self._ledger.run(lambda tx: due_alerts(tx, self._at_once))

    def sent(self, alert: Alert, error: str | None) -> None:
        self._ledger.run(lambda tx: mark_sent(tx, alert, error))

    def failed(self, alert: Alert, error: str) -> None:
        self._ledger.run(lambda tx: mark_failed(tx, alert, error))

    def unsendable(self, reason: str) -> int:
        return self._ledger.run(lambda tx: mark_unsendable(tx, reason))
