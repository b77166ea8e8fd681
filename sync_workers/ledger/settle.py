"""How runs end and how they keep what they did, in one transaction each (protocol section 5).

Which ending a run has is the engine's decision; what it makes of a record's row is in ``endings``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sync_workers.ledger import answers, burials, refs
from sync_workers.ledger.alerts import raise_alert
from sync_workers.ledger.columns import as_columns
from sync_workers.ledger.endings import After, Before, after
from sync_workers.ledger.inbox import touch
from sync_workers.ledger.incidents import close_quiet_holds, hold_incident
from sync_workers.ledger.links import Place, records_of
from sync_workers.ledger.refs import Finding, RefState, Trouble
from sync_workers.ledger.settlements import Closing, Flush, HoldInfo, OverruleRow, Settlement
from sync_workers.ledger.statements import Prepared, Tx
from sync_workers.ledger.texts import storable, storable_json
from sync_workers.ledger.works import ErrorInfo

__all__ = [
    "Closing",
    "ErrorInfo",
    "Flush",
    "HoldInfo",
    "OverruleRow",
    "RefState",
    "Settlement",
    "flush",
    "late_answer",
    "settle",
]

BUSY_WAIT_S = 2.0

# Waiters and dependencies are locked with our own records, all in order of id.
LOCK = Prepared("""
SELECT r.id, r.kind, r.fence, r.asked, r.settled, r.state, r.failures, r.first_failed_at, r.lapses,
       r.stale_reads, r.facts, r.forced, r.hold_code, r.hold_reason, r.hold_mend, r.mapping_version,
       r.waits_for, r.merged_into, l.id, l.state, l.facts, r.owner IS NOT NULL
  FROM records r LEFT JOIN LATERAL (
       SELECT d.id, d.state, d.facts FROM dead_letters d
        WHERE d.record_id = r.id AND d.state IN ('open', 'requeued') OFFSET 0) l ON true
 WHERE r.id = ANY(%(ids)s::bigint[]) OR r.waits_for = ANY(%(linked)s::bigint[])
 ORDER BY r.id FOR UPDATE OF r
""")
WRITE = Prepared("""
UPDATE records r SET owner = NULL, lease_until = NULL, settled = n.settled, state = n.state,
       failures = n.failures,
       first_failed_at = CASE WHEN n.failed THEN coalesce(r.first_failed_at, clock_timestamp()) END,
       lapses = n.lapses, stale_reads = n.stale_reads, facts = n.facts, forced = n.forced,
       hold_since = CASE WHEN n.hold_code IS NULL THEN NULL
                         WHEN n.hold_code = r.hold_code THEN coalesce(r.hold_since, clock_timestamp())
                         ELSE clock_timestamp() END,
       hold_code = n.hold_code, hold_reason = n.hold_reason, hold_mend = n.hold_mend,
       mapping_version = n.mapping_version, waits_for = n.waits_for, note = n.note,
       due_at = CASE WHEN n.due_kept THEN r.due_at
                     ELSE clock_timestamp() + make_interval(secs => n.due_in_s) END
  FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::int[], %s::bool[], %s::int[], %s::int[], %s::text[],
              %s::bool[], %s::text[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::text[], %s::bool[],
              %s::float8[])
    AS n (id, settled, state, failures, failed, lapses, stale_reads, facts, forced, hold_code, hold_reason,
          hold_mend, mapping_version, waits_for, note, due_kept, due_in_s)
 WHERE r.id = n.id
""")
# Linked while we looked elsewhere: in the system that is needed, or, not told which, since we claimed.
LINKED_MEANWHILE = Prepared("""
SELECT p.id FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[])
    AS p (id, waits_for, waits_in, claimed_at)
 WHERE EXISTS (SELECT FROM refs f WHERE f.record_id = p.waits_for AND f.alias_of IS NULL
                  AND (f.system = p.waits_in OR (p.waits_in IS NULL AND f.first_seen_at >= p.claimed_at)) OFFSET 0)
""")
WAKE = Prepared("UPDATE records SET waits_for = NULL WHERE waits_for = ANY(%s::bigint[]) RETURNING id")


def settle(tx: Tx, settlements: Sequence[Settlement], news: set[int] | None = None) -> set[int]:
    """End runs and return the records that were still ours; the others are not touched (S3, W11).

    ``news`` is filled with those that are due again at once, since something came while they were worked on.

    A record of which another record turns out to have the ref is not settled as told: it is looked
    at again soon, held as a duplicate, or joined; it still counts as ours.
    """
    facets = records_of(tx, [place for one in settlements for place in one.beside])
    ours, rows = _ours(tx, settlements, facets.values())
    if not ours:
        return set()
    took = {one.claim.id for one in ours}
    findings, joined = refs.store(tx, [(one.claim.id, state) for one in ours for state in one.refs])
    if joined:
        ours = [_instead(one, findings.get(one.claim.id)) for one in ours]
        rows = _lock(tx, ours, facets.values())  # joining raised counters that we had read before
        ours = [one for one in ours if rows[one.claim.id].state != "merged"]
    ended = {one.claim.id: one for one in ours}
    loose = _linked_meanwhile(tx, ours, rows)
    afters = {one.claim.id: after(one, rows[one.claim.id], park_is_void=one.claim.id in loose)
              for one in ours}
    _write(tx, afters)
    if news is not None:
        news |= {one.claim.id for one in ours if rows[one.claim.id].asked > one.claim.gen}
    answers.close_attempts(tx, [(one.claim.id, closing) for one in ours for closing in one.closings])
    answers.keep_overrules(tx, [(one.claim.id, row) for one in ours for row in one.overrules])
    buried = [(one, rows[one.claim.id]) for one in ours if afters[one.claim.id].is_buried]
    burials.bury(tx, buried)
    burials.heal(tx, [each for each, one in afters.items() if one.is_healed and rows[each].letter_id])
    answers.settle_events(tx, [
        (record_id, ended[record_id].claim.gen, one.outcome, ended[record_id].note)
        for record_id, one in afters.items() if one.outcome is not None
    ])
    _wake(tx, ours, facets)
    _tell_holds(tx, ended, rows, afters)
    return took


def flush(tx: Tx, flushes: Sequence[Flush]) -> set[int]:
    """Keep refs, answers and overrules of runs that go on; return the records that are still theirs.

    Left out are those whose lease is gone and those of which another record had the ref: these have
    been given back (due soon, held or joined) with their attempts still open. A run with nothing to keep is
    not looked at: whether it is still ours is asked when its call is opened.
    """
    as_settlements = [
        Settlement(one.claim, "release", refs=one.refs, closings=one.closings, overrules=one.overrules)
        for one in flushes if not one.is_empty
    ]
    silent = {one.claim.id for one in flushes if one.is_empty}
    ours, _ = _ours(tx, as_settlements)
    findings, _ = refs.store(tx, [(one.claim.id, state) for one in ours for state in one.refs])
    kept = [one for one in ours if one.claim.id not in findings]
    answers.close_attempts(tx, [(one.claim.id, closing) for one in kept for closing in one.closings])
    answers.keep_overrules(tx, [(one.claim.id, row) for one in kept for row in one.overrules])
    if findings:
        settle(tx, [_instead(one, findings[one.claim.id]) for one in ours if one.claim.id in findings])
    return silent | {one.claim.id for one in kept}


def late_answer(tx: Tx, attempt_id: int, response: Any) -> None:
    """Keep the answer that came after the lease was lost; ``inbox.touch`` makes the record due (W11)."""
    tx.execute("UPDATE attempts SET late_answer = %s::jsonb WHERE id = %s",
               (storable_json({} if response is None else response), attempt_id))


def _lock(tx: Tx, settlements: Sequence[Settlement], more: Iterable[int] = ()) -> dict[int, Before]:
    ids = [one.claim.id for one in settlements] + [one.waits_for for one in settlements if one.waits_for] + [*more]
    linked = [one.claim.id for one in settlements if one.linked]
    fences = {one.claim.id: one.claim.fence for one in settlements}
    return {
        row[0]: Before(*(*row[:-1], row[-1] and fences.get(row[0]) == row[2]))
        for row in tx.rows(LOCK, {"ids": ids, "linked": linked})
    }


def _ours(
    tx: Tx, settlements: Sequence[Settlement], more: Iterable[int] = ()
) -> tuple[list[Settlement], dict[int, Before]]:
    if not settlements:
        return [], {}
    rows = _lock(tx, settlements, more)
    return [one for one in settlements if one.claim.id in rows and rows[one.claim.id].was_ours], rows


def _instead(told: Settlement, finding: Finding | None) -> Settlement:
    """Return what fits a ref that another record has: the answer is not kept, the attempt stays open."""
    if finding is None:
        return told
    bare = replace(told, refs=(), closings=(), overrules=(), linked=False, outcome=None, again=False,
                   error=None)
    if finding.trouble is Trouble.CLASH:
        hold = HoldInfo("duplicate", f"{finding.text}, and both have a counterpart elsewhere",
                        "see what hangs on each counterpart, remove one of them, then requeue")
        return replace(bare, ending="hold", hold=hold, alert=True, note=finding.text)
    # the younger one waits longer: at the same moment they would find each other at work for ever
    wait_s = BUSY_WAIT_S if told.claim.id < finding.other else 2 * BUSY_WAIT_S
    return replace(bare, ending="retry", wait_s=wait_s, counts=False, note=finding.text)


def _linked_meanwhile(tx: Tx, ours: Iterable[Settlement], rows: Mapping[int, Before]) -> set[int]:
    parked = [one for one in ours if one.ending == "park" and one.waits_for]
    # A dependency that became part of another record is looked up anew.
    loose = {one.claim.id for one in parked if _is_gone(rows.get(one.waits_for or 0))}
    if parked:
        found = tx.rows(LINKED_MEANWHILE, (
            [one.claim.id for one in parked], [one.waits_for for one in parked],
            [one.waits_in for one in parked], [one.claim.claimed_at for one in parked],
        ))
        loose |= {row[0] for row in found}
    return loose


def _is_gone(dependency: Before | None) -> bool:
    return dependency is None or dependency.merged_into is not None


def _write(tx: Tx, afters: Mapping[int, After]) -> None:
    if afters:
        rows = [(record_id, *one.columns()) for record_id, one in afters.items()]
        tx.later(WRITE, as_columns(rows))


def _wake(tx: Tx, ours: Sequence[Settlement], facets: Mapping[Place, int]) -> None:
    """Wake who waits for what was linked or stands beside it, in the transaction that linked it (D2)."""
    linked = {one.claim.id for one in ours if one.linked}
    if not linked:
        return
    waiters = [row[0] for row in tx.rows(
        WAKE, (sorted(linked),),
    )]
    if waiters:
        touch(tx, waiters, "dependency", "what it waited for is linked now")
    beside = {facets[place] for one in ours if one.linked for place in one.beside if place in facets} - set(waiters)
    if beside:
        touch(tx, beside, "dependency", "what it stands beside is linked now")


def _tell_holds(
    tx: Tx, ended: Mapping[int, Settlement], rows: Mapping[int, Before], afters: Mapping[int, After]
) -> None:
    over = []
    for record_id, one in sorted(ended.items()):
        before, now = rows[record_id], afters[record_id]
        if before.hold_code and before.hold_code != now.hold_code:
            over.append((before.kind, before.hold_code))
        if one.alert and one.hold and now.hold_code and now.hold_code != before.hold_code:
            raise_alert(tx, hold_incident(before.kind, now.hold_code), "error",
                        f"{before.kind} held: {now.hold_code}",
                        f"record {record_id}: {storable(one.hold.reason)}. {storable(one.hold.mend)}")
    close_quiet_holds(tx, over)
