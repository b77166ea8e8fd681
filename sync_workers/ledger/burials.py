"""Dead letters as runs write them: one standing letter per record, one alert per incident (law L6).

What people do with letters (requeue, discard, handled) is in ``letters``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sync_workers.ledger.alerts import raise_alert
from sync_workers.ledger.endings import Before
from sync_workers.ledger.incidents import close_quiet, incident_of
from sync_workers.ledger.settlements import Settlement
from sync_workers.ledger.statements import Tx
from sync_workers.ledger.texts import storable

TEXT_CHARS = 4000
TRACEBACK_CHARS = 20_000

BURY = """
INSERT INTO dead_letters AS l (record_id, kind, error, message, mend, field, traceback, facts, incident,
                               attempts, first_failed_at)
SELECT b.record_id, b.kind, error, message, mend, field, traceback, facts, incident, tries,
       coalesce(failed_at, clock_timestamp())
  FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
              %s::text[], %s::text[], %s::int[], %s::timestamptz[])
    AS b (record_id, kind, error, message, mend, field, traceback, facts, incident, tries, failed_at)
ON CONFLICT (record_id) WHERE state IN ('open', 'requeued') DO UPDATE
   SET error = excluded.error, message = excluded.message, mend = excluded.mend, field = excluded.field,
       traceback = excluded.traceback, facts = excluded.facts, incident = excluded.incident,
       attempts = l.attempts + excluded.attempts, last_failed_at = clock_timestamp(), state = 'open'
"""


def bury(tx: Tx, dead: Sequence[tuple[Settlement, Before]]) -> None:
    """Write the letters and their alerts. One that stands on equal facts stays as it is, and no new alert."""
    rows = []
    news: dict[str, list[tuple[Settlement, Before]]] = defaultdict(list)
    for told, before in dead:
        error = told.error
        if error is None or _says_nothing_new(told, before):
            continue
        incident = incident_of(before.kind, error)
        news[incident].append((told, before))
        rows.append((
            before.id, before.kind, error.cls, storable(error.message, most=TEXT_CHARS) or "",
            storable(error.mend, most=TEXT_CHARS) or "", storable(error.field),
            storable(error.traceback, most=TRACEBACK_CHARS), told.facts, storable(incident),
            before.failures + 1, before.first_failed_at,
        ))
    if rows:
        tx.execute(BURY, tuple(list(column) for column in zip(*rows, strict=True)))
    for incident, members in sorted(news.items()):
        told, before = members[0]
        assert told.error is not None
        more = f" and {len(members) - 1} more" if len(members) > 1 else ""
        at = f", field {told.error.field}" if told.error.field else ""
        raise_alert(
            tx, storable(incident) or incident, "error", f"{before.kind} stopped: {told.error.cls}{at}",
            f"record {before.id}{more}. {storable(told.error.mend) or ''}\nSee `sync-workers dead list`.",
            count=len(members),
        )


def heal(tx: Tx, record_ids: Sequence[int]) -> None:
    """Close the letters of records that went through after all, and the incidents that this ends."""
    if record_ids:
        rows = tx.rows(
            "UPDATE dead_letters SET state = 'healed', closed_at = clock_timestamp()"
            " WHERE record_id = ANY(%s::bigint[]) AND state IN ('open', 'requeued') RETURNING incident",
            (list(record_ids),),
        )
        close_quiet(tx, [row[0] for row in rows])


def _says_nothing_new(told: Settlement, before: Before) -> bool:
    return before.letter_state == "open" and told.facts is not None and told.facts == before.letter_facts
