"""Nested records by dotted path, and the edits that plain applies to them.

A list of tables is entered without an index: ``lines.price`` stands for the price of each line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]


def look(fields: Any, path: str) -> Any:
    """Return the value at ``path``; None when something on the way is missing."""
    for name in path.split("."):
        if not isinstance(fields, dict):
            return None
        fields = fields.get(name)
    return fields


def leaves(fields: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every path with its value, lists of tables by the paths inside them."""
    if isinstance(fields, dict):
        for name, value in fields.items():
            yield from leaves(value, f"{prefix}.{name}" if prefix else name)
    elif isinstance(fields, list) and fields and all(isinstance(item, dict) for item in fields):
        yield prefix, fields
        for item in fields:
            yield from leaves(item, prefix)
    else:
        yield prefix, fields


def rewrite(fields: Any, change: Callable[[str, Any], Any], prefix: str = "") -> Any:
    """Copy ``fields`` with each leaf passed through ``change``."""
    if isinstance(fields, dict):
        return {
            name: rewrite(value, change, f"{prefix}.{name}" if prefix else name)
            for name, value in fields.items()
        }
    if isinstance(fields, list):
        return [rewrite(item, change, prefix) for item in fields]
    return change(prefix, fields)


def keep(fields: Json, known: Callable[[str], bool], prefix: str = "") -> Json:
    """Copy ``fields`` without what is not known."""
    kept: Json = {}
    for name, value in fields.items():
        path = f"{prefix}.{name}" if prefix else name
        if known(path):
            kept[name] = value
        elif isinstance(value, dict) and (inner := keep(value, known, path)):
            kept[name] = inner
    return kept


def merge(old: Json, new: Json, next_id: Callable[[], str]) -> Json:
    """Return ``old`` under ``new``; ``$list`` edits a list item by item, a plain list replaces it."""
    merged = dict(old)
    for name, value in new.items():
        if isinstance(value, dict):
            if "$list" in value:
                merged[name] = edit_list(old.get(name) or [], value["$list"], next_id)
            else:
                inner = old.get(name)
                merged[name] = merge(inner if isinstance(inner, dict) else {}, value, next_id)
        elif isinstance(value, list):
            merged[name] = [{"id": next_id(), **item} if isinstance(item, dict) else item for item in value]
        else:
            merged[name] = value
    return merged


def edit_list(items: list[Json], edit: Json, next_id: Callable[[], str]) -> list[Json]:
    """Apply adds, changes and removals; the server issues the id of an added item."""
    removed = set(edit.get("remove", ()))
    changed = dict(edit.get("change", ()))
    kept = [
        merge(item, changed[item["id"]], next_id) if item["id"] in changed else item
        for item in items
        if item["id"] not in removed
    ]
    added = [{**merge({}, item, next_id), "id": next_id()} for _, item in edit.get("add", ())]
    return kept + added
