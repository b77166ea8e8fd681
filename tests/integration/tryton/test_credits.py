"""Which credit notes an order shows, and that each of them is news of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from sync_workers.connectors.contract import Native
from sync_workers.sandbox.tryton import accounts, sales, warehouse
from tests.integration.tryton.bench import Erp, changed, drained, line

pytestmark = pytest.mark.tryton

BEARING = "BRG-6204-2RS"


@pytest.fixture
def order(erp: Erp) -> Native:
    """Five bearings at 50.00, 270.62 USD with tax, that were shipped."""
    warehouse.receive_goods(erp.clerk, BEARING, 10)
    order = erp.placed(line(BEARING, "5", unit_price=Decimal(50)))
    erp.ship(order)
    return order


@contextmanager
def news_of(erp: Erp, order: Native) -> Iterator[None]:
    """Hold that what is done here is news of the order."""
    position = drained(erp.connector, "order")
    yield
    assert order.id in changed(erp.connector, "order", position)


def booked(erp: Erp, order: Native) -> int:
    (invoice,) = accounts.post_invoices(erp.clerk, int(order.id))
    return invoice


def told(erp: Erp, invoice: int, total: str, *, state: str = "posted") -> str:
    row: Mapping[str, Any]
    (row,) = erp.clerk.read("account.invoice", [invoice], "number")
    return f"{row['number']}: {state} {warehouse.today()}, {total} USD"


def test_one_that_is_made_from_an_invoice(erp: Erp, order: Native) -> None:
    invoice = booked(erp, order)
    assert erp.read(order).fields["credit_notes"] is None
    with news_of(erp, order):
        credit = accounts.credit_invoice(erp.clerk, invoice, refund=False)
    assert erp.read(order).fields["credit_notes"] == "not numbered: draft, -270.62 USD"
    with news_of(erp, order):
        erp.clerk.press("account.invoice", "post", credit)
    shown = erp.read(order)
    assert shown.fields["credit_notes"] == told(erp, credit, "-270.62")
    assert shown.fields["invoices"] == told(erp, invoice, "270.62")


def test_one_that_cancels_its_invoice(erp: Erp, order: Native) -> None:
    invoice = booked(erp, order)
    with news_of(erp, order):
        credit = accounts.credit_invoice(erp.clerk, invoice, refund=True)
    shown = erp.read(order)
    assert shown.fields["credit_notes"] == told(erp, credit, "-270.62", state="paid")
    assert shown.fields["invoices"] == told(erp, invoice, "270.62", state="cancelled")


def test_one_for_what_came_back(erp: Erp, order: Native) -> None:
    invoice = booked(erp, order)
    with news_of(erp, order):
        back = sales.return_goods(erp.clerk, int(order.id), {BEARING: 2})
    assert erp.read(order).fields["credit_notes"] == "not numbered: draft, -108.25 USD"
    with news_of(erp, order):
        (credit,) = accounts.post_invoices(erp.clerk, back)
    again = accounts.credit_part(erp.clerk, invoice, 1)
    shown = erp.read(order)
    assert shown.fields["credit_notes"].splitlines() == [told(erp, credit, "-108.25"), told(erp, again, "-54.12")]
    assert shown.fields["invoices"] == told(erp, invoice, "270.62")


def test_one_of_a_shipment_that_was_undone_after_it_was_billed(erp: Erp) -> None:
    warehouse.receive_goods(erp.clerk, BEARING, 10)
    order = erp.placed(line(BEARING, "5", unit_price=Decimal(50)))
    shipment = erp.ship(order)
    invoice = booked(erp, order)
    with news_of(erp, order):
        erp.clerk.press("stock.shipment.out", "cancel", shipment)
    shown = erp.read(order)
    assert shown.fields["credit_notes"] == "not numbered: draft, -270.62 USD"
    assert shown.fields["invoices"] == told(erp, invoice, "270.62")


def test_each_order_of_a_page_shows_its_own(erp: Erp, order: Native) -> None:
    customer = erp.customer()
    warehouse.receive_goods(erp.clerk, BEARING, 10)
    others = [erp.placed(line(BEARING, "1", unit_price=Decimal(50)), customer=customer) for _ in range(2)]
    for each in others:
        erp.ship(each)
    credit = accounts.credit_invoice(erp.clerk, booked(erp, others[0]), refund=False)
    booked(erp, others[1])
    back = sales.return_goods(erp.clerk, int(order.id), {BEARING: 1})
    erp.clerk.press("account.invoice", "post", credit)
    (returned,) = accounts.post_invoices(erp.clerk, back)
    ids = [each.id for each in (order, *others)]
    found = erp.connector.read_many("order", ids)
    assert [found[one].fields["credit_notes"] for one in ids] == [
        told(erp, returned, "-54.12"),
        told(erp, credit, "-54.12"),
        None,
    ]


def test_a_credit_note_of_lines_from_everywhere_stops_nothing(erp: Erp, order: Native) -> None:
    credit = accounts.credit_invoice(erp.clerk, booked(erp, order), refund=False)
    (made,) = erp.clerk.read("account.invoice", [credit], "lines")
    (sale,) = erp.clerk.read("sale.sale", [int(order.id)], "lines")
    position = drained(erp.connector, "order")
    (mixed,) = erp.clerk.call("model.account.invoice.line.copy", made["lines"])
    erp.clerk.write("account.invoice.line", [mixed], {"origin": f"sale.line,{sale['lines'][0]}", "quantity": -1.0})
    assert order.id in changed(erp.connector, "order", position)
    (row,) = erp.clerk.read("account.invoice", [credit], "total_amount")
    assert erp.read(order).fields["credit_notes"] == f"not numbered: draft, {row['total_amount']:f} USD", "once"
