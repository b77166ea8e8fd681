"""Between a system's native record and canonical values, as the sheet says.

Pure: links to other records are asked of ``Links``. A value that cannot be carried over is a
PermanentError with kind, field, value and system; a pointer to an unknown record is Unlinked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from sync_workers.domain.columns import Column, columns_by_name, columns_of, picked_items
from sync_workers.domain.converters import LEDGER, Links, Spot, Unconvertible
from sync_workers.domain.mapping import FieldRule, ListRule, Sheet
from sync_workers.domain.native import ListChange, NativeDraft, look
from sync_workers.domain.records import Change, Items, Scalar, Value, Values
from sync_workers.errors import PermanentError, SyncError

__all__ = ["LEDGER", "ItemIds", "Links", "read_native", "shown", "write_native"]

ItemIds = Mapping[str, Mapping[str, str]]


def read_native(
    sheet: Sheet, system: str, fields: Mapping[str, Any], *, links: Links, item_ids: ItemIds
) -> tuple[Values, dict[str, dict[str, str]]]:
    """Return what one native record shows, and the ids that the system gave its list items.

    Only fields with a place in ``system`` are there; a blank one is None. ``item_ids`` are those of
    the ref, so that an item keeps its key. The second result maps list field -> item key -> native
    id; under a path that picks an item (``addresses[0]``) it keeps that item's id, with the key "".
    """
    found_ids: dict[str, dict[str, str]] = {}
    spot = Spot(sheet.kind, "", system, links, {}, fields)
    values = _read_fields(columns_of(sheet, system), spot)
    for item in picked_items(sheet, system):
        if (native_id := look(fields, f"{item}.id")) is not None:
            found_ids[item] = {"": str(native_id)}
    for rows in sheet.lists:
        if system in rows.places:
            items, ids = _read_list(sheet, rows, system, fields, values, links, item_ids.get(rows.name, {}))
            values[rows.name] = items
            found_ids[rows.name] = ids
    return values, found_ids


def _read_list(
    sheet: Sheet,
    rows: ListRule,
    system: str,
    fields: Mapping[str, Any],
    values: Values,
    links: Links,
    known: Mapping[str, str],
) -> tuple[Items, dict[str, str]]:
    place = rows.places[system]
    native_items = look(fields, place.path) or ()
    if isinstance(native_items, str | Mapping) or not all(isinstance(item, Mapping) for item in native_items):
        raise PermanentError(
            f"{sheet.kind}: {rows.name!r} at {place.path!r} in {system} is not a list of items",
            mend="correct the path in the next version of the sheet",
            field=rows.name,
        )
    items: Items = {}
    ids: dict[str, str] = {}
    keys = _item_keys(rows, system, native_items, known)
    columns = columns_of(rows, system)
    for number, (key, native) in enumerate(zip(keys, native_items, strict=True), start=1):
        spot = Spot(sheet.kind, f"{rows.name}[{key}].", system, links, values, native, number)
        items[key] = cast(dict[str, Scalar], _read_fields(columns, spot))
        if (native_id := native.get("id")) is not None:
            ids[key] = str(native_id)
    return items, ids


def _item_keys(
    rows: ListRule, system: str, native_items: Iterable[Mapping[str, Any]], known: Mapping[str, str]
) -> list[str]:
    """Say which item of the record each native item is.

    An item that we know keeps its key. Else the key that it carries counts, unless another item
    carries the same one: somebody copied a line, and the copy is a new one.
    """
    place = rows.places[system]
    by_id = {native_id: key for key, native_id in known.items()}
    native_items = list(native_items)
    native_ids = [str(item["id"]) if item.get("id") is not None else None for item in native_items]
    keys = [by_id.get(native_id) if native_id is not None else None for native_id in native_ids]
    taken = {key for key in keys if key is not None}
    own_ids_count = rows.owner == system or not any(
        other.key == "id" for name, other in rows.places.items() if name != system
    )
    for at, (item, native_id) in enumerate(zip(native_items, native_ids, strict=True)):
        if keys[at] is not None:
            continue
        carried = look(item, place.key) if place.stores_key else None
        key = str(carried).strip() if carried is not None else ""
        if not key and native_id is not None and place.key == "id" and own_ids_count:
            key = native_id
        if not key or key in taken:
            key = f"{system}:{native_id if native_id is not None else at}"
        keys[at] = key
        taken.add(key)
    return [key for key in keys if key is not None]


def _read_fields(columns: Sequence[Column], spot: Spot) -> Values:
    """Read one row. ``spot.field`` is what stands before the names of its fields."""
    fields = spot.native
    values: Values = {}
    dependent = []
    for column in columns:
        name, key, path, converter, needs, _, _ = column
        native = fields.get(key) if key else look(fields, path)
        if native is None or native == "":
            values[name] = None
        elif needs:
            values[name] = None  # its place in the order; the value comes after those it needs
            dependent.append((column, native))
        else:
            try:
                values[name] = converter.read(native, spot)
            except Unconvertible:
                _exactly(converter.read, native, spot, name, "shows")
    if dependent:
        known = {**spot.values, **values}
        spot = spot._replace(values=known)
        for column, native in dependent:
            value = _exactly(column.converter.read, native, spot, column.name, "shows")
            values[column.name] = known[column.name] = value
    return values


def _exactly(convert: Callable[[Any, Spot], Any], value: Any, row: Spot, name: str, verb: str) -> Any:
    """Convert one value of a row, or say exactly where it stands and why that cannot be done."""
    spot = row._replace(field=row.field + name)
    try:
        return convert(value, spot)
    except Unconvertible as error:
        raise refusal(spot, value, error, verb) from error


def write_native(
    sheet: Sheet,
    system: str,
    changes: Mapping[str, Change],
    *,
    links: Links,
    item_ids: ItemIds,
    values: Mapping[str, Value] | None = None,
    present: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the nested native fields of one write; None clears. Lists become ``ListChange``.

    ``item_ids`` are the view's (or the ref's). ``values`` are the canonical values of the record
    that do not change but are needed to convert others: an amount needs its currency. ``present`` are the
    native fields as the system shows them: what is edited there stays in the unit that it is in.
    """
    draft = NativeDraft(item_ids)
    after: Values = {**(values or {}), **{name: change.after for name, change in changes.items()}}
    columns = columns_by_name(sheet, system)
    whole = Spot(sheet.kind, "", system, links, after)
    for name, change in changes.items():
        rule = sheet.rule(name)
        if isinstance(rule, ListRule):
            place = rule.places[system]
            spot = Spot(sheet.kind, name, system, links, after, present or {})
            draft.edit(place.path, _list_edits(rule, change, spot, item_ids.get(name, {})))
        else:
            _put(draft, columns, (name,), after, whole, blank=True)
    return draft.fields()


def _list_edits(rows: ListRule, change: Change, spot: Spot, ids: Mapping[str, str]) -> ListChange:
    before, after = _items(change.before), _items(change.after)
    place = rows.places[spot.system]
    columns = columns_by_name(rows, spot.system)
    has_needs = any(column.needs for column in columns.values())
    there = _there(spot.native, place.path) if before else {}
    add, edit, remove = [], [], []
    for number, (key, item) in enumerate(after.items(), start=1):
        old = before.get(key)
        names = list(item) if old is None else [name for name in item if item[name] != old.get(name)]
        if old is not None and not names:
            continue
        native: Mapping[str, Any] = {}
        if old is not None and not any(columns[name].is_unit for name in names):  # then it stays as it is counted
            native = there.get(ids.get(key, ""), {})
        values = {**spot.values, **item} if has_needs else spot.values
        at = Spot(spot.kind, f"{rows.name}[{key}].", spot.system, spot.links, values, native, number)
        draft = NativeDraft()
        _put(draft, columns, names, item, at, blank=old is not None)
        if old is None:
            if place.stores_key:
                draft.put(place.key, key)
            add.append((key, draft.fields()))
        else:
            edit.append((_native_id(rows, key, spot, ids), draft.fields()))
    remove = [_native_id(rows, key, spot, ids) for key in before if key not in after]
    return ListChange(tuple(add), tuple(edit), tuple(remove))


def _there(fields: Mapping[str, Any], path: str) -> dict[str, Mapping[str, Any]]:
    return {str(item["id"]): item for item in look(fields, path) or () if item.get("id") is not None}


def _put(
    draft: NativeDraft, columns: Mapping[str, Column], names: Iterable[str], values: Mapping[str, Value], spot: Spot,
    *, blank: bool,
) -> None:
    """Write the values of a row; a blank only where it clears something (``blank``)."""
    for name in names:
        column, value, native = columns[name], values[name], None
        if value is not None:
            try:
                native = column.converter.write(value, spot)
            except Unconvertible:
                _exactly(column.converter.write, value, spot, name, "should show")
        if native is None and not blank:
            continue
        if column.key:
            draft.set(column.key, native)
        else:
            draft.put(column.path, native)


def _items(value: Value) -> Items:
    return value if isinstance(value, dict) else {}


def _native_id(rows: ListRule, key: str, spot: Spot, ids: Mapping[str, str]) -> str:
    if key not in ids:
        raise PermanentError(
            f"{spot.kind}: item {key!r} of {rows.name!r} has no id in {spot.system}; it cannot be changed",
            mend="correct the item by hand in the system, then requeue",
            field=rows.name,
        )
    return ids[key]


def shown(rule: FieldRule, value: Value, spot: Spot) -> Scalar:
    """Return what ``value`` looks like in ``spot.system``: its precision, case and trimming applied."""
    if value is None:
        return None
    try:
        return rule.places[spot.system].converter.shown(value, spot)
    except Unconvertible as error:
        raise refusal(spot, value, error, "should show") from error


def refusal(spot: Spot, value: Any, error: Unconvertible, verb: str) -> SyncError:
    """Say which value of which field cannot be carried over, and what would mend it."""
    text = repr(str(value))
    text = text if len(text) <= 80 else f"{text[:77]}...'"
    mend = error.mend or f"correct the value in {spot.system}, or the sheet's converter in its next version"
    item = f" (item {spot.number})" if spot.number else ""
    return PermanentError(
        f"{spot.kind}: {spot.field!r} in {spot.system}{item} {verb} {text}, which {error}; {mend}",
        mend=mend,
        field=spot.field,
    )
