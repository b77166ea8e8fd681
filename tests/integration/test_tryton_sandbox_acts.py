"""The acts of the people in warehouse, sales, accounts and purchasing, and what the real ERP makes of them."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import psycopg2
import pytest

from sync_workers.sandbox.databases import database_url
from sync_workers.sandbox.services import Service
from sync_workers.sandbox.tryton import accounts, assortment, catalogue, sales, warehouse
from sync_workers.sandbox.tryton.rpc import Row, Rpc, TrytonError
from sync_workers.sandbox.tryton.seed import CLERK
from sync_workers.sandbox.tryton.server import TrytonServer

pytestmark = pytest.mark.tryton

BEARING = "BRG-6204-2RS"
SEAL = "SEAL 40 62 10"
PURCHASES = itertools.count(1)


@pytest.fixture(scope="module")
def clerk(tryton: TrytonServer) -> Iterator[Rpc]:
    database = tryton.fresh_database(f"acts_{secrets.token_hex(6)}")
    rpc = tryton.login(CLERK, database)
    for code in (BEARING, SEAL):
        warehouse.receive_goods(rpc, code, 1000)
    yield rpc
    rpc.close()
    tryton.drop_database(database)


def ordered(rpc: Rpc, lines: dict[str, float] | None = None) -> int:
    sale = sales.place_order(rpc, "C1002", lines or {BEARING: 10}, f"PO-{next(PURCHASES)}")
    sales.release_order(rpc, sale)
    return sale


def invoiced(rpc: Rpc) -> tuple[int, int]:
    sale = ordered(rpc)
    warehouse.ship(rpc, sale)
    (invoice,) = accounts.post_invoices(rpc, sale)
    return sale, invoice


def shown(rpc: Rpc, model: str, number: int, *fields: str) -> Row:
    (row,) = rpc.read(model, [number], *fields)
    return row


def on_hand(rpc: Rpc) -> float:
    return warehouse.read_stock(rpc, BEARING).on_hand


def test_a_shipment_names_its_carrier_and_its_tracking_number(clerk):
    shipment = warehouse.ship(clerk, ordered(clerk), carrier=catalogue.CARRIERS[1], tracking="HF 0001")
    row = shown(clerk, "stock.shipment.out", shipment, "state", "carrier.party.name", "shipping_reference")
    assert (row["state"], row["shipping_reference"]) == ("done", "HF 0001")
    assert row["carrier."]["party."]["name"] == catalogue.CARRIERS[1]
    warehouse.set_carrier(clerk, shipment, catalogue.CARRIERS[1], "HF 0002")
    assert shown(clerk, "stock.shipment.out", shipment, "shipping_reference")["shipping_reference"] == "HF 0002"


def test_parcels_that_are_booked_later_keep_the_day_on_which_they_left(clerk):
    sale, before = ordered(clerk), on_hand(clerk)
    days = [warehouse.today() - timedelta(days=ago) for ago in (2, 1, 0)]
    parcels = [warehouse.ship(clerk, sale, {BEARING: pieces}, day=day)
               for pieces, day in zip((4, 3, 3), days, strict=True)]  # fmt: skip
    rows = clerk.read("stock.shipment.out", parcels, "effective_date", "moves.effective_date")
    assert [row["effective_date"] for row in rows] == days
    assert [{move["effective_date"] for move in row["moves."]} for row in rows] == [{day} for day in days]
    assert on_hand(clerk) == before - 10
    accounts.post_invoices(clerk, sale)
    (billed,) = clerk.read("sale.sale", [sale], "invoices")
    dates = {row["invoice_date"] for row in clerk.read("account.invoice", billed["invoices"], "invoice_date")}
    assert dates == {warehouse.today()}, "the invoice is of the day on which it is posted"
    with pytest.raises(TrytonError, match='not allowed to modify the field "Effective Date"'):
        clerk.write("stock.shipment.out", parcels[:1], {"effective_date": warehouse.today()})


def test_more_than_ordered_is_shipped_and_invoiced(clerk):
    sale, before = ordered(clerk), on_hand(clerk)
    warehouse.ship(clerk, sale, {BEARING: 12})
    assert on_hand(clerk) == before - 12
    assert shown(clerk, "sale.sale", sale, "shipment_state")["shipment_state"] == "sent"
    (invoice,) = accounts.post_invoices(clerk, sale)
    (line,) = shown(clerk, "account.invoice", invoice, "lines.quantity")["lines."]
    assert line["quantity"] == 12


def test_an_order_closed_short_is_done_with_what_left(clerk):
    sale = ordered(clerk)
    warehouse.ship(clerk, sale, {BEARING: 4})
    sales.close_short(clerk, sale)
    assert warehouse.open_shipments(clerk, sale) == []
    for invoice in accounts.post_invoices(clerk, sale):
        accounts.pay_invoice(clerk, invoice)
    row = shown(clerk, "sale.sale", sale, "state", "shipment_state", "invoice_state")
    assert (row["state"], row["shipment_state"], row["invoice_state"]) == ("done", "sent", "paid")


def test_a_shipment_booked_by_mistake_is_undone_and_shipped_again(clerk):
    sale, before = ordered(clerk), on_hand(clerk)
    shipment = warehouse.ship(clerk, sale)
    warehouse.cancel_shipment(clerk, shipment)
    assert on_hand(clerk) == before
    assert shown(clerk, "sale.sale", sale, "shipment_state")["shipment_state"] == "exception"
    sales.ship_again(clerk, sale)
    warehouse.ship(clerk, sale)
    assert on_hand(clerk) == before - 10


def test_nothing_is_decided_where_nothing_was_cancelled(clerk):
    with pytest.raises(TrytonError, match="no move of sale"):
        sales.ship_again(clerk, ordered(clerk))


def test_an_invoice_is_paid_in_part_and_then_whole(clerk):
    _, invoice = invoiced(clerk)
    total = shown(clerk, "account.invoice", invoice, "total_amount")["total_amount"]
    accounts.pay_invoice(clerk, invoice, Decimal("10.00"))
    row = shown(clerk, "account.invoice", invoice, "state", "amount_to_pay")
    assert (row["state"], row["amount_to_pay"]) == ("posted", total - 10)
    accounts.pay_invoice(clerk, invoice)
    row = shown(clerk, "account.invoice", invoice, "state", "amount_to_pay")
    assert (row["state"], row["amount_to_pay"]) == ("paid", 0)


@pytest.mark.parametrize("pieces", [None, {BEARING: 3}], ids=["everything", "some"])
def test_returned_goods_are_on_the_shelf_again_and_credited(clerk, pieces):
    sale = ordered(clerk, {BEARING: 10, SEAL: 2})
    warehouse.ship(clerk, sale)
    accounts.post_invoices(clerk, sale)
    before = on_hand(clerk)
    back = sales.return_goods(clerk, sale, pieces)
    assert on_hand(clerk) == before + (10 if pieces is None else 3)
    (credit,) = accounts.post_invoices(clerk, back)
    row = shown(clerk, "account.invoice", credit, "number", "total_amount", "lines.quantity")
    assert row["number"].startswith("CN")
    assert row["total_amount"] < 0
    assert sorted(line["quantity"] for line in row["lines."]) == ([-10, -2] if pieces is None else [-3])


def test_a_refund_without_a_return_cancels_the_invoice(clerk):
    _, invoice = invoiced(clerk)
    before = on_hand(clerk)
    credit = accounts.credit_invoice(clerk, invoice, refund=True)
    assert shown(clerk, "account.invoice", invoice, "state")["state"] == "cancelled"
    assert shown(clerk, "account.invoice", credit, "state")["state"] == "paid"
    assert on_hand(clerk) == before


def test_part_of_an_invoice_is_credited_without_a_return(clerk):
    _, invoice = invoiced(clerk)
    credit = accounts.credit_part(clerk, invoice, 2)
    row = shown(clerk, "account.invoice", credit, "state", "lines.quantity")
    assert row["state"] == "posted"
    assert [line["quantity"] for line in row["lines."]] == [-2]
    assert shown(clerk, "account.invoice", invoice, "state")["state"] == "posted"


def test_nothing_is_booked_in_a_closed_period_until_it_is_opened_again(clerk):
    invoiced(clerk)  # so that the journal has a period of its own, which is closed along
    sale = ordered(clerk)
    warehouse.ship(clerk, sale)
    period = accounts.close_period(clerk)
    with pytest.raises(TrytonError, match="reopen the period"):
        accounts.post_invoices(clerk, sale)
    accounts.reopen_period(clerk, period)
    assert len(accounts.post_invoices(clerk, sale)) == 1


def test_who_meets_a_lock_of_somebody_else_presses_again(
    tryton: TrytonServer, postgres: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tryton.fresh_database(f"locked_{secrets.token_hex(6)}")
    rpc = tryton.login(CLERK, database)
    warehouse.receive_goods(rpc, BEARING, 1000)
    sale = ordered(rpc)
    warehouse.ship(rpc, sale)
    waits: list[float] = []

    def let_go(seconds: float) -> None:
        waits.append(seconds)
        other.rollback()

    with closing(psycopg2.connect(database_url(postgres.url, database))) as other:
        other.cursor().execute("LOCK TABLE account_journal_period IN EXCLUSIVE MODE")
        monkeypatch.setattr("sync_workers.sandbox.tryton.rpc.time.sleep", let_go)
        (invoice,) = accounts.post_invoices(rpc, sale)
    assert waits
    assert shown(rpc, "account.invoice", invoice, "state")["state"] == "posted"
    rpc.close()
    tryton.drop_database(database)


def test_a_part_is_switched_off_with_or_without_a_successor_and_on_again(clerk):
    assortment.deactivate_part(clerk, "RC36/1R", replaced_by="RC37/1R")
    (off,) = clerk.find("product.product", [["code", "=", "RC36/1R"], ["active", "=", False]])
    assert shown(clerk, "product.product", off, "replaced_by.code")["replaced_by."]["code"] == "RC37/1R"
    assortment.deactivate_part(clerk, "RC38/1R")
    assert clerk.find("product.product", [["code", "=", "RC38/1R"]]) == []
    assortment.activate_part(clerk, "RC38/1R")
    assert len(clerk.find("product.product", [["code", "=", "RC38/1R"]])) == 1


def test_prices_follow_the_list_its_lines_and_the_rate(clerk):
    context = {
        "price_list": clerk.one("product.price_list", [["name", "=", catalogue.GOLD]]),
        "currency": clerk.one("currency.currency", [["code", "=", "EUR"]]),
        "quantity": 12,
    }

    def price() -> Decimal:
        (row,) = clerk.read("product.product", [warehouse.find_part(clerk, BEARING)], "sale_price_uom", **context)
        return row["sale_price_uom"]

    assortment.set_list_price(clerk, BEARING, Decimal("10"))
    assert price() == Decimal("7.8200")  # 10 x 0.85 x 0.92
    assortment.set_formula(clerk, catalogue.GOLD, 12, "unit_price * 0.5")
    assert price() == Decimal("4.6000")
    assortment.set_rate(clerk, "EUR", Decimal("0.8"))
    assortment.set_rate(clerk, "EUR", Decimal("0.9"))
    assert price() == Decimal("4.5000")
    special = assortment.add_special_price(clerk, catalogue.GOLD, BEARING, "unit_price * 0.1")
    assert price() == Decimal("0.9000")
    assortment.drop_special_price(clerk, special)
    assert price() == Decimal("4.5000")
