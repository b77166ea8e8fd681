"""How a run ends, by the class of its error (section 6 of the design): pure sorting, written by ``ledger.settle``."""

from __future__ import annotations

import random
import traceback
from datetime import UTC, datetime, timedelta

from sync_workers.domain.backoff import wait_after
from sync_workers.engine.runs import Run
from sync_workers.errors import (
    Hold,
    PermanentError,
    SyncError,
    SystemDown,
    Throttled,
    TransientError,
    Unsure,
)
from sync_workers.ledger.records import EventRow
from sync_workers.ledger.settle import ErrorInfo, HoldInfo, Settlement

OWN_ECHO = "own echo"
DOWN_WAIT = timedelta(seconds=15)
# Holds that something other than a changed field releases: they are tried anew at every look.
LOOKED_AT_ANEW = frozenset({"mode_off", "contract_drift", "dependency", "no_system", "duplicate"})


class LookAgain(SyncError):
    """Nothing is wrong: come back in ``wait_s`` seconds; costs no budget. ``stale`` counts an old read (S6)."""

    def __init__(self, wait_s: float, why: str, *, stale: bool = False) -> None:
        super().__init__(why)
        self.wait_s = wait_s
        self.stale = stale


def is_outage(error: BaseException) -> bool:
    """Whether the failure speaks of the system and not of the record: it counts towards its circuit."""
    return isinstance(error, SyncError) and error.outage


def ending_for(run: Run, error: BaseException) -> Settlement:
    """Sort a failure into what happens next."""
    claim = run.work.claim
    if isinstance(error, LookAgain):
        return _settlement(run, "retry", wait_s=error.wait_s, note=error.message, stale=error.stale)
    if isinstance(error, Hold):
        anew = error.recheck is not None or error.code in LOOKED_AT_ANEW
        return _settlement(
            run, "hold", facts=None if anew else run.facts, note=error.message, alert=error.code == "duplicate",
            hold=HoldInfo(error.code, error.message, error.mend,
                          error.recheck.total_seconds() if error.recheck else None),
        )
    tested_in_vain = run.talking_to in run.probes and is_outage(error)  # says nothing about this record
    if isinstance(error, SystemDown | Throttled) or tested_in_vain:
        spread = 1.0 + random.random() * 0.2  # noqa: S311 -- keeps a whole queue from coming back at once
        asked = error.wait if isinstance(error, TransientError) else None
        return _settlement(run, "retry", wait_s=(asked or DOWN_WAIT).total_seconds() * spread, note=str(error))
    if isinstance(error, TransientError | Unsure):
        first = claim.first_failed_at or datetime.now(UTC)
        asked = error.wait if isinstance(error, TransientError) else None
        wait = wait_after(claim.failures + 1, asked=asked, roll=random.random(),  # noqa: S311
                          age=datetime.now(UTC) - first)
        if wait is not None:
            return _settlement(run, "retry", wait_s=wait.total_seconds(), counts=True, note=error.message,
                               error=_info(error))
        return _dead(run, error, mend=error.mend or f"see that {run.talking_to or 'the system'} answers, then requeue")
    if isinstance(error, PermanentError):
        return _dead(run, error, mend=error.mend or "correct what the message names, then requeue")
    return _dead(run, error, mend="this is a defect in the sync itself: report it with the traceback")


def done(run: Run) -> Settlement:
    """The systems agree: settle everything that was known when the claim was made."""
    notes = [*run.notes, OWN_ECHO] if not run.wrote and _heard_itself(run) else run.notes
    return _settlement(run, "done", outcome="applied" if run.wrote else "unchanged", note="; ".join(notes) or None)


def _heard_itself(run: Run) -> bool:
    """Whether all that this run was told came of our own writes: the system says so, or its version does."""
    def is_echo(event: EventRow) -> bool:
        known = run.work.refs.get(event.system)
        return event.echo or (known is not None and event.version is not None and event.version == known.version)

    return bool(run.work.events) and all(is_echo(event) for event in run.work.events)


def released(run: Run, note: str) -> Settlement:
    """Give the lease back untouched: the record stays due."""
    return _settlement(run, "release", note=note)


def parked(run: Run, dependency: int, needed_in: str, note: str) -> Settlement:
    """Wait, without holding anything, until another record is linked to a system (protocol D2)."""
    return _settlement(run, "park", waits_for=dependency, waits_in=needed_in, note=note)


def _dead(run: Run, error: BaseException, *, mend: str) -> Settlement:
    return _settlement(run, "dead", outcome="dead", facts=run.facts, error=_info(error, mend=mend),
                       note=str(error))


def _info(error: BaseException, *, mend: str = "") -> ErrorInfo:
    known = isinstance(error, SyncError)
    return ErrorInfo(
        type(error).__name__,
        error.message if isinstance(error, SyncError) else f"{type(error).__name__}: {error}",
        mend or (error.mend if isinstance(error, SyncError) else ""),
        error.field if isinstance(error, SyncError) else None,
        None if known else "".join(traceback.format_exception(error))[-8000:],
    )


def _settlement(run: Run, ending: str, **rest: object) -> Settlement:
    return Settlement(claim=run.work.claim, ending=ending, linked=run.linked, **rest)  # type: ignore[arg-type]
