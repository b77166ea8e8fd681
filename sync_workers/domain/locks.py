"""Fields that may not change any more: which system keeps them, and what is said where a change is put back.

Pure. ``rules`` decides with a lock, ``merge`` and ``lists`` put back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sync_workers.domain.mapping import FieldRule, ListRule, Sheet
from sync_workers.domain.records import Overrule, Value, View


class Lock(NamedTuple):
    """``system`` keeps the field as it is there; ``why`` is the condition that holds, in words."""

    system: str
    why: str


def lock_of(sheet: Sheet, rule: FieldRule | ListRule, views: Mapping[str, View]) -> Lock | None:
    """Return the lock on a field or list, None while one of its conditions does not hold.

    Each condition looks at what the system that owns its field shows, not at what was settled: a state
    that somebody typed elsewhere locks nothing.
    """
    system, words = "", []
    for condition in rule.locked_when:
        system = sheet.rule(condition.field).owner
        view = views.get(system)
        if view is None or view.values is None or not condition.holds(view.values):
            return None
        words.append(f"{condition.field} is {view.values[condition.field]}")
    return Lock(system, " and ".join(words)) if words else None


def remark(overrules: Sequence[Overrule]) -> str:
    """Tell the person whose change came too late what was put back, and what would still help; '' for nothing."""
    if not overrules:
        return ""
    lines = [
        f"{_named(one.field)}: {_worded(one.lost)} was put back to {_worded(one.won)} ({one.rule} in {one.winner})."
        for one in overrules
    ]
    keepers = " or ".join(dict.fromkeys(one.winner for one in overrules))
    return "\n".join(
        [
            "This change came too late and was taken back:",
            *lines,
            f"If it is needed all the same, ask for it in {keepers}.",
        ]
    )


def _named(field: str) -> str:
    return field.replace("_", " ")


def _worded(value: Value) -> str:
    if value is None or value == {}:
        return "nothing"
    if isinstance(value, dict):
        items = [", ".join(f"{_named(name)} {_worded(one)}" for name, one in item.items()) for item in value.values()]
        return "; ".join(items)
    return f"{value:f}" if hasattr(value, "as_tuple") else str(value)
