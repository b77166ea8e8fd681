"""The call itself (step 12): look at the lease once more, send only what changed, believe what came back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sync_workers.connectors.contract import Connector, Native, NativeWrite
from sync_workers.domain.merge import after_write
from sync_workers.domain.records import Op, Ref
from sync_workers.domain.translate import write_native
from sync_workers.engine import endings, lookup
from sync_workers.engine.facts import take_view
from sync_workers.engine.gates import CircuitOpen
from sync_workers.engine.planning import Batch
from sync_workers.engine.runs import Call, Run
from sync_workers.engine.twins import REPLACE
from sync_workers.errors import Exists, Hold, PermanentError, SyncError, Throttled, Unsure
from sync_workers.ledger.settle import Closing


def native_write(run: Run, call: Call, connector: Connector, batch: Batch) -> NativeWrite:
    """Translate a planned write for its connector. Raises Unlinked or PermanentError before anything is opened."""
    write = call.write
    ref = run.refs.get(write.system)
    views = [run.views.get(run.origin), run.views.get(write.system)]
    known = {name: value for view in views if view for name, value in (view.values or {}).items()}
    fields = write_native(run.sheet, write.system, write.changes, links=batch.links,
                          item_ids=ref.item_ids if ref else {}, values=known,
                          present=run.natives[write.system].fields if write.system in run.natives else None)
    traits = connector.traits(run.kind)
    return NativeWrite(
        kind=run.kind, id=ref.external_id if ref else None, fields=fields, reference=run.reference,
        reference_path=run.sheet.reference.get(write.system, ""), action=write.action,
        version=ref.version if ref and traits.preconditions else None,
        budget_s=batch.runtime.call_s, note=write.note if traits.notes else "",
    )


Heard = tuple[Run, Native | BaseException, float]
"""What a call brought for one run, and the milliseconds that it took."""


def send(runs: Sequence[Run], batch: Batch) -> list[Heard]:
    """Make the opened call of one run, or one batched call for several, and return what was heard.

    May be called in any thread; ``take_answer`` belongs to the drain's own. A run whose call was not made is
    not among the answers, and has its ending.
    """
    first = runs[0]
    assert first.call is not None
    connector = batch.runtime.connectors[first.call.write.system]
    ready = [run for run in runs if _lease_covers(run, batch) and _is_served(run, batch)]
    if not ready:
        return []
    if len(ready) > 1:
        return _send_many(ready, connector)
    run = ready[0]
    assert run.call is not None
    started = time.monotonic()
    run.call.sent = True
    try:
        with batch.runtime.alone(connector, run.kind, run.call.write.action):
            answer: Native | BaseException = connector.write(run.native_write)
    except Exception as error:  # sorted by take_answer: bugs end dead with their traceback
        answer = error
    return [(run, answer, (time.monotonic() - started) * 1000)]


def _send_many(runs: Sequence[Run], connector: Connector) -> list[Heard]:
    started = time.monotonic()
    for run in runs:
        assert run.call is not None
        run.call.sent = True
    answers: Sequence[Native | BaseException]
    try:
        answers = connector.write_many([run.native_write for run in runs])
    except Exception as error:
        answers = [error] * len(runs)
    took_ms = (time.monotonic() - started) * 1000
    return [(run, answer, took_ms) for run, answer in zip(runs, answers, strict=True)]


def take_answer(run: Run, answer: Native | BaseException, took_ms: float, batch: Batch) -> None:
    """Turn what came back into the run's next state; the ledger is told with the next commit."""
    call, run.call = run.call, None
    assert call is not None
    assert call.attempt_id is not None
    system = call.write.system
    run.talking_to = system
    if isinstance(answer, BaseException):
        if not isinstance(answer, Unsure) and isinstance(answer, SyncError):
            run.closings.append(Closing(call.attempt_id, "refused", {"error": answer.message}, took_ms,
                                        type(answer).__name__))
        batch.note(run, answer)
        if isinstance(answer, SyncError) and not endings.is_outage(answer) and not isinstance(answer, Throttled):
            batch.hear(system)  # a refusal is an answer
        if isinstance(answer, Exists):
            _adopt_existing(run, system, answer, batch)
            return
        if isinstance(answer, Hold) and call.write.op is Op.ACTION:
            run.stopped = answer  # what it means is shown in the other systems before the record is held
            run.views.pop(system, None)
            return
        raise_for(run, answer)
        return
    batch.hear(system)
    run.closings.append(Closing(call.attempt_id, "done", _response(answer), took_ms, None))
    run.wrote = True
    run.put_back.add(system)
    if call.write.action == REPLACE:  # what came back is the twin's
        run.united.add(system)
        return
    before = run.refs.get(system)
    if before is None:
        run.refs[system] = Ref(system, answer.id)
        run.linked = True
    run.dirty.add(system)
    try:
        take_view(run, system, answer, batch.links, batch.runtime.connectors)
        _believe(run, call, before)
    except SyncError as error:
        raise_for(run, error)


def raise_for(run: Run, error: BaseException) -> None:
    """End the run as its error says, keeping what was already decided and closed."""
    run.ending = endings.ending_for(run, error)


def _believe(run: Run, call: Call, before: Ref | None) -> None:
    if call.write.op is Op.ACTION:
        return
    system = call.write.system
    shown = dict(run.views[system].values or {})
    paths = run.natives[system].implied
    fields = run.sheet.fields if paths else ()
    implied = {rule.name for rule in fields if system in rule.places and rule.places[system].path in paths}
    taken = after_write(run.sheet, system, before, call.write.changes, shown, run.returned.get(system), implied)
    run.returned[system] = dict(taken.returned)
    if taken.refused:
        names = ", ".join(taken.refused)
        raise PermanentError(
            f"{run.kind} {run.reference}: {system} answered that all is well but did not take {names}",
            field=taken.refused[0],
            mend=f"check in {system} that {names} exists, may be written by us, and is not rewritten there",
        )
    run.refs[system] = replace(run.refs[system], sent=taken.sent, held=taken.held)


def _adopt_existing(run: Run, system: str, error: Exists, batch: Batch) -> None:
    """The system says it has this one: find it and go on from there (protocol W6)."""
    try:
        found = lookup.find_ours(run, batch.runtime.connectors[system], system, run.reference)
    except SyncError as failed:
        raise_for(run, failed)
        return
    if found is None:
        raise_for(run, Unsure(error.message, mend=f"find out what in {system} stands in the way of {run.reference}"))
        return
    lookup.adopt(run, system, found)
    run.notes.append(f"found {found.id} in {system}, not created")


def _lease_covers(run: Run, batch: Batch) -> bool:
    """The last look before the socket (protocol W3); what was never sent is closed as such."""
    if run.deadline - time.monotonic() > batch.runtime.call_s:
        return True
    assert run.call is not None
    assert run.call.attempt_id is not None
    run.closings.append(Closing(run.call.attempt_id, "absent", None, 0.0, "never sent: the lease was too short"))
    run.call = None
    run.ending = endings.released(run, "the lease left did not cover a call")
    return False


def _is_served(run: Run, batch: Batch) -> bool:
    """A system that just failed one call after the other is not asked for the rest of the batch (law L7)."""
    assert run.call is not None
    assert run.call.attempt_id is not None
    system = run.call.write.system
    if not batch.is_failing(system):
        return True
    run.closings.append(Closing(run.call.attempt_id, "absent", None, 0.0, f"never sent: {system} is down"))
    run.call = None
    raise_for(run, CircuitOpen(f"{system} is down: {batch.failing[system][-1]}"))
    return False


def _response(native: Native) -> dict[str, Any]:
    return {"id": native.id, "version": native.version}
