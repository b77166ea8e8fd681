"""The items of a list as a system shows them: what they should look like, and what is new about them.

Pure. Which items there are, and what each should be, is decided in ``lists``.
"""

from __future__ import annotations

from collections.abc import Mapping

from sync_workers.domain.columns import worked_out
from sync_workers.domain.converters import Spot
from sync_workers.domain.mapping import FieldRule, ListRule
from sync_workers.domain.records import Items, Scalar, Value
from sync_workers.domain.translate import shown


def show_items(kind: str, rows: ListRule, system: str, items: Items, settled: Mapping[str, Value]) -> Items:
    """Return what the items of a list look like in ``system``, field by field."""
    rules = {rule.name: rule for rule in rows.fields if system in rule.places}
    return {
        key: {
            name: show_field(kind, rules[name], f"{rows.name}[{key}].{name}", system, value, settled, item)
            for name, value in item.items()
            if name in rules
        }
        for key, item in items.items()
    }


def show_field(
    kind: str,
    rule: FieldRule,
    name: str,
    system: str,
    value: Value,
    settled: Mapping[str, Value],
    item: Mapping[str, Value],
) -> Scalar:
    """Return what one item field looks like in ``system``; its converter may need others of the record."""
    values = {**settled, **item} if rule.places[system].converter.needs else settled
    return shown(rule, value, Spot(kind, name, system, None, values))


def same_items(expected: Items, found: Items) -> bool:
    """Compare a written list with what came back, in the fields that were written and in any order."""
    return expected.keys() == found.keys() and all(
        found[key].get(name) == value for key, item in expected.items() for name, value in item.items()
    )


def brings_news(rows: ListRule, before: Items, expected: Items, found: Items) -> bool:
    """Whether a written list came back with something that the other systems do not know yet."""
    shared = worked_out(rows, "shared", lambda: {rule.name for rule in rows.fields if len(rule.places) > 1})
    for key, item in found.items():
        sent = expected.get(key, {})
        if item.keys() <= sent.keys():
            continue
        old = before.get(key, {})
        for name, value in item.items():
            if name not in sent and name in shared and value is not None and old.get(name) != value:
                return True
    return False
