"""The people of a company, as far as they are told to the other systems. Read only: sales keeps them.

Source: developers.hubspot.com, "Contacts".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sync_workers.connectors.contract import FieldType
from sync_workers.connectors.hubspot.objects import CONTACTS
from sync_workers.connectors.hubspot.wire import Json, Wire

PROPERTIES = ("firstname", "lastname", "email", "phone", "mobilephone")
FIELDS: Mapping[str, FieldType] = {
    "contacts": FieldType("list", read_only=True),
    "contacts.id": FieldType("id", read_only=True, unique=True),
    **{f"contacts.{name}": FieldType("string", read_only=True) for name in ("name", "email", "phone")},
}


def read(wire: Wire, ids: Sequence[str]) -> dict[str, Json]:
    """Return the contacts by id as a customer shows them."""
    rows = wire.read_batch(CONTACTS.path, list(dict.fromkeys(ids)), PROPERTIES)
    return {str(row["id"]): _item(row) for row in rows}


def _item(row: Json) -> Json:
    properties = row["properties"]
    names = (properties.get("firstname"), properties.get("lastname"))
    return {
        "id": str(row["id"]),
        "name": " ".join(name.strip() for name in names if name and name.strip()) or None,
        "email": properties.get("email"),
        "phone": properties.get("phone") or properties.get("mobilephone"),
    }
