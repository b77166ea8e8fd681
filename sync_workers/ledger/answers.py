"""What a run leaves behind in a few statements: closed attempts, overrules, events with their outcome."""

from __future__ import annotations

from collections.abc import Sequence

from sync_workers.ledger.columns import as_columns
from sync_workers.ledger.settlements import Closing, OverruleRow
from sync_workers.ledger.statements import Prepared, Tx
from sync_workers.ledger.texts import as_json, storable, storable_json

NOTE_CHARS = 1000

CLOSE = Prepared("""
UPDATE attempts a SET status = c.status, response = c.response::jsonb, took_ms = c.took_ms, note = c.note,
       finished_at = clock_timestamp()
  FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::float8[], %s::text[])
    AS c (record_id, id, status, response, took_ms, note)
 WHERE a.record_id = c.record_id AND a.id = c.id AND a.status = 'open' AND a.record_id = ANY(%s::bigint[])
""")
OVERRULE = Prepared("""
INSERT INTO overrules (record_id, field, system, lost, winner, won, rule, mapping_version)
SELECT record_id, field, system, lost::jsonb, winner, won::jsonb, rule, mapping_version
  FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[])
    AS o (record_id, field, system, lost, winner, won, rule, mapping_version)
""")
SETTLE_EVENTS = Prepared("""
WITH told AS MATERIALIZED (
    SELECT t.*, (SELECT max(e.gen) FROM events e
                  WHERE e.record_id = t.id AND e.gen <= t.gen AND e.settled_at IS NULL) AS top
      FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]) AS t (id, gen, outcome, note))
UPDATE events e SET settled_at = clock_timestamp(),
       outcome = CASE WHEN e.gen = told.top THEN told.outcome ELSE 'superseded' END,
       note = CASE WHEN e.gen = told.top THEN coalesce(e.note || '; ' || told.note, told.note, e.note)
                   ELSE e.note END
  FROM told WHERE e.record_id = told.id AND e.gen <= told.top AND e.settled_at IS NULL
   AND e.record_id = ANY(%s::bigint[])
""")


def close_attempts(tx: Tx, closings: Sequence[tuple[int, Closing]]) -> None:
    """Close open attempts of these records; one that is closed already keeps what it has."""
    rows = [
        (record_id, one.attempt_id, one.status, storable_json(one.response), one.took_ms,
         storable(one.note, most=NOTE_CHARS))
        for record_id, one in closings
    ]
    if rows:
        tx.later(CLOSE, (*as_columns(rows), [row[0] for row in rows]))


def keep_overrules(tx: Tx, overrules: Sequence[tuple[int, OverruleRow]]) -> None:
    rows = [
        (record_id, one.field, one.system, as_json(one.lost), one.winner, as_json(one.won), one.rule,
         one.mapping_version)
        for record_id, one in overrules
    ]
    if rows:
        tx.later(OVERRULE, as_columns(rows))


def settle_events(tx: Tx, told: Sequence[tuple[int, int, str | None, str | None]]) -> None:
    """Settle by (record, gen, outcome, note): the newest open event up to gen gets it, those below
    are superseded (S7)."""
    rows = [(record_id, gen, outcome, storable(note, most=NOTE_CHARS))
            for record_id, gen, outcome, note in told]
    if rows:
        tx.later(SETTLE_EVENTS, (*as_columns(rows), [row[0] for row in rows]))
