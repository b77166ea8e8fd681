"""Two rows, one thing: one record takes over what the other has (protocol R1, R3, R5, A5).

Which of the two survives is the caller's knowledge; telling that they are one is the engine's.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from sync_workers.errors import Hold
from sync_workers.ledger.incidents import close_quiet
from sync_workers.ledger.statements import Tx


class Merge(Enum):
    """How joining two records went."""

    DONE = "done"
    BUSY = "busy"
    CLASH = "clash"


LOCK = """
SELECT id, state, merged_into, kind,
       owner IS NOT NULL AND lease_until > clock_timestamp(),
       EXISTS (SELECT FROM attempts a WHERE a.record_id = r.id AND a.status = 'open'), fence
  FROM records r WHERE id IN (%s, %s) ORDER BY id FOR UPDATE
"""
CLASHES = """
SELECT mine.system FROM refs mine JOIN refs theirs ON theirs.system = mine.system
 WHERE mine.record_id = %s AND theirs.record_id = %s AND mine.alias_of IS NULL AND theirs.alias_of IS NULL
"""
# One statement per move: a unique index is checked row by row.
BECOME_ALIASES = """
UPDATE refs f SET record_id = mine.record_id, alias_of = mine.id FROM refs mine
 WHERE mine.record_id = %(survivor)s AND mine.system = %(system)s AND mine.alias_of IS NULL
   AND f.record_id = %(other)s AND f.system = %(system)s
"""
MOVE_EVENTS = """
WITH moved AS (
    SELECT e.id, e.received_at, row_number() OVER (ORDER BY e.gen, e.id) AS n
      FROM events e WHERE e.record_id = %(other)s AND e.settled_at IS NULL),
raised AS (
    UPDATE records SET asked = asked + greatest(1, (SELECT count(*) FROM moved)),
                       due_at = least(due_at, clock_timestamp())
     WHERE id = %(survivor)s RETURNING asked - greatest(1, (SELECT count(*) FROM moved)) AS before)
UPDATE events e SET record_id = %(survivor)s, gen = raised.before + moved.n
  FROM moved, raised WHERE e.id = moved.id AND e.received_at = moved.received_at
"""
RAISE = "UPDATE records SET asked = asked + 1, due_at = least(due_at, clock_timestamp()) WHERE id = %s"
RETIRE = """
UPDATE records SET state = 'merged', merged_into = %(survivor)s, due_at = NULL, owner = NULL,
       lease_until = NULL, fence = fence + 1, settled = asked, waits_for = NULL, forced = false,
       failures = 0, lapses = 0,
       first_failed_at = NULL, facts = NULL, hold_code = NULL, hold_reason = NULL, hold_mend = NULL,
       hold_since = NULL
 WHERE id = %(other)s
"""


def absorb(tx: Tx, survivor_id: int, other_id: int, *, fence: int | None = None) -> bool:
    """Join ``other_id`` into ``survivor_id``: refs, keys and unsettled events move, the survivor is due.

    ``fence`` is that of the caller's own lease on the other record (protocol S3). With a lease of
    anybody else, or an open attempt, nothing is joined and False returned: both stay due. Raises Hold
    ``duplicate`` when both have a counterpart in one system: that is a person's to undo.
    """
    outcome = merge_rows(tx, survivor_id, other_id, fence=fence)
    if outcome is Merge.CLASH:
        raise Hold(
            "duplicate",
            f"records {survivor_id} and {other_id} are one thing, but each has its own counterpart",
            mend="see what hangs on each counterpart, remove one of them, then requeue",
        )
    return outcome is Merge.DONE


def merge_rows(
    tx: Tx, survivor_id: int, other_id: int, *, fence: int | None = None, same_in: Collection[str] = (),
    ours: bool = False,
) -> Merge:
    """As ``absorb``. ``same_in``: the systems in which their two are one by now; ``ours``: the caller
    holds the other record and has compared its fence."""
    rows = {row[0]: row for row in tx.rows(LOCK, (survivor_id, other_id))}
    _, state, merged_into, _, leased, undecided, held_fence = rows[other_id]
    if state == "merged":
        return Merge.DONE if merged_into == survivor_id else Merge.BUSY
    if rows[survivor_id][1] == "merged" or survivor_id == other_id:
        return Merge.BUSY
    mine = ours or (fence is not None and fence == held_fence)
    if undecided or (leased and not mine) or (fence is not None and not mine):
        # The caller's own record stays due by the caller's ending; raised here it would spin. So would two that
        # meet at work and raise each other: then only the older one raises.
        if ours or fence is not None:
            tx.execute(RAISE, (survivor_id,))
        elif not leased or survivor_id < other_id:
            tx.execute(RAISE, (other_id,))
        return Merge.BUSY
    clashes = {row[0] for row in tx.rows(CLASHES, (survivor_id, other_id))}
    if clashes - set(same_in):
        return Merge.CLASH
    names = {"survivor": survivor_id, "other": other_id}
    for system in clashes:
        tx.execute(BECOME_ALIASES, {**names, "system": system})
    for statement in (
        # Older ids first, by the ref that they lead to: no index holds them by their record.
        "UPDATE refs f SET record_id = %(survivor)s FROM refs led WHERE f.alias_of = led.id"
        " AND led.record_id = %(other)s AND led.alias_of IS NULL",
        "UPDATE refs SET record_id = %(survivor)s WHERE record_id = %(other)s AND alias_of IS NULL",
        "UPDATE identities SET record_id = %(survivor)s WHERE record_id = %(other)s",
        MOVE_EVENTS,
        "UPDATE records SET merged_into = %(survivor)s WHERE merged_into = %(other)s",
        RETIRE,
        # Whoever waited for the other looks again, at the survivor; and for the survivor this may be the link.
        "UPDATE records SET waits_for = NULL, asked = asked + 1, due_at = least(due_at, clock_timestamp())"
        " WHERE waits_for IN (%(other)s, %(survivor)s)",
    ):
        tx.execute(statement, names)
    _close_letter(tx, survivor_id, other_id)
    return Merge.DONE


def _close_letter(tx: Tx, survivor_id: int, other_id: int) -> None:
    rows = tx.rows(
        "UPDATE dead_letters SET state = 'handled', closed_at = clock_timestamp(), who = 'sync-workers',"
        " why = %s WHERE record_id = %s AND state IN ('open', 'requeued') RETURNING incident",
        (f"the record became part of record {survivor_id}", other_id),
    )
    close_quiet(tx, [row[0] for row in rows])
