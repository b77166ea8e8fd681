"""What one field should be, given what each system shows: the ownership table of the design.

The same table serves record fields and the fields of list items. What is written where follows
from it in ``merge`` and ``lists``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from sync_workers.domain.locks import Lock
from sync_workers.domain.mapping import ASK, LEAVE, NEWEST, ONCE, ORIGIN, SHARED, FieldRule
from sync_workers.domain.records import Ref, Value, View

# What a value of one system would look like in another: (system, value) -> value.
Look = Callable[[str, Value], Value]


class Side(NamedTuple):  # a tuple: a merge makes one for every field of every list item
    """One field in one system. ``has_base`` is False when the field was never settled there."""

    system: str
    present: Value
    has_base: bool = False
    held: Value = None
    sent: Value = None
    changed_at: datetime | None = None

    @property
    def moved(self) -> bool:
        """Whether it no longer shows what it held; both are in this system's own precision (G1, G4)."""
        return self.has_base and self.present != self.held


def sides_of(rule: FieldRule, present: Mapping[str, View], refs: Mapping[str, Ref]) -> dict[str, Side]:
    """Return what each system shows of a record's field that shows it, and held of it."""
    sides = {}
    name = rule.name
    for system, view in present.items():
        if system not in rule.places or view.values is None or name not in view.values:
            continue
        ref = refs.get(system)
        held: Mapping[str, Value] = ref.held if ref else {}
        sides[system] = Side(
            system, view.values[name], name in held, held.get(name), ref.sent.get(name) if ref else None,
            view.changed_at,
        )
    return sides


class Verdict(NamedTuple):
    """The settled value and whose it is.

    ``binds`` is False when the value only serves a create: existing counterparts keep their own.
    ``conflict``: a person must choose, nothing is settled. ``locked``: it may not change any more, so a side
    that moved is put back; ``stands``: to what it showed before, for the keeper has not moved either.
    ``silent`` is an owner whose blank says nothing, under a lock too: it is left blank.
    """

    value: Value
    winner: str
    rule: str
    binds: bool = True
    conflict: bool = False
    locked: bool = False
    stands: bool = False
    silent: str = ""

    def owed(self, side: Side) -> Value:
        """Return what a side has to show."""
        return side.held if self.stands and side.has_base else self.value


class Move(Enum):
    """What a verdict means for one system that shows the field; LEAVE keeps its base as it is."""

    AGREE = "agree"
    CHANGE = "change"
    LEAVE = "leave"


def choose(rule: FieldRule, side: Side, verdict: Verdict, look: Look) -> Move:
    """Say whether one system must be written to show the settled value."""
    if not verdict.binds or side.system in (verdict.winner, verdict.silent):
        return Move.AGREE
    if not _may_write(rule, side.system, verdict):
        return Move.AGREE
    if _agrees(side, verdict.value, look):
        return Move.AGREE
    if verdict.stands and side.has_base and not side.moved:
        return Move.LEAVE
    # G2: it shows what it held, and we would send what we sent: its own way of keeping that value.
    if side.has_base and not side.moved and side.sent == verdict.value:
        return Move.LEAVE
    return Move.CHANGE


def _may_write(rule: FieldRule, system: str, verdict: Verdict) -> bool:
    """A lock is stronger than ownership: what is kept elsewhere is put back even into the owner."""
    return rule.writable_in(system) or (verdict.locked and rule.has_room_in(system))


def _agrees(side: Side, value: Value, look: Look) -> bool:
    """Whether ``value`` looks like what the side shows; equal values do in any precision."""
    return side.present == value or look(side.system, value) == side.present


def decide(
    rule: FieldRule, sides: Mapping[str, Side], *, origin: str, look: Look, lock: Lock | None = None
) -> Verdict | None:
    """Decide one field that is not derived; None when no system shows it."""
    if not sides:
        return None
    owner = origin if rule.owner == ORIGIN else rule.owner
    if lock is not None and lock.system in sides and owner != lock.system:
        keeper = sides[lock.system]
        is_silent = rule.when_blank == LEAVE and owner in sides and _is_blank(sides[owner])
        return Verdict(
            keeper.present, lock.system, f"locked, {lock.why}", locked=True,
            stands=keeper.has_base and not keeper.moved, silent=str(owner) if is_silent else "",
        )  # fmt: skip
    if rule.owner == SHARED:
        return _share(rule, list(sides.values()), look)
    if owner in sides and rule.owner != ONCE:
        if sides[owner].present is None and rule.when_blank == LEAVE:
            return _leave(owner, sides)
        return Verdict(sides[owner].present, owner, f"owner {owner}")
    # Nobody owns it yet, or nobody does for ever: good for a create, not for an overruling.
    birth = origin if origin in sides else next(iter(sides))
    text = "once, created from" if rule.owner == ONCE else "created from"
    return Verdict(sides[birth].present, birth, f"{text} {birth}", binds=False)


def _is_blank(side: Side) -> bool:
    """Whether a side is blank and was: one that somebody emptied has lost what it said."""
    return side.present is None and not side.moved


def _leave(owner: str, sides: Mapping[str, Side]) -> Verdict:
    """The owner has nothing to say: each side keeps what it shows, and the first that knows tells the record."""
    known = next((side for side in sides.values() if side.present is not None), sides[owner])
    return Verdict(known.present, known.system, f"blank in {owner}", binds=False)


def _share(rule: FieldRule, sides: Sequence[Side], look: Look) -> Verdict:
    movers = [side for side in sides if side.moved]
    # The finest value that all others are only a coarser look of: nobody disagrees.
    for side in (*movers, *sides):
        if all(_agrees(other, side.present, look) for other in sides):
            return Verdict(side.present, side.system, "shared, agreed")
    # A blank that was never settled says nothing; it must not wipe out what another side knows.
    rivals = [side for side in sides if side.has_base or side.present is not None]
    if all(side.has_base for side in rivals) and movers:
        rivals = movers
    for side in rivals:
        if all(_agrees(other, side.present, look) for other in rivals):
            said = f"shared, {side.system} moved" if side.moved else f"shared, {side.system} knows"
            return Verdict(side.present, side.system, said)
    return _prefer(rule, rivals)


def _prefer(rule: FieldRule, rivals: Sequence[Side]) -> Verdict:
    if rule.prefer == NEWEST:
        stamps = [side.changed_at for side in rivals if side.changed_at is not None]
        newest = [side for side in rivals if stamps and side.changed_at == max(stamps)]
        if len(stamps) == len(rivals) and len(newest) == 1:
            return Verdict(newest[0].present, newest[0].system, "shared, prefer newest")
    elif rule.prefer != ASK:
        for side in rivals:
            if side.system == rule.prefer:
                return Verdict(side.present, side.system, f"shared, prefer {rule.prefer}")
    # Equal or missing stamps, and a preferred side that stood still, are for a person too.
    return Verdict(None, "", f"shared, {rule.prefer or ASK}", conflict=True)
