"""The addresses of a company as one list: its own, and the records of the custom object ``addresses``.

HubSpot gives a company one address; that is the item ``main``, kept in the company's own properties. Blank,
it is no item; its roles are both unless somebody unticked one. Source: developers.hubspot.com, "Companies"
(properties of the address) and "Custom objects".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sync_workers.connectors.contract import FieldType, ListChange
from sync_workers.connectors.hubspot.payloads import as_properties
from sync_workers.connectors.hubspot.wire import Json
from sync_workers.errors import PermanentError

MAIN = "main"
KEY = "address_key"
ROLES = ("billing", "shipping")
OWN: Mapping[str, str] = {
    "key": KEY,
    "name": "address_name",
    "street": "address",
    "postal_code": "zip",
    "city": "city",
    "country": "country",
    "billing": "address_billing",
    "shipping": "address_shipping",
}
"""Where the company keeps each field of its own address; ``street`` goes on in ``address2``."""

SECOND_LINE = "address2"
OWN_PROPERTIES = (*OWN.values(), SECOND_LINE)
PROPERTIES = ("name", "street", "postal_code", "city", "country", *ROLES, KEY)
FIELDS: Mapping[str, FieldType] = {
    "addresses": FieldType("list"),
    "addresses.id": FieldType("id", read_only=True, unique=True),
    **{f"addresses.{name}": FieldType("string") for name in OWN if name not in ROLES},
    **{f"addresses.{name}": FieldType("bool") for name in (*ROLES, MAIN)},
}


@dataclass(frozen=True)
class Edits:
    """A change of the list, sorted by where it goes: properties of the company, and address records."""

    own: Mapping[str, str]
    add: tuple[Mapping[str, str], ...] = ()
    change: tuple[tuple[str, Mapping[str, str]], ...] = ()
    remove: tuple[str, ...] = ()

    @property
    def needs_records(self) -> bool:
        return bool(self.add or self.change or self.remove)


def items(company: Mapping[str, Any], records: Sequence[Json]) -> list[Json]:
    """Return the list of one company: its own address first, if it has one."""
    own = own_item(company)
    return [*([own] if own else []), *map(_item, records)]


def own_item(company: Mapping[str, Any]) -> Json | None:
    """Return the company's own address, None while there is nothing of it."""
    if not any(company.get(name) for name in ("address", "zip", "city", "country")):
        return None
    lines = [company.get("address"), company.get(SECOND_LINE)]
    return {
        "id": MAIN,
        "key": company.get(KEY) or MAIN,
        "name": company.get(OWN["name"]),
        "street": "\n".join(line for line in lines if line) or None,
        "postal_code": company.get("zip"),
        "city": company.get("city"),
        "country": company.get("country"),
        **{role: company.get(OWN[role]) or "true" for role in ROLES},
        "main": True,
    }


def _item(record: Json) -> Json:
    properties = record["properties"]
    fields = {name: properties.get(name) for name in PROPERTIES if name != KEY}
    return {"id": str(record["id"]), "key": key_of(record), **fields, "main": False}


def key_of(record: Json) -> str:
    return record["properties"].get(KEY) or str(record["id"])


def sort(change: Any, company: Mapping[str, Any], system: str) -> Edits:
    """Say what each edit means for a company whose properties are ``company`` (nothing for a new one).

    An added address becomes the company's own if it is the main one and the company has none yet.
    """
    if not isinstance(change, ListChange):
        raise PermanentError(f"{system}: addresses takes edits of a list", field="addresses")
    own: dict[str, str] = {}
    has_own = own_item(company) is not None and MAIN not in change.remove
    if MAIN in change.remove:
        own |= dict.fromkeys(OWN_PROPERTIES, "")
    added, changed = [], []
    for key, fields in change.add:
        named = {**fields, "key": fields.get("key") or key}
        if _is_true(fields.get(MAIN)) and not has_own:
            own |= _own_properties(named)
            has_own = True
        else:
            added.append(_record_properties(named))
    for item_id, fields in change.change:
        if MAIN in fields and _is_true(fields[MAIN]) != (item_id == MAIN):
            raise PermanentError(
                f"{system}: which address is the main one is decided in HubSpot, where it is the company's own",
                mend="type the other address into the company itself",
                field="addresses.main",
            )
        if item_id == MAIN:
            own |= _own_properties(fields)
        elif properties := _record_properties(fields):
            changed.append((item_id, properties))
    return Edits(own, tuple(added), tuple(changed), tuple(each for each in change.remove if each != MAIN))


def _own_properties(fields: Mapping[str, Any]) -> dict[str, str]:
    given = {OWN[name]: value for name, value in fields.items() if name in OWN}
    if "street" in fields:
        first, _, rest = str(fields["street"] or "").partition("\n")
        given |= {"address": first, SECOND_LINE: rest.replace("\n", ", ")}
    return as_properties(given)


def _record_properties(fields: Mapping[str, Any]) -> dict[str, str]:
    given = {name: value for name, value in fields.items() if name in PROPERTIES}
    if "key" in fields:
        given[KEY] = fields["key"]
    return as_properties(given)


def _is_true(value: Any) -> bool:
    return value is True or str(value).lower() == "true"
