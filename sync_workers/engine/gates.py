"""What may stop a planned call before it opens (step 10): circuit, mode, contract, a field that fights back."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sync_workers.domain.alternation import alternates, turn
from sync_workers.domain.checks import judge
from sync_workers.domain.records import Op, Plan, Write
from sync_workers.domain.values import JsonText, as_text, tagged
from sync_workers.engine import endings
from sync_workers.engine.runs import Run
from sync_workers.errors import Hold, SystemDown
from sync_workers.ledger import circuits
from sync_workers.ledger.attempts import record_shadow
from sync_workers.ledger.modes import Mode
from sync_workers.ledger.turns import turns

if TYPE_CHECKING:
    from sync_workers.engine.planning import Batch


class CircuitOpen(SystemDown):
    """We did not even ask: the system was down a moment ago."""


def check_circuit(run: Run, system: str, batch: Batch) -> None:
    """Let the record wait, at no cost, while its system serves nobody; one record at a time may probe."""
    if batch.is_failing(system):
        raise CircuitOpen(f"{system} is down: {batch.failing[system][-1]}")
    circuit = batch.circuits.get(system)
    if circuit is None or circuit.state == "closed" or batch.probing.get(system) == run.id:
        return
    with batch.runtime.ledger.transaction() as tx:
        if system not in batch.probing and circuits.may_probe(tx, system):
            batch.probing[system] = run.id
            run.probes.add(system)
            return
    wait = None if circuit.probe_at is None else circuit.probe_at - datetime.now(UTC)
    raise CircuitOpen(f"{system} is down: {circuit.reason}", wait=wait if wait and wait.total_seconds() > 0 else None)


def check_mode(run: Run, write: Write, batch: Batch) -> bool:
    """Say whether the call may go out; shadow plans are recorded and end the run."""
    drift = batch.drifted.get((run.kind, write.system)) or batch.drifted.get((run.kind, run.origin))
    if drift:
        raise Hold("contract_drift", f"the flow {run.kind} to {write.system} stands still: {'; '.join(drift)}",
                   mend="restore the field, or activate a sheet that fits: sync-workers mapping activate")
    mode = batch.modes.get((run.kind, write.system))
    if mode is None or mode.mode == "live" or (mode.mode == "canary" and _is_canary(run, mode)):
        return True
    if mode.mode == "off":
        raise Hold("mode_off", f"the flow {run.kind} to {write.system} is switched off",
                   mend=f"sync-workers mode {run.kind} {write.system} live")
    with batch.runtime.ledger.transaction() as tx:
        record_shadow(tx, run.work.claim, write.system, run.kind, write.op.value, write.action, run.reference,
                      run.sheet.version, fields_json(write))
    run.notes.append(f"shadow: nothing was sent to {write.system}")
    run.ending = endings.done(run)
    return False


def check_quote(run: Run, write: Write) -> Hold | None:
    """Say what stands against a step: amounts, tax codes or prices that are not what the customer accepted."""
    for check in run.sheet.checks:
        if write.op is not Op.ACTION or write.system != check.system or write.action not in check.before:
            continue
        quoted, shown = run.views.get(check.quoted_by), run.views.get(check.system)
        if quoted is None or shown is None:
            continue
        objection = judge(check, dict(quoted.values or {}), dict(shown.values or {}))
        if objection is not None:
            message = f"{run.kind} {run.reference}: {objection.message}"
            return Hold(objection.code, message, mend=objection.mend, recheck=objection.recheck, tell=True)
    return None


def check_pingpong(run: Run, plan: Plan, batch: Batch) -> None:
    """Stop a field that an automation on the other side keeps rewriting (protocol G6)."""
    if not plan.overrules:
        return
    now = datetime.now(UTC)
    with batch.runtime.ledger.transaction() as tx:
        for item in plan.overrules:
            written = turns(tx, run.id, item.field, item.system)
            if alternates([*written, turn(now, item.lost, item.won)], now):
                raise Hold("rewritten", f"{run.kind} {run.reference}: something in {item.system} keeps changing"
                           f" {item.field}, which {item.winner} owns",
                           mend=f"switch that automation off in {item.system}, then requeue")


def _is_canary(run: Run, mode: Mode) -> bool:
    chosen = mode.canary or {}
    if run.work.claim.origin_id in chosen.get("ids", ()):
        return True
    roll = int.from_bytes(hashlib.sha256(run.reference.encode()).digest()[:4]) % 100
    return roll < int(chosen.get("percent", 0))


def fields_json(write: Write) -> JsonText:
    """Return a write's changes as an attempt stores them: name -> before, after, rule."""
    return as_text({name: {"before": tagged(change.before), "after": tagged(change.after), "rule": change.rule}
                    for name, change in write.changes.items()})
