"""Addresses of a customer: ``party.address``, matched by our key, and never changed under an order's feet.

Orders, shipments and invoices show the address they point to, not a copy of it. So an address that one of
them uses is switched off when it moves, and another takes its key: what was sent keeps showing where it
went. The first by ``sequence`` is the main one, as it is on the server's own forms (``address_get``).
Source: trytond modules ``party`` 8.2, ``address.py`` (``sequence_ordered``, ``set_street``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sync_workers.connectors.contract import Fields, ListChange
from sync_workers.connectors.tryton.codec import flatten, get
from sync_workers.connectors.tryton.keys import address_key, key_mechanism
from sync_workers.connectors.tryton.lookups import Lookups
from sync_workers.connectors.tryton.records import Place, item_id
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.errors import PermanentError

_FIELDS = {
    "name": "attn",
    "street": "street",
    "postal_code": "postal_code",
    "city": "city",
    "country.code": "country",
    "billing": "invoice",
    "shipping": "delivery",
}
_WHERE = ("street", "postal_code", "city", "country")
_COPIED = ("attn", "party_name", "street", "postal_code", "city", "subdivision", "invoice", "delivery")
ASKED = (
    *(f"addresses.{name}" for name in (*_COPIED, "sequence", "active", "_timestamp")),
    "addresses.country.code",
)
PLACES = {
    "addresses": Place("party.party", "addresses"),
    "addresses.key": Place("party.contact_mechanism", "comment"),
    "addresses.main": Place("party.address", "sequence"),
    **{f"addresses.{path}": Place("party.address", name) for path, name in _FIELDS.items()},
}
_USERS = (
    ("sale.sale", ("invoice_address", "shipment_address"), ("confirmed", "processing", "done")),
    ("stock.shipment.out", ("delivery_address",), ()),
    ("account.invoice", ("invoice_address",), ()),
)
"""What shows an address by pointing to it: model, fields, and the states from which on it counts (empty: all
but cancelled)."""


@dataclass
class _Planned:
    """One address as it will be: ``id`` None for one that is to be made, ``values`` what the call writes."""

    id: int | None
    sequence: int | None
    values: Row = field(default_factory=dict)
    is_main: bool | None = None


def live(row: Row) -> list[Row]:
    """Return a party's addresses in use, the main one first, in the server's own order."""
    rows = [one for one in row.get("addresses") or [] if one.get("active") is not False]
    return sorted(rows, key=lambda one: (one["sequence"] is not None, one["sequence"] or 0, one["id"]))


def shaped(row: Row, system: str) -> list[Fields]:
    """Return the items of ``addresses``; ``row`` holds the party's contact mechanisms too."""
    return [
        {
            "id": str(one["id"]),
            "key": _key(row, one["id"], system),
            **{path: one[_FIELDS[path]] for path in _FIELDS if path != "country.code"},
            "country": {"code": get(one, "country", "code")},
            "main": place == 0,
        }
        for place, one in enumerate(live(row))
    ]


class Addresses:
    """Prepares what a party's nested ``addresses`` take."""

    def __init__(self, session: Session, lookups: Lookups) -> None:
        self._session = session
        self._lookups = lookups

    def operations(self, row: Row, change: ListChange, within: Deadline) -> list[list[Any]]:
        """Return the nested operations; ``row`` is the party as it is, its id included."""
        what = f"customer {row['id']}: addresses"
        planned = {one["id"]: _Planned(one["id"], one["sequence"]) for one in live(row)}
        present = {one["id"]: one for one in row.get("addresses") or []}
        gone = [item_id(item, set(present), what) for item in change.remove]
        for number in gone:
            planned.pop(number, None)
        order = list(planned.values())
        off = list(gone)
        for item, fields in change.change:
            old = present[item_id(item, set(present), what)]
            at = planned.setdefault(old["id"], _Planned(old["id"], old["sequence"]))
            flat = flatten(fields)
            at.is_main = flat.pop("main", None)
            values = self._values(flat, within)
            if self._moves(old, values) and self._is_used(old["id"], within):
                off.append(old["id"])
                at.id, values = None, self._copy(row, old, values)
            elif self._leaves(old, values):
                values["subdivision"] = None
            at.values = values
        for key, fields in change.add:
            flat = flatten(fields)
            key = str(flat.pop("key", None) or key)
            new = _Planned(None, None, is_main=flat.pop("main", None))
            new.values = self._values(flat, within) | _carrying(key, row["id"])
            order.append(new)
        _put_in_order(order)
        return _written(order, off)

    def _values(self, flat: Mapping[str, Any], within: Deadline) -> Row:
        values: Row = {}
        for path, value in flat.items():
            if path not in _FIELDS:
                raise PermanentError(
                    f"customer: an address in Tryton has no field {path!r} to write",
                    field=f"addresses.{path}",
                    mend="remove it from the sheet",
                )
            if path == "country.code":
                value = self._lookups.country(value, within)
            elif path in ("billing", "shipping"):
                value = bool(value)
            values[_FIELDS[path]] = value
        return values

    def _copy(self, row: Row, old: Row, values: Row) -> Row:
        copied = {name: old.get(name) for name in _COPIED} | {"country": get(old, "country", "id")}
        if self._leaves(old, values):
            copied["subdivision"] = None
        return copied | values | _carrying(_key(row, old["id"], self._session.system), row["id"])

    @staticmethod
    def _moves(old: Row, values: Row) -> bool:
        return any(name in values and values[name] != _now(old, name) for name in _WHERE)

    @staticmethod
    def _leaves(old: Row, values: Row) -> bool:
        """Say whether the state or province cannot stay: no sheet carries it, and it would be a wrong one."""
        return old.get("subdivision") is not None and any(
            name in values and values[name] != _now(old, name) for name in ("postal_code", "country")
        )

    def _is_used(self, address: int, within: Deadline) -> bool:
        """Say whether an order past draft, a shipment or an invoice points to the address."""
        for model, names, states in _USERS:
            points = ["OR", *([[name, "=", address]] for name in names)]
            counts = ["state", "in", list(states)] if states else ["state", "!=", "cancelled"]
            if self._session.search_read(model, [points, counts], ["id"], within=within, limit=1):
                return True
        return False


def _key(row: Row, address: int, system: str) -> str:
    own = [one for one in row.get("contact_mechanisms") or [] if one.get("address") == address]
    return address_key(address, own, system)


def _carrying(key: str, party: int) -> Row:
    return {"contact_mechanisms": [["create", [key_mechanism(key, party)]]]} if key else {}


def _now(old: Row, name: str) -> Any:
    return get(old, "country", "id") if name == "country" else old.get(name)


def _put_in_order(order: list[_Planned]) -> None:
    """Give new addresses a place at the end and the main one the first, touching no more than that takes."""
    for one in order:
        if one.id is None and one.sequence is None:
            one.sequence = max((other.sequence or 0 for other in order), default=0) + 1
            one.values["sequence"] = one.sequence
        elif one.id is None:
            one.values["sequence"] = one.sequence
    leader = next((one for one in order if one.is_main), None)
    if leader is None and order and order[0].is_main is False:
        leader = next((one for one in order if one.is_main is not False), None)
    if leader is None or leader is order[0]:
        return
    others = [one for one in order if one is not leader]
    if any(one.sequence is None for one in others):  # empty ones sort before all numbers
        for number, one in enumerate(others, start=1):
            one.sequence = one.values["sequence"] = number
    leader.values["sequence"] = min(one.sequence or 0 for one in others) - 1


def _written(order: list[_Planned], off: list[int]) -> list[list[Any]]:
    operations: list[list[Any]] = [["write", [one.id], one.values] for one in order if one.id and one.values]
    if off:
        operations.append(["write", off, {"active": False}])
    made = [one.values for one in order if one.id is None]
    return [*operations, ["create", made]] if made else operations
