"""Finding the record that a foreign id belongs to, or making it, and locking it (protocol A1, A5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sync_workers.ledger.columns import as_columns
from sync_workers.ledger.connection import Collision
from sync_workers.ledger.links import Place
from sync_workers.ledger.statements import Prepared, Tx

ROUNDS = 4


@dataclass(frozen=True)
class Standing:
    """One locked record. ``at_work``: somebody holds it or died holding it; its facts may have been read.

    ``rests``: nothing is about to look at it (held, dead, or waiting for a date). ``asked`` is how often a
    record that is new was asked for at its birth; it is due, then.
    """

    id: int
    kind: str
    origin_system: str
    origin_id: str
    at_work: bool
    is_new: bool = False
    rests: bool = False
    asked: int = 0


FIND = Prepared("""
SELECT wanted.system, wanted.kind, wanted.external_id, f.record_id
  FROM unnest(%s::text[], %s::text[], %s::text[]) AS wanted (system, kind, external_id)
  JOIN refs f ON f.system = wanted.system AND f.kind = wanted.kind AND f.external_id = wanted.external_id
""")
# The ref decides who is first; its foreign key is checked at the end, when the record stands.
FIND_OR_CREATE = Prepared("""
WITH wanted AS MATERIALIZED (
    SELECT w.*, f.record_id
      FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[]) AS w (system, kind, external_id, asked)
      LEFT JOIN refs f ON f.system = w.system AND f.kind = w.kind AND f.external_id = w.external_id
     ORDER BY 1, 2, 3),
unknown AS MATERIALIZED (
    SELECT nextval('records_id_seq'::regclass) AS id, system, kind, external_id, asked
      FROM wanted WHERE record_id IS NULL),
made AS (
    INSERT INTO refs (record_id, system, kind, external_id)
    SELECT id, system, kind, external_id FROM unknown
    ON CONFLICT (system, kind, external_id) DO NOTHING
    RETURNING record_id),
born AS (
    INSERT INTO records (id, kind, origin_system, origin_id, asked, due_at)
    OVERRIDING SYSTEM VALUE
    SELECT id, kind, system, external_id, asked, CASE WHEN asked > 0 THEN clock_timestamp() END
      FROM unknown WHERE (id IN (SELECT record_id FROM made)) IS TRUE  -- looked up; a join would compare each with each
    RETURNING origin_system, kind, origin_id, id, asked)
SELECT system, kind, external_id, record_id, NULL FROM wanted WHERE record_id IS NOT NULL
UNION ALL SELECT * FROM born
""")
LOCK = Prepared("""
SELECT id, kind, origin_system, origin_id, owner IS NOT NULL, merged_into,
       due_at IS NULL OR due_at > clock_timestamp()
  FROM records WHERE id = ANY(%s::bigint[]) ORDER BY id FOR UPDATE
""")


def find_or_create(
    tx: Tx,
    places: Sequence[Place],
    older: Mapping[Place, tuple[str, ...]] | None = None,
    asked: Mapping[Place, int] | None = None,
) -> dict[Place, Standing]:
    """Return the locked record of each place, new ones made with the place as their origin.

    ``asked`` is how often each place is asked for: a new record begins with it, and is due. A known one is not
    touched.

    ``older`` names ids that now lead to a place: an unknown place takes over the record of the first
    of them that is known (protocol R5), and no new one is made.
    """
    wanted, asked = set(places), asked or {}
    found = _heirs(tx, wanted, older) if older else {}
    new: dict[Place, Standing] = {}
    for _ in range(ROUNDS):
        missing = sorted(wanted - found.keys() - new.keys())
        if not missing:
            break
        columns = [*as_columns(missing), [asked.get(place, 0) for place in missing]]
        for system, kind, external_id, record_id, times in tx.rows(FIND_OR_CREATE, columns):
            place = (system, kind, external_id)
            if times is None:
                found[place] = record_id
            else:
                new[place] = Standing(record_id, kind, system, external_id, at_work=False, is_new=True, asked=times)
    else:
        raise Collision(f"{missing[0]} came and went while it was stored")
    locked = lock_standing(tx, sorted(set(found.values())))
    return {**{place: locked[record_id] for place, record_id in found.items()}, **new}


def lock_standing(tx: Tx, record_ids: Iterable[int]) -> dict[int, Standing]:
    """Lock records in order of id and return each by the id asked for; a merged one leads to its survivor."""
    wanted = sorted(set(record_ids))
    if not wanted:
        return {}
    standing: dict[int, Standing] = {}
    leads: dict[int, int] = {}
    for record_id, kind, system, external_id, at_work, merged_into, rests in tx.rows(LOCK, (wanted,)):
        if merged_into is None:
            standing[record_id] = Standing(record_id, kind, system, external_id, at_work, rests=rests)
        else:
            leads[record_id] = merged_into
    if leads:
        survivors = lock_standing(tx, set(leads.values()) - set(standing))
        for merged, survivor in leads.items():
            standing[merged] = standing.get(survivor) or survivors[survivor]
    return standing


def _heirs(tx: Tx, places: set[Place], older: Mapping[Place, tuple[str, ...]]) -> dict[Place, int]:
    """Return the record of each place that is known by itself or by one of its older ids."""
    ids = {place: [place, *((*place[:2], old) for old in older.get(place, ()))] for place in places}
    columns = as_columns(sorted({one for each in ids.values() for one in each}))
    known = {(row[0], row[1], row[2]): row[3] for row in tx.rows(FIND, columns)}
    heirs = {place: [known[one] for one in each if one in known] for place, each in ids.items()}
    return {place: each[0] for place, each in heirs.items() if each}
