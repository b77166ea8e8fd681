"""What kind of value a sheet puts at each native path, for systems in which a field can be created.

Pure. What a system calls these types is known to its connector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from sync_workers.domain.amounts import Integer, Money, Number, Quantity
from sync_workers.domain.converters import Bool, Converter
from sync_workers.domain.mapping import FieldRule, Sheet
from sync_workers.domain.moments import Day, EpochMs, Instant
from sync_workers.domain.native import plain


class ValueType(StrEnum):
    """What a field has to hold; BLOCK is text of several lines."""

    TEXT = "text"
    BLOCK = "block"
    NUMBER = "number"
    TRUTH = "truth"
    DAY = "day"
    INSTANT = "instant"


_BY_CONVERTER: tuple[tuple[tuple[type[Converter], ...], ValueType], ...] = (
    ((Number, Integer, Money, Quantity), ValueType.NUMBER),
    ((Bool,), ValueType.TRUTH),
    ((Day,), ValueType.DAY),
    ((Instant, EpochMs), ValueType.INSTANT),
)
BLOCKS = frozenset({"contents"})
"""Derivations that write a line per item."""


def types_of(sheet: Sheet, system: str) -> Mapping[str, ValueType]:
    """Return the type of each plain native path that the sheet uses in ``system``; a list's items too."""
    return dict(_types(sheet, system))


def _types(sheet: Sheet, system: str) -> Iterator[tuple[str, ValueType]]:
    for rule in sheet.fields:
        if system in rule.places:
            yield plain(rule.places[system].path), _type(rule, system)
    for rows in sheet.lists:
        if system not in rows.places:
            continue
        for item in rows.fields:
            if system in item.places:
                yield plain(f"{rows.places[system].path}.{item.places[system].path}"), _type(item, system)


def _type(rule: FieldRule, system: str) -> ValueType:
    if rule.by in BLOCKS:
        return ValueType.BLOCK
    converter = rule.places[system].converter
    return next((found for kinds, found in _BY_CONVERTER if isinstance(converter, kinds)), ValueType.TEXT)
