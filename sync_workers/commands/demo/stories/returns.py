"""Goods that come back are a credit note and on the shelf again; a refund needs no goods."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario, says
from sync_workers.sandbox.tryton import accounts, sales, warehouse

PART = "BRG-6217-2RS"
BACK, REFUND = "Four of ten come back", "Refunded, and the goods are kept"


def ship_both(day: Day) -> None:
    for name in (BACK, REFUND):
        day.win(day.company("C1008"), [day.line(PART, 10)], name=name)
        day.show_order(name)
    for name in (BACK, REFUND):
        sights.await_state(day, name, "processing")
        warehouse.ship(day.clerk, sights.order(day, name)["id"])
    for name in (BACK, REFUND):
        sights.await_count(day, name, sights.invoices, 1)
    day.show_part(PART)


def give_back(day: Day) -> None:
    before = warehouse.read_stock(day.clerk, PART).on_hand
    back = sales.return_goods(day.clerk, sights.order(day, BACK)["id"], {PART: 4})
    accounts.post_invoices(day.clerk, back)
    day.note(Fact("pieces that are on the shelf again", warehouse.read_stock(day.clerk, PART).on_hand - before, 4.0))
    sights.await_count(day, BACK, sights.credit_notes, 1)


def refund(day: Day) -> None:
    (invoice,) = sights.documents(day, REFUND)
    accounts.credit_invoice(day.clerk, invoice["id"], refund=True)
    sights.await_count(day, REFUND, sights.credit_notes, 1)


def check(day: Day) -> Iterator[Fact]:
    (back,) = sights.credit_notes(day, BACK)
    yield Fact("the credit note of what came back is below zero", sights.money(back["total"]) < 0, True)
    yield says("what it gives back", back.get("contents"), f"-4 u {PART}: ")
    (billed,) = sights.invoices(day, BACK)
    four = (sights.money(billed["subtotal"]) * 4 / 10).quantize(Decimal("0.01"))
    yield Fact("its amount before tax, four tenths of the invoice", sights.money(back.get("subtotal")), -four)
    (invoice,), (credit,) = sights.invoices(day, REFUND), sights.credit_notes(day, REFUND)
    yield Fact("the refund", sights.money(credit["total"]), -sights.money(invoice["total"]))
    yield Fact("what is open of the refunded invoice", sights.money(invoice.get("balance")), Decimal(0))
    on_hand = Decimal(str(warehouse.read_stock(day.clerk, PART).on_hand))
    yield Fact(f"{PART} on hand in the CRM", sights.money(sights.product(day, PART)["stock_on_hand"]), on_hand)


STORY = Scenario(
    "returns",
    "a part of an order comes back, another one is refunded without goods",
    opening=(FIRST_LOAD, Act("two orders of ten bearings are shipped and invoiced", ship_both)),
    acts=(
        Act("four of ten come back, and the clerk posts the credit note", give_back),
        Act("the other order is refunded, and the goods stay where they are", refund),
    ),
    check=check,
)
