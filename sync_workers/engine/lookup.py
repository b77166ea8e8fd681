"""What became of a write whose answer we never saw: ask the system before writing again (protocol W7 to W9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from sync_workers.connectors.contract import Connector, Native
from sync_workers.domain.records import Ref
from sync_workers.domain.values import decode
from sync_workers.engine.endings import LookAgain
from sync_workers.engine.runs import Run
from sync_workers.errors import Hold
from sync_workers.ledger.records import AttemptRow


def decide_creates(run: Run, connectors: Mapping[str, Connector]) -> None:
    """Close each open create by a look-up under our reference; found means adopt, never a second create.

    'Not there' is believed only after the attempt's ``sure_at``, which was compared before the look
    began; until then the run comes back later.
    """
    for attempt in _undecided(run, "create"):
        if attempt.system in run.refs:
            run.found_creates.append((attempt, "linked meanwhile"))
            continue
        run.talking_to = attempt.system
        found = find_ours(run, connectors[attempt.system], attempt.system, attempt.key)
        if found is not None:
            adopt(run, attempt.system, found, sent=decode(_afters(attempt)))
            run.found_creates.append((attempt, "found, not created"))
        elif attempt.sure:
            _decide(run, attempt, "absent", "looked after it could no longer arrive: not there")
        else:
            raise LookAgain(_seconds_until(attempt.sure_at),
                            f"waiting until the fate of the create in {attempt.system} is certain")


def complete_creates(run: Run) -> None:
    """Close the creates that were found, once it is certain what of them has arrived (protocol W10).

    Some systems take a record in several calls, its lines and links after itself. What is not there may still be
    on its way until ``sure_at``; from then on it is missing, and no base: that nobody has it there says nothing
    of what the others are to have. Raises LookAgain before, with the attempt open.
    """
    for attempt, note in run.found_creates:
        view = run.views.get(attempt.system)
        missing = _forget_missing(run, attempt) if view is not None else False
        if missing and not attempt.sure:
            raise LookAgain(_seconds_until(attempt.sure_at),
                            f"waiting until it is certain which parts of the create have reached {attempt.system}")
        _decide(run, attempt, "done", f"{note}; parts of it were missing" if missing else note)
    run.found_creates.clear()


def _forget_missing(run: Run, attempt: AttemptRow) -> bool:
    """Take out of the base what a create was to bring and its system does not show; say whether that is anything."""
    shows = run.views[attempt.system].values or {}
    ref, missing = run.refs[attempt.system], False
    sent, held = dict(ref.sent), dict(ref.held)
    for name, after in decode(_afters(attempt)).items():
        shown = shows.get(name)
        if after in (None, {}) or name not in shows:
            continue
        if isinstance(after, dict):
            items = shown if isinstance(shown, dict) else {}
            if after.keys() <= items.keys():
                continue
            for base in (sent, held):
                known = base.get(name)
                if isinstance(known, dict):
                    base[name] = {key: item for key, item in known.items() if key in items}
        elif shown is None:
            sent.pop(name, None)
            held.pop(name, None)
        else:
            continue
        missing = True
    if missing:
        run.refs[attempt.system] = replace(ref, sent=sent, held=held)
        run.dirty.add(attempt.system)
    return missing


def decide_updates(run: Run, connectors: Mapping[str, Connector]) -> None:
    """Close open updates and actions against what their system shows now (protocol W8)."""
    for attempt in _undecided(run, "update", "action"):
        if attempt.system not in run.views:
            continue
        guarded = connectors[attempt.system].traits(run.kind).preconditions and attempt.op == "update"
        if not attempt.sure and not guarded:
            raise LookAgain(_seconds_until(attempt.sure_at),
                            f"waiting until the fate of the write to {attempt.system} is certain")
        shows = run.views[attempt.system].values or {}
        ours = {name: value for name, value in decode(_afters(attempt)).items() if shows.get(name) == value}
        ref = run.refs[attempt.system]
        run.refs[attempt.system] = replace(ref, sent={**ref.sent, **ours}, held={**ref.held, **ours})
        run.dirty.add(attempt.system)
        arrived = bool(ours) or attempt.op == "action"
        _decide(run, attempt, "done" if arrived else "absent",
                "the system shows it" if arrived else "the system does not show it")
        run.wrote = run.wrote or bool(ours)


def find_ours(run: Run, connector: Connector, system: str, reference: str) -> Native | None:
    """Look a record up by our reference, or by its natural key where the system has no place for one.

    Raises Hold for two hits or an archived one: nothing is written then.
    """
    path = run.sheet.reference.get(system)
    if path:
        found = connector.find(run.kind, path, reference)
        told = f"reference {reference}"
    else:
        name, value = natural_key(run)
        if system in run.found:
            found = run.found.pop(system)
        else:
            found = connector.find(run.kind, path_of(run, name, system), value) if value else []
        told = f"{name} {value}"
    if len(found) > 1:
        ids = ", ".join(native.id for native in found)
        raise Hold("duplicate", f"{run.kind} {run.reference}: {system} holds {len(found)} with {told}: {ids}",
                   mend=f"keep one of them in {system}, archive the others, then requeue")
    if found and found[0].archived:
        raise Hold(f"archived_in_{system}", f"{run.kind} with {told} is archived in {system} as {found[0].id}",
                   mend=f"restore it in {system}, or free its {told.split()[0]}, then requeue")
    return found[0] if found else None


def natural_key(run: Run) -> tuple[str, str]:
    """Return the first natural key's name and the value that the origin shows for it ('' when empty)."""
    name = run.sheet.natural_keys[0] if run.sheet.natural_keys else ""
    view = run.views.get(run.origin) or next(iter(run.views.values()), None)
    value = (view.values or {}).get(name) if view and name else None
    return name, "" if value is None else str(value)


def path_of(run: Run, name: str, system: str) -> str:
    """Return the native path of a canonical field in a system, '' where it has none."""
    rule = run.sheet.rule(name) if name else None
    return rule.places[system].path if rule and system in rule.places else ""


def adopt(run: Run, system: str, native: Native, *, sent: Mapping[str, object] | None = None) -> None:
    """Take a record that already stands in a system as this record's counterpart there."""
    values = dict(sent or {})
    run.refs[system] = Ref(system, native.id, None, values, dict(values))  # type: ignore[arg-type]
    run.dirty.add(system)
    run.linked = True
    run.wrote = run.wrote or bool(sent)


def _undecided(run: Run, *ops: str) -> list[AttemptRow]:
    return [row for row in run.work.attempts if row.op in ops and row.id not in run.looked_after]


def _decide(run: Run, attempt: AttemptRow, status: str, note: str) -> None:
    run.looked_after.add(attempt.id)
    run.decided.append((attempt.id, status, note))


def _afters(attempt: AttemptRow) -> dict[str, object]:
    return {name: change["after"] for name, change in attempt.fields.items()}


def _seconds_until(sure_at: datetime) -> float:
    return max(1.0, (sure_at - datetime.now(UTC)).total_seconds() + 0.5)
