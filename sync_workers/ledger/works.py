"""What a claimed record carries into its run: refs, open attempts, unsettled events, its dead letter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync_workers.ledger.claims import Claim
from sync_workers.ledger.connection import Prepared, Tx


@dataclass(frozen=True)
class EventRow:
    """One unsettled event of a claimed record."""

    id: int
    gen: int
    system: str
    kind: str
    external_id: str
    source: str
    version: str | None
    payload: dict[str, Any] | None
    echo: bool
    received_at: datetime


@dataclass(frozen=True)
class AttemptRow:
    """One open attempt. ``sure``: by the database's clock its call can take effect no more (protocol W7)."""

    id: int
    system: str
    kind: str
    op: str
    action: str
    key: str
    mapping_version: int
    fence: int
    fields: dict[str, Any]
    status: str
    started_at: datetime
    sure_at: datetime
    sure: bool
    request: dict[str, Any] | None


@dataclass(frozen=True)
class RefRow:
    """Where the record lives in one system; ``aliases`` are older ids that the system merged into it."""

    id: int
    record_id: int
    system: str
    kind: str
    external_id: str
    version: str | None
    sent: dict[str, Any]
    held: dict[str, Any]
    item_ids: dict[str, Any]
    gone_since: datetime | None
    first_seen_at: datetime
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class ErrorInfo:
    """A failure as people read it; ``cls`` is the error's class, ``mend`` what would put it right."""

    cls: str
    message: str
    mend: str = ""
    field: str | None = None
    traceback: str | None = None


@dataclass(frozen=True)
class LetterRow:
    """The standing dead letter of a record that is looked at again."""

    id: int
    error: str
    message: str
    mend: str
    field: str | None
    facts: str | None
    state: str
    attempts: int
    first_failed_at: datetime
    last_failed_at: datetime
    traceback: str | None = None

    @property
    def info(self) -> ErrorInfo:
        return ErrorInfo(self.error, self.message, self.mend, self.field, self.traceback)


@dataclass(frozen=True)
class Work:
    """A claim with all that the ledger knows; ``attempts`` are the open ones, ``events`` in order of gen."""

    claim: Claim
    refs: dict[str, RefRow]
    attempts: list[AttemptRow]
    events: list[EventRow]
    letter: LetterRow | None


# Older ids by the ref that they lead to: no index holds them by their record.
REFS = Prepared("""
WITH mine AS MATERIALIZED (SELECT * FROM refs WHERE record_id = ANY(%s::bigint[]) AND alias_of IS NULL)
SELECT id, record_id, system, kind, external_id, version, sent, held, item_ids, gone_since, first_seen_at,
       alias_of
  FROM (SELECT * FROM mine
        UNION ALL SELECT older.* FROM refs older JOIN mine ON older.alias_of = mine.id) AS known ORDER BY id
""")
ATTEMPTS = Prepared("""
SELECT record_id, id, system, kind, op, action, key, mapping_version, fence, fields, status, started_at,
       sure_at, clock_timestamp() > sure_at, request
  FROM attempts WHERE record_id = ANY(%s::bigint[]) AND status = 'open' ORDER BY id
""")
EVENTS = Prepared("""
SELECT e.record_id, e.id, e.gen, e.system, e.kind, e.external_id, e.source, e.version, e.payload, e.echo,
       e.received_at
  FROM unnest(%s::bigint[], %s::bigint[]) AS held (id, gen)
  JOIN events e ON e.record_id = held.id AND e.gen <= held.gen AND e.settled_at IS NULL
 ORDER BY e.record_id, e.gen, e.id
""")
LETTERS = Prepared("""
SELECT record_id, id, error, message, mend, field, facts, state, attempts, first_failed_at,
       last_failed_at, traceback
  FROM dead_letters WHERE record_id = ANY(%s::bigint[]) AND state IN ('open', 'requeued')
""")
HELD_BETWEEN = """
SELECT id, record_id, system, kind, external_id, version, sent, held, item_ids, gone_since, first_seen_at
  FROM refs WHERE system = %(system)s AND kind = %(kind)s AND alias_of IS NULL AND
"""
BY_BYTES = "external_id > %(after)s AND external_id <= %(last)s"
# Numbers without leading zeros are in order by length, then by bytes; the index refs_listed holds that.
BY_NUMBER = """
(length(external_id), external_id) > (length(%(after)s), %(after)s)
AND (length(external_id), external_id) <= (length(%(last)s), %(last)s) AND external_id ~ '^[0-9]+$'
"""


def load(tx: Tx, claims: Sequence[Claim]) -> list[Work]:
    """Read what claimed records carry, in the order of ``claims``, in four statements however many they are.

    Call it in a transaction begun after the claim committed: from then on no older fence can open
    an attempt that this would miss (protocol C2).
    """
    if not claims:
        return []
    ids = [claim.id for claim in claims]
    refs = _refs(tx, ids)
    attempts: dict[int, list[AttemptRow]] = defaultdict(list)
    for row in tx.rows(ATTEMPTS, (ids,)):
        attempts[row[0]].append(AttemptRow(*row[1:]))
    events: dict[int, list[EventRow]] = defaultdict(list)
    for row in tx.rows(EVENTS, (ids, [claim.gen for claim in claims])):
        events[row[0]].append(EventRow(*row[1:]))
    letters = {row[0]: LetterRow(*row[1:]) for row in tx.rows(LETTERS, (ids,))}
    return [
        Work(claim, refs.get(claim.id, {}), attempts[claim.id], events[claim.id], letters.get(claim.id))
        for claim in claims
    ]


def held_between(tx: Tx, system: str, kind: str, after: str, last: str) -> dict[str, RefRow]:
    """Return refs by external id, past ``after`` up to ``last``, as a full sweep compares them.

    Ids of digits are ordered as numbers, all others by their bytes, which is how connectors list them.
    """
    order = BY_NUMBER if last.isdecimal() and (not after or after.isdecimal()) else BY_BYTES
    rows = tx.rows(HELD_BETWEEN + order, {"system": system, "kind": kind, "after": after, "last": last})
    return {row[4]: RefRow(*row) for row in rows}


def _refs(tx: Tx, ids: list[int]) -> dict[int, dict[str, RefRow]]:
    rows = tx.rows(REFS, (ids,))
    aliases: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        if row[-1] is not None:
            aliases[row[-1]].append(row[4])
    found: dict[int, dict[str, RefRow]] = defaultdict(dict)
    for row in rows:
        if row[-1] is None:
            found[row[1]][row[2]] = RefRow(*(*row[:-1], tuple(aliases[row[0]])))
    return found
