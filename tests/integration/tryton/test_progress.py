"""What has left of an order and what is still to leave, line by line."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from sync_workers.sandbox.tryton import accounts, catalogue, warehouse
from tests.integration.tryton.bench import changed, drained, line

pytestmark = pytest.mark.tryton

BEARING = "BRG-6204-2RS"
BELT = "vB-A30"


def progress(shown: object) -> list[tuple[object, ...]]:
    return [(one["shipped"], one["backordered"], one["expected"]) for one in shown.fields["lines"]]


def test_an_order_of_ten_leaves_in_three_parcels(erp):
    warehouse.receive_goods(erp.clerk, BEARING, 10)
    order = erp.order(erp.customer(), line(BEARING, "10"))
    assert progress(order) == [(0, 0, None)]
    erp.step(order, "quote")
    order = erp.step(order, "confirm")
    today = warehouse.today()
    assert progress(order) == [(0, 10, today)]
    seen = []
    for pieces in (4, 3, 3):
        position = drained(erp.connector, "order")
        erp.ship(order, {BEARING: pieces})
        assert order.id in changed(erp.connector, "order", position)
        shown = erp.read(order)
        seen.append((*progress(shown)[0], shown.fields["shipment_state"], shown.fields["open"]))
    assert seen == [
        (4, 6, today, "partially shipped", True),
        (7, 3, today, "partially shipped", True),
        (10, 0, None, "sent", False),
    ]  # fmt: skip
    shipments = shown.fields["shipments"].splitlines()
    assert [one.partition(": ")[2] for one in shipments] == [f"shipped {today}, {catalogue.CARRIERS[0]}"] * 3
    assert len(shown.fields["invoices"].splitlines()) == 3


def test_quantities_are_in_the_unit_of_the_line(erp):
    warehouse.receive_goods(erp.clerk, BELT, 60)
    order = erp.placed(line(BELT, "3", unit={"symbol": "bx12"}, unit_price=Decimal(60)))
    assert progress(order) == [(0, 3, warehouse.today())]
    erp.ship(order, {BELT: 2})
    assert progress(erp.read(order)) == [(2, 1, warehouse.today())]
    (move,) = erp.clerk.find("stock.move", [["sale", "=", int(order.id)], ["state", "not in", ["done", "cancelled"]]])
    (pieces,) = erp.clerk.find("product.uom", [["symbol", "=", "u"]])
    erp.clerk.write("stock.move", [move], {"unit": pieces, "quantity": 6.0})
    assert progress(erp.read(order)) == [(2, Decimal("0.5"), warehouse.today())]


def test_the_rest_is_expected_on_the_day_that_it_is_planned_for(erp):
    day = warehouse.today() + timedelta(days=11)
    (part,) = erp.connector.find("part", "code", erp.stocked_part())
    (template,) = erp.clerk.read("product.product", [int(part.id)], "template")
    erp.clerk.write("product.template", [template["template"]], {"lead_time": timedelta(0)})
    order = erp.placed(line(part.fields["code"], "2"), shipping_date=day)
    assert progress(order) == [(0, 2, day)]


def test_a_shipment_that_is_taken_back_counts_as_not_shipped(erp):
    warehouse.receive_goods(erp.clerk, BEARING, 10)
    order = erp.placed(line(BEARING, "5"))
    shipment = erp.ship(order)
    assert progress(erp.read(order)) == [(5, 0, None)]
    erp.clerk.press("stock.shipment.out", "cancel", shipment)
    shown = erp.read(order)
    assert progress(shown) == [(0, 0, None)]
    assert shown.fields["shipment_state"] == "exception"
    assert shown.fields["open"] is True
    assert shown.fields["shipments"].partition(": ")[2].startswith("cancelled")


def test_an_invoice_that_is_posted_is_news_of_its_order_and_told_in_a_line(erp):
    warehouse.receive_goods(erp.clerk, BEARING, 10)
    order = erp.placed(line(BEARING, "2", unit_price=Decimal(50)))
    erp.ship(order)
    before = erp.read(order)
    assert before.fields["invoices"] == "not numbered: draft, 108.25 USD"
    position = drained(erp.connector, "order")
    accounts.post_invoices(erp.clerk, int(order.id))
    assert order.id in changed(erp.connector, "order", position)
    after = erp.read(order)
    (sale,) = erp.clerk.read("sale.sale", [int(order.id)], "invoices")
    (invoice,) = erp.clerk.read("account.invoice", sale["invoices"], "number")
    assert after.fields["invoices"] == f"{invoice['number']}: posted {warehouse.today()}, 108.25 USD"
    assert after.version != before.version


def test_a_move_is_news_of_its_order_though_it_stamps_neither_order_nor_line(erp):
    order = erp.placed(line(erp.stocked_part(), "2"))
    (move,) = erp.clerk.find("stock.move", [["sale", "=", int(order.id)]])
    position = drained(erp.connector, "order")
    day = warehouse.today() + timedelta(days=3)
    erp.clerk.write("stock.move", [move], {"planned_date": day})
    assert order.id in changed(erp.connector, "order", position)
    shown = erp.read(order)
    assert progress(shown) == [(0, 2, day)]
    assert shown.version != order.version
    assert shown.changed_at == order.changed_at
