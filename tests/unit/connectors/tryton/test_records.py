from __future__ import annotations

from decimal import Decimal

import pytest

from sync_workers.connectors.contract import ListChange
from sync_workers.connectors.tryton.changes import Changed, Position, _domain, _notices
from sync_workers.connectors.tryton.lines import shaped
from sync_workers.connectors.tryton.parties import Parties
from sync_workers.connectors.tryton.records import list_operations, version_of
from sync_workers.connectors.tryton.sales import hold_reason
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
    assert list_operations(change, dict, {4, 5}, "x", switch_off=True)[1] == ["write", [5], {"active": False}]


@pytest.mark.parametrize("item", ["6", "", "x"])
def test_an_item_that_is_gone_is_refused_by_name(item):
    with pytest.raises(PermanentError, match="customer 1: addresses"):
        list_operations(ListChange(remove=(item,)), dict, {4, 5}, "customer 1: addresses")


def quotation(**changes):
    row = {"party": 7, "invoice_party": None, "shipment_method": "order", "untaxed_amount": Decimal(100)}
    return row | changes


CREDIT = {7: {"credit_limit_amount": Decimal(120), "credit_amount": Decimal(30)}}


@pytest.mark.parametrize(
    ("row", "credit", "expected"),
    [
        pytest.param(quotation(), CREDIT, "credit_hold", id="beyond the limit"),
        pytest.param(quotation(untaxed_amount=Decimal(90)), CREDIT, None, id="exactly at the limit"),
        pytest.param(quotation(), {}, None, id="no limit"),
        pytest.param(quotation(shipment_method="invoice"), CREDIT, None, id="ships when paid"),
        pytest.param(quotation(untaxed_amount=Decimal(-5)), CREDIT, None, id="a return"),
        pytest.param(quotation(party=8, invoice_party=7), CREDIT, "credit_hold", id="another party pays"),
    ],
)
def test_which_quotations_wait_for_credit(row, credit, expected):
    assert hold_reason(row, credit) == expected


def a_line(id_, sequence, type_="line"):
    empty = dict.fromkeys(("note", "product", "quantity", "unit", "unit_price", "description"))
    return {"id": id_, "sequence": sequence, "type": type_, **empty}


def test_lines_come_as_printed_and_texts_between_them_stay_out():
    rows = [a_line(4, 20), a_line(3, 10), a_line(5, 15, "comment"), a_line(9, None), a_line(8, None)]
    assert [line["id"] for line in shaped(rows)] == ["8", "9", "3", "4"]


def party(**changes):
    row = {
        "id": 1, "code": "C", "name": "N", "active": True, "_timestamp": "1.0", "last_modified_at": None,
        "identifiers": [], "contact_mechanisms": [], "addresses": [],
    }  # fmt: skip
    return row | changes


def contact(id_, type_, value, active=True):
    return {"id": id_, "type": type_, "value": value, "active": active, "_timestamp": "1.0"}


def test_the_oldest_live_contact_of_each_type_is_the_one_that_is_synced():
    contacts = [
        contact(9, "email", "new@example.com"), contact(2, "email", "gone@example.com", active=False),
        contact(4, "email", "old@example.com"), contact(3, "mobile", "1"),
    ]  # fmt: skip
    fields = Parties(None, None).native(party(contact_mechanisms=contacts)).fields
    assert (fields["email"], fields["phone"]) == ("old@example.com", None)
    assert fields["main_address"]["street"] is None


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
    found = [Changed(Position(stamp, 0, stamp), (record,)) for record, stamp in rows]
    assert [notice.external_id for notice in _notices("order", found, frozenset())] == ["2", "1"]
