"""A wake-up drains: claim all that was asked for, work it off, settle in few transactions (steps 5 to 14)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

import structlog

from sync_workers.domain.records import Op, Write
from sync_workers.engine import calls, commits, endings
from sync_workers.engine.dependencies import go_first
from sync_workers.engine.facts import AnotherOrigin, Twins
from sync_workers.engine.flights import FLUSH_S, Flights
from sync_workers.engine.links import LedgerLinks
from sync_workers.engine.planning import Batch, plan_next
from sync_workers.engine.pointers import follow, sheet_of
from sync_workers.engine.prefetch import prefetch
from sync_workers.engine.resolve import join_origin
from sync_workers.engine.runs import Again, Drained, Run
from sync_workers.engine.twins import unite
from sync_workers.errors import PermanentError, SyncError, Unlinked
from sync_workers.ledger import records, switchboard
from sync_workers.runtime import Runtime

log = structlog.get_logger(__name__)

FULL_CHUNK = 64
MAX_LAPSES = 3  # the first may be a neighbour's fault; from then on the record is claimed alone (C3)
WORST_CALLS = 3  # what one record may need before its lease is looked at again: read, look up, write


def drain(
    runtime: Runtime,
    ids: Iterable[int],
    *,
    depth: int = 0,
    above: frozenset[int] = frozenset(),
    waits: Callable[[float], None] = lambda seconds: None,
) -> Drained:
    """Work off these records as far as nobody else holds them. Twice is harmless: only one caller gets a claim.

    ``depth`` counts dependencies worked inline, ``above`` are the records that wait for them meanwhile.
    ``waits`` is told whenever calls have gone out and the drain has nothing to do but wait, and for how long.
    Never raises for one record's failure; LedgerDown goes up, and then nothing was promised.
    """
    drained = Drained()
    asked = sorted(set(ids))
    # Records whose last holder died are claimed one at a time, after all others (C3): so it is asked again.
    for _ in range(2 * len(asked)):
        if runtime.stopping.is_set() or not asked:
            break
        claimed = _claim_and_work(runtime, asked, drained, depth, above, waits)
        if not claimed:
            break
        asked = [record_id for record_id in asked if record_id not in claimed]
    if drained.counts:
        log.info("a drain ended", records=len(set(ids)), **drained.counts)
    return drained


def _claim_and_work(
    runtime: Runtime,
    asked: Sequence[int],
    drained: Drained,
    depth: int,
    above: frozenset[int],
    waits: Callable[[float], None],
) -> set[int]:
    """Claim what is free and due, carry it to its end, and return what was claimed."""
    claimed_at = time.monotonic()
    claims = runtime.ledger.run(
        lambda tx: records.claim(tx, asked, owner=runtime.worker, lease_s=runtime.lease_s, versions=runtime.versions),
        singly=True,
    )
    if not claims:
        return set()
    with runtime.ledger.singly() as tx:  # after the claim's commit: no older fence can open an attempt now (C2)
        works = records.load(tx, claims)
        board = switchboard.read(tx, [claim.kind for claim in claims])
    batch = Batch(runtime, LedgerLinks(runtime.ledger), board.modes, board.circuits, drifted=board.drifted,
                  undecided=board.undecided, depth=depth, above=above)
    waiting = []
    for work in works:
        sheet = runtime.sheets.get(work.claim.kind)
        run = Run(work, sheet or sheet_of(work.claim.kind), claimed_at + runtime.lease_s)
        if sheet is None:
            follow(run, batch, drained)
        else:
            waiting.append(run)
    flights = Flights(batch)
    try:
        _work(waiting, flights, drained, waits)
    finally:
        flights.abandon()
    return {claim.id for claim in claims}


def _work(waiting: Sequence[Run], flights: Flights, drained: Drained, waits: Callable[[float], None]) -> None:
    """Carry all runs round by round (plan, commit, call) to their settled ends, some while others' calls are made.

    A call that takes long holds up nobody: the others are settled a second after the first of them was answered.
    """
    batch = flights.batch
    active: list[Run] = []
    size = FULL_CHUNK
    while waiting or active or flights.under_way:
        room = max(0, min(size, FULL_CHUNK - len(active) - flights.under_way))
        fresh, waiting = waiting[:room], waiting[room:]
        began = time.monotonic()
        prefetch(fresh, batch)
        for run in [*active, *fresh]:
            if run.ending is None and run.call is None:
                _plan(run, batch, drained)
        if fresh:
            each = (time.monotonic() - began) / len(fresh)
            size = max(1, min(FULL_CHUNK, int(FLUSH_S / each) if each else FULL_CHUNK))
        for run in [*active, *fresh]:
            if run.joined is not None:
                drained.add("joined")
                drained.again.append(Again(run.joined, run.kind, 0.0))
        going = commits.commit([run for run in [*active, *fresh] if run.joined is None], batch, drained)
        batch.prefetched.clear()
        opened = [run for run in going if run.call and run.call.attempt_id]
        flights.start(_groups(opened, batch))
        active = [run for run in going if not (run.call and run.call.attempt_id)]
        is_idle = not active and (not waiting or flights.under_way >= FULL_CHUNK)
        if is_idle:
            waits(flights.left_s())
        active += flights.collect(patiently=is_idle)


def _plan(run: Run, batch: Batch, drained: Drained) -> None:
    runtime = batch.runtime
    structlog.contextvars.bind_contextvars(record=run.id, kind=run.kind, fence=run.work.claim.fence)
    try:
        if run.work.claim.lapses > MAX_LAPSES:
            raise PermanentError(f"{run.kind} {run.reference} was under work {run.work.claim.lapses} times when its"
                                 " worker died or froze", mend="look at the worker's log at those times, then requeue")
        if run.rounds == 0 and runtime.stopping.is_set():
            run.ending = endings.released(run, "this worker was told to end")
            return
        if run.deadline - time.monotonic() < WORST_CALLS * runtime.call_s + runtime.margin_s:
            run.ending = endings.released(run, "the lease left did not cover another record")
            return
        plan_next(run, batch)
        if run.call is not None:
            connector = runtime.connectors[run.call.write.system]
            run.native_write = calls.native_write(run, run.call, connector, batch)
    except Unlinked as missing:
        call, run.call = run.call, None
        _depend(run, missing, call.write if call else None, batch, drained)
    except AnotherOrigin as found:
        join_origin(run, found, batch)
    except Twins as found:
        _unite(run, found, batch)
    except Exception as error:
        run.call = None
        batch.note(run, error)
        if not isinstance(error, SyncError):
            log.exception("a record's run met a defect")
        run.ending = endings.ending_for(run, error)
    finally:
        structlog.contextvars.unbind_contextvars("record", "kind", "fence")


def _unite(run: Run, found: Twins, batch: Batch) -> None:
    try:
        unite(run, found, batch)
    except Exception as error:
        run.call = None
        run.ending = endings.ending_for(run, error)


def _depend(run: Run, missing: Unlinked, write: Write | None, batch: Batch, drained: Drained) -> None:
    try:
        inner = go_first(run, missing, write, batch, drain)
    except Exception as error:
        run.ending = endings.ending_for(run, error)
        return
    drained.again += inner.again


def _groups(runs: Sequence[Run], batch: Batch) -> list[list[Run]]:
    """Group opened calls that one batched call can carry; all others stand alone."""
    groups: list[list[Run]] = []

    def place(run: Run) -> tuple[str, str, str]:
        assert run.call is not None
        return run.call.write.system, run.kind, run.call.write.op.value

    for (system, kind, op), members in groupby(sorted(runs, key=place), key=place):
        size = batch.runtime.connectors[system].traits(kind).batch if op == Op.UPDATE else 1
        listed = list(members)
        groups += [listed[start:start + size] for start in range(0, len(listed), size)]
    return groups
