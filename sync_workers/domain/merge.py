"""The decision: from what every system shows and held, which writes make them agree (protocol section 8).

Pure and level-triggered: the same views and refs give the same plan, and once the plan is carried
out the next one is empty. ``rules`` decides one field, ``lists`` one list, ``steps`` what is pressed; ``taken``
judges what came back from a write. The engine reads, gates, writes and settles.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sync_workers.domain.columns import Voice, born_in, voices_of
from sync_workers.domain.converters import Spot
from sync_workers.domain.lists import ListMerge, ListPlan
from sync_workers.domain.locks import lock_of
from sync_workers.domain.mapping import DERIVED, ONCE, SHARED, FieldRule, ListRule, Sheet
from sync_workers.domain.notes import note_of
from sync_workers.domain.records import (
    Change,
    Conflict,
    Op,
    Overrule,
    Plan,
    Ref,
    Value,
    Values,
    View,
    Write,
)
from sync_workers.domain.registry import DERIVATIONS
from sync_workers.domain.rules import Move, Side, Verdict, choose, decide, sides_of
from sync_workers.domain.steps import is_to_be_created, keep_open, next_step
from sync_workers.domain.taken import Taken, after_write
from sync_workers.domain.translate import shown
from sync_workers.errors import PermanentError

__all__ = ["Taken", "after_write", "merge"]

MISSING: Any = object()
RULES = "; "  # between the rules of one list's items and fields


def merge(
    sheet: Sheet,
    views: Mapping[str, View],
    refs: Mapping[str, Ref],
    *,
    origin: str,
    live: Collection[str] | None = None,
) -> Plan:
    """Return the plan for one record: at most one write per system, fields before steps.

    ``origin`` is the system in which the record was born. ``live`` are the systems that may be
    written now (None: all); a difference that has to stay is left out of ``agreed`` everywhere, so
    that it is carried over later. A system that has a ref but no values is gone there: it is neither
    written nor created anew, which is for a person to decide (G8).

    Raises PermanentError for a value that a system cannot show.
    """
    return _Merge(sheet, views, refs, origin, live).plan()


@dataclass
class _Merge:
    """One merge on its way: verdicts so far, changes per system."""

    sheet: Sheet
    views: Mapping[str, View]
    refs: Mapping[str, Ref]
    origin: str
    live: Collection[str] | None
    settled: Values = field(default_factory=dict)
    changes: dict[str, dict[str, Change]] = field(default_factory=dict)
    births: dict[str, dict[str, Change]] = field(default_factory=dict)
    overrules: list[Overrule] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    agreed: dict[str, Values] = field(default_factory=dict)
    present: dict[str, View] = field(default_factory=dict)
    shows: dict[str, Mapping[str, Value]] = field(default_factory=dict)
    sides: dict[str, dict[str, Side]] = field(default_factory=dict)
    undisputed: dict[str, Voice] = field(default_factory=dict)

    def plan(self) -> Plan:
        shows = {name: view for name, view in self.views.items() if view.values is not None}
        self.present = {name: shows[name] for name in self.sheet.systems if name in shows}
        self.shows = {name: view.values for name, view in self.present.items() if view.values is not None}
        verdicts = self._verdicts()
        newborn = self._newborn()
        for system, shown_there in self.shows.items():
            self.agreed[system] = {name: one for name, one in shown_there.items() if name in self.undisputed}
        if verdicts or newborn:
            for rule in self.sheet.fields:
                if rule.name in verdicts:
                    self._apply(rule, verdicts[rule.name], newborn)
                elif rule.name in self.undisputed:
                    self._give_births(rule, newborn)
        for rows in self.sheet.lists:
            self._apply_list(rows, newborn)
        return Plan(
            writes=tuple(self._writes(newborn)),
            overrules=tuple(self.overrules),
            conflicts=tuple(self.conflicts),
            agreed={system: values for system, values in self.agreed.items() if values},
        )

    def _verdicts(self) -> dict[str, Verdict]:
        """Decide all fields: those whose converter needs another after that one, derived ones last."""
        verdicts: dict[str, Verdict] = {}
        for voice in voices_of(self.sheet, self.origin, tuple(self.present)):
            rule = voice.rule
            if self._is_undisputed(voice):
                self.undisputed[rule.name] = voice
                continue
            self.sides[rule.name] = sides_of(rule, self.present, self.refs)
            verdict = self._derive(rule) if rule.owner == DERIVED else self._decide(rule)
            if verdict is None:
                continue
            verdicts[rule.name] = verdict
            if not verdict.conflict:
                self.settled[rule.name] = verdict.value
        return verdicts

    def _is_undisputed(self, voice: Voice) -> bool:
        """Settle a field on which all who show it agree: each rule would choose one of these values, all equal.

        Not so a shared number, of which the side that moved says with how many digits it is written.
        """
        rule, first, others = voice
        if not first:
            return False
        name = rule.name
        value = self.shows[first].get(name, MISSING)
        if others and (value is MISSING or rule.locked_when or rule.owner == SHARED):
            if value is MISSING or (rule.owner == SHARED and isinstance(value, Decimal)):
                return False
            if rule.locked_when and lock_of(self.sheet, rule, self.present) is not None:
                return False
        elif value is MISSING:
            return False
        for other in others:
            if self.shows[other].get(name, MISSING) != value:
                return False
        self.settled[name] = value
        return True

    def _give_births(self, rule: FieldRule, newborn: Collection[str]) -> None:
        """Take an undisputed field along into what is born."""
        _, first, others = self.undisputed[rule.name]
        if rule.owner == SHARED and others:
            sides = sides_of(rule, self.present, self.refs).values()
            first = next((side.system for side in sides if side.moved), first)
        lock = lock_of(self.sheet, rule, self.present) if rule.locked_when and rule.owner == ONCE else None
        is_once = rule.owner == ONCE and (lock is None or lock.system != first)  # a lock binds whoever is born later
        for system in newborn:
            said = "once, created from" if is_once else "created from"
            self._give_birth(rule, system, self.settled[rule.name], first, f"{said} {first}")

    def _decide(self, rule: FieldRule) -> Verdict | None:
        return decide(
            rule,
            self.sides[rule.name],
            origin=self.origin,
            look=lambda system, value: self._shown(rule, system, value),
            lock=lock_of(self.sheet, rule, self.present) if rule.locked_when else None,
        )

    def _derive(self, rule: FieldRule) -> Verdict | None:
        known = {**self._origin_lists(), **self.settled}
        if any(name not in known for name in rule.sources):
            return None
        value = DERIVATIONS[rule.by]([known[name] for name in rule.sources])
        return Verdict(value, DERIVED, f"derived by {rule.by}")

    def _origin_lists(self) -> Values:
        """Lists that a field may be derived from, as their owner (or else the origin) shows them."""
        found: Values = {}
        for rows in self.sheet.lists:
            for system in (rows.owner, self.origin):
                view = self.present.get(system)
                if view is not None and view.values is not None and rows.name in view.values:
                    found[rows.name] = view.values[rows.name]
                    break
        return found

    def _newborn(self) -> list[str]:
        """Return the systems in which the record is to be created now."""
        if not is_to_be_created(self.sheet, self.origin, self.present, self.settled):
            return []
        return [
            system
            for system in self.sheet.systems
            if system not in self.refs and system not in self.present and self._is_live(system)
        ]

    def _apply(self, rule: FieldRule, verdict: Verdict, newborn: Collection[str]) -> None:
        sides = self.sides[rule.name]
        if verdict.conflict:
            self.conflicts.append(Conflict(rule.name, {name: side.present for name, side in sides.items()}))
            return
        moves = {system: self._move(rule, side, verdict) for system, side in sides.items()}
        for system in newborn:
            text = verdict.rule if not verdict.binds else f"created from {verdict.winner}"
            self._give_birth(rule, system, verdict.value, verdict.winner, text)
        if all(move is Move.AGREE for move in moves.values()):
            for system, side in sides.items():
                self.agreed[system][rule.name] = side.present
            return
        for side in sides.values():
            if moves[side.system] is not Move.CHANGE or not self._is_live(side.system):
                continue
            change = Change(side.present, verdict.owed(side), verdict.rule)
            self.changes.setdefault(side.system, {})[rule.name] = change
            if side.moved:
                self.overrules.append(
                    Overrule(
                        rule.name,
                        side.system,
                        side.present,
                        verdict.winner,
                        change.after,
                        verdict.rule,
                        verdict.locked,
                    )
                )
        if all(self._is_live(system) for system, move in moves.items() if move is Move.CHANGE):
            for side in sides.values():
                if moves[side.system] is Move.AGREE:
                    self.agreed[side.system][rule.name] = side.present

    def _move(self, rule: FieldRule, side: Side, verdict: Verdict) -> Move:
        return choose(rule, side, verdict, lambda system, value: self._shown(rule, system, value))

    def _give_birth(self, rule: FieldRule, system: str, value: Value, winner: str, text: str) -> None:
        if rule.name not in born_in(self.sheet, system):
            return
        if value is not None:
            self.births.setdefault(system, {})[rule.name] = Change(None, value, text)
        elif rule.required:
            mend = f"fill {rule.name!r} in {winner}"
            raise PermanentError(
                f"{self.sheet.kind}: {system} needs {rule.name!r}, blank in {winner}; {mend}",
                mend=mend,
                field=rule.name,
            )

    def _apply_list(self, rows: ListRule, newborn: Collection[str]) -> None:
        lock = lock_of(self.sheet, rows, self.present) if rows.locked_when else None
        merge = ListMerge(self.sheet.kind, rows, self.present, self.refs, self.origin, self.settled, lock)
        plan = merge.plan(newborn)
        if plan is None:
            return
        self.settled[rows.name] = plan.items
        self.overrules += [one for one in plan.overrules if self._is_live(one.system)]
        self.conflicts += plan.conflicts
        for system, items in plan.births.items():
            if items:
                text = f"created from {self.origin}"
                self.births.setdefault(system, {})[rows.name] = Change(None, items, text)
        for system, items in plan.wanted.items():
            if self._is_live(system):
                change = Change(self._value(system, rows.name), items, RULES.join(plan.rules[system]))
                self.changes.setdefault(system, {})[rows.name] = change
        if not plan.conflicts and all(self._is_live(system) for system in plan.wanted):
            self._agree_on_list(rows, plan)

    def _agree_on_list(self, rows: ListRule, plan: ListPlan) -> None:
        for system in self.present:
            if system in rows.places and system not in plan.wanted and system not in plan.left:
                self.agreed[system][rows.name] = self._value(system, rows.name)

    def _writes(self, newborn: Collection[str]) -> list[Write]:
        writes = []
        for system in self.sheet.systems:
            if self.births.get(system) and system in newborn:
                writes.append(Write(system, Op.CREATE, self.births[system]))
            elif self.changes.get(system):
                changes = self.changes[system]
                note = note_of(self.sheet, system, changes, self.overrules)
                writes.append(Write(system, Op.UPDATE, changes, note=note))
            elif not self.conflicts and self._is_live(system):
                step = next_step(self.sheet, system, self.present, self.settled, self.refs)
                if step is not None:
                    writes.append(Write(system, Op.ACTION, action=step.name))
                    keep_open(step, self.agreed)
        return writes

    def _shown(self, rule: FieldRule, system: str, value: Value) -> Value:
        return shown(rule, value, Spot(self.sheet.kind, rule.name, system, None, self.settled))

    def _value(self, system: str, name: str) -> Value:
        values = self.present[system].values or {}
        return values.get(name)

    def _is_live(self, system: str) -> bool:
        return self.live is None or system in self.live
