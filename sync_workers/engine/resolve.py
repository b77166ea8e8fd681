"""Two rows that are one thing (step 6, protocol R1): the row named in the reference survives."""

from __future__ import annotations

import structlog

from sync_workers.engine import endings
from sync_workers.engine.endings import LookAgain
from sync_workers.engine.facts import AnotherOrigin
from sync_workers.engine.planning import Batch
from sync_workers.engine.runs import Run
from sync_workers.ledger import inbox, records
from sync_workers.ledger.merging import absorb
from sync_workers.ledger.statements import Tx

log = structlog.get_logger(__name__)


def join_origin(run: Run, found: AnotherOrigin, batch: Batch) -> None:
    """Move this run's record into the one whose reference it carries.

    While that one is at work elsewhere, or has an open attempt, both stay due: this one looks again
    in a moment, and by then the other has usually stored the very ref that told us.
    """
    place = (found.system, found.kind, found.external_id)

    def join(tx: Tx) -> tuple[int, bool]:
        survivor = records.records_of(tx, [place]).get(place)
        if survivor is None:  # a restored ledger may have forgotten it: the reference still knows
            arrival = inbox.Arrival(*place, "dependency", note="named by a reference of ours")
            survivor = inbox.record_arrivals(tx, [arrival])[0].record_id
        return survivor, absorb(tx, survivor, run.id, fence=run.work.claim.fence)

    survivor, joined = batch.runtime.ledger.run(join)
    if joined:
        log.info("a record was recognised as another one", record=run.id, survivor=survivor)
        run.ending = None
        run.joined = survivor
        return
    run.ending = endings.ending_for(run, LookAgain(2.0, f"is record {survivor}, which is at work: joining later"))
