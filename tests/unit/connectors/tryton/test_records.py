from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sync_workers.connectors.contract import ListChange
from sync_workers.connectors.tryton.changes import Changed, Position, _domain, _notices
from sync_workers.connectors.tryton.lines import shaped
from sync_workers.connectors.tryton.records import list_operations
from sync_workers.connectors.tryton.versions import stamps_in, version_of, version_showing
from sync_workers.errors import PermanentError

STAMPS = {"sale.sale,1": "1795473790.672755", "sale.line,2": "1795473791.1"}


@pytest.mark.parametrize(
    "moved",
    [
        pytest.param(STAMPS | {"sale.sale,1": "1795473792.0"}, id="the record"),
        pytest.param(STAMPS | {"sale.line,2": "1795473790.9"}, id="an item"),
        pytest.param({"sale.sale,1": "1795473790.672755"}, id="an item deleted"),
        pytest.param(STAMPS | {"sale.line,3": "1795473791.1"}, id="an item added"),
    ],
)
def test_a_version_differs_after_any_change(moved):
    assert version_of(STAMPS) == version_of(dict(reversed(STAMPS.items())))
    assert version_of(moved) != version_of(STAMPS)


def test_list_changes_become_nested_operations():
    change = ListChange(add=(("k", {"city": "A"}),), change=(("4", {"city": "B"}),), remove=("5",))
    assert list_operations(change, dict, {4, 5}, "x") == [
        ["write", [4], {"city": "B"}], ["delete", [5]], ["create", [{"city": "A"}]],
    ]  # fmt: skip


@pytest.mark.parametrize("item", ["6", "", "x"])
def test_an_item_that_is_gone_is_refused_by_name(item):
    with pytest.raises(PermanentError, match="customer 1: addresses"):
        list_operations(ListChange(remove=(item,)), dict, {4, 5}, "customer 1: addresses")


def test_a_version_differs_when_something_is_shown_that_no_stamp_tells():
    one, other = version_showing(STAMPS, {"shipped": Decimal(4)}), version_showing(STAMPS, {"shipped": Decimal(7)})
    assert one != other
    assert {stamps_in(each) for each in (one, other)} == {version_of(STAMPS)}


def a_line(id_, sequence, type_="line"):
    empty = dict.fromkeys(("note", "product", "quantity", "unit", "unit_price", "description"))
    return {"id": id_, "sequence": sequence, "type": type_, "taxes": [], **empty}


def test_lines_come_as_printed_and_texts_between_them_stay_out():
    rows = [a_line(4, 20), a_line(3, 10), a_line(5, 15, "comment"), a_line(9, None), a_line(8, None)]
    assert [line["id"] for line in shaped(rows)] == ["8", "9", "3", "4"]


def test_a_page_goes_on_after_the_row_where_the_last_one_ended():
    at = Position(at=5, table=1, id=70)
    assert _domain(0, None, at) == [["last_modified_at", ">", 5]]
    assert _domain(1, None, at) == [
        "OR", [["last_modified_at", ">", 5]], [["last_modified_at", "=", 5], ["id", ">", 70]],
    ]  # fmt: skip
    assert _domain(2, None, at) == [["last_modified_at", ">=", 5]]
    assert _domain(2, None, None) == []
    assert _domain(2, 4, None) == [["last_modified_at", ">=", 4]]


def test_a_record_with_many_changed_items_is_one_notice_at_its_last_change():
    rows = [("1", 1), ("2", 2), ("1", 3)]
    found = [Changed(Position(datetime(2026, 1, stamp, tzinfo=UTC), 0, stamp), (record,)) for record, stamp in rows]
    second, first = _notices("order", found, frozenset())
    assert (second.external_id, first.external_id) == ("2", "1")
    assert first.signs == {"0:1:2026-01-01T00:00:00+00:00", "0:3:2026-01-03T00:00:00+00:00"}
    assert second.signs == {"0:2:2026-01-02T00:00:00+00:00"}
