"""How to reach a customer: its main e-mail and phone, and the people whom the CRM knows there.

A person is an e-mail and a phone under one key of ours (``keys``). Whatever carries no key is people's own
note: the first e-mail and the first phone of those are the customer's main ones, and the rest is neither
shown nor touched. Source: trytond modules ``party`` 8.2, ``contact_mechanism.py``.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sync_workers.connectors.contract import Fields, ListChange
from sync_workers.connectors.tryton.codec import flatten, get
from sync_workers.connectors.tryton.keys import OTHER, comment_for, key_in
from sync_workers.connectors.tryton.records import Place
from sync_workers.connectors.tryton.session import Row
from sync_workers.errors import PermanentError

_FIELDS = ("type", "value", "name", "comment", "address", "active", "_timestamp")
_WAYS = ("email", "phone")
ASKED = tuple(f"contact_mechanisms.{name}" for name in _FIELDS)
PLACES = {
    **{path: Place("party.contact_mechanism", "value") for path in _WAYS},
    "contacts": Place("party.party", "contact_mechanisms"),
    "contacts.key": Place("party.contact_mechanism", "comment"),
    "contacts.name": Place("party.contact_mechanism", "name"),
    **{f"contacts.{way}": Place("party.contact_mechanism", "value") for way in _WAYS},
}


def main(row: Row, way: str) -> Row | None:
    """Return the first mechanism in use of this type that carries no key of ours."""
    live = sorted((one for one in _all(row) if one["active"]), key=lambda one: one["id"])
    return next((one for one in live if one["type"] == way and key_in(one) is None), None)


def main_operations(row: Row, way: str, value: Any) -> list[list[Any]]:
    """Return the operation that makes the main e-mail or phone show ``value``; emptied means switched off."""
    present = main(row, way)
    if present is not None:
        return [["write", [present["id"]], {"value": value} if value else {"active": False}]]
    return [["create", [{"type": way, "value": value}]]] if value else []


def shaped(row: Row) -> list[Fields]:
    """Return the items of ``contacts``; the id of one is its key, for it has no row of its own."""
    people: dict[str, list[Row]] = defaultdict(list)
    for one in sorted(_all(row), key=lambda one: one["id"]):
        key = _person(one)
        if key is not None and one["active"]:
            people[key].append(one)
    return [
        {
            "id": key,
            "key": key,
            "name": next((one["name"] for one in rows if one["name"]), None),
            **{way: get(_of(rows, way), "value") for way in _WAYS},
        }
        for key, rows in people.items()
    ]


def operations(row: Row, change: ListChange) -> list[list[Any]]:
    """Return the nested operations on the party's contact mechanisms."""
    shown = {str(one["key"]): one for one in shaped(row)}
    made: list[list[Any]] = []
    for key, fields in (*change.change, *change.add):
        flat = flatten(fields)
        key = str(flat.pop("key", None) or key)
        if unknown := sorted(set(flat) - {"name", *_WAYS}):
            raise PermanentError(
                f"customer: a contact in Tryton has no field {unknown[0]!r} to write",
                field=f"contacts.{unknown[0]}",
                mend="remove it from the sheet",
            )
        made += _as_wanted(row, key, {**shown.get(key, {}), **flat})
    off = [one["id"] for one in _all(row) if one["active"] and _person(one) in change.remove]
    return [*made, ["write", off, {"active": False}]] if off else made


def _as_wanted(row: Row, key: str, person: Fields) -> list[list[Any]]:
    """Bring the rows of one person to what ``person`` says; one that was switched off is taken up again."""
    own = [one for one in _all(row) if _person(one) == key]
    wanted = {way: person.get(way) for way in _WAYS}
    name = person.get("name")
    if not any(wanted.values()):  # nothing to reach them by: their name keeps their place
        wanted[OTHER] = name or key
    made: list[list[Any]] = []
    for way in (*_WAYS, OTHER):
        value, present = wanted.get(way), _of(own, way)
        after = {"value": value, "name": name} if value else {"active": False}
        if present is None:
            if value:
                made.append(["create", [{"type": way, "comment": comment_for(key), **after}]])
            continue
        if value and not present["active"]:  # nothing else may be written to what is switched off
            made.append(["write", [present["id"]], {"active": True}])
        if any(present[field] != after[field] for field in after):
            made.append(["write", [present["id"]], after])
    return made


def _all(row: Row) -> list[Row]:
    found: list[Row] = row.get("contact_mechanisms") or []
    return found


def _person(mechanism: Row) -> str | None:
    """Return whose row it is; the key of an address is nobody's."""
    is_address_key = mechanism["type"] == OTHER and mechanism["address"] is not None
    return None if is_address_key else key_in(mechanism)


def _of(rows: list[Row], way: str) -> Row | None:
    """Return the row of one type: the one in use, else the last that was."""
    of_type = [one for one in rows if one["type"] == way]
    return next((one for one in of_type if one["active"]), of_type[-1] if of_type else None)
