"""From facts to the next call (steps 8 to 10): merge, gates, and what has to be asked before a create."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from sync_workers.connectors.contract import Native, Variant
from sync_workers.domain.absentees import overlook
from sync_workers.domain.mapping import fields_without_base
from sync_workers.domain.merge import merge
from sync_workers.domain.records import Op, Plan, Write
from sync_workers.engine import endings, lookup
from sync_workers.engine.endings import LookAgain, is_outage
from sync_workers.engine.facts import read_systems, ref_from
from sync_workers.engine.gates import CircuitOpen, check_circuit, check_mode, check_pingpong, check_quote
from sync_workers.engine.links import LedgerLinks
from sync_workers.engine.runs import Call, Run
from sync_workers.errors import Hold, PermanentError, Unlinked
from sync_workers.ledger.attempts import create_gate
from sync_workers.ledger.circuits import Circuit
from sync_workers.ledger.modes import Mode
from sync_workers.ledger.settle import HoldInfo
from sync_workers.runtime import Runtime

NOTE = "note"
MAX_ROUNDS = 12  # a record that wants more calls than this in one run does not settle


@dataclass
class Batch:
    """What the runs of one drain share.

    ``undecided`` names the (system, kind) in which a create of ours was open after the claim. A foreign
    record that was seen before the claim was made before it, so its create is among them (protocol R2).
    """

    runtime: Runtime
    links: LedgerLinks
    modes: Mapping[tuple[str, str], Mode]
    circuits: dict[str, Circuit]
    drifted: Mapping[tuple[str, str], list[str]] = field(default_factory=dict)
    failing: dict[str, list[str]] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    probing: dict[str, int] = field(default_factory=dict)
    prefetched: dict[tuple[str, str, str], Native] = field(default_factory=dict)
    depth: int = 0
    above: frozenset[int] = frozenset()
    parked: dict[int, int] = field(default_factory=dict)
    undecided: Collection[tuple[str, str]] = ()

    def note(self, run: Run, error: BaseException) -> None:
        """Remember that a system did not serve us; the next commit tells its circuit."""
        if run.talking_to and is_outage(error) and not isinstance(error, CircuitOpen):
            self.failing.setdefault(run.talking_to, []).append(str(error)[:300])

    def hear(self, system: str) -> None:
        """Remember that a system answered: the failures before it were not in a row."""
        self.answered.add(system)
        self.failing.pop(system, None)

    def is_failing(self, system: str) -> bool:
        """Whether a system has failed so often in this batch that its circuit opens with the next commit."""
        return len(self.failing.get(system, ())) >= self.runtime.circuit_threshold


def plan_next(run: Run, batch: Batch) -> None:
    """Set the run's next call, or its ending when nothing is left to do.

    Raises the errors of section 6; nothing was changed anywhere when it does.
    """
    connectors = batch.runtime.connectors
    if run.rounds == 0:
        run.refs = {name: ref_from(row) for name, row in run.work.refs.items()}
        run.loaded = dict(run.refs)
        _forget_old_bases(run, batch)
    run.rounds += 1
    for system in run.refs:
        check_circuit(run, system, batch)
    if run.sheet.extends and not _stand_beside(run, batch):
        run.notes.append(f"its {run.sheet.extends} lives in {run.origin} alone")
        run.ending = endings.done(run)
        return
    if run.sheet.reference:
        lookup.decide_creates(run, connectors)
    read_systems(run, connectors, batch.links, batch.prefetched)
    for system in run.heard:
        batch.hear(system)
    run.heard.clear()
    if not run.sheet.reference:  # a natural key is known only once the origin has been read
        lookup.decide_creates(run, connectors)
        read_systems(run, connectors, batch.links, batch.prefetched)
    lookup.complete_creates(run)
    lookup.decide_updates(run, connectors)
    run.shown = {name: view.values for name, view in run.views.items()}
    if run.rounds == 1 and _nothing_new(run):
        return
    if run.gone:  # it was born and deleted before anybody else held it
        run.ending = endings.done(run)
        return
    run.views, left_out = overlook(run.sheet, run.views, run.refs, batch.links.is_gone)
    run.left_out |= left_out
    plan = merge(run.sheet, run.views, run.refs, origin=run.origin)
    if plan.conflicts:
        fields = ", ".join(conflict.field for conflict in plan.conflicts)
        raise Hold("conflict", f"{run.kind} {run.reference}: {fields} changed on several sides at once",
                   mend="set the value you want in one system, or the same in all")
    check_pingpong(run, plan, batch)
    known = {(item.field, item.system) for item in run.overrules}
    run.overrules += [item for item in plan.overrules if (item.field, item.system) not in known]
    for write in plan.writes:
        run.stopped = run.stopped or check_quote(run, write)
    writes = [write for write in plan.writes if run.stopped is None or write.op is not Op.ACTION]
    _agree(run, plan)
    # Steps first: they change what the other systems are to be told, and once is enough to tell them.
    writes.sort(key=lambda write: write.op is not Op.ACTION)
    if not writes:
        if run.stopped is None:
            run.ending = endings.done(run)
            return
        if not _has_to_tell(run, run.stopped, batch):
            raise run.stopped
        run.told = True
        text = "\n".join(each for each in (run.stopped.message, run.stopped.mend) if each)
        writes = [Write(run.origin, Op.ACTION, action=NOTE, note=text)]
    if run.rounds > MAX_ROUNDS:
        raise PermanentError(f"{run.kind} {run.reference} wants call after call and does not settle",
                             mend="look at its attempts with `sync-workers explain`")
    _prepare(run, _without_left_out(run, writes[0]), batch)


def _has_to_tell(run: Run, stopped: Hold, batch: Batch) -> bool:
    """Whether a note must say why nothing goes on: once per reason, where no field shows it."""
    if not stopped.tell or run.told or run.work.claim.hold_reason == stopped.message:
        return False
    return batch.runtime.connectors[run.origin].traits(run.kind).notes


def _without_left_out(run: Run, write: Write) -> Write:
    """Leave a link that closes a circle to the second pass, which wants it as an update (D3), or that cannot be."""
    if write.op is not Op.CREATE or not run.left_out:
        return write
    return replace(write, changes={name: one for name, one in write.changes.items() if name not in run.left_out})


def _prepare(run: Run, write: Write, batch: Batch) -> None:
    check_circuit(run, write.system, batch)
    run.talking_to = write.system
    if not check_mode(run, write, batch):
        return
    if write.op is Op.CREATE and _found_before_create(run, write, batch):
        plan_next(run, batch)
        return
    key = run.reference if write.op is Op.CREATE else f"{run.reference}/{write.action or 'update'}"
    run.call = Call(write, run.reference, key)


def _found_before_create(run: Run, write: Write, batch: Batch) -> bool:
    """Look for what may already be there; True when it was adopted and the plan has to be made anew."""
    born = run.work.refs.get(run.origin)
    clear = born is None or (run.origin, run.kind) not in batch.undecided
    if born is not None and not clear:
        with batch.runtime.ledger.transaction() as tx:
            clear = create_gate(tx, run.origin, run.kind, born.first_seen_at, run.work.claim.id)
    if not clear:
        raise LookAgain(3.0, f"a create of ours in {run.origin} is still undecided: this may be its result")
    connector = batch.runtime.connectors[write.system]
    reference_path = run.sheet.reference.get(write.system)
    if not (reference_path and connector.traits(run.kind).variant is Variant.T1):
        found = lookup.find_ours(run, connector, write.system, run.reference)
        if found is not None:
            lookup.adopt(run, write.system, found)
            run.notes.append(f"adopted {found.id}, which already stood in {write.system}")
            return True
    if reference_path:
        _look_for_likely_same(run, write, batch)
    return False


def _look_for_likely_same(run: Run, write: Write, batch: Batch) -> None:
    """A natural key that already stands in the target is a person's question, not our create (protocol R4)."""
    connector = batch.runtime.connectors[write.system]
    values = run.views[run.origin].values or {}
    for name in run.sheet.natural_keys:
        path, value = lookup.path_of(run, name, write.system), values.get(name)
        if not path or not value:
            continue
        for native in connector.find(run.kind, path, str(value)):
            linked = batch.links.record_of(run.kind, write.system, native.id)
            if linked != str(run.id):
                raise Hold("likely_same", f"{run.kind} {run.reference} is likely the same as {native.id} of"
                           f" {write.system}: both have this {name}",
                           mend="link the two, or correct the one that is wrong, then requeue")


def _stand_beside(run: Run, batch: Batch) -> bool:
    """Fill refs from the record this one stands beside: stock has the ids of its part.

    False when there is nothing to stand beside and never need be: a product that only the CRM knows.
    """
    for system in run.sheet.systems:
        if system in run.refs:
            continue
        born = run.refs[run.origin]
        beside = batch.links.record_of(run.sheet.extends, run.origin, born.external_id)
        external_id = batch.links.id_in(run.sheet.extends, beside, system) if beside else None
        if external_id is None:
            if run.origin not in run.sheet.created_by:
                return False
            raise Unlinked(run.sheet.extends, run.origin, born.external_id, system)
        run.refs[system] = replace(born, system=system, external_id=external_id, version=None,
                                   sent={}, held={}, item_ids={})
        run.dirty.add(system)
    return True


def _nothing_new(run: Run) -> bool:
    """A stopped record tries again only when facts differ from those it stopped on (protocol G9)."""
    claim, letter = run.work.claim, run.work.letter
    if claim.forced or claim.state == "open" or claim.facts is None or claim.facts != run.facts:
        return False
    if claim.state == "held":
        run.ending = replace(endings.done(run), ending="hold", outcome=None, facts=claim.facts,
                             hold=HoldInfo(claim.hold_code or "", claim.hold_reason or "", claim.hold_mend or "", None))
    elif letter is not None:
        run.ending = replace(endings.done(run), ending="dead", outcome="dead", facts=claim.facts, error=letter.info)
    return run.ending is not None


def _forget_old_bases(run: Run, batch: Batch) -> None:
    """Drop what means nothing under this version of the sheet: new and converted-anew fields have no base (G7)."""
    last = run.work.claim.mapping_version
    if last is None or last == run.sheet.version:
        return
    old = batch.runtime.stored.get(run.kind, {}).get(last)
    for system, ref in run.refs.items():
        stale = fields_without_base(old, run.sheet, system) if old else frozenset(ref.held)
        if not stale.isdisjoint(ref.held):
            run.refs[system] = replace(
                ref, sent={name: value for name, value in ref.sent.items() if name not in stale},
                held={name: value for name, value in ref.held.items() if name not in stale})
            run.dirty.add(system)


def _agree(run: Run, plan: Plan) -> None:
    """Keep what is settled as the base; a value still on its way somewhere stays a move until it has arrived."""
    under_way = {name for write in plan.writes for name in write.changes}
    for system, present in plan.agreed.items():
        values = {name: value for name, value in present.items() if name not in under_way}
        ref = run.refs[system]
        if any(name not in ref.held or ref.held[name] != value for name, value in values.items()):
            run.refs[system] = replace(ref, sent={**ref.sent, **values}, held={**ref.held, **values})
            run.dirty.add(system)
