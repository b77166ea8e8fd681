"""Each shipment is invoiced the moment it is seen; payments lower the balance, and a paid order is closed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario
from sync_workers.sandbox.tryton import accounts, warehouse

NAME, PART = "Two parcels, two invoices", "BRG-6209-2RS"
PART_PAYMENT = Decimal("10.00")


def win(day: Day) -> None:
    day.win(day.company("C1003"), [day.line(PART, 10)], name=NAME)
    day.show_order(NAME)
    sights.await_state(day, NAME, "processing")


def ship(day: Day) -> None:
    """Nobody posts an invoice: the sync layer asks for it."""
    for count, pieces in enumerate((6, 4), 1):
        warehouse.ship(day.clerk, sights.order(day, NAME)["id"], {PART: pieces})
        sights.await_count(day, NAME, sights.invoices, count)


def pay_a_part(day: Day) -> None:
    accounts.pay_invoice(day.clerk, sights.documents(day, NAME)[0]["id"], PART_PAYMENT)
    total = sum(sights.money(each["total"]) for each in sights.invoices(day, NAME))

    def is_lower() -> bool:
        return sum(sights.money(each["balance"]) for each in sights.invoices(day, NAME)) == total - PART_PAYMENT

    day.wait_for(is_lower, f"a balance lowered by {PART_PAYMENT}")
    balances = sorted(sights.money(each["amount_to_pay"]) for each in sights.documents(day, NAME))
    shown = sorted(sights.money(each["balance"]) for each in sights.invoices(day, NAME))
    day.note(Fact(f"open balances after a payment of {PART_PAYMENT}", shown, balances))


def pay_the_rest(day: Day) -> None:
    for document in sights.documents(day, NAME):
        accounts.pay_invoice(day.clerk, document["id"])


def check(day: Day) -> Iterator[Fact]:
    seen, books = sights.invoices(day, NAME), sights.documents(day, NAME)
    numbers = sorted(str(each.get("invoice_number")) for each in seen)
    yield Fact("invoices on the deal", numbers, sorted(str(each["number"]) for each in books))
    totals = sorted(sights.money(each.get("total")) for each in seen)
    yield Fact("their totals", totals, sorted(sights.money(each["total_amount"]) for each in books))
    parcels = [each.get("shipment_number") for each in sights.parcels(day, NAME)]
    yield Fact("the shipments they bill", [each.get("shipments") for each in seen], parcels)
    yield Fact("their balances", {sights.money(each.get("balance")) for each in seen}, {Decimal(0)})
    yield Fact("the order", sights.deal(day, NAME).get("erp_order_state"), "done")
    said, count = sights.lag(day)
    yield Fact(f"from shipment to invoice ({said}): both measured", count >= len(books), True)


STORY = Scenario(
    "invoices",
    "each parcel is invoiced at once; payments close the order",
    opening=(FIRST_LOAD, Act("a deal of ten bearings is won and confirmed", win)),
    acts=(
        Act("six leave, then four; the invoices follow by themselves", ship),
        Act("the customer pays a part of the first invoice", pay_a_part),
        Act("the customer pays all that is open", pay_the_rest),
    ),
    check=check,
)
