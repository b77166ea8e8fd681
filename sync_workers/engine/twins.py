"""Two records that a system made one (protocol R5): their counterparts elsewhere become one too, then the rows.

Where a target can unite two of its own records (Tryton's wizard replaces one party by another, with all
that hangs on it), it is asked to; where it cannot, a person must choose, and the record is held.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import structlog

from sync_workers.connectors.contract import NativeWrite
from sync_workers.domain.records import Op, Write
from sync_workers.engine import endings
from sync_workers.engine.endings import LookAgain
from sync_workers.engine.facts import Twins
from sync_workers.engine.gates import check_circuit, check_mode
from sync_workers.engine.planning import Batch
from sync_workers.engine.runs import Call, Run
from sync_workers.errors import Hold
from sync_workers.ledger import records
from sync_workers.ledger.merging import Merge, merge_rows
from sync_workers.ledger.settle import Closing, Flush, flush
from sync_workers.ledger.statements import Tx

log = structlog.get_logger(__name__)

REPLACE = "replace"


def unite(run: Run, found: Twins, batch: Batch) -> None:
    """Plan the next call that makes two counterparts one, or join the rows when none is left.

    Safe to repeat: a target that has replaced the one by the other already says so again.
    Raises Hold where a target cannot do it.
    """
    with batch.runtime.ledger.transaction() as tx:
        theirs = {system: external_id for (_, system), external_id in records.ids_of(tx, [found.record]).items()}
    for system in _still_two(run, found, theirs):
        traits = batch.runtime.connectors[system].traits(run.kind)
        if not traits.unites:
            raise Hold(
                "duplicate",
                f"{found.system} merged {run.kind} {run.refs[found.system].external_id} into {found.external_id}, but"
                f" records {run.id} and {found.record} each have a counterpart in {system}:"
                f" {run.refs[system].external_id} and {theirs[system]}",
                mend="see what hangs on each counterpart, remove one of them, then requeue",
            )
        check_circuit(run, system, batch)
        run.talking_to = system
        write = Write(system, Op.ACTION, action=REPLACE)
        if not check_mode(run, write, batch):
            return
        run.call = Call(write, run.reference, f"{run.reference}/{REPLACE}")
        run.native_write = NativeWrite(
            kind=run.kind, id=theirs[system], fields={"source": run.refs[system].external_id}, reference=run.reference,
            action=REPLACE, budget_s=batch.runtime.call_s,
        )  # fmt: skip
        return
    _join(run, found, batch)


def _still_two(run: Run, found: Twins, theirs: Mapping[str, str]) -> list[str]:
    settled = {found.system, *run.united}
    return [
        system for system, ref in sorted(run.refs.items())
        if system not in settled and theirs.get(system, ref.external_id) != ref.external_id
    ]  # fmt: skip


def _join(run: Run, found: Twins, batch: Batch) -> None:
    """Keep what was answered and make the rows one, in one transaction."""
    asked_before = [
        Closing(attempt.id, "superseded", None, None, "asked again") for attempt in run.work.attempts
        if attempt.action == REPLACE
    ]  # fmt: skip
    same_in = frozenset({found.system, *run.united})
    kept = [*asked_before, *run.closings]
    outcome = batch.runtime.ledger.run(
        partial(_keep_and_merge, run=run, survivor=found.record, closings=kept, same_in=same_in)
    )
    run.closings.clear()
    if outcome is Merge.DONE:
        log.info("two records were made one", record=run.id, survivor=found.record)
        run.joined = found.record
        return
    run.ending = endings.ending_for(run, LookAgain(2.0, f"is record {found.record}, which is at work: joining later"))


def _keep_and_merge(
    tx: Tx, *, run: Run, survivor: int, closings: list[Closing], same_in: frozenset[str]
) -> Merge:
    records.lock(tx, [run.id, survivor])
    if not flush(tx, [Flush(run.work.claim, [], closings, [])]):
        return Merge.BUSY
    return merge_rows(tx, survivor, run.id, fence=run.work.claim.fence, same_in=same_in)
