"""What people do with dead letters: look, requeue, discard, or say that they have dealt with it (protocol K2).

Runs write and heal letters in ``burials``. Every act here has a name and an audit row, in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync_workers.errors import PermanentError
from sync_workers.ledger import audit, inbox
from sync_workers.ledger.incidents import close_quiet
from sync_workers.ledger.statements import Tx
from sync_workers.ledger.texts import storable

STANDING = ("open", "requeued")


@dataclass(frozen=True)
class Filter:
    """Which letters are meant; what is None or empty does not count. ``text`` is looked for in message and error."""

    ids: tuple[int, ...] = ()
    kind: str | None = None
    error: str | None = None
    system: str | None = None
    text: str | None = None
    states: tuple[str, ...] = ("open",)


@dataclass(frozen=True)
class Letter:
    """One dead letter; ``refs`` are its record's ids per system."""

    id: int
    record_id: int
    kind: str
    refs: dict[str, str]
    error: str
    message: str
    mend: str
    field: str | None
    since: datetime
    last_failed_at: datetime
    attempts: int
    state: str
    incident: str
    traceback: str | None
    who: str | None
    why: str | None

    def as_json(self) -> dict[str, Any]:
        """Return the fixed shape of ``dead list --json``, and what explains it."""
        return {
            "id": self.id, "kind": self.kind, "refs": self.refs, "error": self.error, "message": self.message,
            "mend": self.mend, "since": self.since.isoformat(), "attempts": self.attempts,
            "record": self.record_id, "field": self.field, "state": self.state,
            "last_failed_at": self.last_failed_at.isoformat(),
        }


SELECT = """
SELECT l.id, l.record_id, l.kind,
       coalesce((SELECT jsonb_object_agg(f.system, f.external_id) FROM refs f
                  WHERE f.record_id = l.record_id AND f.alias_of IS NULL), '{}'),
       l.error, l.message, l.mend, l.field, l.first_failed_at, l.last_failed_at, l.attempts, l.state, l.incident,
       l.traceback, l.who, l.why
  FROM dead_letters l
 WHERE (%(ids)s::bigint[] = '{}' OR l.id = ANY(%(ids)s::bigint[])) AND l.state = ANY(%(states)s::text[])
   AND (%(kind)s::text IS NULL OR l.kind = %(kind)s) AND (%(error)s::text IS NULL OR l.error = %(error)s)
   AND (%(text)s::text IS NULL OR strpos(lower(l.message || ' ' || l.error), lower(%(text)s)) > 0)
   AND (%(system)s::text IS NULL OR EXISTS (SELECT FROM attempts a WHERE a.record_id = l.record_id
            AND a.system = %(system)s) OR strpos(l.message, %(system)s) > 0)
 ORDER BY l.last_failed_at DESC, l.id DESC LIMIT %(limit)s
"""
# A person has looked: no budget is used up yet, and equal facts are no reason not to try.
REOPEN = """
UPDATE records SET state = 'open', failures = 0, first_failed_at = NULL, forced = true, due_at = clock_timestamp()
 WHERE id = ANY(%s::bigint[]) AND state IN ('open', 'held', 'dead')
"""
# The record rests; the next news about it is an ordinary run.
REST = """
UPDATE records SET state = 'open', failures = 0, first_failed_at = NULL, facts = NULL,
       due_at = CASE WHEN asked > settled THEN due_at END
 WHERE id = ANY(%s::bigint[]) AND state = 'dead'
"""
CLOSE = """
UPDATE dead_letters SET state = %s, who = %s, why = %s,
       closed_at = CASE WHEN %s IN ('discarded', 'handled') THEN clock_timestamp() END
 WHERE id = ANY(%s::bigint[]) AND state IN ('open', 'requeued') RETURNING id, record_id, incident
"""
HELD = """
SELECT id FROM records WHERE state = 'held' AND (%(kind)s::text IS NULL OR kind = %(kind)s)
   AND (%(code)s::text IS NULL OR hold_code = %(code)s)
   AND (%(ids)s::bigint[] = '{}' OR id = ANY(%(ids)s::bigint[])) ORDER BY id LIMIT %(limit)s
"""


def find(tx: Tx, chosen: Filter | None = None, *, limit: int = 1000) -> list[Letter]:
    """Return letters, the freshest failure first; the open ones unless the filter says otherwise."""
    asked = chosen or Filter()
    rows = tx.rows(SELECT, {
        "ids": list(asked.ids), "states": list(asked.states), "kind": asked.kind, "error": asked.error,
        "text": asked.text, "system": asked.system, "limit": limit,
    })
    return [Letter(*row) for row in rows]


def show(tx: Tx, letter_id: int) -> Letter:
    """Return one letter in whatever state. LookupError when there is none."""
    every = ("open", "requeued", "healed", "discarded", "handled")
    found = find(tx, Filter(ids=(letter_id,), states=every))
    if not found:
        raise LookupError(f"there is no dead letter {letter_id}")
    return found[0]


def requeue(tx: Tx, letter_ids: Iterable[int], who: str, why: str = "") -> list[int]:
    """Let the records of these letters be tried again now; return them. A lease that stands is left alone.

    The letter stands as ``requeued`` until a run goes through (healed) or fails (open again).
    """
    letters = _standing(tx, letter_ids)
    records = sorted({record_id for _, record_id in letters})
    _try_again(tx, records, f"requeued by {who}")
    tx.execute(CLOSE, ("requeued", storable(who), storable(why), "requeued", [letter for letter, _ in letters]))
    _note(tx, "requeue", letters, who, why)
    return records


def requeue_held(
    tx: Tx, who: str, why: str = "", *, kind: str | None = None, code: str | None = None,
    record_ids: Sequence[int] = (), limit: int = 10_000,
) -> list[int]:
    """Look again at held records now, whatever released them; return them."""
    records = [row[0] for row in tx.rows(HELD, {"kind": kind, "code": code, "ids": list(record_ids), "limit": limit})]
    _try_again(tx, records, f"requeued by {who}")
    for record_id in records:
        audit.note(tx, who, "requeue", f"record {record_id}", why)
    return records


def discard(tx: Tx, letter_ids: Iterable[int], who: str, why: str) -> list[int]:
    """Drop the news that died, for a reason; the record rests until something new happens to it."""
    return _end(tx, "discarded", letter_ids, who, why, {})


def handled(
    tx: Tx, letter_ids: Iterable[int], who: str, why: str, refs: Mapping[str, str] | None = None
) -> list[int]:
    """Say that a person did the work by hand. ``refs`` (system -> external id) link what they made there, so
    that it is not made again. PermanentError when such an id belongs to another record."""
    return _end(tx, "handled", letter_ids, who, why, dict(refs or {}))


def _end(
    tx: Tx, state: str, letter_ids: Iterable[int], who: str, why: str, refs: dict[str, str]
) -> list[int]:
    if not why.strip():
        raise ValueError("say why: it is what is left of this news")
    letters = _standing(tx, letter_ids)
    if refs and len(letters) != 1:
        raise ValueError("ids typed in by hand belong to one letter at a time")
    records = sorted({record_id for _, record_id in letters})
    for system, external_id in sorted(refs.items()):
        _link(tx, records[0], system, external_id)
    tx.execute(REST, (records,))
    closed = tx.rows(CLOSE, (state, storable(who), storable(why), state, [letter for letter, _ in letters]))
    tx.execute("UPDATE events SET outcome = %s WHERE record_id = ANY(%s::bigint[]) AND outcome = 'dead'",
               (state, records))
    _note(tx, state, letters, who, why, refs)
    close_quiet(tx, [row[2] for row in closed])
    return records


def _standing(tx: Tx, letter_ids: Iterable[int]) -> list[tuple[int, int]]:
    """Return (letter, record) of those that stand, their records locked in order of id."""
    rows = tx.rows(
        "SELECT l.id, r.id FROM dead_letters l JOIN records r ON r.id = l.record_id"
        " WHERE l.id = ANY(%s::bigint[]) AND l.state = ANY(%s) ORDER BY r.id FOR UPDATE OF r",
        (sorted(set(letter_ids)), list(STANDING)),
    )
    return [(row[0], row[1]) for row in rows]


def _try_again(tx: Tx, records: Sequence[int], note: str) -> None:
    if records:
        inbox.touch(tx, records, "person", note)
        tx.execute(REOPEN, (list(records),))


def _link(tx: Tx, record_id: int, system: str, external_id: str) -> None:
    tx.execute(
        "INSERT INTO refs (record_id, system, kind, external_id) SELECT id, %s, kind, %s FROM records WHERE id = %s"
        " ON CONFLICT DO NOTHING", (system, external_id, record_id),
    )
    row = tx.execute("SELECT record_id FROM refs f JOIN records r ON r.id = %s WHERE f.system = %s"
                     " AND f.kind = r.kind AND f.external_id = %s", (record_id, system, external_id)).fetchone()
    if row is None:
        raise PermanentError(f"record {record_id} already has another id in {system}",
                             mend=f"look at it with 'sync-workers explain', it cannot also be {external_id}")
    if row[0] != record_id:
        raise PermanentError(f"{external_id} of {system} belongs to record {row[0]}",
                             mend=f"check the id: record {record_id} cannot have it too")


def _note(
    tx: Tx, action: str, letters: Iterable[tuple[int, int]], who: str, why: str,
    refs: Mapping[str, str] | None = None,
) -> None:
    for letter_id, record_id in letters:
        audit.note(tx, who, action, f"letter {letter_id}", why, {"record": record_id, **(refs or {})})
