"""News of a part that only leads to its whole: an edited order line means, look at the order again.

Platforms tell such edits under the part's own id, and the receiver may not ask whose part it is.
"""

from __future__ import annotations

from sync_workers.domain.mapping import Sheet
from sync_workers.engine import endings
from sync_workers.engine.planning import Batch
from sync_workers.engine.runs import Again, Drained, Run
from sync_workers.ledger import inbox
from sync_workers.ledger.settle import settle
from sync_workers.ledger.statements import Tx


def sheet_of(kind: str) -> Sheet:
    """Return the empty sheet that a part's run stands on: no field of it is synced."""
    return Sheet(kind, 0, (), ())


def follow(run: Run, batch: Batch, drained: Drained) -> None:
    """Raise an event for the whole and settle the part, in one transaction.

    A part without a whole (a line that was removed) settles too: its removal is told of the whole itself.
    """
    claim = run.work.claim
    connector = batch.runtime.connectors[claim.origin_system]
    run.talking_to = claim.origin_system
    try:
        whole = connector.parent_of(run.kind, claim.origin_id)
    except Exception as error:
        batch.note(run, error)
        run.ending = endings.ending_for(run, error)
        batch.runtime.ledger.run(lambda tx: settle(tx, [run.ending]))  # type: ignore[list-item]
        drained.add(run.ending.ending)
        return
    run.notes.append(f"leads to {whole[0]} {whole[1]}" if whole else "belongs to nothing any more")
    ending = endings.done(run)
    arrivals = [inbox.Arrival(claim.origin_system, *whole, "webhook", note="one of its parts changed")] if whole else []

    def store(tx: Tx) -> list[inbox.Arrived]:
        arrived = inbox.record_arrivals(tx, arrivals)
        settle(tx, [ending])
        return arrived

    for arrived in batch.runtime.ledger.run(store):
        drained.again.append(Again(arrived.record_id, arrived.kind, 0.0))
    drained.add("led on")
