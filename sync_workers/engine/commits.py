"""One transaction per round: settle what ended, keep what was written, open what goes out next (steps 11 and 13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from sync_workers.domain.records import Op, Overrule, Value
from sync_workers.domain.values import as_text, encode, values_text
from sync_workers.engine import endings
from sync_workers.engine.endings import LookAgain
from sync_workers.engine.gates import fields_json
from sync_workers.engine.planning import Batch
from sync_workers.engine.runs import Again, Drained, Run
from sync_workers.errors import Hold
from sync_workers.ledger import circuits, inbox, records
from sync_workers.ledger.attempts import LostLease, Opened, Opening, Replan, Taken, open_attempts
from sync_workers.ledger.links import Place
from sync_workers.ledger.settle import (
    Closing,
    Flush,
    OverruleRow,
    RefState,
    Settlement,
    flush,
    late_answer,
    settle,
)
from sync_workers.ledger.statements import Tx

log = structlog.get_logger(__name__)

SHORT_WAIT_S = 60.0  # longer waits live in the ledger alone (section 6 of the design)


def commit(runs: Sequence[Run], batch: Batch, drained: Drained) -> list[Run]:
    """Write the round to the ledger and return the runs that go on, their calls opened.

    A run that lost its lease drops out: it leaves a 'late answer' if it had written, and nothing else.
    """
    ending = [run for run in runs if run.ending is not None]
    going = [run for run in runs if run.ending is None]
    writing = [run for run in going if run.call is not None and run.call.attempt_id is None]
    changed = [run for run in going if run.closings or run.dirty or run.decided]

    news: set[int] = set()

    def write(tx: Tx) -> tuple[set[int], set[int], list[object]]:
        news.clear()
        flushes = [_flush(run) for run in changed]
        if going and (ending or not all(one.is_empty for one in flushes)):
            # each of the steps locks in order of id, several of them together do not
            records.lock(tx, [run.id for run in runs], at_once=False)
        settled = settle(tx, [_settlement(run, batch) for run in ending], news) if ending else set()
        kept = flush(tx, flushes) if changed else set()
        opened = _open(tx, [run for run in writing if run not in changed or run.id in kept], batch) if writing else []
        for run in [*ending, *changed]:
            if run.id not in settled | kept:
                _leave_late_answer(tx, run)
        _note_health(tx, batch)
        return settled, kept, opened

    settled, kept, opened = batch.runtime.ledger.run(write)
    batch.failing.clear()
    batch.answered.clear()
    for run in ending:
        _count(run, run.id in settled, run.id in news, drained)
    lost = [run for run in changed if run.id not in kept]
    for run in changed:
        run.overrules = [item for item in run.overrules if item.system not in run.put_back]
        run.put_back.clear()
        if _has_to_keep(run):
            run.dirty.clear()
            run.loaded = dict(run.refs)
        run.closings, run.decided = [], []
    asked = [run for run in writing if run not in lost]
    for run, answer in zip(asked, opened, strict=True):
        if not _take_opening(run, answer):
            lost.append(run)
    return [run for run in going if run not in lost]


def _has_to_keep(run: Run) -> bool:
    """Whether a run's refs must be stored before its next call: after an answer, with new ids, with a moved base.

    A newer version alone can wait for the end, and so can the base of a record that no other system has yet:
    whoever takes over reads the same again.
    """
    if run.closings or run.decided:
        return True
    is_alone = len(run.refs) == 1 and run.call is not None and run.call.write.op is Op.CREATE
    for system in run.dirty:
        known, ref = run.loaded.get(system), run.refs[system]
        if known is None or known.external_id != ref.external_id:
            return True
        if not is_alone and (known.held is not ref.held or known.sent is not ref.sent):
            return True
    return False


def _take_opening(run: Run, answer: object) -> bool:
    assert run.call is not None
    if isinstance(answer, Opened):
        run.call.attempt_id, run.call.sure_at = answer.attempt_id, answer.sure_at
        return True
    run.call = None
    if isinstance(answer, Replan):
        run.ending = endings.ending_for(run, LookAgain(0.0, answer.reason))
        return True
    if isinstance(answer, Taken):
        run.ending = endings.ending_for(run, Hold(
            "likely_same", f"{run.kind} {run.reference} is likely the same as record {answer.record_id}:"
            f" both have this {answer.name}", mend="link the two, or correct the one that is wrong, then requeue"))
        return True
    assert isinstance(answer, LostLease)
    return False


def _open(tx: Tx, runs: Sequence[Run], batch: Batch) -> list[object]:
    runtime = batch.runtime
    modes = {place: mode.mode for place, mode in batch.modes.items()}
    return list(open_attempts(tx, [_opening(run, batch) for run in runs], call_s=runtime.call_s,
                              margin_s=runtime.margin_s, modes=modes, versions=runtime.versions))


def _opening(run: Run, batch: Batch) -> Opening:
    call = run.call
    assert call is not None
    write = call.write
    traits = batch.runtime.connectors[write.system].traits(run.kind)
    identities: tuple[tuple[str, str], ...] = ()
    if write.op is Op.CREATE and len(run.sheet.created_by) > 1:
        values = run.views[run.origin].values or {}
        identities = tuple((name, str(values[name]).strip().casefold())
                           for name in run.sheet.natural_keys if values.get(name))
    return Opening(
        claim=run.work.claim, system=write.system, kind=run.kind, op=write.op.value, action=write.action,
        key=run.reference, mapping_version=run.sheet.version, fields=fields_json(write),
        request=batch.runtime.redact_text({"id": run.native_write.id, "fields": run.native_write.fields,
                                           "action": write.action, "reference": run.reference}),
        linger_s=(traits.busy_after + traits.find_lag).total_seconds(), identities=identities,
    )


def _flush(run: Run) -> Flush:
    return Flush(run.work.claim, _refs(run) if _has_to_keep(run) else (), _closings(run), _overrules(run))


def _settlement(run: Run, batch: Batch) -> Settlement:
    assert run.ending is not None
    return replace(run.ending, refs=_refs(run), closings=_closings(run), overrules=_overrules(run),
                   linked=run.linked, beside=_beside(run, batch) if run.linked else (),
                   mapping_version=run.sheet.version)


def _beside(run: Run, batch: Batch) -> list[Place]:
    """Return where the facets of a record that was linked have their own rows: a part's stock, say."""
    facets = [kind for kind, sheet in batch.runtime.sheets.items() if sheet.extends == run.kind]
    return [(system, kind, ref.external_id) for kind in facets for system, ref in run.refs.items()]


def _refs(run: Run) -> list[RefState]:
    states = []
    for system in sorted(run.dirty):
        ref = run.refs[system]
        sent = None if _is_same(ref.sent, ref.held) else values_text(ref.sent)
        states.append(RefState(system, run.kind, ref.external_id, ref.version, sent, values_text(ref.held),
                               as_text(ref.item_ids), gone=system in run.gone))
    return states


def _is_same(sent: Mapping[str, Value], held: Mapping[str, Value]) -> bool:
    """Whether both hold the very same values: then they are stored once."""
    return len(sent) == len(held) and all(held.get(name) is value for name, value in sent.items())


def _closings(run: Run) -> list[Closing]:
    decided = [Closing(attempt_id, status, None, None, note) for attempt_id, status, note in run.decided]
    return [*decided, *run.closings]


def _overrules(run: Run) -> list[OverruleRow]:
    """An overrule is kept once its put-back is written, not while it is only planned."""
    return [_overrule(item, run) for item in run.overrules if item.system in run.put_back]


def _overrule(item: Overrule, run: Run) -> OverruleRow:
    pair = encode({"lost": item.lost, "won": item.won})
    return OverruleRow(item.field, item.system, pair["lost"], item.winner, pair["won"], item.rule, run.sheet.version)


def _leave_late_answer(tx: Tx, run: Run) -> None:
    """Another worker took over: all we may say is that our call was answered after all (protocol W11)."""
    answered = [closing for closing in run.closings if closing.status != "absent"]  # that one was never sent
    for closing in answered:
        late_answer(tx, closing.attempt_id, closing.response)
    if answered:
        inbox.touch(tx, [run.id], "late answer", "a worker that had lost its lease got its answer")


def _note_health(tx: Tx, batch: Batch) -> None:
    ailing = {name for name, circuit in batch.circuits.items() if circuit.failures or circuit.state == "open"}
    turned = False
    for system in batch.answered & ailing:  # before its last failures: those follow the answer
        circuits.note_success(tx, system)
        turned = True
    for system, reasons in batch.failing.items():
        for reason in reasons:
            circuits.note_failure(tx, system, reason, threshold=batch.runtime.circuit_threshold,
                                  probe_s=batch.runtime.probe_s)
        turned = True
    if turned:
        batch.circuits.update(circuits.states(tx))


def _count(run: Run, took: bool, has_news: bool, drained: Drained) -> None:
    assert run.ending is not None
    ending = run.ending
    if not took:
        drained.add("lost")
        log.info("a run was taken over", record=run.id, fence=run.work.claim.fence)
        return
    drained.add(ending.outcome or ending.ending)
    if ending.ending != "done":  # the drain tells how many went well
        log.info("a run ended", record=run.id, kind=run.kind, ending=ending.ending, outcome=ending.outcome,
                 error=ending.error.cls if ending.error else None, hold=ending.hold.code if ending.hold else None)
    if ending.ending == "done":
        drained.settled.append(run.id)
    wait = 0.0 if has_news or ending.ending == "release" or ending.again else ending.wait_s
    if wait is not None and wait <= SHORT_WAIT_S:
        drained.again.append(Again(run.id, run.kind, wait))
