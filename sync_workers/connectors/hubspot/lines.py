"""The line items of a deal: objects of their own that belong to one deal; editing one does not touch it.

An item's ``key`` is our key where we put the line there, else its id; ``net_price`` is the price with the
discount taken off, per unit or in percent. Source: developers.hubspot.com, "Line items".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from sync_workers.connectors.contract import FieldType, ListChange
from sync_workers.connectors.hubspot import batches
from sync_workers.connectors.hubspot.associations import Associations
from sync_workers.connectors.hubspot.objects import DEALS, LINE_ITEMS
from sync_workers.connectors.hubspot.payloads import as_properties
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.errors import PermanentError

PRICE, PER_UNIT, PERCENT, KEY = "price", "discount", "hs_discount_percentage", "line_key"
PROPERTIES = (
    "name",
    "hs_sku",
    "quantity",
    "amount",
    "hs_product_id",
    "description",
    PRICE,
    PER_UNIT,
    PERCENT,
    KEY,
)
FIELDS: Mapping[str, FieldType] = {
    "line_items": FieldType("list"),
    "line_items.id": FieldType("id", read_only=True, unique=True),
    "line_items.key": FieldType("string"),
    "line_items.net_price": FieldType("number"),
}
BEHIND = {"line_items.key": (KEY,), "line_items.net_price": (PRICE, PER_UNIT, PERCENT)}
"""The properties that a path besides ``line_items.properties`` is made of."""


def item(line: Json) -> Json:
    """Return one line item as the sheets see it."""
    properties = line["properties"]
    return {
        "id": str(line["id"]),
        "key": properties.get(KEY) or str(line["id"]),
        "net_price": net_price(properties),
        "properties": properties,
    }


def net_price(properties: Mapping[str, Any]) -> str | None:
    """Return what one unit costs after the discount; a percentage counts before an amount, as in HubSpot."""
    if properties.get(PRICE) in (None, ""):
        return None
    try:
        price = Decimal(str(properties[PRICE]))
        if properties.get(PERCENT) not in (None, ""):
            price -= price * Decimal(str(properties[PERCENT])) / 100
        elif properties.get(PER_UNIT) not in (None, ""):
            price -= Decimal(str(properties[PER_UNIT]))
    except InvalidOperation:
        return str(properties[PRICE])  # whoever reads it names the line and what stands there
    return format(price, "f")


def read(wire: Wire, ids: Sequence[str], properties: Sequence[str]) -> dict[str, Json]:
    """Return the items by id, a hundred lines a call."""
    rows = wire.read_batch(LINE_ITEMS.path, list(dict.fromkeys(ids)), properties)
    return {str(line["id"]): item(line) for line in rows}


def write(wire: Wire, links: Associations, deal_id: str, change: Any, budget_s: float) -> None:
    """Add, change and remove line items. A row that HubSpot refuses is raised, the others stay."""
    if not isinstance(change, ListChange):
        raise PermanentError(f"{wire.system}: line_items takes edits of a list", field="line_items")
    link = links.at_birth(LINE_ITEMS, DEALS, [deal_id])
    added = [
        {"properties": _given(given, key), "associations": link, "objectWriteTraceId": f"add-{at}"}
        for at, (key, given) in enumerate(change.add)
    ]
    changed = [{"id": line, "properties": _given(given)} for line, given in change.change]
    batches.send(wire, LINE_ITEMS, "create", added, budget_s)
    batches.send(wire, LINE_ITEMS, "update", changed, budget_s)
    batches.send(wire, LINE_ITEMS, "archive", [{"id": line} for line in change.remove], budget_s)


def _given(given: Mapping[str, Any], key: str = "") -> dict[str, str]:
    """Return the properties to write. A net price is written as the price, with no discount beside it."""
    properties = dict(given.get("properties") or {})
    if "net_price" in given:
        properties |= {PRICE: given["net_price"], PER_UNIT: None, PERCENT: None}
    key = str(given.get("key") or "") if "key" in given else ""
    return as_properties(properties | ({KEY: key} if key else {}))
