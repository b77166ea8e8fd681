"""What a sheet puts at each path, so that a missing field is created with a fitting type."""

from __future__ import annotations

import pytest

from sync_workers.domain.parsing import parse
from sync_workers.domain.value_types import ValueType, types_of

SHEET = {
    "kind": "invoice",
    "version": 1,
    "created_by": ["erp"],
    "field": [
        {"name": "number", "owner": "erp", "as": "exact", "crm": "properties.number", "erp": "number"},
        {"name": "currency", "owner": "erp", "as": "text_upper", "crm": "properties.currency", "erp": "currency"},
        {"name": "total", "owner": "erp", "as": "money", "crm": "properties.total", "erp": "total"},
        {"name": "due", "owner": "erp", "as": "date", "crm": "properties.due", "erp": "due"},
        {"name": "sent", "owner": "erp", "as": "datetime", "crm": "properties.sent", "erp": "sent"},
        {"name": "paid", "owner": "erp", "as": "bool", "crm": "properties.paid", "erp": "paid"},
        {"name": "order", "owner": "erp", "as": "record:order", "crm": "associations.deals[0]", "erp": "order"},
        {"name": "contents", "owner": "derived", "from": ["lines"], "by": "contents", "crm": "properties.contents"},
    ],
    "list": [
        {
            "name": "lines",
            "owner": "erp",
            "key": {"crm": "key", "erp": "id"},
            "crm": "line_items",
            "erp": "lines",
            "field": [
                {"name": "quantity", "as": "quantity", "crm": "properties.quantity", "erp": "quantity"},
                {"name": "price", "as": "unit_price", "crm": "net_price", "erp": "price"},
            ],
        }
    ],
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("properties.number", ValueType.TEXT),
        ("properties.currency", ValueType.TEXT),
        ("properties.total", ValueType.NUMBER),
        ("properties.due", ValueType.DAY),
        ("properties.sent", ValueType.INSTANT),
        ("properties.paid", ValueType.TRUTH),
        ("associations.deals", ValueType.TEXT),
        ("properties.contents", ValueType.BLOCK),
        ("line_items.properties.quantity", ValueType.NUMBER),
        ("line_items.net_price", ValueType.NUMBER),
    ],
)
def test_each_path_has_the_type_of_its_converter(path: str, expected: ValueType) -> None:
    assert types_of(parse(SHEET), "crm")[path] is expected


def test_a_field_without_a_place_in_the_system_has_no_type_there() -> None:
    assert "properties.contents" not in types_of(parse(SHEET), "erp")
