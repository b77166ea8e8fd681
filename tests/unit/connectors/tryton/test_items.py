"""Places of addresses, keys in comments, and quantities of lines: what is decided without asking the server."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from sync_workers.connectors.tryton import contacts
from sync_workers.connectors.tryton.addresses import _Planned, _put_in_order
from sync_workers.connectors.tryton.keys import address_key, comment_for, key_in
from sync_workers.connectors.tryton.progress import credit_notes, invoices, is_open, of_line, state


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param([_Planned(1, 0), _Planned(2, 1)], [{}, {}], id="nothing moves"),
        pytest.param([_Planned(1, 0, is_main=True), _Planned(2, 1)], [{}, {}], id="it is the first already"),
        pytest.param([_Planned(1, 0), _Planned(2, 1, is_main=True)], [{}, {"sequence": -1}], id="the second leads"),
        pytest.param(
            [_Planned(1, None), _Planned(2, None, is_main=True), _Planned(3, 7)],
            [{"sequence": 1}, {"sequence": 0}, {"sequence": 2}], id="empty places sort first, so all are numbered",
        ),
        pytest.param(
            [_Planned(1, 0, is_main=False), _Planned(2, 1)], [{}, {"sequence": -1}], id="the first steps down",
        ),
        pytest.param([_Planned(1, 0, is_main=False)], [{}], id="there is no other"),
        pytest.param([_Planned(1, 4), _Planned(None, None)], [{}, {"sequence": 5}], id="a new one comes last"),
        pytest.param(
            [_Planned(1, None), _Planned(None, None)], [{}, {"sequence": 1}], id="a new one after an empty place",
        ),
        pytest.param(
            [_Planned(1, 4), _Planned(None, None, is_main=True)], [{}, {"sequence": 3}], id="a new one leads",
        ),
        pytest.param([_Planned(None, 4), _Planned(2, 5)], [{"sequence": 4}, {}], id="one that moved keeps its place"),
    ],
)  # fmt: skip
def test_the_main_address_has_the_lowest_place(order, expected):
    _put_in_order(order)
    assert [one.values for one in order] == expected


@pytest.mark.parametrize("key", ["51", "erp:7", "a key with spaces", "crm-address-9"])
def test_a_key_is_read_from_its_line_whatever_people_add(key):
    comment = comment_for(key)
    for text in (comment, f"{comment}\r\ncalls back", f"only mornings\n{comment}  "):
        assert key_in({"comment": text}) == key


@pytest.mark.parametrize("comment", [None, "", "accounts payable", "please sync: monthly", "in sync:1"])
def test_what_people_noted_is_no_key(comment):
    assert key_in({"comment": comment}) is None


def mechanism(id_, type_, value, active=True, comment=None, address=None):
    rest = {"active": active, "comment": comment, "address": address, "name": None}
    return {"id": id_, "type": type_, "value": value, **rest}


def test_the_oldest_live_mechanism_without_a_key_is_the_customers_own():
    row = {"contact_mechanisms": [
        mechanism(9, "email", "new@example.com"), mechanism(2, "email", "gone@example.com", active=False),
        mechanism(3, "email", "ann@example.com", comment="sync:51"), mechanism(4, "email", "old@example.com"),
        mechanism(5, "mobile", "1"),
    ]}  # fmt: skip
    assert contacts.main(row, "email")["value"] == "old@example.com"
    assert contacts.main(row, "phone") is None


def test_the_key_of_an_address_is_nobody():
    row = {"contact_mechanisms": [mechanism(1, "other", "main", comment="sync:main", address=7)]}
    assert contacts.shaped(row) == []
    assert address_key(7, row["contact_mechanisms"], "erp") == "main"
    assert address_key(8, [], "erp") == "erp:8"


def move(state, quantity, factor=1, day=None):
    return {"state": state, "quantity": Decimal(quantity), "unit": {"factor": Decimal(factor)}, "planned_date": day}


MONDAY, FRIDAY = date(2026, 11, 30), date(2026, 12, 4)


@pytest.mark.parametrize(
    ("factor", "ordered", "moves", "expected"),
    [
        pytest.param(1, 10, [], (0, 0, None), id="nothing planned"),
        pytest.param(1, 10, [move("done", 4), move("draft", 6, day=FRIDAY)], (4, 6, FRIDAY), id="a part has left"),
        pytest.param(
            1, 10, [move("assigned", 3, day=FRIDAY), move("draft", 3, day=MONDAY), move("draft", 4)], (0, 10, MONDAY),
            id="the earliest day counts",
        ),
        pytest.param(1, 10, [move("cancelled", 10, day=MONDAY)], (0, 0, None), id="cancelled"),
        pytest.param(1, 10, [move("done", 12)], (12, 0, None), id="more than was ordered"),
        pytest.param(12, 3, [move("done", 24), move("draft", 6)], (2, Decimal("0.5"), None), id="moves in pieces"),
        pytest.param(12, 3, [move("done", 4)], (0, 0, None), id="a third of a box has no exact figure"),
        pytest.param(1, -2, [move("done", 2)], (-2, 0, None), id="a return"),
    ],
)  # fmt: skip
def test_what_has_left_of_a_line(factor, ordered, moves, expected):
    line = {"quantity": Decimal(ordered), "unit": {"factor": Decimal(factor), "digits": 0}, "moves": moves}
    shown = of_line(line)
    assert (shown["shipped"], shown["backordered"], shown["expected"]) == expected


def order(state_, progress, *moves, invoices=()):
    line = {"type": "line", "moves_progress": progress, "moves": list(moves)}
    return {"state": state_, "lines": [line], "invoices": [{"state": one} for one in invoices]}


@pytest.mark.parametrize(
    ("row", "shown", "open_"),
    [
        pytest.param(order("draft", None), "draft", True, id="a draft"),
        pytest.param(order("confirmed", 0), "confirmed", True, id="confirmed"),
        pytest.param(order("processing", 0, move("draft", 5)), "processing", True, id="to be shipped"),
        pytest.param(order("processing", 0, move("cancelled", 5)), "processing", True, id="nobody has decided"),
        pytest.param(order("processing", 1, move("done", 5)), "processing", False, id="to be paid"),
        pytest.param(order("done", 1, move("done", 5), invoices=["paid"]), "done", False, id="done"),
        pytest.param(order("done", 1, move("cancelled", 5)), "cancelled", False, id="taken back"),
        pytest.param(
            order("done", 1, move("cancelled", 5), invoices=["cancelled"]), "cancelled", False, id="its bill too"
        ),
        pytest.param(order("done", 1, move("cancelled", 5), invoices=["paid"]), "done", False, id="paid all the same"),
        pytest.param(order("done", 1, move("cancelled", 2), move("done", 3)), "done", False, id="closed short"),
        pytest.param(order("done", None, invoices=["paid"]), "done", False, id="a service"),
        pytest.param(order("cancelled", 0), "cancelled", False, id="cancelled"),
    ],
)  # fmt: skip
def test_state_and_openness_of_an_order(row, shown, open_):
    assert (state(row), is_open(row)) == (shown, open_)


def billed(number, total):
    row = {"id": number, "number": f"N{number}", "state": "posted", "invoice_date": None}
    return row | {"total_amount": Decimal(total)}


def test_what_is_below_zero_is_a_credit_note_wherever_it_was_found_and_once():
    row = {
        "currency": {"code": "USD"},
        "invoices": [billed(1, "10"), billed(2, "-4")],
        # the fourth takes a credit note back: it asks for money again
        "credits": [billed(3, "-1"), billed(3, "-1"), billed(4, "4")],
    }
    assert invoices(row) == "N1: posted, 10 USD"
    assert credit_notes(row) == "N2: posted, -4 USD\nN3: posted, -1 USD"
