"""What an ending makes of a record's row: pure arithmetic over the locked row (protocol S1, S2, S4).

``Before`` is the row as it stands under our lock, ``After`` what is to be written; no SQL here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sync_workers.ledger.settlements import Settlement
from sync_workers.ledger.texts import storable

PARK_S = 60.0  # protocol D2: nobody wakes us if the link is made by hand
NOTE_CHARS = 1000
TEXT_CHARS = 4000


@dataclass(frozen=True)
class Before:
    """A locked record, with its standing dead letter."""

    id: int
    kind: str
    fence: int
    asked: int
    settled: int
    state: str
    failures: int
    first_failed_at: datetime | None
    lapses: int
    stale_reads: int
    facts: str | None
    forced: bool
    hold_code: str | None
    hold_reason: str | None
    hold_mend: str | None
    mapping_version: int | None
    waits_for: int | None
    merged_into: int | None
    letter_id: int | None
    letter_state: str | None
    letter_facts: str | None
    was_ours: bool


@dataclass(frozen=True)
class After:
    """The row to be. ``due_in_s`` None: not due; ``due_kept``: as it was. No ``outcome``: events stay."""

    settled: int
    state: str
    failures: int
    failed: bool
    lapses: int
    stale_reads: int
    facts: str | None
    forced: bool
    hold_code: str | None
    hold_reason: str | None
    hold_mend: str | None
    mapping_version: int | None
    waits_for: int | None
    note: str | None
    due_kept: bool = False
    due_in_s: float | None = None
    outcome: str | None = None
    is_buried: bool = False
    is_healed: bool = False

    def columns(self) -> tuple[Any, ...]:
        return (self.settled, self.state, self.failures, self.failed, self.lapses, self.stale_reads,
                self.facts, self.forced, self.hold_code, self.hold_reason, self.hold_mend,
                self.mapping_version, self.waits_for, self.note, self.due_kept, self.due_in_s)


def after(told: Settlement, row: Before, *, park_is_void: bool = False) -> After:
    """Return what ``told`` makes of ``row``. News since the claim wins over every ending but done (S4)."""
    news = row.asked > told.claim.gen
    same = After(
        settled=row.settled, state=row.state,
        failures=row.failures, failed=row.first_failed_at is not None,
        lapses=0, stale_reads=row.stale_reads, facts=row.facts, forced=row.forced, hold_code=row.hold_code,
        hold_reason=row.hold_reason, hold_mend=row.hold_mend, waits_for=None,
        mapping_version=told.mapping_version or row.mapping_version,
        note=storable(told.note, most=NOTE_CHARS),
    )
    if told.ending == "release":
        return replace(same, lapses=row.lapses, waits_for=row.waits_for, due_kept=True)
    if told.ending == "done":
        return _done(told, row, same, news)
    if news:
        return replace(same, due_in_s=0.0)
    if told.ending == "retry":
        return replace(
            same, due_in_s=told.wait_s,
            failures=row.failures + told.counts, failed=same.failed or told.counts,
            stale_reads=row.stale_reads + 1 if told.stale else row.stale_reads,
        )
    if told.ending == "park":
        return replace(_unheld(same), state="open", waits_for=None if park_is_void else told.waits_for,
                       due_in_s=0.0 if park_is_void else PARK_S)
    rested = replace(same, failures=0, failed=False, stale_reads=0, forced=False, facts=told.facts)
    if told.ending == "hold" and told.hold is not None:
        return replace(
            rested, state="held", due_in_s=told.hold.recheck_s, hold_code=told.hold.code,
            hold_reason=storable(told.hold.reason, most=TEXT_CHARS),
            hold_mend=storable(told.hold.mend, most=TEXT_CHARS),
        )
    return replace(_unheld(rested), state="dead", settled=told.claim.gen, outcome="dead", is_buried=True)


def _done(told: Settlement, row: Before, same: After, news: bool) -> After:
    wait = 0.0 if news else (told.wait_s or 0.0) if told.again else None
    return replace(
        _unheld(same), settled=max(row.settled, told.claim.gen), state="open", failures=0, failed=False,
        stale_reads=0, facts=told.facts, forced=row.forced and news, due_in_s=wait,
        outcome=told.outcome or "unchanged", is_healed=True,
    )


def _unheld(row: After) -> After:
    return replace(row, hold_code=None, hold_reason=None, hold_mend=None)
