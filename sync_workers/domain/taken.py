"""Whether a write took: what came back against what was sent (protocol G3).

Believing whatever the read-back shows would make an edit that fell between write and read-back
'agreed', and it would never be carried over. So the base becomes what the value *should* look like.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sync_workers.domain.columns import worked_out
from sync_workers.domain.converters import Spot
from sync_workers.domain.items import brings_news, same_items, show_items
from sync_workers.domain.mapping import FieldRule, ListRule, Sheet
from sync_workers.domain.records import Change, Items, Ref, Value
from sync_workers.domain.translate import shown as shown_value


@dataclass(frozen=True)
class Taken:
    """The base after a write: the ref's whole new ``sent`` and ``held``.

    ``again``: something else than expected stands there, so the record stays due. ``returned`` is kept
    with the ref and passed in as ``previous`` next time: per field, what came back instead of what
    was sent. ``refused``: fields for which the same value was sent and the same came back twice.
    """

    sent: Mapping[str, Value]
    held: Mapping[str, Value]
    again: bool = False
    refused: tuple[str, ...] = ()
    returned: Mapping[str, Value] = field(default_factory=dict)


def after_write(
    sheet: Sheet,
    system: str,
    ref_before: Ref | None,
    changes: Mapping[str, Change],
    shown: Mapping[str, Value],
    previous: Mapping[str, Value] | None = None,
    implied: Collection[str] = (),
) -> Taken:
    """Judge one write. ``shown`` is the canonical form of what the system answered or a read-back showed.

    ``changes`` is empty after an action. ``ref_before`` is None after a create, and best has the plan's
    ``agreed`` in it already: what differs from its ``held`` counts as news and keeps the record due.
    ``previous`` is ``Taken.returned`` of the write before. ``implied`` are fields that the system shows blank
    because blank means there what was written: its own way of keeping the value (G2).
    """
    sent = dict(ref_before.sent) if ref_before else {}
    held = dict(ref_before.held) if ref_before else {}
    returned = dict(previous or {})
    refused = []
    again = False
    values = {**shown, **{name: change.after for name, change in changes.items()}}
    for name, change in changes.items():
        rule = sheet.rule(name)
        came_back = shown.get(name)
        if came_back is None and name in implied:
            expected: Value = None
        else:
            expected = _expected(sheet, rule, system, change.after, values, came_back)
        if _is_equal(rule, expected, came_back):
            held[name] = came_back
            returned.pop(name, None)
            if isinstance(rule, ListRule):
                again |= brings_news(rule, _items(change.before), _items(expected), _items(came_back))
        else:
            again = True
            sent_before = ref_before.sent if ref_before else {}
            if name in returned and returned[name] == came_back and sent_before.get(name) == change.after:
                refused.append(name)
            returned[name] = came_back
            held[name] = expected
        # one object for what was taken as it was sent: it is stored once, then
        sent[name] = held[name] if _is_alike(held[name], change.after) else change.after
    again = again or any(
        _is_news(sheet, system, name, shown[name], held) for name in shown if name not in changes
    )
    return Taken(sent, held, again, tuple(refused), returned)


def _expected(
    sheet: Sheet,
    rule: FieldRule | ListRule,
    system: str,
    after: Value,
    values: Mapping[str, Value],
    came_back: Value,
) -> Value:
    """Return what a value should look like there. One that reads as it was sent looks just so: a converter that
    writes what it has read, and reads that, has the same again."""
    if isinstance(rule, ListRule):
        items = _written(rule, system, _items(after))
        if same_items(items, _items(came_back)):
            return items
        return _written(rule, system, show_items(sheet.kind, rule, system, _items(after), values))
    if after == came_back:
        return came_back
    return shown_value(rule, after, Spot(sheet.kind, rule.name, system, None, values))


def _written(rule: ListRule, system: str, items: Items) -> Items:
    """Leave out what is only read there: an amount follows from what was written and says nothing of it."""
    names = worked_out(rule, ("writable", system), lambda: frozenset(
        each.name for each in rule.fields if each.has_room_in(system)
    ))
    return {key: {name: value for name, value in item.items() if name in names} for key, item in items.items()}


def _is_equal(rule: FieldRule | ListRule, expected: Value, came_back: Value) -> bool:
    if isinstance(rule, ListRule):
        return same_items(_items(expected), _items(came_back))
    return expected == came_back


def _is_alike(one: Value, other: Value) -> bool:
    return type(one) is type(other) and one == other and (type(one) is not dict or list(one) == list(_items(other)))


def _is_news(sheet: Sheet, system: str, name: str, value: Value, held: Mapping[str, Value]) -> bool:
    """Whether a field that we did not write tells the other systems something: a number, a new state."""
    rule = sheet.rule(name)
    if len(rule.places) < 2:
        return False
    return value != held[name] if name in held else value not in (None, {})


def _items(value: Value) -> Items:
    return value if isinstance(value, dict) else {}
