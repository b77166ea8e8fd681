"""The inbox: events come in and make their records due, in one transaction (protocol section 2).

What a sender is told belongs to ``web``; what becomes of a due record to ``claims`` and the engine.
A whole group of arrivals costs the same few statements as one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync_workers.ledger import aliases, deliveries
from sync_workers.ledger.alerts import raise_alert
from sync_workers.ledger.births import Standing, find_or_create, lock_standing
from sync_workers.ledger.columns import as_columns, as_document, as_documents
from sync_workers.ledger.links import Place
from sync_workers.ledger.statements import Prepared, Tx
from sync_workers.ledger.texts import storable

SOURCES = ("webhook", "poll", "replay", "reconcile", "person", "dependency", "late answer", "wake")


@dataclass(frozen=True)
class Arrival:
    """One hint that a record may have changed.

    ``key`` only where the sender issues one or it is finer than two edits can share (protocol A2).
    ``same_as`` are older ids that now lead to ``external_id`` (R5). ``received_at`` only where it came before now.
    """

    system: str
    kind: str
    external_id: str
    source: str
    key: str | None = None
    version: str | None = None
    payload: dict[str, Any] | None = None
    echo: bool = False
    note: str | None = None
    same_as: tuple[str, ...] = ()
    received_at: datetime | None = None

    @property
    def place(self) -> tuple[str, str, str]:
        return self.system, self.kind, self.external_id


@dataclass(frozen=True)
class Arrived:
    """What became of one arrival. ``event_id`` None: a repeat that changed nothing."""

    record_id: int
    kind: str
    event_id: int | None
    gen: int | None
    due: bool


RAISE = Prepared("""
UPDATE records r SET asked = r.asked + news.n, due_at = least(r.due_at, clock_timestamp())
  FROM unnest(%s::bigint[], %s::bigint[]) AS news (id, n) WHERE r.id = news.id
RETURNING r.id, r.asked
""")
INSERT = Prepared("""
INSERT INTO events (id, record_id, gen, system, kind, external_id, source, echo, version, note, received_at, payload)
OVERRIDING SYSTEM VALUE
SELECT coalesce(n.event_id, nextval('events_id_seq'::regclass)), n.record_id, n.gen, n.system, n.kind,
       n.external_id, n.source, n.echo, n.version, n.note, coalesce(n.received_at, clock_timestamp()), n.payload::jsonb
  FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[],
              %s::bool[], %s::text[], %s::text[], %s::timestamptz[], string_to_array(%s, chr(30), ''))
    AS n (event_id, record_id, gen, system, kind, external_id, source, echo, version, note, received_at, payload)
RETURNING record_id, gen, id
""")
UNSETTLED_TWINS = Prepared("""
SELECT n.n
  FROM unnest(%s::int[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[],
              string_to_array(%s, chr(30), ''))
    AS n (n, record_id, system, kind, external_id, version, payload)
 WHERE EXISTS (SELECT FROM events e
                WHERE e.record_id = n.record_id AND e.settled_at IS NULL AND e.source = 'webhook'
                  AND e.system = n.system AND e.kind = n.kind AND e.external_id = n.external_id
                  AND e.version IS NOT DISTINCT FROM n.version
                  AND e.payload IS NOT DISTINCT FROM n.payload::jsonb OFFSET 0)
""")


def record_arrivals(tx: Tx, arrivals: Sequence[Arrival]) -> list[Arrived]:
    """Store arrivals and make their records due; the answers are in the order given.

    Safe to repeat whole. A delivery key that is known changes nothing but its count. Without key, a
    webhook collapses into an identical event that is neither settled nor under work; all else is news.
    Raises Unstorable when one text cannot be stored: nothing was, repeat them one by one (A3).
    """
    if not arrivals:
        return []
    slots = deliveries.note(tx, [(one.system, one.key) for one in arrivals])
    older = {one.place: one.same_as for one in arrivals if one.same_as}
    fresh = [number for number, slot in enumerate(slots) if slot.fresh]
    payloads = {number: as_document(arrivals[number].payload) for number in fresh}
    twins = _twins_in_group(arrivals, fresh, payloads)
    # where records are joined below, the one that is asked for is only known afterwards
    asked = {} if older else Counter(arrivals[number].place for number in fresh if number not in twins)
    records = find_or_create(tx, [one.place for one in arrivals], older, asked)
    aliases.repoint_all(tx, older, records)
    if older:
        records = _survivors(tx, records)
    collapsed = _twins(tx, arrivals, fresh, payloads, twins, records)
    told = [number for number in fresh if number not in collapsed]
    gens = _raise_asked(tx, [records[arrivals[number].place] for number in told])
    rows = []
    for number, gen in zip(told, gens, strict=True):
        one = arrivals[number]
        rows.append((slots[number].event_id, records[one.place].id, gen, *one.place, one.source, one.echo,
                     one.version, storable(one.note), one.received_at and one.received_at.isoformat(),
                     payloads[number]))
    events = _insert(tx, rows)
    given = dict(zip(told, gens, strict=True))
    arrived = []
    for number, one in enumerate(arrivals):
        record, gen_given = records[one.place], given.get(number)
        event_id = None if gen_given is None else events[record.id, gen_given]
        arrived.append(Arrived(record.id, record.kind, event_id, gen_given, gen_given is not None))
    return arrived


def touch(tx: Tx, record_ids: Iterable[int], source: str, note: str | None) -> list[Arrived]:
    """Make known records due from outside their lease, with an event each that says why."""
    standing = lock_standing(tx, sorted(set(record_ids)))
    found = {one.id: one for one in standing.values()}
    ids = sorted(found)
    gens = _raise_asked(tx, [found[record_id] for record_id in ids])
    rows = []
    for record_id, gen in zip(ids, gens, strict=True):
        one = found[record_id]
        rows.append((None, record_id, gen, one.origin_system, one.kind, one.origin_id, source, False, None,
                     storable(note), None, None))
    events = _insert(tx, rows)
    return [Arrived(record_id, found[record_id].kind, events[record_id, gen], gen, True)
            for record_id, gen in zip(ids, gens, strict=True)]


def quarantine(tx: Tx, system: str, reason: str, body: bytes) -> int:
    """Keep a genuine delivery that cannot be read, for a person; one incident per system."""
    row = tx.execute(
        "INSERT INTO quarantine (system, reason, body) VALUES (%s, %s, %s) RETURNING id",
        (system, storable(reason, most=1000), body),
    ).fetchone()
    assert row is not None
    raise_alert(tx, f"quarantine:{system}", "error", f"{system} sent what cannot be read",
                f"Delivery {row[0]} is kept in quarantine: {storable(reason, most=500)}")
    return int(row[0])


def _survivors(tx: Tx, records: Mapping[Place, Standing]) -> dict[Place, Standing]:
    """Return where each place leads now: one delivery may tell of a record and of its merging away."""
    now = lock_standing(tx, {one.id for one in records.values()})
    return {place: one if now[one.id].id == one.id else now[one.id] for place, one in records.items()}


def _twins_in_group(
    arrivals: Sequence[Arrival], fresh: Sequence[int], payloads: Mapping[int, str | None]
) -> set[int]:
    """Return the webhooks without key that say the same as an earlier one of this group."""
    first: dict[tuple[object, ...], int] = {}
    return {
        number for number in fresh
        if arrivals[number].key is None and arrivals[number].source == "webhook"
        and first.setdefault((*arrivals[number].place, arrivals[number].version, payloads[number]), number) != number
    }


def _twins(
    tx: Tx,
    arrivals: Sequence[Arrival],
    fresh: Sequence[int],
    payloads: Mapping[int, str | None],
    in_group: set[int],
    records: Mapping[Place, Standing],
) -> set[int]:
    """Return those that say nothing new: the same as an unsettled one whose facts nobody has read yet.

    A record under work has perhaps been read before this edit, so there even an equal body is news; and one
    that is held has unsettled events which nobody will look at again without news.
    """
    twins: set[int] = set()
    rows = []
    for number in fresh:
        one, record = arrivals[number], records[arrivals[number].place]
        if one.key is not None or one.source != "webhook" or record.at_work or record.rests:
            continue
        if number in in_group:
            twins.add(number)
        elif not record.is_new:
            rows.append((number, record.id, *one.place, one.version, payloads[number]))
    if rows:
        *columns, texts = as_columns(rows)
        found = tx.rows(UNSETTLED_TWINS, [*columns, as_documents(texts)])
        twins |= {row[0] for row in found}
    return twins


def _raise_asked(tx: Tx, records: Sequence[Standing]) -> list[int]:
    """Raise ``asked`` once per mention and return the generation of each, in order. The rows are locked.

    A record that is new was asked for at its birth.
    """
    counts = Counter(record.id for record in records)
    asked = {record.id: record.asked for record in records if record.asked}
    known = [record_id for record_id in counts if record_id not in asked]
    if known:
        numbers = [counts[record_id] for record_id in known]
        asked |= dict(tx.rows(RAISE, (known, numbers)))
    gens = []
    for record in records:
        counts[record.id] -= 1
        gens.append(asked[record.id] - counts[record.id])
    return gens


def _insert(tx: Tx, rows: Sequence[tuple[Any, ...]]) -> dict[tuple[int, int], int]:
    """Insert events and return the id of each by its record and generation."""
    if not rows:
        return {}
    *columns, payloads = as_columns(rows)
    parameters = [*columns, as_documents(payloads)]
    if all(row[0] is not None for row in rows):  # nothing to ask: it travels with the COMMIT
        tx.later(INSERT, parameters)
        return {(record_id, gen): event_id for event_id, record_id, gen, *_ in rows}
    return {(record_id, gen): event_id for record_id, gen, event_id in tx.rows(INSERT, parameters)}
