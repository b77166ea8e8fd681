"""Native records as nested data: the path language of the sheets and edits to native lists.

A path is dotted (``properties.po_number``). One segment may pick an item of a list: by position
(``addresses[0].city``) or by the value of one of its fields (``contact_mechanisms[type=phone].value``).
What the values mean is left to the converters, how they travel to the connectors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

Fields = dict[str, Any]

_SEGMENT = re.compile(r"([^.\[\]=]+)(?:\[(?:(\d+)|([^\]=]+)=([^\]]*))\])?")


@dataclass(frozen=True)
class ListChange:
    """Edits to a list field of a native record, item by item.

    ``add`` pairs an item key with its fields, in order; ``change`` and ``remove`` name items by
    the id that this system gave them.
    """

    add: tuple[tuple[str, Fields], ...] = ()
    change: tuple[tuple[str, Fields], ...] = ()
    remove: tuple[str, ...] = ()

    def __add__(self, other: ListChange) -> ListChange:
        return ListChange(self.add + other.add, self.change + other.change, self.remove + other.remove)


@dataclass(frozen=True)
class Segment:
    """One step of a path; ``index`` or ``match`` (field, value) picks an item when the step is a list."""

    name: str
    index: int | None = None
    match: tuple[str, str] | None = None

    @property
    def picks(self) -> bool:
        return self.index is not None or self.match is not None

    def pick(self, items: object) -> Any:
        """Return the item of a native list that this segment means, None when there is none."""
        if not isinstance(items, Sequence) or isinstance(items, str | bytes):
            return None
        if self.index is not None:
            return items[self.index] if self.index < len(items) else None
        assert self.match is not None
        name, value = self.match
        return next(
            (item for item in items if isinstance(item, Mapping) and str(item.get(name)) == value), None
        )


@cache
def segments(path: str) -> tuple[Segment, ...]:
    """Split a path. ValueError when it cannot be read, or picks twice."""
    found: list[Segment] = []
    at = 0
    while True:
        step = _SEGMENT.match(path, at)
        if step is None:
            raise ValueError(f"{path!r} is not a path: expected a name at position {at}")
        name, index, match_name, match_value = step.groups()
        match = (match_name, match_value) if match_name else None
        found.append(Segment(name, int(index) if index is not None else None, match))
        at = step.end()
        if at == len(path):
            break
        if path[at] != ".":
            raise ValueError(f"{path!r} is not a path: unexpected {path[at]!r} at position {at}")
        at += 1
    if sum(segment.picks for segment in found) > 1:
        raise ValueError(f"{path!r} picks from two lists; a path may pick from one")
    return tuple(found)


@cache
def plain(path: str) -> str:
    """Return the path without its picks, as a system's metadata knows it."""
    return ".".join(segment.name for segment in segments(path))


def look(fields: Mapping[str, Any], path: str) -> Any:
    """Return what stands at ``path``, None when any step of it is missing."""
    node: Any = fields
    for segment in segments(path):
        if type(node) is not dict and not isinstance(node, Mapping):
            return None
        node = node.get(segment.name)
        if segment.picks:
            node = segment.pick(node)
    return node


@cache
def picked_item(path: str) -> str | None:
    """Return the part of ``path`` up to a picked list item, None when it goes through none.

    A pick at the very end means a list of plain values (``associations.companies[0]``), not an item.
    """
    steps = segments(path)
    for at, segment in enumerate(steps[:-1]):
        if segment.picks:
            return _join(steps[: at + 1])
    return None


def _join(steps: tuple[Segment, ...]) -> str:
    parts = []
    for step in steps:
        if step.index is not None:
            parts.append(f"{step.name}[{step.index}]")
        elif step.match is not None:
            parts.append(f"{step.name}[{step.match[0]}={step.match[1]}]")
        else:
            parts.append(step.name)
    return ".".join(parts)


@dataclass
class NativeDraft:
    """Collects values by path and lays them out as the nested fields of one native write."""

    item_ids: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    _fields: Fields = field(default_factory=dict)
    _picked: dict[str, Fields] = field(default_factory=dict)

    def set(self, name: str, value: Any) -> None:
        """Set what stands under a single name."""
        self._fields[name] = value

    def put(self, path: str, value: Any) -> None:
        """Set one value; paths that pick an item are gathered per item."""
        item = picked_item(path)
        if item is not None:
            inner = path[len(item) + 1 :]
            _place(self._picked.setdefault(item, {}), inner, value)
            return
        if segments(path)[-1].picks:  # a list of plain values that holds ours alone
            value = [] if value is None else [value]
        _place(self._fields, plain(path), value)

    def edit(self, path: str, edits: ListChange) -> None:
        """Add edits of a list to those already there."""
        before = look(self._fields, plain(path))
        _place(self._fields, plain(path), before + edits if isinstance(before, ListChange) else edits)

    def fields(self) -> Fields:
        """Return the nested fields, picked items turned into edits of their lists."""
        picked, self._picked = self._picked, {}
        for item, inner in picked.items():
            edits = _item_edits(item, inner, self.item_ids.get(item, {}).get(""))
            if edits is not None:
                self.edit(plain(item), edits)
        return self._fields


def _item_edits(item: str, inner: Fields, native_id: str | None) -> ListChange | None:
    """Add, change or remove one picked item.

    An item picked by a field's value is nothing but its value: cleared means removed.
    """
    match = segments(item)[-1].match
    is_blank = all(value is None for value in inner.values())
    if native_id is None:
        if is_blank:
            return None
        return ListChange(add=((item, {**({match[0]: match[1]} if match else {}), **inner}),))
    if is_blank and match is not None:
        return ListChange(remove=(native_id,))
    return ListChange(change=((native_id, inner),))


def _place(tree: Fields, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        tree = tree.setdefault(name, {})
    tree[last] = value
