"""The fields of a kind as the account has them now: properties, and what is made of them and of links."""

from __future__ import annotations

from sync_workers.connectors.contract import FieldType
from sync_workers.connectors.hubspot import addresses, contacts, deals, documents
from sync_workers.connectors.hubspot.objects import COMPANIES, DEALS, LINE_ITEMS, PRODUCTS, HubspotObject
from sync_workers.connectors.hubspot.wire import Wire

ID = FieldType("id", read_only=True, unique=True)


def describe(wire: Wire, home: HubspotObject) -> dict[str, FieldType]:
    """Return the fields by path, those of what hangs on a record under the path of its list."""
    found = {"id": ID, **properties_of(wire, home, "properties.")}
    if home is DEALS:
        return {**found, **deals.FIELDS, **properties_of(wire, LINE_ITEMS, "line_items.properties.")}
    if home is COMPANIES:
        return {**found, **addresses.FIELDS, **contacts.FIELDS}
    return found if home is PRODUCTS else {**found, **documents.FIELDS}


def properties_of(wire: Wire, home: HubspotObject, prefix: str) -> dict[str, FieldType]:
    """Return the properties of one object, each under ``prefix`` and its name."""
    document = wire.get(f"/crm/v3/properties/{home.path}", {"archived": "false"}) or {}
    return {
        f"{prefix}{each['name']}": FieldType(
            type=str(each.get("type", "")),
            read_only=bool(
                (each.get("modificationMetadata") or {}).get("readOnlyValue") or each.get("calculated")
            ),
            unique=bool(each.get("hasUniqueValue")),
            choices=tuple(str(option.get("value")) for option in each.get("options") or ()),
        )
        for each in document.get("results", ())
    }
