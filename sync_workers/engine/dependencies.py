"""Other records first (step 8): do a missing one inline if nobody is at it, else wait for it without holding."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from sync_workers.domain.records import Op, Write
from sync_workers.domain.translate import LEDGER, write_native
from sync_workers.engine import endings
from sync_workers.engine.planning import Batch
from sync_workers.engine.runs import Drained, Run
from sync_workers.errors import Hold, Unlinked
from sync_workers.ledger import inbox, records
from sync_workers.ledger.statements import Tx

MAX_DEPTH = 3


def go_first(
    run: Run, missing: Unlinked, write: Write | None, batch: Batch, drain: Callable[..., Drained]
) -> Drained:
    """Bring the record that ``run`` depends on into being, or park the run until somebody has.

    Leaves the run without call and ending when it can be planned again at once: the link now stands, or
    it would close a circle and ``write`` creates the record without it (protocol D3). A record that hangs on
    one which will never be created over there (an order that was entered in the ERP) is done as it is.
    Raises Hold when the dependency itself has stopped (protocol D4).
    """
    runtime = batch.runtime
    dependency = runtime.ledger.run(lambda tx: _record_of(tx, missing))
    inner = Drained()
    if missing.target == LEDGER:  # it had only to be known; it is due by itself now
        return inner
    if _closes_circle(run, missing, dependency, batch):
        if write is not None and write.op is Op.CREATE:
            run.left_out |= _links_to(run, missing, write, batch)
            return inner
        if dependency == run.id:  # its own parent: the coming commit stores the link
            return inner
    worst = 2 * runtime.call_s * 3 + runtime.margin_s
    if batch.depth < MAX_DEPTH and run.rounds < 3 and run.deadline - time.monotonic() > worst:
        inner = drain(runtime, [dependency], depth=batch.depth + 1, above=batch.above | {run.id})
        with runtime.ledger.transaction() as tx:
            if (dependency, missing.target) in records.ids_of(tx, [dependency]):
                return inner
    with runtime.ledger.transaction() as tx:
        state, why, born_in = records.standing(tx, dependency)
    sheet = runtime.sheets.get(missing.kind)
    if sheet is not None and born_in not in sheet.created_by:
        run.notes.append(f"its {missing.kind} stands in {born_in} alone")
        run.ending = endings.done(run)
        return inner
    if state in ("dead", "held"):
        raise Hold("dependency", f"{run.kind} {run.reference} waits for {missing.kind} record {dependency},"
                   f" which is {state}: {why}", mend=f"sync-workers explain {missing.kind} '#{dependency}'",
                   recheck=timedelta(minutes=1))
    batch.parked[run.id] = dependency
    run.ending = endings.parked(run, dependency, missing.target, missing.message)
    return inner


def _closes_circle(run: Run, missing: Unlinked, dependency: int, batch: Batch) -> bool:
    """Whether the record that is needed itself waits for this one, or for one that we hold further up."""
    if missing.kind != run.kind:
        return False
    ours = batch.above | {run.id}
    for _ in range(len(batch.parked)):  # parked a moment ago, not yet committed
        if dependency in ours:
            break
        dependency = batch.parked.get(dependency, dependency)
    if dependency in ours:
        return True
    with batch.runtime.ledger.transaction() as tx:
        return not ours.isdisjoint(records.waits_on(tx, dependency))


def _links_to(run: Run, missing: Unlinked, write: Write, batch: Batch) -> set[str]:
    """Return the fields of a write that point to the missing record."""
    found = set()
    for name, change in write.changes.items():
        try:
            write_native(run.sheet, write.system, {name: change}, links=batch.links, item_ids={},
                         values={each: one.after for each, one in write.changes.items()})
        except Unlinked as unlinked:
            if unlinked.external_id == missing.external_id:
                found.add(name)
    return found


def _record_of(tx: Tx, missing: Unlinked) -> int:
    if missing.system == LEDGER:  # known to us, not yet in the target
        return int(missing.external_id)
    place = (missing.system, missing.kind, missing.external_id)
    known = records.records_of(tx, [place])
    if place in known:
        return known[place]
    arrival = inbox.Arrival(missing.system, missing.kind, missing.external_id, "dependency")
    return inbox.record_arrivals(tx, [arrival])[0].record_id
