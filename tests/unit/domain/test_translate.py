"""Native records read and written as the sheet says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sync_workers.domain.native import ListChange, look, plain, segments
from sync_workers.domain.records import Change
from sync_workers.domain.translate import read_native, write_native
from sync_workers.errors import PermanentError
from tests.unit.domain.stores import NoLinks, make_sheet

PARTY = make_sheet(
    [
        {"name": "name", "crm": "properties.name", "erp": "name"},
        {"name": "phone", "crm": "properties.phone", "erp": "mechanisms[type=phone].value"},
        {"name": "city", "crm": "properties.city", "erp": "addresses[0].city"},
        {"name": "country", "as": "country", "crm": "properties.country", "erp": "addresses[0].country.code"},
        {"name": "parent", "crm": "associations.companies[0]", "erp": "parent"},
        {"name": "limit", "as": "money", "crm": "properties.limit", "erp": "limit"},
        {"name": "currency", "crm": "properties.currency", "erp": "currency.code"},
    ]
)


def change(**values: Any) -> dict[str, Change]:
    return {name: Change(None, value, "a test") for name, value in values.items()}


def write(system: str, changes: dict[str, Change], ids: dict[str, dict[str, str]] | None = None) -> Any:
    return write_native(PARTY, system, changes, links=NoLinks(), item_ids=ids or {})


def test_only_fields_with_a_place_are_read_and_blanks_are_none() -> None:
    native = {"id": "1", "properties": {"name": " Ada ", "phone": "", "limit": "5", "currency": "EUR"}}
    values, ids = read_native(PARTY, "crm", native, links=NoLinks(), item_ids={})
    assert values == {
        "name": "Ada",
        "phone": None,
        "city": None,
        "country": None,
        "parent": None,
        "limit": Decimal(5),
        "currency": "EUR",
    }
    assert ids == {}


def test_a_path_may_pick_an_item_of_a_list() -> None:
    native = {
        "mechanisms": [{"id": 7, "type": "email", "value": "x"}, {"id": 8, "type": "phone", "value": "1"}],
        "addresses": [{"id": 3, "city": "Ulm", "country": {"code": "DE"}}],
    }
    values, ids = read_native(PARTY, "erp", native, links=NoLinks(), item_ids={})
    assert (values["phone"], values["city"], values["country"]) == ("1", "Ulm", "DE")
    assert ids == {"mechanisms[type=phone]": {"": "8"}, "addresses[0]": {"": "3"}}


def test_picked_items_are_added_where_there_is_none() -> None:
    native = write("erp", change(phone="1", city="Ulm", country="DE"))
    assert native == {
        "mechanisms": ListChange(add=(("mechanisms[type=phone]", {"type": "phone", "value": "1"}),)),
        "addresses": ListChange(add=(("addresses[0]", {"city": "Ulm", "country": {"code": "DE"}}),)),
    }


def test_picked_items_are_changed_by_their_id_and_removed_when_cleared() -> None:
    ids = {"mechanisms[type=phone]": {"": "8"}, "addresses[0]": {"": "3"}}
    native = write("erp", change(phone=None, city=None), ids)
    assert native == {
        "mechanisms": ListChange(remove=("8",)),
        "addresses": ListChange(change=(("3", {"city": None}),)),
    }


def test_a_list_of_plain_values_holds_ours_alone() -> None:
    assert write("crm", change(parent="9")) == {"associations": {"companies": ["9"]}}
    assert write("crm", change(parent=None)) == {"associations": {"companies": []}}


def test_what_is_cleared_is_written_as_none() -> None:
    assert write("crm", change(name=None)) == {"properties": {"name": None}}


def test_a_value_that_cannot_be_read_is_named_with_field_system_and_mend() -> None:
    native = {"properties": {"country": "Atlantis"}}
    with pytest.raises(PermanentError) as caught:
        read_native(PARTY, "crm", native, links=NoLinks(), item_ids={})
    error = caught.value
    assert error.field == "country"
    assert error.mend == "use the ISO code or the English name"
    assert "thing: 'country' in crm shows 'Atlantis', which is no country" in error.message


def test_a_list_that_is_none_says_so() -> None:
    sheet = make_sheet(
        [],
        list=[
            {
                "name": "lines",
                "owner": "crm",
                "why": "x",
                "key": {"crm": "id"},
                "crm": "lines",
                "field": [{"name": "part", "crm": "part"}],
            }
        ],
    )
    with pytest.raises(PermanentError, match="'lines' in crm is not a list of items"):
        read_native(sheet, "crm", {"lines": "text"}, links=NoLinks(), item_ids={})


@pytest.mark.parametrize("path", ["", ".a", "a.", "a..b", "a[", "a[0", "a[x].b", "a[0].b[1]", "a]b"])
def test_a_path_that_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        segments(path)


def test_metadata_knows_paths_without_their_picks() -> None:
    assert plain("addresses[0].country.code") == "addresses.country.code"
    assert plain("mechanisms[type=phone].value") == "mechanisms.value"


@pytest.mark.parametrize("native", [{}, {"a": None}, {"a": "text"}, {"a": []}, {"a": ["text"]}])
def test_a_missing_step_reads_as_nothing(native: dict[str, Any]) -> None:
    assert look(native, "a[x=1].b") is None
    assert look(native, "a.b.c") is None


ORDER = make_sheet(
    [],
    units={"crm": {"piece": "piece", "box": "12 piece", "meter": "meter"}, "erp": {"u": "piece"}},
    list=[
        {
            "name": "lines",
            "owner": "crm",
            "why": "a test",
            "key": {"crm": "id", "erp": "note"},
            "crm": "items",
            "erp": "lines",
            "field": [
                {"name": "part", "why": "a test", "crm": "sku", "erp": "part"},
                {"name": "unit", "why": "a test", "as": "unit", "crm": "unit", "erp": "unit"},
            ],
        }
    ],
)


@pytest.mark.parametrize(
    ("system", "items", "unit", "said", "mend"),
    [
        pytest.param("crm", "items", "pallet", "'lines[8].unit' in crm (item 2) shows 'pallet', which needs the unit",
                     "write a unit that it knows there (piece, box, meter), or add 'pallet'", id="in the CRM"),
        pytest.param("crm", "items", "Piece", "(item 2) shows 'Piece'", "(piece, box, meter), or add 'Piece'",
                     id="in capitals: which unit is meant is for a person to say"),
        pytest.param("erp", "lines", "plt", "in erp (item 2) shows 'plt'", "there (u), or add 'plt'", id="in the ERP"),
    ],
)  # fmt: skip
def test_a_unit_that_nobody_knows_is_named_with_its_item_and_the_units_that_there_are(
    system: str, items: str, unit: str, said: str, mend: str
) -> None:
    first, second = {"id": 7, "sku": "A", "unit": None}, {"id": 8, "sku": "B", "unit": unit}
    with pytest.raises(PermanentError) as caught:
        read_native(ORDER, system, {items: [first, second]}, links=NoLinks(), item_ids={})
    assert said in caught.value.message
    assert mend in caught.value.mend
    assert str(caught.value.field).endswith("8].unit")


def test_a_unit_that_the_other_side_has_none_of_is_named_with_its_item_too() -> None:
    lines = {"7": {"part": "A", "unit": "piece"}, "8": {"part": "B", "unit": "meter"}}
    with pytest.raises(PermanentError) as caught:
        write_native(ORDER, "erp", {"lines": Change({}, lines, "a test")}, links=NoLinks(), item_ids={})
    assert "'lines[8].unit' in erp (item 2) should show 'meter'" in caught.value.message
    assert "add one that is exactly one meter to the sheet's [units] table" in caught.value.mend
