"""Merging a list field item by item: which items there are, then each item's fields by their own rules.

An item is matched by its key alone, never by its place or its product. Pure; ``merge`` turns the
wanted lists into writes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sync_workers.domain.columns import in_order, voices_of, worked_out
from sync_workers.domain.items import show_field
from sync_workers.domain.locks import Lock
from sync_workers.domain.mapping import ONCE, ORIGIN, SHARED, FieldRule, ListRule
from sync_workers.domain.records import Conflict, Items, Overrule, Ref, Scalar, Value, Values, View
from sync_workers.domain.rules import Look, Move, Side, Verdict, choose, decide


@dataclass
class ListPlan:
    """What each system's list should be. A system that agrees is not in ``wanted``.

    ``rule`` decided which items there are, ``rules`` all that is written to a system: its items or their fields.
    """

    items: Items
    rule: str
    wanted: dict[str, Items] = field(default_factory=dict)
    rules: dict[str, dict[str, None]] = field(default_factory=dict)
    births: dict[str, Items] = field(default_factory=dict)
    overrules: list[Overrule] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    left: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class ListMerge:
    """One list of one record: the views and bases of all systems that show it."""

    kind: str
    rows: ListRule
    views: Mapping[str, View]
    refs: Mapping[str, Ref]
    origin: str
    settled: Values
    lock: Lock | None = None

    def plan(self, newborn: Collection[str]) -> ListPlan | None:
        """Decide the list; ``newborn`` are the systems that will get the record by a create."""
        present = {system: self._present(system) for system in self.views if system in self.rows.places}
        if not present:
            return None
        keys, source, rule, binds = self._membership(present)
        plan = ListPlan({}, rule)
        agreed = self._agreed(present)
        if agreed is not None:
            plan.items = {key: agreed[key] for key in keys}
        else:
            verdicts = self._decided(keys, present, plan)
            for system, items in present.items() if binds else ():
                self._want(system, items, keys, source, verdicts, plan)
        for system in newborn:
            if system in self.rows.places and not self.rows.places[system].read_only:
                names = self._names_born(system)
                plan.births[system] = {key: self._new_item(names, plan.items[key]) for key in keys}
        return plan

    def _decided(
        self, keys: Sequence[str], present: Mapping[str, Items], plan: ListPlan
    ) -> dict[str, dict[str, Verdict]]:
        """Settle the plan's items, and return the verdicts on those about which there was something to decide."""
        verdicts: dict[str, dict[str, Verdict]] = {}
        for key in keys:
            undisputed = self._undisputed(key, present)
            if undisputed is not None:
                plan.items[key] = undisputed
                continue
            verdicts[key] = self._verdicts(key, present, plan)
            plan.items[key] = {
                name: _scalar(verdict.value)
                for name, verdict in verdicts[key].items()
                if not verdict.conflict
            }
        return verdicts

    def _agreed(self, present: Mapping[str, Items]) -> Items | None:
        """Return all items when every system shows the same ones with the same values, None otherwise.

        Only where one and the same system decides all their fields: then its items are what all rules would choose.
        """
        showing = tuple(present)
        keeper = self.lock.system if self.lock else ""
        memo = ("decides all", self.origin, showing, keeper)
        first = worked_out(self.rows, memo, lambda: self._decides(keeper, showing))
        if not first:
            return None
        items = present[first]
        for system in showing:
            if system != first and present[system] != items:
                return None
        return items

    def _decides(self, keeper: str, showing: tuple[str, ...]) -> str:
        voices = [voice for voice in voices_of(self.rows, self.origin, showing, keeper) if voice.first]
        firsts = {voice.first for voice in voices}
        is_simple = all(voice.rule.owner != SHARED and len(voice.others) == len(showing) - 1 for voice in voices)
        return firsts.pop() if len(firsts) == 1 and is_simple else ""

    def _undisputed(self, key: str, present: Mapping[str, Items]) -> dict[str, Scalar] | None:
        """Return the item as all who show it agree on it, None where there is something to decide.

        Equal values need no rule: each would choose one of them and find that all sides show it. Only a shared
        field is always asked, since there the side that moved says how the value is written.
        """
        sides = {system: items[key] for system, items in present.items() if key in items}
        settled: dict[str, Scalar] = {}
        keeper = self.lock.system if self.lock else ""
        for rule, first, others in voices_of(self.rows, self.origin, tuple(sides), keeper):
            if not first:
                continue
            if rule.owner == SHARED:
                return None
            name = rule.name
            value = settled[name] = sides[first].get(name)
            for other in others:
                if sides[other].get(name) != value:
                    return None
        return settled

    def _membership(self, present: Mapping[str, Items]) -> tuple[list[str], str, str, bool]:
        """Return the item keys in order, the system that decided them ("": all), the rule, if it binds."""
        owner = self.origin if self.rows.owner == ORIGIN else self.rows.owner
        if self.lock is not None and self.lock.system in present and owner != self.lock.system:
            return list(present[self.lock.system]), self.lock.system, f"locked, {self.lock.why}", True
        if owner == SHARED:
            return self._shared_keys(present), "", "shared", True
        if owner in present and owner != ONCE:
            return list(present[owner]), owner, f"owner {owner}", True
        birth = self.origin if self.origin in present else next(iter(present))
        return list(present[birth]), birth, f"created from {birth}", False

    def _shared_keys(self, present: Mapping[str, Items]) -> list[str]:
        """An item added anywhere comes in; one removed anywhere goes, unless it was edited elsewhere."""
        keys: dict[str, None] = {}
        for items in present.values():
            keys.update(dict.fromkeys(items))
        kept = []
        for key in keys:
            removed = any(key not in items and key in self._held(system) for system, items in present.items())
            edited = any(
                key in items and key in self._held(system) and items[key] != self._held(system)[key]
                for system, items in present.items()
            )
            if not removed or edited:
                kept.append(key)
        return kept

    def _verdicts(self, key: str, present: Mapping[str, Items], plan: ListPlan) -> dict[str, Verdict]:
        verdicts: dict[str, Verdict] = {}
        known: Values = {}
        for rule in in_order(self.rows):
            sides = {
                system: self._side(system, key, rule.name, items[key])
                for system, items in present.items()
                if key in items and system in rule.places
            }
            verdict = decide(rule, sides, origin=self.origin, look=self._look(rule, key, known), lock=self.lock)
            if verdict is None:
                continue
            verdicts[rule.name] = verdict
            if verdict.conflict:
                values = {system: side.present for system, side in sides.items()}
                plan.conflicts.append(Conflict(self._named(key, rule.name), values))
            else:
                known[rule.name] = verdict.value
        return verdicts

    def _want(
        self,
        system: str,
        items: Items,
        keys: list[str],
        source: str,
        verdicts: Mapping[str, Mapping[str, Verdict]],
        plan: ListPlan,
    ) -> None:
        """Work out the list that one system should show, and what that overrules."""
        if self.rows.places[system].read_only:
            return
        held = self._held(system)
        names = self._names_born(system)
        wanted: Items = {}
        for key in keys:
            if key in items:
                decided = verdicts.get(key)
                wanted[key] = self._edited(system, key, items[key], decided, plan) if decided else items[key]
                continue
            wanted[key] = self._new_item(names, plan.items[key] | self._kept(held.get(key, {})))
            if key in held:  # taken out where it was not theirs to take out
                plan.overrules.append(self._overrule(system, key, None, source, {key: wanted[key]}, plan))
        for key in items:
            if key not in wanted and key not in held and source:
                plan.overrules.append(self._overrule(system, key, {key: items[key]}, source, None, plan))
        if wanted != items:
            plan.wanted[system] = wanted
            if list(wanted) != list(items):
                plan.rules.setdefault(system, {})[plan.rule] = None

    def _kept(self, held: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """An item that comes back under a lock comes back as it was shown there, not as it is kept elsewhere."""
        return {name: value for name, value in held.items() if value is not None} if self.lock else {}

    def _overrule(
        self, system: str, key: str, lost: Value, winner: str, won: Value, plan: ListPlan
    ) -> Overrule:
        return Overrule(self._named(key), system, lost, winner, won, plan.rule, locked=self.lock is not None)

    def _edited(
        self,
        system: str,
        key: str,
        item: Mapping[str, Scalar],
        verdicts: Mapping[str, Verdict],
        plan: ListPlan,
    ) -> dict[str, Scalar]:
        wanted = dict(item)
        for name, verdict in verdicts.items():
            rule = self.rows.field(name)
            if verdict.conflict:
                continue
            side = self._side(system, key, name, item)
            move = choose(rule, side, verdict, self._look(rule, key, plan.items[key]))
            if move is Move.LEAVE:
                plan.left.add(system)
            if move is not Move.CHANGE:
                continue
            wanted[name] = _scalar(verdict.owed(side))
            plan.rules.setdefault(system, {})[verdict.rule] = None
            if side.moved:
                plan.overrules.append(
                    Overrule(
                        self._named(key, name),
                        system,
                        side.present,
                        verdict.winner,
                        wanted[name],
                        verdict.rule,
                        verdict.locked,
                    )
                )
        return wanted

    def _names_born(self, system: str) -> list[str]:
        """Return what an item added to ``system`` starts with; under a lock the owner is given its own fields back."""
        return worked_out(self.rows, ("names born", system, self.lock is not None), lambda: [
            rule.name for rule in self.rows.fields
            if rule.born_in(system) or (self.lock and rule.has_room_in(system))
        ])

    @staticmethod
    def _new_item(names: Sequence[str], item: Mapping[str, Scalar]) -> dict[str, Scalar]:
        return {name: item[name] for name in names if item.get(name) is not None}

    def _side(self, system: str, key: str, name: str, item: Mapping[str, Scalar]) -> Side:
        all_held, all_sent = self._bases[system]
        held, sent = all_held.get(key, {}), all_sent.get(key, {})
        stamp = self.views[system].changed_at
        return Side(system, item.get(name), name in held, held.get(name), sent.get(name), stamp)

    @cached_property
    def _bases(self) -> Mapping[str, tuple[Items, Items]]:
        """What each system held and was sent of this list."""
        bases = {}
        for system in self.views:
            ref = self.refs.get(system)
            bases[system] = (_as_items(ref.held.get(self.rows.name) if ref else None),
                             _as_items(ref.sent.get(self.rows.name) if ref else None))
        return bases

    def _look(self, rule: FieldRule, key: str, item: Mapping[str, Value]) -> Look:
        def look(system: str, value: Value) -> Value:
            return show_field(self.kind, rule, self._named(key, rule.name), system, value, self.settled, item)

        return look

    def _present(self, system: str) -> Items:
        values = self.views[system].values or {}
        return _as_items(values.get(self.rows.name))

    def _held(self, system: str) -> Items:
        return self._bases[system][0]

    def _named(self, key: str, name: str = "") -> str:
        return f"{self.rows.name}[{key}]" + (f".{name}" if name else "")


def _as_items(value: Value) -> Items:
    return value if isinstance(value, dict) else {}


def _scalar(value: Value) -> Scalar:
    if isinstance(value, dict):
        raise TypeError("a list item's field cannot hold a list")
    return value
