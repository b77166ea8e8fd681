"""Finding the record that a foreign id belongs to, or making it, and locking it (protocol A1, A5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sync_workers.ledger.connection import Collision, Prepared, Tx
from sync_workers.ledger.links import Place

ROUNDS = 4


@dataclass(frozen=True)
class Standing:
    """One locked record. ``at_work``: somebody holds it or died holding it; its facts may have been read.

    ``rests``: nothing is about to look at it (held, dead, or waiting for a date).
    """

    id: int
    kind: str
    origin_system: str
    origin_id: str
    at_work: bool
    is_new: bool = False
    rests: bool = False


FIND = Prepared("""
SELECT wanted.system, wanted.kind, wanted.external_id, f.record_id
  FROM unnest(%s::text[], %s::text[], %s::text[]) AS wanted (system, kind, external_id)
  JOIN refs f ON f.system = wanted.system AND f.kind = wanted.kind AND f.external_id = wanted.external_id
""")
# The ref decides who is first; its foreign key is checked at the end, when the record stands.
CREATE = Prepared("""
WITH wanted AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('records', 'id')) AS id, w.*
      FROM (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) AS w (system, kind, external_id)
             ORDER BY 1, 2, 3) AS w),
made AS (
    INSERT INTO refs (record_id, system, kind, external_id)
    SELECT id, system, kind, external_id FROM wanted
    ON CONFLICT (system, kind, external_id) DO NOTHING
    RETURNING record_id, system, kind, external_id)
INSERT INTO records (id, kind, origin_system, origin_id)
OVERRIDING SYSTEM VALUE SELECT record_id, kind, system, external_id FROM made
RETURNING origin_system, kind, origin_id, id
""")
LOCK = Prepared("""
SELECT id, kind, origin_system, origin_id, owner IS NOT NULL, merged_into,
       due_at IS NULL OR due_at > clock_timestamp()
  FROM records WHERE id = ANY(%s::bigint[]) ORDER BY id FOR UPDATE
""")


def find_or_create(
    tx: Tx, places: Sequence[Place], older: Mapping[Place, tuple[str, ...]] | None = None
) -> dict[Place, Standing]:
    """Return the locked record of each place, new ones made with the place as their origin.

    ``older`` names ids that now lead to a place: an unknown place takes over the record of the first
    of them that is known (protocol R5), and no new one is made.
    """
    wanted = set(places)
    elders = {place: [(place[0], place[1], old) for old in olds] for place, olds in (older or {}).items()}
    found: dict[Place, int] = {}
    new: dict[Place, Standing] = {}
    for _ in range(ROUNDS):
        missing = sorted(wanted - set(found) - set(new))
        if not missing:
            break
        asked = sorted({*missing, *(elder for place in missing for elder in elders.get(place, ()))})
        known = _ids(tx, asked)
        for place in missing:
            heirs = [known[each] for each in (place, *elders.get(place, ())) if each in known]
            if heirs:
                found[place] = heirs[0]
        for system, kind, external_id, record_id in _create(tx, [one for one in missing if one not in found]):
            place = (system, kind, external_id)
            new[place] = Standing(record_id, kind, system, external_id, at_work=False, is_new=True)
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


def _ids(tx: Tx, places: Sequence[Place]) -> dict[Place, int]:
    rows = tx.rows(FIND, tuple(list(column) for column in zip(*places, strict=True)))
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def _create(tx: Tx, places: Sequence[Place]) -> list[tuple[str, str, str, int]]:
    if not places:
        return []
    rows = tx.rows(CREATE, tuple(list(column) for column in zip(*places, strict=True)))
    return [(row[0], row[1], row[2], row[3]) for row in rows]
