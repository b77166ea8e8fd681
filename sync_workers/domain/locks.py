"""Fields that may not change any more: which system keeps them.

Pure. ``rules`` decides with a lock, ``merge`` and ``lists`` put back, ``notes`` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sync_workers.domain.mapping import FieldRule, ListRule, Sheet
from sync_workers.domain.records import View


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
