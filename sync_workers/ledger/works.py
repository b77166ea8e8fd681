"""What a claimed record carries into its run: refs, open attempts, unsettled events, its dead letter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync_workers.ledger.claims import Claim
from sync_workers.ledger.statements import Prepared, Tx


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
    """Where the record lives in one system; ``aliases`` are older ids that the system merged into it.

    ``sent`` None: the same as ``held``.
    """

    id: int
    record_id: int
    system: str
    kind: str
    external_id: str
    version: str | None
    sent: dict[str, Any] | None
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


# One statement for all that claimed records carry: a round trip for each part would cost more than its rows.
LOAD = Prepared("""
SELECT held.id,
       (SELECT json_agg(json_build_array(
               f.id, f.record_id, f.system, f.kind, f.external_id, f.version, f.sent, f.held, f.item_ids,
               f.gone_since, f.first_seen_at,
               (SELECT json_agg(a.external_id ORDER BY a.id) FROM refs a WHERE a.alias_of = f.id)) ORDER BY f.id)
          FROM refs f WHERE f.record_id = held.id AND f.alias_of IS NULL),
       (SELECT json_agg(json_build_array(
               a.id, a.system, a.kind, a.op, a.action, a.key, a.mapping_version, a.fence, a.fields, a.status,
               a.started_at, a.sure_at, clock_timestamp() > a.sure_at, a.request) ORDER BY a.id)
          FROM attempts a WHERE a.record_id = held.id AND a.status = 'open'),
       (SELECT json_agg(json_build_array(
               e.id, e.gen, e.system, e.kind, e.external_id, e.source, e.version, e.payload, e.echo,
               e.received_at) ORDER BY e.gen, e.id)
          FROM events e WHERE e.record_id = held.id AND e.gen <= held.gen AND e.settled_at IS NULL),
       (SELECT json_build_array(
               l.id, l.error, l.message, l.mend, l.field, l.facts, l.state, l.attempts, l.first_failed_at,
               l.last_failed_at, l.traceback)
          FROM dead_letters l WHERE l.record_id = held.id AND l.state IN ('open', 'requeued'))
  FROM unnest(%s::bigint[], %s::bigint[]) AS held (id, gen)
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
    """Read what claimed records carry, in the order of ``claims``, in one statement however many they are.

    Call it after the claim has committed: from then on no older fence can open an attempt that this
    would miss (protocol C2).
    """
    if not claims:
        return []
    rows = tx.rows(LOAD, ([claim.id for claim in claims], [claim.gen for claim in claims]))
    found = {row[0]: row[1:] for row in rows}
    return [_work(claim, *found[claim.id]) for claim in claims]


def _work(
    claim: Claim, refs: list[Any] | None, attempts: list[Any] | None, events: list[Any] | None, letter: list[Any] | None
) -> Work:
    return Work(
        claim,
        {row[2]: _ref(with_instants(row, 9, 10)) for row in refs or ()},
        [AttemptRow(*with_instants(row, 10, 11)) for row in attempts or ()],
        [EventRow(*with_instants(row, 9)) for row in events or ()],
        LetterRow(*with_instants(letter, 8, 9)) if letter else None,
    )


def _ref(row: list[Any]) -> RefRow:
    row[-1] = tuple(row[-1] or ())
    return RefRow(*row)


def with_instants(row: list[Any], *places: int) -> list[Any]:
    """Read the instants of a row that came as JSON."""
    for place in places:
        if row[place] is not None:
            row[place] = datetime.fromisoformat(row[place])
    return row


def held_between(tx: Tx, system: str, kind: str, after: str, last: str) -> dict[str, RefRow]:
    """Return refs by external id, past ``after`` up to ``last``, as a full sweep compares them.

    Ids of digits are ordered as numbers, all others by their bytes, which is how connectors list them.
    """
    order = BY_NUMBER if last.isdecimal() and (not after or after.isdecimal()) else BY_BYTES
    rows = tx.rows(HELD_BETWEEN + order, {"system": system, "kind": kind, "after": after, "last": last})
    return {row[4]: RefRow(*row) for row in rows}
