"""How the fields and objects that the sheets need are defined in an account that lacks them.

Pure. Source: developers.hubspot.com, "Properties API" (type and fieldType) and "Custom objects".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sync_workers.connectors.contract import ValueType
from sync_workers.connectors.hubspot.objects import ADDRESSES
from sync_workers.connectors.hubspot.wire import Json

REFERENCE = "sync_reference"
GROUP = "sync_workers"
SEARCHABLE = 10  # at most so many properties of an object are found by the search box

SHAPES: Mapping[ValueType, tuple[str, str]] = {
    ValueType.TEXT: ("string", "text"),
    ValueType.BLOCK: ("string", "textarea"),
    ValueType.NUMBER: ("number", "number"),
    ValueType.TRUTH: ("bool", "booleancheckbox"),
    ValueType.DAY: ("date", "date"),
    ValueType.INSTANT: ("datetime", "date"),
}
BLOCKS = frozenset(
    {"contents", "erp_shipments", "erp_invoices", "erp_credit_notes", "customer_note", "street", "ship_to"}
)
"""Texts that people write over several lines, or that we do."""

YES_NO: Sequence[Json] = (
    {"label": "Yes", "value": "true", "displayOrder": 0, "hidden": False},
    {"label": "No", "value": "false", "displayOrder": 1, "hidden": False},
)
LABELS: Mapping[str, tuple[str, str]] = {
    ADDRESSES: ("Address", "Addresses"),
    "shipments": ("Shipment", "Shipments"),
    "credit_notes": ("Credit note", "Credit notes"),
}
TITLES: Mapping[str, Sequence[str]] = {ADDRESSES: ("street", "city", "name", "postal_code")}
"""What stands at the head of a record; elsewhere its number, then what else is text."""


def type_of(name: str, told: ValueType | None) -> ValueType:
    """Return what a property has to hold, by the sheet's converter or by its name."""
    if told in (None, ValueType.TEXT) and name in BLOCKS:
        return ValueType.BLOCK
    return told or ValueType.TEXT


def property_definition(name: str, type_: ValueType, *, unique: bool = False) -> Json:
    """Return the body that creates a property; its group is added by whoever knows it is there."""
    kind, field_type = SHAPES[type_]
    definition: Json = {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "type": kind,
        "fieldType": field_type,
        "hasUniqueValue": unique,
        "description": "Kept by the sync layer between CRM and ERP",
    }
    if type_ is ValueType.TRUTH:
        definition["options"] = list(YES_NO)
    return definition


def schema_definition(name: str, types: Mapping[str, ValueType], associated: Sequence[str]) -> Json:
    """Return the body that defines a custom object with these properties, linked to ``associated``."""
    singular, plural = LABELS.get(name) or _labels(name)
    texts = [each for each, type_ in types.items() if type_ is ValueType.TEXT and each != REFERENCE]
    wanted = [*TITLES.get(name, (f"{singular.lower().replace(' ', '_')}_number",)), *texts, *types]
    titles = [each for each in dict.fromkeys(wanted) if each in types]
    return {
        "name": name,
        "labels": {"singular": singular, "plural": plural},
        "description": "Kept by the sync layer between CRM and ERP",
        "primaryDisplayProperty": titles[0],
        "secondaryDisplayProperties": titles[1:3],
        "searchableProperties": [each for each in titles if types[each] in _FOUND][:SEARCHABLE],
        "requiredProperties": [],
        "properties": [
            property_definition(each, type_, unique=each == REFERENCE) for each, type_ in types.items()
        ],
        "associatedObjects": list(associated),
    }


_FOUND = frozenset({ValueType.TEXT, ValueType.BLOCK, ValueType.NUMBER, ValueType.DAY})


def _labels(name: str) -> tuple[str, str]:
    words = name.replace("_", " ").capitalize()
    return words.removesuffix("s"), words


def label_definition(label: str) -> dict[str, Any]:
    """Return the body that defines an association label."""
    return {"label": label, "name": label.lower().replace(" ", "_")}
